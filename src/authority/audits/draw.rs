//! The draw of a closed month: by a head of the map log that came after, and a beacon's round if there is one.

use std::collections::HashMap;

use crate::authority::access::Actor;
use crate::authority::audits::time::SEEN;
use crate::authority::audits::{ASKED, Audit, CLOSED, DRAW_LEAF, DRAWN, id_of, leaf_text, read_leaf, wrong_state};
use crate::authority::error::Rejection;
use crate::authority::feed::AUDIT_KIND;
use crate::authority::ruling::Ruling;
use crate::authority::{Authority, Core};
use crate::ledger::{AuditItem, AuditRow, AuditToken, Changed, EpochRow, LedgerError, Snapshot, Transaction};
use crate::log::gov::GovLeaf;
use crate::log::label::Label;
use crate::log::note::Note;
use crate::log::{Hash, ZERO};
use crate::registry::acts::Power;
use crate::registry::audit::draw::{Drawn, count, digest, draw};
use crate::registry::audit::period::Period;
use crate::registry::audit::population::{Population, commitment};
use crate::registry::audit::seed::{Round, seed};
use crate::registry::audit::verify::{Closed, DrawSaid};
use crate::registry::terms::DAY_MS;

/// Bytes of what a beacon says in one round: a hash, or a signature.
pub const BEACON_VALUE_BYTES_MAX: usize = 128;
/// How long cosignatures of the head are waited for; witnesses that are away do not hold an audit up.
const COSIGNED_WITHIN_MS: u64 = 600_000;
/// Epochs looked at for the head, which is the first or second behind the closing leaf.
const EPOCHS_MAX: usize = 64;

impl Authority {
    /// Draws the audit of a closed month; `value` is what the beacon said, if one is configured. Drawn already: nothing happens.
    /// Blocks.
    pub fn draw_audit(&self, actor: &Actor, period: &str, value: Option<(u64, Vec<u8>)>) -> Result<Audit, Rejection> {
        actor.demand(Power::Audit)?;
        let who = actor.person.as_ref().map(|person| person.id.clone());
        self.core.draw_audit(period, value, who)?;
        self.audit_of(period)
    }
}

/// The head of a draw.
struct Head {
    note: String,
    text: String,
    cosigned: (u64, u64),
}

impl Core {
    /// Draws, unless it is done.
    pub(super) fn draw_audit(
        &self,
        period: &str,
        value: Option<(u64, Vec<u8>)>,
        who: Option<String>,
    ) -> Result<(), Rejection> {
        self.rule(|law| {
            let row = self.ledger.read::<_, LedgerError>(|now| now.audit(period))?.ok_or(Rejection::NotFound)?;
            if row.state != CLOSED {
                return Ok(Ruling::new(Vec::new(), |_, _| Ok(())));
            }
            let (leaf, head) = self.ledger.read::<_, Rejection>(|now| {
                let leaf = read_leaf(&leaf_text(now, row.close_leaf)?).ok_or(LedgerError::Damaged("a closing leaf"))?;
                Ok((leaf, self.head_of(now, &row)?))
            })?;
            let round = self.round(&leaf, value)?;
            let closed = Closed::read(&leaf.body).ok_or(LedgerError::Damaged("a closing leaf"))?;
            let text = self.population_of(&row)?;
            let population = Population::parse(&text).map_err(|_| LedgerError::Damaged("a population"))?;
            let seed = seed(&head.text, round.as_ref());
            let drawn = draw(&population, &closed.rules, &seed);
            let said = DrawSaid {
                period: closed.period,
                head: head.text,
                round,
                cosigned: head.cosigned,
                seed,
                count: count(&drawn),
                drawn: digest(&drawn),
            };
            let now_ms = self.now_ms();
            let due_ms = now_ms.saturating_add(law.policy_at(now_ms).audit_evidence_due_d * DAY_MS);
            let items = self.items(closed.period, &drawn, due_ms)?;
            let (name, note) = (row.period, head.note);
            Ok(Ruling::new(vec![(DRAW_LEAF, said.body())], move |tx, leaf| {
                for (entity, parts) in &drawn {
                    for part in parts {
                        tx.add_audit_stratum(&name, entity, &part.stratum.to_string(), part.size)?;
                    }
                }
                items.iter().try_for_each(|item| tx.add_audit_item(item))?;
                tell(tx, &drawn, now_ms)?;
                tx.set_meta(SEEN, &now_ms.to_be_bytes())?;
                tx.draw_audit(&name, leaf, now_ms, &note, due_ms)?;
                tx.add_audit_step(&name, DRAWN, who.as_deref(), now_ms)
            }))
        })
    }

    /// The first head that rests on the closing leaf; it is fixed by that leaf, and nobody chooses it.
    fn head_of(&self, now: &Snapshot<'_>, row: &AuditRow) -> Result<Head, Rejection> {
        let newest = now.newest_epoch_position()?;
        // A new era counts its epochs anew.
        let from = if newest.n < row.from_epoch { 1 } else { row.from_epoch };
        let epochs = now.epochs_from(from, EPOCHS_MAX)?;
        let rests = |epoch: &EpochRow| epoch.n > 0 && epoch.gov_size > row.close_leaf;
        let head = epochs.into_iter().find(rests).and_then(|epoch| Some((epoch.time_ms, epoch.note?)));
        let (time_ms, note) =
            head.ok_or_else(|| wrong_state("no head of the map log rests on the closing leaf yet"))?;
        let witnesses = self.witness_policy().0;
        let opened = Note::open(&note, &witnesses).map_err(|_| LedgerError::Damaged("a checkpoint"))?;
        let cosigned = (opened.signed.len() as u64, witnesses.len() as u64);
        if cosigned.0 < cosigned.1 && self.now_ms() < time_ms.saturating_add(COSIGNED_WITHIN_MS) {
            return Err(wrong_state("witnesses may still cosign the head: ten minutes are left to them"));
        }
        Ok(Head { text: opened.text, note, cosigned })
    }

    /// What the beacon said in the round that the closing leaf fixes. That it said so is for everybody to check: it is public.
    fn round(&self, leaf: &GovLeaf, value: Option<(u64, Vec<u8>)>) -> Result<Option<Round>, Rejection> {
        let Some(beacon) = self.auditing.beacon.get() else {
            return match value {
                None => Ok(None),
                Some(_) => Err(wrong_state("no beacon is configured (audit.beacon_chain)")),
            };
        };
        let round = beacon.round_after(leaf.time_ms);
        let wanted = || {
            let at = crate::clock::rfc3339(beacon.time_s(round));
            wrong_state(format!("round {round} of the beacon {} is needed, which comes at {at}", beacon.chain))
        };
        let (named, value) = value.ok_or_else(wanted)?;
        let fits = named == round
            && (16..=BEACON_VALUE_BYTES_MAX).contains(&value.len())
            && self.now_ms() / 1000 >= beacon.time_s(round);
        if fits { Ok(Some(Round { chain: beacon.chain.clone(), round, value })) } else { Err(wanted()) }
    }

    fn items(&self, period: Period, drawn: &Drawn, due_ms: u64) -> Result<Vec<AuditItem>, Rejection> {
        let rows = self.ledger.read::<_, LedgerError>(|now| now.audit_tokens(period.from_ms(), period.to_ms()))?;
        let rows: HashMap<Hash, AuditToken> =
            rows.into_iter().map(|row| (commitment(&row.event, row.n, &row.evd), row)).collect();
        let mut items = Vec::new();
        for (entity, parts) in drawn {
            for part in parts {
                for item in &part.drawn {
                    let row = rows.get(item).ok_or(LedgerError::Damaged("a drawn token is missing"))?;
                    items.push(AuditItem {
                        id: id_of(item),
                        period: period.to_string(),
                        entity: entity.clone(),
                        stratum: part.stratum.to_string(),
                        methods: row.methods.clone(),
                        kind: row.kind.clone(),
                        label: row.label,
                        control: row.control,
                        evd: row.evd,
                        token_ms: row.at_ms,
                        state: ASKED.to_owned(),
                        due_ms,
                        answered_ms: None,
                        fault: None,
                        clause: None,
                        judged_by: None,
                        judged_ms: None,
                    });
                }
            }
        }
        Ok(items)
    }
}

/// Tells each entity that it is asked, in its feed: one row, whatever is asked for, without a number.
fn tell(tx: &Transaction<'_>, drawn: &Drawn, now_ms: u64) -> Result<(), LedgerError> {
    let epoch = tx.newest_epoch_position()?.n;
    let row = Changed {
        epoch,
        time_ms: now_ms,
        label: Label(ZERO),
        kind: AUDIT_KIND,
        door: 0,
        version: 0,
        event: None,
        before: None,
        after: None,
        requester: None,
        notice: None,
    };
    let entities: Vec<[String; 1]> = drawn.keys().map(|entity| [entity.clone()]).collect();
    tx.add_changes(entities.iter().map(|entity| (&row, &entity[..])))
}
