//! The keys that a record publishes: strict RDATA, the right kind under each label, sound, not publicly known, not too many.

use crate::charter::Policy;
use crate::log::bytes::Malformed;
use crate::log::key::{Algorithm, PublicKey};
use crate::log::possession::PublishedKey;
use crate::log::record::{Prefix, Record, Rr};
use crate::log::{Hash, sha256};
use crate::registry::openpgp::{self, TransferableKey};
use crate::registry::refusal::{self, Reason, Refusal};
use crate::registry::{certificate, known, rsa};

/// TLSA usage DANE-EE, selector SPKI, matching type Full: a raw public key (RFC 7671 5.1, RFC 7250).
const TLSA_KEY: [u8; 3] = [3, 1, 0];
/// The same with matching type SHA-256.
const TLSA_HASH: [u8; 3] = [3, 1, 1];
/// SMIMEA usage DANE-EE, selector Cert, matching type Full: the certificate itself, for whoever encrypts needs all of it.
const SMIMEA_CERTIFICATE: [u8; 3] = [3, 0, 0];
/// One identity key, and a second while it replaces the first (clause 4.5).
const ID_KEYS_MAX: u64 = 2;

/// A key that a record publishes, or the hash of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The label of its purpose.
    pub prefix: Prefix,
    /// SHA-256 of its SubjectPublicKeyInfo: its name in the index of published keys, whatever it is wrapped in.
    pub spki_hash: Hash,
    /// The key, where the record holds it.
    pub key: Option<PublishedKey>,
    /// How its owner shows that he has the private half.
    pub proved: ProvedBy,
}

/// How possession of a published key is proved (clauses 4.3 and 4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvedBy {
    /// By a proof beside the event.
    Proof,
    /// By a signature inside the record itself: an OpenPGP primary key, and a subkey with a back signature.
    Itself,
    /// By nothing that the format has: an OpenPGP subkey that only encrypts.
    Nothing,
}

impl Published {
    /// Whether it is a name in the index of published keys. One that nobody proved could be anybody's: to count it would
    /// let a stranger block its owner, or learn that he is in the directory (clause 1.4).
    pub fn counts(&self) -> bool {
        self.proved != ProvedBy::Nothing
    }
}

/// What the keys of a record are held against.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The charter.
    pub policy: &'a Policy,
    /// The apex of the directory.
    pub apex: &'a str,
    /// Unix seconds.
    pub now_s: u64,
}

/// A mistake in one resource record.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) &'static Reason, pub(super) &'static str);

/// Bytes that end too soon or go on too long are only read inside OpenPGP keys.
impl From<Malformed> for Wrong {
    fn from(malformed: Malformed) -> Self {
        Self(&refusal::KEY_OPENPGP, malformed.why)
    }
}

/// The keys of a record and every mistake in them, in the order of the record, then label by label.
pub fn check(record: &Record, at: &Circumstances<'_>, pointer: &str) -> (Vec<Published>, Vec<Refusal>) {
    let (mut keys, mut refusals) = (Vec::new(), Vec::new());
    for rr in record.rr.iter().filter(|rr| rr.prefix != Prefix::Naptr) {
        match read(rr).and_then(|found| judge(rr, &found, record, at).map(|()| found)) {
            Ok(found) => keys.extend(found),
            Err(Wrong(reason, why)) => refusals.push(reason.at(pointer, format!("{}: {why}", rr.prefix.as_str()))),
        }
    }
    for prefix in Prefix::ALL {
        let (count, size) =
            record.rdata(prefix).fold((0u64, 0u64), |(n, size), rdata| (n + 1, size + rdata.len() as u64));
        let policy = at.policy;
        let count_max = if prefix == Prefix::Id { ID_KEYS_MAX.min(policy.devices_max) } else { policy.devices_max };
        if prefix != Prefix::Naptr && count > count_max {
            let detail = format!("{count} keys under {}; at most {count_max}", prefix.as_str());
            refusals.push(refusal::KEY_COUNT.at(pointer, detail));
        }
        if size > policy.rrset_bytes_max {
            let detail = format!("{size} octets under {}; at most {}", prefix.as_str(), policy.rrset_bytes_max);
            refusals.push(refusal::RRSET_SIZE.at(pointer, detail));
        }
    }
    (keys, refusals)
}

/// The keys of a record that was accepted once, whatever has expired since.
pub fn published(record: &Record) -> Vec<Published> {
    record.rr.iter().filter(|rr| rr.prefix != Prefix::Naptr).filter_map(|rr| read(rr).ok()).flatten().collect()
}

/// The e-mail address that stands for a number in OpenPGP keys and certificates: `+E164@apex` (RFC 7929 3, RFC 8162 3).
pub fn mailbox(record: &Record, apex: &str) -> String {
    format!("+{}@{}", &*record.number.digits(), apex.trim_end_matches('.'))
}

/// Whether this control or recovery key is publicly known.
pub fn is_known(key: &PublicKey) -> bool {
    match key.algorithm() {
        Algorithm::Ed25519 => known::is_known(key.bytes()),
        Algorithm::Es256 => known::is_known(&key.bytes()[1..]),
    }
}

/// The same of a published key.
pub fn is_known_published(key: &PublishedKey) -> bool {
    match key {
        PublishedKey::Signing(key) => is_known(key),
        PublishedKey::X25519(key) => known::is_known(key),
        PublishedKey::Rsa(key) => known::is_known_rsa(&sha256(&[&key.to_spki()])),
    }
}

/// Whether a label may publish this kind of key.
pub fn fits(prefix: Prefix, key: &PublishedKey) -> bool {
    match (prefix, key) {
        (Prefix::Id | Prefix::SipClient, PublishedKey::Signing(_)) | (Prefix::E2e, PublishedKey::X25519(_)) => true,
        (Prefix::Mls, PublishedKey::Signing(key)) => key.algorithm() == Algorithm::Ed25519,
        (Prefix::SmimeCert, PublishedKey::Signing(_) | PublishedKey::Rsa(_)) | (Prefix::OpenPgpKey, _) => true,
        _ => false,
    }
}

/// What a resource record publishes, by its form alone.
fn read(rr: &Rr) -> Result<Vec<Published>, Wrong> {
    let (prefix, rdata) = (rr.prefix, rr.rdata.as_slice());
    let named = |key: PublishedKey, proved: ProvedBy| Published {
        prefix,
        spki_hash: sha256(&[&key.to_spki()]),
        key: Some(key),
        proved,
    };
    match prefix {
        Prefix::OpenPgpKey => {
            let how = |signed: bool| if signed { ProvedBy::Itself } else { ProvedBy::Nothing };
            Ok(TransferableKey::read(rdata)?.keys().map(|inner| named(inner.key, how(inner.signed))).collect())
        }
        Prefix::SmimeCert => {
            let der = rdata.strip_prefix(&SMIMEA_CERTIFICATE);
            let der = der.ok_or(Wrong(&refusal::KEY_RDATA, "this is not SMIMEA 3 0 0"))?;
            Ok(vec![named(certificate::key(der)?, ProvedBy::Proof)])
        }
        Prefix::SipClient => {
            let hash = rdata.strip_prefix(&TLSA_HASH).and_then(|hash| hash.try_into().ok());
            let spki_hash = hash.ok_or(Wrong(&refusal::KEY_RDATA, "this is not TLSA 3 1 1 with 32 octets"))?;
            Ok(vec![Published { prefix, spki_hash, key: None, proved: ProvedBy::Proof }])
        }
        _ => {
            let spki = rdata.strip_prefix(&TLSA_KEY).ok_or(Wrong(&refusal::KEY_RDATA, "this is not TLSA 3 1 0"))?;
            Ok(vec![named(published_key(spki)?, ProvedBy::Proof)])
        }
    }
}

/// Whether the keys are fit to be published here and now.
fn judge(rr: &Rr, found: &[Published], record: &Record, at: &Circumstances<'_>) -> Result<(), Wrong> {
    for key in found.iter().filter_map(|published| published.key.as_ref()) {
        sound(rr.prefix, key, at.policy)?;
    }
    let (mailbox, skew_s) = (mailbox(record, at.apex), at.policy.clock_skew_max_s);
    match rr.prefix {
        Prefix::OpenPgpKey => {
            let expected = openpgp::Expected { user_id: &format!("<{mailbox}>"), now_s: at.now_s, skew_s };
            TransferableKey::read(&rr.rdata)?.check(&expected)
        }
        Prefix::SmimeCert => {
            let der = rr.rdata.get(SMIMEA_CERTIFICATE.len()..).unwrap_or_default();
            certificate::check(der, &certificate::Expected { mailbox: &mailbox, now_s: at.now_s, skew_s })
        }
        _ => Ok(()),
    }
}

/// The right kind of key under this label, not publicly known, and if it is RSA with sound numbers.
pub(super) fn sound(prefix: Prefix, key: &PublishedKey, policy: &Policy) -> Result<(), Wrong> {
    if !fits(prefix, key) {
        return Err(Wrong(&refusal::KEY_ALGORITHM, "another kind of key belongs here"));
    }
    if is_known_published(key) {
        return Err(Wrong(&refusal::KEY_KNOWN, "its private half is publicly known"));
    }
    match key {
        PublishedKey::Rsa(key) => match rsa::weakness(key, policy.rsa_bits_min) {
            Some(why) => Err(Wrong(&refusal::KEY_WEAK, why)),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The key of a SubjectPublicKeyInfo, telling an unsound point from another algorithm.
pub(super) fn published_key(spki: &[u8]) -> Result<PublishedKey, Wrong> {
    /// DER up to the key of Ed25519, X25519 (RFC 8410 4) and P-256 with an uncompressed point (RFC 5480 2).
    const HEADS: [(&[u8], usize); 3] = [
        (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 44),
        (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00", 44),
        (b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04", 91),
    ];
    PublishedKey::from_spki(spki).map_err(|_: Malformed| {
        if HEADS.iter().any(|(head, length)| spki.starts_with(head) && spki.len() == *length) {
            Wrong(&refusal::KEY_WEAK, "not a sound point of its curve")
        } else {
            Wrong(&refusal::KEY_ALGORITHM, "neither an Ed25519 nor an X25519 nor a P-256 nor an RSA key in DER")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::SigningKey;
    use crate::log::possession::x25519_public;
    use crate::log::rsa::RsaPublicKey;
    use crate::number::Number;

    fn record(rr: Vec<(Prefix, Vec<u8>)>) -> Record {
        let rr = rr.into_iter().map(|(prefix, rdata)| Rr { prefix, rdata }).collect();
        Record { number: Number::parse("+447700900123").unwrap(), provider: "acme".into(), rr, revoked: vec![] }
    }

    fn codes(rr: Vec<(Prefix, Vec<u8>)>) -> Vec<&'static str> {
        checked(rr).1.iter().map(|refusal| refusal.code).collect()
    }

    fn checked(rr: Vec<(Prefix, Vec<u8>)>) -> (Vec<Published>, Vec<Refusal>) {
        let at = Circumstances { policy: &Policy::embedded(), apex: "e164.example.", now_s: 1_800_000_000 };
        check(&record(rr), &at, "/record")
    }

    fn tlsa(matching: u8, data: &[u8]) -> Vec<u8> {
        [&[3, 1, matching], data].concat()
    }

    fn signing(algorithm: Algorithm, seed: u8) -> Vec<u8> {
        let key = SigningKey::from_bytes(algorithm, &[seed; 32]).unwrap();
        tlsa(0, &key.public().to_spki())
    }

    fn agreeing(seed: u8) -> Vec<u8> {
        tlsa(0, &PublishedKey::X25519(x25519_public(&[seed; 32])).to_spki())
    }

    #[test]
    fn takes_each_kind_under_its_label() {
        let good = vec![
            (Prefix::Id, signing(Algorithm::Ed25519, 3)),
            (Prefix::Id, signing(Algorithm::Es256, 4)),
            (Prefix::E2e, agreeing(5)),
            (Prefix::Mls, signing(Algorithm::Ed25519, 6)),
            (Prefix::SipClient, tlsa(1, &[7; 32])),
        ];
        let (keys, refusals) = checked(good.clone());
        assert_eq!((keys.len(), refusals.len()), (5, 0));
        assert_eq!(published(&record(good)), keys);
        assert_eq!(keys[4].spki_hash, [7; 32]);
        assert_eq!(keys[0].spki_hash, sha256(&[&signing(Algorithm::Ed25519, 3)[3..]]));
    }

    #[test]
    fn each_rule_has_its_code() {
        let x25519 =
            |key: [u8; 32]| tlsa(0, &[&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"[..], &key].concat());
        let mut ed25519_small = signing(Algorithm::Ed25519, 3);
        ed25519_small[15..].copy_from_slice(&{
            let mut one = [0; 32];
            one[0] = 1;
            one
        });
        let known = SigningKey::from_bytes(Algorithm::Es256, &{
            let mut one = [0; 32];
            one[31] = 1;
            one
        });
        let mut rsa = signing(Algorithm::Ed25519, 3);
        rsa[10] = 0x71; // Ed448's number with Ed25519's length
        for (prefix, rdata, expected) in [
            (Prefix::Id, agreeing(3), "key_algorithm"),
            (Prefix::E2e, signing(Algorithm::Ed25519, 3), "key_algorithm"),
            (Prefix::Mls, signing(Algorithm::Es256, 3), "key_algorithm"),
            (Prefix::Id, rsa, "key_algorithm"),
            (Prefix::Id, tlsa(1, &[7; 32]), "key_rdata"),
            (Prefix::SipClient, tlsa(0, &[7; 32]), "key_rdata"),
            (Prefix::SipClient, tlsa(1, &[7; 31]), "key_rdata"),
            (Prefix::Id, vec![3, 1], "key_rdata"),
            (Prefix::Id, [&[1, 1, 0], &signing(Algorithm::Ed25519, 3)[3..]].concat(), "key_rdata"),
            (Prefix::Id, [signing(Algorithm::Ed25519, 3), vec![0]].concat(), "key_algorithm"),
            (Prefix::E2e, x25519([0; 32]), "key_weak"),
            (Prefix::E2e, x25519([255; 32]), "key_weak"),
            (Prefix::Id, ed25519_small, "key_weak"),
            (Prefix::Id, tlsa(0, &known.unwrap().public().to_spki()), "key_known"),
            (Prefix::Id, tlsa(0, &RsaPublicKey::new(&[255; 384], &[1, 0, 1]).unwrap().to_spki()), "key_algorithm"),
            (Prefix::OpenPgpKey, vec![1], "key_openpgp"),
            (Prefix::SmimeCert, vec![3, 0, 0, 1], "key_certificate"),
            (Prefix::SmimeCert, vec![3, 1, 0, 1], "key_rdata"),
        ] {
            assert_eq!(codes(vec![(prefix, rdata)]), [expected], "{prefix:?}");
        }
    }

    #[test]
    fn limits_hold_label_by_label() {
        assert_eq!(codes((1..=8).map(|i| (Prefix::E2e, agreeing(i))).collect()), [""; 0]);
        assert_eq!(codes((1..=9).map(|i| (Prefix::E2e, agreeing(i))).collect()), ["key_count"]);
        assert_eq!(codes((3..=5).map(|i| (Prefix::Id, signing(Algorithm::Ed25519, i))).collect()), ["key_count"]);
        assert_eq!(codes(vec![(Prefix::OpenPgpKey, vec![1; 4097])]), ["key_openpgp", "rrset_size"]);
    }
}
