//! What a backup says of itself: which files, with their digests, and how far logs and zone go in it.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::authority::Heads;
use crate::cli::report::Failure;
use crate::log::cosigner::Seen;

/// The file in a backup that describes the others. It is written last.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The first word of every version.
const FAMILY: &str = "callbook/backup/";
/// The version that is written, and the only one that is read.
pub(super) const FORM: &str = "callbook/backup/v1";
/// Files of a backup: a ledger, some texts, and two for each static zone.
pub(crate) const FILES_MAX: usize = 4096;
/// Octets of a manifest with so many.
const OCTETS_MAX: u64 = 4 << 20;
/// Folders above a file.
const DEPTH_MAX: usize = 4;

/// A backup's manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The form of the backup.
    pub(crate) format: String,
    /// The program that made it.
    pub(crate) made_by: String,
    /// The moment that it holds, Unix seconds.
    pub(crate) made_s: u64,
    /// The apex of the number zone.
    pub(crate) apex: String,
    /// The format of the ledger.
    pub(crate) ledger_format: u64,
    /// How far it goes.
    pub(crate) heads: Told,
    /// The SHA-256 of the number zone's unsigned export at `made_s`, in hexadecimal digits.
    pub(crate) zone_sha256: String,
    /// Whether private keys are in it, sealed.
    pub(crate) keys: bool,
    /// What a service needs beside it.
    pub(crate) missing: Vec<String>,
    /// The files.
    pub(crate) files: Vec<Entry>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Its name, relative to the backup.
    pub(crate) name: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// Its digest in hexadecimal digits.
    pub(crate) sha256: String,
}

/// How far a ledger goes, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    /// Leaves of the map log, and the root over them in base64.
    pub(crate) map: (u64, String),
    /// The same of the gov log.
    pub(crate) gov: (u64, String),
    /// The newest epoch's time in milliseconds.
    pub(crate) epoch_ms: u64,
    /// The newest signed checkpoint of the map log.
    pub(crate) checkpoint: String,
    /// The key of the map log.
    pub(crate) log_key: String,
    /// The key of the gov log.
    pub(crate) gov_key: String,
    /// The newest event.
    pub(crate) events: u64,
    /// Numbers.
    pub(crate) numbers: u64,
}

impl Told {
    pub(crate) fn of(heads: &Heads) -> Self {
        let head = |seen: &Seen| (seen.size, data_encoding::BASE64.encode(&seen.root));
        let [log_key, gov_key] = heads.keys.clone().map(|key| key.to_string());
        Self {
            map: head(&heads.map),
            gov: head(&heads.gov),
            epoch_ms: heads.epoch_ms,
            checkpoint: heads.note.clone(),
            log_key,
            gov_key,
            events: heads.events,
            numbers: heads.numbers,
        }
    }

    /// In which part another ledger differs; None if in none.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            (self.map != other.map, "the head of the map log"),
            (self.gov != other.gov, "the head of the gov log"),
            ((&self.log_key, &self.gov_key) != (&other.log_key, &other.gov_key), "the keys of the logs"),
            (self.checkpoint != other.checkpoint, "the signed checkpoint"),
            (self != other, "the count of events or numbers"),
        ]
        .into_iter()
        .find_map(|(differs, what)| differs.then_some(what))
    }
}

impl Manifest {
    /// Reads the manifest of the backup in `folder`, and gives its digest too.
    pub(super) fn read(folder: &Path) -> Result<(Self, String), Failure> {
        let path = folder.join(MANIFEST);
        let at = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let length = std::fs::metadata(&path)
            .map_err(|e| at(format!("{e}. A backup is the folder that `callbook backup make` wrote")))?
            .len();
        if length > OCTETS_MAX {
            return Err(at("it is far too long for a manifest".to_owned()));
        }
        let text = std::fs::read(&path).map_err(|e| at(e.to_string()))?;
        let digest = super::sha256_hex(&text);
        #[derive(Deserialize)]
        struct Form {
            format: String,
        }
        let form: Form = serde_json::from_slice(&text).map_err(|e| at(format!("it is damaged: {e}")))?;
        if form.format != FORM {
            let why = match form.format.starts_with(FAMILY) {
                true => format!("it is {}, and this program reads {FORM}: use the callbook that made it", form.format),
                false => "it is no manifest of a backup".to_owned(),
            };
            return Err(at(why));
        }
        let manifest: Self = serde_json::from_slice(&text).map_err(|e| at(format!("it is damaged: {e}")))?;
        manifest.check().map_err(at)?;
        Ok((manifest, digest))
    }

    /// Names stay inside the backup and come once.
    fn check(&self) -> Result<(), String> {
        if self.files.len() > FILES_MAX {
            return Err(format!("it names more than {FILES_MAX} files"));
        }
        let mut names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        if let Some(bad) = names.iter().find(|name| !is_inside(name)) {
            return Err(format!("it names the file {bad:?}, which no backup has"));
        }
        names.sort_unstable();
        if names.windows(2).any(|two| two[0] == two[1]) {
            return Err("it names a file twice".to_owned());
        }
        Ok(())
    }
}

/// Whether a name of a file stays below the folder it is seen from.
pub(crate) fn is_inside(name: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    let normal = parts.iter().all(|part| matches!(part, Component::Normal(_)));
    let written = parts.iter().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    normal && written == name && (1..=DEPTH_MAX).contains(&parts.len()) && !name.contains(['\0', '\n', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_a_backup() {
        for name in ["config.toml", "data/ledger.sqlite", "keys/Ke164.example.+013+00001.ksk.p8", "data/zones/a/b"] {
            assert!(is_inside(name), "{name}");
        }
        for name in ["", "/etc/passwd", "../x", "a/../b", "a/./b", "a//b", "./a", "a/", "a/b/c/d/e", "a\nb", "a\\b"] {
            assert!(!is_inside(name), "{name}");
        }
    }
}
