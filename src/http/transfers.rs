//! `/v1/numbers/{number}/transfer`: the doors by which a number changes hands, and what stops them.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Extension, Json};

use crate::api::numbers::{Against, Receipt, Transfer, TransferCode};
use crate::api::{Base64, Problem, ProblemError};
use crate::authority::{self, Actor};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::numbers::{accepted, bare, proofs, submit};
use crate::http::problem::Reply;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Caller, PathNumber, blocking};
use crate::log::event::{Door, Event, Kind};
use crate::number::Number;
use crate::registry::code;

/// Takes a number over: by the holder's key at once (door 1), or by a request and, after its wait, its completion.
///
/// Door 0 recovers a number with the same provider, door 2 takes the transfer code, door 3 fresh validation by two methods. Which
/// step it is the event says. A TRANSFER through door 3 takes a number back at once: signed by the key from which door 2 or 3 took it.
#[utoipa::path(post, path = "/v1/numbers/{number}/transfer", tag = "doors", request_body = Transfer, params(("number" = String, Path, description = "E.164, `+…`"),
    ("Idempotency-Key" = Option<String>, Header, description = "as for PUT"), ("Prefer" = Option<String>, Header, description = "as for PUT")),
    security(("token" = [])), responses((status = 202, body = Receipt), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn take(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
    headers: HeaderMap,
    Body { value, digest }: Body<Transfer>,
) -> Result<Response, Reply> {
    let submission = submission_of(number, value).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
    submit(&api, &id, &actor, &headers, submission, digest).await
}

/// Makes a transfer code for the holder of a number, in the place of any before it; for the number's provider.
#[utoipa::path(post, path = "/v1/numbers/{number}/transfer-code", tag = "doors", params(("number" = String, Path, description = "E.164, `+…`")),
    security(("token" = [])), responses((status = 200, body = TransferCode), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn make_code(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    PathNumber(number): PathNumber,
) -> Result<Json<TransferCode>, Reply> {
    let made = blocking(&id, move || api.authority.transfer_code(&actor, number)).await?;
    Ok(Json(TransferCode { code: made.code.text().to_owned(), expires_at: time_of(made.expires_ms) }))
}

/// Objects to a claim (door 3), by an OBJECT that the control key signed; no token is needed.
#[utoipa::path(post, path = "/v1/numbers/{number}/transfer/objection", tag = "doors", request_body = Against,
    params(("number" = String, Path, description = "E.164, `+…`")), responses((status = 202, body = Receipt),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn object(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    PathNumber(number): PathNumber,
    headers: HeaderMap,
    Body { value, .. }: Body<Against>,
) -> Result<Response, Reply> {
    against(&api, &id, &headers, number, value, Kind::Object).await
}

/// Ends a recovery, a change by code or a notice of release, by a VETO that the control key signed; no token is needed.
#[utoipa::path(delete, path = "/v1/numbers/{number}/transfer", tag = "doors", request_body = Against,
    params(("number" = String, Path, description = "E.164, `+…`")), responses((status = 202, body = Receipt),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn veto(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    PathNumber(number): PathNumber,
    headers: HeaderMap,
    Body { value, .. }: Body<Against>,
) -> Result<Response, Reply> {
    against(&api, &id, &headers, number, value, Kind::Veto).await
}

async fn against(
    api: &Api,
    id: &RequestId,
    headers: &HeaderMap,
    number: Number,
    body: Against,
    kind: Kind,
) -> Result<Response, Reply> {
    if kind_and_door(&body.event).is_some_and(|(sent, _)| sent != kind) {
        let why = "this address takes one kind of event: OBJECT by POST …/objection, VETO by DELETE";
        return Err(Reply::invalid(id, vec![ProblemError::form("/event", "bad_value", why)]));
    }
    let submission = bare(number, body.event);
    let receipt = api.authority.holder_event(submission).await.map_err(|no| Reply::rejected(id, no))?;
    // The receipt is for whoever could sign, as at the holder's entrance.
    accepted(api, id, &Actor::operator(), headers, receipt).await
}

/// A submission from its JSON. The door that is named must be the event's own, so that a mistake is told before the law looks.
fn submission_of(number: Number, body: Transfer) -> Result<authority::Submission, Vec<ProblemError>> {
    let mut mistakes = Vec::new();
    let fits = match (body.door, kind_and_door(&body.event)) {
        (0..=3, None) => true, // the law says what is wrong with the event
        (1, Some((kind, door))) => kind == Kind::Transfer && door == Door::Main,
        (3, Some((Kind::Transfer, door))) => door == Door::Validation,
        (0 | 2 | 3, Some((Kind::Request | Kind::Complete, door))) => door as u32 == body.door,
        _ => false,
    };
    if !fits {
        let why = "0 recovery, 1 transfer, 2 code or 3 claim is needed, and an event of that door: \
                   a TRANSFER for 1, a REQUEST or COMPLETE for the others, and for 3 a TRANSFER that takes the number back";
        mistakes.push(ProblemError::form("/door", "bad_value", why));
    }
    let code = body.code.map(|text| code::TransferCode::from_text(&text));
    if matches!(code, Some(None)) {
        mistakes.push(ProblemError::form("/code", "bad_value", "no code is as long as this"));
    }
    let possession = proofs(body.possession).unwrap_or_else(|wrong| {
        mistakes.extend(wrong);
        Vec::new()
    });
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(authority::Submission {
        record: body.record.map(String::into_bytes),
        opening: body.opening.and_then(|opening| opening.0.try_into().ok()), // read with exactly 32 bytes
        possession,
        validation: body.validation,
        nonce: body.nonce,
        code: code.flatten(),
        ..bare(number, body.event)
    })
}

fn kind_and_door(event: &Base64) -> Option<(Kind, Door)> {
    Event::parse(&event.0).ok().map(|event| (event.kind, event.door))
}
