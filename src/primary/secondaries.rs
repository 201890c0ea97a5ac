//! Who is told of new versions, how often it is tried again, and which version each serves.
//!
//! ```text
//! new version ──► tell ──no answer──► wait 1 s, 2 s, 4 s … 60 s ──► tell again, 12 times
//!                  └──taken──► look at its SOA: 0.2 s, 0.4 s … 60 s apart until it is ours, then every 5 minutes
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use super::PrimaryError;
use super::exchange::{Exchange, Heard, Kind};
use super::kept::Kept;
use super::name;
use crate::clock::unix_s;
use crate::nameserver::{TsigKey, TsigKeys};
use crate::wire::Name;

/// Milliseconds before the first repetition, and at most between two.
const AGAIN_MS: u64 = 1_000;
const AGAIN_MS_MAX: u64 = 60_000;
/// Tries of one NOTIFY: some eight minutes. The refresh timer of the SOA does the rest.
const TRIES_MAX: u32 = 12;
/// Milliseconds until a secondary that took a NOTIFY is first looked at.
const LOOK_MS: u64 = 200;
/// Milliseconds between looks at a secondary that serves what we serve.
const LOOK_AGAIN_MS: u64 = 300_000;
/// Exchanges at once: each has a socket.
const EXCHANGES_MAX: usize = 64;

/// All secondaries of all zones.
pub(super) struct Secondaries(Vec<Secondary>);

/// One secondary of one zone.
pub(super) struct Secondary {
    pub(super) zone: Name,
    pub(super) to: SocketAddr,
    key: Option<Arc<TsigKey>>,
    /// The serial that it is told of, and the SOA's RDATA.
    serial: u32,
    soa: Vec<u8>,
    /// The serial whose NOTIFY it took.
    pub(super) acknowledged: Option<u32>,
    /// The serial that it serves, and when that was seen, Unix seconds.
    pub(super) seen: Option<(u32, u64)>,
    /// What went wrong last.
    pub(super) error: Option<String>,
    untold: bool,
    tries: u32,
    looks: u32,
    /// It does not say over UDP what it serves.
    over_tcp: bool,
    next_ms: u64,
    exchange: Option<Exchange>,
}

impl Secondaries {
    /// Those of these zones; all of them are told, since nobody knows what they have.
    pub(super) fn new(zones: &[Kept], keys: &TsigKeys) -> Result<Self, PrimaryError> {
        let mut all = Vec::new();
        for zone in zones {
            for notify in zone.notify() {
                let key = match notify.key.is_empty() {
                    true => None,
                    false => keys.find(&name(&notify.key)?).cloned(),
                };
                all.push(Secondary {
                    zone: *zone.name(),
                    to: notify.to,
                    key,
                    serial: 0,
                    soa: Vec::new(),
                    acknowledged: None,
                    seen: None,
                    error: None,
                    untold: false,
                    tries: 0,
                    looks: 0,
                    over_tcp: false,
                    next_ms: 0,
                    exchange: None,
                });
            }
        }
        Ok(Self(all))
    }

    /// There is a new version of a zone.
    pub(super) fn tell(&mut self, zone: &Kept, now_ms: u64) {
        let Some(published) = zone.published() else { return };
        let version = &published.version;
        let soa = version.zone().soa().and_then(|soa| soa.iter().next().map(<[u8]>::to_vec)).unwrap_or_default();
        for secondary in self.0.iter_mut().filter(|secondary| secondary.zone == *zone.name()) {
            (secondary.serial, secondary.soa) = (version.serial(), soa.clone());
            (secondary.untold, secondary.tries, secondary.looks, secondary.next_ms) = (true, 0, 0, now_ms);
            secondary.exchange = None; // what it answers to is over
        }
    }

    /// Sends what is due, hears what has come; true if anything is known that was not.
    pub(super) fn turn(&mut self, now_ms: u64) -> bool {
        let mut under_way = self.0.iter().filter(|secondary| secondary.exchange.is_some()).count();
        let mut news = false;
        for secondary in &mut self.0 {
            news |= secondary.hear(now_ms);
            if secondary.exchange.is_none() && now_ms >= secondary.next_ms && under_way < EXCHANGES_MAX {
                secondary.send(now_ms);
                under_way += 1;
            }
        }
        news
    }

    /// Whether answers are waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.iter().any(|secondary| secondary.exchange.is_some())
    }

    /// Those of a zone.
    pub(super) fn of<'a>(&'a self, zone: &'a Name) -> impl Iterator<Item = &'a Secondary> {
        self.0.iter().filter(move |secondary| secondary.zone == *zone)
    }
}

impl Secondary {
    fn send(&mut self, now_ms: u64) {
        let kind = match (self.untold, self.over_tcp) {
            (true, _) => Kind::Notify,
            (false, false) => Kind::Look,
            (false, true) => Kind::LookOverTcp,
        };
        match Exchange::send(kind, self.to, self.zone, &self.soa, self.key.as_ref(), now_ms) {
            Ok(exchange) => self.exchange = Some(exchange),
            Err(error) => self.failed(kind, error.to_string(), now_ms),
        }
    }

    fn hear(&mut self, now_ms: u64) -> bool {
        let Some(exchange) = &self.exchange else { return false };
        let kind = exchange.kind;
        match exchange.hear(now_ms) {
            Heard::Nothing => return false,
            Heard::Taken => {
                (self.acknowledged, self.untold, self.error) = (Some(self.serial), false, None);
                self.next_ms = now_ms + LOOK_MS;
            }
            Heard::Serves(serial) => {
                (self.seen, self.error) = (Some((serial, unix_s(now_ms))), None);
                self.looks = if serial == self.serial { 0 } else { self.looks + 1 };
                self.next_ms =
                    now_ms + if serial == self.serial { LOOK_AGAIN_MS } else { pause_ms(LOOK_MS, self.looks) };
            }
            Heard::Refused if kind == Kind::Look => (self.over_tcp, self.next_ms) = (true, now_ms),
            Heard::Refused => {
                self.over_tcp = false;
                self.failed(kind, "it refuses to say which version it serves".to_owned(), now_ms);
            }
            Heard::Failed(why) => self.failed(kind, why, now_ms),
        }
        self.exchange = None;
        true
    }

    fn failed(&mut self, kind: Kind, why: String, now_ms: u64) {
        self.error = Some(why);
        match kind {
            Kind::Notify => {
                self.tries += 1;
                self.untold = self.tries < TRIES_MAX;
                self.next_ms = now_ms + pause_ms(AGAIN_MS, self.tries - 1);
            }
            Kind::Look | Kind::LookOverTcp => {
                self.looks += 1;
                self.next_ms = now_ms + pause_ms(AGAIN_MS, self.looks);
            }
        }
    }
}

/// Twice as long each time.
fn pause_ms(first_ms: u64, times: u32) -> u64 {
    first_ms.saturating_mul(1 << times.min(20)).min(AGAIN_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn secondary(to: SocketAddr) -> Secondaries {
        Secondaries(vec![Secondary {
            zone: Name::from_text("a.").unwrap(),
            to,
            key: None,
            serial: 7,
            soa: Vec::new(),
            acknowledged: None,
            seen: None,
            error: None,
            untold: true,
            tries: 0,
            looks: 0,
            over_tcp: false,
            next_ms: 0,
            exchange: None,
        }])
    }

    #[test]
    fn who_is_silent_is_told_again_ever_later_and_not_for_ever() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        silent.set_nonblocking(true).unwrap();
        let mut all = secondary(silent.local_addr().unwrap());
        let (mut told_at, mut packet) = (Vec::new(), [0; 512]);
        for now_ms in (0..1_000_000).step_by(100) {
            all.turn(now_ms);
            while let Ok(octets) = silent.recv(&mut packet) {
                if octets > 2 && packet[2] >> 3 & 15 == 4 {
                    told_at.push(now_ms);
                }
            }
        }
        let pauses: Vec<u64> = told_at.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(told_at.len(), TRIES_MAX as usize);
        assert!(pauses.windows(2).all(|two| two[1] >= two[0]) && pauses[0] < 4_000, "{pauses:?}");
        assert!(*pauses.last().unwrap() <= AGAIN_MS_MAX + 2_200, "{pauses:?}");
        assert_eq!(all.0[0].error.as_deref(), Some("no answer"));
    }
}
