//! What entities are asked for, and the evidence that they hand in: it must open the commitment in the token.

use crate::authority::Authority;
use crate::authority::access::{Actor, Verb};
use crate::authority::audits::{ANSWERED, ASKED, AUDIT_ITEMS_PAGE_MAX, FAILED, ItemsPage, page, wrong_state};
use crate::authority::error::Rejection;
use crate::ledger::{AuditItem, LedgerError};
use crate::log::sha256;
use crate::registry::refusal;

/// The longest evidence, in bytes: what fits a request body as base64.
pub const EVIDENCE_BYTES_MAX: usize = 45_000;

impl Authority {
    /// What an entity is asked for and has not answered, behind the item `after`. Blocks.
    pub fn audit_requests(&self, actor: &Actor, after: &str, limit: usize) -> Result<ItemsPage, Rejection> {
        let entity = entity(actor)?;
        if !actor.may(Verb::Read, None) {
            return Err(Rejection::Forbidden("this token does not allow reading".to_owned()));
        }
        let limit = limit.min(AUDIT_ITEMS_PAGE_MAX);
        let items = self
            .core
            .ledger
            .read::<_, LedgerError>(|now| now.audit_items(None, Some(entity), Some(ASKED), after, limit + 1))?;
        Ok(page(items, limit))
    }

    /// Takes evidence in. The same again changes nothing; other evidence for the same item cannot open the same commitment. Blocks.
    pub fn answer_audit(&self, actor: &Actor, id: &str, evidence: Vec<u8>) -> Result<AuditItem, Rejection> {
        let (entity, id, now_ms) = (entity(actor)?.to_owned(), id.to_owned(), self.core.now_ms());
        let (opens, actor) = (sha256(&[&evidence]), actor.clone());
        let answered = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            let item = tx.audit_item(&id)?.filter(|item| item.entity == entity).ok_or(Rejection::NotFound)?;
            if !actor.may(Verb::Write, tx.number_of(&item.label)?) {
                return Err(Rejection::Forbidden("this token does not allow changing this number".to_owned()));
            }
            if opens != item.evd {
                return Err(refusal::AUDIT_EVIDENCE.at("/evidence", "this does not open the commitment").into());
            }
            match item.state.as_str() {
                ANSWERED => return Ok(item),
                ASKED if now_ms < item.due_ms => {}
                ASKED | FAILED => return Err(wrong_state("the evidence was due before")),
                _ => return Err(wrong_state("this was judged already")),
            }
            tx.answer_audit_item(&id, &evidence, now_ms)?;
            tx.audit_item(&id)?.ok_or(Rejection::NotFound)
        });
        answered.wait_blocking()
    }
}

fn entity(actor: &Actor) -> Result<&str, Rejection> {
    actor.provider().ok_or_else(|| Rejection::Forbidden("evidence is for a validation entity to hand in".to_owned()))
}
