//! What an auditor's word is worth to a caller: a checkpoint that the auditor has replayed up to, which the head of a proof goes on
//! from, and not too long ago (TRUST.md 3).

use crate::log::Hash;
use crate::log::bytes::Malformed;
use crate::log::checkpoint::Checkpoint;
use crate::log::merkle;
use crate::log::note::Note;
use crate::log::proved::AHEAD_MS_MAX;
use crate::log::trust::TrustList;

/// How long before the epoch of a proof an auditor may have cosigned.
pub const BEHIND_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// What a directory shows of an auditor beside a proof.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    /// The checkpoint with the auditor's cosignature.
    pub checkpoint: &'a str,
    /// The consistency proof from there to the head of the proof.
    pub consistency: &'a [Hash],
}

/// When an auditor of the trust list has cosigned what this head goes on from (Unix seconds); None: none of them has, or too
/// long before `epoch_ms`.
///
/// # Errors
/// If an auditor has cosigned something that the head does not go on from: then one of them is another story.
pub fn check(
    audit: Audit<'_>,
    head: &Checkpoint,
    epoch_ms: u64,
    trust: &TrustList,
    now_ms: u64,
) -> Result<Option<u64>, Malformed> {
    let note = Note::open(audit.checkpoint, &trust.auditors)?;
    let Some(time_s) = note.signed.iter().filter_map(|(_, time_s)| *time_s).max() else { return Ok(None) };
    let said = Checkpoint::parse(&note.text)?;
    let must = |ok, why| Malformed::unless(ok, "what the auditor cosigned", why);
    must(said.origin == head.origin, "another log")?;
    must(said.size > 0 && said.size <= head.size, "ahead of the proof")?;
    merkle::check_consistency((said.size, &said.root), (head.size, &head.root), audit.consistency)
        .map_err(|_| Malformed::new("what the auditor cosigned", "the proof does not go on from it"))?;
    let time_ms = time_s.saturating_mul(1000);
    let in_time = time_ms.saturating_add(BEHIND_MS_MAX) >= epoch_ms && time_ms <= now_ms.saturating_add(AHEAD_MS_MAX);
    Ok(in_time.then_some(time_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::{Algorithm, SigningKey};
    use crate::log::note::{LineType, NoteSigner};
    use crate::log::vrf;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn signer(name: &str, seed: u8) -> NoteSigner {
        NoteSigner::new(name, SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()).unwrap()
    }

    fn head(leaves: &[Hash]) -> Checkpoint {
        Checkpoint { origin: "a/map/0".into(), size: leaves.len() as u64, root: merkle::root(leaves) }
    }

    #[test]
    fn a_cosignature_counts_for_a_day_and_for_what_goes_on_from_it() {
        let auditor = signer("auditor.example", 2);
        let trust = TrustList {
            origin: "a/map/0".into(),
            log: signer("a/map/0", 1).verifier(LineType::Signature),
            witnesses: Vec::new(),
            quorum: 0,
            auditors: vec![auditor.verifier(LineType::Cosignature)],
            vrf: vrf::SecretKey::from_seed(&[5; 32]).public().clone(),
            eras: Vec::new(),
        };
        let leaves: Vec<Hash> = (0..9u8).map(|n| merkle::leaf_hash(&[n])).collect();
        let (now, proof) = (head(&leaves), merkle::consistency(5, &leaves));
        let said = |by: &NoteSigner, at: &Checkpoint, time_s: u64| {
            let note = format!("{}\n{}", at.write(), by.cosign(&at.write(), time_s));
            check(Audit { checkpoint: &note, consistency: &proof }, &now, NOW_MS, &trust, NOW_MS)
        };
        let (five, now_s, day_s) = (head(&leaves[..5]), NOW_MS / 1000, BEHIND_MS_MAX / 1000);
        assert_eq!(said(&auditor, &five, now_s - 60), Ok(Some(now_s - 60)));
        assert_eq!(said(&auditor, &five, now_s - day_s), Ok(Some(now_s - day_s)));
        assert_eq!(said(&auditor, &five, now_s - day_s - 1), Ok(None), "too long ago");
        assert_eq!(said(&auditor, &five, now_s + 61), Ok(None), "from the future");
        assert_eq!(said(&signer("auditor.example", 3), &five, now_s), Ok(None), "somebody else of this name");
        assert_eq!(said(&signer("other.example", 2), &five, now_s), Ok(None));
        assert!(said(&auditor, &Checkpoint { root: [1; 32], ..five.clone() }, now_s).is_err(), "another story");
        assert!(said(&auditor, &Checkpoint { origin: "a/map/1".into(), ..five.clone() }, now_s).is_err());
        assert!(said(&auditor, &Checkpoint { size: 10, ..five }, now_s).is_err());
    }
}
