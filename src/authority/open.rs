//! Making an installation, and opening one: every part that must agree is compared, or the start is refused.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use crate::authority::access::{self, Scope, TOKEN_LIFE_D, Tokens, Verb};
use crate::authority::audit::Audits;
use crate::authority::audits::Auditing;
use crate::authority::batches::Batches;
use crate::authority::changes::WAITING_MAX;
use crate::authority::charter;
use crate::authority::codes::WrongCodes;
use crate::authority::error::OpenError;
use crate::authority::gov::{self, InForce};
use crate::authority::image::{self, Early, Images};
use crate::authority::keys::{Keys, Ours, vrf_of};
use crate::authority::labels::{Labels, PastEras};
use crate::authority::outcomes::Outcomes;
use crate::authority::prepare::Prepares;
use crate::authority::proofs::Strangers;
use crate::authority::revalidations::Revalidating;
use crate::authority::run::{Line, Wake, vitals};
use crate::authority::sequencer::{EMPTY_MAP, GENERATION, Head, LOG_FRONTIER, bits_for, write_frontier};
use crate::authority::shown::{Shown, ShownEpoch};
use crate::authority::sign_in::SignIns;
use crate::authority::signed::{self, REMEMBERED, TurnError};
use crate::authority::staff::{self, FIRST_ADMIN, People};
use crate::authority::tickets::Tickets;
use crate::authority::upkeep::Swept;
use crate::authority::webhooks::{WebhookKeys, Webhooks};
use crate::authority::witnesses::Witnesses;
use crate::authority::{Authority, Core, Settings, logs, maintenance, publish};
use crate::charter::Policy;
use crate::clock::Clock;
use crate::ledger::{EpochRow, Ledger, LedgerError, Snapshot, StaffRow};
use crate::log::bytes::to_base64;
use crate::log::checkpoint::Checkpoint;
use crate::log::cosigner::Seen;
use crate::log::epoch::{ConfigLeaf, EpochLeaf};
use crate::log::gov::GovLeaf;
use crate::log::map::MapTop;
use crate::log::merkle::{self, Frontier};
use crate::log::note::{Note, VerifierKey};
use crate::log::random::Random;
use crate::registry::acts::StaffRole;
use crate::registry::nonce::NonceKey;
use crate::signer::{Local, Log, LogSigner, Origins, Place, SignerError};
use crate::zone::NumberData;

/// The name under which the apex is kept in the ledger.
const APEX: &str = "apex";
/// How far the newest epoch may lie in the future before the clock is taken to be wrong (as for callers, TRUST.md 3).
const CLOCK_AHEAD_MS_MAX: u64 = 60_000;
/// Logs up to this many leaves are added up anew at each start (0.2 s); of longer ones the newest note and the stored
/// tree are compared.
const LEAVES_CHECKED_MAX: u64 = 100_000;
/// After so many labels a start says how far it is: a second or two.
const LABELS_TOLD: usize = 1_000_000;
/// Leaves read at a time while they are added up.
const LEAVES_PAGE: usize = 1000;
/// Signature checks for HTTP at the same time, for each processor: one works while another waits for memory or the lock.
const EXAMINERS_PER_CPU: usize = 2;
/// How often a signer that is away is looked for at the start, and how often at most: it may be starting at the same time.
const SIGNER_LOOK: Duration = Duration::from_secs(1);
const SIGNER_LOOKS_MAX: u32 = 30;

/// Makes an installation: its keys, its ledger, and the first leaf of both logs. Gives the first admin's token; it is not
/// shown again. Refuses if any part is there already, and never overwrites one.
pub fn init(settings: &Settings, now_ms: u64, random: &dyn Random) -> Result<String, OpenError> {
    for dir in [&settings.keys, &settings.data] {
        std::fs::create_dir_all(dir).map_err(|source| OpenError::Io { what: dir.display().to_string(), source })?;
    }
    Keys::create(&settings.keys, random, &settings.lock)?;
    let keys = Keys::open(&settings.keys, &settings.lock, settings.era)?;
    let local = Local::open(&settings.keys, &state_folder(settings), &settings.lock, &settings.origins())?;
    Log::ALL.into_iter().try_for_each(|log| local.adopt(log, Seen::nothing()))?;
    let signer = LogSigner::Local(Box::new(local));
    let ledger = Ledger::create(&settings.data)?;
    let body = era_body(settings, &keys, signer.verifier(Log::Map));
    let leaf = GovLeaf { kind: gov::ERA_OPEN.to_owned(), time_ms: now_ms, seq: 0, body };
    let gov_leaf = signed::sign_leaf(&signer, &leaf)?;
    let config = ConfigLeaf {
        origin: settings.map_origin(),
        vrf: *keys.vrf.public().as_bytes(),
        prev_era: None,
        gov: settings.gov_origin(),
    };
    let leaf = config.write().into_bytes();
    let mut log = Frontier::new();
    log.append(merkle::leaf_hash(&leaf));
    let epoch = EpochRow { n: 0, time_ms: now_ms, leaf, last_seq: 0, gov_size: 1, note: None };
    let (before, path) = (Some(Frontier::new()), None);
    let head = Head { epoch: epoch.clone(), log: log.clone(), before, path, labels: 0, generation: 1 };
    let signed = signed::sign_map(&ledger, &signer, &head, &settings.map_origin())?;
    let scopes = [Verb::Read, Verb::Write].map(|verb| Scope { verb, prefix: String::new() }).to_vec();
    let (issued, token) = access::issue(random, (None, Some(FIRST_ADMIN)), false, scopes, now_ms, TOKEN_LIFE_D)?;
    let (id, role) = (FIRST_ADMIN.to_owned(), StaffRole::Admin);
    let first = StaffRow { id, role, key: None, added_ms: now_ms, ended_ms: None, proof_s: 0 };
    let (apex, keys_known) = (settings.apex.clone(), signed::write_keys(&signer));
    let stored = ledger.write::<_, LedgerError, _>(move |tx| {
        tx.set_meta(APEX, apex.as_bytes())?;
        tx.set_meta(LOG_FRONTIER, &write_frontier(&log))?;
        tx.set_meta(GENERATION, &1u64.to_be_bytes())?;
        tx.add_gov_leaf(0, gov_leaf.as_bytes())?;
        tx.set_meta(REMEMBERED, &keys_known)?;
        tx.seal(&epoch)?;
        tx.sign(0, &signed)?;
        tx.put_staff(&first)?;
        tx.add_token(&token)
    });
    stored.wait_blocking()?;
    Ok(issued.token)
}

/// What leaf 0 of the gov log says, and each leaf that opens another era: the keys that everything else is checked with.
pub(super) fn era_body(settings: &Settings, keys: &Keys, log_key: &VerifierKey) -> Value {
    json!({
        "apex": settings.apex,
        "map": settings.map_origin(),
        "log_key": log_key.to_string(),
        "vrf_key": to_base64(keys.vrf.public().as_bytes()),
        "sequencer_key": gov::key_body(keys.sequencer.public()),
    })
}

/// Who may come in: by token, by session, and the people behind both.
fn who_may(ledger: &Ledger) -> Result<(Tokens, SignIns, People), OpenError> {
    let read = |now: &Snapshot<'_>| Ok::<_, LedgerError>((now.tokens()?, now.sessions()?, now.staff()?));
    let (tokens, sessions, staff) = ledger.read(read)?;
    Ok((Tokens::load(tokens), SignIns::load(sessions, &SystemRandom::new())?, staff::people(staff)))
}

/// Where a signer in this process keeps what it signed last.
fn state_folder(settings: &Settings) -> PathBuf {
    match &settings.signer {
        Place::Here(folder) => folder.clone(),
        Place::Socket(_) => settings.keys.clone(),
    }
}

/// Opens the signer. What it has signed is looked at later; only of one whose keys are not known yet something is asked now.
fn open_signer(settings: &Settings, ledger: &Ledger) -> Result<LogSigner, OpenError> {
    let known = ledger.read::<_, LedgerError>(signed::known_keys)?;
    when_there(|| {
        let (place, origins) = (&settings.signer, settings.origins());
        Ok(LogSigner::open(place, &settings.keys, &settings.lock, &origins, known.clone())?)
    })
}

/// Tries again for some time while the signer is away.
fn when_there<T>(mut ask: impl FnMut() -> Result<T, TurnError>) -> Result<T, OpenError> {
    for _ in 1..SIGNER_LOOKS_MAX {
        match ask() {
            Err(TurnError::Signer(why @ SignerError::Away { .. })) => {
                tracing::warn!(%why, "waiting for the signer");
                std::thread::sleep(SIGNER_LOOK);
            }
            other => return Ok(other?),
        }
    }
    Ok(ask()?)
}

/// An installation that is being opened: nobody else can open it, and nothing was compared yet.
pub struct Opening {
    settings: Settings,
    signer: LogSigner,
    ledger: Ledger,
    keys: Keys,
    /// The signer has no memory yet: what the ledger says is taken for it, once.
    is_first: bool,
}

impl Opening {
    /// Takes the ledger and the keys.
    pub fn begin(settings: Settings) -> Result<Self, OpenError> {
        let ledger = Ledger::open(&settings.data)?;
        ledger.read(|now| check_origin(now, &settings))?; // before the keys: another era has others
        let keys = Keys::open(&settings.keys, &settings.lock, settings.era)?;
        let signer = open_signer(&settings, &ledger)?;
        // One in another process looks after its memory itself.
        let is_first = matches!(&signer, LogSigner::Local(local) if !local.remembers());
        if is_first && ledger.read::<_, LedgerError>(|now| now.meta(REMEMBERED))?.is_some() {
            return Err(missing(&signer));
        }
        Ok(Self { settings, signer, ledger, keys, is_first })
    }

    /// The charter's parameters that are in force; None before any version was announced, when the folder's will be.
    pub fn charter(&self, now_ms: u64) -> Result<Option<Policy>, OpenError> {
        Ok(charter::in_force(&self.ledger, now_ms)?)
    }

    /// What can be served before everything is read and compared; None if nothing can.
    pub fn early(&self) -> Result<Option<Early>, OpenError> {
        Ok(image::early(&self.ledger)?)
    }
}

impl Authority {
    /// Opens an installation. Everything is compared: folder and settings, keys and logs, log and map, time and clock.
    /// What was sealed is signed. Everything that is to be served goes to `served`, in no particular order.
    pub fn open(
        settings: Settings,
        policy: Policy,
        clock: Arc<dyn Clock>,
        served: impl FnMut(NumberData),
    ) -> Result<Self, OpenError> {
        Self::finish(Opening::begin(settings)?, policy, clock, served)
    }

    /// The rest of [`Authority::open`].
    pub fn finish(
        opening: Opening,
        policy: Policy,
        clock: Arc<dyn Clock>,
        mut served: impl FnMut(NumberData),
    ) -> Result<Self, OpenError> {
        let Opening { settings, signer, ledger, keys, is_first } = opening;
        let folder = Arc::new(policy);
        let mut found = ledger
            .read(|now| Found::read(now, &settings, &folder, &keys.ours(), signer.verifier(Log::Gov), &mut served))?;
        check_clock(found.head.epoch.time_ms.max(found.newest_law_ms()), clock.now_ms())?;
        let (disagreement, agreed) = hold_against_signed(&ledger, &signer, &mut found.head, &settings, is_first)?;
        let (tokens, sign_ins, staff) = who_may(&ledger)?;
        let webhook_keys = WebhookKeys::open(&settings.keys, &settings.lock, &SystemRandom::new())?;
        let witnesses = Witnesses::load(&settings.witnesses)?;
        let past = PastEras::open(&ledger, &settings.keys, &settings.lock)?;
        let (published, _) = watch::channel(found.head.epoch.n);
        let (origin, vitals) = (settings.map_origin(), vitals(&found.head));
        let audits = Audits::load(&ledger, found.auditors(), &origin)?;
        let path = found.head.path.take().unwrap_or_default();
        let shown = Shown::new(found.map, ShownEpoch::of(&found.head.epoch, path)?);
        let line =
            Line { head: Some(found.head), unpublished: None, erased: true, upkeep_ms: 0, swept: Swept::default() };
        let core = Core {
            origin,
            clock,
            random: SystemRandom::new(),
            past,
            ledger,
            signer,
            gov_note: Mutex::default(),
            witnesses,
            nonces: NonceKey::new(&keys.nonce),
            prepares: Prepares::default(),
            wrong_codes: WrongCodes::default(),
            outcomes: Outcomes::default(),
            labels: Labels::default(),
            shown,
            strangers: Strangers::default(),
            audits,
            auditing: Auditing::default(),
            revalidating: Revalidating::default(),
            keys,
            tokens,
            sign_ins,
            staff: RwLock::new(staff),
            tickets: Tickets::default(),
            batches: Batches::default(),
            feed_waits: Semaphore::new(WAITING_MAX),
            webhooks: Webhooks::new(webhook_keys),
            gov_size: AtomicU64::new(found.laws.last().map_or(0, |law| law.size())),
            laws: RwLock::new(found.laws),
            deciding: Mutex::new(()),
            line: Mutex::new(line),
            images: Images::new(&settings.data),
            published,
            vitals: Mutex::new(vitals),
            view: OnceLock::new(),
            trust: OnceLock::new(),
            coming: ArcSwapOption::empty(),
            wake: Wake::default(),
            examiners: examiners(),
            interrupt: OnceLock::new(),
            frozen: OnceLock::new(),
            maintenance: maintenance::found(&settings.data),
            agreed: AtomicBool::new(agreed),
            settings,
        };
        match disagreement {
            Some(why) => core.freeze(why),
            None => core.adopt_charter(Arc::unwrap_or_clone(folder))?,
        }
        Ok(Self { core: Arc::new(core) })
    }

    /// The SOA serial of what [`Authority::open`] handed out.
    pub fn serial(&self) -> u32 {
        self.core.line().head.as_ref().map_or(1, |head| publish::serial(head.generation))
    }
}

/// Holds what the ledger says against what was signed, and signs what was sealed. Why they disagree, and whether they agreed at once.
fn hold_against_signed(
    ledger: &Ledger,
    signer: &LogSigner,
    head: &mut Head,
    settings: &Settings,
    is_first: bool,
) -> Result<(Option<String>, bool), OpenError> {
    check_note(ledger, head, settings, signer.verifier(Log::Map))?;
    if is_first {
        adopt(ledger, signer)?;
    }
    let (disagreement, agreed) = compare(ledger, signer, head)?;
    if disagreement.is_none() {
        settle(ledger, head, settings, signer)?;
    }
    Ok((disagreement, agreed))
}

/// Places for the threads that check signatures.
fn examiners() -> Semaphore {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new(cpus * EXAMINERS_PER_CPU)
}

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

    fn auditors(&self) -> &[VerifierKey] {
        self.laws.last().map(|law| law.auditors()).unwrap_or_default()
    }

    fn newest_law_ms(&self) -> u64 {
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

/// The first start with a signer that remembers: what the ledger has signed is what it begins from.
fn adopt(ledger: &Ledger, signer: &LogSigner) -> Result<(), OpenError> {
    let LogSigner::Local(local) = signer else { return Ok(()) };
    let heads = ledger.read::<_, LedgerError>(|now| signed::signed_heads(now, signer.verifier(Log::Map)))?;
    let heads = heads.ok_or(LedgerError::Damaged("the newest signed checkpoint"))?;
    for (log, head) in Log::ALL.into_iter().zip(heads) {
        local.adopt(log, head)?;
        let what = log.name();
        tracing::warn!(
            what,
            head.size,
            "the signer has a memory from now on: it begins with what the ledger has signed"
        );
    }
    Ok(())
}

/// Whether the signer and the ledger disagree, and whether that is known: while the signer is away, what is signed is served.
/// What is sealed and not signed is not, so then the signer is needed.
fn compare(ledger: &Ledger, signer: &LogSigner, head: &Head) -> Result<(Option<String>, bool), OpenError> {
    let ask = || {
        let signed = signer.all_seen()?;
        Ok(ledger.read(|now| signed::disagreement(now, &signed, head))?)
    };
    if head.epoch.note.is_none() {
        return Ok((when_there(ask)?, true));
    }
    match ask() {
        Err(TurnError::Signer(why @ SignerError::Away { .. })) => {
            tracing::error!(%why, "nothing is signed until the signer is back");
            Ok((None, false))
        }
        other => Ok((other?, true)),
    }
}

/// Why a signer that had a memory has none.
fn missing(signer: &LogSigner) -> OpenError {
    signer.all_seen().map_or_else(OpenError::Signer, |_| LedgerError::Damaged("the signer's memory").into())
}

/// Signs what was sealed, and moves the generation on: what is served now may differ from before in its static part.
fn settle(ledger: &Ledger, head: &mut Head, settings: &Settings, signer: &LogSigner) -> Result<(), OpenError> {
    head.generation += 1;
    let (n, generation, keys) = (head.epoch.n, head.generation, signed::write_keys(signer));
    let unsigned = head.epoch.note.is_none();
    let signed = unsigned.then(|| signed::sign_map(ledger, signer, head, &settings.map_origin())).transpose()?;
    head.epoch.note = head.epoch.note.take().or_else(|| signed.clone());
    let stored = ledger.write::<_, LedgerError, _>(move |tx| {
        if let Some(note) = &signed {
            tx.sign(n, note)?;
        }
        tx.set_meta(REMEMBERED, &keys)?;
        tx.set_meta(GENERATION, &generation.to_be_bytes())
    });
    Ok(stored.wait_blocking()?)
}

/// Reads what a directory serves, also while another process works in it: for exports and checks. Gives the newest
/// signed epoch and its time in milliseconds.
pub fn load_published(dir: &Path, each: impl FnMut(NumberData)) -> Result<(u64, u64), OpenError> {
    Ledger::peek(dir, |now| {
        let epoch = now.newest_epoch()?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        publish::read_all(now, |_| {}, each)?;
        Ok((epoch.n, epoch.time_ms))
    })
}

/// The charter's parameters in force in a directory, also while another process works in it; None before any version was
/// announced.
pub fn charter_in_force(dir: &Path, now_ms: u64) -> Result<Option<Policy>, OpenError> {
    Ledger::peek(dir, |now| Ok(charter::read_in_force(now, now_ms)?))
}

/// The newest epoch of a directory and its time in milliseconds, also while another process works in it.
pub fn newest_epoch(dir: &Path) -> Result<(u64, u64), OpenError> {
    Ledger::peek(dir, |now| {
        let epoch = now.newest_epoch()?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        Ok((epoch.n, epoch.time_ms))
    })
}

/// How many numbers of a directory are withheld past the end of the operator's order, also while another process works in it.
pub fn overdue(dir: &Path, now_s: u64) -> Result<u64, OpenError> {
    Ledger::peek(dir, |now| Ok(now.count_overdue(now_s)?))
}

/// The bulk doors that were ordered in a directory and are not closed by time, also while another process works in it: the
/// provider, when it closes (Unix seconds), and how many numbers are still there.
pub fn bulk_doors_ordered(dir: &Path, now_s: u64) -> Result<Vec<(String, u64, u64)>, OpenError> {
    Ledger::peek(dir, |now| Ok(now.bulk_doors(now_s)?))
}
