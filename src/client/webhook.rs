//! The receiver's side of webhooks: whether a delivery is the directory's, is whole, and is not old (Standard Webhooks).
//!
//! ```
//! use callbook::client::webhook::{Headers, PublicKey, TOLERANCE_S, verify};
//!
//! let keys: Vec<PublicKey> = vec!["whpk_6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=".parse()?];
//! let headers = Headers { id: "chg_AAAAAAAAAAE", timestamp: "1800000000", signature: "v1a,AAAA" };
//! assert!(verify(&keys, &headers, b"{}", 1_800_000_000, TOLERANCE_S).is_err());
//! # Ok::<(), callbook::client::webhook::NoKey>(())
//! ```
//!
//! Who has verified a delivery drops it if its id was seen before, keeps the id and what came of it together, and only then
//! answers 2xx: each change comes at least once.

use std::str::FromStr;

use crate::api::webhooks::Message;
use crate::log::bytes::{array_from_base64, from_base64, from_decimal, to_base64};
use crate::log::key::{self, Algorithm};

/// How far a delivery's time may be from now, in seconds: a copy that somebody sends later is refused.
pub const TOLERANCE_S: u64 = 300;
/// What a public key begins with.
const KEY_PREFIX: &str = "whpk_";
/// The scheme of our signatures: Ed25519. Others in the header are passed over.
const SCHEME: &str = "v1a";
/// Digits of a time until the year 5138.
const TIME_DIGITS_MAX: usize = 11;

/// A public key of the directory for webhooks, `whpk_…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(key::PublicKey);

/// A text that is no public key for webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key for webhooks is whpk_ and 32 bytes in base64; GET /v1/webhooks/keys shows the directory's")]
pub struct NoKey;

impl PublicKey {
    /// That key as one for webhooks; None unless it is Ed25519.
    pub fn of(key: &key::PublicKey) -> Option<Self> {
        (key.algorithm() == Algorithm::Ed25519).then(|| Self(key.clone()))
    }
}

impl FromStr for PublicKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let bytes = text.strip_prefix(KEY_PREFIX).and_then(from_base64).ok_or(NoKey)?;
        key::PublicKey::new(Algorithm::Ed25519, &bytes).map(Self).map_err(|_| NoKey)
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{KEY_PREFIX}{}", to_base64(self.0.bytes()))
    }
}

/// The three headers of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// `webhook-id`: the same at every attempt.
    pub id: &'a str,
    /// `webhook-timestamp`: when this attempt was made, Unix seconds.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or more, with spaces between.
    pub signature: &'a str,
}

/// Why a delivery is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// A header has not its form.
    #[error("the header {0} is missing or has not its form")]
    Header(&'static str),
    /// No signature is by one of the keys over exactly these bytes.
    #[error(
        "no signature is by one of the keys over these bytes: take the body as it came, before anything parses it, and the \
         keys of this directory"
    )]
    Signature,
    /// It was sent too long ago, or its clock is ahead.
    #[error("it was signed {0} s from now: an old delivery that somebody sends again, or a clock that is wrong")]
    Time(u64),
    /// It is signed, and nothing of ours.
    #[error("the body is not that of a webhook: {0}")]
    Body(&'static str),
}

/// Verifies a delivery: the id, the time and the exact bytes of the body are signed by one of `keys`, and it was sent within
/// `tolerance_s` of `now_s`. Gives what it says.
pub fn verify(
    keys: &[PublicKey],
    headers: &Headers<'_>,
    body: &[u8],
    now_s: u64,
    tolerance_s: u64,
) -> Result<Message, NotVerified> {
    if headers.id.is_empty() || headers.id.contains('.') {
        return Err(NotVerified::Header("webhook-id"));
    }
    let sent_s = from_decimal(headers.timestamp, TIME_DIGITS_MAX).ok_or(NotVerified::Header("webhook-timestamp"))?;
    let content = [headers.id.as_bytes(), b".", headers.timestamp.as_bytes(), b".", body].concat();
    let ours = headers.signature.split(' ').filter_map(|signature| signature.strip_prefix(SCHEME)?.strip_prefix(','));
    let signatures: Vec<[u8; 64]> = ours.filter_map(array_from_base64).collect();
    if signatures.is_empty() {
        return Err(NotVerified::Header("webhook-signature"));
    }
    if !keys.iter().any(|key| signatures.iter().any(|signature| key.0.verify(&content, signature))) {
        return Err(NotVerified::Signature);
    }
    let apart_s = now_s.abs_diff(sent_s);
    if apart_s > tolerance_s {
        return Err(NotVerified::Time(apart_s));
    }
    serde_json::from_slice(body).map_err(|_| NotVerified::Body("no JSON object with type, timestamp and data"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::SigningKey;

    const NOW_S: u64 = 1_800_000_000;
    const BODY: &[u8] = br#"{"type":"test","timestamp":"2027-01-15T08:00:00Z","data":{"webhook":"a"}}"#;

    fn signer(n: u8) -> SigningKey {
        SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).unwrap()
    }

    fn public(n: u8) -> PublicKey {
        PublicKey(signer(n).public().clone())
    }

    fn signature(n: u8, content: &[u8]) -> String {
        format!("v1a,{}", to_base64(&signer(n).sign(content)))
    }

    fn signed(n: u8) -> String {
        signature(n, &[b"msg_1.1800000000.", BODY].concat())
    }

    fn judge(
        keys: &[PublicKey],
        id: &str,
        timestamp: &str,
        signature: &str,
        body: &[u8],
    ) -> Result<String, NotVerified> {
        let headers = Headers { id, timestamp, signature };
        verify(keys, &headers, body, NOW_S, TOLERANCE_S).map(|message| message.kind)
    }

    #[test]
    fn a_key_reads_back() {
        assert_eq!(public(1).to_string().parse(), Ok(public(1)));
        for wrong in ["", "whpk_", "whpk_AAAA", "whsk_AAAA", &public(1).to_string()[5..]] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(NoKey), "{wrong}");
        }
    }

    #[test]
    fn what_is_signed_is_believed_by_either_key() {
        let (one, two) = (signed(1), signed(2));
        assert_eq!(judge(&[public(1)], "msg_1", "1800000000", &one, BODY).as_deref(), Ok("test"));
        let both = format!("{two} v1,c2hhcmVk {one}");
        for keys in [vec![public(1)], vec![public(2)], vec![public(3), public(1)]] {
            assert!(judge(&keys, "msg_1", "1800000000", &both, BODY).is_ok());
        }
        assert_eq!(judge(&[public(3)], "msg_1", "1800000000", &both, BODY), Err(NotVerified::Signature));
        assert_eq!(judge(&[], "msg_1", "1800000000", &both, BODY), Err(NotVerified::Signature));
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let (keys, good) = ([public(1)], signed(1));
        assert_eq!(judge(&keys, "msg_2", "1800000000", &good, BODY), Err(NotVerified::Signature));
        assert_eq!(judge(&keys, "msg_1", "1800000001", &good, BODY), Err(NotVerified::Signature));
        assert_eq!(judge(&keys, "msg_1", "1800000000", &good, &BODY[1..]), Err(NotVerified::Signature));
        for at in 0..BODY.len() {
            let mut other = BODY.to_vec();
            other[at] ^= 1;
            assert_eq!(judge(&keys, "msg_1", "1800000000", &good, &other), Err(NotVerified::Signature));
        }
        // A dot in the id would let time and id change places.
        assert_eq!(judge(&keys, "msg.1", "1800000000", &good, BODY), Err(NotVerified::Header("webhook-id")));
        for wrong in ["", "-1", "+1800000000", "1e9", " 1800000000", "999999999999"] {
            assert_eq!(judge(&keys, "msg_1", wrong, &good, BODY), Err(NotVerified::Header("webhook-timestamp")));
        }
        for wrong in ["", "v1a", "v1a,", "v1,AAAA", &good[4..], &good[..80]] {
            assert_eq!(judge(&keys, "msg_1", "1800000000", wrong, BODY), Err(NotVerified::Header("webhook-signature")));
        }
    }

    #[test]
    fn old_and_early_ones_are_refused() {
        for (sent_s, fits) in [(NOW_S - 300, true), (NOW_S - 301, false), (NOW_S + 300, true), (NOW_S + 301, false)] {
            let content = [format!("m.{sent_s}.").as_bytes(), BODY].concat();
            let judged = judge(&[public(1)], "m", &sent_s.to_string(), &signature(1, &content), BODY);
            assert_eq!(judged.is_ok(), fits, "{sent_s}");
            assert!(fits || judged == Err(NotVerified::Time(301)));
        }
    }

    #[test]
    fn a_signed_body_must_still_be_a_message() {
        let good = signature(1, b"m.1800000000.[]");
        let judged = judge(&[public(1)], "m", "1800000000", &good, b"[]");
        assert!(matches!(judged, Err(NotVerified::Body(_))));
    }
}
