//! What handlers take from the query of a URL: known parameters only, every mistake told.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::api::ProblemError;
use crate::http::Api;
use crate::http::id::RequestId;
use crate::http::problem::Reply;

/// The parameters of a request that were not read yet, and the mistakes found so far.
pub(crate) struct Parameters {
    left: BTreeMap<String, String>,
    mistakes: Vec<ProblemError>,
}

impl FromRequestParts<Api> for Parameters {
    type Rejection = Reply;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Reply> {
        let Ok(id) = RequestId::from_request_parts(parts, api).await;
        let mistake = |at: &str, code, why: &str| Reply::invalid(&id, vec![ProblemError::form(at, code, why)]);
        let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::from_request_parts(parts, api).await else {
            return Err(mistake("", "bad_query", "the query is not of the form name=value&name=value"));
        };
        let count = pairs.len();
        let left: BTreeMap<String, String> = pairs.into_iter().collect();
        if left.len() < count {
            return Err(mistake("", "bad_query", "a parameter comes twice"));
        }
        Ok(Self { left, mistakes: Vec::new() })
    }
}

impl Parameters {
    /// A parameter that `read` understands; `wanted` says what would be.
    pub(crate) fn value<T>(&mut self, name: &str, wanted: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.left.remove(name)?;
        let value = read(&text);
        if value.is_none() {
            self.mistakes.push(ProblemError::form(name, "bad_value", format!("{wanted} is needed")));
        }
        value
    }

    /// How many entries a page may have: `limit`, 1 to `most`.
    pub(crate) fn limit(&mut self, usual: usize, most: usize) -> usize {
        let read = |text: &str| text.parse().ok().filter(|limit| (1..=most).contains(limit));
        self.value("limit", &format!("a whole number from 1 to {most}"), read).unwrap_or(usual)
    }

    /// `true` or `false`; left out, it is false.
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        self.value(name, "`true` or `false`", |text| text.parse().ok()).unwrap_or(false)
    }

    /// Nothing more is known here: what is left is a mistake too.
    pub(crate) fn end(mut self, id: &RequestId) -> Result<(), Reply> {
        for name in self.left.keys() {
            let shown: String = name.chars().take(40).collect();
            let why = "this parameter is not known here; check its spelling";
            self.mistakes.push(ProblemError::form(shown, "unknown_parameter", why));
        }
        if self.mistakes.is_empty() { Ok(()) } else { Err(Reply::invalid(id, self.mistakes)) }
    }
}
