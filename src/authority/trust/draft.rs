//! Drafts: the next metadata of each role, unsigned, and what it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ring::rand::SystemRandom;

use crate::authority::Settings;
use crate::authority::trust::TrustError;
use crate::authority::trust::facts::TrustFacts;
use crate::authority::trust::online::{OnlineKeys, make_keys};
use crate::authority::trust::store::TrustStore;
use crate::charter::trust::contents::{Content, DIRECTORIES, Directories, REGISTER, SUSPENDED, Suspended};
use crate::charter::trust::plan::{Plan, PlannedRole, ROLES};
use crate::charter::trust::{
    BRAKE, Delegations, Document, FileInfo, KeyRing, Kind, PROVIDERS, Role, Root, TARGETS_FOLDER, Targets, Update,
};

const DAY_S: u64 = 86_400;
/// Of its life, so much must be left or the role is drafted anew: a third.
const LEFT_OF: u64 = 3;

/// What shall be drafted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustWish {
    /// Roles that are drafted anew although nothing in them changes.
    pub renew: Vec<String>,
    /// What the brake shall suspend from now on; nothing lifts it.
    pub brake: Option<Suspended>,
    /// Directories that are trusted beside this one; None: as before.
    pub directories: Option<Directories>,
}

/// A draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drafted {
    /// The role.
    pub role: &'static str,
    /// The version that it will be.
    pub version: u64,
    /// When it will be over, Unix seconds.
    pub expires_s: u64,
    /// SHA-256 of what is to be signed.
    pub digest: [u8; 32],
    /// Where it lies.
    pub file: PathBuf,
    /// What it changes, a line each.
    pub changes: Vec<String>,
}

/// Makes the next unsigned metadata of each role in which something changes, or whose time is nearly over. What was drafted
/// before and says the same is left as it is, with its signatures.
pub fn draft(
    store: &TrustStore,
    settings: &Settings,
    facts: &TrustFacts,
    wish: &TrustWish,
    now_s: u64,
) -> Result<Vec<Drafted>, TrustError> {
    let plan = store.plan()?;
    let _one_at_a_time = store.lock()?;
    make_keys(&settings.keys, &settings.lock, &SystemRandom::new())?;
    let online = OnlineKeys::open(&settings.keys, &settings.lock)?;
    let before = if store.exists() { Some(store.walk(0)?) } else { None };
    let desk = Desk { store, plan: &plan, before: before.as_ref(), wish, now_s };
    let mut drafted = Vec::new();
    let root = plan.root(online.snapshot.public(), online.timestamp.public());
    let delegations = plan.delegations();
    drafted.extend(desk.role(
        "root",
        |version, expires_s| root.write(version, expires_s),
        &root.keys,
        &BTreeMap::new(),
    )?);
    let top = desk.top(facts)?;
    let said = Targets { files: infos(&top), delegations: delegations.clone() };
    drafted.extend(desk.role("targets", |version, expires_s| said.write(version, expires_s), &root.keys, &top)?);
    let register = BTreeMap::from([(REGISTER.to_owned(), facts.register.write())]);
    let said = Targets { files: infos(&register), ..Targets::default() };
    let keys = &delegations.keys;
    drafted.extend(desk.role(PROVIDERS, |version, expires_s| said.write(version, expires_s), keys, &register)?);
    if let Some(suspended) = desk.brake(&delegations)? {
        let files = BTreeMap::from([(SUSPENDED.to_owned(), suspended.write())]);
        let said = Targets { files: infos(&files), ..Targets::default() };
        drafted.extend(desk.role(BRAKE, |version, expires_s| said.write(version, expires_s), keys, &files)?);
    }
    Ok(drafted)
}

fn infos(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, FileInfo> {
    files.iter().map(|(path, bytes)| (path.clone(), FileInfo::of(bytes))).collect()
}

struct Desk<'a> {
    store: &'a TrustStore,
    plan: &'a Plan,
    before: Option<&'a Update>,
    wish: &'a TrustWish,
    now_s: u64,
}

impl Desk<'_> {
    /// The targets at the top; trusted directories that were published stay, for the ledger does not know them.
    fn top(&self, facts: &TrustFacts) -> Result<BTreeMap<String, Vec<u8>>, TrustError> {
        let mut top = facts.top.clone();
        let own = top.get(DIRECTORIES).map(|bytes| Directories::read(bytes, DIRECTORIES)).transpose()?;
        let mut all = own.map(|own| own.directories).unwrap_or_default();
        let others = match (&self.wish.directories, self.before) {
            (Some(wished), _) => wished.directories.clone(),
            (None, Some(before)) => match before.target(DIRECTORIES)? {
                Some((wanted, _)) => {
                    let bytes = self.store.fetch(&wanted)?.unwrap_or_default();
                    Directories::read(&bytes, DIRECTORIES)?.directories
                }
                None => Vec::new(),
            },
            (None, None) => Vec::new(),
        };
        for other in others {
            if !all.iter().any(|one| one.host == other.host) {
                all.push(other);
            }
        }
        top.insert(DIRECTORIES.to_owned(), Directories::new(all).write());
        Ok(top)
    }

    /// What the brake shall say: what is wished; or, where its keys change, what it says now, so that it is signed by the new
    /// ones. None: nothing new.
    fn brake(&self, delegations: &Delegations) -> Result<Option<Suspended>, TrustError> {
        if self.wish.brake.is_some() {
            return Ok(self.wish.brake.clone());
        }
        let Some(before) = self.before else { return Ok(None) };
        let Some(document) = published(before, BRAKE) else { return Ok(None) };
        let is_theirs = |role: &PlannedRole| role.role.tally(&delegations.keys, document).is_met();
        if self.plan.role(BRAKE).is_some_and(is_theirs) {
            return Ok(None);
        }
        let nothing = Suspended::new(Vec::new(), Vec::new());
        let Some((wanted, _)) = before.target(SUSPENDED)?.filter(|_| document.expires_s > self.now_s) else {
            return Ok(Some(nothing));
        };
        let bytes = self.store.fetch(&wanted)?.unwrap_or_default();
        Ok(Some(Suspended::read(&bytes, SUSPENDED)?))
    }

    /// Drafts one role, unless the published version says the same and lives long enough.
    fn role(
        &self,
        name: &'static str,
        write: impl Fn(u64, u64) -> Document,
        keys: &KeyRing,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Option<Drafted>, TrustError> {
        let life_s = self.plan.role(name).map_or(0, |role| role.life_d) * DAY_S;
        let published = self.before.and_then(|before| published(before, name));
        let version = published.map_or(1, |document| document.version + 1);
        let mut document = write(version, self.now_s + life_s);
        let is_fresh = |document: &Document| document.expires_s >= self.now_s + life_s / LEFT_OF;
        let renew = self.wish.renew.iter().any(|role| role == name);
        // Whoever holds the keys from now on must have signed what is believed from now on.
        let is_theirs =
            |document: &Document| self.plan.role(name).is_some_and(|role| role.role.tally(keys, document).is_met());
        let stays = |old: &Document| old.says_the_same(&document) && is_fresh(old) && is_theirs(old);
        if !renew && published.is_some_and(stays) {
            self.store.drop_draft(name)?;
            return Ok(None);
        }
        // A draft that some have signed already stays what they signed.
        let drafted = self.store.drafted(name)?.and_then(|bytes| Document::read(&bytes, name).ok());
        let keep = drafted.filter(|old| old.version == version && old.says_the_same(&document) && is_fresh(old));
        if let Some(kept) = keep {
            document = kept;
        }
        for (path, bytes) in files {
            self.store.write_draft(&format!("{TARGETS_FOLDER}/{path}"), bytes)?;
        }
        let file = self.store.write_draft(&format!("{name}.json"), &document.write())?;
        let changes = changes(published, &document, self.plan)?;
        let (expires_s, digest) = (document.expires_s, document.digest());
        Ok(Some(Drafted { role: name, version, expires_s, digest, file, changes }))
    }
}

/// The published metadata of a role of people.
pub(super) fn published<'u>(update: &'u Update, role: &str) -> Option<&'u Document> {
    match role {
        "root" => Some(update.root().0),
        "targets" => update.targets().map(|(document, _)| document),
        other => update.delegated(other)?.as_ref().ok().map(|(document, _)| document),
    }
}

/// What is other than before, in lines.
pub(super) fn changes(before: Option<&Document>, after: &Document, plan: &Plan) -> Result<Vec<String>, TrustError> {
    let mut lines = Vec::new();
    match after.kind {
        Kind::Root => {
            let old = before.map(|document| Root::of(document, "root")).transpose()?;
            let new = Root::of(after, "root")?;
            for (kind, role) in &new.roles {
                let was = old.as_ref().and_then(|old| old.roles.get(kind));
                tell_role(kind.name(), was, role, plan, &mut lines);
            }
        }
        _ => {
            let old = before.map(|document| Targets::of(document, "targets")).transpose()?.unwrap_or_default();
            let new = Targets::of(after, "targets")?;
            let paths: BTreeSet<&String> = old.files.keys().chain(new.files.keys()).collect();
            for path in paths {
                match (old.files.get(path), new.files.get(path)) {
                    (None, Some(_)) => lines.push(format!("+ {path}")),
                    (Some(_), None) => lines.push(format!("- {path}")),
                    (Some(was), Some(is)) if was != is => lines.push(format!("~ {path}")),
                    _ => {}
                }
            }
            for delegation in &new.delegations.roles {
                let was = old.delegations.roles.iter().find(|one| one.name == delegation.name).map(|one| &one.role);
                tell_role(&delegation.name, was, &delegation.role, plan, &mut lines);
            }
        }
    }
    if lines.is_empty() {
        lines.push("nothing but a later end".to_owned());
    }
    Ok(lines)
}

fn tell_role(name: &str, before: Option<&Role>, after: &Role, plan: &Plan, lines: &mut Vec<String>) {
    let known: &[String] = before.map_or(&[], |role| &role.keys);
    let who = |id: &String| {
        let short = id.get(..16).unwrap_or(id);
        plan.holder(id).map_or_else(|| short.to_owned(), |name| format!("{name} ({short})"))
    };
    let added = after.keys.iter().filter(|id| !known.contains(id)).map(|id| format!("+ {name}: key of {}", who(id)));
    let removed = known.iter().filter(|id| !after.keys.contains(id)).map(|id| format!("- {name}: key of {}", who(id)));
    lines.extend(added.chain(removed));
    if before.is_none_or(|role| role.threshold != after.threshold) {
        let was = before.map_or_else(String::new, |role| format!(", before {}", role.threshold));
        lines.push(format!("~ {name}: {} of {} must sign{was}", after.threshold, after.keys.len()));
    }
}

/// A role, the version that it will be, and a line for each change.
pub type DraftedChange = (&'static str, u64, Vec<String>);

/// What the drafts change in what is published: each role with the version that it will be, and a line for each change.
pub fn drafted_changes(store: &TrustStore) -> Result<Vec<DraftedChange>, TrustError> {
    let drafted = drafts(store)?;
    if drafted.is_empty() {
        return Ok(Vec::new());
    }
    let plan = store.plan()?;
    let before = if store.exists() { Some(store.walk(0)?) } else { None };
    let told = |(role, document): (&'static str, Document)| {
        let old = before.as_ref().and_then(|before| published(before, role));
        Ok((role, document.version, changes(old, &document, &plan)?))
    };
    drafted.into_iter().map(told).collect()
}

/// The roles whose drafts there are, in the order in which they are published.
pub(super) fn drafts(store: &TrustStore) -> Result<Vec<(&'static str, Document)>, TrustError> {
    let mut all = Vec::new();
    for role in ROLES {
        if let Some(bytes) = store.drafted(role)? {
            all.push((role, Document::read(&bytes, &format!("{role}.json"))?));
        }
    }
    Ok(all)
}
