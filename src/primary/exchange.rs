//! One question to a secondary and its answer: a NOTIFY (RFC 1996), or its SOA.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::nameserver::TsigKey;
use crate::nameserver::tsig::Chain;
use crate::wire::query::HEADER_OCTETS;
use crate::wire::rr::CLASS_IN;
use crate::wire::{Name, RrType};
use crate::zone::version::soa_serial;

/// Milliseconds that an answer may take.
const WAIT_MS: u64 = 2_000;
/// The largest answer that is read.
const ANSWER_OCTETS_MAX: usize = 4_096;
/// QR, opcode, AA and the code, in the second word of a header.
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const NOTIFY: u16 = 4 << 11;
const AUTHORITATIVE: u16 = 0x0400;
const REFUSED: u16 = 5;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// There is a new version.
    Notify,
    /// Which version do you serve?
    Look,
    /// The same over TCP: Knot tells it of a catalog only there.
    LookOverTcp,
}

/// A question under way.
pub(super) struct Exchange {
    pub(super) kind: Kind,
    line: Line,
    id: u16,
    apex: Name,
    sent_ms: u64,
    chain: Option<Chain>,
}

/// Where the answer will come from.
enum Line {
    Udp(UdpSocket),
    /// From a thread that waits for it.
    Tcp(Receiver<io::Result<Vec<u8>>>),
}

/// How an exchange stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// No answer yet.
    Nothing,
    /// The NOTIFY was taken.
    Taken,
    /// It serves this version.
    Serves(u32),
    /// It does not say which.
    Refused,
    /// It did not answer, or not as it should: why.
    Failed(String),
}

impl Exchange {
    /// Sends a question, signed if there is a key. A NOTIFY carries the SOA as a hint (RFC 1996 3.7).
    pub(super) fn send(
        kind: Kind,
        to: SocketAddr,
        apex: Name,
        soa: &[u8],
        key: Option<&Arc<TsigKey>>,
        now_ms: u64,
    ) -> io::Result<Self> {
        let mut id = [0; 2];
        SystemRandom::new().fill(&mut id).map_err(|_| io::Error::other("no random numbers"))?;
        let id = u16::from_be_bytes(id);
        let mut message = question(kind, id, &apex, soa);
        let mut chain = key.map(Chain::asking);
        if let Some(chain) = &mut chain {
            chain.sign(&mut message, now_ms / 1_000);
        }
        let line = match kind {
            Kind::LookOverTcp => Line::Tcp(over_tcp(to, message)?),
            Kind::Notify | Kind::Look => Line::Udp(over_udp(to, &message)?),
        };
        Ok(Self { kind, line, id, apex, sent_ms: now_ms, chain })
    }

    /// Looks for the answer, without waiting.
    pub(super) fn hear(&self, now_ms: u64) -> Heard {
        let mut answer = [0; ANSWER_OCTETS_MAX];
        loop {
            let received = match &self.line {
                Line::Udp(socket) => socket.recv(&mut answer).map(|octets| answer[..octets].to_vec()),
                Line::Tcp(thread) => thread.try_recv().unwrap_or(Err(io::ErrorKind::WouldBlock.into())),
            };
            match received {
                Ok(octets) => match self.judge(&octets, now_ms / 1_000) {
                    Some(heard) => return heard,
                    None => continue, // somebody else's
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Heard::Failed(error.to_string()),
            }
        }
        match now_ms.saturating_sub(self.sent_ms) > WAIT_MS {
            true => Heard::Failed("no answer".to_owned()),
            false => Heard::Nothing,
        }
    }

    fn judge(&self, answer: &[u8], now_s: u64) -> Option<Heard> {
        let word = |at: usize| Some(u16::from_be_bytes(*answer.get(at..)?.first_chunk::<2>()?));
        let flags = word(2)?;
        let opcode = if self.kind == Kind::Notify { NOTIFY } else { 0 };
        if word(0)? != self.id || flags & RESPONSE == 0 || flags & OPCODE != opcode {
            return None;
        }
        if self.kind != Kind::Notify && flags & 15 == REFUSED {
            return Some(Heard::Refused); // perhaps unsigned; whoever forged it gains that we ask over TCP
        }
        if let Some(chain) = &self.chain
            && !chain.is_answered_by(answer, now_s)
        {
            // Others may forge an answer without a right signature: who is right answers in time.
            let told = crate::nameserver::tsig::split(answer).map_or(0, |split| split.error);
            return (told != 0).then(|| Heard::Failed(format!("it refuses our signature (TSIG error {told})")));
        }
        if flags & 15 != 0 {
            return Some(Heard::Failed(format!("it answers with code {}", flags & 15)));
        }
        match self.kind {
            Kind::Notify => Some(Heard::Taken),
            _ if flags & AUTHORITATIVE == 0 => Some(Heard::Failed("it does not serve the zone".to_owned())),
            _ => Some(serial(answer, &self.apex).map_or(Heard::Failed("it gives no SOA".to_owned()), Heard::Serves)),
        }
    }
}

fn over_udp(to: SocketAddr, message: &[u8]) -> io::Result<UdpSocket> {
    let local = match to {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(local)?;
    socket.connect(to)?;
    socket.set_nonblocking(true)?;
    socket.send(message)?;
    Ok(socket)
}

/// In a thread of its own, which ends when its patience does.
fn over_tcp(to: SocketAddr, message: Vec<u8>) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (sender, receiver) = channel();
    let ask = move || {
        let wait = Duration::from_millis(WAIT_MS);
        let mut stream = TcpStream::connect_timeout(&to, wait)?;
        stream.set_read_timeout(Some(wait))?;
        stream.set_write_timeout(Some(wait))?;
        let octets = (message.len() as u16).to_be_bytes(); // some hundred
        stream.write_all(&[&octets[..], &message].concat())?;
        let mut octets = [0; 2];
        stream.read_exact(&mut octets)?;
        let mut answer = vec![0; u16::from_be_bytes(octets).into()];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    thread::Builder::new().name("zones-look".to_owned()).spawn(move || sender.send(ask()))?;
    Ok(receiver)
}

fn question(kind: Kind, id: u16, apex: &Name, soa: &[u8]) -> Vec<u8> {
    let (flags, answers) = match kind {
        Kind::Notify => (NOTIFY | AUTHORITATIVE, u16::from(!soa.is_empty())),
        Kind::Look | Kind::LookOverTcp => (0, 0),
    };
    let mut message: Vec<u8> = [id, flags, 1, answers, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect();
    message.extend_from_slice(apex.as_wire());
    message.extend([RrType::SOA.0, CLASS_IN].iter().flat_map(|word| word.to_be_bytes()));
    if answers > 0 {
        message.extend(
            [0xc000 | HEADER_OCTETS as u16, RrType::SOA.0, CLASS_IN, 0, 0].iter().flat_map(|w| w.to_be_bytes()),
        );
        message.extend_from_slice(&(soa.len() as u16).to_be_bytes()); // two names and 20 octets
        message.extend_from_slice(soa);
    }
    message
}

/// The serial of the first SOA in an answer to a question about `apex`.
fn serial(answer: &[u8], apex: &Name) -> Option<u32> {
    let mut at = HEADER_OCTETS + apex.as_wire().len() + 4;
    let answers = u16::from_be_bytes(*answer.get(6..)?.first_chunk::<2>()?);
    for _ in 0..answers {
        loop {
            match usize::from(*answer.get(at)?) {
                0 => break at += 1,
                octets @ 1..=63 => at += 1 + octets,
                0xc0.. => break at += 2,
                _ => return None,
            }
        }
        let (fixed, rest) = answer.get(at..)?.split_first_chunk::<10>()?;
        let [t1, t0, .., l1, l0] = *fixed;
        let rdata = rest.get(..usize::from(u16::from_be_bytes([l1, l0])))?;
        if u16::from_be_bytes([t1, t0]) == RrType::SOA.0 {
            return soa_serial(rdata);
        }
        at += fixed.len() + rdata.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOA: &[u8] = b"\x00\x00\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01";

    fn heard(exchange: &Exchange, now_ms: u64) -> Heard {
        // Loopback delivers at once, but not at the same instant.
        (0..1_000)
            .map(|_| {
                std::thread::yield_now();
                exchange.hear(now_ms)
            })
            .find(|heard| *heard != Heard::Nothing)
            .unwrap_or(Heard::Nothing)
    }

    fn answered(kind: Kind, change: impl FnOnce(&mut Vec<u8>)) -> Heard {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let apex = Name::from_text("a.").unwrap();
        let asked = Exchange::send(kind, server.local_addr().unwrap(), apex, SOA, None, 1_000).unwrap();
        let mut message = vec![0; 512];
        let (octets, from) = server.recv_from(&mut message).unwrap();
        message.truncate(octets);
        message[2] |= 0x84;
        if kind == Kind::Look {
            message[7] = 1;
            message.extend_from_slice(b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x00\x00\x16");
            message.extend_from_slice(SOA);
        }
        change(&mut message);
        server.send_to(&message, from).unwrap();
        heard(&asked, 1_000)
    }

    #[test]
    fn answers_are_understood_and_others_ignored() {
        assert_eq!(answered(Kind::Notify, |_| ()), Heard::Taken);
        assert_eq!(answered(Kind::Look, |_| ()), Heard::Serves(7));
        assert_eq!(answered(Kind::Notify, |m| m[0] ^= 1), Heard::Nothing);
        assert_eq!(answered(Kind::Look, |m| m[2] &= 0x7f), Heard::Nothing);
        assert!(matches!(answered(Kind::Notify, |m| m[3] |= 9), Heard::Failed(why) if why.contains("code 9")));
        assert!(matches!(answered(Kind::Look, |m| m[2] &= !4), Heard::Failed(why) if why.contains("not serve")));
        assert!(matches!(answered(Kind::Look, |m| m.truncate(40)), Heard::Failed(why) if why.contains("no SOA")));
    }

    #[test]
    fn who_says_nothing_has_two_seconds() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let apex = Name::from_text("a.").unwrap();
        let asked = Exchange::send(Kind::Look, silent.local_addr().unwrap(), apex, SOA, None, 1_000).unwrap();
        assert_eq!(asked.hear(3_000), Heard::Nothing);
        assert_eq!(asked.hear(3_001), Heard::Failed("no answer".to_owned()));
    }
}
