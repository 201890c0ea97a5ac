//! Proofs that published keys are held by whoever publishes them: which proofs came, which are good, which are missing.

use crate::charter::Policy;
use crate::log::bytes::Malformed;
use crate::log::possession::PublishedKey;
use crate::log::record::Prefix;
use crate::log::{Hash, sha256};
use crate::registry::keys::{self, ProvedBy, Published, Wrong};
use crate::registry::refusal::{self, Refusal};

/// A proof of possession as it is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The label under which the key is published.
    pub prefix: Prefix,
    /// The key's SubjectPublicKeyInfo (DER).
    pub spki: Vec<u8>,
    /// Its signature (64 bytes; RSA: as long as its modulus), or for X25519 its MAC (32 bytes).
    pub proof: Vec<u8>,
}

/// Checks every proof against the keys of the record; gives the keys that none proves, and every mistake in order.
///
/// A key that two certificates hold is one key, and an OpenPGP key brings its proof itself (clause 4.8).
/// `ephemeral` is the secret half of the ephemeral key of `prepare`, where a good nonce came along.
pub fn check(
    proofs: &[Proof],
    published: &[Published],
    policy: &Policy,
    event_tbs: &[u8],
    ephemeral: Option<&[u8; 32]>,
) -> (Vec<(Prefix, Hash)>, Vec<Refusal>) {
    let (mut refusals, mut unproved) = (Vec::new(), Vec::new());
    for key in published.iter().filter(|key| key.proved == ProvedBy::Proof) {
        if !unproved.contains(&(key.prefix, key.spki_hash)) {
            unproved.push((key.prefix, key.spki_hash));
        }
    }
    for (i, proof) in proofs.iter().enumerate() {
        let name = (proof.prefix, sha256(&[&proof.spki]));
        let Some(at) = unproved.iter().position(|key| *key == name) else {
            let detail = format!("no key under {} waits for this proof", proof.prefix.as_str());
            refusals.push(refusal::POSSESSION_UNEXPECTED.at(format!("/possession/{i}"), detail));
            continue;
        };
        unproved.remove(at);
        if let Err(Wrong(reason, detail)) = verify(proof, policy, event_tbs, ephemeral) {
            refusals.push(reason.at(format!("/possession/{i}"), format!("{}: {detail}", proof.prefix.as_str())));
        }
    }
    (unproved, refusals)
}

fn verify(proof: &Proof, policy: &Policy, event_tbs: &[u8], ephemeral: Option<&[u8; 32]>) -> Result<(), Wrong> {
    let key =
        PublishedKey::from_spki(&proof.spki).map_err(|_: Malformed| Wrong(&refusal::KEY_WEAK, "not a sound key"))?;
    keys::sound(proof.prefix, &key, policy)?;
    let ephemeral = match (&key, ephemeral) {
        (PublishedKey::X25519(_), None) => {
            return Err(Wrong(&refusal::POSSESSION_NONCE, "the ephemeral key of prepare is missing"));
        }
        (_, ephemeral) => ephemeral.copied().unwrap_or_default(), // not looked at by a signing key
    };
    let good = key.is_proved_by(&proof.proof, event_tbs, proof.prefix, &ephemeral);
    if good { Ok(()) } else { Err(Wrong(&refusal::POSSESSION_INVALID, "the proof is not this key's for this event")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::{Algorithm, SigningKey};
    use crate::log::possession::{mac, shared_secret, signature, x25519_public};

    const TBS: &[u8] = b"what the event signs";
    const EPHEMERAL: [u8; 32] = [9; 32];

    fn signed(prefix: Prefix, seed: u8) -> (Published, Proof) {
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap();
        let (spki, proof) = (key.public().to_spki(), signature(&key, TBS, prefix).to_vec());
        (
            Published { prefix, spki_hash: sha256(&[&spki]), key: None, proved: ProvedBy::Proof },
            Proof { prefix, spki, proof },
        )
    }

    fn agreed(seed: u8) -> (Published, Proof) {
        let key = PublishedKey::X25519(x25519_public(&[seed; 32]));
        let spki = key.to_spki();
        let shared = shared_secret(&[seed; 32], &x25519_public(&EPHEMERAL)).unwrap();
        let proof = mac(&shared, TBS, Prefix::E2e, &spki).to_vec();
        (
            Published { prefix: Prefix::E2e, spki_hash: sha256(&[&spki]), key: None, proved: ProvedBy::Proof },
            Proof { prefix: Prefix::E2e, spki, proof },
        )
    }

    fn checked(
        proofs: &[Proof],
        published: &[Published],
        tbs: &[u8],
        ephemeral: Option<&[u8; 32]>,
    ) -> (Vec<(Prefix, Hash)>, Vec<Refusal>) {
        check(proofs, published, &Policy::embedded(), tbs, ephemeral)
    }

    fn codes(refusals: &[Refusal]) -> Vec<(&'static str, &str)> {
        refusals.iter().map(|refusal| (refusal.code, refusal.pointer.as_str())).collect()
    }

    #[test]
    fn good_proofs_leave_nothing_open() {
        let ((id, id_proof), (sip, sip_proof), (e2e, e2e_proof)) =
            (signed(Prefix::Id, 3), signed(Prefix::SipClient, 4), agreed(5));
        let published = [id.clone(), sip, e2e];
        let (open, refusals) =
            checked(&[id_proof.clone(), e2e_proof.clone(), sip_proof], &published, TBS, Some(&EPHEMERAL));
        assert_eq!((open, codes(&refusals)), (vec![], vec![]));
        let (open, refusals) = checked(&[e2e_proof], &published, TBS, Some(&EPHEMERAL));
        assert_eq!((open.len(), open[0], refusals.len()), (2, (Prefix::Id, id.spki_hash), 0));
    }

    #[test]
    fn who_proves_himself_is_not_asked_and_twice_the_same_key_once() {
        let (key, proof) = signed(Prefix::SmimeCert, 3);
        let itself = Published { prefix: Prefix::OpenPgpKey, proved: ProvedBy::Itself, ..key.clone() };
        let nothing = Published { spki_hash: [9; 32], proved: ProvedBy::Nothing, ..itself.clone() };
        assert!(itself.counts() && !nothing.counts());
        let published = [key.clone(), key, itself, nothing];
        let (open, refusals) = checked(&[proof], &published, TBS, None);
        assert_eq!((open, codes(&refusals)), (vec![], vec![]));
    }

    #[test]
    fn bad_proofs_are_named() {
        let ((id, good), (e2e, e2e_good)) = (signed(Prefix::Id, 3), agreed(5));
        let published = [id, e2e];
        let one = |proof: Proof, ephemeral: Option<&[u8; 32]>, tbs: &[u8]| {
            checked(&[proof], &published, tbs, ephemeral).1.first().map(|refusal| refusal.code)
        };
        let other = |change: &dyn Fn(&mut Proof)| {
            let mut proof = good.clone();
            change(&mut proof);
            proof
        };
        assert_eq!(one(good.clone(), None, TBS), None);
        assert_eq!(one(good.clone(), None, b"another event"), Some("possession_invalid"));
        assert_eq!(one(other(&|p| p.proof[0] ^= 1), None, TBS), Some("possession_invalid"));
        assert_eq!(one(other(&|p| p.proof.truncate(32)), None, TBS), Some("possession_invalid"));
        assert_eq!(one(other(&|p| p.prefix = Prefix::Mls), None, TBS), Some("possession_unexpected"));
        assert_eq!(one(signed(Prefix::Id, 4).1, None, TBS), Some("possession_unexpected"));
        assert_eq!(one(e2e_good.clone(), None, TBS), Some("possession_nonce"));
        assert_eq!(one(e2e_good.clone(), Some(&[8; 32]), TBS), Some("possession_invalid"));
        assert_eq!(one(e2e_good, Some(&EPHEMERAL), TBS), None);
        let (_, twice) = checked(&[good.clone(), good], &published, TBS, None);
        assert_eq!(codes(&twice), [("possession_unexpected", "/possession/1")]);
    }
}
