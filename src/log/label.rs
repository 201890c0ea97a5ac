//! A number's place in the map: the output of a verifiable random function, so that nobody can guess it.

use std::fmt;

use crate::log::Hash;
use crate::log::bytes::put_lp16;
use crate::number::Number;

/// The place of one number in one era's map: VRF output 0..32 over [`alpha`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(pub Hash);

impl Label {
    /// Bit `i` of the label, 0 being the most significant: the way to take at depth `i` of the map.
    ///
    /// # Panics
    /// If `i` is 256 or more.
    pub const fn bit(&self, i: usize) -> bool {
        self.0[i / 8] >> (7 - i % 8) & 1 == 1
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &Hash {
        &self.0
    }
}

/// Only the first bytes: enough to tell labels apart, of no use to a reader of a log.
impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The VRF input: `"callbook/label/v1\0" ‖ lp16(origin of the map log) ‖ lp16(digits without +)`.
///
/// # Panics
/// If the origin is longer than 65535 bytes.
pub fn alpha(origin: &str, number: Number) -> Vec<u8> {
    let mut out = b"callbook/label/v1\0".to_vec();
    put_lp16(&mut out, origin.as_bytes());
    put_lp16(&mut out, number.digits().as_bytes());
    out
}
