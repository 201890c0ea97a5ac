//! The repository beside the running directory: looked after, served, and told in the public log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::authority::gov::{self, Digests};
use crate::authority::trust::TrustError;
use crate::authority::trust::online::resign_if_due;
use crate::authority::trust::publish::standing;
use crate::authority::trust::status::{self, RoleStatus};
use crate::authority::trust::store::TrustStore;
use crate::authority::{Authority, Core, Rejection};
use crate::charter::Policy;
use crate::charter::trust::contents::{CHARTER, COMING_CHARTER, COMING_POLICY, POLICY};
use crate::charter::trust::rules;
use crate::charter::trust::{
    TARGET_BYTES_MAX, TARGETS_BYTES_MAX, TARGETS_FOLDER, TIMESTAMP_BYTES_MAX, Update, is_target_path,
};
use crate::clock::unix_s;
use crate::log::bytes::to_base64;
use crate::log::sha256;

/// Leaves that one look adds; the next look comes soon.
const LEAVES_MAX: usize = 32;
/// How often something that cannot be done is told in the log of the service.
const TOLD_EVERY_S: u64 = 3600;

/// How the repository goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustVitals {
    /// When each role is over, Unix seconds.
    pub expires: BTreeMap<&'static str, u64>,
    /// Why the newest look failed; None while all is well.
    pub trouble: Option<String>,
}

/// What the running directory knows of its repository.
pub(in crate::authority) struct LiveTrust {
    store: TrustStore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Vec<u8>,
    vitals: TrustVitals,
    told_s: u64,
}

/// Why the log does not tell what is published.
enum Untold {
    /// It told of newer ones.
    Older(String),
    /// It could not now.
    Later(String),
}

impl Untold {
    fn why(self) -> String {
        match self {
            Self::Older(why) | Self::Later(why) => why,
        }
    }
}

impl From<TrustError> for Untold {
    fn from(error: TrustError) -> Self {
        Self::Later(error.to_string())
    }
}

impl LiveTrust {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authority {
    /// From now on the repository is looked after: signed anew in time, told in the public log, served.
    pub fn keep_trust(&self, store: TrustStore) {
        let _ = self.core.trust.set(LiveTrust { store, state: Mutex::default() });
        self.core.keep_trust();
    }

    /// Each role of the repository: its version, its end, its signatures; nothing where there is none. Reads its files.
    pub fn trust_roles(&self) -> Result<Vec<RoleStatus>, Rejection> {
        let Some(trust) = self.core.trust.get() else { return Ok(Vec::new()) };
        status::status(&trust.store).map_err(|error| Rejection::Fault(error.to_string()))
    }

    /// A published file of the repository by its name; None if there is none.
    pub fn trust_file(&self, name: &str) -> Result<Option<Vec<u8>>, Rejection> {
        let Some(trust) = self.core.trust.get().filter(|_| is_served(name)) else { return Ok(None) };
        let max = if name.starts_with(TARGETS_FOLDER) { TARGET_BYTES_MAX } else { TARGETS_BYTES_MAX };
        let bytes = trust.store.file(name, max).map_err(|error| Rejection::Fault(error.to_string()))?;
        Ok(bytes.filter(|bytes| bytes.len() as u64 <= max))
    }

    /// How the repository goes; nothing where there is none.
    pub fn trust_vitals(&self) -> TrustVitals {
        self.core.trust.get().map(|trust| trust.state().vitals.clone()).unwrap_or_default()
    }
}

/// Names of metadata and of targets, and not of what a write left behind.
fn is_served(name: &str) -> bool {
    let is_meta = !name.contains('/') && name.ends_with(".json");
    let is_target = name.strip_prefix("targets/").is_some_and(|rest| !rest.ends_with(".partial"));
    is_target_path(name) && (is_meta || is_target)
}

impl Core {
    /// One look: never stops the directory, whatever is wrong.
    pub(in crate::authority) fn keep_trust(&self) {
        let Some(trust) = self.trust.get() else { return };
        let now_s = unix_s(self.now_ms());
        let outcome = self.look_at_trust(trust, now_s);
        let mut state = trust.state();
        state.vitals.trouble = outcome.err();
        if let Some(why) = state.vitals.trouble.clone()
            && now_s >= state.told_s.saturating_add(TOLD_EVERY_S)
        {
            state.told_s = now_s;
            tracing::error!(%why, "the trust repository: going on without; clients refuse it when its timestamp is over");
        }
    }

    fn look_at_trust(&self, trust: &LiveTrust, now_s: u64) -> Result<(), String> {
        if !trust.store.exists() {
            return Ok(());
        }
        // What is newly published is told even if it cannot be signed anew.
        let told = match self.tell_newest(trust) {
            // Signed anew, an old copy would be a second story under versions that were given out.
            Err(Untold::Older(why)) => return Err(why),
            Err(Untold::Later(why)) => Err(why),
            Ok(()) => Ok(()),
        };
        let ends = |role: &str| trust.state().vitals.expires.get(role).copied();
        let (keys, lock) = (&self.settings.keys, &self.settings.lock);
        if resign_if_due(&trust.store, keys, lock, ends, now_s).map_err(|error| error.to_string())? {
            return self.tell_newest(trust).map_err(Untold::why);
        }
        told
    }

    /// Tells in the log what is published and was not told yet; looks at all of it only when the timestamp is another.
    fn tell_newest(&self, trust: &LiveTrust) -> Result<(), Untold> {
        let newest = trust.store.file("timestamp.json", TIMESTAMP_BYTES_MAX)?;
        let newest = newest.unwrap_or_default();
        if trust.state().seen == newest {
            return Ok(());
        }
        let update = trust.store.walk(0)?;
        let expires = standing(&update).into_iter().map(|(role, document, _)| (role, document.expires_s));
        trust.state().vitals.expires = expires.collect();
        if self.tell_trust(trust, &update)? {
            trust.state().seen = newest;
        }
        Ok(())
    }

    /// Adds a leaf for each published version that the gov log does not have. False: there are more.
    fn tell_trust(&self, trust: &LiveTrust, update: &Update) -> Result<bool, Untold> {
        let mut added = 0;
        for (role, document, _) in standing(update) {
            let told = self.law().trust_version(role);
            if told > document.version {
                return Err(Untold::Older(format!(
                    "the log tells of {role} version {told}, the folder has {}: an older copy was restored, which callers who have seen the newer one \
                     refuse. Restore the newest, from any mirror of it",
                    document.version
                )));
            }
            let first = if role == "timestamp" { document.version } else { told + 1 };
            for version in first.max(told + 1)..=document.version {
                if added == LEAVES_MAX {
                    return Ok(false);
                }
                let name =
                    if role == "timestamp" { "timestamp.json".to_owned() } else { format!("{version}.{role}.json") };
                let bytes = trust.store.file(&name, TARGETS_BYTES_MAX)?;
                let Some(bytes) = bytes else { continue };
                let body = leaf_body(role, version, &sha256(&[&bytes]));
                let leaf = |seq, time_ms| gov::leaf(gov::TRUST, body.clone(), seq, time_ms);
                let failed = |no| Untold::Later(format!("the log cannot tell of {name}: {no:?}"));
                self.add_decided(&leaf).map_err(failed)?;
                added += 1;
            }
        }
        Ok(true)
    }
}

/// The body of a leaf that tells of a published version: the role, its version, SHA-256 of the file.
fn leaf_body(role: &str, version: u64, digest: &[u8; 32]) -> Value {
    json!({ "role": role, "version": version, "digest": to_base64(digest) })
}

/// At a start: the charter must be one that the repository signs. Nothing to check where there is none. What is over does not
/// keep the directory from starting: callers refuse it then, and whoever starts is told.
pub fn check_start(store: &TrustStore, policy: &Policy, now_s: u64) -> Result<(), TrustError> {
    if !store.exists() {
        return Ok(());
    }
    let unsound = |why: String| {
        TrustError::Refused(format!(
            "{}: {why}. Restore the folder from a backup or from any mirror of it; without the folder the directory starts, and tells callers nothing that is signed",
            store.published().display()
        ))
    };
    drop(store.lock()?); // a publication that was cut off is finished
    let update = store.walk(0).map_err(|error| unsound(error.to_string()))?;
    rules::check(&update, now_s).map_err(|no| unsound(no.to_string()))?;
    let (policy_digest, text_digest): Digests = gov::digests(policy);
    let is_signed = |path: &str, digest: &[u8; 32]| {
        let info = update.find(path).ok().flatten();
        let hex = data_encoding::HEXLOWER.encode(digest);
        info.is_some_and(|info| info.hashes.get("sha256") == Some(&hex))
    };
    let in_force = [(CHARTER, POLICY), (COMING_CHARTER, COMING_POLICY)];
    if !in_force.iter().any(|(text, parameters)| is_signed(text, &text_digest) && is_signed(parameters, &policy_digest))
    {
        return Err(TrustError::Refused(format!(
            "the charter in force is not the one that {} signs: draft, sign and publish the next targets (callbook charter draft, sign, publish), or put the \
             signed charter back into the folder",
            update
                .targets()
                .map_or_else(|| "nobody".to_owned(), |(document, _)| format!("{}.targets.json", document.version))
        )));
    }
    for (role, document, _) in standing(&update) {
        if now_s >= document.expires_s && role != "timestamp" && role != crate::charter::trust::BRAKE {
            tracing::warn!(
                role,
                "the trust repository: the time of this role is over, and callers refuse it: callbook charter status"
            );
        }
    }
    Ok(())
}
