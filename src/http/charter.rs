//! `/v1/charter`: the rules in force as text and as data, and the asking for others.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::api::acts::Act;
use crate::api::charter::{Charter, NewVersion, ParameterChange, ProposedVersion, Touched, Version};
use crate::api::{Problem, ProblemError};
use crate::authority::{Proposal, Subject, Wish};
use crate::charter::{self, Policy};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Operator, Path, blocking, idempotency};
use crate::http::{Api, acts, log, providers};
use crate::log::sha256;
use crate::registry::acts::ActKind;

/// The charter in force, and the versions that are announced. Every refusal names one of its clauses.
#[utoipa::path(get, path = "/v1/charter", tag = "charter", responses((status = 200, body = Charter), (status = 304, description = "It is still the one that you have"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(State(api): State<Api>, asked: HeaderMap) -> Response {
    let (charter, now_ms) = (api.authority.charter(), api.clock.now_ms());
    let said = Charter {
        in_force: shown(charter.at(now_ms)),
        numbering: api.authority.numbering(),
        announced: charter.coming(now_ms).map(shown).collect(),
    };
    sent(&asked, &said)
}

/// A version of the charter by its number, those that are over included: past changes were lawful by the one of their time.
#[utoipa::path(get, path = "/v1/charter/versions/{version}", tag = "charter", params(("version" = u64, Path, description = "1 for the first")),
    responses((status = 200, body = Version), (status = 304, description = "It is still the one that you have"), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn version(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(number): Path<String>,
    asked: HeaderMap,
) -> Result<Response, Reply> {
    let charter = api.authority.charter();
    let found = number.parse().ok().filter(|number| *number > 0).and_then(|number: u64| charter.get(number));
    let nothing =
        || Reply::new(&id, 404, "not_found", "There is nothing here", "no version of the charter has this number");
    found.map(|version| sent(&asked, &shown(version))).ok_or_else(nothing)
}

/// A text that everybody may keep, as long as he asks whether it is still the same.
fn sent(asked: &HeaderMap, said: &impl Serialize) -> Response {
    let body = serde_json::to_vec(said).unwrap_or_default(); // texts and numbers always serialise
    log::sent(asked, body, "application/json", log::ASK_AGAIN)
}

/// Asks, as an admin, for the next version of the charter: an act that another person approves.
///
/// Once approved it is in the public log, and in force from its date on, which leaves the notice of clause 10.1; before anybody is
/// accredited, at once.
#[utoipa::path(post, path = "/v1/charter", tag = "charter", request_body = NewVersion, params(
    ("Idempotency-Key" = Option<String>, Header, description = "same key and body: the first act again")), security(("token" = [])),
    responses((status = 201, body = Act), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn propose(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    headers: HeaderMap,
    Body { value, digest }: Body<NewVersion>,
) -> Result<(StatusCode, Json<Act>), Reply> {
    let idempotency = idempotency(&headers, digest).map_err(|mistake| Reply::invalid(&id, vec![mistake]))?;
    let wish = wish_of(&api, value).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
    let act = blocking(&id, move || api.authority.request_act(&actor, wish, idempotency.as_ref())).await?;
    Ok((StatusCode::CREATED, Json(acts::shown(&act))))
}

/// What an act of kind `charter` announces: its text, what differs from the version in force, and whom it touches.
#[utoipa::path(get, path = "/v1/acts/{id}/charter", tag = "operator", params(("id" = String, Path)), security(("token" = [])),
    responses((status = 200, body = ProposedVersion), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn proposed(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(act): Path<String>,
) -> Result<Json<ProposedVersion>, Reply> {
    let found = blocking(&id, move || api.authority.proposed_charter(&actor, &act)).await?;
    let differences = found.differences.iter().map(|one| ParameterChange {
        parameter: one.parameter.clone(),
        article: one.article.to_owned(),
        before: one.before.clone(),
        after: one.after.clone(),
    });
    Ok(Json(ProposedVersion {
        act: found.act.row.id,
        follows: found.follows,
        compared_with: found.compared_with,
        effective_from: found.proposal.effective_ms.map(time_of),
        charter_md: found.proposal.policy.prose().to_owned(),
        policy_toml: found.proposal.policy.source().to_owned(),
        differences: differences.collect(),
        clauses: found.clauses,
        touched: touched(found.touched),
    }))
}

/// The counts that were kept beside an act.
pub(crate) fn touched(kept: serde_json::Value) -> Touched {
    serde_json::from_value(kept).unwrap_or_default()
}

fn wish_of(api: &Api, new: NewVersion) -> Result<Wish, Vec<ProblemError>> {
    let mut mistakes = Vec::new();
    providers::clause_of(api, &new.clause, &mut mistakes);
    if new.reason.is_empty() {
        mistakes.push(ProblemError::form("/reason", "required", "say why, without personal data"));
    }
    let (policy, effective_ms) = read(&new, mistakes)?;
    let subject = Subject::Charter(Proposal { policy: Arc::new(policy.beside(new.charter_md)), effective_ms });
    Ok(Wish { kind: ActKind::Charter, clause: new.clause, reason: new.reason, subject })
}

fn read(new: &NewVersion, mut mistakes: Vec<ProblemError>) -> Result<(Policy, Option<u64>), Vec<ProblemError>> {
    let policy = Policy::parse(&new.policy_toml).map_err(|found| {
        let told = found.into_iter().map(|one| ProblemError {
            clause: (one.article != "-").then(|| one.article.clone()),
            parameter: Some(one.parameter.clone()),
            ..ProblemError::form("/policy_toml", "bad_policy", one.to_string())
        });
        mistakes.extend(told);
    });
    let clauses = charter::clauses_of(&new.charter_md).count();
    if clauses == 0 {
        let why = "the articles are needed, each clause a paragraph that begins with its number in bold: **1.1** …";
        mistakes.push(ProblemError::form("/charter_md", "bad_value", why));
    }
    let date = new.effective_from.as_deref().map(parse_rfc3339);
    if date == Some(None) {
        let why = "a time as in RFC 3339 is needed, such as 2027-03-01T00:00:00Z";
        mistakes.push(ProblemError::form("/effective_from", "bad_value", why));
    }
    match policy {
        Ok(policy) if mistakes.is_empty() => Ok((policy, date.flatten().map(|at_s| at_s.saturating_mul(1000)))),
        _ => Err(mistakes),
    }
}

fn shown(version: &charter::Version) -> Version {
    let policy_toml = version.policy.source().to_owned();
    Version {
        version: version.number,
        effective_from: rfc3339(version.effective_ms.div_ceil(1000)),
        charter_md: version.policy.prose().to_owned(),
        policy_digest: HEXLOWER.encode(&sha256(&[policy_toml.as_bytes()])),
        policy_toml,
    }
}
