//! The authority: the only door to change. It takes what is submitted, keeps it durably, and publishes it in epochs.
//!
//! ```text
//! submit: examine (many threads) -> facts and decide (in the writer) -> durable, receipt
//! sequencer: SEALED -> SIGNED -> PUBLISHED (the view is switched)      upkeep: what lapses, what is forgotten
//! open: checks that ledger, log, keys and clock agree, and goes on from wherever the last process stopped
//! ```

mod access;
mod acts;
mod affected;
mod audit;
mod audits;
mod backups;
mod batches;
mod bulk;
mod bulk_notices;
mod carry_out;
mod changes;
mod charter;
mod codes;
mod complaint_counts;
mod complaints;
mod compromise;
mod delegate;
mod desk;
mod era;
mod error;
mod escrow;
mod falls_due;
mod feed;
mod found;
mod gov;
mod heads;
mod image;
mod initial;
mod keys;
mod labels;
mod lists;
mod logs;
mod maintenance;
mod monitor;
mod month;
mod notices;
mod open;
mod orders;
mod outcomes;
mod outlook;
mod peek;
mod prepare;
mod proofs;
mod proposal;
mod providers;
mod publish;
mod receipt;
mod refill;
mod registration;
mod revalidations;
mod ruling;
mod run;
mod sequencer;
mod shown;
mod sign_in;
mod signed;
mod staff;
mod submit;
mod tickets;
mod trust;
mod upkeep;
mod webauthn;
mod webhooks;
mod witnesses;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use tokio::sync::{Semaphore, watch};

pub use crate::authority::access::{
    Actor, Issued, Party, Person, SANDBOX_PREFIX, SCOPES_MAX, Scope, TOKEN_LIFE_D, TOKEN_LIFE_D_MAX, Verb,
};
pub use crate::authority::acts::{ACT_NUMBERS_MAX, ACTS_PAGE_MAX, Act, REASON_LEN_MAX, Subject, Wish};
pub use crate::authority::affected::{Affected, affected};
pub use crate::authority::audit::{AUDITORS_MAX, Audited};
pub use crate::authority::audits::{
    AUDIT_ITEMS_PAGE_MAX, Audit, BEACON_VALUE_BYTES_MAX, EVIDENCE_BYTES_MAX, EntityFound, ItemView, ItemsPage,
    POPULATION_LINES_MAX,
};
pub use crate::authority::backups::{Backup, Backups, Verified};
pub use crate::authority::batches::{
    BATCH_ITEMS_MAX, BATCH_KEPT_D, BATCHES_PER_PROVIDER_MAX, BatchItem, BatchState, BatchView, ItemOutcome, NewBatch,
};
pub use crate::authority::bulk::OpenBulkDoor;
pub use crate::authority::changes::{CHANGES_KEPT_D, CHANGES_PAGE_MAX, ChangesFrom, ChangesPage};
pub use crate::authority::codes::NewCode;
pub use crate::authority::complaints::{
    About, COMPLAINT_CONTACT_MAX, COMPLAINT_TEXT_MAX, COMPLAINTS_PAGE_MAX, ComplaintMove, ComplaintState,
    ComplaintView, ComplaintsPage, NewComplaint, Outcome,
};
pub use crate::authority::compromise::{Flagged, LostKey};
pub use crate::authority::delegate::{FixedError, delegated_and_registered};
pub use crate::authority::desk::{
    DESK_PAGE_MAX, DeskLine, Figures, Happening, LOOK_UP_REASON_MAX, LookedUp, ProviderCounts, ProviderDay,
};
pub use crate::authority::era::{ERA_REASON_LEN_MAX, EraWish, OpenedEra, open_era, past_keys};
pub use crate::authority::error::{OpenError, Rejection};
pub use crate::authority::feed::{change_kinds, change_shown, cursor_place, cursor_text};
pub use crate::authority::gov::{Accreditation, KEYS_MAX, NAME_LEN_MAX};
pub use crate::authority::heads::{Heads, examine, heads};
pub use crate::authority::image::{Comparison, Early, discard_image};
pub use crate::authority::initial::init;
pub use crate::authority::keys::files as key_files;
pub use crate::authority::lists::{Condition, NUMBERS_PAGE_MAX, NumbersPage, NumbersWanted};
pub use crate::authority::logs::LogFacts;
pub use crate::authority::maintenance::{MAINTENANCE_REASON_MAX, MAINTENANCE_RETRY_S, Maintenance};
pub use crate::authority::monitor::{Watch, Watched};
pub use crate::authority::month::{Growth, Month};
pub use crate::authority::open::Opening;
pub use crate::authority::orders::{ORDER_EVENTS_MAX, ToSign, ToSignPage};
pub use crate::authority::outcomes::ProviderOutcomes;
pub use crate::authority::outlook::Outlook;
pub use crate::authority::peek::{
    bulk_doors_ordered, charter_in_force, load_published, newest_epoch, overdue, staff_tokens,
};
pub use crate::authority::prepare::{Prepared, Sponsored};
pub use crate::authority::proposal::{Proposal, Proposed};
pub use crate::authority::providers::{Entrant, NewToken, TokenInfo};
pub use crate::authority::publish::View;
pub use crate::authority::receipt::{JudgedBy, NumberView, Pending, Receipt, Visibility};
pub use crate::authority::refill::{Copies, Refilled, refill};
pub use crate::authority::registration::Registration;
pub use crate::authority::revalidations::{CODE_LIFE_MS, CodeSender, NotSent, SenderError, sender_at};
pub use crate::authority::run::{Running, Step, Turned};
pub use crate::authority::sequencer::EPOCH_EVENTS_MAX;
pub use crate::authority::sign_in::{Begun, LINK_LIFE_MS, PASSKEY_NAME_MAX, Registrar, SessionTimes, SignedIn};
pub use crate::authority::signed::{TurnError, adopt as adopt_memory, log_disagreement};
pub use crate::authority::staff::{FIRST_ADMIN, StaffWish};
pub use crate::authority::submit::Submission;
pub use crate::authority::tickets::{Idempotency, KEY_LEN_MAX};
pub use crate::authority::trust::{
    Drafted, DraftedChange, Published, RoleStatus, TrustError, TrustFacts, TrustStore, TrustVitals, TrustWish,
    charter_at_start, check_start, draft, drafted_changes, facts, publish as publish_trust, register_named,
    status as trust_status,
};
pub use crate::authority::webauthn::{Made, Shown as PasskeyShown, Site};
pub use crate::authority::webhooks::{
    Courier, NewWebhook, Sending, UrlMistake, WEBHOOK_DESCRIPTION_MAX, WEBHOOKS_PER_OWNER_MAX, WebhookEdit,
    WebhookHealth, WebhookUrl, WebhookView, WebhookVitals, WebhookWanted, WebhooksHealth, finish_webhook_keys,
    rotate_webhook_keys,
};

pub use crate::authority::witnesses::check_witnesses;
pub use crate::ledger::{
    ChangeRow, Leaves, LedTo, PasskeyRow, SessionRow, SponsoredRow, WebhookAttempt, WebhookRow, WebhookState,
};

use crate::authority::access::Tokens;
use crate::authority::audit::Audits;
use crate::authority::audits::Auditing;
use crate::authority::batches::Batches;
use crate::authority::codes::WrongCodes;
use crate::authority::gov::InForce;
use crate::authority::image::Images;
use crate::authority::keys::Keys;
use crate::authority::labels::{Labels, PastEras};
use crate::authority::outcomes::Outcomes;
use crate::authority::prepare::Prepares;
use crate::authority::proofs::Strangers;
use crate::authority::revalidations::Revalidating;
use crate::authority::run::{Line, Wake};
use crate::authority::shown::Shown;
use crate::authority::sign_in::SignIns;
use crate::authority::staff::People;
use crate::authority::tickets::Tickets;
use crate::authority::webhooks::Webhooks;
use crate::authority::witnesses::Witnesses;
use crate::charter::Policy;
use crate::clock::Clock;
use crate::ledger::{Ledger, LedgerError};
use crate::log::note::VerifierKey;
use crate::registry::nonce::NonceKey;
use crate::seal::Lock;
use crate::signer::{Log, LogSigner, Origins, Place};
use crate::zone::StaticZone;

/// What an authority must be told; the rest it finds in its folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The apex of the number zone, absolute and in lower case: `e164.example.`
    pub apex: String,
    /// The host name that the origins of the logs begin with.
    pub host: String,
    /// The era of the map log; the first is 0.
    pub era: u64,
    /// Milliseconds between epochs while there are events; 0 makes one with each commit.
    pub epoch_ms: u64,
    /// Seconds after which an epoch is made even without events.
    pub heartbeat_s: u64,
    /// The folder of the private keys.
    pub keys: PathBuf,
    /// The folder of the ledger.
    pub data: PathBuf,
    /// What the private keys are sealed with, if they are.
    pub lock: Lock,
    /// Where the signer of both logs is.
    pub signer: Place,
    /// The file that says which witnesses cosign; empty: none.
    pub witnesses: PathBuf,
}

impl Settings {
    /// The origin of the map log.
    pub fn map_origin(&self) -> String {
        self.origins().map
    }

    /// The origin of the gov log.
    pub fn gov_origin(&self) -> String {
        self.origins().gov
    }

    /// Both.
    pub fn origins(&self) -> Origins {
        Origins::of_era(&self.host, self.era)
    }
}

/// An open authority. Clones share it.
#[derive(Clone)]
pub struct Authority {
    core: Arc<Core>,
}

/// What all parts of an authority share.
struct Core {
    settings: Settings,
    origin: String,
    clock: Arc<dyn Clock>,
    random: ring::rand::SystemRandom,
    /// Let go of before the ledger: who waits for that one finds this one free.
    signer: LogSigner,
    ledger: Ledger,
    keys: Keys,
    /// Eras that are closed.
    past: PastEras,
    nonces: NonceKey,
    prepares: Prepares,
    wrong_codes: WrongCodes,
    outcomes: Outcomes,
    /// The newest checkpoint of the gov log that was asked for, with its size.
    gov_note: Mutex<(u64, String)>,
    witnesses: Option<Witnesses>,
    labels: Labels,
    /// The published epoch and the map.
    shown: Shown,
    /// Questions about numbers that nobody registered.
    strangers: Strangers,
    /// What auditors have cosigned.
    audits: Audits,
    /// What validation entities are asked for.
    auditing: Auditing,
    /// Who sends codes for spot checks.
    revalidating: Revalidating,
    tokens: Tokens,
    sign_ins: SignIns,
    staff: RwLock<People>,
    tickets: Tickets,
    batches: Batches,
    /// Places for requests that wait for a change.
    feed_waits: Semaphore,
    webhooks: Webhooks,
    /// The gov log at every size that a waiting event was judged under, and at the size that is being decided.
    laws: RwLock<Vec<Arc<InForce>>>,
    /// The size that is in force.
    gov_size: AtomicU64,
    /// One decision about the directory at a time.
    deciding: Mutex<()>,
    line: Mutex<Line>,
    images: Images,
    published: watch::Sender<u64>,
    vitals: Mutex<Vitals>,
    view: OnceLock<Arc<dyn View>>,
    /// The trust repository, where it is looked after.
    trust: OnceLock<trust::LiveTrust>,
    /// Static data that is about to be served: what it delegates is not registered any more.
    coming: ArcSwapOption<StaticZone>,
    wake: Wake,
    /// Threads that check signatures for HTTP at the same time; the rest waits its turn without holding one.
    examiners: Semaphore,
    /// For tests: called at every step of an epoch; an error there fails the step.
    interrupt: OnceLock<run::Interrupt>,
    /// Why nothing is changed any more.
    frozen: OnceLock<String>,
    /// That changes are refused, while they are.
    maintenance: ArcSwapOption<Maintenance>,
    /// The signer's memory and the ledger were compared.
    agreed: AtomicBool,
}

impl Core {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The gov log as it is in force now.
    fn law(&self) -> Arc<InForce> {
        self.law_at(self.gov_size.load(Ordering::Acquire)).expect("the size in force is always held")
    }

    /// The gov log at one size; None if that is too long ago.
    fn law_at(&self, size: u64) -> Option<Arc<InForce>> {
        let laws = self.laws.read().unwrap_or_else(PoisonError::into_inner);
        laws.iter().find(|law| law.size() == size).cloned()
    }
}

impl Authority {
    /// The directory's public facts.
    pub fn settings(&self) -> &Settings {
        &self.core.settings
    }

    /// The charter's parameters in force now.
    pub fn policy(&self) -> Arc<Policy> {
        self.core.policy()
    }

    /// The origin of the number map, part of everything that is signed.
    pub fn origin(&self) -> &str {
        &self.core.origin
    }

    /// The keys that sign both logs.
    pub fn log_keys(&self) -> LogKeys {
        let key = |log| self.core.signer.verifier(log).clone();
        LogKeys { map: key(Log::Map), gov: key(Log::Gov) }
    }

    /// The VRF public key that places numbers.
    pub fn vrf_key(&self) -> [u8; 32] {
        *self.core.keys.vrf.public().as_bytes()
    }

    /// Runs something that blocks from async code, on a thread made for that.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Rejection> + Send + 'static,
    ) -> Result<T, Rejection> {
        let authority = self.clone();
        match tokio::task::spawn_blocking(move || work(&authority)).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a request failed");
                Err(Rejection::Fault("the request failed".to_owned()))
            }
        }
    }

    /// The keys of the witnesses of the map log, and how many of them an epoch waits for.
    pub fn witness_policy(&self) -> (Vec<VerifierKey>, usize) {
        self.core.witness_policy()
    }

    /// How many numbers are registered or about to be.
    pub fn count_numbers(&self) -> Result<u64, Rejection> {
        Ok(self.core.ledger.read::<_, LedgerError>(|now| now.count_numbers())?)
    }

    /// How the work goes; cheap enough to be asked every second.
    pub fn vitals(&self) -> Vitals {
        let mut vitals = self.core.vitals.lock().unwrap_or_else(PoisonError::into_inner).clone();
        vitals.heartbeat_s = self.core.settings.heartbeat_s;
        vitals
    }
}

/// The keys that checkpoints are checked with.
#[derive(Clone, Debug)]
pub struct LogKeys {
    /// Of the map log.
    pub map: VerifierKey,
    /// Of the gov log.
    pub gov: VerifierKey,
}

/// How the work of an authority goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// The newest published epoch.
    pub epoch: u64,
    /// Its time, in milliseconds.
    pub epoch_ms: u64,
    /// Numbers that the map holds or held.
    pub labels: u64,
    /// Seconds after which a new epoch is due at the latest.
    pub heartbeat_s: u64,
    /// Numbers that are withheld past the end of their order: two of the staff must resume them.
    pub overdue: u64,
    /// Why the latest attempt to make an epoch failed; None while all is well.
    pub trouble: Option<String>,
    /// Why the newest epoch could not be signed; None while all is well.
    pub unsigned: Option<String>,
    /// What is to be said while the newest epoch was shown without the quorum of its witnesses.
    pub unconfirmed: Option<String>,
    /// Why every change is refused: what was signed and what the ledger says do not agree.
    pub frozen: Option<String>,
}
