//! `/v1/receipts/{event_hash}`: whether an accepted change is visible yet.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use data_encoding::HEXLOWER;

use crate::api::Problem;
use crate::api::numbers::{Receipt, Visibility};
use crate::authority;
use crate::clock::{rfc3339, unix_s};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::request::{Caller, Path, blocking, prefer_wait_ms};

/// Shows a receipt to whoever submitted the event. `Prefer: wait=5` waits for publication.
#[utoipa::path(get, path = "/v1/receipts/{event_hash}", tag = "numbers", params(("event_hash" = String, Path, description = "SHA-256 of the event, hex")),
    security(("token" = [])), responses((status = 200, body = Receipt), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Receipt>, Reply> {
    let unknown = || Reply::new(&id, 404, "not_found", "There is no such receipt", "no event of yours has this hash");
    let hash: [u8; 32] = HEXLOWER.decode(text.as_bytes()).ok().and_then(|b| b.try_into().ok()).ok_or_else(unknown)?;
    let (authority, asks) = (api.authority.clone(), actor.clone());
    let mut receipt = blocking(&id, move || authority.receipt(&asks, &hash)).await?.ok_or_else(unknown)?;
    let wait_ms = prefer_wait_ms(&headers);
    if wait_ms > 0 {
        let later =
            api.authority.wait_published(&actor, &hash, wait_ms).await.map_err(|no| Reply::rejected(&id, no))?;
        receipt = later.unwrap_or(receipt);
    }
    Ok(Json(shown(&receipt)))
}

/// A receipt as the API shows it.
pub(crate) fn shown(receipt: &authority::Receipt) -> Receipt {
    let (visibility, epoch, state_hash) = match receipt.visibility {
        authority::Visibility::Pending => (Visibility::Pending, None, None),
        authority::Visibility::Published { epoch, state_hash } => {
            (Visibility::Published, Some(epoch), state_hash.map(|hash| HEXLOWER.encode(&hash)))
        }
    };
    Receipt {
        event_hash: HEXLOWER.encode(&receipt.event_hash),
        accepted_at: time_of(receipt.accepted_ms),
        epoch_latest: receipt.epoch_latest,
        visibility,
        version: receipt.version,
        charter_version: charter_version(&receipt.judged_by),
        numbering: numbering(&receipt.judged_by),
        epoch,
        state_hash,
    }
}

/// The charter's version as the API shows it.
pub(crate) fn charter_version(judged_by: &authority::JudgedBy) -> Option<u64> {
    Some(judged_by.charter_version).filter(|version| *version > 0)
}

/// The edition of the numbering metadata as the API shows it.
pub(crate) fn numbering(judged_by: &authority::JudgedBy) -> Option<String> {
    Some(judged_by.numbering.clone()).filter(|edition| !edition.is_empty())
}

/// Seconds of a time in milliseconds, as text.
pub(crate) fn time_of(ms: u64) -> String {
    rfc3339(unix_s(ms))
}
