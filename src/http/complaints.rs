//! `/v1/complaints`: anybody writes one; the operator lists them and moves them on.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::api::complaints::{Complaint, ComplaintMove, ComplaintTaken, Complaints, NewComplaint};
use crate::api::{Problem, ProblemError};
use crate::authority::{
    self, About, COMPLAINT_CONTACT_MAX, COMPLAINT_TEXT_MAX, COMPLAINTS_PAGE_MAX, ComplaintState, ComplaintView, LedTo,
    Outcome,
};
use crate::http::id::RequestId;
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::receipts::time_of;
use crate::http::request::{Body, Operator, Path, blocking, number_of};
use crate::http::{Api, changes};

/// The longest clause, act or item that an outcome names, in bytes: ids have 32 at most.
const LINK_LEN_MAX: usize = 64;
/// Complaints of one page when nothing is said.
const PAGE_USUAL: usize = 50;

/// Takes a complaint in, from anybody. The answer is the same whatever stands behind the number.
#[utoipa::path(post, path = "/v1/complaints", tag = "complaints", request_body = NewComplaint,
    responses((status = 202, body = ComplaintTaken), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<(StatusCode, Json<ComplaintTaken>), Reply> {
    let counted = api.limits.complaint(request.headers(), request.extensions(), api.clock.now_ms());
    let Body { value, .. } =
        <Body<NewComplaint> as axum::extract::FromRequest<Api>>::from_request(request, &api).await?;
    counted.map_err(|wait_s| Reply::too_many(&id, "this address complains too often", wait_s))?;
    let new = complaint(value).map_err(|mistakes| Reply::invalid(&id, mistakes))?;
    let id = blocking(&id, move || api.authority.complain(new)).await?;
    Ok((StatusCode::ACCEPTED, Json(ComplaintTaken { id })))
}

/// Lists complaints, the oldest first.
#[utoipa::path(get, path = "/v1/complaints", tag = "complaints", params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("limit" = Option<u32>, Query, description = "1 to 200"), ("state" = Option<String>, Query, description = "only `open`, `in_work` or `closed`")),
    security(("token" = [])), responses((status = 200, body = Complaints), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    mut parameters: Parameters,
) -> Result<Json<Complaints>, Reply> {
    let after = parameters.value("cursor", "`next_cursor` of an earlier answer", changes::place_in).unwrap_or(0);
    let limit = parameters.limit(PAGE_USUAL, COMPLAINTS_PAGE_MAX);
    let state = parameters.value("state", "`open`, `in_work` or `closed`", ComplaintState::from_name);
    parameters.end(&id)?;
    let page = blocking(&id, move || api.authority.complaints(&actor, state, after, limit)).await?;
    let complaints = page.complaints.into_iter().map(shown).collect();
    Ok(Json(Complaints { complaints, next_cursor: page.after.map(changes::written) }))
}

/// Takes a complaint up, or closes it with its outcome. Some time after that, text and contact are erased (clause 8.3).
#[utoipa::path(patch, path = "/v1/complaints/{id}", tag = "complaints", request_body = ComplaintMove,
    params(("id" = String, Path, description = "the complaint's id")), security(("token" = [])),
    responses((status = 200, body = Complaint), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn move_on(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(complaint): Path<String>,
    Body { value, .. }: Body<ComplaintMove>,
) -> Result<Json<Complaint>, Reply> {
    let to = match (value.state.as_str(), value.outcome.as_deref().map(Outcome::from_name)) {
        ("in_work", None) => authority::ComplaintMove::TakeUp,
        ("closed", Some(Some(outcome))) => {
            let LinkFields { clause, act, item } = links(&value, &id)?;
            authority::ComplaintMove::Close(outcome, LedTo { clause, act, item, ..LedTo::default() })
        }
        ("in_work" | "closed", _) => {
            let why = "`upheld`, `rejected` or `not_ours` goes with `closed`, and none with `in_work`";
            return Err(Reply::invalid(&id, vec![ProblemError::form("/outcome", "bad_value", why)]));
        }
        _ => {
            let why = "`in_work` or `closed` is needed";
            return Err(Reply::invalid(&id, vec![ProblemError::form("/state", "bad_value", why)]));
        }
    };
    let moved = tokio::task::spawn_blocking(move || api.authority.move_complaint(&actor, &complaint, to)).await;
    answered(&id, moved)
}

/// Shows a complaint with what it led to.
#[utoipa::path(get, path = "/v1/complaints/{id}", tag = "complaints", params(("id" = String, Path, description = "the complaint's id")),
    security(("token" = [])), responses((status = 200, body = Complaint), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Operator(actor): Operator,
    Path(complaint): Path<String>,
) -> Result<Json<Complaint>, Reply> {
    let found = tokio::task::spawn_blocking(move || api.authority.complaint(&actor, &complaint)).await;
    answered(&id, found)
}

fn answered(
    id: &RequestId,
    outcome: Result<Result<ComplaintView, authority::Rejection>, tokio::task::JoinError>,
) -> Result<Json<Complaint>, Reply> {
    match outcome {
        Ok(Ok(view)) => Ok(Json(shown(view))),
        Ok(Err(authority::Rejection::NotFound)) => {
            Err(Reply::new(id, 404, "not_found", "There is no such complaint", "no complaint has this id"))
        }
        Ok(Err(no)) => Err(Reply::rejected(id, no)),
        Err(_panic) => Err(Reply::fault(id)),
    }
}

/// What an outcome may name beside itself.
struct LinkFields {
    clause: Option<String>,
    act: Option<String>,
    item: Option<String>,
}

fn links(value: &ComplaintMove, id: &RequestId) -> Result<LinkFields, Reply> {
    let mut mistakes = Vec::new();
    for (pointer, text) in [("/clause", &value.clause), ("/act", &value.act), ("/item", &value.item)] {
        if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > LINK_LEN_MAX) {
            mistakes.push(ProblemError::form(pointer, "wrong_length", format!("1 to {LINK_LEN_MAX} bytes")));
        }
    }
    if !mistakes.is_empty() {
        return Err(Reply::invalid(id, mistakes));
    }
    Ok(LinkFields { clause: value.clause.clone(), act: value.act.clone(), item: value.item.clone() })
}

fn complaint(value: NewComplaint) -> Result<authority::NewComplaint, Vec<ProblemError>> {
    let mut mistakes = Vec::new();
    let about = About::from_name(&value.about);
    if about.is_none() {
        let names: Vec<&str> = About::ALL.iter().map(|subject| subject.name()).collect();
        mistakes.push(ProblemError::form("/about", "bad_value", format!("one of {} is needed", names.join(", "))));
    }
    let number = match value.number.map(|text| number_of(&text, "/number")).transpose() {
        Ok(number) => number,
        Err(mistake) => {
            mistakes.push(mistake);
            None
        }
    };
    let contact = value.contact.unwrap_or_default();
    for (pointer, text, most) in
        [("/text", &value.text, COMPLAINT_TEXT_MAX), ("/contact", &contact, COMPLAINT_CONTACT_MAX)]
    {
        if text.len() > most {
            mistakes.push(ProblemError::form(pointer, "too_long", format!("at most {most} bytes")));
        }
    }
    if value.text.trim().is_empty() {
        mistakes.push(ProblemError::form("/text", "required", "say what is wrong"));
    }
    let contact = Some(contact).filter(|contact| !contact.is_empty());
    match about.filter(|_| mistakes.is_empty()) {
        Some(about) => Ok(authority::NewComplaint { about, number, text: value.text, contact }),
        None => Err(mistakes),
    }
}

fn shown(view: ComplaintView) -> Complaint {
    Complaint {
        id: view.id,
        state: view.state.name().to_owned(),
        outcome: view.outcome.map(|outcome| outcome.name().to_owned()),
        about: view.about.name().to_owned(),
        names_number: view.names_number,
        number: view.number.map(|number| number.to_string()),
        text: view.text,
        contact: view.contact,
        clause: view.led_to.clause,
        act: view.led_to.act,
        item: view.led_to.item,
        taken_by: view.led_to.taken_by,
        closed_by: view.led_to.closed_by,
        made_at: time_of(view.made_ms),
        changed_at: time_of(view.changed_ms),
    }
}
