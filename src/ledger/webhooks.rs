//! Webhooks: the endpoints that the change feed is sent to, how far each has come, and its latest attempts.

use rusqlite::Row;

use crate::ledger::error::LedgerError;
use crate::ledger::snapshot::{Snapshot, int, uint, uint_option};
use crate::ledger::transaction::Transaction;

/// Whether anything is sent to an endpoint.
///
/// ```text
/// ACTIVE <--the owner--> PAUSED
///    |--410 Gone--> GONE      |--no success for days--> FAILED     (the owner makes it active again)
///    '--its place is older than the feed--> BEHIND                 (the owner gives it another place)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// Changes are sent.
    Active,
    /// Its owner stopped it.
    Paused,
    /// It answered 410 Gone.
    Gone,
    /// It took nothing for days.
    Failed,
    /// Changes that it has not got are not kept any more.
    Behind,
}

impl WebhookState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Active, Self::Paused, Self::Gone, Self::Failed, Self::Behind];

    /// Its name in the ledger and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Gone => "gone",
            Self::Failed => "failed",
            Self::Behind => "behind",
        }
    }
}

/// How far an endpoint has come: what attempts change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookProgress {
    /// Whether anything is sent to it.
    pub state: WebhookState,
    /// Everything up to this place of its owner's count was taken.
    pub place: u64,
    /// No attempt before, in milliseconds.
    pub next_ms: u64,
    /// Attempts that failed in a row.
    pub failures: u64,
    /// When the first of these was.
    pub failing_ms: Option<u64>,
    /// When something was taken last, and the HTTP status.
    pub succeeded: Option<(u64, u16)>,
    /// When an attempt failed last, the HTTP status if an answer came, and why.
    pub failed: Option<(u64, Option<u16>, String)>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRow {
    /// Its place in the order in which endpoints were made; 0 in one that is about to be added.
    pub seq: u64,
    /// Names it.
    pub id: String,
    /// The provider whose feed is sent; None: the operator's.
    pub owner: Option<String>,
    /// Where to.
    pub url: String,
    /// Which kinds of changes; none means all.
    pub kinds: Vec<String>,
    /// What its owner calls it.
    pub description: String,
    /// When it was made.
    pub made_ms: u64,
    /// Counts what its owner sets.
    pub edition: u64,
    /// How far it has come.
    pub progress: WebhookProgress,
}

/// An attempt to deliver something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    /// The place of the change; None: a test.
    pub place: Option<u64>,
    /// When it began.
    pub at_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// Why it does not count as taken.
    pub why: Option<String>,
}

const COLUMNS: &str = "seq, id, owner, url, kinds, description, made_ms, edition, state, place, next_ms, failures, failing_ms, \
                       succeeded_ms, succeeded_status, failed_ms, failed_status, failed_why";

/// Endpoints to which something visible at epoch ?2 is to be sent, or whose place was forgotten.
const HAS_NEWS: &str = "CASE owner WHEN '' THEN
        place < coalesce((SELECT purged FROM change_heads h WHERE h.provider = ''), 0)
        OR coalesce((SELECT c.epoch FROM changes c WHERE c.seq > place ORDER BY c.seq LIMIT 1) <= ?2, 0)
    ELSE
        place < coalesce((SELECT purged FROM change_heads h WHERE h.provider = owner), 0)
        OR coalesce((SELECT c.epoch FROM change_readers r JOIN changes c ON c.seq = r.seq
                     WHERE r.provider = owner AND r.n > place ORDER BY r.n LIMIT 1) <= ?2, 0)
    END";

impl Snapshot<'_> {
    /// The endpoint of this id.
    pub fn webhook(&self, id: &str) -> Result<Option<WebhookRow>, LedgerError> {
        self.first(&format!("SELECT {COLUMNS} FROM webhooks WHERE id = ?1"), [id], stored)?.transpose()
    }

    /// The endpoints of an owner after place `after` in the order in which they were made, at most `limit`.
    pub fn webhooks_of(&self, owner: Option<&str>, after: u64, limit: usize) -> Result<Vec<WebhookRow>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE owner = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
        self.all(&sql, (owner.unwrap_or(""), int(after), limit as i64), stored)?.into_iter().collect()
    }

    /// Everybody's endpoints after place `after` in the order in which they were made, at most `limit`.
    pub fn webhooks_after(&self, after: u64, limit: usize) -> Result<Vec<WebhookRow>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM webhooks WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        self.all(&sql, (int(after), limit as i64), stored)?.into_iter().collect()
    }

    /// When the first change behind a place of a reader happened, in milliseconds; the operator is `None`.
    pub fn change_time_after(&self, reader: Option<&str>, place: u64) -> Result<Option<u64>, LedgerError> {
        match reader {
            Some(provider) => {
                let sql = "SELECT c.time_ms FROM change_readers r JOIN changes c ON c.seq = r.seq
                           WHERE r.provider = ?1 AND r.n > ?2 ORDER BY r.n LIMIT 1";
                self.first(sql, (provider, int(place)), |row| uint(row, 0))
            }
            None => {
                let sql = "SELECT time_ms FROM changes WHERE seq > ?1 ORDER BY seq LIMIT 1";
                self.first(sql, [int(place)], |row| uint(row, 0))
            }
        }
    }

    /// Active endpoints whose time has come and for which there is something at `epoch`, who has waited longest first.
    pub fn webhooks_due(&self, now_ms: u64, epoch: u64, limit: usize) -> Result<Vec<WebhookRow>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM webhooks WHERE state = 'active' AND next_ms <= ?1 AND ({HAS_NEWS})
             ORDER BY next_ms, seq LIMIT ?3"
        );
        self.all(&sql, (int(now_ms), int(epoch), limit as i64), stored)?.into_iter().collect()
    }

    /// When the next active endpoint's time comes, after `now_ms`.
    pub fn webhook_next_ms(&self, now_ms: u64) -> Result<Option<u64>, LedgerError> {
        let sql = "SELECT min(next_ms) FROM webhooks WHERE state = 'active' AND next_ms > ?1";
        Ok(self.first(sql, [int(now_ms)], |row| uint_option(row, 0))?.flatten())
    }

    /// How many endpoints are in each state, in the order of [`WebhookState::ALL`].
    pub fn count_webhooks(&self) -> Result<[u64; 5], LedgerError> {
        let mut counts = [0; 5];
        let rows = self.all("SELECT state, count(*) FROM webhooks GROUP BY state", [], |row| {
            Ok((row.get::<_, String>(0)?, uint(row, 1)?))
        })?;
        for (state, count) in WebhookState::ALL.iter().zip(&mut counts) {
            *count = rows.iter().find(|(name, _)| name == state.name()).map_or(0, |(_, n)| *n);
        }
        Ok(counts)
    }

    /// The latest attempts of an endpoint, the newest first.
    pub fn webhook_attempts(&self, seq: u64) -> Result<Vec<WebhookAttempt>, LedgerError> {
        let sql = "SELECT place, at_ms, took_ms, status, why FROM webhook_attempts WHERE webhook = ?1 ORDER BY n DESC";
        self.all(sql, [int(seq)], |row| {
            Ok(WebhookAttempt {
                place: uint_option(row, 0)?,
                at_ms: uint(row, 1)?,
                took_ms: uint(row, 2)?,
                status: row.get(3)?,
                why: row.get(4)?,
            })
        })
    }
}

impl Transaction<'_> {
    /// Adds an endpoint.
    pub fn add_webhook(&self, row: &WebhookRow) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO webhooks (id, owner, url, kinds, description, made_ms, edition, state, place, next_ms, failures)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, 0)",
            (
                &row.id,
                row.owner.as_deref().unwrap_or(""),
                &row.url,
                row.kinds.join("\n"),
                &row.description,
                int(row.made_ms),
                row.progress.state.name(),
                int(row.progress.place),
                int(row.progress.next_ms),
            ),
        )?;
        Ok(())
    }

    /// Sets what an owner may set; attempts that are under way do not write over it.
    pub fn set_webhook(&self, row: &WebhookRow) -> Result<(), LedgerError> {
        let kinds = row.kinds.join("\n");
        self.change(
            "UPDATE webhooks SET url = ?2, kinds = ?3, description = ?4, edition = edition + 1 WHERE seq = ?1",
            (int(row.seq), &row.url, &kinds, &row.description),
        )?;
        self.set_progress(row.seq, &row.progress)
    }

    /// Keeps attempts of an endpoint that is there, the newest `kept` of all.
    pub fn add_webhook_attempts(&self, seq: u64, attempts: &[WebhookAttempt], kept: usize) -> Result<(), LedgerError> {
        if self.first("SELECT 1 FROM webhooks WHERE seq = ?1", [int(seq)], |_| Ok(()))?.is_none() {
            return Ok(());
        }
        let newest = "SELECT coalesce(max(n), 0) FROM webhook_attempts WHERE webhook = ?1";
        let mut n = self.first(newest, [int(seq)], |row| uint(row, 0))?.unwrap_or(0);
        for attempt in attempts.iter().skip(attempts.len().saturating_sub(kept)) {
            n += 1;
            self.change(
                "INSERT INTO webhook_attempts (webhook, n, place, at_ms, took_ms, status, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    int(seq),
                    int(n),
                    attempt.place.map(int),
                    int(attempt.at_ms),
                    int(attempt.took_ms),
                    attempt.status,
                    &attempt.why,
                ),
            )?;
        }
        let old = n.saturating_sub(kept as u64);
        self.change("DELETE FROM webhook_attempts WHERE webhook = ?1 AND n <= ?2", (int(seq), int(old)))?;
        Ok(())
    }

    /// Keeps how far an endpoint has come, unless its owner has set something since `edition`.
    pub fn advance_webhook(&self, seq: u64, edition: u64, progress: &WebhookProgress) -> Result<(), LedgerError> {
        let same = "SELECT 1 FROM webhooks WHERE seq = ?1 AND edition = ?2";
        match self.first(same, (int(seq), int(edition)), |_| Ok(()))? {
            Some(()) => self.set_progress(seq, progress),
            None => Ok(()),
        }
    }

    /// The next attempt may come at once.
    pub fn hasten_webhook(&self, seq: u64, now_ms: u64) -> Result<(), LedgerError> {
        self.change("UPDATE webhooks SET next_ms = min(next_ms, ?2) WHERE seq = ?1", (int(seq), int(now_ms)))?;
        Ok(())
    }

    /// Forgets an endpoint and its attempts.
    pub fn remove_webhook(&self, seq: u64) -> Result<(), LedgerError> {
        self.change("DELETE FROM webhook_attempts WHERE webhook = ?1", [int(seq)])?;
        self.change("DELETE FROM webhooks WHERE seq = ?1", [int(seq)])?;
        Ok(())
    }

    fn set_progress(&self, seq: u64, progress: &WebhookProgress) -> Result<(), LedgerError> {
        let (failed_ms, failed_status, failed_why) = match &progress.failed {
            Some((at_ms, status, why)) => (Some(int(*at_ms)), *status, Some(why)),
            None => (None, None, None),
        };
        self.change(
            "UPDATE webhooks SET state = ?2, place = ?3, next_ms = ?4, failures = ?5, failing_ms = ?6, succeeded_ms = ?7,
                    succeeded_status = ?8, failed_ms = ?9, failed_status = ?10, failed_why = ?11 WHERE seq = ?1",
            (
                int(seq),
                progress.state.name(),
                int(progress.place),
                int(progress.next_ms),
                int(progress.failures),
                progress.failing_ms.map(int),
                progress.succeeded.map(|(at_ms, _)| int(at_ms)),
                progress.succeeded.map(|(_, status)| status),
                failed_ms,
                failed_status,
                failed_why,
            ),
        )?;
        Ok(())
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Result<WebhookRow, LedgerError>> {
    let (owner, kinds, state): (String, String, String) = (row.get(2)?, row.get(4)?, row.get(8)?);
    let Some(state) = WebhookState::ALL.into_iter().find(|known| known.name() == state) else {
        return Ok(Err(LedgerError::Damaged("a webhook in no known state")));
    };
    let failed = match uint_option(row, 15)? {
        Some(at_ms) => Some((at_ms, row.get(16)?, row.get::<_, Option<String>>(17)?.unwrap_or_default())),
        None => None,
    };
    Ok(Ok(WebhookRow {
        seq: uint(row, 0)?,
        id: row.get(1)?,
        owner: Some(owner).filter(|owner| !owner.is_empty()),
        url: row.get(3)?,
        kinds: kinds.lines().map(str::to_owned).collect(),
        description: row.get(5)?,
        made_ms: uint(row, 6)?,
        edition: uint(row, 7)?,
        progress: WebhookProgress {
            state,
            place: uint(row, 9)?,
            next_ms: uint(row, 10)?,
            failures: uint(row, 11)?,
            failing_ms: uint_option(row, 12)?,
            succeeded: uint_option(row, 13)?.zip(row.get(14)?),
            failed,
        },
    }))
}
