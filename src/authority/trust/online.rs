//! The keys of the running directory in the repository: snapshot and timestamp, signed anew in time.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use crate::authority::trust::TrustError;
use crate::authority::trust::store::TrustStore;
use crate::charter::trust::plan::Online;
use crate::charter::trust::{Kind, MetaInfo, Snapshot, Timestamp, Update, key_id};
use crate::log::key::SigningKey;
use crate::log::random::Random;
use crate::seal::Lock;
use crate::signer::key_file::{self, file};

/// What the two keys are for: snapshot, timestamp. The words stand in their files and are the files' names.
pub(in crate::authority) const KEYS: [&str; 2] = ["trust-snapshot", "trust-timestamp"];
const DAY_S: u64 = 86_400;

/// The keys that sign what is newest.
pub(super) struct OnlineKeys {
    pub(super) snapshot: SigningKey,
    pub(super) timestamp: SigningKey,
}

impl OnlineKeys {
    pub(super) fn open(dir: &Path, lock: &Lock) -> Result<Self, TrustError> {
        let [snapshot, timestamp] = KEYS.map(|purpose| key_file::signing(dir, purpose, lock));
        Ok(Self { snapshot: snapshot?, timestamp: timestamp? })
    }

    /// Refuses to sign with keys that the newest root does not name: no client would believe it.
    pub(super) fn must_be_named(&self, update: &Update) -> Result<(), TrustError> {
        let (document, root) = update.root();
        for (kind, key) in [(Kind::Snapshot, &self.snapshot), (Kind::Timestamp, &self.timestamp)] {
            let id = key_id(key.public());
            if !root.roles.get(&kind).is_some_and(|role| role.keys.contains(&id) && role.threshold == 1) {
                return Err(TrustError::Refused(format!(
                    "{}.root.json does not name the key trust-{}.key for this role: restore the right key from the backup, or publish a root that names this one \
                     (callbook charter draft)",
                    document.version,
                    kind.name()
                )));
            }
        }
        Ok(())
    }
}

/// Makes the keys that are not there yet.
pub(super) fn make_keys(dir: &Path, lock: &Lock, random: &dyn Random) -> Result<(), TrustError> {
    for purpose in KEYS {
        if !file(dir, purpose).exists() {
            let mut secret = Zeroizing::new([0; 32]);
            random.fill(&mut *secret)?;
            key_file::make(dir, purpose, &secret, lock)?;
        }
    }
    Ok(())
}

/// Files that nobody refers to yet, and the timestamp that does.
pub(super) type NewFiles = (BTreeMap<String, Vec<u8>>, Vec<u8>);

/// What is signed anew now, Unix seconds, as files: a snapshot, unless `meta` says what the present one does and it has half of
/// its life left, and a timestamp.
pub(super) fn sign_newest(
    keys: &OnlineKeys,
    online: Online,
    before: Option<&Update>,
    meta: BTreeMap<String, MetaInfo>,
    now_s: u64,
) -> NewFiles {
    let snapshot_life_s = online.snapshot_life_d * DAY_S;
    let old = before.and_then(Update::snapshot);
    let id = key_id(keys.snapshot.public());
    let still_good = old.filter(|(document, said)| {
        said.meta == meta
            && document.expires_s >= now_s + snapshot_life_s / 2
            && document.signers().any(|signer| signer == id)
    });
    let mut files = BTreeMap::new();
    let named = before.and_then(Update::timestamp).map(|(_, timestamp)| timestamp.snapshot.clone());
    let info = match (still_good, named) {
        (Some(_), Some(named)) => named,
        _ => {
            let version = old.map_or(1, |(document, _)| document.version + 1);
            let mut document = Snapshot { meta }.write(version, now_s + snapshot_life_s);
            document.sign(&keys.snapshot);
            let bytes = document.write();
            let info = MetaInfo::of(version, &bytes);
            files.insert(format!("{version}.snapshot.json"), bytes);
            info
        }
    };
    let version = before.and_then(Update::timestamp).map_or(1, |(document, _)| document.version + 1);
    let mut timestamp = Timestamp { snapshot: info }.write(version, now_s + online.timestamp_life_d * DAY_S);
    timestamp.sign(&keys.timestamp);
    (files, timestamp.write())
}

/// Signs what is newest anew if half of its life is over; `ends` says when a role is over, Unix seconds. False: there was no
/// need, or somebody else works at the repository just now.
pub(super) fn resign_if_due(
    store: &TrustStore,
    keys: &Path,
    lock: &Lock,
    ends: impl Fn(&str) -> Option<u64>,
    now_s: u64,
) -> Result<bool, TrustError> {
    let online = store.plan().map(|plan| plan.online).unwrap_or_default();
    let due = |role, life_d: u64| ends(role).is_none_or(|end_s| end_s < now_s + life_d * DAY_S / 2);
    if !due("timestamp", online.timestamp_life_d) && !due("snapshot", online.snapshot_life_d) {
        return Ok(false);
    }
    let keys = OnlineKeys::open(keys, lock)?;
    let Some(_one_at_a_time) = store.try_lock()? else { return Ok(false) };
    let update = store.walk(0)?;
    let Some((_, said)) = update.snapshot() else { return Ok(false) };
    keys.must_be_named(&update)?;
    let (files, timestamp) = sign_newest(&keys, online, Some(&update), said.meta.clone(), now_s);
    store.add(&files, &timestamp)?;
    Ok(true)
}
