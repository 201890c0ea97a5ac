//! The public JSON of the HTTP API: types that server and clients share. `snake_case`, RFC 3339 times in UTC, bytes as base64.

pub mod acts;
pub mod audit;
pub mod audits;
pub mod batches;
pub mod bytes;
pub mod changes;
pub mod charter;
pub mod complaints;
pub mod log;
pub mod monitor;
pub mod numbers;
pub mod problem;
pub mod proofs;
pub mod providers;
pub mod revalidations;
pub mod service;
pub mod webhooks;

pub use bytes::Base64;
pub use problem::{Problem, ProblemError};

/// The longest request body, in bytes. One number with all its keys is at most 16 KiB (REGISTRY.md 7); base64 and tokens double it.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The deepest nesting of a JSON body; the deepest body that the API defines has 3.
pub const JSON_DEPTH_MAX: usize = 16;
