//! Batches as their provider sends, follows and reads them.

use ureq::http::Method;

use super::{Api, ApiError, Call, Repeat, path_segment};
use crate::api::batches::{Batch, BatchResult, NDJSON};

/// How long sending a batch may take: the server waits for its body as long, 16 MiB over a line of 1 Mbit/s.
const SEND_MS: u64 = 150_000;
/// Results of one page: each has a few kilobytes at most, so a page stays below the longest answer that is read.
const RESULTS_PER_PAGE: u64 = 500;

/// Whether the items of a batch are carried out or judged only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchRun {
    /// Each item that the law accepts is carried out.
    Real,
    /// Nothing is stored; the results say what would be.
    Dry,
}

impl Api {
    /// Sends a batch (`POST /v1/batches`): `lines` is NDJSON, a [`BatchLine`](crate::api::batches::BatchLine) each, at most
    /// 10 000 lines and 16 MiB. The same key (1 to 128 visible ASCII characters) with the same lines is the same batch: one
    /// that runs or is done is shown, one that was interrupted goes on.
    pub fn send_batch(&self, lines: &[u8], key: &str, run: BatchRun) -> Result<Batch, ApiError> {
        let query = match run {
            BatchRun::Real => "",
            BatchRun::Dry => "?dry_run=true",
        };
        let call = Call::new(Method::POST, format!("/v1/batches{query}"), Repeat::Once(key));
        self.call(&Call { body: Some(lines.to_vec()), media_type: NDJSON, try_ms: SEND_MS, ..call })
    }

    /// How far a batch has come (`GET /v1/batches/{id}`).
    pub fn batch(&self, id: &str) -> Result<Batch, ApiError> {
        self.get(format!("/v1/batches/{}", path_segment(id)))
    }

    /// The results from the place `from` on, a page of them (`GET /v1/batches/{id}/results`); none behind the last one.
    pub fn batch_results(&self, id: &str, from: u64) -> Result<Vec<BatchResult>, ApiError> {
        let path = format!("/v1/batches/{}/results?cursor={from}&limit={RESULTS_PER_PAGE}", path_segment(id));
        self.lines(&Call::new(Method::GET, path, Repeat::Harmless))
    }
}
