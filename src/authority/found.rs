//! What an installation's ledger tells, compared with its settings, its keys, its logs and the clock: all agree, or the start is refused.

use std::sync::Arc;

use crate::authority::error::OpenError;
use crate::authority::gov::InForce;
use crate::authority::keys::{Ours, vrf_of};
use crate::authority::sequencer::{EMPTY_MAP, Head, bits_for};
use crate::authority::{Settings, charter, logs, publish};
use crate::charter::Policy;
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::log::checkpoint::Checkpoint;
use crate::log::epoch::{ConfigLeaf, EpochLeaf};
use crate::log::map::MapTop;
use crate::log::merkle::{self, Frontier};
use crate::log::note::{Note, VerifierKey};
use crate::signer::{Log, Origins};
use crate::zone::NumberData;

/// The name under which the apex is kept in the ledger.
pub(super) const APEX: &str = "apex";
/// How far the newest epoch may lie in the future before the clock is taken to be wrong (as for callers, TRUST.md 3).
const CLOCK_AHEAD_MS_MAX: u64 = 60_000;
/// Logs up to this many leaves are added up anew at each start (0.2 s); of longer ones the newest note and the stored
/// tree are compared.
const LEAVES_CHECKED_MAX: u64 = 100_000;
/// After so many labels a start says how far it is: a second or two.
const LABELS_TOLD: usize = 1_000_000;
/// Leaves read at a time while they are added up.
const LEAVES_PAGE: usize = 1000;

/// What the ledger tells, compared with settings and keys.
pub(super) struct Found {
    pub(super) head: Head,
    pub(super) map: MapTop,
    pub(super) laws: Vec<Arc<InForce>>,
}

impl Found {
    /// Reads everything once, and compares it.
    pub(super) fn read(
        now: &Snapshot<'_>,
        settings: &Settings,
        policy: &Arc<Policy>,
        ours: &Ours,
        gov_key: &VerifierKey,
        served: &mut impl FnMut(NumberData),
    ) -> Result<Self, OpenError> {
        let apex = now.meta(APEX)?.unwrap_or_default();
        agree(apex == settings.apex.as_bytes(), || {
            let theirs = String::from_utf8_lossy(&apex).into_owned();
            (format!("this ledger is for the apex {theirs:?}, the configuration says {:?}", settings.apex), SET_BACK)
        })?;
        let config = check_origin(now, settings)?;
        agree(ours.vrf.is_none_or(|vrf| config.vrf == vrf), || {
            (format!("{}.key is not the key that placed this ledger's numbers", vrf_of(settings.era)), RESTORE_KEY)
        })?;
        let mut head = Head::load(now)?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        check_tree(now, &head)?;
        logs::check_tiles(now, Log::Map, head.log.size(), &head.log.root())?;
        let laws = laws(now, policy, ours, gov_key, head.epoch.gov_size)?;
        laws.last().map_or(Ok(()), |law| logs::check_tiles(now, Log::Gov, law.size(), &law.root()))?;
        let map = load_map(now, &mut head, served)?;
        head.path = Some(logs::path_of_newest(now, head.log.size())?);
        Ok(Self { head, map, laws })
    }

    pub(super) fn auditors(&self) -> &[VerifierKey] {
        self.laws.last().map(|law| law.auditors()).unwrap_or_default()
    }

    pub(super) fn newest_law_ms(&self) -> u64 {
        self.laws.last().map_or(0, |law| law.time_ms())
    }
}

const SET_BACK: &str =
    "Set apex and host back to what they were, or open the directory that belongs to this configuration";
const OPEN_ERA: &str = "If the council has closed the log, run `callbook log new-era`: it opens the era that the configuration names. Otherwise set log.era back";
const RESTORE_KEY: &str = "Restore the right key file from the backup";
const FINISH: &str = "If `callbook log new-era` or `callbook log refill` was broken off, run it once more: it goes on from there. Otherwise \
     restore the ledger from a backup";
const RESTORE_LEDGER: &str = "Keep the file for inspection and restore the ledger from a backup";

pub(super) fn agree(agrees: bool, how: impl FnOnce() -> (String, &'static str)) -> Result<(), OpenError> {
    if agrees {
        return Ok(());
    }
    let (what, remedy) = how();
    Err(OpenError::Disagree { what, remedy })
}

/// The log in the ledger is the one that the settings name; gives what its leaf 0 says.
pub(super) fn check_origin(now: &Snapshot<'_>, settings: &Settings) -> Result<ConfigLeaf, OpenError> {
    let config = now.epoch(0)?.ok_or(LedgerError::Damaged("the map log has no leaf 0"))?;
    let config = std::str::from_utf8(&config.leaf).ok().and_then(|text| ConfigLeaf::parse(text).ok());
    let config = config.ok_or(LedgerError::Damaged("leaf 0 of the map log"))?;
    agree(config.origin == settings.map_origin(), || {
        let (theirs, ours) = (&config.origin, settings.map_origin());
        let what = format!("this ledger's log is {theirs:?}, by the configuration it would be {ours:?}");
        let opened = *theirs == Origins::of_era(&settings.host, settings.era.wrapping_sub(1)).map;
        (what, if opened { OPEN_ERA } else { SET_BACK })
    })?;
    Ok(config)
}

/// The stored tree over the log is the tree over its leaves.
fn check_tree(now: &Snapshot<'_>, head: &Head) -> Result<(), OpenError> {
    let size = head.epoch.n + 1;
    let mut same = head.log.size() == size;
    if same && size <= LEAVES_CHECKED_MAX {
        let mut log = Frontier::new();
        while log.size() < size {
            let page = now.epochs_from(log.size(), LEAVES_PAGE)?;
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|epoch| log.append(merkle::leaf_hash(&epoch.leaf)));
        }
        same = log == head.log;
    }
    agree(same, || ("the leaves of the map log are not those that were sealed".to_owned(), RESTORE_LEDGER))
}

/// The gov log at each size from `from` on; the last is in force.
fn laws(
    now: &Snapshot<'_>,
    policy: &Arc<Policy>,
    ours: &Ours,
    key: &VerifierKey,
    from: u64,
) -> Result<Vec<Arc<InForce>>, OpenError> {
    let leaves = now.gov_leaves(now.gov_size()?)?;
    let texts = leaves.iter().map(|leaf| std::str::from_utf8(leaf)).collect::<Result<Vec<_>, _>>();
    let texts = texts.map_err(|_| LedgerError::Damaged("a leaf of the gov log is not text"))?;
    let split = usize::try_from(from).unwrap_or(usize::MAX).min(texts.len());
    let (old, new) = texts.split_at(split);
    let unsigned =
        |_| OpenError::Disagree { what: "the gov log is not signed by gov.key".to_owned(), remedy: RESTORE_KEY };
    let mut law = InForce::new(policy.clone(), ours.sequencer);
    charter::texts(now)?.into_iter().for_each(|text| law.know(text));
    law.append(old.iter().copied(), key).map_err(unsigned)?;
    let mut laws = vec![Arc::new(law)];
    for leaf in new {
        let mut next = InForce::clone(laws.last().expect("one at least"));
        next.append([*leaf], key).map_err(unsigned)?;
        laws.push(Arc::new(next));
    }
    Ok(laws)
}

/// Reads all numbers once, for the map and for whoever serves them, and compares the map with the newest epoch.
fn load_map(now: &Snapshot<'_>, head: &mut Head, served: &mut impl FnMut(NumberData)) -> Result<MapTop, OpenError> {
    let mut leaves = Vec::new();
    let read = |leaf| {
        leaves.push(leaf);
        if leaves.len().is_multiple_of(LABELS_TOLD) {
            tracing::info!(labels = leaves.len(), "reading the number map");
        }
    };
    publish::read_all(now, read, served).map_err(|error| match error {
        LedgerError::Damaged(what) => OpenError::Disagree { what: what.to_owned(), remedy: RESTORE_LEDGER },
        other => other.into(),
    })?;
    leaves.sort_unstable(); // they came in the order of registration
    head.labels = leaves.len() as u64;
    let map = MapTop::build(bits_for(head.labels), leaves.into_iter().map(Ok::<_, LedgerError>))?;
    let sealed = match head.epoch.n {
        0 => EMPTY_MAP,
        _ => {
            let leaf = std::str::from_utf8(&head.epoch.leaf).ok().and_then(|text| EpochLeaf::parse(text).ok());
            leaf.ok_or(LedgerError::Damaged("the newest leaf of the map log"))?.map
        }
    };
    agree(map.root() == sealed, || {
        ("the States in the ledger are not those of the newest epoch".to_owned(), RESTORE_LEDGER)
    })?;
    Ok(map)
}

/// The newest note is over this log and by this key.
pub(super) fn check_note(
    ledger: &Ledger,
    head: &Head,
    settings: &Settings,
    key: &VerifierKey,
) -> Result<(), OpenError> {
    let (epoch, whole) = match &head.epoch.note {
        Some(_) => (Some(head.epoch.clone()), true),
        None => (ledger.read::<_, LedgerError>(|now| now.epoch(head.epoch.n.saturating_sub(1)))?, false),
    };
    let text = epoch.and_then(|epoch| epoch.note);
    agree(text.is_some(), || ("the newest epochs in the ledger are not signed".to_owned(), FINISH))?;
    let text = text.unwrap_or_default();
    let opened = Note::open(&text, std::slice::from_ref(key)).ok().filter(|note| !note.signed.is_empty());
    agree(opened.is_some(), || ("the map log is not signed by log.key".to_owned(), RESTORE_KEY))?;
    let said = opened.and_then(|note| Checkpoint::parse(&note.text).ok());
    let is = Checkpoint { origin: settings.map_origin(), size: head.log.size(), root: head.log.root() };
    let differs = || ("the newest checkpoint is not that of the log in the ledger".to_owned(), RESTORE_LEDGER);
    agree(!whole || said == Some(is), differs)
}

pub(super) fn check_clock(newest_ms: u64, now_ms: u64) -> Result<(), OpenError> {
    agree(newest_ms <= now_ms.saturating_add(CLOCK_AHEAD_MS_MAX), || {
        let behind_s = (newest_ms - now_ms) / 1000;
        (
            format!("the clock of this machine is {behind_s} s behind the newest epoch"),
            "Set the clock (NTP), then start again",
        )
    })
}
