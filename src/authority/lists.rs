//! Lists: one provider's numbers, page by page, with filters.

use crate::authority::Authority;
use crate::authority::access::{Actor, Verb};
use crate::authority::error::Rejection;
use crate::clock::unix_s;
use crate::ledger::{LedgerError, SponsoredRow};
use crate::log::event::Door;
use crate::log::state::{State, Status};
use crate::number::{DIGITS_MAX, DIGITS_MIN, Number};
use crate::registry::rules::Entry;

/// The most numbers of a page.
pub const NUMBERS_PAGE_MAX: usize = 1000;
/// Numbers looked at for one page: a filter that fits few makes short pages, not long answers.
const SCANNED_MAX: usize = 10_000;

/// What to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumbersWanted {
    /// Only numbers that begin so, digits without `+`; empty for all.
    pub prefix: String,
    /// Only those in this condition.
    pub status: Option<Condition>,
    /// Only those that end before this time, Unix seconds.
    pub expires_before_s: Option<u64>,
    /// Only those behind this one.
    pub after: Option<Number>,
    /// How many at most, up to [`NUMBERS_PAGE_MAX`].
    pub limit: usize,
}

/// How a registration is, as its provider sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its first event waits for an epoch.
    Pending,
    /// It is valid and published.
    Active,
    /// The same, and somebody claims it by fresh validation.
    Contested,
    /// The same, and a recovery or a change by code waits.
    Recovering,
    /// It was not renewed in time.
    Lapsed,
    /// It is withheld.
    Suspended,
    /// It was given back.
    Released,
}

impl Condition {
    /// The condition of a registration with this State, for which something is pending by `door`.
    pub fn of(state: Option<&State>, door: Option<Door>, now_s: u64) -> Self {
        match state {
            None => Self::Pending,
            Some(state) => match state.status {
                Status::Active if now_s >= state.not_after => Self::Lapsed,
                Status::Active => match door {
                    Some(Door::Validation) => Self::Contested,
                    Some(Door::Main | Door::Code) => Self::Recovering,
                    Some(Door::Direct) | None => Self::Active,
                },
                Status::Suspended => Self::Suspended,
                Status::Released => Self::Released,
            },
        }
    }
}

/// A page of numbers, in the order of their values: shorter ones first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumbersPage {
    /// The numbers, and how each is.
    pub numbers: Vec<(SponsoredRow, Condition)>,
    /// Where to go on, if there is more.
    pub after: Option<Number>,
}

impl Authority {
    /// Lists the numbers of the actor's provider that the token may read. Costs the page, however many there are. Blocks.
    pub fn numbers(&self, actor: &Actor, wanted: &NumbersWanted) -> Result<NumbersPage, Rejection> {
        let Some(provider) = actor.provider().filter(|_| actor.may(Verb::Read, None)) else {
            return Err(Rejection::Forbidden("only providers list numbers, with a token that may read".to_owned()));
        };
        let now_ms = self.core.now_ms();
        let (law, now_s) = (self.core.law(), unix_s(now_ms));
        let condition = |row: &SponsoredRow| {
            let void = row.request.as_ref().zip(row.state.as_ref()).and_then(|(request, state)| {
                let (state, request) = (state.clone(), Some(request.clone()));
                Entry { state, provider: String::new(), time_ms: 0, request, taken: None }.void_ms(law.terms_at(now_ms))
            });
            let door = row.request.as_ref().map(|request| request.door).filter(|_| void.is_some_and(|ms| now_ms < ms));
            Condition::of(row.state.as_ref(), door, now_s)
        };
        let fits = |row: &SponsoredRow, condition: Condition| {
            let ends = row.state.as_ref().map(|state| state.not_after);
            actor.may(Verb::Read, Some(row.number))
                && wanted.status.is_none_or(|status| status == condition)
                && wanted.expires_before_s.is_none_or(|before_s| ends.is_some_and(|ends| ends < before_s))
        };
        let page = self.core.ledger.read::<_, LedgerError>(|now| {
            let (mut numbers, mut scanned) = (Vec::new(), 0);
            for (first, last) in spans(&wanted.prefix) {
                let mut first = wanted.after.map_or(first, |after| first.max(after.as_u64() + 1));
                while first <= last {
                    let limit = NUMBERS_PAGE_MAX.min(SCANNED_MAX - scanned);
                    let rows = now.sponsored(provider, first, last, limit)?;
                    let (found, end) = (rows.len(), rows.last().map(|row| row.number));
                    for row in rows {
                        let (number, condition) = (row.number, condition(&row));
                        if fits(&row, condition) {
                            numbers.push((row, condition));
                        }
                        if numbers.len() >= wanted.limit {
                            return Ok(NumbersPage { numbers, after: Some(number) });
                        }
                    }
                    scanned += found;
                    if scanned >= SCANNED_MAX {
                        return Ok(NumbersPage { numbers, after: end });
                    }
                    match end.filter(|_| found == limit) {
                        Some(end) => first = end.as_u64() + 1,
                        None => break,
                    }
                }
            }
            Ok(NumbersPage { numbers, after: None })
        })?;
        Ok(page)
    }
}

/// The packed values of all numbers that begin with these digits: one span for each length, the shortest first.
fn spans(prefix: &str) -> Vec<(u64, u64)> {
    if prefix.is_empty() {
        return vec![(0, u64::MAX >> 1)];
    }
    let Ok(value) = prefix.parse::<u64>() else { return Vec::new() };
    let length = |digits: usize| {
        let room = 10u64.checked_pow(u32::try_from(digits.checked_sub(prefix.len())?).ok()?)?;
        Some((value.checked_mul(room)?, value.checked_mul(room)?.checked_add(room - 1)?))
    };
    (DIGITS_MIN..=DIGITS_MAX).filter_map(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_span_for_each_length() {
        assert_eq!(spans("").len(), 1);
        let spans = spans("4477009");
        assert_eq!(spans.len(), 9);
        assert_eq!(spans[0], (4_477_009, 4_477_009));
        assert_eq!(spans[8], (447_700_900_000_000, 447_700_999_999_999));
        assert!(spans.is_sorted());
        assert_eq!(super::spans("447700900123456"), [(447_700_900_123_456, 447_700_900_123_456)]);
        assert!(super::spans("x").is_empty());
    }
}
