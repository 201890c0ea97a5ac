//! What the log said, as part of a look-up; and what has changed since it was last asked.

use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};

use crate::client::keys::{PublishedKey, Purpose};
use crate::client::prove::pins::{PinnedContact, PinnedLog, Pins};
use crate::clock;
use crate::log::ZERO;
use crate::log::bytes::{to_base64, to_base64url};
use crate::log::proved::Proved;
use crate::number::Number;

/// A control key that is younger than this is told: whoever took a number over has held it for less (TRUST.md 3).
const YOUNG_KEY_S: u64 = 7 * 86_400;

/// What the log said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogProof {
    /// `absent`, `active`, `lapsed`, `suspended` or `released`.
    pub standing: &'static str,
    /// The epoch that was proved: the newest of its log.
    pub epoch: u64,
    /// When it was sealed, Unix seconds.
    #[serde(serialize_with = "time")]
    pub sealed_at: u64,
    /// Its age in seconds when it was checked.
    pub age_s: u64,
    /// How many witnesses of the trust list have cosigned its checkpoint.
    pub witnesses: usize,
    /// When an auditor of the trust list cosigned it, or what it goes on from, Unix seconds; None: unaudited.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_option")]
    pub audited_at: Option<u64>,
    /// What weakens it: `stale`, `unconfirmed`, `unaudited`; and what a caller should know: `pending`, `young_control_key`,
    /// `control_key_changed`, `identity_key_changed`.
    pub warnings: Vec<&'static str>,
    /// The control key's thumbprint, base64url, if the number has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Since when it has that key, Unix seconds; None: since before this era of the log.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "time_option")]
    pub control_since: Option<u64>,
    /// The origin of the log.
    pub log: String,
    /// Whether the keys of the log came from the directory itself just now, so that only a trust list of one's own could tell
    /// a false one.
    pub trust_on_first_use: bool,
}

fn time<S: Serializer>(unix_s: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&clock::rfc3339(*unix_s))
}

fn time_option<S: Serializer>(unix_s: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    unix_s.map(clock::rfc3339).serialize(to)
}

impl LogProof {
    /// What was proved, as of `now_s`.
    pub(super) fn of(
        proved: &Proved,
        now_s: u64,
        key_since_s: Option<u64>,
        changed: Vec<&'static str>,
        trust_on_first_use: bool,
    ) -> Self {
        let sealed_at = proved.epoch_ms / 1000;
        let mut warnings: Vec<&str> = proved.warnings.iter().map(|warning| warning.word()).collect();
        warnings.extend(young(key_since_s, now_s).then_some("young_control_key"));
        warnings.extend(changed);
        Self {
            standing: proved.standing.word(),
            epoch: proved.epoch,
            sealed_at,
            age_s: now_s.saturating_sub(sealed_at),
            witnesses: proved.witnesses,
            audited_at: proved.audited_s,
            warnings,
            control: control(proved),
            control_since: key_since_s,
            log: proved.checkpoint.origin.clone(),
            trust_on_first_use,
        }
    }
}

/// Whether a control key of that age is told.
pub(super) fn young(key_since_s: Option<u64>, now_s: u64) -> bool {
    key_since_s.is_some_and(|since_s| now_s < since_s.saturating_add(YOUNG_KEY_S))
}

/// The thumbprint of the control key, base64url.
fn control(proved: &Proved) -> Option<String> {
    let state = proved.number.as_ref().map(|number| &number.state);
    state.filter(|state| state.control != ZERO).map(|state| to_base64url(&state.control))
}

impl Pins {
    /// Remembers what was proved; gives what has changed since the last time, as words.
    pub(super) fn remember(
        &mut self,
        number: Number,
        proved: &Proved,
        checkpoint: String,
        keys: &[PublishedKey],
    ) -> Vec<&'static str> {
        let at = &proved.checkpoint;
        let log = PinnedLog { size: at.size, root: to_base64(&at.root), checkpoint };
        self.logs.insert(at.origin.clone(), log);
        // While nothing is published there are no identity keys to compare.
        let published = proved.number.as_ref().is_some_and(|number| number.record.is_some());
        let Some(control) = control(proved).filter(|_| published) else { return Vec::new() };
        let identity = keys.iter().filter(|key| key.purpose == Purpose::Id);
        let mut identity: Vec<String> = identity.map(|key| HEXLOWER.encode(&key.fingerprint)).collect();
        identity.sort_unstable();
        let now = PinnedContact { control, identity };
        let Some(before) = self.contacts.insert(number.to_string(), now.clone()) else { return Vec::new() };
        let changed = [
            ("control_key_changed", before.control != now.control),
            ("identity_key_changed", before.identity != now.identity),
        ];
        changed.into_iter().filter_map(|(word, on)| on.then_some(word)).collect()
    }
}
