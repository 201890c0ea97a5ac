//! Notices before the end of a registration (clause 5.8): each once, in the order of its time, also after weeks of standstill.
//!
//! For each of the charter's `notices_d` a mark runs along the index of ends: what lies behind it was told, or was too late
//! to be told. Mark and notices move in one transaction. What was renewed meanwhile has another end and is not met. Where
//! several notices of one registration fell due in the meantime, the last of them is given, as it says the most.

use crate::authority::Core;
use crate::clock::unix_s;
use crate::ledger::{Changed, LedgerError, Standing, Transaction};
use crate::log::event::Kind;
use crate::log::label::Label;
use crate::registry::terms::DAY_S;

/// Notices of one look: each costs the writer some writes, and the next look comes soon.
const NOTICES_MAX: usize = 1000;
/// A mark that nothing moved is moved by hand when it is so far behind: each time costs a commit.
const MARK_BEHIND_S: u64 = 3600;

/// A notice that may be due.
struct Due {
    /// When it fell due, Unix seconds.
    at_s: u64,
    notice_d: u64,
    end: (u64, Label),
}

impl Core {
    /// Gives the notices that are due, some at a time; true if there may be more.
    pub(super) fn give_notices(&self, now_ms: u64) -> Result<bool, LedgerError> {
        let mut notices_d = self.policy().notices_d.clone();
        notices_d.sort_unstable();
        let given = self.ledger.write::<_, LedgerError, _>(move |tx| give(tx, &notices_d, now_ms)).wait_blocking()?;
        if given > 0 {
            self.feed_has_grown();
        }
        Ok(given > 0)
    }
}

/// Gives what is due by these notices, the shortest first; how many were looked at.
fn give(tx: &Transaction<'_>, notices_d: &[u64], now_ms: u64) -> Result<usize, LedgerError> {
    let (now_s, mut due, mut horizon_s) = (unix_s(now_ms), Vec::new(), u64::MAX);
    for notice_d in notices_d {
        let until_s = now_s + notice_d * DAY_S;
        let Some(mark) = tx.notice_mark(*notice_d)? else {
            // The first start with notices: what is due from now on is given, and not what was due before.
            tx.set_notice_mark(*notice_d, &last_of(until_s))?;
            continue;
        };
        let ends = tx.ends_between(&mark, until_s, NOTICES_MAX)?;
        let full = ends.len() == NOTICES_MAX;
        if ends.is_empty() && mark.0 + MARK_BEHIND_S < until_s {
            tx.set_notice_mark(*notice_d, &last_of(until_s))?;
        }
        let at_s = |end: &(u64, Label)| end.0.saturating_sub(notice_d * DAY_S);
        if full && let Some(last) = ends.last() {
            // Others behind it are not known yet: nothing that falls due later is given before them.
            horizon_s = horizon_s.min(at_s(last));
        }
        due.extend(ends.into_iter().map(|end| Due { at_s: at_s(&end), notice_d: *notice_d, end }));
    }
    due.retain(|notice| notice.at_s <= horizon_s);
    due.sort_by_key(|notice| (notice.at_s, notice.notice_d, notice.end));
    due.truncate(NOTICES_MAX);
    let epoch = tx.newest_epoch_position()?.n;
    for notice in &due {
        let shorter_s = notices_d.iter().take_while(|d| **d < notice.notice_d).last().map_or(0, |d| now_s + d * DAY_S);
        if shorter_s == 0 || notice.end.0 > shorter_s {
            tell(tx, notice, epoch, now_ms)?;
        }
        tx.set_notice_mark(notice.notice_d, &notice.end)?;
    }
    Ok(due.len())
}

/// The mark behind everything that ends until then.
const fn last_of(until_s: u64) -> (u64, Label) {
    (until_s, Label([0xff; 32]))
}

fn tell(tx: &Transaction<'_>, notice: &Due, epoch: u64, now_ms: u64) -> Result<(), LedgerError> {
    let label = notice.end.1;
    let Some(Standing { entry, .. }) = tx.standing(&label)? else { return Ok(()) };
    let waiting = tx.open_event(&label)?.map(|seq| tx.event_by_seq(seq)).transpose()?.flatten();
    if waiting.is_some_and(|row| matches!(row.event.kind, Kind::Renew | Kind::Complete | Kind::Release)) {
        return Ok(()); // renewed or given back, only not published yet
    }
    let changed = Changed {
        epoch,
        time_ms: now_ms,
        label,
        kind: 0,
        door: 0,
        version: entry.state.version,
        event: None,
        before: Some(entry.provider.clone()),
        after: Some(entry.provider.clone()),
        requester: None,
        notice: Some((notice.notice_d, entry.state.not_after)),
    };
    tx.add_changes([(&changed, &[entry.provider][..])])
}
