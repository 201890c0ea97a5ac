//! Transaction signatures (RFC 8945): keys that we share with others, what they have signed, and what we sign for them.
//!
//! ```text
//! request ──► split off TSIG ──► key known? ──no──► NOTAUTH, BADKEY, unsigned
//!                                    │ MAC right? ──no──► NOTAUTH, BADSIG, unsigned
//!                                    │ MAC long enough, time right? ──no──► NOTAUTH, BADTRUNC or BADTIME, signed
//!                                    └──► answered like any other, and the answer is signed
//! ```

mod record;

use std::sync::Arc;

use ring::hmac;

use crate::wire::Name;
pub use record::{Sought, Split, seek, split};
use record::{Times, append, variables};

/// Seconds by which clocks may differ (RFC 8945 10).
pub const FUDGE_S: u16 = 300;
/// Keys of one server: they are looked through one by one.
pub const KEYS_MAX: usize = 64;
/// Octets of the longest MAC (SHA-512).
const MAC_OCTETS_MAX: usize = 64;
/// Octets that a TSIG record adds at most: two names, the longest MAC and the fields.
pub const TSIG_OCTETS_MAX: usize = 10 + 255 + 26 + 16 + MAC_OCTETS_MAX + 6;

/// A MAC algorithm. MD5, SHA-1 and truncated ones are not spoken (RFC 8945 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TsigAlgorithm {
    /// HMAC with SHA-256.
    Sha256,
    /// HMAC with SHA-384.
    Sha384,
    /// HMAC with SHA-512.
    Sha512,
}

/// A secret shared with another server, under the name that both know it by.
pub struct TsigKey {
    name: Name,
    algorithm: TsigAlgorithm,
    key: hmac::Key,
}

/// All keys of a server.
#[derive(Clone, Default)]
pub struct TsigKeys(Arc<[Arc<TsigKey>]>);

/// A TSIG error (RFC 8945 3): what the answer's TSIG says beside NOTAUTH.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TsigError {
    /// The MAC is wrong.
    BadSig = 16,
    /// No such key here, or not with that algorithm.
    BadKey = 17,
    /// The clocks differ too much.
    BadTime = 18,
    /// The MAC is shorter than we accept: they are whole here.
    BadTrunc = 22,
}

/// What became of a signed request.
pub enum Verified {
    /// By this key; the answer goes through the chain.
    Right(Chain),
    /// Refused; the answer says why.
    Wrong(Box<Refused>),
    /// No well-formed TSIG: FORMERR.
    Malformed,
}

/// A request whose TSIG is not right.
pub struct Refused {
    error: TsigError,
    /// With a key: the answer is signed.
    chain: Option<Chain>,
    /// What the answer repeats.
    name: Name,
    algorithm: Name,
    times: Times,
}

/// The signatures of one exchange: each is over the one before (RFC 8945 5.3).
pub struct Chain {
    key: Arc<TsigKey>,
    /// The last MAC; empty before a request.
    mac: Vec<u8>,
    /// Whether the next message goes on from a signed one of ours (RFC 8945 5.3.1).
    goes_on: bool,
    original_id: u16,
}

impl TsigAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name in configuration, as dig and others write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
        }
    }

    /// The algorithm of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    fn name(self) -> Name {
        Name::root().prepend(self.as_str().as_bytes()).unwrap_or(Name::root())
    }

    fn octets(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => MAC_OCTETS_MAX,
        }
    }

    fn ring(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

impl TsigKey {
    /// A key of this name and secret.
    pub fn new(name: Name, algorithm: TsigAlgorithm, secret: &[u8]) -> Self {
        Self { name, algorithm, key: hmac::Key::new(algorithm.ring(), secret) }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl TsigKeys {
    /// These keys.
    pub fn new(keys: Vec<TsigKey>) -> Self {
        Self(keys.into_iter().map(Arc::new).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of a name.
    pub fn find(&self, name: &Name) -> Option<&Arc<TsigKey>> {
        self.0.iter().find(|key| key.name == *name)
    }

    /// Judges a request by its TSIG. `now_s` is Unix seconds.
    pub fn verify(&self, split: &Split<'_>, now_s: u64) -> Verified {
        let refused = |error, chain| {
            Verified::Wrong(Box::new(Refused {
                error,
                chain,
                name: split.name,
                algorithm: split.algorithm,
                times: Times { signed_s: split.time_s, fudge_s: split.fudge_s },
            }))
        };
        let known = self.find(&split.name).filter(|key| key.algorithm.name() == split.algorithm);
        let Some(key) = known else { return refused(TsigError::BadKey, None) };
        let octets = key.algorithm.octets();
        // RFC 8945 5.2.2.1: longer than the hash, or shorter than half of it and 10, is no TSIG at all.
        if split.mac.len() > octets || split.mac.len() < (octets / 2).max(10) {
            return Verified::Malformed;
        }
        let right = key.computed(&[], split.message(), &variables(split));
        let right = right.as_ref().get(..split.mac.len()).unwrap_or_default();
        if !is_same(right, split.mac) {
            return refused(TsigError::BadSig, None);
        }
        let mac = split.mac.to_vec();
        let chain = Chain { key: key.clone(), mac, goes_on: false, original_id: split.original_id };
        if split.mac.len() < octets {
            return refused(TsigError::BadTrunc, Some(chain));
        }
        if now_s.abs_diff(split.time_s) > u64::from(split.fudge_s) {
            return refused(TsigError::BadTime, Some(chain));
        }
        Verified::Right(chain)
    }
}

impl TsigKey {
    /// The MAC over what came before, a message and the rest (RFC 8945 4.3).
    fn computed(&self, before: &[u8], message: [&[u8]; 3], rest: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        if !before.is_empty() {
            context.update(&(before.len() as u16).to_be_bytes()); // a MAC
            context.update(before);
        }
        message.into_iter().for_each(|part| context.update(part));
        context.update(rest);
        context.sign()
    }
}

impl Chain {
    /// The start of an exchange that we ask for.
    pub fn asking(key: &Arc<TsigKey>) -> Self {
        Self { key: key.clone(), mac: Vec::new(), goes_on: false, original_id: 0 }
    }

    /// The name of the key.
    pub fn key_name(&self) -> &Name {
        &self.key.name
    }

    /// Signs a whole message: the TSIG record is appended and counted. Leaves it alone if it has no header.
    pub fn sign(&mut self, message: &mut Vec<u8>, now_s: u64) {
        self.sign_with(message, Times { signed_s: now_s, fudge_s: FUDGE_S }, 0, &[]);
    }

    fn sign_with(&mut self, message: &mut Vec<u8>, times: Times, error: u16, other: &[u8]) {
        let Some(id) = message.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) else { return };
        let rest = match self.goes_on {
            true => times.octets().to_vec(),
            false => record::variables_of(&self.key.name, &self.key.algorithm.name(), times, error, other),
        };
        let mac = self.key.computed(&self.mac, [message, &[], &[]], &rest);
        self.mac = mac.as_ref().to_vec();
        self.goes_on = true;
        self.original_id = id;
        append(message, &self.key.name, &self.key.algorithm.name(), times, (&self.mac, error, other));
    }

    /// Whether an answer to what we asked is signed by the same key, rightly and now.
    pub fn is_answered_by(&self, answer: &[u8], now_s: u64) -> bool {
        let Some(split) = split(answer).filter(|split| split.original_id == self.original_id) else { return false };
        let key = &self.key;
        let right = key.computed(&self.mac, split.message(), &variables(&split));
        split.name == key.name
            && split.algorithm == key.algorithm.name()
            && is_same(right.as_ref(), split.mac)
            && split.error == 0
            && now_s.abs_diff(split.time_s) <= u64::from(split.fudge_s)
    }
}

impl Refused {
    /// The error.
    pub fn error(&self) -> TsigError {
        self.error
    }

    /// Appends the TSIG that tells it (RFC 8945 5.3.2).
    pub fn tell(self, message: &mut Vec<u8>, now_s: u64) {
        let error = self.error as u16;
        let now = now_s.to_be_bytes();
        let other = match self.error {
            TsigError::BadTime => now.get(2..).unwrap_or_default(),
            _ => &[],
        };
        match self.chain {
            Some(mut chain) => chain.sign_with(message, self.times, error, other),
            None => append(message, &self.name, &self.algorithm, self.times, (&[], error, other)),
        }
    }
}

/// Compares without telling by the time how much of it is right.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_800_000_000;
    /// A question for the SOA of `a.`.
    const ASK: &[u8] = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x06\x00\x01";

    fn keys(secret: u8) -> TsigKeys {
        let key = |algorithm: TsigAlgorithm| {
            TsigKey::new(Name::from_text(algorithm.as_str()).unwrap(), algorithm, &[secret; 32])
        };
        TsigKeys::new(TsigAlgorithm::ALL.map(key).into())
    }

    fn asked(keys: &TsigKeys, algorithm: TsigAlgorithm, now_s: u64) -> (Chain, Vec<u8>) {
        let mut chain = Chain::asking(keys.find(&algorithm.name()).unwrap());
        let mut message = ASK.to_vec();
        chain.sign(&mut message, now_s);
        (chain, message)
    }

    fn judged(keys: &TsigKeys, message: &[u8], now_s: u64) -> Result<Chain, Option<TsigError>> {
        match keys.verify(&split(message).ok_or(None)?, now_s) {
            Verified::Right(chain) => Ok(chain),
            Verified::Wrong(refused) => Err(Some(refused.error)),
            Verified::Malformed => Err(None),
        }
    }

    #[test]
    fn a_request_and_its_answers_are_one_chain() {
        for algorithm in TsigAlgorithm::ALL {
            let (asking, message) = asked(&keys(1), algorithm, NOW_S);
            let mut answering = judged(&keys(1), &message, NOW_S + 300).ok().unwrap();
            assert_eq!(answering.key_name(), &algorithm.name());
            let mut answer = ASK.to_vec();
            answer[2] |= 0x80;
            answering.sign(&mut answer, NOW_S);
            assert!(asking.is_answered_by(&answer, NOW_S));
            assert!(!asking.is_answered_by(&answer, NOW_S + 301) && !asking.is_answered_by(&message, NOW_S));
            let mut second = ASK.to_vec();
            answering.sign(&mut second, NOW_S);
            assert!(!asking.is_answered_by(&second, NOW_S), "the second message is signed after the first");
            for at in 2..answer.len() {
                let mut forged = answer.clone();
                forged[at] ^= 1;
                assert!(!asking.is_answered_by(&forged, NOW_S), "octet {at}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let (_, message) = asked(&keys(1), TsigAlgorithm::Sha256, NOW_S);
        let why = |keys: &TsigKeys, message: &[u8], now_s| judged(keys, message, now_s).err().unwrap();
        assert_eq!(why(&keys(2), &message, NOW_S), Some(TsigError::BadSig));
        assert_eq!(why(&TsigKeys::default(), &message, NOW_S), Some(TsigError::BadKey));
        for now_s in [NOW_S - 301, NOW_S + 301] {
            assert_eq!(why(&keys(1), &message, now_s), Some(TsigError::BadTime));
        }
        // Another algorithm under the same name is another key.
        let other = TsigKey::new(TsigAlgorithm::Sha256.name(), TsigAlgorithm::Sha512, &[1; 32]);
        assert_eq!(why(&TsigKeys::new(vec![other]), &message, NOW_S), Some(TsigError::BadKey));
        // The case of names says nothing (RFC 8945 4.3.3).
        let upper = message.to_ascii_uppercase();
        let at = upper.len() - message.len() + ASK.len();
        let shouting = [&message[..at], &upper[at..at + 28], &message[at + 28..]].concat();
        assert!(judged(&keys(1), &shouting, NOW_S).is_ok());
    }

    #[test]
    fn shortened_macs_are_refused_and_too_short_ones_are_malformed() {
        let (_, message) = asked(&keys(1), TsigAlgorithm::Sha256, NOW_S);
        let shortened = |octets: usize| {
            // The MAC is followed by id, error and other length: six octets.
            let (head, rest) = message.split_at(message.len() - 6 - 32);
            let mut shorter = [head, &rest[..octets], &rest[32..]].concat();
            let length_at = head.len() - 2;
            shorter[length_at..head.len()].copy_from_slice(&(octets as u16).to_be_bytes());
            let rdlength_at = ASK.len() + 13 + 8;
            let rdlength = u16::from_be_bytes([message[rdlength_at], message[rdlength_at + 1]]) - (32 - octets as u16);
            shorter[rdlength_at..rdlength_at + 2].copy_from_slice(&rdlength.to_be_bytes());
            judged(&keys(1), &shorter, NOW_S).err()
        };
        assert_eq!(shortened(16), Some(Some(TsigError::BadTrunc)));
        assert_eq!(shortened(15), Some(None));
        assert_eq!(shortened(0), Some(None));
    }

    #[test]
    fn refusals_are_signed_where_the_key_is_known_and_say_our_time() {
        for (keys_here, now_s, signed) in [(keys(1), NOW_S + 1_000, true), (keys(2), NOW_S, false)] {
            let (asking, message) = asked(&keys(1), TsigAlgorithm::Sha384, NOW_S);
            let Verified::Wrong(refused) = keys_here.verify(&split(&message).unwrap(), now_s) else { panic!() };
            let error = refused.error();
            let mut answer = ASK.to_vec();
            refused.tell(&mut answer, now_s);
            let told = split(&answer).unwrap();
            assert_eq!((told.error, told.mac.is_empty()), (error as u16, !signed));
            assert_eq!((told.time_s, told.fudge_s), (NOW_S, FUDGE_S), "the asker's, so that it can verify");
            if signed {
                let right = asking.key.computed(&asking.mac, told.message(), &variables(&told));
                assert_eq!(right.as_ref(), told.mac);
                assert_eq!(told.other, &now_s.to_be_bytes()[2..]);
            }
        }
    }
}
