//! The operator's acts: what was asked for, every step with who and when, and which labels an act is about.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::label::Label;

/// An act as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActRow {
    /// Its place in the order of asking; 0 in one that is to be added.
    pub seq: u64,
    /// Names it in the API and in orders of the gov log.
    pub id: String,
    /// The kind's name.
    pub kind: String,
    /// What it is about, JSON without numbers.
    pub parameters: String,
    /// The clause that it rests on.
    pub clause: String,
    /// Why, for the operator's own people.
    pub reason: String,
    /// `open`, `done`, `withdrawn` or `expired`.
    pub state: String,
    /// How many people it needs.
    pub hands: u64,
    /// When it was asked for.
    pub asked_ms: u64,
    /// When it expires without approval.
    pub expires_ms: u64,
    /// The index of the gov leaf that it led to.
    pub gov: Option<u64>,
    /// Of a suspension of numbers: its end, Unix seconds.
    pub until_s: Option<u64>,
    /// Person and Idempotency-Key of the request.
    pub request: Option<String>,
    /// SHA-256 of what was asked for.
    pub digest: Hash,
}

/// A step of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// `asked`, `approved`, `withdrawn`, `expired` or `done`.
    pub step: String,
    /// Whose it was; None: the register's own.
    pub who: Option<String>,
    /// When.
    pub at_ms: u64,
}

/// A label that an act is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActLabel {
    /// The label.
    pub label: Label,
    /// The accepted event.
    pub event: Option<u64>,
}

/// A provider's newest sanction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanctionRow {
    /// The act that made it; None: time did.
    pub act: Option<u64>,
    /// When.
    pub at_ms: u64,
    /// When the provider appealed.
    pub appealed_ms: Option<u64>,
    /// When the appeal was lost.
    pub decided_ms: Option<u64>,
}

const COLUMNS: &str =
    "seq, id, kind, parameters, clause, reason, state, hands, asked_ms, expires_ms, gov, until_s, request, digest";

impl Snapshot<'_> {
    /// The act of that id.
    pub fn act(&self, id: &str) -> Result<Option<ActRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM acts WHERE id = ?1"), [id], stored)
    }

    /// The act that was asked for under this person's Idempotency-Key.
    pub fn act_of_request(&self, request: &str) -> Result<Option<ActRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM acts WHERE request = ?1"), [request], stored)
    }

    /// Acts before `before` (0: from the newest on), the newest first; only those of a state, if one is named.
    pub fn acts(&self, before: u64, state: Option<&str>, limit: usize) -> Result<Vec<ActRow>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM acts WHERE (?1 = 0 OR seq < ?1) AND (?2 IS NULL OR state = ?2) ORDER BY seq DESC LIMIT ?3"
        );
        self.all(&sql, (int(before), state, limit as i64), stored)
    }

    /// Open acts whose time is over, the oldest first.
    pub fn acts_expired(&self, now_ms: u64, limit: usize) -> Result<Vec<ActRow>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM acts WHERE state = 'open' AND expires_ms <= ?1 ORDER BY expires_ms, seq LIMIT ?2"
        );
        self.all(&sql, (int(now_ms), limit as i64), stored)
    }

    /// The steps of an act in their order.
    pub fn act_steps(&self, act: u64) -> Result<Vec<StepRow>, LedgerError> {
        self.all("SELECT step, who, at_ms FROM act_steps WHERE act = ?1 ORDER BY n", [int(act)], |row| {
            Ok(StepRow { step: row.get(0)?, who: row.get(1)?, at_ms: uint(row, 2)? })
        })
    }

    /// The labels of an act after `after`, in order.
    pub fn act_labels(&self, act: u64, after: Option<&Label>, limit: usize) -> Result<Vec<ActLabel>, LedgerError> {
        let sql =
            "SELECT label, event FROM act_labels WHERE act = ?1 AND (?2 IS NULL OR label > ?2) ORDER BY label LIMIT ?3";
        self.all(sql, (int(act), after.map(|label| label.0), limit as i64), |row| {
            Ok(ActLabel { label: Label(row.get(0)?), event: uint_option(row, 1)? })
        })
    }

    /// One label of an act.
    pub fn act_label(&self, act: u64, label: &Label) -> Result<Option<ActLabel>, LedgerError> {
        self.first("SELECT label, event FROM act_labels WHERE act = ?1 AND label = ?2", (int(act), &label.0), |row| {
            Ok(ActLabel { label: Label(row.get(0)?), event: uint_option(row, 1)? })
        })
    }

    /// How many labels an act is about, and of how many the event was accepted.
    pub fn count_act_labels(&self, act: u64) -> Result<(u64, u64), LedgerError> {
        let sql = "SELECT count(*), count(event) FROM act_labels WHERE act = ?1";
        Ok(self.first(sql, [int(act)], |row| Ok((uint(row, 0)?, uint(row, 1)?)))?.unwrap_or((0, 0)))
    }

    /// Suspensions that end by `by_s` and still hold numbers for which no act was prepared, the earliest first: act and numbers.
    pub fn suspensions_ending(&self, by_s: u64, limit: usize) -> Result<Vec<(ActRow, Vec<Label>)>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM acts WHERE until_s IS NOT NULL AND until_s <= ?1 AND followed IS NULL AND EXISTS
             (SELECT 1 FROM act_labels WHERE act = seq AND event IS NOT NULL AND over = 0) ORDER BY until_s, seq LIMIT ?2"
        );
        let acts = self.all(&sql, (int(by_s), limit as i64), stored)?;
        let held = "SELECT label FROM act_labels WHERE act = ?1 AND event IS NOT NULL AND over = 0 ORDER BY label";
        acts.into_iter()
            .map(|act| {
                let labels = self.all(held, [int(act.seq)], |row| row.get(0).map(Label))?;
                Ok((act, labels))
            })
            .collect()
    }

    /// How many numbers are withheld past the end of their order.
    pub fn count_overdue(&self, now_s: u64) -> Result<u64, LedgerError> {
        let sql = "SELECT count(*) FROM acts JOIN act_labels ON act = seq
                   WHERE until_s IS NOT NULL AND until_s <= ?1 AND event IS NOT NULL AND over = 0";
        Ok(self.first(sql, [int(now_s)], |row| uint(row, 0))?.unwrap_or(0))
    }

    /// Bulk doors that were ordered and are not closed by time: the provider, when it closes (Unix seconds), and how many
    /// numbers are still with it.
    pub fn bulk_doors(&self, now_s: u64) -> Result<Vec<(String, u64, u64)>, LedgerError> {
        let sql = "SELECT json_extract(parameters, '$.provider') AS of, max(until_s), coalesce((SELECT numbers FROM holdings
                   WHERE provider = json_extract(parameters, '$.provider')), 0) FROM acts
                   WHERE until_s IS NOT NULL AND until_s > ?1 AND kind = 'bulk-door' AND state = 'done' GROUP BY of ORDER BY of";
        self.all(sql, [int(now_s)], |row| Ok((row.get(0)?, uint(row, 1)?, uint(row, 2)?)))
    }

    /// The newest sanction of a provider.
    pub fn sanction(&self, provider: &str) -> Result<Option<SanctionRow>, LedgerError> {
        self.first("SELECT act, at_ms, appealed_ms, decided_ms FROM sanctions WHERE provider = ?1", [provider], |row| {
            Ok(SanctionRow {
                act: uint_option(row, 0)?,
                at_ms: uint(row, 1)?,
                appealed_ms: uint_option(row, 2)?,
                decided_ms: uint_option(row, 3)?,
            })
        })
    }
}

impl Transaction<'_> {
    /// Adds an act; gives its place.
    pub fn add_act(&self, act: &ActRow) -> Result<u64, LedgerError> {
        self.change(
            "INSERT INTO acts (id, kind, parameters, clause, reason, state, hands, asked_ms, expires_ms, gov, until_s, request, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            (
                &act.id,
                &act.kind,
                &act.parameters,
                &act.clause,
                &act.reason,
                &act.state,
                int(act.hands),
                int(act.asked_ms),
                int(act.expires_ms),
                act.gov.map(int),
                act.until_s.map(int),
                &act.request,
                &act.digest,
            ),
        )?;
        Ok(self.last_insert_rowid())
    }

    /// Adds a step to an act.
    pub fn add_act_step(&self, act: u64, step: &str, who: Option<&str>, at_ms: u64) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO act_steps (act, n, step, who, at_ms)
             SELECT ?1, coalesce(max(n) + 1, 0), ?2, ?3, ?4 FROM act_steps WHERE act = ?1",
            (int(act), step, who, int(at_ms)),
        )?;
        Ok(())
    }

    /// Closes an act, with the leaf that it led to and the end that it sets.
    pub fn close_act(&self, act: u64, state: &str, gov: Option<u64>, until_s: Option<u64>) -> Result<(), LedgerError> {
        self.change(
            "UPDATE acts SET state = ?2, gov = ?3, until_s = ?4 WHERE seq = ?1",
            (int(act), state, gov.map(int), until_s.map(int)),
        )?;
        Ok(())
    }

    /// Adds a label to an act.
    pub fn add_act_label(&self, act: u64, label: &Label) -> Result<(), LedgerError> {
        self.change("INSERT OR IGNORE INTO act_labels (act, label) VALUES (?1, ?2)", (int(act), &label.0))?;
        Ok(())
    }

    /// Notes the accepted event of a label of an act.
    pub fn note_act_event(&self, act: u64, label: &Label, event: u64) -> Result<(), LedgerError> {
        self.change(
            "UPDATE act_labels SET event = ?3 WHERE act = ?1 AND label = ?2",
            (int(act), &label.0, int(event)),
        )?;
        Ok(())
    }

    /// The operator's suspension of a label is over: it was resumed or released.
    pub fn end_suspension(&self, label: &Label) -> Result<(), LedgerError> {
        self.change("UPDATE act_labels SET over = 1 WHERE label = ?1 AND event IS NOT NULL AND over = 0", [&label.0])?;
        Ok(())
    }

    /// Notes the act that was prepared to end a suspension.
    pub fn follow_act(&self, act: u64, followed: u64) -> Result<(), LedgerError> {
        self.change("UPDATE acts SET followed = ?2 WHERE seq = ?1", (int(act), int(followed)))?;
        Ok(())
    }

    /// A prepared act came to nothing: what it was prepared for is due again.
    pub fn unfollow_act(&self, prepared: u64, now_ms: u64) -> Result<(), LedgerError> {
        self.change("UPDATE acts SET followed = NULL WHERE followed = ?1", [int(prepared)])?;
        self.change("UPDATE compromised SET due_ms = ?2, act = NULL WHERE act = ?1", (int(prepared), int(now_ms)))?;
        Ok(())
    }

    /// Notes a provider's newest sanction, or that there is none.
    pub fn set_sanction(&self, provider: &str, sanction: Option<&SanctionRow>) -> Result<(), LedgerError> {
        match sanction {
            None => self.change("DELETE FROM sanctions WHERE provider = ?1", [provider])?,
            Some(sanction) => self.change(
                "INSERT OR REPLACE INTO sanctions (provider, act, at_ms, appealed_ms, decided_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                (
                    provider,
                    sanction.act.map(int),
                    int(sanction.at_ms),
                    sanction.appealed_ms.map(int),
                    sanction.decided_ms.map(int),
                ),
            )?,
        };
        Ok(())
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<ActRow> {
    Ok(ActRow {
        seq: uint(row, 0)?,
        id: row.get(1)?,
        kind: row.get(2)?,
        parameters: row.get(3)?,
        clause: row.get(4)?,
        reason: row.get(5)?,
        state: row.get(6)?,
        hands: uint(row, 7)?,
        asked_ms: uint(row, 8)?,
        expires_ms: uint(row, 9)?,
        gov: uint_option(row, 10)?,
        until_s: uint_option(row, 11)?,
        request: row.get(12)?,
        digest: row.get(13)?,
    })
}
