//! Audits: the tokens that may be drawn, each month's audit with its steps, what was drawn, and evidence while it is kept.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::key::Thumbprint;
use crate::log::label::Label;

/// An accepted token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditToken {
    /// Hash of the event that brought it.
    pub event: Hash,
    /// Its place there.
    pub n: u8,
    /// When the event was accepted.
    pub at_ms: u64,
    /// The validation entity.
    pub entity: String,
    /// Its methods' ids, one a line.
    pub methods: String,
    /// `new`, `renew` or `contest`.
    pub kind: String,
    /// Whether all its methods are weak by the charter of that day.
    pub weak: bool,
    /// The label that it is about.
    pub label: Label,
    /// The control key that it names.
    pub control: Thumbprint,
    /// Its commitment to the evidence.
    pub evd: Hash,
}

/// The audit of a month.
///
/// ```text
/// closed (population in the gov log) --the head is there, the beacon spoke--> drawn (evidence is asked for)
/// drawn --every item judged, or failed by time--> published (counts in the gov log)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// `2026-11`.
    pub period: String,
    /// `closed`, `drawn` or `published`.
    pub state: String,
    /// The time of the closing leaf.
    pub closed_ms: u64,
    /// How many tokens.
    pub count: u64,
    /// SHA-256 of the population.
    pub population: Hash,
    /// Strata with fewer tokens were told together.
    pub k_min: u64,
    /// The index of the closing leaf.
    pub close_leaf: u64,
    /// The head is not older than this epoch.
    pub from_epoch: u64,
    /// The index of the draw's leaf.
    pub draw_leaf: Option<u64>,
    /// When it was drawn.
    pub drawn_ms: Option<u64>,
    /// The signed head of the draw.
    pub checkpoint: Option<String>,
    /// When evidence was due at first.
    pub due_ms: Option<u64>,
    /// The index of the leaf with the counts.
    pub result_leaf: Option<u64>,
    /// When they were published.
    pub published_ms: Option<u64>,
}

/// A drawn token.
///
/// ```text
/// asked --evidence that opens evd--> answered --an auditor judges--> passed | failed (fault, clause)
///   '--due_ms is over--> failed (silent)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditItem {
    /// Names it: the first half of its commitment in hexadecimal digits.
    pub id: String,
    /// The audit.
    pub period: String,
    /// The validation entity.
    pub entity: String,
    /// The stratum that it was drawn from.
    pub stratum: String,
    /// Its methods' ids, one a line.
    pub methods: String,
    /// `new`, `renew` or `contest`.
    pub kind: String,
    /// The label that it is about.
    pub label: Label,
    /// The control key that it names.
    pub control: Thumbprint,
    /// Its commitment to the evidence.
    pub evd: Hash,
    /// When the token's event was accepted.
    pub token_ms: u64,
    /// `asked`, `answered`, `passed` or `failed`.
    pub state: String,
    /// When evidence is due.
    pub due_ms: u64,
    /// When it came.
    pub answered_ms: Option<u64>,
    /// Why it failed.
    pub fault: Option<String>,
    /// The clause that is broken.
    pub clause: Option<String>,
    /// Who judged; None: time.
    pub judged_by: Option<String>,
    /// When.
    pub judged_ms: Option<u64>,
}

/// How many drawn tokens of a stratum are in a state, with how many it has in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCount {
    /// The validation entity.
    pub entity: String,
    /// The stratum.
    pub stratum: String,
    /// Its tokens.
    pub size: u64,
    /// Of the drawn ones: those without a finding.
    pub waiting: u64,
    /// Those that stand.
    pub passed: u64,
    /// Those that do not.
    pub failed: u64,
    /// Of these, those that nobody spoke for.
    pub silent: u64,
}

const AUDIT: &str = "period, state, closed_ms, count, population, k_min, close_leaf, from_epoch, draw_leaf, drawn_ms, checkpoint, \
                     due_ms, result_leaf, published_ms";
const ITEM: &str = "id, period, entity, stratum, methods, kind, label, control, evd, token_ms, state, due_ms, answered_ms, fault, \
                    clause, judged_by, judged_ms";

impl Snapshot<'_> {
    /// The tokens whose events were accepted in [`from_ms`, `to_ms`).
    pub fn audit_tokens(&self, from_ms: u64, to_ms: u64) -> Result<Vec<AuditToken>, LedgerError> {
        let sql = "SELECT event, n, at_ms, entity, methods, kind, weak, label, control, evd FROM audit_tokens
                   WHERE at_ms >= ?1 AND at_ms < ?2 ORDER BY at_ms, event, n";
        self.all(sql, (int(from_ms), int(to_ms)), |row| {
            Ok(AuditToken {
                event: row.get(0)?,
                n: row.get(1)?,
                at_ms: uint(row, 2)?,
                entity: row.get(3)?,
                methods: row.get(4)?,
                kind: row.get(5)?,
                weak: row.get(6)?,
                label: Label(row.get(7)?),
                control: row.get(8)?,
                evd: row.get(9)?,
            })
        })
    }

    /// When the oldest token that may be drawn was accepted, from `from_ms` on.
    pub fn oldest_audit_token(&self, from_ms: u64) -> Result<Option<u64>, LedgerError> {
        let sql = "SELECT at_ms FROM audit_tokens WHERE at_ms >= ?1 ORDER BY at_ms LIMIT 1";
        self.first(sql, [int(from_ms)], |row| uint(row, 0))
    }

    /// The audit of a month.
    pub fn audit(&self, period: &str) -> Result<Option<AuditRow>, LedgerError> {
        self.first(&format!("SELECT {AUDIT} FROM audits WHERE period = ?1"), [period], audit)
    }

    /// Every audit, the newest month first: twelve a year.
    pub fn audits(&self) -> Result<Vec<AuditRow>, LedgerError> {
        self.all(&format!("SELECT {AUDIT} FROM audits ORDER BY period DESC"), [], audit)
    }

    /// The steps of an audit in their order.
    pub fn audit_steps(&self, period: &str) -> Result<Vec<(String, Option<String>, u64)>, LedgerError> {
        self.all("SELECT step, who, at_ms FROM audit_steps WHERE period = ?1 ORDER BY n", [period], |row| {
            Ok((row.get(0)?, row.get(1)?, uint(row, 2)?))
        })
    }

    /// A drawn token.
    pub fn audit_item(&self, id: &str) -> Result<Option<AuditItem>, LedgerError> {
        self.first(&format!("SELECT {ITEM} FROM audit_items WHERE id = ?1"), [id], item)
    }

    /// Drawn tokens behind `after` in the order of their ids: of an audit and of an entity if these are named, in a state if one is.
    pub fn audit_items(
        &self,
        period: Option<&str>,
        entity: Option<&str>,
        state: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<AuditItem>, LedgerError> {
        let sql = format!(
            "SELECT {ITEM} FROM audit_items WHERE (?1 IS NULL OR period = ?1) AND (?2 IS NULL OR entity = ?2)
             AND (?3 IS NULL OR state = ?3) AND id > ?4 ORDER BY id LIMIT ?5"
        );
        self.all(&sql, (period, entity, state, after, limit as i64), item)
    }

    /// Counts of an audit by entity and stratum; strata of which nothing was drawn have zeros.
    pub fn audit_counts(&self, period: &str) -> Result<Vec<AuditCount>, LedgerError> {
        let sql = "SELECT s.entity, s.stratum, s.size, coalesce(sum(i.state IN ('asked', 'answered')), 0),
                   coalesce(sum(i.state = 'passed'), 0), coalesce(sum(i.state = 'failed'), 0), coalesce(sum(i.fault = 'silent'), 0)
                   FROM audit_strata s LEFT JOIN audit_items i ON i.period = s.period AND i.entity = s.entity
                   AND i.stratum = s.stratum WHERE s.period = ?1 GROUP BY s.entity, s.stratum ORDER BY s.entity, s.stratum";
        self.all(sql, [period], |row| {
            Ok(AuditCount {
                entity: row.get(0)?,
                stratum: row.get(1)?,
                size: uint(row, 2)?,
                waiting: uint(row, 3)?,
                passed: uint(row, 4)?,
                failed: uint(row, 5)?,
                silent: uint(row, 6)?,
            })
        })
    }

    /// How many drawn tokens of an audit have no finding.
    pub fn audit_waiting(&self, period: &str) -> Result<u64, LedgerError> {
        let sql = "SELECT count(*) FROM audit_items WHERE period = ?1 AND state IN ('asked', 'answered')";
        Ok(self.first(sql, [period], |row| uint(row, 0))?.unwrap_or(0))
    }

    /// When the first evidence that is asked for is due; None: nothing is asked for.
    pub fn audit_due(&self) -> Result<Option<u64>, LedgerError> {
        let sql = "SELECT due_ms FROM audit_items WHERE state = 'asked' ORDER BY due_ms LIMIT 1";
        self.first(sql, [], |row| uint(row, 0))
    }

    /// The evidence of a drawn token, while it is kept.
    pub fn audit_evidence(&self, id: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        self.first("SELECT evidence FROM audit_evidence WHERE item = ?1", [id], |row| row.get(0))
    }

    /// The act that was proposed for the findings of an entity.
    pub fn audit_act(&self, period: &str, entity: &str) -> Result<Option<String>, LedgerError> {
        self.first("SELECT act FROM audit_acts WHERE period = ?1 AND entity = ?2", [period, entity], |row| row.get(0))
    }
}

impl Transaction<'_> {
    /// Notes an accepted token.
    pub fn add_audit_token(&self, token: &AuditToken) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO audit_tokens (event, n, at_ms, entity, methods, kind, weak, label, control, evd)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            (
                &token.event,
                token.n,
                int(token.at_ms),
                &token.entity,
                &token.methods,
                &token.kind,
                token.weak,
                &token.label.0,
                &token.control,
                &token.evd,
            ),
        )?;
        Ok(())
    }

    /// Adds the audit of a month, closed.
    pub fn add_audit(&self, row: &AuditRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO audits (period, state, closed_ms, count, population, k_min, close_leaf, from_epoch)
             VALUES (?1, 'closed', ?2, ?3, ?4, ?5, ?6, ?7)",
            (
                &row.period,
                int(row.closed_ms),
                int(row.count),
                &row.population,
                int(row.k_min),
                int(row.close_leaf),
                int(row.from_epoch),
            ),
        )?;
        Ok(())
    }

    /// An audit was drawn.
    pub fn draw_audit(&self, period: &str, leaf: u64, now_ms: u64, note: &str, due_ms: u64) -> Result<(), LedgerError> {
        self.change(
            "UPDATE audits SET state = 'drawn', draw_leaf = ?2, drawn_ms = ?3, checkpoint = ?4, due_ms = ?5 WHERE period = ?1",
            (period, int(leaf), int(now_ms), note, int(due_ms)),
        )?;
        Ok(())
    }

    /// Its counts were published.
    pub fn publish_audit(&self, period: &str, leaf: u64, now_ms: u64) -> Result<(), LedgerError> {
        self.change(
            "UPDATE audits SET state = 'published', result_leaf = ?2, published_ms = ?3 WHERE period = ?1",
            (period, int(leaf), int(now_ms)),
        )?;
        Ok(())
    }

    /// Adds a step to an audit.
    pub fn add_audit_step(&self, period: &str, step: &str, who: Option<&str>, at_ms: u64) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO audit_steps (period, n, step, who, at_ms)
             SELECT ?1, coalesce(max(n) + 1, 0), ?2, ?3, ?4 FROM audit_steps WHERE period = ?1",
            (period, step, who, int(at_ms)),
        )?;
        Ok(())
    }

    /// Notes how many tokens a stratum has.
    pub fn add_audit_stratum(&self, period: &str, entity: &str, stratum: &str, size: u64) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO audit_strata (period, entity, stratum, size) VALUES (?1, ?2, ?3, ?4)",
            (period, entity, stratum, int(size)),
        )?;
        Ok(())
    }

    /// Adds a drawn token: its evidence is asked for.
    pub fn add_audit_item(&self, item: &AuditItem) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO audit_items (id, period, entity, stratum, methods, kind, label, control, evd, token_ms, state, due_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'asked', ?11)",
            (
                &item.id,
                &item.period,
                &item.entity,
                &item.stratum,
                &item.methods,
                &item.kind,
                &item.label.0,
                &item.control,
                &item.evd,
                int(item.token_ms),
                int(item.due_ms),
            ),
        )?;
        Ok(())
    }

    /// Keeps the evidence of a drawn token.
    pub fn answer_audit_item(&self, id: &str, evidence: &[u8], now_ms: u64) -> Result<(), LedgerError> {
        self.change("UPDATE audit_items SET state = 'answered', answered_ms = ?2 WHERE id = ?1", (id, int(now_ms)))?;
        self.change(
            "INSERT OR REPLACE INTO audit_evidence (item, evidence, came_ms) VALUES (?1, ?2, ?3)",
            (id, evidence, int(now_ms)),
        )?;
        Ok(())
    }

    /// A drawn token was judged; a fault with its clause, or none. What it was about may be released already: then the
    /// evidence goes.
    pub fn judge_audit_item(
        &self,
        id: &str,
        fault: Option<(&str, &str)>,
        who: Option<&str>,
        now_ms: u64,
    ) -> Result<(), LedgerError> {
        let (state, fault, clause) = match fault {
            Some((fault, clause)) => ("failed", Some(fault), Some(clause)),
            None => ("passed", None, None),
        };
        self.change(
            "UPDATE audit_items SET state = ?2, fault = ?3, clause = ?4, judged_by = ?5, judged_ms = ?6 WHERE id = ?1",
            (id, state, fault, clause, who, int(now_ms)),
        )?;
        self.change(
            "DELETE FROM audit_evidence WHERE item = ?1 AND NOT EXISTS
             (SELECT 1 FROM audit_items JOIN personal USING (label) WHERE audit_items.id = ?1)",
            [id],
        )?;
        Ok(())
    }

    /// Fails what nobody spoke for in time, at most `limit`; gives how many, and of which audits.
    pub fn fail_silent(&self, fault: (&str, &str), now_ms: u64, limit: usize) -> Result<Vec<String>, LedgerError> {
        let sql = "UPDATE audit_items SET state = 'failed', fault = ?1, clause = ?2, judged_ms = ?3 WHERE id IN
                   (SELECT id FROM audit_items WHERE state = 'asked' AND due_ms <= ?3 ORDER BY due_ms LIMIT ?4) RETURNING period";
        self.all(sql, (fault.0, fault.1, int(now_ms), limit as i64), |row| row.get(0))
    }

    /// Gives everybody who is asked so much more time: the directory itself was away.
    pub fn extend_audits(&self, since_ms: u64, by_ms: u64) -> Result<Vec<String>, LedgerError> {
        let sql = "SELECT DISTINCT period FROM audit_items WHERE state = 'asked' AND due_ms > ?1";
        let periods = self.all(sql, [int(since_ms)], |row| row.get(0))?;
        let sql = "UPDATE audit_items SET due_ms = due_ms + ?2 WHERE state = 'asked' AND due_ms > ?1";
        self.change(sql, (int(since_ms), int(by_ms)))?;
        Ok(periods)
    }

    /// Notes the act that was proposed for the findings of an entity.
    pub fn set_audit_act(&self, period: &str, entity: &str, act: &str) -> Result<(), LedgerError> {
        let sql = "INSERT OR REPLACE INTO audit_acts (period, entity, act) VALUES (?1, ?2, ?3)";
        self.change(sql, (period, entity, act))?;
        Ok(())
    }

    /// Erases the evidence about a label, but what is still to be judged: it goes then.
    pub fn erase_judged_evidence(&self, label: &Label) -> Result<(), LedgerError> {
        let sql = "DELETE FROM audit_evidence WHERE item IN
                   (SELECT id FROM audit_items WHERE label = ?1 AND state IN ('passed', 'failed'))";
        self.change(sql, [&label.0])?;
        Ok(())
    }

    /// Forgets tokens accepted and evidence that came before `before_ms`, at most `limit` of each.
    pub fn purge_audits(&self, before_ms: u64, limit: usize) -> Result<(), LedgerError> {
        let sql = "DELETE FROM audit_tokens WHERE (at_ms, event, n) IN
                   (SELECT at_ms, event, n FROM audit_tokens WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)";
        self.change(sql, (int(before_ms), limit as i64))?;
        let sql = "DELETE FROM audit_evidence WHERE item IN
                   (SELECT item FROM audit_evidence WHERE came_ms < ?1 ORDER BY came_ms LIMIT ?2)";
        self.change(sql, (int(before_ms), limit as i64))?;
        Ok(())
    }
}

fn audit(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        period: row.get(0)?,
        state: row.get(1)?,
        closed_ms: uint(row, 2)?,
        count: uint(row, 3)?,
        population: row.get(4)?,
        k_min: uint(row, 5)?,
        close_leaf: uint(row, 6)?,
        from_epoch: uint(row, 7)?,
        draw_leaf: uint_option(row, 8)?,
        drawn_ms: uint_option(row, 9)?,
        checkpoint: row.get(10)?,
        due_ms: uint_option(row, 11)?,
        result_leaf: uint_option(row, 12)?,
        published_ms: uint_option(row, 13)?,
    })
}

fn item(row: &Row<'_>) -> rusqlite::Result<AuditItem> {
    Ok(AuditItem {
        id: row.get(0)?,
        period: row.get(1)?,
        entity: row.get(2)?,
        stratum: row.get(3)?,
        methods: row.get(4)?,
        kind: row.get(5)?,
        label: Label(row.get(6)?),
        control: row.get(7)?,
        evd: row.get(8)?,
        token_ms: uint(row, 9)?,
        state: row.get(10)?,
        due_ms: uint(row, 11)?,
        answered_ms: uint_option(row, 12)?,
        fault: row.get(13)?,
        clause: row.get(14)?,
        judged_by: row.get(15)?,
        judged_ms: uint_option(row, 16)?,
    })
}
