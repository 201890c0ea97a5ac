//! `/statistics`: how the directory grows, by day and provider; small counts are not told (clause 8.1).

use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::authority::{Actor, Figures, Rejection};
use crate::clock::rfc3339;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::pages::icons::Icon;
use crate::http::pages::parts::{card, count, empty, fact, head};
use crate::http::pages::picture::{Lines, shares};
use crate::http::public::{refused, shared};
use crate::http::request::blocking;

/// How long figures are kept: counting them takes tens of milliseconds, and anybody may ask.
const KEPT_MS: u64 = 60_000;
const DAY_S: u64 = 86_400;

/// What may be told.
struct Told {
    numbers: Option<u64>,
    figures: Figures,
    shares: Vec<(String, u64)>,
}

/// The newest figures and when they were counted.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<(u64, Arc<Told>)>>);

impl Kept {
    /// The figures, counted anew when they are old. One counts at a time, and the others wait for it.
    fn told(&self, api: &Api) -> Result<Arc<Told>, Rejection> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = api.clock.now_ms();
        if let Some((at_ms, told)) = &*kept
            && now_ms.abs_diff(*at_ms) < KEPT_MS
        {
            return Ok(Arc::clone(told));
        }
        let told = Arc::new(count_all(api)?);
        *kept = Some((now_ms, Arc::clone(&told)));
        Ok(told)
    }
}

/// Clause 8.1: a count is told only where at least `counter_k_min` cases stand behind it.
fn count_all(api: &Api) -> Result<Told, Rejection> {
    let (authority, actor) = (&api.authority, Actor::operator());
    let k_min = authority.policy().counter_k_min;
    let told = |n: u64| if n < k_min { 0 } else { n };
    let mut figures = authority.figures(&actor)?;
    for counts in [&mut figures.created, &mut figures.renewed, &mut figures.released] {
        for n in counts {
            *n = told(*n);
        }
    }
    let mut shares = authority.shares(&actor)?;
    shares.retain(|(_, n)| *n >= k_min);
    let numbers = authority.count_numbers()?;
    Ok(Told { numbers: (numbers >= k_min).then_some(numbers), figures, shares })
}

/// The figures.
pub(crate) async fn show(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    Extension(kept): Extension<Arc<Kept>>,
) -> Response {
    let of = api.clone();
    let told = match blocking(&id, move || kept.told(&of)).await {
        Ok(told) => told,
        Err(why) => return refused(&api, "/statistics", why),
    };
    let k_min = api.authority.policy().counter_k_min;
    let name = |day: &u64| rfc3339(day * DAY_S).chars().take(10).collect::<String>();
    let points: Vec<String> = told.figures.days.iter().map(name).collect();
    let few = format!("fewer than {k_min}");
    let body = html! {
        (head("Statistics", &format!("Counts behind which fewer than {k_min} cases stand are not told (clause 8.1); in pictures they are 0.")))
        div.grid {
            (fact(&told.numbers.map_or_else(|| few.clone(), count), "numbers registered"))
            (fact(&count(api.authority.providers().len() as u64), "organisations in the register"))
            (fact(&count(api.authority.vitals().epoch), "epochs published"))
        }
        div.grid.wide {
            (card("By day", Lines { title: "Changes by day", unit: "a day", points: &points, lines: &[
                ("registered", told.figures.created.clone()), ("renewed", told.figures.renewed.clone()), ("given back", told.figures.released.clone())] }.draw()))
            @if told.shares.is_empty() {
                (card("By provider", empty(Icon::Provider, "No provider has enough numbers to be told", &format!("It takes {k_min}."))))
            } @else {
                (card("By provider", shares("Numbers by provider", "numbers", &told.shares)))
            }
        }
        @if told.figures.cut { p.soft { "Of the oldest days not all changes were counted." } }
    };
    shared(&api, "Statistics", "/statistics", body).into_response()
}
