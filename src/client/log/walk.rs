//! Along the leaves of a log: each must have its form, and follow from the one before.

use serde_json::{Value, json};

use crate::api::log::LogKind;
use crate::client::log::place::LogTree;
use crate::client::log::{Head, LogError};
use crate::clock::rfc3339;
use crate::log::bytes::to_base64;
use crate::log::epoch::{ConfigLeaf, EpochLeaf, PrevEra};
use crate::log::gov::GovLeaf;
use crate::log::note::VerifierKey;
use crate::log::tile::TILE_WIDTH;
use crate::log::{Hash, merkle};

/// A leaf, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Leaf 0 of a map log.
    Config(ConfigLeaf),
    /// Leaf n of a map log.
    Epoch(EpochLeaf),
    /// A leaf of the gov log.
    Gov(GovLeaf),
}

/// Reads leaf `index` of a log; one of the gov log must be signed by one of the keys.
pub fn decode(kind: LogKind, keys: &[VerifierKey], index: u64, raw: &[u8]) -> Result<Leaf, String> {
    let text = std::str::from_utf8(raw).map_err(|_| "it is not text".to_owned())?;
    let read = match (kind, index) {
        (LogKind::Gov, _) => GovLeaf::open(text, keys, index).map(Leaf::Gov),
        (LogKind::Map, 0) => ConfigLeaf::parse(text).map(Leaf::Config),
        (LogKind::Map, _) => EpochLeaf::parse(text).map(Leaf::Epoch),
    };
    read.map_err(|error| error.to_string())
}

impl Leaf {
    /// Its time in Unix milliseconds; leaf 0 of a map log has none.
    pub const fn time_ms(&self) -> Option<u64> {
        match self {
            Self::Config(_) => None,
            Self::Epoch(leaf) => Some(leaf.time_ms),
            Self::Gov(leaf) => Some(leaf.time_ms),
        }
    }

    /// For scripts.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Config(leaf) => {
                let era = leaf.prev_era.as_ref();
                let era = era.map(|era| json!({"origin": era.origin, "size": era.size, "root": to_base64(&era.root)}));
                json!({"kind": "config", "origin": leaf.origin, "vrf_key": to_base64(&leaf.vrf), "prev_era": era, "gov": leaf.gov})
            }
            Self::Epoch(leaf) => json!({
                "kind": "epoch", "epoch": leaf.epoch, "time": rfc3339(leaf.time_ms / 1000), "time_ms": leaf.time_ms, "map": to_base64(&leaf.map),
                "batch": to_base64(&leaf.batch), "gov_size": leaf.gov_size, "gov_root": to_base64(&leaf.gov_root),
            }),
            Self::Gov(leaf) => json!({
                "kind": "gov", "type": leaf.kind, "time": rfc3339(leaf.time_ms / 1000), "time_ms": leaf.time_ms, "seq": leaf.seq, "body": leaf.body,
            }),
        }
    }
}

/// What the gov log says of an era when it opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Era {
    /// The origin of its map log.
    pub(super) map: String,
    /// The key that signs it, as a `vkey`.
    pub(super) log_key: String,
    /// The key that places numbers, in base64.
    pub(super) vrf_key: String,
}

/// What is known of the gov log while a map log is read.
pub(super) struct GovSide<'t> {
    pub(super) origin: String,
    pub(super) tree: &'t mut LogTree,
    pub(super) eras: &'t [Era],
}

/// Called with every bundle that was checked: its number, entries and hashes.
pub(super) type EachBundle<'e> = dyn FnMut(u64, &[Vec<u8>], &[Hash]) -> Result<(), LogError> + 'e;

/// The way along the leaves of one log.
pub(super) struct Walk<'h> {
    head: &'h Head,
    /// The time of the leaf before.
    pub(super) time_ms: u64,
    /// Eras that the gov log opened.
    pub(super) eras: Vec<Era>,
    /// What leaf 0 of a map log says of the era before.
    pub(super) prev: Option<PrevEra>,
    /// The newest size of the gov log that an epoch rests on, with its root.
    gov: (u64, Hash),
}

impl<'h> Walk<'h> {
    pub(super) fn new(head: &'h Head) -> Self {
        Self { head, time_ms: 0, eras: Vec::new(), prev: None, gov: (0, merkle::root(&[])) }
    }

    /// Begins behind the first `from` leaves, which were checked before: only the last of them is read, and leaf 0; of the gov
    /// log, which is short, also those that open eras.
    pub(super) fn behind(&mut self, tree: &mut LogTree, from: u64) -> Result<(), LogError> {
        if self.head.kind == LogKind::Gov && from > 0 {
            self.eras_before(tree, from - 1)?;
        }
        for index in [Some(0), from.checked_sub(1)].into_iter().flatten().filter(|index| *index < from) {
            let raw = tree.entry(index).map_err(|error| LogError::of(self.log(), error))?;
            let leaf = self.read(index, &raw)?;
            self.time_ms = leaf.time_ms().unwrap_or(0);
            match &leaf {
                Leaf::Epoch(leaf) => self.gov = (leaf.gov_size, leaf.gov_root),
                Leaf::Gov(leaf) => self.eras.extend(era(leaf)),
                Leaf::Config(leaf) => self.prev.clone_from(&leaf.prev_era),
            }
        }
        Ok(())
    }

    /// Reads the leaves between the first and `last` that open eras.
    fn eras_before(&mut self, tree: &mut LogTree, last: u64) -> Result<(), LogError> {
        const WORD: &[u8] = b"era-open";
        for n in 0..last.div_ceil(TILE_WIDTH) {
            let entries = tree.entries(n).map_err(|error| LogError::of(self.log(), error))?;
            let between = (n * TILE_WIDTH..).zip(&entries).filter(|(index, _)| (1..last).contains(index));
            for (index, raw) in between.filter(|(_, raw)| raw.windows(WORD.len()).any(|word| word == WORD)) {
                if let Leaf::Gov(leaf) = self.read(index, raw)? {
                    self.eras.extend(era(&leaf));
                }
            }
        }
        Ok(())
    }

    /// Checks a leaf.
    pub(super) fn leaf(&mut self, index: u64, raw: &[u8], gov: Option<&mut GovSide<'_>>) -> Result<(), LogError> {
        let (leaf, head) = (self.read(index, raw)?, self.head);
        let must = |ok: bool, why: &str| match ok {
            true => Ok(()),
            false => Err(LogError::untrue(&head.checkpoint.origin, format!("leaf {index}: {why}"))),
        };
        if let Some(time_ms) = leaf.time_ms() {
            must(time_ms > self.time_ms, "its time is not later than that of the leaf before")?;
            self.time_ms = time_ms;
        }
        match leaf {
            Leaf::Config(leaf) => {
                must(leaf.origin == self.head.checkpoint.origin, "it is about another log")?;
                self.prev.clone_from(&leaf.prev_era);
                if let Some(gov) = gov {
                    must(leaf.gov == gov.origin, "it names another gov log")?;
                    let era = gov.eras.iter().find(|era| era.map == leaf.origin);
                    let era = era.filter(|era| era.vrf_key == to_base64(&leaf.vrf));
                    must(era.is_some(), "the gov log opens no era with this map log and this VRF key")?;
                }
            }
            Leaf::Epoch(leaf) => {
                must(leaf.epoch == index, "its epoch is not its index")?;
                must(leaf.gov_size >= self.gov.0.max(1), "the gov log that it rests on became smaller")?;
                let same = leaf.gov_size == self.gov.0;
                must(!same || leaf.gov_root == self.gov.1, "one size of the gov log has two roots")?;
                if let Some(gov) = gov.filter(|_| !same) {
                    let there = leaf.gov_size <= gov.tree.size();
                    must(there, "it rests on leaves of the gov log that the gov log does not show")?;
                    let root = gov.tree.root_at(leaf.gov_size).map_err(|error| LogError::of(&gov.origin, error))?;
                    must(root == leaf.gov_root, "it rests on another gov log than the one that is shown")?;
                }
                self.gov = (leaf.gov_size, leaf.gov_root);
            }
            Leaf::Gov(leaf) => {
                must(index > 0 || leaf.kind == "era-open", "the gov log does not begin with the opening of an era")?;
                self.eras.extend(era(&leaf));
            }
        }
        Ok(())
    }

    /// Checks all leaves from `from` on, bundle by bundle.
    pub(super) fn go(
        &mut self,
        tree: &mut LogTree,
        mut gov: Option<GovSide<'_>>,
        from: u64,
        each: &mut EachBundle<'_>,
    ) -> Result<(), LogError> {
        let failed = |error| LogError::of(&self.head.checkpoint.origin, error);
        for n in from / TILE_WIDTH..tree.size().div_ceil(TILE_WIDTH) {
            let (entries, hashes) = (tree.entries(n).map_err(failed)?, tree.tile(0, n).map_err(failed)?);
            for (index, raw) in (n * TILE_WIDTH..).zip(&entries).skip_while(|(index, _)| *index < from) {
                self.leaf(index, raw, gov.as_mut())?;
            }
            each(n, &entries, &hashes)?;
        }
        Ok(())
    }

    fn read(&self, index: u64, raw: &[u8]) -> Result<Leaf, LogError> {
        decode(self.head.kind, &self.head.keys, index, raw)
            .map_err(|why| LogError::untrue(self.log(), format!("leaf {index}: {why}")))
    }

    fn log(&self) -> &str {
        &self.head.checkpoint.origin
    }
}

fn era(leaf: &GovLeaf) -> Option<Era> {
    let text = |name: &str| Some(leaf.body.get(name)?.as_str()?.to_owned());
    let opens = leaf.kind == "era-open";
    opens.then(|| Some(Era { map: text("map")?, log_key: text("log_key")?, vrf_key: text("vrf_key")? }))?
}
