//! The plan of the trust repository: who holds which key, how many must sign, how long it lives. A file of the operator's, not published.
//!
//! Names stand here alone: what is published knows keys by their ids.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::charter::trust::document::Kind;
use crate::charter::trust::keys::{KeyRing, Role, key_id};
use crate::charter::trust::root::Root;
use crate::charter::trust::rules::BRAKE_LIFE_D_MAX;
use crate::charter::trust::targets::{Delegation, Delegations};
use crate::charter::trust::{BRAKE, KEYS_MAX, PROVIDERS};
use crate::log::bytes::array_from_base64;
use crate::log::key::{Algorithm, PublicKey};

/// The longest lives, in days: whoever signs must be seen to be there.
const ROOT_LIFE_D_MAX: u64 = 1100;
const TARGETS_LIFE_D_MAX: u64 = 400;
const SNAPSHOT_LIFE_D_MAX: u64 = 60;
const TIMESTAMP_LIFE_D_MAX: u64 = 14;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    holder: Vec<WrittenHolder>,
    root: WrittenRole,
    targets: WrittenRole,
    providers: WrittenRole,
    brake: WrittenRole,
    #[serde(default)]
    online: Online,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHolder {
    name: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRole {
    threshold: u64,
    holders: Vec<String>,
    life_d: u64,
}

/// How long what the running directory signs lives, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Online {
    /// A snapshot.
    pub snapshot_life_d: u64,
    /// A timestamp: as long a client can be held at an old state.
    pub timestamp_life_d: u64,
}

impl Default for Online {
    fn default() -> Self {
        Self { snapshot_life_d: 14, timestamp_life_d: 2 }
    }
}

/// A role of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRole {
    /// The role of TUF.
    pub role: Role,
    /// How long what it signs lives, in days.
    pub life_d: u64,
}

/// Who holds what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    names: BTreeMap<String, String>,
    keys: BTreeMap<String, PublicKey>,
    roles: BTreeMap<&'static str, PlannedRole>,
    /// The keys of the running directory.
    pub online: Online,
}

/// The roles of people.
pub const ROLES: [&str; 4] = ["root", "targets", PROVIDERS, BRAKE];

impl Plan {
    /// Reads `trust.toml`; what is wrong is told with its remedy.
    pub fn read(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let (mut names, mut keys, mut ids) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        if written.holder.len() > KEYS_MAX {
            return Err(format!("holder: at most {KEYS_MAX}"));
        }
        for holder in written.holder {
            let bytes = holder.key.strip_prefix("ed25519:").and_then(array_from_base64::<32>);
            let key = bytes.and_then(|bytes| PublicKey::new(Algorithm::Ed25519, &bytes).ok());
            let key = key.ok_or_else(|| {
                format!("holder {}: key must be ed25519:BASE64, as `callbook staff keygen` prints it", holder.name)
            })?;
            let id = key_id(&key);
            if holder.name.trim().is_empty() || holder.name.chars().any(char::is_control) {
                return Err("holder: each needs a name of one line".to_owned());
            }
            if let Some(other) = names.insert(id.clone(), holder.name.clone()) {
                return Err(format!("{other} and {} have the same key: each needs one of their own", holder.name));
            }
            if ids.insert(holder.name.clone(), id.clone()).is_some() {
                return Err(format!("{} stands there twice: one key a holder", holder.name));
            }
            keys.insert(id, key);
        }
        let lives = [ROOT_LIFE_D_MAX, TARGETS_LIFE_D_MAX, TARGETS_LIFE_D_MAX, BRAKE_LIFE_D_MAX];
        let written_roles = [written.root, written.targets, written.providers, written.brake];
        let mut roles = BTreeMap::new();
        for ((name, life_max), role) in ROLES.into_iter().zip(lives).zip(written_roles) {
            roles.insert(name, planned(name, &role, life_max, &ids)?);
        }
        let online = written.online;
        within("online.snapshot_life_d", online.snapshot_life_d, SNAPSHOT_LIFE_D_MAX)?;
        within("online.timestamp_life_d", online.timestamp_life_d, TIMESTAMP_LIFE_D_MAX)?;
        Ok(Self { names, keys, roles, online })
    }

    /// The plan with one holder for everything, as `init` writes it.
    pub fn of_one(name: &str, key: &str) -> String {
        let role =
            |role: &str, life_d: u64| format!("[{role}]\nthreshold = 1\nholders = [{name:?}]\nlife_d = {life_d}\n\n");
        format!(
            "# Who holds which key of the trust repository (docs/charter.md). Change it, then: callbook charter draft.\n\
             # Names are not published. A key is what `callbook staff keygen` prints.\n\n\
             [[holder]]\nname = {name:?}\nkey = {key:?}\n\n{}{}{}{}\
             # What the running directory signs by itself, in days.\n[online]\nsnapshot_life_d = 14\ntimestamp_life_d = 2\n",
            role("root", 365),
            role("targets", 180),
            role(PROVIDERS, 90),
            role(BRAKE, BRAKE_LIFE_D_MAX),
        )
    }

    /// A role of people, by its name in [`ROLES`].
    pub fn role(&self, name: &str) -> Option<&PlannedRole> {
        self.roles.get(name)
    }

    /// The name of who holds a key.
    pub fn holder(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// The root that the plan asks for, with the keys of the running directory.
    pub fn root(&self, snapshot: &PublicKey, timestamp: &PublicKey) -> Root {
        let mut keys = KeyRing::default();
        let mut roles = BTreeMap::new();
        for (kind, name) in [(Kind::Root, "root"), (Kind::Targets, "targets")] {
            if let Some(planned) = self.roles.get(name) {
                planned.role.keys.iter().filter_map(|id| self.keys.get(id)).for_each(|key| drop(keys.add(key)));
                roles.insert(kind, planned.role.clone());
            }
        }
        for (kind, key) in [(Kind::Snapshot, snapshot), (Kind::Timestamp, timestamp)] {
            roles.insert(kind, Role { keys: vec![keys.add(key)], threshold: 1 });
        }
        Root { keys, roles, consistent: true }
    }

    /// The roles that targets delegate to.
    pub fn delegations(&self) -> Delegations {
        let mut all = Delegations::default();
        for name in [BRAKE, PROVIDERS] {
            let Some(planned) = self.roles.get(name) else { continue };
            planned.role.keys.iter().filter_map(|id| self.keys.get(id)).for_each(|key| drop(all.keys.add(key)));
            let (name, paths) = (name.to_owned(), vec![format!("{name}/*")]);
            all.roles.push(Delegation { name, role: planned.role.clone(), paths, terminating: true });
        }
        all
    }
}

fn planned(
    name: &str,
    written: &WrittenRole,
    life_d_max: u64,
    ids: &BTreeMap<String, String>,
) -> Result<PlannedRole, String> {
    within(&format!("{name}.life_d"), written.life_d, life_d_max)?;
    let id =
        |holder: &String| ids.get(holder).cloned().ok_or_else(|| format!("{name}.holders: {holder} is no [[holder]]"));
    let mut keys = written.holders.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    keys.sort();
    keys.dedup();
    if keys.len() != written.holders.len() {
        return Err(format!("{name}.holders: each once"));
    }
    let role = Role { keys, threshold: written.threshold };
    match role.threshold >= 1 && role.threshold <= role.keys.len() as u64 {
        true => Ok(PlannedRole { role, life_d: written.life_d }),
        false => Err(format!("{name}.threshold: from 1 to {}, the number of its holders", role.keys.len())),
    }
}

fn within(what: &str, value: u64, max: u64) -> Result<(), String> {
    if (1..=max).contains(&value) { Ok(()) } else { Err(format!("{what}: from 1 to {max} days")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::bytes::to_base64;
    use crate::log::key::SigningKey;

    fn key(n: u8) -> String {
        let key = SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).unwrap();
        format!("ed25519:{}", to_base64(key.public().bytes()))
    }

    #[test]
    fn a_plan_of_one_is_a_plan() {
        let plan = Plan::read(&Plan::of_one("The \"operator\"", &key(1))).unwrap();
        assert_eq!(plan.role("root").unwrap().role.threshold, 1);
        let id = &plan.role("brake").unwrap().role.keys[0];
        assert_eq!(plan.holder(id), Some("The \"operator\""));
        assert_eq!(plan.delegations().roles.len(), 2);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let good = Plan::of_one("Ana", &key(1));
        let two = good.replace("[root]", &format!("[[holder]]\nname = \"Ben\"\nkey = {:?}\n\n[root]", key(1)));
        for (text, place) in [
            (good.replacen("threshold = 1", "threshold = 2", 1), "root.threshold"),
            (good.replacen("threshold = 1", "threshold = 0", 1), "root.threshold"),
            (good.replace("life_d = 14\n\n", "life_d = 15\n\n"), "brake.life_d"),
            (good.replacen("holders = [\"Ana\"]", "holders = [\"Eve\"]", 1), "Eve is no"),
            (good.replacen("holders = [\"Ana\"]", "holders = [\"Ana\", \"Ana\"]", 1), "each once"),
            (good.replacen("ed25519:", "es256:", 1), "holder Ana"),
            (good.replacen("life_d", "life_days", 1), "life_days"),
            (two, "the same key"),
        ] {
            let no = Plan::read(&text).unwrap_err();
            assert!(no.contains(place), "{place}: {no}");
        }
    }
}
