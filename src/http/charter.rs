//! `/v1/charter`: the rules in force as text and as data, and the announcement of others.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use data_encoding::HEXLOWER;

use crate::api::charter::{Charter, NewVersion, Version};
use crate::api::{Problem, ProblemError};
use crate::charter::{self, Policy};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::request::{Body, Operator, blocking};
use crate::log::sha256;

/// The charter in force, and the versions that are announced. Every refusal names one of its clauses.
#[utoipa::path(get, path = "/v1/charter", tag = "charter", responses((status = 200, body = Charter),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(State(api): State<Api>) -> Json<Charter> {
    let (charter, now_ms) = (api.authority.charter(), api.clock.now_ms());
    Json(Charter {
        in_force: shown(charter.at(now_ms)),
        numbering: api.authority.numbering(),
        announced: charter.coming(now_ms).map(shown).collect(),
    })
}

/// A version of the charter by its number, those that are over included: past changes were lawful by the one of their time.
#[utoipa::path(get, path = "/v1/charter/versions/{version}", tag = "charter", params(("version" = u64, Path, description = "1 for the first")),
    responses((status = 200, body = Version), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn version(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Path(number): Path<String>,
) -> Result<Json<Version>, Reply> {
    let charter = api.authority.charter();
    let found = number.parse().ok().filter(|number| *number > 0).and_then(|number: u64| charter.get(number));
    let nothing =
        || Reply::new(&id, 404, "not_found", "There is nothing here", "no version of the charter has this number");
    found.map(|version| Json(shown(version))).ok_or_else(nothing)
}

/// Announces the next version of the charter; goes into the public log.
///
/// It is in force from its date on, which leaves the notice of clause 10.1; before anybody is accredited, at once.
#[utoipa::path(post, path = "/v1/charter", tag = "charter", request_body = NewVersion, security(("token" = [])),
    responses((status = 201, body = Version), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn announce(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Body { value, .. }: Body<NewVersion>,
) -> Result<(StatusCode, Json<Version>), Reply> {
    let (policy, effective_ms) = read(&value).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
    let policy = policy.beside(value.charter_md);
    let made = blocking(&id, move || api.authority.announce_charter(&actor, policy, effective_ms)).await?;
    Ok((StatusCode::CREATED, Json(shown(&made))))
}

fn read(new: &NewVersion) -> Result<(Policy, Option<u64>), Vec<ProblemError>> {
    let mut mistakes = Vec::new();
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
