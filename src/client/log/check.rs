//! A whole log checked, or both together: signatures, every leaf, every tile, the root; and what no check can tell, in words.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::api::log::LogKind;
use crate::client::log::head::signed;
use crate::client::log::mirror::Copy;
use crate::client::log::place::{Files, LogTree};
use crate::client::log::walk::{Era, GovSide, Walk};
use crate::client::log::{Head, LogAt, LogError, Trust};
use crate::log::bytes::to_base64;
use crate::log::checkpoint::Checkpoint;
use crate::log::epoch::PrevEra;
use crate::log::misbehaviour::{Forked, Misbehaviour, What};
use crate::log::note::VerifierKey;
use crate::log::tile::TILE_WIDTH;
use crate::log::tree::Tree;

/// What an earlier check has seen of a log: from there the next one goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The log's name.
    pub origin: String,
    /// The keys that it was checked with.
    pub vkeys: Vec<String>,
    /// Its checkpoint, signed.
    pub note: String,
}

/// A check in the making.
pub struct Check<'a> {
    /// Keys that are trusted whatever the server says.
    pub given: &'a [VerifierKey],
    /// What was seen before; leaves up to there are only compared by their root.
    pub before: &'a [Before],
    /// Told after each bundle: the log, and how many leaves are checked.
    pub progress: &'a mut dyn FnMut(&Checkpoint, u64),
}

/// What was checked, and what not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The logs.
    pub logs: Vec<CheckedLog>,
    /// What is so, in sentences.
    pub checked: Vec<String>,
    /// What could not be checked, in sentences.
    pub not_checked: Vec<String>,
}

/// One log that passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedLog {
    /// Which of the two it is.
    pub kind: LogKind,
    /// Its name.
    pub origin: String,
    /// Its leaves.
    pub size: u64,
    /// The root over them, in base64.
    pub root: String,
    /// The keys that it may be signed with.
    pub vkeys: Vec<String>,
    /// Why they are believed.
    pub trust: Trust,
    /// How many leaves were known from before; they are the same.
    pub known_before: u64,
    /// The time of its newest leaf, Unix milliseconds; 0 where that leaf has none.
    pub newest_ms: u64,
    /// Tiles and bundles that were read.
    pub tiles: u64,
    /// The checkpoint, signed.
    pub note: String,
}

impl CheckedLog {
    /// What the next check should know.
    pub fn before(&self) -> Before {
        Before { origin: self.origin.clone(), vkeys: self.vkeys.clone(), note: self.note.clone() }
    }
}

/// A log that passed, still open.
struct Passed {
    head: Head,
    tree: LogTree,
    eras: Vec<Era>,
    prev: Option<PrevEra>,
    told: CheckedLog,
}

impl Check<'_> {
    /// Checks the logs of a place.
    pub fn run(&mut self, logs: &[LogAt]) -> Result<Checked, LogError> {
        self.run_with(logs, None)
    }

    /// The same, and what was checked is stored below `folder`.
    pub(super) fn run_with(&mut self, logs: &[LogAt], folder: Option<&Path>) -> Result<Checked, LogError> {
        let mut logs: Vec<&LogAt> = logs.iter().collect();
        logs.sort_by_key(|log| log.info().is_some_and(|info| info.kind == LogKind::Map));
        // The gov log's checkpoint is fetched last: then it has all that the map log rests on.
        let fetch = |at: &&LogAt| at.checkpoint()?.ok_or_else(|| LogError::NoLog { at: at.shown() });
        let mut notes = logs.iter().rev().map(fetch).collect::<Result<Vec<_>, _>>()?;
        let (mut gov, mut maps, mut told): (Option<Passed>, Vec<Passed>, Vec<CheckedLog>) = Default::default();
        for at in logs {
            let note = notes.pop().expect("one for each log");
            let passed = self.one(at, note, gov.as_mut(), folder)?;
            told.push(passed.told.clone());
            match passed.head.kind {
                LogKind::Gov => gov = Some(passed),
                LogKind::Map => maps.push(passed),
            }
        }
        let (mut checked, mut not_checked) = (said(&told), left(&told));
        for at in 0..maps.len() {
            match follows(&mut maps, at)? {
                Follows::First => {}
                Follows::From(words) => checked.push(words),
                Follows::Unknown(words) => not_checked.push(words),
            }
        }
        Ok(Checked { logs: told, checked, not_checked })
    }

    fn one(
        &mut self,
        at: &LogAt,
        note: String,
        gov: Option<&mut Passed>,
        folder: Option<&Path>,
    ) -> Result<Passed, LogError> {
        let head = self.open(at, note, gov.as_deref())?;
        let copy = folder.map(|folder| Copy::of(folder, &head)).transpose()?;
        let Checkpoint { origin, size, root } = head.checkpoint.clone();
        let files = Files::new(at.clone(), copy.as_ref().map(|copy| copy.dir().to_owned()));
        let failed = |error| LogError::of(&origin, error);
        let mut tree = Tree::open(files, size, &root).map_err(failed)?;
        let from = self.known_before(&head, &mut tree)?;
        let mut walk = Walk::new(&head);
        walk.behind(&mut tree, from)?;
        let side =
            gov.map(|gov| GovSide { origin: gov.head.checkpoint.origin.clone(), tree: &mut gov.tree, eras: &gov.eras });
        let progress = &mut *self.progress;
        walk.go(&mut tree, side, from, &mut |n, entries, hashes| {
            progress(&head.checkpoint, size.min((n + 1) * TILE_WIDTH));
            copy.as_ref().map_or(Ok(()), |copy| copy.store(n, entries, hashes))
        })?;
        if let Some(copy) = &copy {
            copy.finish(&mut tree, &head.note, from)?;
        }
        let told = CheckedLog {
            kind: head.kind,
            size,
            root: to_base64(&root),
            vkeys: head.keys.iter().map(ToString::to_string).collect(),
            trust: head.trust,
            known_before: from,
            newest_ms: walk.time_ms,
            tiles: tree.source().count(),
            note: head.note.clone(),
            origin,
        };
        let (eras, prev) = (walk.eras, walk.prev);
        Ok(Passed { tree, eras, prev, told, head })
    }

    /// The head by the best key there is; a map log's must be the one that the gov log names.
    fn open(&self, at: &LogAt, note: String, gov: Option<&Passed>) -> Result<Head, LogError> {
        let keys = |vkeys: &mut dyn Iterator<Item = &String>| -> Vec<VerifierKey> {
            vkeys.filter_map(|vkey| VerifierKey::parse(vkey).ok()).collect()
        };
        let before = keys(&mut self.before.iter().flat_map(|before| &before.vkeys));
        let eras = || gov.into_iter().flat_map(|gov| &gov.eras);
        let sound = gov.is_some_and(|gov| gov.head.trust != Trust::FirstUse);
        let by_gov = if sound { keys(&mut eras().map(|era| &era.log_key)) } else { Vec::new() };
        let believed = [(Trust::Given, self.given), (Trust::Before, &before[..]), (Trust::Gov, &by_gov[..])];
        let head = at.open(note, &believed)?;
        if gov.is_some() && head.kind == LogKind::Map {
            let origin = &head.checkpoint.origin;
            let named =
                eras().any(|era| era.map == *origin && head.keys.iter().any(|key| key.to_string() == era.log_key));
            if !named {
                return Err(LogError::untrue(origin, "the gov log does not name the key that signs it"));
            }
        }
        Ok(head)
    }

    /// How many leaves were checked before: they must be the same ones still.
    fn known_before(&self, head: &Head, tree: &mut LogTree) -> Result<u64, LogError> {
        let origin = &head.checkpoint.origin;
        let Some(before) = self.before.iter().find(|before| before.origin == *origin) else { return Ok(0) };
        let old = signed(&before.note, &head.keys).map_err(|_| {
            LogError::Asked(format!(
                "{origin}: what was kept of the check before is not signed by this key: start anew elsewhere"
            ))
        })?;
        let fork = |why: String, evidence| LogError::Fork {
            log: origin.clone(),
            why,
            notes: Box::new([before.note.clone(), head.note.clone()]),
            kept: Vec::new(),
            evidence,
        };
        if old.origin != *origin {
            return Err(LogError::Asked(format!("what was kept of {origin} is a checkpoint of {}", old.origin)));
        }
        if old.size > tree.size() {
            let why = format!("it has {} leaves and had {}: a log never becomes shorter", tree.size(), old.size);
            return Err(fork(why, None));
        }
        let root = tree.root_at(old.size).map_err(|error| LogError::of(origin, error))?;
        if root != old.root {
            let why = format!("its first {} leaves are not those of before: the log has changed its past", old.size);
            let since = match old.size < tree.size() {
                true => tree.consistency(old.size, tree.size()).ok(),
                false => Some(Vec::new()),
            };
            let forked = |since| (old.size < tree.size()).then_some(Forked { root, since });
            let notes = [before.note.clone(), head.note.clone()];
            let evidence = since.and_then(|since| evidence(&head.keys, notes, forked(since)));
            return Err(fork(why, evidence));
        }
        Ok(old.size)
    }
}

/// How a map log goes on from the era before.
enum Follows {
    /// There was none.
    First,
    /// As it says.
    From(String),
    /// The log of that era is not here.
    Unknown(String),
}

/// Looks whether the era before ended as leaf 0 of the map log `at` says.
fn follows(maps: &mut [Passed], at: usize) -> Result<Follows, LogError> {
    let (origin, Some(prev)) = (maps[at].told.origin.clone(), maps[at].prev.clone()) else { return Ok(Follows::First) };
    let Some(old) = maps.iter_mut().find(|map| map.told.origin == prev.origin) else {
        let why = format!("{origin}: whether it goes on from {}: that log is not here", prev.origin);
        return Ok(Follows::Unknown(why));
    };
    if old.tree.size() < prev.size {
        let why =
            format!("it goes on from {} leaves of {}, which shows only {}", prev.size, prev.origin, old.tree.size());
        return Err(LogError::untrue(&origin, why));
    }
    let root = old.tree.root_at(prev.size).map_err(|error| LogError::of(&prev.origin, error))?;
    if root != prev.root {
        let why = format!("it goes on from {} leaves of {} that are not those of that log", prev.size, prev.origin);
        return Err(LogError::untrue(&origin, why));
    }
    let lost = match old.tree.size() - prev.size {
        0 => String::new(),
        lost => format!(", and the {lost} epochs behind that are lost"),
    };
    Ok(Follows::From(format!("{origin} goes on from the first {} leaves of {}{lost}", prev.size, prev.origin)))
}

/// Two checkpoints, that of the smaller size first, as evidence under one of the keys; None if they prove nothing.
pub(super) fn evidence(keys: &[VerifierKey], notes: [String; 2], forked: Option<Forked>) -> Option<Box<Misbehaviour>> {
    keys.iter().find_map(|log| {
        let what = What::Checkpoints { notes: notes.clone(), forked: forked.clone() };
        let evidence = Misbehaviour { log: log.clone(), vrf: None, eras: Vec::new(), what };
        evidence.check().is_ok().then(|| Box::new(evidence))
    })
}

fn said(logs: &[CheckedLog]) -> Vec<String> {
    let mut said = Vec::new();
    for log in logs {
        said.push(format!("{}: the checkpoint is signed by {}", log.origin, log.trust.in_words()));
        let before = match log.known_before {
            0 => String::new(),
            n => format!("; the first {n} are those of the check before"),
        };
        let forms = "form, order and time of each, every tile, and the root that is signed";
        said.push(format!("{}: {} leaves{before}: {forms}", log.origin, log.size));
    }
    if let Some((gov, maps)) = logs.split_first()
        && gov.kind == LogKind::Gov
    {
        for map in maps {
            said.push(format!(
                "each epoch of {} rests on {} as it is shown here, which names its keys",
                map.origin, gov.origin
            ));
        }
    }
    said
}

fn left(logs: &[CheckedLog]) -> Vec<String> {
    let mut left = Vec::new();
    for log in logs.iter().filter(|log| log.trust == Trust::FirstUse) {
        let vkeys = log.vkeys.join(", ");
        left.push(format!(
            "{}: whether {vkeys} is its key: it came from the same place. Compare it with what the operator publishes elsewhere, and give it with --key",
            log.origin
        ));
    }
    left.push(
        "whether others are shown the same: no witness has cosigned. Compare checkpoints with somebody, or keep a copy (callbook log mirror), which \
         notices when a log changes its past"
            .to_owned(),
    );
    let has = |kind| logs.iter().any(|log| log.kind == kind);
    if has(LogKind::Map) && !has(LogKind::Gov) {
        left.push("whether the gov log is the one that the epochs rest on: it is not here".to_owned());
    }
    if has(LogKind::Map) {
        left.push("whether the events of each epoch lead from one root of the number map to the next: admitted auditors see the events".to_owned());
    }
    left
}
