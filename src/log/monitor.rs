//! What the holder of a control key signs to see every State of a number.

use crate::log::bytes::put_lp16;
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
