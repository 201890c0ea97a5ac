//! Acts of the operator: asked for by one person, approved by another, done at once when enough people stand behind them.
//!
//! ```text
//! asked (one hand is enough: done) -> open -approved by another-> done
//!                                      |-withdrawn   |-expired after act_life_h
//! ```
//! What an act does happens in the transaction in which it becomes done: leaf, rows and the step itself, or nothing.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::authority::access::Actor;
use crate::authority::carry_out::{self, Effect};
use crate::authority::error::Rejection;
use crate::authority::gov;
use crate::authority::proposal::Proposal;
use crate::authority::ruling::Ruling;
use crate::authority::staff::StaffWish;
use crate::authority::tickets::Idempotency;
use crate::authority::{Authority, Core};
use crate::ledger::{ActCharterRow, ActRow, LedgerError, Snapshot, StepRow, Transaction};
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::key::{PublicKey, Thumbprint};
use crate::log::label::Label;
use crate::log::note::VerifierKey;
use crate::log::random::Random;
use crate::log::state::Status;
use crate::log::{Hash, sha256};
use crate::number::Number;
use crate::registry::acts::{ActKind, Hands, Power, StaffRole};
use crate::registry::refusal;
use crate::registry::terms::HOUR_MS;

/// Numbers that one request names: as many as fit a body; more are withheld by several acts.
pub const ACT_NUMBERS_MAX: usize = 1000;
/// Bytes of a reason: a paragraph.
pub const REASON_LEN_MAX: usize = 1000;
/// Acts on one page.
pub const ACTS_PAGE_MAX: usize = 100;

/// The states of an act.
pub(super) const OPEN: &str = "open";
pub(super) const DONE: &str = "done";
pub(super) const WITHDRAWN: &str = "withdrawn";
pub(super) const EXPIRED: &str = "expired";

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What kind of act.
    pub kind: ActKind,
    /// The clause of the charter that it rests on.
    pub clause: String,
    /// Why, for the operator's own people; no personal data.
    pub reason: String,
    /// What it is about.
    pub subject: Subject,
}

/// What an act is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A provider; `days` is the notice of one that gives up.
    Provider {
        /// Its id.
        provider: String,
        /// Days of notice.
        days: u64,
    },
    /// A provider's or entity's keys from now on.
    Keys {
        /// Its id.
        provider: String,
        /// All its statement keys.
        statement_keys: Vec<PublicKey>,
        /// All its validation keys.
        validation_keys: Vec<PublicKey>,
    },
    /// A key of a validation entity that is in other hands.
    LostKey {
        /// The entity.
        provider: String,
        /// The key's thumbprint.
        key: Thumbprint,
        /// Since when, Unix seconds.
        since_s: u64,
    },
    /// A person of the staff.
    Staff(StaffWish),
    /// An auditor, by the key of his cosignatures.
    Auditor(VerifierKey),
    /// Numbers; `days` is how long a suspension lasts.
    Numbers {
        /// Which.
        numbers: Vec<Number>,
        /// Days of suspension.
        days: u64,
    },
    /// The next version of the charter.
    Charter(Proposal),
}

/// An act as the operator's people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The row.
    pub row: ActRow,
    /// The kind.
    pub kind: ActKind,
    /// Every step, with who and when.
    pub steps: Vec<StepRow>,
    /// How many numbers it is about.
    pub numbers: u64,
    /// For how many of them the event was accepted.
    pub accepted: u64,
}

impl Act {
    /// What the act is about, without numbers.
    pub fn parameters(&self) -> Value {
        serde_json::from_str(&self.row.parameters).unwrap_or(Value::Null)
    }
}

impl Authority {
    /// Asks for an act. With an Idempotency-Key the same request again gives the first act. Blocks.
    pub fn request_act(&self, actor: &Actor, wish: Wish, idempotency: Option<&Idempotency>) -> Result<Act, Rejection> {
        actor.demand(wish.kind.asked_by())?;
        let core = &self.core;
        let who = actor.person.as_ref().map(|person| person.id.clone());
        let hands = core.hands(wish.kind, who.as_deref())?;
        if wish.reason.is_empty() || wish.reason.len() > REASON_LEN_MAX {
            return Err(Rejection::Conflict(format!("a reason has 1 to {REASON_LEN_MAX} bytes")));
        }
        let labels = core.labels_of(&wish.subject);
        let beside = core.beside(&wish.subject)?;
        let key = idempotency.map(|i| format!("{}\n{}", who.as_deref().unwrap_or_default(), i.key));
        let id = core.rule(|law| {
            let mut row = core.row(&wish, &labels, hands)?;
            if let Some(key) = &key
                && let Some(first) = core.ledger.read::<_, LedgerError>(|now| now.act_of_request(key))?
            {
                let id = first.id;
                return match first.digest == row.digest {
                    true => Ok(Ruling::new(Vec::new(), |_, _| Ok(id))),
                    false => Err(Rejection::IdempotencyReused),
                };
            }
            row.request.clone_from(&key);
            core.numbers_fit(wish.kind, &labels)?;
            let effect = core.effect(law, &row, &wish.subject, labels.len() as u64, who.as_slice())?;
            Ok(match hands {
                1 => done_at_once(row, labels, who, effect),
                _ => asked(row, labels, who, beside),
            })
        })?;
        core.reload_staff()?;
        self.find_act(&id)
    }

    /// Approves an act: what it does is done when this returns. The same approval again changes nothing. Blocks.
    pub fn approve_act(&self, actor: &Actor, id: &str) -> Result<Act, Rejection> {
        actor.demand(Power::Act)?;
        let core = &self.core;
        let Some(person) = &actor.person else {
            return Err(refusal::ACT_PERSON.at("", "the program itself approves nothing").into());
        };
        core.rule(|law| {
            let (act, labels) = core.ledger.read::<_, Rejection>(|now| {
                let act = load(now, id)?.ok_or(Rejection::NotFound)?;
                let labels = now.count_act_labels(act.row.seq)?.0;
                Ok((act, labels))
            })?;
            let hands: Vec<String> = hands_of(&act.steps);
            let approved = act.steps.iter().any(|s| s.step == "approved" && s.who.as_ref() == Some(&person.id));
            if approved && act.row.state != EXPIRED && act.row.state != WITHDRAWN {
                return Ok(Ruling::new(Vec::new(), |_, _| Ok(())));
            }
            if hands.contains(&person.id) {
                return Err(refusal::ACT_OWN.at("", "you asked for this act yourself").into());
            }
            let now_ms = core.now_ms();
            if act.row.state != OPEN || now_ms >= act.row.expires_ms {
                return Err(refusal::ACT_OVER.at("", format!("the act is {}", shown_state(&act.row, now_ms))).into());
            }
            // Whoever left or acts no more stands behind nothing: another takes his place.
            let stays = |id: &String| core.person(id).is_some_and(|row| row.role.may(Power::Act));
            let all: Vec<String> = hands.into_iter().filter(stays).chain([person.id.clone()]).collect();
            let subject = core.subject_of(&act)?;
            // Judged by how things stand now, not by how they stood when it was asked for.
            let effect = core.effect(law, &act.row, &subject, labels, &all)?;
            let (row, who) = (act.row, person.id.clone());
            Ok(match all.len() as u64 >= row.hands {
                true => approved_and_done(row, who, now_ms, effect),
                false => Ruling::new(Vec::new(), move |tx, _| tx.add_act_step(row.seq, "approved", Some(&who), now_ms)),
            })
        })?;
        core.reload_staff()?;
        self.find_act(id)
    }

    /// Withdraws an open act: whoever asked for it, or any officer, for it does nothing. Blocks.
    pub fn withdraw_act(&self, actor: &Actor, id: &str) -> Result<Act, Rejection> {
        actor.demand(Power::Act)?;
        let core = &self.core;
        let who = actor.person.as_ref().map(|person| person.id.clone());
        core.rule(|_| {
            let act = core.ledger.read::<_, LedgerError>(|now| load(now, id))?.ok_or(Rejection::NotFound)?;
            let now_ms = core.now_ms();
            match act.row.state.as_str() {
                WITHDRAWN => Ok(Ruling::new(Vec::new(), |_, _| Ok(()))),
                OPEN => Ok(Ruling::new(Vec::new(), move |tx, _| {
                    tx.close_act(act.row.seq, WITHDRAWN, None, None)?;
                    tx.unfollow_act(act.row.seq, now_ms)?;
                    tx.add_act_step(act.row.seq, "withdrawn", who.as_deref(), now_ms)
                })),
                _ => Err(refusal::ACT_OVER.at("", format!("the act is {}", act.row.state)).into()),
            }
        })?;
        self.find_act(id)
    }

    /// An act with its steps. Blocks.
    pub fn act(&self, actor: &Actor, id: &str) -> Result<Act, Rejection> {
        actor.demand(Power::See)?;
        self.find_act(id)
    }

    /// Acts before `before` (0: from the newest on), the newest first, [`ACTS_PAGE_MAX`] at most. Blocks.
    pub fn acts(&self, actor: &Actor, before: u64, state: Option<&str>, limit: usize) -> Result<Vec<Act>, Rejection> {
        actor.demand(Power::See)?;
        self.core.ledger.read(|now| {
            let rows = now.acts(before, state, limit.min(ACTS_PAGE_MAX))?;
            rows.into_iter().map(|row| whole(now, row)).collect()
        })
    }

    fn find_act(&self, id: &str) -> Result<Act, Rejection> {
        self.core.ledger.read::<_, LedgerError>(|now| load(now, id))?.ok_or(Rejection::NotFound)
    }
}

/// The act of that id, whole.
pub(super) fn load(now: &Snapshot<'_>, id: &str) -> Result<Option<Act>, LedgerError> {
    now.act(id)?.map(|row| whole(now, row)).transpose().map_err(|_| LedgerError::Damaged("an act"))
}

fn whole(now: &Snapshot<'_>, row: ActRow) -> Result<Act, Rejection> {
    let kind = ActKind::from_name(&row.kind).ok_or(LedgerError::Damaged("the kind of an act"))?;
    let steps = now.act_steps(row.seq)?;
    let (numbers, accepted) = now.count_act_labels(row.seq)?;
    Ok(Act { row, kind, steps, numbers, accepted })
}

/// Everybody who stands behind an act, each once.
pub(super) fn hands_of(steps: &[StepRow]) -> Vec<String> {
    let mut hands: Vec<String> = Vec::new();
    for step in steps.iter().filter(|step| ["asked", "approved"].contains(&step.step.as_str())) {
        hands.extend(step.who.iter().filter(|who| !hands.contains(who)).cloned().collect::<Vec<_>>());
    }
    hands
}

fn shown_state(row: &ActRow, now_ms: u64) -> &str {
    if row.state == OPEN && now_ms >= row.expires_ms { EXPIRED } else { &row.state }
}

impl Core {
    /// How many people an act needs when this person asks.
    fn hands(&self, kind: ActKind, who: Option<&str>) -> Result<u64, Rejection> {
        let hands = match (kind.hands(), who) {
            (Hands::One, _) => 1,
            (_, None) => return Err(refusal::ACT_PERSON.at("", "the program itself asks for no such act").into()),
            (Hands::Two, Some(_)) => 2,
            (Hands::TwoIfThereAre, Some(who)) => 1 + u64::from(self.other_hands(who) > 0),
        };
        Ok(hands)
    }

    fn labels_of(&self, subject: &Subject) -> Vec<Label> {
        let Subject::Numbers { numbers, .. } = subject else { return Vec::new() };
        numbers.iter().map(|number| self.labels.of(&self.keys.vrf, &self.origin, *number).0).collect()
    }

    /// Whether an act names numbers that are there, as its kind wants. Those of the register itself are taken from it.
    fn numbers_fit(&self, kind: ActKind, labels: &[Label]) -> Result<(), Rejection> {
        if !kind.is_order() {
            return Ok(());
        }
        if labels.is_empty() || labels.len() > ACT_NUMBERS_MAX {
            return Err(Rejection::Conflict(format!("an act names 1 to {ACT_NUMBERS_MAX} numbers")));
        }
        self.ledger.read(|now| {
            for label in labels {
                let standing = now.standing(label)?.map(|standing| standing.entry.state.status);
                if standing.is_none_or(|status| status == Status::Released) {
                    return Err(Rejection::NotFound);
                }
            }
            Ok(())
        })
    }

    /// The row of a new act.
    fn row(&self, wish: &Wish, labels: &[Label], hands: u64) -> Result<ActRow, Rejection> {
        let parameters = wish.subject.write().to_string();
        let mut digest = Vec::new();
        for text in [wish.kind.name(), &parameters, &wish.clause, &wish.reason] {
            digest.extend_from_slice(&sha256(&[text.as_bytes()]));
        }
        labels.iter().for_each(|label| digest.extend_from_slice(&label.0));
        self.new_row(wish.kind, parameters, &wish.clause, &wish.reason, hands, sha256(&[&digest]))
    }

    /// A row with an id and times.
    pub(super) fn new_row(
        &self,
        kind: ActKind,
        parameters: String,
        clause: &str,
        reason: &str,
        hands: u64,
        digest: Hash,
    ) -> Result<ActRow, Rejection> {
        let mut id = [0; 12];
        self.random.fill(&mut id)?;
        let asked_ms = self.now_ms();
        Ok(ActRow {
            seq: 0,
            id: HEXLOWER.encode(&id), // never begins with a hyphen, which a command line would misread
            kind: kind.name().to_owned(),
            parameters,
            clause: clause.to_owned(),
            reason: reason.to_owned(),
            state: OPEN.to_owned(),
            hands,
            asked_ms,
            expires_ms: asked_ms + self.policy().act_life_h * HOUR_MS,
            gov: None,
            until_s: None,
            request: None,
            digest,
        })
    }
}

/// Adds an act that waits for another hand.
pub(super) fn asked(
    row: ActRow,
    labels: Vec<Label>,
    who: Option<String>,
    beside: Option<ActCharterRow>,
) -> Ruling<String> {
    Ruling::new(Vec::new(), move |tx, _| {
        let seq = add(tx, &row, &labels, who.as_deref())?;
        beside.iter().try_for_each(|beside| tx.add_act_charter(seq, beside))?;
        Ok(row.id)
    })
}

fn add(tx: &Transaction<'_>, row: &ActRow, labels: &[Label], who: Option<&str>) -> Result<u64, LedgerError> {
    let seq = tx.add_act(row)?;
    labels.iter().try_for_each(|label| tx.add_act_label(seq, label))?;
    tx.add_act_step(seq, "asked", who, row.asked_ms)?;
    Ok(seq)
}

fn done_at_once(row: ActRow, labels: Vec<Label>, who: Option<String>, effect: Effect) -> Ruling<String> {
    let Effect { leaves, deeds, until_s } = effect;
    let public = !leaves.is_empty();
    Ruling::new(leaves, move |tx, first| {
        let seq = add(tx, &row, &labels, who.as_deref())?;
        tx.add_act_step(seq, DONE, None, row.asked_ms)?;
        tx.close_act(seq, DONE, public.then_some(first), until_s)?;
        carry_out::store(tx, seq, &deeds)?;
        Ok(row.id)
    })
}

fn approved_and_done(row: ActRow, who: String, now_ms: u64, effect: Effect) -> Ruling<()> {
    let text = effect.text();
    let Effect { leaves, deeds, until_s } = effect;
    let public = !leaves.is_empty();
    Ruling::new(leaves, move |tx, first| {
        tx.add_act_step(row.seq, "approved", Some(&who), now_ms)?;
        tx.add_act_step(row.seq, DONE, None, now_ms)?;
        tx.close_act(row.seq, DONE, public.then_some(first), until_s)?;
        carry_out::store(tx, row.seq, &deeds)
    })
    .knowing(text)
}

impl Subject {
    /// As stored and shown; numbers are not in it.
    pub(super) fn write(&self) -> Value {
        let keys = |keys: &[PublicKey]| keys.iter().map(gov::key_body).collect::<Vec<_>>();
        match self {
            Self::Provider { provider, days: 0 } => json!({ "provider": provider }),
            Self::Provider { provider, days } => json!({ "provider": provider, "days": days }),
            Self::Keys { provider, statement_keys, validation_keys } => json!({
                "provider": provider,
                "statement_keys": keys(statement_keys),
                "validation_keys": keys(validation_keys),
            }),
            Self::LostKey { provider, key, since_s } => {
                json!({ "provider": provider, "key": to_base64url(key), "since_s": since_s })
            }
            Self::Staff(wish) => json!({
                "person": wish.person,
                "role": wish.role.map(StaffRole::name),
                "key": wish.key.as_ref().map(gov::key_body),
            }),
            Self::Auditor(key) => json!({ "vkey": key.to_string() }),
            Self::Numbers { days, .. } => json!({ "days": days }),
            Self::Charter(proposal) => proposal.write(),
        }
    }

    /// Reads what [`Subject::write`] wrote; numbers are the act's labels, and a charter's text stands beside the act.
    pub(super) fn read(kind: ActKind, value: &Value) -> Option<Self> {
        let provider = || value.get("provider")?.as_str().map(str::to_owned);
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        let keys = |name: &str| value.get(name)?.as_array()?.iter().map(gov::read_key).collect::<Option<Vec<_>>>();
        Some(match kind {
            ActKind::Charter => return None,
            ActKind::ProviderKeys => Self::Keys {
                provider: provider()?,
                statement_keys: keys("statement_keys")?,
                validation_keys: keys("validation_keys")?,
            },
            ActKind::CompromisedKey => Self::LostKey {
                provider: provider()?,
                key: from_base64url(value.get("key")?.as_str()?)?.try_into().ok()?,
                since_s: number("since_s")?,
            },
            ActKind::StaffAdd | ActKind::StaffChange | ActKind::StaffEnd => Self::Staff(StaffWish {
                person: value.get("person")?.as_str()?.to_owned(),
                role: match value.get("role")?.as_str() {
                    Some(name) => Some(StaffRole::from_name(name)?),
                    None => None,
                },
                key: match value.get("key").filter(|key| !key.is_null()) {
                    Some(key) => Some(gov::read_key(key)?),
                    None => None,
                },
            }),
            kind if kind.is_of_auditor() => Self::Auditor(VerifierKey::parse(value.get("vkey")?.as_str()?).ok()?),
            kind if kind.is_order() => Self::Numbers { numbers: Vec::new(), days: number("days")? },
            _ => Self::Provider { provider: provider()?, days: number("days").unwrap_or(0) },
        })
    }
}
