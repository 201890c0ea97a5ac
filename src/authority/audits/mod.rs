//! Audits of validation entities (clause 7.5) as the directory runs them; `registry::audit` is what they compute.
//!
//! ```text
//! upkeep: close the month -> draw -> fail who is silent       entities: requests, evidence
//! auditors of the staff: judge, publish                       officers: propose; two persons decide (acts)
//! ```
//! Whatever becomes public is a leaf of the gov log, in the transaction that makes it true. `authority::audit` is another thing:
//! auditors from outside, who replay the log.

mod close;
mod draw;
mod evidence;
mod findings;
mod time;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::authority::access::Actor;
use crate::authority::error::Rejection;
use crate::authority::{Authority, Core};
use crate::ledger::{AuditItem, AuditRow, AuditToken, LedgerError, Snapshot};
use crate::log::gov::GovLeaf;
use crate::log::note::Note;
use crate::registry::acts::{ActKind, Power};
use crate::registry::audit::period::Period;
use crate::registry::audit::population::{self, Population, Token, TokenKind};
use crate::registry::audit::seed::Beacon;
use crate::registry::audit::verdict::Verdict;
use crate::registry::refusal;

pub use crate::authority::audits::draw::BEACON_VALUE_BYTES_MAX;
pub use crate::authority::audits::evidence::EVIDENCE_BYTES_MAX;

/// The states of an audit.
const CLOSED: &str = "closed";
const DRAWN: &str = "drawn";
const PUBLISHED: &str = "published";
/// The states of a drawn token.
const ASKED: &str = "asked";
const ANSWERED: &str = "answered";
const FAILED: &str = "failed";
/// The types of the leaves of an audit.
const CLOSE_LEAF: &str = "audit-close";
const DRAW_LEAF: &str = "audit-draw";
const RESULT_LEAF: &str = "audit-result";
/// Drawn tokens on one page.
pub const AUDIT_ITEMS_PAGE_MAX: usize = 500;
/// When to come again while somebody else has a population read.
const RETRY_S: u32 = 2;
/// Lines of a population in one answer: about a megabyte.
pub const POPULATION_LINES_MAX: usize = 10_000;

/// What audits need beside the ledger.
#[derive(Default)]
pub(super) struct Auditing {
    /// The beacon that makes the seed; empty: none.
    beacon: OnceLock<Beacon>,
    /// The population that was asked for last.
    population: Mutex<Option<(Period, Arc<str>)>>,
    /// When upkeep looked last, Unix milliseconds; 0 before its first look in this process.
    seen_ms: AtomicU64,
}

/// An audit as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The row.
    pub row: AuditRow,
    /// The leaves that it has in the gov log, as they are signed: closing, draw, result.
    pub leaves: Vec<(u64, String)>,
    /// Every step: what, by whom (for the staff), when.
    pub steps: Vec<(String, Option<String>, u64)>,
}

/// What was found of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityFound {
    /// The validation entity.
    pub entity: String,
    /// Its tokens of the month.
    pub size: u64,
    /// How many were drawn.
    pub drawn: u64,
    /// Those without a finding.
    pub waiting: u64,
    /// Those that do not stand.
    pub failed: u64,
    /// Of these, those that nobody spoke for.
    pub silent: u64,
    /// What that comes to.
    pub verdict: Verdict,
    /// The act that was proposed.
    pub act: Option<String>,
}

/// A drawn token as the staff sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemView {
    /// The row.
    pub item: AuditItem,
    /// The number, while it is registered.
    pub number: Option<crate::number::Number>,
    /// The evidence, while it is kept.
    pub evidence: Option<Vec<u8>>,
}

/// A page of drawn tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemsPage {
    /// Those of the page, by id.
    pub items: Vec<AuditItem>,
    /// The id to go on after, if there is more.
    pub after: Option<String>,
}

impl Authority {
    /// Says which beacon makes the seeds of draws. Once, before anything is drawn.
    pub fn use_beacon(&self, beacon: Beacon) {
        let _first_one_stays = self.core.auditing.beacon.set(beacon);
    }

    /// Every audit, the newest month first. Blocks.
    pub fn audits(&self) -> Result<Vec<Audit>, Rejection> {
        self.core.ledger.read(|now| now.audits()?.into_iter().map(|row| whole(now, row)).collect())
    }

    /// The audit of a month. Blocks.
    pub fn audit_of(&self, period: &str) -> Result<Audit, Rejection> {
        self.core.ledger.read(|now| whole(now, now.audit(period)?.ok_or(Rejection::NotFound)?))
    }

    /// Lines of the population of a month, behind the first `from`. Blocks.
    pub fn population(&self, period: &str, from: usize) -> Result<String, Rejection> {
        let row = self.core.ledger.read::<_, LedgerError>(|now| now.audit(period))?.ok_or(Rejection::NotFound)?;
        let busy = || Rejection::Unavailable {
            retry_after_s: RETRY_S,
            why: "the population is being read for somebody else".to_owned(),
        };
        // Who asks for one month and another in turn has it made anew each time, but never holds up more than one thread.
        let text = match self.core.auditing.population.try_lock() {
            Ok(mut kept) => self.core.population_with(&row, &mut kept)?,
            Err(_) => return Err(busy()),
        };
        Ok(text.split_inclusive('\n').skip(from).take(POPULATION_LINES_MAX).collect())
    }

    /// Drawn tokens of a month for the staff, of an entity and in a state if these are named. Blocks.
    pub fn audit_items(
        &self,
        actor: &Actor,
        period: &str,
        (entity, state): (Option<&str>, Option<&str>),
        after: &str,
        limit: usize,
    ) -> Result<ItemsPage, Rejection> {
        actor.demand(Power::Audit)?;
        let limit = limit.min(AUDIT_ITEMS_PAGE_MAX);
        self.core.ledger.read(|now| {
            now.audit(period)?.ok_or(Rejection::NotFound)?;
            Ok(page(now.audit_items(Some(period), entity, state, after, limit + 1)?, limit))
        })
    }

    /// A drawn token for the staff, with number and evidence while these are kept. Blocks.
    pub fn audit_item(&self, actor: &Actor, id: &str) -> Result<ItemView, Rejection> {
        actor.demand(Power::Audit)?;
        self.core.ledger.read(|now| {
            let item = now.audit_item(id)?.ok_or(Rejection::NotFound)?;
            let number = now.number_of(&item.label)?;
            let evidence = now.audit_evidence(id)?;
            Ok(ItemView { item, number, evidence })
        })
    }
}

fn page(mut items: Vec<AuditItem>, limit: usize) -> ItemsPage {
    let more = items.len() > limit;
    items.truncate(limit);
    let after = items.last().filter(|_| more).map(|last| last.id.clone());
    ItemsPage { items, after }
}

fn whole(now: &Snapshot<'_>, row: AuditRow) -> Result<Audit, Rejection> {
    let indexes = [Some(row.close_leaf), row.draw_leaf, row.result_leaf];
    let leaves = indexes.into_iter().flatten().map(|index| Ok((index, leaf_text(now, index)?)));
    let leaves = leaves.collect::<Result<_, LedgerError>>()?;
    let steps = now.audit_steps(&row.period)?;
    Ok(Audit { row, leaves, steps })
}

/// A leaf of the gov log as it was signed.
fn leaf_text(now: &Snapshot<'_>, index: u64) -> Result<String, LedgerError> {
    let raw = now.gov_leaf(index)?.ok_or(LedgerError::Damaged("a leaf of an audit is missing"))?;
    String::from_utf8(raw).map_err(|_| LedgerError::Damaged("a leaf of an audit is no text"))
}

impl Audit {
    /// What one of its leaves says.
    pub fn said(&self, kind: &str) -> Option<Value> {
        self.leaves.iter().filter_map(|(_, text)| read_leaf(text)).find(|leaf| leaf.kind == kind).map(|leaf| leaf.body)
    }
}

/// Reads a leaf that the ledger holds: it was checked when it was made and at the start.
fn read_leaf(text: &str) -> Option<GovLeaf> {
    GovLeaf::parse(&Note::open(text, &[]).ok()?.text).ok()
}

impl Core {
    /// The text of the population of a closed month; it must be what was committed to.
    fn population_of(&self, row: &AuditRow) -> Result<Arc<str>, Rejection> {
        let mut kept = self.auditing.population.lock().unwrap_or_else(PoisonError::into_inner);
        self.population_with(row, &mut kept)
    }

    fn population_with(&self, row: &AuditRow, kept: &mut Option<(Period, Arc<str>)>) -> Result<Arc<str>, Rejection> {
        let period = Period::parse(&row.period).ok_or(LedgerError::Damaged("the month of an audit"))?;
        if let Some((of, text)) = kept
            && *of == period
        {
            return Ok(Arc::clone(text));
        }
        let tokens = self.ledger.read::<_, LedgerError>(|now| now.audit_tokens(period.from_ms(), period.to_ms()))?;
        let text: Arc<str> = Population::of(period, &tokens_of(&tokens)?, row.k_min).write().into();
        if population::digest(&text) != row.population {
            // Tokens are forgotten after the retention; then there is nothing left to draw from.
            return Err(Rejection::Gone("the population of this month is not kept any more".to_owned()));
        }
        *kept = Some((period, Arc::clone(&text)));
        Ok(text)
    }
}

/// Rows as the law wants them.
fn tokens_of(rows: &[AuditToken]) -> Result<Vec<Token>, LedgerError> {
    let token = |row: &AuditToken| {
        Some(Token {
            entity: row.entity.clone(),
            methods: row.methods.clone(),
            weak: row.weak,
            kind: TokenKind::from_name(&row.kind)?,
            label: row.label,
            control: row.control,
            at_ms: row.at_ms,
            commitment: population::commitment(&row.event, row.n, &row.evd),
        })
    };
    rows.iter().map(|row| token(row).ok_or(LedgerError::Damaged("a token of no known kind"))).collect()
}

/// Who it is, for the trail; an audit's findings have a person behind them.
pub(super) fn person(actor: &Actor) -> Result<String, Rejection> {
    match &actor.person {
        Some(person) => Ok(person.id.clone()),
        None => Err(refusal::ACT_PERSON.at("", "findings are a person's").into()),
    }
}

fn wrong_state(detail: impl Into<String>) -> Rejection {
    refusal::AUDIT_STATE.at("", detail).into()
}

/// The id of an item: the first half of its commitment.
fn id_of(commitment: &crate::log::Hash) -> String {
    data_encoding::HEXLOWER.encode(&commitment[..16])
}

/// Whether an act is a sanction that findings may lead to.
fn sanctions(kind: ActKind) -> bool {
    matches!(kind, ActKind::Warn | ActKind::Restrict | ActKind::Suspend)
}
