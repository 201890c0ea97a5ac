//! Publication: drafts that enough have signed become what clients read, if the clients' own verifier believes it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::authority::trust::TrustError;
use crate::authority::trust::draft::{drafts, published};
use crate::authority::trust::online::{NewFiles, OnlineKeys, sign_newest};
use crate::authority::trust::store::{FIRST_ROOT, TrustStore};
use crate::charter::trust::plan::Plan;
use crate::charter::trust::rules::{self, Believed};
use crate::charter::trust::{
    BRAKE, Document, Kept, Kind, MetaInfo, PROVIDERS, ROOT_BYTES_MAX, Root, TARGETS_FOLDER, Tally, Targets, Update,
    Wanted,
};
use crate::seal::Lock;

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Roles of people with their new versions.
    pub roles: Vec<(&'static str, u64)>,
    /// Targets that a client fetches.
    pub targets: usize,
}

/// Publishes the drafts. `signed` are further copies of them, whose signatures are taken over. Refuses, and leaves everything as
/// it is, if signatures are missing or a client would refuse the outcome.
pub fn publish(
    store: &TrustStore,
    keys: &Path,
    lock: &Lock,
    signed: &[(String, Vec<u8>)],
    now_s: u64,
) -> Result<Published, TrustError> {
    let plan = store.plan()?;
    let _one_at_a_time = store.lock()?;
    let before = if store.exists() { Some(store.walk(0)?) } else { None };
    let mut drafted = drafts(store)?;
    merge(store, &mut drafted, signed)?;
    if drafted.is_empty() {
        let why = "there is no draft: `callbook charter draft` makes one where something has changed";
        return Err(TrustError::Refused(why.to_owned()));
    }
    must_be_signed(before.as_ref(), &drafted, &plan)?;
    let (files, timestamp) = compose(store, before.as_ref(), &drafted, keys, lock, &plan, now_s)?;
    let mut all = files;
    all.insert("timestamp.json".to_owned(), timestamp);
    let believed = rehearse(store, before.as_ref(), &all, now_s)?;
    store.replace(&all)?;
    for (role, _) in &drafted {
        store.drop_draft(role)?;
    }
    let roles = drafted.iter().map(|(role, document)| (*role, document.version)).collect();
    Ok(Published { roles, targets: believed.targets })
}

/// Takes over signatures from copies; what it becomes is kept in the draft.
fn merge(
    store: &TrustStore,
    drafted: &mut [(&'static str, Document)],
    signed: &[(String, Vec<u8>)],
) -> Result<(), TrustError> {
    for (name, bytes) in signed {
        let copy = Document::read(bytes, name)?;
        if !drafted.iter_mut().any(|(_, document)| document.merge(&copy)) {
            let why = format!(
                "{name} signs none of the drafts in {}: it is a copy of another draft",
                store.draft().display()
            );
            return Err(TrustError::Refused(why));
        }
    }
    for (role, document) in drafted.iter().filter(|_| !signed.is_empty()) {
        store.write_draft(&format!("{role}.json"), &document.write())?;
    }
    Ok(())
}

/// Who has signed a draft, as its role and, of a root, also the one before wants it.
pub(super) fn tallies(
    before: Option<&Update>,
    drafted: &[(&'static str, Document)],
    role: &str,
    document: &Document,
) -> Result<Vec<Tally>, TrustError> {
    let find = |name: &str| drafted.iter().find(|(role, _)| *role == name).map(|(_, document)| document);
    let newest_root = match find("root") {
        Some(document) => Some(Root::of(document, "root.json")?),
        None => before.map(|before| before.root().1.clone()),
    };
    let newest_targets = match find("targets") {
        Some(document) => Some(Targets::of(document, "targets.json")?),
        None => before.and_then(Update::targets).map(|(_, targets)| targets.clone()),
    };
    let mut all = Vec::new();
    match role {
        "root" => {
            all.extend(before.map(|before| before.root().1.tally(Kind::Root, document)));
            all.extend(newest_root.map(|root| root.tally(Kind::Root, document)));
        }
        "targets" => all.extend(newest_root.map(|root| root.tally(Kind::Targets, document))),
        name => {
            let delegations = newest_targets.map(|targets| targets.delegations).unwrap_or_default();
            let role = delegations.roles.iter().find(|one| one.name == name);
            all.extend(role.map(|role| role.role.tally(&delegations.keys, document)));
        }
    }
    Ok(all)
}

/// Says whose signatures are missing, of all drafts at once.
fn must_be_signed(
    before: Option<&Update>,
    drafted: &[(&'static str, Document)],
    plan: &Plan,
) -> Result<(), TrustError> {
    let mut lines = Vec::new();
    for (role, document) in drafted {
        for tally in tallies(before, drafted, role, document)?.iter().filter(|tally| !tally.is_met()) {
            let who =
                |id: &String| plan.holder(id).map_or_else(|| id.get(..16).unwrap_or(id).to_owned(), str::to_owned);
            let missing: Vec<String> = tally.missing.iter().map(who).collect();
            let (have, need) = (tally.signed.len(), tally.need);
            lines.push(format!(
                "{role} {} has {have} of {need} signatures; not signed yet by: {}",
                document.version,
                missing.join(", ")
            ));
        }
    }
    lines.dedup(); // of a root those before and those from now on are often the same
    match lines.is_empty() {
        true => Ok(()),
        false => Err(TrustError::Refused(format!("nothing was published:\n  {}", lines.join("\n  ")))),
    }
}

/// The files of the next state that are not there yet, and its timestamp.
fn compose(
    store: &TrustStore,
    before: Option<&Update>,
    drafted: &[(&'static str, Document)],
    keys: &Path,
    lock: &Lock,
    plan: &Plan,
    now_s: u64,
) -> Result<NewFiles, TrustError> {
    let mut files = BTreeMap::new();
    let mut meta = before.and_then(Update::snapshot).map(|(_, said)| said.meta.clone()).unwrap_or_default();
    for (role, document) in drafted {
        let bytes = document.write();
        if *role != "root" {
            meta.insert(format!("{role}.json"), MetaInfo::of(document.version, &bytes));
            for (path, info) in &Targets::of(document, role)?.files {
                let name = format!("{TARGETS_FOLDER}/{}", info.place(path, true));
                if store.file(&name, info.length)?.is_none() {
                    let bytes = store.drafted_target(path)?.unwrap_or_default();
                    info.check(&bytes, &format!("the draft's {path}"))?;
                    files.insert(name, bytes);
                }
            }
        }
        files.insert(format!("{}.{role}.json", document.version), bytes);
    }
    let keys = OnlineKeys::open(keys, lock)?;
    let (more, timestamp) = sign_newest(&keys, plan.online, before, meta, now_s);
    files.extend(more);
    Ok((files, timestamp))
}

/// Walks through the next state as two clients: one that begins from the first root, and one that knows the present state.
fn rehearse(
    store: &TrustStore,
    before: Option<&Update>,
    files: &BTreeMap<String, Vec<u8>>,
    now_s: u64,
) -> Result<Believed, TrustError> {
    let fetch = |wanted: &Wanted| match files.get(&wanted.file) {
        Some(bytes) => Ok::<_, TrustError>(Some(bytes.clone())),
        None => store.fetch(wanted),
    };
    let first = fetch(&Wanted { file: FIRST_ROOT.to_owned(), bytes_max: ROOT_BYTES_MAX })?;
    let first = first.ok_or_else(|| TrustError::Refused("the first root is missing".to_owned()))?;
    let known = before.map(|before| before.kept().clone()).unwrap_or_default();
    let mut believed = None;
    for kept in [known, Kept::default()] {
        let mut update = Update::begin(&first, kept, now_s)?;
        update.run(fetch)?;
        rules::stays_within(&update)?;
        believed = Some(Believed::gather(&update, now_s, fetch)?);
    }
    believed.ok_or_else(|| TrustError::Refused("nobody walked".to_owned()))
}

/// The roles of people that are published: their metadata, and who signed it.
pub(super) fn standing(update: &Update) -> Vec<(&'static str, &Document, Option<Tally>)> {
    let mut all = Vec::new();
    for role in ["root", "targets", PROVIDERS, BRAKE] {
        if let Some(document) = published(update, role) {
            all.push((role, document, tallies(Some(update), &[], role, document).ok().and_then(|mut all| all.pop())));
        }
    }
    let online = [
        update.snapshot().map(|(document, _)| ("snapshot", document)),
        update.timestamp().map(|(document, _)| ("timestamp", document)),
    ];
    for (role, document) in online.into_iter().flatten() {
        all.push((role, document, Some(update.root().1.tally(document.kind, document))));
    }
    all
}
