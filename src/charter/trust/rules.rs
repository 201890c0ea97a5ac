//! What the charter adds to the rules of TUF: which targets there are, how far the delegated roles go, and how long the brake holds.

use std::collections::BTreeSet;

use crate::charter::trust::contents::{
    CHARTER, Content, DIRECTORIES, Directories, LOGS, Logs, POLICY, REGISTER, RegisterContent, SUSPENDED, Suspended,
    WITNESSES, Witnesses,
};
use crate::charter::trust::document::Document;
use crate::charter::trust::path::matches;
use crate::charter::trust::targets::Targets;
use crate::charter::trust::update::{Update, Wanted};
use crate::charter::trust::{BRAKE, PROVIDERS, Untrusted, Why};
use crate::clock::rfc3339;

/// A day in seconds.
const DAY_S: u64 = 86_400;
/// The longest that a brake may hold from now on, in days.
pub const BRAKE_LIFE_D_MAX: u64 = 14;
/// A brake that is signed for exactly so long is published a moment later, and clocks differ.
const BRAKE_SLACK_S: u64 = 3600;

/// The targets that must be there.
const NEEDED: [&str; 5] = [CHARTER, POLICY, LOGS, WITNESSES, DIRECTORIES];

/// What the brake says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brake {
    /// It was never set.
    NeverSet,
    /// Its time is over: what it suspended is believed again.
    Over(Untrusted),
    /// It is set until that time, Unix seconds.
    Set {
        /// What is suspended.
        suspended: Suspended,
        /// When it ends by itself.
        until_s: u64,
    },
}

/// What a caller believes once everything is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    /// The public logs.
    pub logs: Logs,
    /// Who else must have seen them.
    pub witnesses: Witnesses,
    /// The directories.
    pub directories: Directories,
    /// The register of providers.
    pub register: RegisterContent,
    /// What is suspended.
    pub brake: Brake,
    /// How many targets were fetched and compared.
    pub targets: usize,
}

impl Believed {
    /// Checks the charter's own rules over an update that went all the way, at `now_s` (Unix seconds), and reads every target.
    pub fn gather<E: From<Untrusted>>(
        update: &Update,
        now_s: u64,
        mut fetch: impl FnMut(&Wanted) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Self, E> {
        let targets = check(update, now_s)?;
        let mut get = |path: &str| -> Result<Vec<u8>, E> {
            let (wanted, info) = update.target(path)?.ok_or_else(|| missing(path))?;
            let bytes = fetch(&wanted)?.ok_or_else(|| missing(&wanted.file))?;
            info.check(&bytes, &wanted.file)?;
            Ok(bytes)
        };
        let (logs, witnesses) = (Logs::read(&get(LOGS)?, LOGS)?, Witnesses::read(&get(WITNESSES)?, WITNESSES)?);
        let directories = Directories::read(&get(DIRECTORIES)?, DIRECTORIES)?;
        let register = RegisterContent::read(&get(REGISTER)?, REGISTER)?;
        let typed = [LOGS, WITNESSES, DIRECTORIES];
        for path in targets.files.keys().filter(|path| !typed.contains(&path.as_str())) {
            get(path)?;
        }
        let brake = match update.delegated(BRAKE) {
            Some(Ok((document, _))) => {
                Brake::Set { suspended: Suspended::read(&get(SUSPENDED)?, SUSPENDED)?, until_s: document.expires_s }
            }
            Some(Err(no)) if no.why == Why::Expired => Brake::Over(no.clone()),
            _ => Brake::NeverSet,
        };
        let brake_files = usize::from(matches!(brake, Brake::Set { .. }));
        let targets = targets.files.len() + 1 + brake_files;
        Ok(Self { logs, witnesses, directories, register, brake, targets })
    }
}

/// Checks the rules that need no target; gives the targets at the top.
pub fn check(update: &Update, now_s: u64) -> Result<&Targets, Untrusted> {
    let (document, targets) = update.targets().ok_or_else(|| missing("targets.json"))?;
    let file = format!("{}.targets.json", document.version);
    let rule = |file: &str, expected: &str, found: &str| Err(Untrusted::new(file, Why::Rule, expected, found));
    if let Some(path) = NEEDED.into_iter().find(|path| !targets.files.contains_key(*path)) {
        return rule(&file, path, "no such target");
    }
    for role in &targets.delegations.roles {
        let own = format!("{}/", role.name);
        let known = [PROVIDERS, BRAKE].contains(&role.name.as_str());
        if !known || role.paths.iter().any(|path| !path.starts_with(&own)) {
            return rule(&file, "roles `providers` and `brake`, each for its own folder", &role.name);
        }
    }
    let delegated = |path: &&String| [PROVIDERS, BRAKE].iter().any(|role| path.starts_with(&format!("{role}/")));
    if let Some(path) = targets.files.keys().find(delegated) {
        return rule(&file, "targets of delegated roles signed by these", path);
    }
    match update.delegated(PROVIDERS) {
        Some(Ok(_)) => {}
        Some(Err(no)) => return Err(no.clone()),
        None => return rule(&file, "the role `providers`", "no such role"),
    }
    match update.delegated(BRAKE) {
        Some(Ok((brake, said))) => must_be_short(brake, said, now_s)?,
        Some(Err(no)) if no.why == Why::Expired => {}
        Some(Err(no)) if no.why == Why::Missing && !is_named(update, BRAKE) => {}
        Some(Err(no)) => return Err(no.clone()),
        None => return rule(&file, "the role `brake`", "no such role"),
    }
    Ok(targets)
}

fn is_named(update: &Update, role: &str) -> bool {
    update.snapshot().is_some_and(|(_, snapshot)| snapshot.meta.contains_key(&format!("{role}.json")))
}

fn must_be_short(brake: &Document, said: &Targets, now_s: u64) -> Result<(), Untrusted> {
    let file = format!("{}.brake.json", brake.version);
    let latest_s = now_s.saturating_add(BRAKE_LIFE_D_MAX * DAY_S + BRAKE_SLACK_S);
    if brake.expires_s > latest_s {
        let expected = format!("an end within {BRAKE_LIFE_D_MAX} days, by {}", rfc3339(latest_s));
        return Err(Untrusted::new(&file, Why::Rule, expected, rfc3339(brake.expires_s)));
    }
    match said.files.contains_key(SUSPENDED) {
        true => Ok(()),
        false => Err(Untrusted::new(&file, Why::Rule, SUSPENDED, "no such target")),
    }
}

/// What is published may sign nothing outside its folder: clients pass over it, and whoever signs it has made a mistake.
pub fn stays_within(update: &Update) -> Result<(), Untrusted> {
    let Some((_, targets)) = update.targets() else { return Ok(()) };
    for role in &targets.delegations.roles {
        let Some(Ok((document, said))) = update.delegated(&role.name) else { continue };
        let outside = said.files.keys().find(|path| !role.paths.iter().any(|pattern| matches(pattern, path)));
        if let Some(path) = outside {
            let file = format!("{}.{}.json", document.version, role.name);
            return Err(Untrusted::new(&file, Why::Rule, format!("targets below {}/", role.name), path.as_str()));
        }
    }
    Ok(())
}

/// Every target that some role signs, each once.
pub fn all_targets(update: &Update) -> BTreeSet<String> {
    let top = update.targets().map(|(_, targets)| targets);
    let below = top.iter().flat_map(|targets| &targets.delegations.roles);
    let below = below.filter_map(|role| update.delegated(&role.name)?.as_ref().ok()).map(|(_, said)| said);
    let files = top.into_iter().chain(below).flat_map(|targets| targets.files.keys());
    files.filter(|path| matches!(update.find(path), Ok(Some(_)))).cloned().collect()
}

fn missing(file: &str) -> Untrusted {
    Untrusted::new(file, Why::Missing, "a file", "nothing")
}
