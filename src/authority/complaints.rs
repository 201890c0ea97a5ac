//! Complaints (clause 8.3): anybody writes one, the operator moves it on. The answer is alike whatever a number is.
//!
//! ```text
//! OPEN --taken up--> IN_WORK --decided--> CLOSED (outcome) --complaint_keep_d--> text and contact erased
//!   '--decided at once-------------------^
//! ```

use crate::authority::Authority;
use crate::authority::access::Actor;
use crate::authority::error::Rejection;
use crate::ledger::{ComplaintRow, LedTo, LedgerError, Transaction};
use crate::log::bytes::to_base64url;
use crate::log::random::Random;
use crate::number::Number;
use crate::registry::acts::Power;

/// The longest text, in bytes: some pages.
pub const COMPLAINT_TEXT_MAX: usize = 8000;
/// The longest contact, in bytes.
pub const COMPLAINT_CONTACT_MAX: usize = 200;
/// The most complaints of a page.
pub const COMPLAINTS_PAGE_MAX: usize = 200;
/// Complaints that may be open at a time: whoever floods the desk fills this much of the disk (a gigabyte) and no more.
const OPEN_MAX: u64 = 100_000;
/// When to come again while the desk is full: people have to work first.
const RETRY_S: u32 = 3600;

/// What a complaint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The number is registered for somebody who does not have it.
    WrongHolder,
    /// Calls or messages that abuse the directory.
    Abuse,
    /// Personal data.
    Privacy,
    /// What a provider or validation entity does.
    Provider,
    /// Anything else.
    Other,
}

/// How far a complaint has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplaintState {
    /// Nobody has looked at it.
    Open,
    /// Somebody works on it.
    InWork,
    /// It was decided.
    Closed,
}

/// How a complaint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was right.
    Upheld,
    /// It was not.
    Rejected,
    /// It is for somebody else to decide.
    NotOurs,
}

/// Where the operator moves a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComplaintMove {
    /// Somebody begins to work on it.
    TakeUp,
    /// It is decided: how, and what it led to.
    Close(Outcome, LedTo),
}

/// A complaint as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewComplaint {
    /// What it is about.
    pub about: About,
    /// The number that it is about, if one.
    pub number: Option<Number>,
    /// What it says.
    pub text: String,
    /// How to reach who sends it.
    pub contact: Option<String>,
}

/// A complaint as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintView {
    /// Its place in the order in which they came.
    pub seq: u64,
    /// Names it.
    pub id: String,
    /// When it came, in milliseconds.
    pub made_ms: u64,
    /// When it was last moved on.
    pub changed_ms: u64,
    /// What it is about.
    pub about: About,
    /// Whether it names a number.
    pub names_number: bool,
    /// That number, while it is registered.
    pub number: Option<Number>,
    /// How far it has come.
    pub state: ComplaintState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What it says; None once erased.
    pub text: Option<String>,
    /// How to reach who sent it.
    pub contact: Option<String>,
    /// What came of it, and who saw to it.
    pub led_to: LedTo,
}

/// A page of complaints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComplaintsPage {
    /// Those of the page, the oldest first.
    pub complaints: Vec<ComplaintView>,
    /// The place to go on after, if there is more.
    pub after: Option<u64>,
}

macro_rules! names {
    ($type:ident: $($variant:ident = $name:literal),*) => {
        impl $type {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in the API and the ledger.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The one of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

names!(About: WrongHolder = "wrong_holder", Abuse = "abuse", Privacy = "privacy", Provider = "provider", Other = "other");
names!(ComplaintState: Open = "open", InWork = "in_work", Closed = "closed");
names!(Outcome: Upheld = "upheld", Rejected = "rejected", NotOurs = "not_ours");

impl Authority {
    /// Takes a complaint in; gives its id. What stands behind the number is not looked at. Blocks.
    pub fn complain(&self, new: NewComplaint) -> Result<String, Rejection> {
        let core = &self.core;
        let mut id = [0; 12];
        core.random.fill(&mut id)?;
        let id = to_base64url(&id);
        let label = new.number.map(|number| core.labels.of(&core.keys.vrf, &core.origin, number).0);
        let row = ComplaintRow {
            seq: 0,
            id: id.clone(),
            made_ms: core.now_ms(),
            changed_ms: core.now_ms(),
            about: new.about.name().to_owned(),
            label,
            state: ComplaintState::Open.name().to_owned(),
            outcome: None,
            text: Some(new.text),
            contact: new.contact,
            led_to: LedTo::default(),
        };
        let stored = core.ledger.write::<_, LedgerError, _>(move |tx| {
            let full = tx.count_complaints(ComplaintState::Open.name())? >= OPEN_MAX;
            if !full {
                tx.add_complaint(&row)?;
            }
            Ok(!full)
        });
        match stored.wait_blocking()? {
            true => Ok(id),
            false => Err(Rejection::TooMany { retry_after_s: RETRY_S, why: "the desk is full".to_owned() }),
        }
    }

    /// Lists complaints for the operator, those in `state` if one is named. Blocks.
    pub fn complaints(
        &self,
        actor: &Actor,
        state: Option<ComplaintState>,
        after: u64,
        limit: usize,
    ) -> Result<ComplaintsPage, Rejection> {
        actor.demand(Power::Audit)?;
        let page = self.core.ledger.read::<_, LedgerError>(|now| {
            let rows = now.complaints(state.map(ComplaintState::name), after, limit + 1)?;
            let more = rows.len() > limit;
            let views = rows.into_iter().take(limit).map(|row| {
                let number = row.label.map(|label| now.number_of(&label)).transpose()?.flatten();
                view(row, number)
            });
            let complaints = views.collect::<Result<Vec<_>, LedgerError>>()?;
            let after = complaints.last().filter(|_| more).map(|last| last.seq);
            Ok(ComplaintsPage { complaints, after })
        })?;
        Ok(page)
    }

    /// A complaint for the operator. Blocks.
    pub fn complaint(&self, actor: &Actor, id: &str) -> Result<ComplaintView, Rejection> {
        actor.demand(Power::Audit)?;
        self.core.ledger.read(|now| {
            let row = now.complaint(id)?.ok_or(Rejection::NotFound)?;
            let number = row.label.map(|label| now.number_of(&label)).transpose()?.flatten();
            Ok(view(row, number)?)
        })
    }

    /// Moves a complaint on, never back. Blocks.
    pub fn move_complaint(&self, actor: &Actor, id: &str, to: ComplaintMove) -> Result<ComplaintView, Rejection> {
        actor.demand(Power::Act)?;
        let (id, now_ms) = (id.to_owned(), self.core.now_ms());
        let who = actor.person.as_ref().map(|person| person.id.clone());
        let moved = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            let row = tx.complaint(&id)?.ok_or(Rejection::NotFound)?;
            let (state, outcome, led_to) = match to {
                ComplaintMove::TakeUp => (ComplaintState::InWork, None, LedTo { taken_by: who, ..LedTo::default() }),
                ComplaintMove::Close(outcome, led_to) => {
                    there_are(tx, &led_to)?;
                    (ComplaintState::Closed, Some(outcome), LedTo { taken_by: None, closed_by: who, ..led_to })
                }
            };
            let forward = row.state == ComplaintState::Open.name()
                || row.state == ComplaintState::InWork.name() && state == ComplaintState::Closed;
            if !forward {
                return Err(Rejection::Conflict(format!("this complaint is {} already", row.state)));
            }
            tx.move_complaint(&id, (state.name(), outcome.map(Outcome::name)), &led_to, now_ms)?;
            let row = tx.complaint(&id)?.ok_or(Rejection::NotFound)?;
            let number = row.label.map(|label| tx.number_of(&label)).transpose()?.flatten();
            Ok(view(row, number)?)
        });
        moved.wait_blocking()
    }
}

/// Whether act and item that an outcome names are there.
fn there_are(tx: &Transaction<'_>, led_to: &LedTo) -> Result<(), Rejection> {
    let act = led_to.act.as_ref().map(|id| tx.act(id)).transpose()?;
    let item = led_to.item.as_ref().map(|id| tx.audit_item(id)).transpose()?;
    if act == Some(None) || item == Some(None) {
        return Err(Rejection::Conflict("there is no act or no drawn item of this name".to_owned()));
    }
    Ok(())
}

fn view(row: ComplaintRow, number: Option<Number>) -> Result<ComplaintView, LedgerError> {
    let damaged = || LedgerError::Damaged("a complaint of no known sort");
    Ok(ComplaintView {
        seq: row.seq,
        id: row.id,
        made_ms: row.made_ms,
        changed_ms: row.changed_ms,
        about: About::from_name(&row.about).ok_or_else(damaged)?,
        names_number: row.label.is_some(),
        number,
        state: ComplaintState::from_name(&row.state).ok_or_else(damaged)?,
        outcome: row.outcome.map(|name| Outcome::from_name(&name).ok_or_else(damaged)).transpose()?,
        text: row.text,
        contact: row.contact,
        led_to: row.led_to,
    })
}
