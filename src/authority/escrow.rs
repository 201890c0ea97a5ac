//! What the gov log is told of escrow deposits: that one was made, of which moment, and its digest. Nothing of what is in it.

use serde_json::json;

use crate::authority::error::Rejection;
use crate::authority::{Authority, gov};

impl Authority {
    /// Adds a leaf for a deposit: its number, its type (`FULL` or `DIFF`), the SHA-256 of its file in hexadecimal digits, and
    /// the moment that it holds (Unix seconds). Whoever has the deposit can prove later that it is this one. Blocks.
    pub fn tell_deposit(&self, seq: u64, kind: &str, sha256: &str, watermark_s: u64) -> Result<(), Rejection> {
        let body = json!({ "seq": seq, "type": kind, "sha256": sha256, "watermark": watermark_s });
        self.core.add_decided(&|seq, time_ms| gov::leaf(gov::ESCROW, body.clone(), seq, time_ms))
    }
}
