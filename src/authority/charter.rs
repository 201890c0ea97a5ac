//! The charter's versions: in the gov log, in force from their date, each with its text in the ledger. Another one is announced by
//! an act of two people ([`Proposal`](super::Proposal)).

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::authority::error::{OpenError, Rejection};
use crate::authority::gov::{self, InForce};
use crate::authority::{Authority, Core};
use crate::charter::{Policy, Version, Versions, numbering};
use crate::ledger::{CharterRow, Ledger, LedgerError, Snapshot};
use crate::log::gov::GovLeaf;
use crate::signer::Log;

/// An event that is accepted now is sealed at the latest so much later, but for a stop of the directory: what it is judged
/// by must hold until then too.
pub(super) const SEALED_WITHIN_MS: u64 = 120_000;

/// What is to be written into the gov log.
pub(super) type Leaf<'a> = &'a dyn Fn(u64, u64) -> GovLeaf;

impl Authority {
    /// The charter's versions that are announced; which one is in force depends on the time alone.
    pub fn charter(&self) -> Versions {
        self.core.law().charter().clone()
    }

    /// The edition of the numbering metadata that numbers are judged by.
    pub fn numbering(&self) -> String {
        self.core.law().numbering().to_owned()
    }
}

/// Whether nobody relies on the charter yet.
pub(super) fn is_unbound(law: &InForce) -> bool {
    law.accreditations().next().is_none()
}

/// When a version that is announced now may take effect at the earliest: before anybody relies on one, at once.
pub(super) fn earliest_ms(law: &InForce, now_ms: u64) -> u64 {
    match is_unbound(law) {
        true => now_ms.max(law.charter().newest().effective_ms),
        false => law.charter().earliest_ms(now_ms),
    }
}

impl Core {
    /// The charter's parameters in force now.
    pub(super) fn policy(&self) -> Arc<Policy> {
        self.law().policy_at(self.now_ms()).clone()
    }

    /// At a start: what lies in the folder becomes a version of its own as long as nobody relies on another; after that
    /// it is a draft until it is announced. The numbering metadata of this program is named in the log.
    pub(super) fn adopt_charter(&self, folder: Policy) -> Result<(), OpenError> {
        let (law, now_ms) = (self.law(), self.now_ms());
        let is_new = gov::digests(&law.charter().newest().policy) != gov::digests(&folder);
        if law.charter().newest().number == 0 || is_new && is_unbound(&law) {
            let number = law.charter().newest().number + 1;
            let version = Version { number, effective_ms: earliest_ms(&law, now_ms), policy: Arc::new(folder) };
            self.announce(&law, &version).map_err(failed)?;
        } else if is_new {
            tracing::warn!(
                "charter/ differs from the versions that are announced: it is a draft until `callbook charter announce`"
            );
        }
        let law = self.law();
        if law.numbering() != numbering::EDITION {
            self.add_leaf(&law, None, &|seq, time_ms| gov::numbering_leaf(numbering::EDITION, seq, time_ms))
                .map_err(failed)?;
        }
        Ok(())
    }

    fn announce(&self, law: &InForce, version: &Version) -> Result<(), Rejection> {
        self.add_leaf(law, Some(version), &|seq, time_ms| gov::charter_leaf(version, seq, time_ms))
    }

    /// Adds a leaf to the gov log that stands by itself.
    pub(super) fn add_decided(&self, leaf: Leaf<'_>) -> Result<(), Rejection> {
        let _one_at_a_time = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        self.add_leaf(&self.law(), None, leaf)
    }

    /// Adds a leaf to the gov log, and the text of the version that it announces: durable, then in force.
    fn add_leaf(&self, law: &InForce, version: Option<&Version>, leaf: Leaf<'_>) -> Result<(), Rejection> {
        let (seq, time_ms) = (law.size(), self.now_ms().max(law.time_ms() + 1));
        let leaf = self.sign_leaf(&leaf(seq, time_ms))?;
        let mut next = InForce::clone(law);
        if let Some(version) = version {
            next.know(version.policy.clone());
        }
        let key = self.signer.verifier(Log::Gov);
        if let Err(error) = next.append([leaf.as_str()], key) {
            tracing::error!(%error, "a leaf of the gov log that we made cannot be read");
            return Err(Rejection::Fault("the decision could not be written".to_owned()));
        }
        let row = version.map(row);
        let laws = || self.laws.write().unwrap_or_else(PoisonError::into_inner);
        // The writer judges by the size that it finds in the ledger, so the next law must be at hand before it is in force.
        laws().push(Arc::new(next));
        let stored = self.ledger.write::<_, LedgerError, _>(move |tx| {
            row.iter().try_for_each(|row| tx.add_charter(row))?;
            tx.add_gov_leaf(seq, leaf.as_bytes())
        });
        match stored.wait_blocking() {
            Ok(()) => self.gov_size.store(seq + 1, Ordering::Release),
            Err(error) => {
                laws().retain(|law| law.size() <= seq);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

fn failed(no: Rejection) -> OpenError {
    match no {
        Rejection::Unavailable { why, .. } => LedgerError::Unavailable(why).into(),
        _ => LedgerError::Damaged("the charter could not be written into the gov log").into(),
    }
}

/// As it is stored.
pub(super) fn row(version: &Version) -> CharterRow {
    let Version { number, effective_ms, policy } = version;
    let (source, prose) = (policy.source().to_owned(), policy.prose().to_owned());
    CharterRow { version: *number, effective_ms: *effective_ms, policy: source, prose }
}

/// The texts of the versions that are kept in the ledger.
pub(super) fn texts(now: &Snapshot<'_>) -> Result<Vec<Arc<Policy>>, LedgerError> {
    let read = |row: CharterRow| Policy::parse(&row.policy).map(|policy| Arc::new(policy.beside(row.prose)));
    let texts = now.charters()?.into_iter().map(read).collect::<Result<Vec<_>, _>>();
    texts.map_err(|_| LedgerError::Damaged("a version of the charter that cannot be read"))
}

/// The parameters that are in force at a time by the ledger; None before any version was announced.
pub(super) fn in_force(ledger: &Ledger, now_ms: u64) -> Result<Option<Policy>, LedgerError> {
    ledger.read(|now| read_in_force(now, now_ms))
}

/// The same, also while another process works in the folder.
pub(super) fn read_in_force(now: &Snapshot<'_>, now_ms: u64) -> Result<Option<Policy>, LedgerError> {
    let rows = now.charters()?;
    let Some(row) = rows.into_iter().rev().find(|row| row.effective_ms <= now_ms) else { return Ok(None) };
    match Policy::parse(&row.policy) {
        Ok(policy) => Ok(Some(policy.beside(row.prose))),
        Err(_) => Err(LedgerError::Damaged("a version of the charter that cannot be read")),
    }
}
