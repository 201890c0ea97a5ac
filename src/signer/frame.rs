//! What the authority and a signer in a process of its own say to each other: a frame each way, over a socket of this machine.
//!
//! ```text
//! frame     u32 length (big-endian) ‖ text
//! asks      "state\n" | "add-checkpoint\n" ‖ body of C2SP tlog-witness, its checkpoint without signature lines | "leaf\n" ‖ text
//! answers   "state\n" ‖ vkey, size, root of each log, a line each | "line\n" ‖ signature line | a refusal: a word and what belongs to it
//! ```

use std::io::{self, Read, Write};

use crate::log::addition::Addition;
use crate::log::bytes::{Malformed, array_from_base64, from_decimal, to_base64};
use crate::log::checkpoint::INT_DIGITS_MAX;
use crate::log::cosigner::{Refused, Seen};
use crate::log::note::VerifierKey;

/// The most bytes of a frame: a leaf of the gov log with every key that an organisation may have is far below.
pub(super) const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Pieces that a frame may come in: with the wait for each this bounds how long one may take.
const FRAME_READS_MAX: usize = 64;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The keys, and what was signed last.
    State,
    /// A head to sign.
    Head(Addition),
    /// A leaf of the gov log to sign.
    Leaf(String),
}

/// What a signer has of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) key: VerifierKey,
    pub(super) seen: Seen,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Of the map log and of the gov log.
    State(Box<[Held; 2]>),
    /// A signature line.
    Line(String),
    /// It does not go on from what was signed.
    Refused(Refused),
    /// There is no such log here.
    Unknown(String),
    /// It has not the form of what is signed.
    Malformed(String),
    /// The signer cannot remember, so it does not sign.
    Trouble(String),
}

impl Ask {
    pub(super) fn write(&self) -> String {
        match self {
            Self::State => "state\n".to_owned(),
            Self::Head(addition) => format!("add-checkpoint\n{}", addition.write()),
            Self::Leaf(text) => format!("leaf\n{text}"),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        match text.split_once('\n') {
            Some(("state", "")) => Ok(Self::State),
            Some(("add-checkpoint", body)) => Addition::parse(body).map(Self::Head),
            Some(("leaf", text)) => Ok(Self::Leaf(text.to_owned())),
            _ => Err(Malformed::new("a question to the signer", "form")),
        }
    }
}

impl Answer {
    pub(super) fn write(&self) -> String {
        let seen = |seen: &Seen| format!("{} {}", seen.size, to_base64(&seen.root));
        match self {
            Self::State(held) => {
                let each = held.iter().map(|held| format!("{}\n{}\n", held.key, seen(&held.seen)));
                format!("state\n{}", each.collect::<String>())
            }
            Self::Line(line) => format!("line\n{line}"),
            Self::Refused(Refused::OldSize) => "old-size\n".to_owned(),
            Self::Refused(Refused::Elsewhere(at)) => format!("elsewhere\n{}\n", seen(at)),
            Self::Refused(Refused::Fork(at)) => format!("fork\n{}\n", seen(at)),
            Self::Refused(Refused::Proof) => "proof\n".to_owned(),
            Self::Unknown(origin) => format!("unknown\n{origin}\n"),
            Self::Malformed(why) => format!("malformed\n{why}\n"),
            Self::Trouble(why) => format!("trouble\n{why}\n"),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = Malformed::new("an answer of the signer", "form");
        let (word, rest) = text.split_once('\n').ok_or(bad)?;
        let rest_of_line = || rest.strip_suffix('\n').map(str::to_owned).ok_or(bad);
        Ok(match word {
            "state" => {
                let lines: Vec<&str> = rest.strip_suffix('\n').ok_or(bad)?.split('\n').collect();
                let [map, map_seen, gov, gov_seen] = lines[..] else { return Err(bad) };
                let held = |key, seen| Some(Held { key: VerifierKey::parse(key).ok()?, seen: read_seen(seen)? });
                Self::State(Box::new([held(map, map_seen).ok_or(bad)?, held(gov, gov_seen).ok_or(bad)?]))
            }
            "line" => Self::Line(rest.to_owned()),
            "old-size" => Self::Refused(Refused::OldSize),
            "elsewhere" => Self::Refused(Refused::Elsewhere(read_seen(&rest_of_line()?).ok_or(bad)?)),
            "fork" => Self::Refused(Refused::Fork(read_seen(&rest_of_line()?).ok_or(bad)?)),
            "proof" => Self::Refused(Refused::Proof),
            "unknown" => Self::Unknown(rest_of_line()?),
            "malformed" => Self::Malformed(rest_of_line()?),
            "trouble" => Self::Trouble(rest_of_line()?),
            _ => return Err(bad),
        })
    }
}

fn read_seen(text: &str) -> Option<Seen> {
    let (size, root) = text.split_once(' ')?;
    Some(Seen { size: from_decimal(size, INT_DIGITS_MAX)?, root: array_from_base64(root)? })
}

/// Sends a frame.
pub(super) fn send(to: &mut impl Write, text: &str) -> io::Result<()> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "longer than a frame may be"));
    }
    to.write_all(&[&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat())?;
    to.flush()
}

/// Takes a frame; None if the other end has closed before one began.
pub(super) fn take(from: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = [0; 4];
    match fill(from, &mut head)? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(io::ErrorKind::UnexpectedEof.into()),
    }
    let length = u32::from_be_bytes(head) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame longer than it may be"));
    }
    let mut text = vec![0; length];
    if fill(from, &mut text)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    String::from_utf8(text).map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a frame that is no text"))
}

/// Fills the buffer as far as there is something; how far it came.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    for _ in 0..FRAME_READS_MAX {
        let rest = buffer.get_mut(filled..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(filled);
        }
        match from.read(rest)? {
            0 => return Ok(filled),
            octets => filled += octets,
        }
    }
    if filled == buffer.len() {
        Ok(filled)
    } else {
        Err(io::Error::new(io::ErrorKind::TimedOut, "a frame in too many pieces"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::{Algorithm, SigningKey};
    use crate::log::note::{LineType, NoteSigner};

    fn held(name: &str, n: u8) -> Held {
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).unwrap();
        let key = NoteSigner::new(name, key).unwrap().verifier(LineType::Signature);
        Held { key, seen: Seen { size: u64::from(n), root: [n; 32] } }
    }

    #[test]
    fn whatever_is_said_reads_back_as_it_was_said() {
        let addition = Addition { old: 1, proof: vec![[1; 32]], note: "a/map/0\n2\nAA==\n".to_owned() };
        for ask in [Ask::State, Ask::Head(addition), Ask::Leaf("callbook/gov/v1\n{}\n".to_owned())] {
            assert_eq!(Ask::parse(&ask.write()), Ok(ask));
        }
        let at = Seen { size: 7, root: [9; 32] };
        for answer in [
            Answer::State(Box::new([held("a/map/0", 1), held("a/gov", 2)])),
            Answer::Line("— a AA==\n".to_owned()),
            Answer::Refused(Refused::OldSize),
            Answer::Refused(Refused::Elsewhere(at)),
            Answer::Refused(Refused::Fork(at)),
            Answer::Refused(Refused::Proof),
            Answer::Unknown("b/gov".to_owned()),
            Answer::Malformed("gov: form".to_owned()),
            Answer::Trouble("no space".to_owned()),
        ] {
            assert_eq!(Answer::parse(&answer.write()), Ok(answer));
        }
        for text in ["", "state", "state\n\n", "elsewhere\n7\n", "hello\n", "fork\n07 AA==\n"] {
            assert!(Answer::parse(text).is_err() && Ask::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn frames_are_bounded_and_whole() {
        let mut wire = Vec::new();
        send(&mut wire, "state\n").unwrap();
        send(&mut wire, "").unwrap();
        let mut from = &wire[..];
        assert_eq!(take(&mut from).unwrap().as_deref(), Some("state\n"));
        assert_eq!(take(&mut from).unwrap().as_deref(), Some(""));
        assert_eq!(take(&mut from).unwrap(), None);
        for broken in [&[0, 0][..], &[0, 0, 0, 9, b'x'], &[0, 1, 0, 1], &[0xff; 9], &[0, 0, 0, 1, 0xff]] {
            assert!(take(&mut &broken[..]).is_err(), "{broken:?}");
        }
        assert!(send(&mut Vec::new(), &"x".repeat(FRAME_BYTES_MAX + 1)).is_err());
        /// Gives one octet at a time.
        struct Trickle(usize);
        impl Read for Trickle {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer[0] = if self.0 == 2 { 1 } else { 0 };
                self.0 += 1;
                Ok(1)
            }
        }
        assert_eq!(take(&mut Trickle(0)).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
