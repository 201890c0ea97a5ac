//! The way of a submission: examined beside the writer, decided inside it, durable, receipt.
//!
//! ```text
//! seen before? --yes--> its first receipt
//!      | no
//! examine (parallel, no stored facts) -> facts -> decide -> event + personal data + used tokens, in one transaction
//! ```

use std::sync::Arc;

use crate::authority::access::{Actor, Verb};
use crate::authority::charter::SEALED_WITHIN_MS;
use crate::authority::error::Rejection;
use crate::authority::receipt::{JudgedBy, Receipt};
use crate::authority::tickets::{Begun, Idempotency, Ticket};
use crate::authority::upkeep::accept;
use crate::authority::{Authority, Core, Visibility};
use crate::clock::unix_s;
use crate::ledger::{Disclosed, LedgerError, Reply, Snapshot, Standing, Transaction};
use crate::log::event::{Event, Kind, Role};
use crate::log::label::Label;
use crate::log::record::Record;
use crate::log::vrf::Proof;
use crate::log::{Hash, sha256};
use crate::number::Number;
use crate::registry::code::TransferCode;
use crate::registry::decide::{self, CodeChange, Counters, Decision, Facts, RecordChange, Waiting};
use crate::registry::examine::{self, Context, Entrance, Examined, examine};
use crate::registry::possession;
use crate::registry::refusal;
use crate::registry::register::Register;
use crate::registry::terms::DAY_S;

/// Called with each chunk's answers in the transaction that makes them true, and where in all submissions the chunk begins.
pub(super) type Keep =
    Arc<dyn Fn(&Transaction<'_>, usize, &[Result<Receipt, Rejection>]) -> Result<(), LedgerError> + Send + Sync>;

/// Submissions in one commit of [`Authority::submit_many`]: the writer works on as many for some tens of milliseconds.
const CHUNK: usize = 256;

/// A change of a number, decoded from its transport and not yet believed.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The number.
    pub number: Number,
    /// The event's bytes, both epochs 0.
    pub event: Vec<u8>,
    /// Record R, where the event commits to a new one.
    pub record: Option<Vec<u8>>,
    /// The opening of that commitment.
    pub opening: Option<[u8; 32]>,
    /// Proofs of possession of published keys.
    pub possession: Vec<possession::Proof>,
    /// Validation tokens, compact JWS.
    pub validation: Vec<String>,
    /// The nonce of `prepare`, where no token carries it.
    pub nonce: Option<String>,
    /// The transfer code, with a REQUEST by door 2.
    pub code: Option<TransferCode>,
}

/// A submission after stage 1.
enum Passed {
    /// It was accepted before.
    Seen(Receipt),
    /// It is good by itself.
    Good(Box<Good>),
}

struct Good {
    examined: Examined,
    label: Label,
    proof: Proof,
    hash: Hash,
    order: Option<Order>,
    /// Of a registration: the labels that the number would have had in eras before.
    past_labels: Vec<Label>,
}

/// What was decided on a submission.
struct Judged {
    decision: Decision,
    /// The label's event before this one.
    before_seq: Option<u64>,
    judged_by: JudgedBy,
}

/// The act by which the operator's staff signed an event.
#[derive(Clone, Copy)]
pub(super) struct Order {
    /// Its place in the ledger.
    pub(super) act: u64,
}

impl Authority {
    /// Submits a change as the actor's provider: CREATE, UPDATE, TRANSFER, RENEW, REQUEST and COMPLETE by every door, RELEASE.
    pub async fn submit(
        &self,
        actor: &Actor,
        submission: Submission,
        idempotency: Option<Idempotency>,
    ) -> Result<Receipt, Rejection> {
        let (authority, entrance, owner) = (self.clone(), entrance(actor, &submission)?, actor.owner().to_owned());
        let first = move || authority.first_stage(entrance, &submission, &owner, idempotency.as_ref());
        let ended = match self.core.examining(first).await {
            Err(no) => Err(no),
            Ok((Passed::Seen(receipt), _)) => Ok(receipt),
            Ok((Passed::Good(good), ticket)) => self.core.announced(self.second_stage(good, ticket).wait().await),
        };
        self.core.outcomes.note(actor, &ended);
        ended
    }

    /// The same on an ordinary thread.
    pub fn submit_blocking(
        &self,
        actor: &Actor,
        submission: &Submission,
        idempotency: Option<&Idempotency>,
    ) -> Result<Receipt, Rejection> {
        let entrance = entrance(actor, submission)?;
        match self.first_stage(entrance, submission, actor.owner(), idempotency)? {
            (Passed::Seen(receipt), _) => Ok(receipt),
            (Passed::Good(good), ticket) => self.core.announced(self.second_stage(good, ticket).wait_blocking()),
        }
    }

    /// Submits what the holder alone has signed (door 9): UPDATE, SUSPEND, RESUME, RELEASE, VETO, OBJECT. Needs no token.
    pub async fn holder_event(&self, submission: Submission) -> Result<Receipt, Rejection> {
        let authority = self.clone();
        let first = move || authority.first_stage(Entrance::Holder, &submission, "", None);
        match self.core.examining(first).await? {
            (Passed::Seen(receipt), _) => Ok(receipt),
            (Passed::Good(good), ticket) => self.core.announced(self.second_stage(good, ticket).wait().await),
        }
    }

    /// The same on an ordinary thread.
    pub fn holder_event_blocking(&self, submission: &Submission) -> Result<Receipt, Rejection> {
        match self.first_stage(Entrance::Holder, submission, "", None)? {
            (Passed::Seen(receipt), _) => Ok(receipt),
            (Passed::Good(good), ticket) => self.core.announced(self.second_stage(good, ticket).wait_blocking()),
        }
    }

    /// Submits what two of the staff have signed, by an order.
    pub(super) fn ordered_event(&self, submission: &Submission, order: Order) -> Result<Receipt, Rejection> {
        match self.first_stage(Entrance::Operator, submission, "", None)? {
            (Passed::Seen(receipt), _) => Ok(receipt),
            (Passed::Good(mut good), ticket) => {
                good.order = Some(order);
                self.core.announced(self.second_stage(good, ticket).wait_blocking())
            }
        }
    }

    /// Submits many changes, each by the same rules as one: examined on all processors, committed in chunks. The answers
    /// stand in the order of the submissions. Blocks until all are durable.
    pub fn submit_many(&self, actor: &Actor, submissions: &[Submission]) -> Vec<Result<Receipt, Rejection>> {
        self.submit_chunks(actor, submissions, None)
    }

    /// The same; `keep` writes down what each chunk led to.
    pub(super) fn submit_chunks(
        &self,
        actor: &Actor,
        submissions: &[Submission],
        keep: Option<&Keep>,
    ) -> Vec<Result<Receipt, Rejection>> {
        let mut answers = Vec::with_capacity(submissions.len());
        let mut waiting: Option<Reply<Vec<Result<Receipt, Rejection>>, LedgerError>> = None;
        let mut waiting_len = 0;
        let mut take = |reply: Option<Reply<Vec<_>, LedgerError>>, len: usize| match reply.map(Reply::wait_blocking) {
            None => {}
            Some(Ok(chunk)) => answers.extend::<Vec<_>>(chunk),
            Some(Err(lost)) => {
                tracing::error!(%lost, changes = len, "changes were refused: they could not be stored");
                answers.extend((0..len).map(|_| Err(Rejection::not_stored())));
            }
        };
        for (at, chunk) in submissions.chunks(CHUNK).enumerate() {
            // While one chunk is being committed the next is examined.
            let passed = self.examine_all(actor, chunk);
            take(waiting.take(), waiting_len);
            let (core, keep) = (self.core.clone(), keep.cloned());
            waiting_len = chunk.len();
            waiting = Some(self.core.ledger.write_bulk(waiting_len, move |tx| {
                let answers = core.decide_all(tx, passed)?;
                keep.map_or(Ok(()), |keep| keep(tx, at * CHUNK, &answers))?;
                Ok(answers)
            }));
            self.core.wake.pending();
        }
        take(waiting, waiting_len);
        self.core.wake.pending();
        answers.iter().for_each(|ended| self.core.outcomes.note(actor, ended));
        answers
    }

    /// Judges many changes as [`Authority::submit_many`] would, each by itself, and stores nothing: the version that each
    /// would make. Blocks.
    pub(super) fn judge_many(&self, actor: &Actor, submissions: &[Submission]) -> Vec<Result<u64, Rejection>> {
        let mut answers = Vec::with_capacity(submissions.len());
        for chunk in submissions.chunks(CHUNK) {
            answers.extend(self.examine_all(actor, chunk).into_iter().map(|passed| match passed? {
                Passed::Seen(receipt) => Ok(receipt.version),
                Passed::Good(good) => self.core.ledger.read(|now| {
                    let judged = self.core.judge(now, &good, self.core.now_ms())?;
                    Ok(judged.decision.event.state.version)
                }),
            }));
        }
        answers
    }

    fn examine_all(&self, actor: &Actor, chunk: &[Submission]) -> Vec<Result<Passed, Rejection>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = chunk.len().div_ceil(threads).max(1);
        let one = |submission: &Submission| {
            let entrance = entrance(actor, submission)?;
            Ok(self.first_stage(entrance, submission, actor.owner(), None)?.0)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                chunk.chunks(share).map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>())).collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("examining does not panic")).collect()
        })
    }

    /// Everything that needs no writer. A ticket comes back with what is new under an Idempotency-Key.
    fn first_stage(
        &self,
        entrance: Entrance,
        submission: &Submission,
        owner: &str,
        idempotency: Option<&Idempotency>,
    ) -> Result<(Passed, Option<Ticket>), Rejection> {
        let core = &self.core;
        let ticket = match idempotency.map(|wanted| core.tickets.begin(&core.ledger, owner, wanted)).transpose()? {
            None => None,
            Some(Begun::First(ticket)) => Some(ticket),
            Some(Begun::Again(event)) => {
                core.restore(submission, &event)?;
                let seen = core.seen(&event)?.ok_or_else(|| Rejection::Fault("a first answer is lost".to_owned()))?;
                return Ok((Passed::Seen(seen), None));
            }
        };
        // Before nonce and tokens are looked at: the same event again gets its first receipt, however late.
        let hash = sha256(&[&submission.event]);
        if let Some(receipt) = core.seen(&hash)? {
            core.restore(submission, &hash)?;
            return Ok((Passed::Seen(receipt), None));
        }
        let (label, proof) = core.labels.of(&core.keys.vrf, &core.origin, submission.number);
        let examined = core.examine(entrance, submission, label).map_err(Rejection::Refused)?;
        core.serves(examined.event.kind, submission.number)?;
        let past_labels = match examined.event.kind {
            Kind::Create => core.past.labels_of(submission.number),
            _ => Vec::new(),
        };
        Ok((Passed::Good(Box::new(Good { examined, label, proof, hash, order: None, past_labels })), ticket))
    }

    /// Facts, decision and the change itself, in the writer.
    fn second_stage(&self, good: Box<Good>, ticket: Option<Ticket>) -> Reply<Receipt, Rejection> {
        let core = self.core.clone();
        self.core.ledger.write_decided(move |tx| core.decide(tx, &good, ticket.as_ref()))
    }
}

/// By which entrance an actor may submit this.
fn entrance(actor: &Actor, submission: &Submission) -> Result<Entrance, Rejection> {
    let provider = actor.provider().ok_or_else(|| Rejection::Forbidden("only providers submit numbers".to_owned()))?;
    if actor.may(Verb::Write, Some(submission.number)) {
        Ok(Entrance::Provider(provider.to_owned()))
    } else {
        Err(Rejection::Forbidden("this token does not allow changing this number".to_owned()))
    }
}

impl Core {
    /// Runs `work` on a blocking thread, when one of the examiners' places is free.
    pub(super) async fn examining<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
    ) -> Result<T, Rejection> {
        let _place = self.examiners.acquire().await.map_err(|_| Rejection::from(LedgerError::Closed))?;
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a submission could not be examined");
                Err(Rejection::Fault("the submission could not be examined".to_owned()))
            }
        }
    }

    /// Wakes the sequencer when there is something for it.
    fn announced(&self, answer: Result<Receipt, Rejection>) -> Result<Receipt, Rejection> {
        if answer.is_ok() {
            self.wake.pending();
        }
        answer
    }

    /// The receipt of an event that was accepted before.
    fn seen(&self, hash: &Hash) -> Result<Option<Receipt>, Rejection> {
        let seen = self
            .ledger
            .read::<_, LedgerError>(|now| now.event_by_hash(hash)?.map(|row| self.receipt_of(now, &row)).transpose())?;
        Ok(seen)
    }

    /// Refuses a registration below a delegation.
    fn serves(&self, kind: Kind, number: Number) -> Result<(), refusal::Refusal> {
        match self.cut_over(number).filter(|_| kind == Kind::Create) {
            Some(cut) => {
                let detail = format!("{cut} is delegated to another directory");
                Err(refusal::NUMBER_NOT_SERVED.at("", detail))
            }
            None => Ok(()),
        }
    }

    fn examine(
        &self,
        entrance: Entrance,
        submission: &Submission,
        label: Label,
    ) -> Result<Examined, Vec<refusal::Refusal>> {
        let (law, now_ms) = (self.law(), self.now_ms());
        let context = Context {
            policy: law.policy_at(now_ms),
            register: law.register(),
            origin: &self.origin,
            apex: &self.settings.apex,
            nonce_key: &self.nonces,
            now_ms,
        };
        let submission = examine::Submission {
            entrance,
            number: submission.number,
            label,
            event: submission.event.clone(),
            record: submission.record.clone(),
            opening: submission.opening,
            possession: submission.possession.clone(),
            validation: submission.validation.clone(),
            nonce: submission.nonce.clone(),
            code: submission.code.clone(),
        };
        examine(&submission, &context)
    }

    /// Many decisions in one transaction. Each decides before it writes, so one that refuses leaves nothing behind.
    fn decide_all(
        &self,
        tx: &Transaction<'_>,
        all: Vec<Result<Passed, Rejection>>,
    ) -> Result<Vec<Result<Receipt, Rejection>>, LedgerError> {
        let mut answers = Vec::with_capacity(all.len());
        for passed in all {
            answers.push(match passed {
                Err(refused) => Err(refused),
                Ok(Passed::Seen(receipt)) => Ok(receipt),
                Ok(Passed::Good(good)) => match self.decide(tx, &good, None) {
                    // Not a refusal but a failure: the chunk must not land in part.
                    Err(Rejection::Unavailable { why, .. } | Rejection::Fault(why)) => {
                        return Err(LedgerError::Unavailable(why));
                    }
                    answer => answer,
                },
            });
        }
        Ok(answers)
    }

    /// Facts and decision. Stores nothing.
    fn judge(&self, now: &Snapshot<'_>, good: &Good, now_ms: u64) -> Result<Judged, Rejection> {
        let law =
            self.law_at(now.gov_size()?).ok_or(LedgerError::Damaged("the gov log is ahead of what is in force"))?;
        let standing = now.standing(&good.label)?;
        let before_seq = standing.as_ref().map(|standing| standing.event_seq);
        let facts = self.facts(now, good, standing, now_ms)?;
        // Once more: a delegation may have come since the first stage, and none comes while the writer decides.
        self.serves(good.examined.event.kind, good.examined.number)?;
        submits(law.register(), &good.examined.event)?;
        let judge = |at_ms| decide::decide(&facts, &good.examined, law.policy_at(at_ms), &law.law_at(at_ms), now_ms);
        let day = unix_s(now_ms) / DAY_S;
        let decision = judge(now_ms).inspect_err(|refusal| self.count_wrong_code(refusal, &good.examined, day))?;
        // Its epoch may come after a new charter's date: what is accepted can be sealed by either.
        let sealed_ms = now_ms + SEALED_WITHIN_MS;
        if law.charter().at(sealed_ms).number != law.charter().at(now_ms).number {
            judge(sealed_ms)?;
        }
        Ok(Judged { decision, before_seq, judged_by: law.judged_by(law.size(), now_ms) })
    }

    fn decide(&self, tx: &Transaction<'_>, good: &Good, ticket: Option<&Ticket>) -> Result<Receipt, Rejection> {
        if let Some(row) = tx.event_by_hash(&good.hash)? {
            return Ok(self.receipt_of(tx, &row)?); // the same event twice at the same time
        }
        let now_ms = self.now_ms();
        let Judged { decision, before_seq, judged_by } = self.judge(tx, good, now_ms)?;
        store(tx, good, &decision, now_ms)?;
        let (seq, epoch_latest) = accept(tx, &decision.event, &decision.event.write(), now_ms, before_seq)?;
        if !decision.rests_on.is_empty() {
            tx.set_validation(&good.label, &decision.rests_on)?;
            let what = (&decision.event, &decision.event_hash, &good.label);
            self.note_audit_tokens(tx, what, &decision.rests_on, now_ms)?;
        }
        if let Some(order) = good.order {
            tx.note_act_event(order.act, &good.label, seq)?;
        }
        if let Some(ticket) = ticket {
            ticket.keep(tx, decision.event_hash, now_ms)?;
        }
        Ok(Receipt {
            event_hash: decision.event_hash,
            accepted_ms: now_ms,
            epoch_latest,
            version: decision.event.state.version,
            judged_by,
            visibility: Visibility::Pending,
        })
    }
}

impl Core {
    /// What is stored that matters to this submission.
    fn facts(
        &self,
        tx: &Snapshot<'_>,
        good: &Good,
        standing: Option<Standing>,
        now_ms: u64,
    ) -> Result<Facts, LedgerError> {
        let Good { examined, label, past_labels, .. } = good;
        let (entry, kind) = (standing.map(|standing| standing.entry), examined.event.kind);
        let record = match kind {
            Kind::Update | Kind::Transfer | Kind::Complete => {
                tx.personal(label)?.and_then(|personal| Record::parse(&personal.disclosed.record).ok())
            }
            _ => None,
        };
        let waiting = waiting(tx, label, entry.as_ref().map(|entry| entry.provider.as_str()))?;
        let mut token_used = false;
        for token in examined.validation.iter().flat_map(|validation| &validation.used) {
            token_used |= tx.jti_is_used(&token.short())?;
        }
        let counters = self.counters(tx, examined, unix_s(now_ms) / DAY_S)?;
        let past = match kind {
            Kind::Create | Kind::Suspend | Kind::Resume | Kind::Release => Vec::new(),
            _ => tx.past(label)?,
        };
        let code = examined.code.map(|_| tx.transfer_code(label, now_ms)).transpose()?.flatten();
        let published_elsewhere = published_elsewhere(tx, examined, label)?;
        let mut released_before_ms = None;
        for label in past_labels {
            released_before_ms = released_before_ms.max(tx.resting(label)?);
        }
        Ok(Facts { entry, record, waiting, token_used, published_elsewhere, counters, past, code, released_before_ms })
    }

    fn counters(&self, tx: &Snapshot<'_>, examined: &Examined, day: u64) -> Result<Counters, LedgerError> {
        let Entrance::Provider(provider) = &examined.entrance else { return Ok(Counters::default()) };
        match examined.event.kind {
            Kind::Create => {
                let (creates_today, prepares_today) = tx.counted(provider, day)?;
                let numbers = tx.holdings(provider)?;
                Ok(Counters { creates_today, prepares_today, numbers, ..Counters::default() })
            }
            Kind::Transfer | Kind::Complete => Ok(Counters { numbers: tx.holdings(provider)?, ..Counters::default() }),
            Kind::Request if examined.code.is_some() => {
                let wrong_codes_today = self.wrong_codes.on(tx, provider, day)?;
                Ok(Counters { wrong_codes_today, ..Counters::default() })
            }
            _ => Ok(Counters::default()),
        }
    }

    /// A code that is not the number's, or of a number that nobody registered (clause 6.8).
    fn count_wrong_code(&self, refusal: &refusal::Refusal, examined: &Examined, day: u64) {
        if let (Entrance::Provider(provider), Some(_)) = (&examined.entrance, examined.code)
            && refusal.is(&refusal::NOT_FOUND)
        {
            self.wrong_codes.add(provider, day);
        }
    }
}

fn published_elsewhere(tx: &Snapshot<'_>, examined: &Examined, label: &Label) -> Result<Vec<Hash>, LedgerError> {
    let mut found = Vec::new();
    for key in examined.record.iter().flat_map(|record| &record.keys).filter(|key| key.counts()) {
        if let Some(other) = tx.key_published_elsewhere(&key.spki_hash, label)?
            && control_of(tx, &other)? != Some(examined.event.state.control)
        {
            found.push(key.spki_hash);
        }
    }
    Ok(found)
}

fn waiting(tx: &Snapshot<'_>, label: &Label, sponsor: Option<&str>) -> Result<Option<Waiting>, LedgerError> {
    let Some(row) = tx.open_event(label)?.map(|seq| tx.event_by_seq(seq)).transpose()?.flatten() else {
        return Ok(None);
    };
    let takes_over = matches!(row.event.kind, Kind::Create | Kind::Transfer | Kind::Complete);
    let provider = sponsor.filter(|_| !takes_over).unwrap_or(&row.event.provider).to_owned();
    Ok(Some(Waiting { provider, control: row.event.state.control }))
}

/// The control key of a label, after the event that waits for it if there is one.
fn control_of(tx: &Snapshot<'_>, label: &Label) -> Result<Option<Hash>, LedgerError> {
    match waiting(tx, label, None)? {
        Some(waiting) => Ok(Some(waiting.control)),
        None => Ok(tx.standing(label)?.map(|standing| standing.entry.state.control)),
    }
}

/// Once more what the provider's status allows: an emergency may have come since the first stage, and auditors hold every event
/// against the size of the gov log that it was sealed under.
fn submits(register: &Register, event: &Event) -> Result<(), refusal::Refusal> {
    let provider = event.signature(Role::Provider).and_then(|_| register.provider(&event.provider));
    match provider.and_then(|provider| Some((provider, provider.status.refuses_event(Some(event))?))) {
        Some((provider, reason)) => Err(reason.at("", format!("the provider's status is {}", provider.status.name()))),
        None => Ok(()),
    }
}

/// Everything beside the event itself.
fn store(tx: &Transaction<'_>, good: &Good, decision: &Decision, now_ms: u64) -> Result<(), LedgerError> {
    let label = &good.label;
    if let RecordChange::Set { bytes, opening, key_hashes } = &decision.record {
        let disclosed = Disclosed { opening: *opening, record: bytes.clone() };
        if decision.event.kind == Kind::Create {
            tx.add_personal(label, decision.number, &good.proof, &disclosed, &decision.provider)?;
        } else {
            tx.set_next(label, &disclosed)?;
        }
        key_hashes.iter().try_for_each(|key| tx.add_published_key(key, label))?;
    }
    for token in &decision.consumed {
        tx.use_jti(&token.short(), token.forget_s)?;
    }
    if decision.event.kind == Kind::Create {
        tx.count(&decision.provider, unix_s(now_ms) / DAY_S, 1, 0)?;
        tx.add_holding(&decision.provider)?;
    }
    if let Some(before) = &decision.leaves {
        tx.remove_holding(before)?;
        tx.add_holding(&decision.provider)?;
    }
    if let Some(happened) = &decision.happened {
        tx.remember(label, happened, now_ms)?;
    }
    match decision.code {
        CodeChange::Keep => Ok(()),
        CodeChange::Void => tx.void_transfer_code(label),
    }
}
