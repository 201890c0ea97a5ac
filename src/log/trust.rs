//! The trust list of a caller: which log, under which keys, and who else must have seen it.

use crate::log::bytes::Malformed;
use crate::log::checkpoint::is_log_name;
use crate::log::note::{LineType, VerifierKey};
use crate::log::vrf;

/// What a caller believes before it checks anything.
#[derive(Clone, Debug)]
pub struct TrustList {
    /// The origin of the map log of this era.
    pub origin: String,
    /// The key that signs its checkpoints.
    pub log: VerifierKey,
    /// Witnesses, by their cosignature keys.
    pub witnesses: Vec<VerifierKey>,
    /// How many of them must have cosigned a checkpoint.
    pub quorum: usize,
    /// Auditors, who replay every epoch before they cosign.
    pub auditors: Vec<VerifierKey>,
    /// The key that places numbers in the map.
    pub vrf: vrf::PublicKey,
    /// The origins of earlier eras: a number that was carried over was last signed for under one of them.
    pub eras: Vec<String>,
}

impl TrustList {
    /// Refuses lists that could not mean what they say: a quorum that nobody can reach, keys of another kind, one key
    /// under two names.
    pub fn check(&self) -> Result<(), Malformed> {
        let must = |ok, why| Malformed::unless(ok, "trust list", why);
        must(is_log_name(&self.origin) && self.eras.iter().all(|era| is_log_name(era)), "origin")?;
        must(self.log.line_type() == LineType::Signature && self.log.name() == self.origin, "key of the log")?;
        let others = || self.witnesses.iter().chain(&self.auditors);
        must(others().all(|key| key.line_type() == LineType::Cosignature), "a witness or auditor without times")?;
        must(self.quorum <= self.witnesses.len(), "a quorum of more witnesses than there are")?;
        let mut keys: Vec<&[u8]> = self.witnesses.iter().map(|witness| witness.key().bytes()).collect();
        keys.sort_unstable();
        must(keys.is_sorted_by(|a, b| a < b), "a witness twice")
    }
}
