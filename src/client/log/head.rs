//! The head of a log: its newest checkpoint, signed by a key that is known somehow. How, is said with it.

use serde::Serialize;

use crate::api::log::LogKind;
use crate::client::log::{LogAt, LogError};
use crate::log::checkpoint::Checkpoint;
use crate::log::note::{LineType, Note, VerifierKey};

/// Why a log's key is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It was given.
    Given,
    /// The gov log names it, and that log's key is not merely the server's word.
    Gov,
    /// It is the one of an earlier check.
    Before,
    /// The place that has the log named it too: trust on first use.
    FirstUse,
}

impl Trust {
    /// In words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Given => "a key that was given",
            Self::Gov => "the key that the gov log names",
            Self::Before => "the key of the check before",
            Self::FirstUse => "a key that the same place names: trust on first use",
        }
    }
}

/// A log's checkpoint whose signature is good.
#[derive(Clone, Debug)]
pub struct Head {
    /// Which of the two logs, by its name.
    pub kind: LogKind,
    /// The signed text.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The keys that the log may sign with.
    pub keys: Vec<VerifierKey>,
    /// Why they are believed.
    pub trust: Trust,
}

/// Keys with the reason to believe them, best reason first.
pub(super) type Believed<'k> = [(Trust, &'k [VerifierKey])];

impl LogAt {
    /// Fetches the newest checkpoint and checks its signature; `given` are keys that are trusted whatever the server says.
    pub fn head(&self, given: &[VerifierKey]) -> Result<Head, LogError> {
        let text = self.checkpoint()?.ok_or_else(|| LogError::NoLog { at: self.shown() })?;
        self.open(text, &[(Trust::Given, given)])
    }

    /// Checks the signature of a checkpoint by the first kind of keys that has one of the log's name. The server's word is
    /// only taken where nothing better is there at all.
    pub(super) fn open(&self, note: String, believed: &Believed<'_>) -> Result<Head, LogError> {
        let origin = note.split('\n').next().unwrap_or_default().to_owned();
        if let Some(info) = self.info().filter(|info| info.origin != origin) {
            return Err(LogError::untrue(&info.origin, format!("its checkpoint is one of {origin:?}")));
        }
        let claimed = match believed.iter().all(|(_, keys)| keys.is_empty()) {
            true => self.info().map_or_else(Vec::new, |info| {
                info.vkeys.iter().filter_map(|vkey| VerifierKey::parse(vkey).ok()).collect()
            }),
            false => Vec::new(),
        };
        let all = believed.iter().copied().chain([(Trust::FirstUse, &claimed[..])]);
        let named = all.map(|(trust, keys)| (trust, keys.iter().filter(|key| is_of(key, &origin)).cloned().collect()));
        let known = named.into_iter().find(|(_, keys): &(Trust, Vec<VerifierKey>)| !keys.is_empty());
        let Some((trust, keys)) = known else {
            let given = if believed.iter().all(|(_, keys)| keys.is_empty()) {
                ""
            } else {
                " (none of the keys at hand is of that name)"
            };
            return Err(LogError::NoKey { origin, given: given.to_owned() });
        };
        let checkpoint = signed(&note, &keys).map_err(|why| LogError::untrue(&origin, why))?;
        // The kind decides what leaves must look like, so a wrong name here is found with the first leaf.
        let by_name = if origin.ends_with("/gov") { LogKind::Gov } else { LogKind::Map };
        Ok(Head { kind: self.info().map_or(by_name, |info| info.kind), note, checkpoint, keys, trust })
    }
}

fn is_of(key: &VerifierKey, origin: &str) -> bool {
    key.name() == origin && key.line_type() == LineType::Signature
}

/// What a note says if one of the keys signed it.
pub(super) fn signed(note: &str, keys: &[VerifierKey]) -> Result<Checkpoint, String> {
    let opened = Note::open(note, keys).map_err(|error| format!("its checkpoint is not sound: {error}"))?;
    if opened.signed.is_empty() {
        return Err("its checkpoint is not signed by the log's key".to_owned());
    }
    Checkpoint::parse(&opened.text).map_err(|error| format!("its checkpoint is not sound: {error}"))
}
