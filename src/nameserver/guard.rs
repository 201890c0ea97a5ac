//! Who may ask how much: DNS cookies, the pace of answers to addresses that prove nothing, the budget on numbers.
//!
//! ```text
//! query ──► cookie? stream? ──► proved ──────────────► budget on numbers ──► over: REFUSED + EDE, hit and miss alike
//!                     └───────► unproved ──► pace ───► budget on numbers ──► over: TC=1, hit and miss alike
//!                                             └──────► over: TC=1 or BADCOOKIE (every `slip`-th), else nothing
//! ```
//! Everything is decided before any look-up, so that no limit tells which numbers exist; a forged packet can use up what
//! unproved packets of its prefix get, never what a client gets that comes back over TCP or with a cookie (DNS.md 7).

mod buckets;

use std::net::IpAddr;

use ring::rand::SecureRandom;

use super::respond::Peer;
use crate::config::Limits;
use crate::config::ranges::{AddressRange, shortened};
use crate::wire::cookie::{self, CLIENT_OCTETS, Cookie, SERVER_OCTETS, Secret};
use buckets::{Buckets, Rate};

/// Answers that an unproved prefix may be ahead of its rate, in seconds' worth.
const PACE_BURST_S: u32 = 2;
/// Numbers that a prefix may be ahead of its rate, in seconds' worth: ten minutes, for whoever synchronises an address book.
const BUDGET_BURST_S: u32 = 600;
/// A listed resolver asks for many people.
const RESOLVER_TIMES: u32 = 100;
/// What is one client: an IPv4 /24, an IPv6 /56; and what an IPv6 client may have more of, with how many times the rate.
const V4_BITS: u8 = 24;
const V6_LEVELS: [(u8, u32); 3] = [(56, 1), (48, 8), (32, 64)];

/// The state behind the limits, shared by all threads. RAM only.
pub struct Guard {
    limits: Limits,
    /// The first makes cookies, all of them are good (RFC 9018 5).
    secrets: Vec<Secret>,
    pace: Buckets,
    budget: Buckets,
}

/// Randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandom;

/// What the guard knows of a query's sender.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    address: IpAddr,
    standing: Standing,
    proved: bool,
    wrong_cookie: bool,
    /// What the answer's cookie option carries.
    pub(super) cookie: Option<([u8; CLIENT_OCTETS], [u8; SERVER_OCTETS])>,
}

impl Caller {
    /// Whether its cookie has a server's half that is not ours, or no longer.
    pub(super) fn shows_wrong_cookie(&self) -> bool {
        self.wrong_cookie
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Exempt,
    Resolver,
    Ordinary,
}

/// What to do with a query before it is looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pace {
    /// Answer it.
    Answer,
    /// Answer without records: TC, or BADCOOKIE to who sent half a cookie.
    Slip,
    /// Do not answer.
    Drop,
}

/// What to do with a question for a possible number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Budget {
    /// Answer it.
    Within,
    /// TC: it may be forged, so nothing else is fair.
    OverUnproved,
    /// REFUSED.
    Over,
}

impl Guard {
    /// A guard with full buckets. `secrets` are the cookie secrets of the servers that share an address; none: a random one.
    pub fn new(limits: Limits, mut secrets: Vec<Secret>, random: &dyn SecureRandom) -> Result<Self, NoRandom> {
        let fresh = || {
            let mut secret = Secret::default();
            random.fill(&mut secret).map(|()| secret).map_err(|_| NoRandom)
        };
        if secrets.is_empty() {
            secrets.push(fresh()?);
        }
        Ok(Self { limits, secrets, pace: Buckets::new(fresh()?), budget: Buckets::new(fresh()?) })
    }

    /// Who sends this, and with what cookie he is answered.
    pub(super) fn meet(&self, peer: Peer, cookie: Option<Cookie>, now_s: u64) -> Caller {
        let address = peer.address.to_canonical();
        let within = |ranges: &[AddressRange]| ranges.iter().any(|range| range.contains(address));
        let standing = match () {
            () if within(&self.limits.exempt) => Standing::Exempt,
            () if within(&self.limits.resolvers) => Standing::Resolver,
            () => Standing::Ordinary,
        };
        let age_s = cookie.and_then(|c| self.secrets.iter().find_map(|s| cookie::age_s(&c, address, now_s, s)));
        let answered = cookie.zip(self.secrets.first()).map(|(cookie, secret)| {
            let kept = cookie.server.filter(|_| age_s.is_some_and(cookie::is_fresh));
            (cookie.client, kept.unwrap_or_else(|| cookie::make(cookie.client, address, now_s, secret)))
        });
        let wrong_cookie = age_s.is_none() && cookie.is_some_and(|cookie| cookie.server.is_some());
        let proved = !peer.transport.is_datagram() || age_s.is_some();
        Caller { address, standing, proved, wrong_cookie, cookie: answered }
    }

    /// Whether an answer may go out: counted for whoever proves nothing.
    pub(super) fn pace(&self, caller: &Caller, now_s: u64, nth: u32) -> Pace {
        let rate = Rate { per_s: self.limits.responses_per_s, burst_s: PACE_BURST_S };
        if caller.proved || caller.standing == Standing::Exempt || take(&self.pace, caller, rate, now_s) {
            return Pace::Answer;
        }
        match self.limits.slip {
            0 => Pace::Drop,
            slip if nth.is_multiple_of(slip) => Pace::Slip,
            _ => Pace::Drop,
        }
    }

    /// Charges a question for a possible number, before the look-up; a listed resolver's only when `missed`, after it.
    pub(super) fn charge(&self, caller: &Caller, now_s: u64, missed: Option<bool>) -> Budget {
        let times = match (caller.standing, missed) {
            (Standing::Ordinary, None) => 1,
            (Standing::Resolver, Some(true)) => RESOLVER_TIMES,
            _ => return Budget::Within,
        };
        let rate = Rate { per_s: self.limits.numbers_per_s.saturating_mul(times), burst_s: BUDGET_BURST_S };
        match (take(&self.budget, caller, rate, now_s), caller.proved) {
            (true, _) => Budget::Within,
            (false, true) => Budget::Over,
            (false, false) => Budget::OverUnproved,
        }
    }
}

/// Takes a token at every level that the address belongs to.
fn take(buckets: &Buckets, caller: &Caller, rate: Rate, now_s: u64) -> bool {
    let from = |bits: u8, times: u32| {
        let rate = Rate { per_s: rate.per_s.saturating_mul(times), ..rate };
        let mut who = [0u8; 18];
        let [proved, length, rest @ ..] = &mut who;
        (*proved, *length) = (caller.proved.into(), bits);
        let octets = match shortened(caller.address, bits) {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        *rest = octets;
        buckets.take(&who, rate, now_s)
    };
    match caller.address {
        IpAddr::V4(_) => from(V4_BITS, 1),
        IpAddr::V6(_) => V6_LEVELS.iter().all(|(bits, times)| from(*bits, *times)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nameserver::Transport;
    use ring::rand::SystemRandom;

    const NOW_S: u64 = 1_800_000_000;

    fn guard(exempt: &[&str], resolvers: &[&str]) -> Guard {
        let ranges = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect();
        let limits = Limits {
            responses_per_s: 5,
            slip: 2,
            numbers_per_s: 1,
            exempt: ranges(exempt),
            resolvers: ranges(resolvers),
        };
        Guard::new(limits, vec![[9; 16], [8; 16]], &SystemRandom::new()).unwrap()
    }

    fn peer(address: &str, transport: Transport) -> Peer {
        Peer { address: address.parse().unwrap(), transport }
    }

    #[test]
    fn a_forged_flood_slips_and_a_proved_client_does_not_feel_it() {
        let guard = guard(&[], &[]);
        let forged = guard.meet(peer("192.0.2.1", Transport::Udp), None, NOW_S);
        let paces: Vec<Pace> = (0..30).map(|nth| guard.pace(&forged, NOW_S, nth)).collect();
        assert_eq!(paces.iter().filter(|p| **p == Pace::Answer).count(), 10);
        assert_eq!(paces.iter().filter(|p| **p == Pace::Slip).count(), 10);
        let neighbour = guard.meet(peer("192.0.2.77", Transport::Udp), None, NOW_S);
        assert_ne!(guard.pace(&neighbour, NOW_S, 1), Pace::Answer, "a /24 is one client");
        let far = guard.meet(peer("192.0.3.1", Transport::Udp), None, NOW_S);
        assert_eq!(guard.pace(&far, NOW_S, 1), Pace::Answer);
        let tcp = guard.meet(peer("192.0.2.1", Transport::Tcp), None, NOW_S);
        assert_eq!(guard.pace(&tcp, NOW_S, 1), Pace::Answer);
        let half = Cookie { client: [1; 8], server: None };
        let (client, server) = guard.meet(peer("192.0.2.1", Transport::Udp), Some(half), NOW_S).cookie.unwrap();
        let whole = guard.meet(peer("192.0.2.1", Transport::Udp), Some(Cookie { client, server: Some(server) }), NOW_S);
        assert_eq!(guard.pace(&whole, NOW_S, 1), Pace::Answer);
    }

    #[test]
    fn cookies_age_roll_over_and_belong_to_one_address() {
        let guard = guard(&[], &[]);
        let udp = peer("192.0.2.1", Transport::Udp);
        let rolled = cookie::make([1; 8], udp.address, NOW_S, &[8; 16]);
        let caller = guard.meet(udp, Some(Cookie { client: [1; 8], server: Some(rolled) }), NOW_S + 60);
        assert!(caller.proved, "made with the secret of before");
        assert_eq!(caller.cookie, Some(([1; 8], rolled)), "a young cookie is kept");
        let caller = guard.meet(udp, Some(Cookie { client: [1; 8], server: Some(rolled) }), NOW_S + 1_801);
        assert!(caller.proved);
        assert_eq!(caller.cookie, Some(([1; 8], cookie::make([1; 8], udp.address, NOW_S + 1_801, &[9; 16]))));
        let other =
            guard.meet(peer("192.0.2.2", Transport::Udp), Some(Cookie { client: [1; 8], server: Some(rolled) }), NOW_S);
        assert!(!other.proved);
    }

    #[test]
    fn the_budget_is_one_for_all_questions_of_a_prefix_and_forgery_cannot_use_it_up() {
        let guard = guard(&[], &["198.51.100.0/24"]);
        let charge = |peer: Peer, missed| guard.charge(&guard.meet(peer, None, NOW_S), NOW_S, missed);
        let (udp, tcp) = (peer("192.0.2.1", Transport::Udp), peer("192.0.2.1", Transport::Tcp));
        assert!((0..600).all(|_| charge(udp, None) == Budget::Within));
        assert_eq!(charge(udp, None), Budget::OverUnproved);
        assert!(
            (0..600).all(|_| charge(tcp, None) == Budget::Within),
            "packets that may be forged cost a proved client nothing"
        );
        assert_eq!(charge(tcp, None), Budget::Over);
        assert_eq!(charge(tcp, Some(true)), Budget::Within, "an ordinary client is charged once, before the look-up");
        let resolver = peer("198.51.100.7", Transport::Tcp);
        assert!(
            (0..1_000)
                .all(|_| charge(resolver, None) == Budget::Within && charge(resolver, Some(false)) == Budget::Within)
        );
        assert!((0..60_000).all(|_| charge(resolver, Some(true)) == Budget::Within));
        assert_eq!(charge(resolver, Some(true)), Budget::Over);
    }

    #[test]
    fn ipv6_is_counted_at_three_levels() {
        let guard = guard(&[], &[]);
        let spent = |address: &str| {
            let caller = guard.meet(peer(address, Transport::Tcp), None, NOW_S);
            (0..10_000).take_while(|_| guard.charge(&caller, NOW_S, None) == Budget::Within).count()
        };
        assert_eq!(spent("2001:db8::1"), 600);
        assert_eq!(spent("2001:db8:0:ff::1"), 0, "the same /56");
        let of_the_48: usize = (1..20).map(|net: u32| spent(&format!("2001:db8:0:{:x}::1", net << 8))).sum();
        assert_eq!(of_the_48, 7 * 600, "eight /56 of one /48");
        assert_eq!(spent("2001:db8:1::1"), 600, "another /48");
    }

    #[test]
    fn exempt_ranges_are_not_counted() {
        let guard = guard(&["127.0.0.0/8"], &[]);
        let caller = guard.meet(peer("127.0.0.1", Transport::Udp), None, NOW_S);
        assert!((0..2_000).all(|nth| guard.pace(&caller, NOW_S, nth) == Pace::Answer));
        assert!((0..2_000).all(|_| guard.charge(&caller, NOW_S, None) == Budget::Within));
    }
}
