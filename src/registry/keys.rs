//! The keys that a record publishes: strict RDATA, the right kind under each label, sound, not publicly known, not too many.

use crate::charter::Policy;
use crate::log::bytes::Malformed;
use crate::log::key::{Algorithm, PublicKey};
use crate::log::possession::PublishedKey;
use crate::log::record::{Prefix, Record};
use crate::log::{Hash, sha256};
use crate::registry::known;
use crate::registry::refusal::{self, Refusal};

/// TLSA usage DANE-EE, selector SPKI, matching type Full: a raw public key (RFC 7671 5.1, RFC 7250).
const TLSA_KEY: [u8; 3] = [3, 1, 0];
/// The same with matching type SHA-256.
const TLSA_HASH: [u8; 3] = [3, 1, 1];
/// One identity key, and a second while it replaces the first (clause 4.5).
const ID_KEYS_MAX: u64 = 2;

/// A key that a record publishes, or the hash of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The label of its purpose.
    pub prefix: Prefix,
    /// SHA-256 of its SubjectPublicKeyInfo: its name in the index of published keys.
    pub spki_hash: Hash,
    /// The key, where the record holds it.
    pub key: Option<PublishedKey>,
}

/// The keys of a record and every mistake in them, in the order of the record, then label by label.
pub fn check(record: &Record, policy: &Policy, pointer: &str) -> (Vec<Published>, Vec<Refusal>) {
    let (mut keys, mut refusals) = (Vec::new(), Vec::new());
    for rr in record.rr.iter().filter(|rr| rr.prefix != Prefix::Naptr) {
        match read(rr.prefix, &rr.rdata) {
            Ok(key) => keys.push(key),
            Err((reason, why)) => refusals.push(reason.at(pointer, format!("{}: {why}", rr.prefix.as_str()))),
        }
    }
    for prefix in Prefix::ALL {
        let (count, size) =
            record.rdata(prefix).fold((0u64, 0u64), |(n, size), rdata| (n + 1, size + rdata.len() as u64));
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
    }
}

/// Whether a label may publish this kind of key.
pub fn fits(prefix: Prefix, key: &PublishedKey) -> bool {
    match (prefix, key) {
        (Prefix::Id | Prefix::SipClient, PublishedKey::Signing(_)) | (Prefix::E2e, PublishedKey::X25519(_)) => true,
        (Prefix::Mls, PublishedKey::Signing(key)) => key.algorithm() == Algorithm::Ed25519,
        _ => false,
    }
}

type Wrong = (&'static refusal::Reason, &'static str);

fn read(prefix: Prefix, rdata: &[u8]) -> Result<Published, Wrong> {
    match prefix {
        Prefix::OpenPgpKey | Prefix::SmimeCert => {
            Err((&refusal::KEY_KIND, "its proof of possession cannot be checked yet"))
        }
        Prefix::SipClient => {
            let hash = rdata.strip_prefix(&TLSA_HASH).and_then(|hash| hash.try_into().ok());
            let spki_hash = hash.ok_or((&refusal::KEY_RDATA, "this is not TLSA 3 1 1 with 32 octets"))?;
            Ok(Published { prefix, spki_hash, key: None })
        }
        _ => {
            let spki = rdata.strip_prefix(&TLSA_KEY).ok_or((&refusal::KEY_RDATA, "this is not TLSA 3 1 0"))?;
            let key = published_key(spki)?;
            if !fits(prefix, &key) {
                return Err((&refusal::KEY_ALGORITHM, "another kind of key belongs here"));
            }
            if is_known_published(&key) {
                return Err((&refusal::KEY_KNOWN, "its private half is publicly known"));
            }
            Ok(Published { prefix, spki_hash: sha256(&[spki]), key: Some(key) })
        }
    }
}

/// The key of a SubjectPublicKeyInfo, telling an unsound point from another algorithm.
fn published_key(spki: &[u8]) -> Result<PublishedKey, Wrong> {
    /// DER up to the key of Ed25519, X25519 (RFC 8410 4) and P-256 with an uncompressed point (RFC 5480 2).
    const HEADS: [(&[u8], usize); 3] = [
        (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", 44),
        (b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00", 44),
        (b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04", 91),
    ];
    PublishedKey::from_spki(spki).map_err(|_: Malformed| {
        if HEADS.iter().any(|(head, length)| spki.starts_with(head) && spki.len() == *length) {
            (&refusal::KEY_WEAK, "not a sound point of its curve")
        } else {
            (&refusal::KEY_ALGORITHM, "neither an Ed25519 nor an X25519 nor a P-256 key in DER")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::SigningKey;
    use crate::log::possession::x25519_public;
    use crate::log::record::Rr;
    use crate::number::Number;

    fn record(rr: Vec<(Prefix, Vec<u8>)>) -> Record {
        let rr = rr.into_iter().map(|(prefix, rdata)| Rr { prefix, rdata }).collect();
        Record { number: Number::parse("+447700900123").unwrap(), provider: "acme".into(), rr, revoked: vec![] }
    }

    fn codes(rr: Vec<(Prefix, Vec<u8>)>) -> Vec<&'static str> {
        check(&record(rr), &Policy::embedded(), "/record").1.iter().map(|refusal| refusal.code).collect()
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
        let (keys, refusals) = check(&record(good), &Policy::embedded(), "/record");
        assert_eq!((keys.len(), refusals.len()), (5, 0));
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
            (Prefix::OpenPgpKey, vec![1], "key_kind"),
            (Prefix::SmimeCert, vec![3, 0, 0, 1], "key_kind"),
        ] {
            assert_eq!(codes(vec![(prefix, rdata)]), [expected], "{prefix:?}");
        }
    }

    #[test]
    fn limits_hold_label_by_label() {
        assert_eq!(codes((1..=8).map(|i| (Prefix::E2e, agreeing(i))).collect()), [""; 0]);
        assert_eq!(codes((1..=9).map(|i| (Prefix::E2e, agreeing(i))).collect()), ["key_count"]);
        assert_eq!(codes((3..=5).map(|i| (Prefix::Id, signing(Algorithm::Ed25519, i))).collect()), ["key_count"]);
        assert_eq!(codes(vec![(Prefix::OpenPgpKey, vec![1; 4097])]), ["key_kind", "rrset_size"]);
    }
}
