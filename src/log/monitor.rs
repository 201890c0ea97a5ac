//! What the holder of a control key signs to see every State of a number, and the leave that it gives to a watcher.

use crate::log::bytes::put_lp16;
use crate::log::key::{PublicKey, SigningKey, Thumbprint};
use crate::log::label::Label;

/// `"callbook/monitor/v1\0" ‖ lp16(origin of the map log) ‖ label ‖ u64 from_version ‖ u64 time in Unix seconds`.
///
/// # Panics
/// If the origin is longer than 65535 bytes.
pub fn tbs(origin: &str, label: &Label, from_version: u64, at_s: u64) -> Vec<u8> {
    let mut out = b"callbook/monitor/v1\0".to_vec();
    put_lp16(&mut out, origin.as_bytes());
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(&from_version.to_be_bytes());
    out.extend_from_slice(&at_s.to_be_bytes());
    out
}

/// Leave for a watcher's key to see the States of one label, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Until when, Unix seconds.
    pub until_s: u64,
    /// The control key that gives it.
    pub by: PublicKey,
    /// Its signature over [`grant_tbs`].
    pub signature: [u8; 64],
}

/// `"callbook/monitor-grant/v1\0" ‖ lp16(origin of the map log) ‖ label ‖ thumbprint of the watcher's key ‖ u64 until in Unix
/// seconds`.
///
/// # Panics
/// If the origin is longer than 65535 bytes.
pub fn grant_tbs(origin: &str, label: &Label, watcher: &Thumbprint, until_s: u64) -> Vec<u8> {
    let mut out = b"callbook/monitor-grant/v1\0".to_vec();
    put_lp16(&mut out, origin.as_bytes());
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(watcher);
    out.extend_from_slice(&until_s.to_be_bytes());
    out
}

impl Grant {
    /// Gives leave.
    pub fn give(origin: &str, label: &Label, watcher: &Thumbprint, until_s: u64, by: &SigningKey) -> Self {
        let signature = by.sign(&grant_tbs(origin, label, watcher, until_s));
        Self { until_s, by: by.public().clone(), signature }
    }

    /// Whether it is good at `now_s` for that watcher and label.
    pub fn verifies(&self, origin: &str, label: &Label, watcher: &Thumbprint, now_s: u64) -> bool {
        now_s < self.until_s && self.by.verify(&grant_tbs(origin, label, watcher, self.until_s), &self.signature)
    }
}
