//! A copy of a log in a folder, in the layout of C2SP tlog-tiles: any web server can give it on, and `check` reads it.
//!
//! Nothing is stored that was not checked before, and a checkpoint only when everything under it is there. Full tiles of a
//! run that was broken off are found again and checked again, not fetched again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::api::log::{LogInfo, LogKind, Logs};
use crate::client::log::check::evidence;
use crate::client::log::head::signed;
use crate::client::log::place::{COPY_INDEX, LogTree, TEXT_BYTES_MAX, read_file};
use crate::client::log::{Before, Check, Checked, Head, LogAt, LogError, Place};
use crate::log::bytes::from_decimal;
use crate::log::misbehaviour::{Forked, Misbehaviour};
use crate::log::note::VerifierKey;
use crate::log::tile::{Row, TILE_WIDTH, Tile, write_bundle, write_hashes};
use crate::log::{Hash, sha256};

/// Where two checkpoints that contradict each other are kept.
const EVIDENCE: &str = "evidence";
/// Digits of an era in a log's name.
const ERA_DIGITS_MAX: usize = 6;

/// What a run of the mirror did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mirrored {
    /// What was checked before it was stored.
    #[serde(flatten)]
    pub checked: Checked,
    /// Leaves that are new in the copy.
    pub new_leaves: u64,
}

impl Check<'_> {
    /// Brings the copy in `folder` up to date. When a log contradicts the copy, both checkpoints are kept there as evidence
    /// and nothing else is touched. `before` must be that of the copy: [`before_in`].
    pub fn mirror(&mut self, logs: &[LogAt], folder: &Path) -> Result<Mirrored, LogError> {
        fs::create_dir_all(folder).map_err(|source| LogError::Io { path: folder.to_owned(), source })?;
        let checked = self.run_with(logs, Some(folder)).map_err(|error| with_evidence(error, folder))?;
        let mut index = index_of(folder)?;
        for log in &checked.logs {
            let info = LogInfo {
                kind: log.kind,
                origin: log.origin.clone(),
                prefix: place_of(log.kind, &log.origin)?,
                vkeys: log.vkeys.clone(),
                size: log.size,
                witnesses: Vec::new(),
                quorum: 0,
            };
            index.logs.retain(|other| other.origin != log.origin);
            index.logs.push(info);
        }
        index.logs.sort_by_key(|log| log.kind == LogKind::Map);
        let text = serde_json::to_vec_pretty(&index).unwrap_or_default(); // texts and numbers always serialise
        write(&folder.join(COPY_INDEX), &text)?;
        let new_leaves = checked.logs.iter().map(|log| log.size - log.known_before).sum();
        Ok(Mirrored { checked, new_leaves })
    }
}

/// What a copy has: where its next run goes on. Nothing in a folder that is not there or empty.
pub fn before_in(folder: &Path) -> Result<Vec<Before>, LogError> {
    let mut before = Vec::new();
    for log in index_of(folder)?.logs {
        let path = folder.join(place_of(log.kind, &log.origin)?).join("checkpoint");
        let note = read_file(&path, TEXT_BYTES_MAX)?.and_then(|raw| String::from_utf8(raw).ok());
        let note = note.ok_or_else(|| LogError::untrue(&path.display().to_string(), "there is no checkpoint"))?;
        before.push(Before { origin: log.origin, vkeys: log.vkeys, note });
    }
    Ok(before)
}

fn index_of(folder: &Path) -> Result<Logs, LogError> {
    let path = folder.join(COPY_INDEX);
    let Some(raw) = read_file(&path, TEXT_BYTES_MAX)? else { return Ok(Logs { logs: Vec::new() }) };
    serde_json::from_slice(&raw)
        .map_err(|error| LogError::untrue(&path.display().to_string(), format!("it is no list of logs: {error}")))
}

/// Where a log lies in a copy: by its kind and era, never by a path that somebody else wrote.
fn place_of(kind: LogKind, origin: &str) -> Result<String, LogError> {
    let era = origin.rsplit('/').next().and_then(|era| from_decimal(era, ERA_DIGITS_MAX));
    match (kind, era) {
        (LogKind::Gov, _) => Ok("gov".to_owned()),
        (LogKind::Map, Some(era)) => Ok(format!("map/{era}")),
        (LogKind::Map, None) => Err(LogError::untrue(origin, "a map log's name ends with its era")),
    }
}

/// The copy of one log.
pub(super) struct Copy {
    dir: PathBuf,
}

impl Copy {
    pub(super) fn of(folder: &Path, head: &Head) -> Result<Self, LogError> {
        Ok(Self { dir: folder.join(place_of(head.kind, &head.checkpoint.origin)?) })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Stores a bundle and its tile of level 0.
    pub(super) fn store(&self, n: u64, entries: &[Vec<u8>], hashes: &[Hash]) -> Result<(), LogError> {
        let size = n * TILE_WIDTH + entries.len() as u64;
        let bundle = write_bundle(entries).expect("entries that came in a bundle fit into one");
        self.tile(Row::Entries, n, size, &bundle)?;
        self.tile(Row::Level(0), n, size, &write_hashes(hashes))
    }

    /// Stores the tiles above, then the checkpoint, and lets go of the partial tiles of the copy's state before, which had
    /// `old` leaves.
    pub(super) fn finish(&self, tree: &mut LogTree, note: &str, old: u64) -> Result<(), LogError> {
        let size = tree.size();
        let log = self.dir.display().to_string();
        for level in (1..=u8::MAX).take_while(|level| Row::Level(*level).count(size) > 0) {
            let row = Row::Level(level);
            for n in row.count(old) / TILE_WIDTH..row.count(size).div_ceil(TILE_WIDTH) {
                let hashes = tree.tile(level, n).map_err(|error| LogError::of(&log, error))?;
                self.tile(row, n, size, &write_hashes(&hashes))?;
            }
        }
        write(&self.dir.join("checkpoint"), note.as_bytes())?;
        if old == size {
            return Ok(());
        }
        let rows = (0..=u8::MAX).map(Row::Level).take_while(|row| row.count(old) > 0).chain([Row::Entries]);
        for gone in rows.filter_map(|row| Tile::of_log(row, row.count(old) / TILE_WIDTH, old)) {
            if Tile::of_log(gone.row(), gone.n(), size) != Some(gone) {
                let path = self.dir.join(gone.to_string());
                let _ = fs::remove_file(&path); // it is in nobody's way
                let _ = path.parent().map(fs::remove_dir); // unless the next partial tile is there too
            }
        }
        Ok(())
    }

    fn tile(&self, row: Row, n: u64, size: u64, bytes: &[u8]) -> Result<(), LogError> {
        let tile = Tile::of_log(row, n, size).expect("a tile of this log");
        let path = self.dir.join(tile.to_string());
        // What was read from there is there.
        if path.exists() && read_file(&path, tile.bytes_max())?.is_some_and(|there| there == bytes) {
            return Ok(());
        }
        write(&path, bytes)
    }
}

/// Writes a file whole: whoever reads it sees all of it or what was there before, after a crash too.
fn write(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let failed = |source| LogError::Io { path: path.to_owned(), source };
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(failed)?;
    let new = path.with_extension("new");
    let mut file = File::create(&new).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}

/// Keeps both checkpoints of a fork, and what proves it.
fn with_evidence(error: LogError, folder: &Path) -> LogError {
    let LogError::Fork { log, why, notes, evidence, .. } = error else { return error };
    let evidence = evidence.or_else(|| shrunk(&log, &notes, folder));
    let dir = folder.join(EVIDENCE);
    let name = |note: &String| dir.join(format!("checkpoint-{}", HEXLOWER.encode(&sha256(&[note.as_bytes()])[..8])));
    let kept: Vec<PathBuf> = notes.iter().map(name).collect();
    match kept.iter().zip(&*notes).try_for_each(|(path, note)| write(path, note.as_bytes())) {
        Ok(()) => LogError::Fork { log, why, notes, kept, evidence },
        Err(error) => {
            let why = format!("{why}. The evidence could not be kept ({error}); it is:\n{}\n{}", notes[0], notes[1]);
            LogError::Fork { log, why, notes, kept: Vec::new(), evidence }
        }
    }
}

/// Whether a log that became shorter has another past too: the copy knows what the longer one had at that size.
fn shrunk(origin: &str, notes: &[String; 2], folder: &Path) -> Option<Box<Misbehaviour>> {
    let copy = Place::Folder(folder.to_owned()).logs().ok()?;
    let copy = copy.iter().find(|log| log.info().is_some_and(|info| info.origin == origin))?;
    let keys = copy.info().into_iter().flat_map(|info| &info.vkeys);
    let keys: Vec<VerifierKey> = keys.filter_map(|vkey| VerifierKey::parse(vkey).ok()).collect();
    let [long, short] = [signed(&notes[0], &keys).ok()?, signed(&notes[1], &keys).ok()?];
    if short.size >= long.size {
        return None;
    }
    let mut tree = copy.tree_at(&long).ok()?;
    let forked = Forked { root: tree.root_at(short.size).ok()?, since: tree.consistency(short.size, long.size).ok()? };
    evidence(&keys, [notes[1].clone(), notes[0].clone()], Some(forked))
}
