//! `/v1/changes`: the change feed.

use axum::extract::State;
use axum::{Extension, Json};

use crate::api::Problem;
use crate::api::changes::Changes;
use crate::authority::{CHANGES_PAGE_MAX, ChangesFrom, change_shown};
pub(crate) use crate::authority::{cursor_place as place_in, cursor_text as written};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::request::{Caller, WAIT_S_MAX};

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
    let changes = page.changes.iter().map(change_shown).collect();
    Ok(Json(Changes { changes, next_cursor: written(page.next), more: page.more }))
}

/// Where a cursor begins.
pub(crate) fn cursor(text: &str) -> Option<ChangesFrom> {
    match text {
        "now" => Some(ChangesFrom::Now),
        text => place_in(text).map(ChangesFrom::After),
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
