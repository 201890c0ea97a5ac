//! `/v1/batches`: many changes in one request, their progress and their results.

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use ring::digest;

use crate::api::batches::{BATCH_BYTES_MAX, Batch, BatchAct, BatchLine, BatchResult, NDJSON};
use crate::api::{BODY_BYTES_MAX, Problem, ProblemError};
use crate::authority::{self, BATCH_ITEMS_MAX, BatchItem, BatchState, BatchView, ItemOutcome, NewBatch};
use crate::http::id::RequestId;
use crate::http::numbers::{bare, submission_of};
use crate::http::problem::Reply;
use crate::http::query::Parameters;
use crate::http::receipts::{self, time_of};
use crate::http::request::{Caller, Path, blocking, idempotency, is_encoded, number_of};
use crate::http::{Api, fields};

/// Where batches are sent to; they may take longer than other requests.
pub(crate) const ROUTE: &str = "/v1/batches";
/// Results of one page when nothing is said.
const RESULTS_USUAL: usize = 1000;
/// The most results of one page: each is at most a few kilobytes.
const RESULTS_MAX: usize = 2000;
/// How much of an oversized body is read away before the answer, so that the sender hears it.
const DRAIN_BYTES_MAX: usize = 2 * BATCH_BYTES_MAX;

/// Takes in up to 10 000 changes, one JSON object a line, each judged as if it came alone.
///
/// A line has `op` (`put`, `renew`, `release`), `number`, and the fields of the single call. A line that cannot be read is
/// that item's mistake, not the batch's. Accepted means taken in: follow `GET /v1/batches/{id}`.
#[utoipa::path(post, path = "/v1/batches", tag = "batches", request_body(content = String, content_type = "application/x-ndjson", description = "lines of BatchLine"),
    params(("dry_run" = Option<bool>, Query, description = "judge the items and store nothing"),
    ("Idempotency-Key" = Option<String>, Header, description = "same key and body: the same batch, which goes on if it was interrupted")),
    security(("token" = [])), responses((status = 202, body = Batch), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn add(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    mut parameters: Parameters,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Reply> {
    let dry_run = parameters.switch("dry_run");
    parameters.end(&id)?;
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let is_ndjson = media.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(NDJSON));
    let mut lines = Lines::new(dry_run);
    read_lines(request.into_body(), &mut lines).await.map_err(|unread| unread.reply(&id))?;
    if !is_ndjson {
        return Err(Reply::not_ndjson(&id));
    }
    if is_encoded(&headers) {
        return Err(Reply::encoded(&id));
    }
    let (items, request) = lines.finish();
    if items.is_empty() {
        return Err(Reply::invalid(&id, vec![ProblemError::form("", "required", "a batch has at least one line")]));
    }
    let key = idempotency(&headers, request).map_err(|mistake| Reply::invalid(&id, vec![mistake]))?;
    let new = NewBatch { items, dry_run, request, key: key.map(|key| key.key) };
    let view = blocking(&id, move || api.authority.take_batch(&actor, new)).await?;
    let location = format!("{ROUTE}/{}", view.id);
    Ok((StatusCode::ACCEPTED, [("location", location)], Json(shown(&view))).into_response())
}

/// Shows how far a batch has come, to its provider.
#[utoipa::path(get, path = "/v1/batches/{id}", tag = "batches", params(("id" = String, Path, description = "the batch's id")), security(("token" = [])),
    responses((status = 200, body = Batch), (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(batch): Path<String>,
) -> Result<Json<Batch>, Reply> {
    let view = blocking(&id, move || api.authority.batch(&actor, &batch)).await?.ok_or_else(|| no_such_batch(&id))?;
    Ok(Json(shown(&view)))
}

/// The results so far, one JSON object (`BatchResult`) a line, by their places. `Link: <…>; rel="next"` leads on.
#[utoipa::path(get, path = "/v1/batches/{id}/results", tag = "batches", params(("id" = String, Path, description = "the batch's id"),
    ("cursor" = Option<u64>, Query, description = "the place to begin at; one behind the last line's `index`"), ("limit" = Option<u32>, Query, description = "1 to 2000 lines")),
    security(("token" = [])), responses((status = 200, body = String, content_type = "application/x-ndjson"),
    (status = "4XX", body = Problem, content_type = "application/problem+json"), (status = "5XX", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn results(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Caller(actor): Caller,
    Path(batch): Path<String>,
    mut parameters: Parameters,
) -> Result<Response, Reply> {
    let from = parameters.value("cursor", "a whole number", |text| text.parse().ok()).unwrap_or(0);
    let limit = parameters.limit(RESULTS_USUAL, RESULTS_MAX);
    parameters.end(&id)?;
    let name = batch.clone();
    let found = blocking(&id, move || api.authority.batch_outcomes(&actor, &name, from, limit)).await?;
    let outcomes = found.ok_or_else(|| no_such_batch(&id))?;
    let next = outcomes.last().filter(|_| outcomes.len() == limit).map(|(index, _)| index + 1);
    let mut text = String::new();
    for (index, outcome) in outcomes {
        // Texts and numbers always serialise.
        text.push_str(&serde_json::to_string(&result(&id, index, outcome)).unwrap_or_default());
        text.push('\n');
    }
    let mut response = ([(CONTENT_TYPE, NDJSON)], text).into_response();
    let link = next.map(|next| format!("<{ROUTE}/{batch}/results?cursor={next}&limit={limit}>; rel=\"next\""));
    if let Some(Ok(link)) = link.map(TryInto::try_into) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

fn no_such_batch(id: &RequestId) -> Reply {
    Reply::new(id, 404, "not_found", "There is no such batch", "no batch of yours has this id, or it is forgotten")
}

fn shown(view: &BatchView) -> Batch {
    let state = match view.state {
        BatchState::Running => "running",
        BatchState::Done => "done",
        BatchState::Interrupted => "interrupted",
    };
    Batch {
        id: view.id.clone(),
        state: state.to_owned(),
        dry_run: view.dry_run,
        items: view.items,
        done: view.done,
        accepted: view.done - view.refused,
        refused: view.refused,
        made_at: time_of(view.made_ms),
        ended_at: view.ended_ms.map(time_of),
        results: format!("{ROUTE}/{}/results", view.id),
    }
}

fn result(id: &RequestId, index: u64, outcome: ItemOutcome) -> BatchResult {
    let bare = BatchResult { index, status: 200, version: None, receipt: None, problem: None };
    let problem = |reply: Reply| {
        let problem = reply.into_problem();
        BatchResult { status: problem.status, problem: Some(problem), ..bare.clone() }
    };
    match outcome {
        ItemOutcome::Accepted(receipt) => {
            BatchResult { status: 202, receipt: Some(receipts::shown(&receipt)), ..bare.clone() }
        }
        ItemOutcome::Would(version) => BatchResult { version: Some(version), ..bare.clone() },
        ItemOutcome::Malformed(mistakes) => problem(Reply::invalid(id, mistakes)),
        ItemOutcome::Refused(no) => problem(Reply::rejected(id, no)),
    }
}

/// A batch as it comes in: lines are read as soon as they are whole, so that only what they say is held.
struct Lines {
    digest: digest::Context,
    line: Vec<u8>,
    /// Whether the line at hand is over its bound: the rest of it is read away.
    too_long: bool,
    items: Vec<BatchItem>,
    seen: usize,
}

/// Why a batch could not be read.
enum Unread {
    TooLarge,
    TooMany,
    Broken,
}

impl Unread {
    fn reply(&self, id: &RequestId) -> Reply {
        match self {
            Self::TooLarge => Reply::too_large(id, BATCH_BYTES_MAX),
            Self::TooMany => {
                let why = format!("a batch has at most {BATCH_ITEMS_MAX} lines; send several");
                Reply::new(id, 413, "too_large", "The body is too large", &why)
            }
            Self::Broken => {
                Reply::invalid(id, vec![ProblemError::form("", "body_cut", "the body ended before its length")])
            }
        }
    }
}

async fn read_lines(mut body: Body, lines: &mut Lines) -> Result<(), Unread> {
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        lines.take(&data);
        if lines.seen > DRAIN_BYTES_MAX {
            break;
        }
    }
    lines.end_line();
    match lines {
        Lines { seen, .. } if *seen > BATCH_BYTES_MAX => Err(Unread::TooLarge),
        Lines { items, .. } if items.len() > BATCH_ITEMS_MAX => Err(Unread::TooMany),
        _ => Ok(()),
    }
}

impl Lines {
    fn new(dry_run: bool) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        digest.update(format!("POST {ROUTE} {dry_run}\n").as_bytes());
        Self { digest, line: Vec::new(), too_long: false, items: Vec::new(), seen: 0 }
    }

    fn take(&mut self, data: &[u8]) {
        self.seen = self.seen.saturating_add(data.len());
        if self.seen > BATCH_BYTES_MAX {
            return; // only read away
        }
        self.digest.update(data);
        let mut parts = data.split(|byte| *byte == b'\n');
        self.add(parts.next().unwrap_or_default());
        for part in parts {
            self.end_line();
            self.add(part);
        }
    }

    fn add(&mut self, part: &[u8]) {
        self.too_long |= self.line.len() + part.len() > BODY_BYTES_MAX;
        if self.too_long {
            self.line.clear();
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        let (line, too_long) = (std::mem::take(&mut self.line), std::mem::take(&mut self.too_long));
        if self.items.len() > BATCH_ITEMS_MAX || line.trim_ascii().is_empty() && !too_long {
            return;
        }
        self.items.push(match too_long {
            true => {
                let why = format!("a line may have {BODY_BYTES_MAX} bytes");
                Err(vec![ProblemError::form("", "too_large", why)])
            }
            false => fields::read::<BatchLine>(&line).and_then(change),
        });
    }

    fn finish(self) -> (Vec<BatchItem>, [u8; 32]) {
        let digest = self.digest.finish();
        (self.items, digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// The change that a line asks for.
fn change(line: BatchLine) -> Result<authority::Submission, Vec<ProblemError>> {
    let number = number_of(&line.number, "/number").map_err(|mistake| vec![mistake])?;
    match line.act {
        BatchAct::Put(body) => submission_of(number, body),
        BatchAct::Renew(body) => Ok(authority::Submission { validation: body.validation, ..bare(number, body.event) }),
        BatchAct::Release(body) => Ok(bare(number, body.event)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<BatchItem> {
        let mut lines = Lines::new(false);
        pieces.iter().for_each(|piece| lines.take(piece));
        lines.end_line();
        lines.finish().0
    }

    #[test]
    fn lines_are_read_however_they_are_cut() {
        let line = br#"{"op": "release", "number": "+9991234567", "event": "AAAA"}"#;
        let body = [&line[..], b"\n\n  \r\n", line, b"\nrubbish"].concat();
        for size in [1, 7, 58, 59, 60, 1000] {
            let items = read(&body.chunks(size).collect::<Vec<_>>());
            assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false], "{size}");
        }
    }

    #[test]
    fn a_long_line_is_its_own_mistake() {
        let long = vec![b'x'; BODY_BYTES_MAX + 1];
        let items = read(&[&long, b"\n", br#"{"op": "sing", "number": "+9991234567", "event": "AAAA"}"#]);
        let codes: Vec<_> = items.iter().map(|item| item.as_ref().unwrap_err()[0].code.as_str()).collect();
        assert_eq!(codes, ["too_large", "bad_value"]);
    }

    #[test]
    fn a_dry_run_is_another_request() {
        assert_ne!(Lines::new(false).finish().1, Lines::new(true).finish().1);
    }
}
