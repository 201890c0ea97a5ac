//! `/v1/changes`: the change feed.

use axum::extract::State;
use axum::{Extension, Json};
use data_encoding::HEXLOWER;

use crate::api::Problem;
use crate::api::changes::{Change, Changes};
use crate::authority::{CHANGES_PAGE_MAX, ChangeRow, ChangesFrom};
use crate::clock::rfc3339;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::receipts::time_of;
use crate::http::request::{Caller, WAIT_S_MAX};
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::event::{Door, Kind};

/// Changes of one page when nothing is said.
const PAGE_USUAL: usize = 100;

/// What happened to the provider's numbers, in order and replayable; the operator sees everything.
///
/// Without a cursor it begins with the oldest change that is kept; `cursor=now` begins with what comes next. An answer of
/// 410 says that the cursor is too old: take `cursor=now`, read `GET /v1/numbers`, then go on from that cursor.
#[utoipa::path(get, path = "/v1/changes", tag = "changes", params(
    ("cursor" = Option<String>, Query, description = "go on after this change, or `now`"), ("limit" = Option<u32>, Query, description = "1 to 1000"),
    ("wait" = Option<u32>, Query, description = "seconds to wait for a change when there is none, at most 25")),
    security(("token" = [])), responses((status = 200, body = Changes), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    mut parameters: Parameters,
) -> Result<Json<Changes>, Reply> {
    let from = parameters.value("cursor", "a cursor of an earlier answer, or `now`", cursor);
    let limit = parameters.limit(PAGE_USUAL, CHANGES_PAGE_MAX);
    let wait = |text: &str| text.parse::<u64>().ok().filter(|wait_s| *wait_s <= WAIT_S_MAX);
    let wait_s = parameters.value("wait", &format!("a whole number of seconds up to {WAIT_S_MAX}"), wait).unwrap_or(0);
    parameters.end(&id)?;
    let from = from.unwrap_or(ChangesFrom::Oldest);
    let page = api.authority.wait_changes(&actor, from, limit, wait_s * 1000).await;
    let page = page.map_err(|no| Reply::rejected(&id, no))?;
    let changes = page.changes.iter().map(shown).collect();
    Ok(Json(Changes { changes, next_cursor: written(page.next), more: page.more }))
}

fn cursor(text: &str) -> Option<ChangesFrom> {
    match text {
        "now" => Some(ChangesFrom::Now),
        text => place_in(text).map(ChangesFrom::After),
    }
}

/// The place in a cursor.
pub(crate) fn place_in(text: &str) -> Option<u64> {
    let place = u64::from_be_bytes(from_base64url(text)?.try_into().ok()?);
    (place <= u64::MAX >> 1).then_some(place) // what the ledger can hold
}

/// A place as a cursor.
pub(crate) fn written(place: u64) -> String {
    to_base64url(&place.to_be_bytes())
}

/// A change as the API shows it.
pub(crate) fn shown(row: &ChangeRow) -> Change {
    let changed = &row.changed;
    let (notice_d, ends_s) = changed.notice.unzip();
    Change {
        cursor: written(row.n),
        kind: Kind::from_u8(changed.kind).map_or("notice", kind).to_owned(),
        door: Door::from_u8(changed.door).and_then(|door| door_of(door, changed.kind)).map(str::to_owned),
        label: changed.label.0.into(),
        number: row.number.map(|number| number.to_string()),
        version: changed.version,
        epoch: changed.epoch,
        time: time_of(changed.time_ms),
        event_hash: changed.event.map(|hash| HEXLOWER.encode(&hash)),
        provider_before: changed.before.clone(),
        provider_after: changed.after.clone(),
        requester: changed.requester.clone(),
        notice_d,
        not_after: ends_s.map(rfc3339),
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Create => "create",
        Kind::Update => "update",
        Kind::Transfer => "transfer",
        Kind::Request => "request",
        Kind::Complete => "complete",
        Kind::Veto => "veto",
        Kind::Suspend => "suspend",
        Kind::Resume => "resume",
        Kind::Release => "release",
        Kind::Renew => "renew",
        Kind::Object => "object",
        Kind::Carry => "carry",
    }
}

const fn door_of(door: Door, kind: u8) -> Option<&'static str> {
    match door {
        Door::Main if kind == Kind::Request as u8 || kind == Kind::Complete as u8 => Some("recovery"),
        Door::Main => None,
        Door::Code => Some("code"),
        Door::Validation => Some("validation"),
        Door::Direct => Some("direct"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        for place in [0, 1, 7_000_000_000] {
            assert_eq!(cursor(&written(place)), Some(ChangesFrom::After(place)));
        }
        for wrong in ["", "AA", "now ", "//////////8", "__________8"] {
            assert_eq!(cursor(wrong), None, "{wrong}");
        }
    }
}
