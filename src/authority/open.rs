//! Opening an installation: the parts that were found to agree become the authority, and what was sealed is signed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use ring::rand::SystemRandom;
use tokio::sync::{Semaphore, watch};

use crate::authority::access::Tokens;
use crate::authority::audit::Audits;
use crate::authority::audits::Auditing;
use crate::authority::batches::Batches;
use crate::authority::changes::WAITING_MAX;
use crate::authority::charter;
use crate::authority::codes::WrongCodes;
use crate::authority::error::OpenError;
use crate::authority::found::{Found, check_clock, check_note, check_origin};
use crate::authority::image::{self, Early, Images};
use crate::authority::keys::Keys;
use crate::authority::labels::{Labels, PastEras};
use crate::authority::outcomes::Outcomes;
use crate::authority::prepare::Prepares;
use crate::authority::proofs::Strangers;
use crate::authority::revalidations::Revalidating;
use crate::authority::run::{Line, Wake, vitals};
use crate::authority::sequencer::{GENERATION, Head};
use crate::authority::shown::{Shown, ShownEpoch};
use crate::authority::sign_in::SignIns;
use crate::authority::signed::{self, REMEMBERED, TurnError};
use crate::authority::staff::{self, People};
use crate::authority::tickets::Tickets;
use crate::authority::upkeep::Swept;
use crate::authority::webhooks::{WebhookKeys, Webhooks};
use crate::authority::witnesses::Witnesses;
use crate::authority::{Authority, Core, Settings, maintenance, publish};
use crate::charter::Policy;
use crate::clock::Clock;
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::registry::nonce::NonceKey;
use crate::signer::{Log, LogSigner, Place, SignerError};
use crate::zone::NumberData;

/// Signature checks for HTTP at the same time, for each processor: one works while another waits for memory or the lock.
const EXAMINERS_PER_CPU: usize = 2;
/// How often a signer that is away is looked for at the start, and how often at most: it may be starting at the same time.
const SIGNER_LOOK: Duration = Duration::from_secs(1);
const SIGNER_LOOKS_MAX: u32 = 30;

/// Who may come in: by token, by session, and the people behind both.
fn who_may(ledger: &Ledger) -> Result<(Tokens, SignIns, People), OpenError> {
    let read = |now: &Snapshot<'_>| Ok::<_, LedgerError>((now.tokens()?, now.sessions()?, now.staff()?));
    let (tokens, sessions, staff) = ledger.read(read)?;
    Ok((Tokens::load(tokens), SignIns::load(sessions, &SystemRandom::new())?, staff::people(staff)))
}

/// Where a signer in this process keeps what it signed last.
pub(super) fn state_folder(settings: &Settings) -> PathBuf {
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
