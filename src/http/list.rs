//! `GET /v1/numbers`: a provider's own numbers, page by page; and how lists are paged.

use axum::extract::State;
use axum::{Extension, Json};

use crate::api::Problem;
use crate::api::numbers::{NumberEntry, Numbers};
use crate::authority::{Condition, NUMBERS_PAGE_MAX, NumbersWanted, SponsoredRow};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::request::{Caller, blocking};
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::state::Flags;
use crate::number::{DIGITS_MAX, Number};

/// Entries of one page when nothing is said.
pub(crate) const PAGE_USUAL: usize = 100;

/// Lists the numbers of the token's provider, in a stable order. A filtered page may be short, even empty: go on until
/// there is no `next_cursor`.
#[utoipa::path(get, path = "/v1/numbers", tag = "numbers", params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("limit" = Option<u32>, Query, description = "1 to 1000"), ("prefix" = Option<String>, Query, description = "only numbers that begin so: `+44`"),
    ("status" = Option<String>, Query, description = "only `pending`, `active`, `contested`, `recovering`, `lapsed` or `suspended`"),
    ("expires_before" = Option<String>, Query, description = "only those that end before this time (RFC 3339, UTC)")),
    security(("token" = [])), responses((status = 200, body = Numbers), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn numbers(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    mut parameters: Parameters,
) -> Result<Json<Numbers>, Reply> {
    let after = parameters.value("cursor", "`next_cursor` of an earlier answer", cursor);
    let limit = parameters.limit(PAGE_USUAL, NUMBERS_PAGE_MAX);
    let prefix = parameters.value("prefix", "`+` and 1 to 15 digits", prefix).unwrap_or_default();
    let condition = |text: &str| CONDITIONS.into_iter().find(|condition| status(*condition) == text);
    let status = parameters.value(
        "status",
        "`pending`, `active`, `contested`, `recovering`, `lapsed` or `suspended`",
        condition,
    );
    let ends = "a time such as 2027-01-15T08:00:00Z";
    let expires_before_s = parameters.value("expires_before", ends, parse_rfc3339);
    parameters.end(&id)?;
    let wanted = NumbersWanted { prefix, status, expires_before_s, after, limit };
    let page = blocking(&id, move || api.authority.numbers(&actor, &wanted)).await?;
    let numbers = page.numbers.iter().map(|(row, condition)| entry(row, *condition)).collect();
    Ok(Json(Numbers { numbers, next_cursor: page.after.map(|after| to_base64url(&after.as_u64().to_be_bytes())) }))
}

/// Conditions that a listed number can be in.
const CONDITIONS: [Condition; 6] = [
    Condition::Pending,
    Condition::Active,
    Condition::Contested,
    Condition::Recovering,
    Condition::Lapsed,
    Condition::Suspended,
];

/// A condition by its name.
pub(crate) const fn status(condition: Condition) -> &'static str {
    match condition {
        Condition::Pending => "pending",
        Condition::Active => "active",
        Condition::Contested => "contested",
        Condition::Recovering => "recovering",
        Condition::Lapsed => "lapsed",
        Condition::Suspended => "suspended",
        Condition::Released => "released",
    }
}

fn cursor(text: &str) -> Option<Number> {
    Number::from_u64(u64::from_be_bytes(from_base64url(text)?.try_into().ok()?)).ok()
}

fn prefix(text: &str) -> Option<String> {
    // A bare `+` in a query is a space (URL-encoded forms).
    let digits = text.strip_prefix(['+', ' ']).unwrap_or(text);
    let fits = (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (fits && !digits.starts_with('0')).then(|| digits.to_owned())
}

fn entry(row: &SponsoredRow, condition: Condition) -> NumberEntry {
    let state = row.state.as_ref();
    let held = state.is_some_and(|state| state.flags.contains(Flags::PROVIDER_HELD));
    NumberEntry {
        number: row.number.to_string(),
        status: status(condition).to_owned(),
        class: if held { "provider".to_owned() } else { "holder".to_owned() },
        version: state.map_or(0, |state| state.version),
        not_after: state.map(|state| rfc3339(state.not_after)),
        event_pending: row.event_pending,
    }
}

/// A page of what is held in memory, in the order of its names: those behind the cursor, and the cursor of the next page.
pub(crate) fn page<T>(
    all: Vec<T>,
    name: impl Fn(&T) -> &str,
    cursor: Option<&str>,
    limit: usize,
) -> (Vec<T>, Option<String>) {
    let mut behind: Vec<T> = all.into_iter().filter(|one| cursor.is_none_or(|cursor| name(one) > cursor)).collect();
    behind.sort_by(|a, b| name(a).cmp(name(b)));
    let more = behind.len() > limit;
    behind.truncate(limit);
    let next = behind.last().filter(|_| more).map(|last| to_base64url(name(last).as_bytes()));
    (behind, next)
}

/// The name in a cursor of [`page`].
pub(crate) fn name_in(cursor: &str) -> Option<String> {
    String::from_utf8(from_base64url(cursor)?).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let all = || vec!["c", "a", "e", "b", "d"];
        let (first, next) = page(all(), |name| name, None, 2);
        let (second, more) = page(all(), |name| name, name_in(&next.unwrap()).as_deref(), 2);
        let (third, none) = page(all(), |name| name, name_in(&more.unwrap()).as_deref(), 2);
        assert_eq!((first, second, third, none), (vec!["a", "b"], vec!["c", "d"], vec!["e"], None));
    }

    #[test]
    fn a_prefix_is_read_strictly() {
        assert_eq!(prefix("+44").as_deref(), Some("44"));
        assert_eq!((prefix("44").as_deref(), prefix(" 44").as_deref()), (Some("44"), Some("44")));
        for wrong in ["", "+", "++44", "+0", "+4x", "+1234567890123456"] {
            assert_eq!(prefix(wrong), None, "{wrong}");
        }
    }
}
