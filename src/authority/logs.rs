//! The two logs as anybody may read them: what is published, tile by tile, each under a signed checkpoint.

use crate::authority::{Authority, Core, OpenError, Rejection};
use crate::ledger::{EraRow, Leaves, LedgerError, LedgerTiles, Snapshot};
use crate::log::Hash;
use crate::log::note::VerifierKey;
use crate::log::tile::{Log, Tile};
use crate::log::tree::{Tree, TreeError};

/// What there is to know of a log before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFacts {
    /// Which one.
    pub log: Log,
    /// Its name, the first line of its checkpoints.
    pub origin: String,
    /// Its name without the host, by which it is served: `gov`, `map/0`.
    pub path: String,
    /// The key that signs its checkpoints, as a `vkey`.
    pub vkey: String,
    /// How many leaves are published.
    pub size: u64,
    /// The keys of the witnesses that are asked for cosignatures, as `vkey`s.
    pub witnesses: Vec<String>,
    /// How many of them an epoch waits for.
    pub quorum: usize,
}

impl Authority {
    /// All logs: the gov log, the map log, and the map logs of eras that are closed, the newest first.
    pub fn logs(&self) -> Result<Vec<LogFacts>, Rejection> {
        // The map log first: each of its leaves rests on a size of the gov log, which is never smaller when it is read later.
        let map = self.log_facts(Log::Map)?;
        let past = self.core.past.rows.iter().rev().map(|era| self.core.facts_of(era));
        Ok([self.log_facts(Log::Gov)?, map].into_iter().chain(past).collect())
    }

    /// The log that is served by this name.
    pub fn log_at(&self, path: &str) -> Option<Leaves> {
        let now = [Log::Gov, Log::Map].into_iter().find(|log| self.core.log_path(*log) == path).map(Leaves::from);
        let past = || self.core.past.rows.iter().find(|era| self.core.path_of(&era.origin) == path);
        now.or_else(|| past().map(|era| Leaves::Past(era.era)))
    }

    /// The origins of the map logs of eras that are closed.
    pub fn past_origins(&self) -> Vec<String> {
        self.core.past.rows.iter().map(|era| era.origin.clone()).collect()
    }

    /// The newest published checkpoint of a log, signed.
    pub fn log_checkpoint(&self, log: Leaves) -> Result<String, Rejection> {
        let note = match log {
            Leaves::Gov => Some(self.core.sign_gov()?),
            Leaves::Map => {
                let epoch = self.core.ledger.read::<_, LedgerError>(|now| now.epoch(self.published_epoch()))?;
                epoch.and_then(|epoch| epoch.note)
            }
            Leaves::Past(era) => self.core.ledger.read::<_, LedgerError>(|now| now.last_note_of_era(era))?,
        };
        Ok(note.ok_or(LedgerError::Damaged("a published epoch without its note"))?)
    }

    /// The bytes of a tile, which never change; None if it is not published, in whole or in part.
    pub fn log_tile(&self, log: Leaves, tile: &Tile) -> Result<Option<Vec<u8>>, Rejection> {
        let size = self.core.log_size(log)?;
        if !tile.is_in(size) {
            return Ok(None);
        }
        let raw = self.core.ledger.read::<_, LedgerError>(|now| now.tile(log, tile))?;
        Ok(Some(raw.ok_or(LedgerError::Damaged("a published leaf is missing"))?))
    }

    fn log_facts(&self, log: Log) -> Result<LogFacts, Rejection> {
        let core = &self.core;
        let (origin, vkey) = (core.log_origin(log), core.signer.verifier(log).to_string());
        let (witnesses, quorum) = if log == Log::Map { core.witness_policy() } else { (Vec::new(), 0) };
        let witnesses = witnesses.iter().map(VerifierKey::to_string).collect();
        let size = core.log_size(log.into())?;
        Ok(LogFacts { log, origin, path: core.log_path(log), vkey, size, witnesses, quorum })
    }
}

impl Core {
    fn facts_of(&self, era: &EraRow) -> LogFacts {
        LogFacts {
            log: Log::Map,
            origin: era.origin.clone(),
            path: self.path_of(&era.origin).to_owned(),
            vkey: era.vkey.clone(),
            size: era.size,
            witnesses: Vec::new(),
            quorum: 0,
        }
    }

    fn log_origin(&self, log: Log) -> String {
        match log {
            Log::Gov => self.settings.gov_origin(),
            Log::Map => self.origin.clone(),
        }
    }

    fn log_path(&self, log: Log) -> String {
        self.path_of(&self.log_origin(log)).to_owned()
    }

    /// An origin without the host.
    fn path_of<'o>(&self, origin: &'o str) -> &'o str {
        origin.strip_prefix(&self.settings.host).and_then(|rest| rest.strip_prefix('/')).unwrap_or(origin)
    }

    /// How many leaves of a log are published. A leaf of the gov log is in force and public as soon as it is durable.
    fn log_size(&self, log: Leaves) -> Result<u64, Rejection> {
        match log {
            Leaves::Map => Ok(*self.published.borrow() + 1),
            Leaves::Gov | Leaves::Past(_) => Ok(self.ledger.read::<_, LedgerError>(|now| now.log_size(log))?),
        }
    }
}

/// The root over the first `size` leaves of a log, by its tiles.
fn root_of(now: &Snapshot<'_>, log: Log, size: u64) -> Result<Hash, LedgerError> {
    match Tree::of_own(LedgerTiles(now, log.into()), size) {
        Ok(tree) => Ok(*tree.root()),
        Err(TreeError::Source(error)) => Err(error),
        Err(_) => Err(LedgerError::Damaged("tiles of a log are missing")),
    }
}

/// The inclusion proof of the newest of `size` leaves of the map log, topmost hash last.
pub(super) fn path_of_newest(now: &Snapshot<'_>, size: u64) -> Result<Vec<Hash>, LedgerError> {
    let path = Tree::of_own(LedgerTiles(now, Leaves::Map), size).and_then(|mut tree| tree.inclusion(size - 1, size));
    path.map_err(|error| match error {
        TreeError::Source(error) => error,
        _ => LedgerError::Damaged("tiles of a log are missing"),
    })
}

/// Refuses a ledger whose tiles are not those of its leaves.
pub(super) fn check_tiles(now: &Snapshot<'_>, log: Log, size: u64, root: &Hash) -> Result<(), OpenError> {
    if root_of(now, log, size)? == *root {
        return Ok(());
    }
    Err(OpenError::Disagree {
        what: "the tiles of a log are not those of its leaves".to_owned(),
        remedy: "Keep the file for inspection and restore the ledger from a backup",
    })
}
