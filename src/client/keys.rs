//! Published keys: TLSA records below a number, and the `_keys` TXT record that ties the answer to the log.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use ring::digest;
use serde::{Serialize, Serializer};

use crate::client::message;
use crate::clock;

/// What a key is for; the label below the number says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// `_id`: the holder's identity.
    Id,
    /// `_e2e`: end-to-end encryption, one key for each device.
    E2e,
    /// `_mls`: credentials for message-layer security.
    Mls,
    /// `_sip-client`: TLS client authentication of a SIP server.
    SipClient,
}

impl Purpose {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Id, Self::E2e, Self::Mls, Self::SipClient];

    /// The label in front of the number's name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Id => "_id",
            Self::E2e => "_e2e",
            Self::Mls => "_mls",
            Self::SipClient => "_sip-client",
        }
    }

    /// The word that people read.
    pub fn word(self) -> &'static str {
        self.label().trim_start_matches('_')
    }
}

/// A key that the directory publishes for a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishedKey {
    /// What it is for.
    pub purpose: Purpose,
    /// `ed25519`, `x25519`, `p256`, or `unknown` when only a digest is published.
    pub algorithm: &'static str,
    /// The SubjectPublicKeyInfo in DER, unless only its digest is published (TLSA 3 1 1).
    #[serde(serialize_with = "base64")]
    pub spki: Option<Vec<u8>>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    #[serde(rename = "sha256", serialize_with = "hex")]
    pub fingerprint: [u8; 32],
    /// RFC 7638 thumbprint, in base64url: the name of the key in the log.
    pub thumbprint: Option<String>,
}

/// Who answers for a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// The holder signs every change with a key of his own.
    Holder,
    /// The provider holds the key for him.
    Provider,
}

/// What `_keys` says: where in the log the answer comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeysTxt {
    /// The version of the registration, from 1 up.
    pub version: u64,
    /// The first 16 bytes of the hash of its State.
    #[serde(serialize_with = "hex")]
    pub state_hash: [u8; 16],
    /// Who answers for it.
    pub class: Class,
    /// Unix seconds from which on the registration is void.
    #[serde(serialize_with = "time")]
    pub not_after: u64,
    /// Keys that were withdrawn in the last 30 days.
    pub revoked: Vec<RevokedKey>,
}

/// A key that was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevokedKey {
    /// RFC 7638 thumbprint, in base64url.
    pub thumbprint: String,
    /// Unix seconds.
    #[serde(serialize_with = "time")]
    pub at: u64,
}

/// The keys in TLSA RDATA (wire form), sorted, and what was left out.
pub(crate) fn published_keys(purpose: Purpose, rdatas: &[Vec<u8>]) -> (Vec<PublishedKey>, Vec<String>) {
    let (mut keys, mut left_out) = (Vec::new(), Vec::new());
    for rdata in rdatas {
        match published_key(purpose, rdata) {
            Ok(key) => keys.push(key),
            Err(why) => left_out.push(format!("a key under {} was left out: {why}", purpose.label())),
        }
    }
    keys.sort_by_key(|key| key.fingerprint);
    (keys, left_out)
}

/// Reads the TXT RDATA (wire form) at `_keys`: nothing if none of them is a `v=cb1` record that can be read.
pub(crate) fn keys_txt(rdatas: &[Vec<u8>]) -> Option<KeysTxt> {
    rdatas.iter().find_map(|rdata| read_keys_txt(&strings(rdata)?))
}

/// DNS.md 2: usage 3 (the key itself), selector 1 (the public key), matching 0 (in full) or 1 (its SHA-256).
fn published_key(purpose: Purpose, rdata: &[u8]) -> Result<PublishedKey, String> {
    match rdata {
        [3, 1, 0, spki @ ..] => {
            let (algorithm, jwk) = recognise(spki).ok_or("its algorithm is not known here")?;
            let thumbprint = Some(BASE64URL_NOPAD.encode(&sha256(jwk.as_bytes())));
            Ok(PublishedKey { purpose, algorithm, fingerprint: sha256(spki), spki: Some(spki.to_vec()), thumbprint })
        }
        [3, 1, 1, hash @ ..] => {
            let fingerprint = hash.try_into().map_err(|_| "its digest is not 32 bytes long")?;
            Ok(PublishedKey { purpose, algorithm: "unknown", spki: None, fingerprint, thumbprint: None })
        }
        [usage, selector, matching, ..] => {
            Err(format!("TLSA {usage} {selector} {matching} is not of the form used here"))
        }
        _ => Err("it is cut off".into()),
    }
}

/// The algorithm of a SubjectPublicKeyInfo and the JSON that its thumbprint is made of (RFC 7638 3.2, RFC 8037 2).
fn recognise(spki: &[u8]) -> Option<(&'static str, String)> {
    const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"; // RFC 8410
    const X25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"; // RFC 8410
    const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
                          \x03\x42\x00\x04"; // RFC 5480, an uncompressed point
    let b64 = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let octet_pair = |curve: &str, x: &[u8]| format!(r#"{{"crv":"{curve}","kty":"OKP","x":"{}"}}"#, b64(x));
    if let Some(x) = spki.strip_prefix(ED25519).filter(|x| x.len() == 32) {
        return Some(("ed25519", octet_pair("Ed25519", x)));
    }
    if let Some(x) = spki.strip_prefix(X25519).filter(|x| x.len() == 32) {
        return Some(("x25519", octet_pair("X25519", x)));
    }
    let (x, y) = spki.strip_prefix(P256).filter(|point| point.len() == 64)?.split_at_checked(32)?;
    Some(("p256", format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, b64(x), b64(y))))
}

/// `v=cb1; n=…; s=…; c=h|p; e=…`, then `r=THUMBPRINT@UNIX` strings (DNS.md 2). Fields that are not known are passed over.
fn read_keys_txt(strings: &[String]) -> Option<KeysTxt> {
    let (head, rest) = strings.split_first()?;
    let fields: Vec<(&str, &str)> = head.split(';').filter_map(|field| field.trim().split_once('=')).collect();
    let field = |name: &str| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    if field("v") != Some("cb1") {
        return None;
    }
    let class = match field("c")? {
        "h" => Class::Holder,
        "p" => Class::Provider,
        _ => return None,
    };
    let revoked = rest.iter().filter_map(|text| {
        let (thumbprint, at) = text.strip_prefix("r=")?.split_once('@')?;
        let is_thumbprint = BASE64URL_NOPAD.decode(thumbprint.as_bytes()).is_ok_and(|bytes| bytes.len() == 32);
        is_thumbprint.then_some(RevokedKey { thumbprint: thumbprint.to_owned(), at: at.parse().ok()? })
    });
    Some(KeysTxt {
        version: field("n")?.parse().ok()?,
        state_hash: BASE64URL_NOPAD.decode(field("s")?.as_bytes()).ok()?.try_into().ok()?,
        class,
        not_after: field("e")?.parse().ok()?,
        revoked: revoked.collect(),
    })
}

/// The character-strings of TXT RDATA.
fn strings(mut rdata: &[u8]) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    while let Some((length, rest)) = rdata.split_first() {
        let (text, rest) = rest.split_at_checked(usize::from(*length))?;
        strings.push(message::printable(text));
        rdata = rest;
    }
    Some(strings)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

fn hex<const N: usize, S: Serializer>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&HEXLOWER.encode(bytes))
}

fn base64<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
    bytes.as_ref().map(|bytes| BASE64.encode(bytes)).serialize(to)
}

fn time<S: Serializer>(unix_s: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&clock::rfc3339(*unix_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txt(strings: &[&str]) -> Vec<u8> {
        strings.iter().flat_map(|s| [&[s.len() as u8], s.as_bytes()].concat()).collect()
    }

    #[test]
    fn thumbprint_of_rfc_8037() {
        let x = BASE64URL_NOPAD.decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &x].concat();
        let (keys, left_out) = published_keys(Purpose::Id, &[[&[3, 1, 0][..], &spki].concat()]);
        assert!(left_out.is_empty());
        assert_eq!(keys[0].algorithm, "ed25519");
        assert_eq!(keys[0].thumbprint.as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    }

    #[test]
    fn digests_and_oddities() {
        let digest = [&[3, 1, 1][..], &[7; 32]].concat();
        let odd = [vec![3, 1, 0, 1, 2, 3], vec![2, 0, 1, 9], vec![3, 1, 1, 9], vec![3], digest];
        let (keys, left_out) = published_keys(Purpose::SipClient, &odd);
        assert_eq!((keys.len(), left_out.len()), (1, 4));
        assert_eq!((keys[0].fingerprint, &keys[0].spki), ([7; 32], &None));
    }

    #[test]
    fn the_keys_record() {
        let s = BASE64URL_NOPAD.encode(&[9; 16]);
        let r = format!("r={}@1700000000", BASE64URL_NOPAD.encode(&[5; 32]));
        let head = format!("v=cb1; n=3; s={s}; c=p; e=1800000000; x=later");
        let read = keys_txt(&[txt(&["something else"]), txt(&[&head, &r, "r=junk@1", "other"])]).unwrap();
        assert_eq!((read.version, read.state_hash, read.class), (3, [9; 16], Class::Provider));
        assert_eq!((read.not_after, read.revoked.len(), read.revoked[0].at), (1_800_000_000, 1, 1_700_000_000));
        for broken in ["v=cb2; n=3", "v=cb1; n=3; s=AA; c=h; e=1", "v=cb1; n=x", "", "n=3; s=; c=h; e=1"] {
            assert_eq!(keys_txt(&[txt(&[broken])]), None, "{broken}");
        }
        assert_eq!(keys_txt(&[vec![200, b'v']]), None);
    }
}
