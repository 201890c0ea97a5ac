//! Spot checks (REGISTRY.md 10, 5): the operator itself sends a code to a drawn number, and the holder's device answers it, signed.
//!
//! Who answers has the line and the control key. Who does not answer proves nothing: people do not answer. The code is in
//! the message and nowhere else: the ledger has a hash, logs have nothing.

mod hook;
mod sender;
mod sip;
mod smpp;

use std::sync::{Arc, OnceLock};

use data_encoding::HEXLOWER;

use crate::authority::access::Actor;
use crate::authority::audits::person;
use crate::authority::error::Rejection;
use crate::authority::{Authority, Core};
use crate::ledger::{LedgerError, RevalidationRow, Transaction};
use crate::log::key::PublicKey;
use crate::log::label::Label;
use crate::log::random::{NoRandomness, Random};
use crate::log::{Hash, revalidation, sha256};
use crate::number::Number;
use crate::registry::acts::Power;
use crate::registry::terms::{DAY_MS, HOUR_MS};

pub use crate::authority::revalidations::sender::{CodeSender, NotSent, SenderError, sender_at};

/// How long a code is good: the device may be in a drawer.
pub const CODE_LIFE_MS: u64 = 24 * HOUR_MS;
/// Digits of a code.
const CODE_DIGITS: usize = 8;
/// Wrong codes that are taken, each signed by the right key: so few of a hundred million.
const WRONG_MAX: u64 = 5;
/// Codes to one number in a week: nobody is pestered.
const PER_NUMBER_MAX: u64 = 2;
const WEEK_MS: u64 = 7 * DAY_MS;
/// Codes in a week over all: what a sample needs, and no more may be sent to strangers by a stolen token.
const PER_WEEK_MAX: u64 = 5000;
/// Codes that expire in one look.
const EXPIRED_MAX: usize = 2000;

/// Who sends codes.
#[derive(Default)]
pub(super) struct Revalidating(OnceLock<Arc<dyn CodeSender>>);

impl Authority {
    /// Says who sends codes. Once.
    pub fn send_codes_by(&self, sender: Arc<dyn CodeSender>) {
        let _first_one_stays = self.core.revalidating.0.set(sender);
    }

    /// Sends a code to the number of a drawn token. Blocks for the sender, some seconds at most.
    pub fn revalidate(&self, actor: &Actor, item: &str) -> Result<RevalidationRow, Rejection> {
        actor.demand(Power::Audit)?;
        person(actor)?;
        let core = &self.core;
        let wanted = core.ledger.read::<_, Rejection>(|now| {
            let item = now.audit_item(item)?.ok_or(Rejection::NotFound)?;
            let number = now.number_of(&item.label)?;
            Ok((item.id, item.label, number))
        });
        let (item, label, number) = wanted?;
        let number = number.ok_or_else(|| Rejection::Conflict("the number was given back".to_owned()))?;
        let Some(sender) = core.revalidating.0.get() else {
            return Err(Rejection::Conflict("nobody sends codes here (audit.sender)".to_owned()));
        };
        let (row, code) = core.new_code(item, label)?;
        let (id, made) = (row.id.clone(), row.clone());
        let stored = core.ledger.write::<_, Rejection, _>(move |tx| {
            let (for_number, for_all) = tx.count_revalidations(&made.label, made.made_ms.saturating_sub(WEEK_MS))?;
            if for_number >= PER_NUMBER_MAX || for_all >= PER_WEEK_MAX {
                let why = if for_all >= PER_WEEK_MAX {
                    "too many codes this week"
                } else {
                    "this number had its codes this week"
                };
                return Err(Rejection::TooMany { retry_after_s: (DAY_MS / 1000) as u32, why: why.to_owned() });
            }
            Ok(tx.add_revalidation(&made)?)
        });
        stored.wait_blocking()?;
        let sent = sender.send(number, &text(&code, &core.settings.apex));
        if let Err(why) = &sent {
            tracing::warn!(%why, "a code could not be sent"); // neither code nor number
        }
        let sent = sent.is_ok();
        let noted = core.ledger.write::<_, LedgerError, _>(move |tx| tx.note_revalidation_sent(&id, sent));
        noted.wait_blocking()?;
        Ok(RevalidationRow { state: if sent { "sent" } else { "unsent" }.to_owned(), ..row })
    }

    /// The codes that were sent for a drawn token. Blocks.
    pub fn revalidations(&self, actor: &Actor, item: &str) -> Result<Vec<RevalidationRow>, Rejection> {
        actor.demand(Power::Audit)?;
        self.core.ledger.read(|now| {
            now.audit_item(item)?.ok_or(Rejection::NotFound)?;
            Ok(now.revalidations_of(item)?)
        })
    }

    /// Takes the answer of a holder's device. Whatever is not right, the answer is the same [`Rejection::NotFound`]: whether the
    /// number is registered, whether a code was sent, whether the key or the code is another. Blocks.
    pub fn answer_code(
        &self,
        number: Number,
        code: &str,
        key: &PublicKey,
        signature: &[u8; 64],
    ) -> Result<(), Rejection> {
        let core = &self.core;
        if !key.verify(&revalidation::tbs(&core.origin, number, code), signature) {
            return Err(Rejection::NotFound);
        }
        let label = core.labels.of(&core.keys.vrf, &core.origin, number).0;
        let (control, code, now_ms) = (key.thumbprint(), code.to_owned(), core.now_ms());
        let answered = core.ledger.write::<_, LedgerError, _>(move |tx| answer(tx, &label, &control, &code, now_ms));
        if answered.wait_blocking()? { Ok(()) } else { Err(Rejection::NotFound) }
    }
}

/// Whether the answer is right. Only who holds the control key can count a wrong one up.
fn answer(tx: &Transaction<'_>, label: &Label, control: &Hash, code: &str, now_ms: u64) -> Result<bool, LedgerError> {
    let holds = tx.standing(label)?.is_some_and(|standing| standing.entry.state.control == *control);
    let Some(row) = tx.open_revalidation(label, now_ms)?.filter(|_| holds) else { return Ok(false) };
    if digest(&row.id, code) == row.code {
        tx.end_revalidation(&row.id, "confirmed", now_ms)?;
        return Ok(true);
    }
    tx.note_wrong_answer(&row.id)?;
    if row.wrong + 1 >= WRONG_MAX {
        tx.end_revalidation(&row.id, "wrong", now_ms)?;
    }
    Ok(false)
}

impl Core {
    fn new_code(&self, item: String, label: Label) -> Result<(RevalidationRow, String), NoRandomness> {
        let mut id = [0; 12];
        self.random.fill(&mut id)?;
        let (id, code, now_ms) = (HEXLOWER.encode(&id), code(&self.random)?, self.now_ms());
        let row = RevalidationRow {
            code: digest(&id, &code),
            id,
            item,
            label,
            made_ms: now_ms,
            expires_ms: now_ms.saturating_add(CODE_LIFE_MS),
            wrong: 0,
            state: "sending".to_owned(),
            done_ms: None,
        };
        Ok((row, code))
    }

    /// Ends codes that nobody answered.
    pub(super) fn codes_fall_due(&self, now_ms: u64) -> Result<(), LedgerError> {
        self.ledger.write::<_, LedgerError, _>(move |tx| tx.expire_revalidations(now_ms, EXPIRED_MAX)).wait_blocking()
    }
}

/// Eight digits, each as likely as the others.
fn code(random: &dyn Random) -> Result<String, NoRandomness> {
    let mut digits = String::with_capacity(CODE_DIGITS);
    while digits.len() < CODE_DIGITS {
        let mut byte = [0; 1];
        random.fill(&mut byte)?;
        // 250 is the greatest multiple of ten that fits.
        if byte[0] < 250 {
            digits.push(char::from(b'0' + byte[0] % 10));
        }
    }
    Ok(digits)
}

fn digest(id: &str, code: &str) -> Hash {
    sha256(&[b"callbook/revalidation-code/v1\0", id.as_bytes(), b"\0", code.as_bytes()])
}

/// What is sent: ASCII, and one SMS (160 letters) whatever the apex is.
fn text(code: &str, apex: &str) -> String {
    let apex: String = apex.trim_end_matches('.').chars().take(45).collect();
    format!(
        "{code} is the code of {apex}, which checks your entry. Answer it with your device. Not registered there? Tell us."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::random::Seeded;

    #[test]
    fn a_message_is_one_sms_and_begins_with_its_code() {
        let apex = format!("{}.", "e164.".repeat(30));
        let sent = text("12345678", &apex);
        assert!(sent.len() <= 160 && sent.is_ascii() && sent.starts_with("12345678 "), "{}: {sent}", sent.len());
    }

    #[test]
    fn codes_are_digits_and_seldom_the_same() {
        let random = Seeded::new([1; 32]);
        let codes: std::collections::BTreeSet<String> = (0..100).map(|_| code(&random).unwrap()).collect();
        assert!(codes.iter().all(|code| code.len() == CODE_DIGITS && code.bytes().all(|byte| byte.is_ascii_digit())));
        assert!(codes.len() >= 99);
        assert_ne!(digest("a", "12345678"), digest("b", "12345678"));
    }
}
