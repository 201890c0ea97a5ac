//! What a control key signs to answer a code that was sent to its number: who can do both has the line and the key.

use crate::log::bytes::put_lp16;
use crate::number::Number;

/// `"callbook/revalidation/v1\0" ‖ lp16(origin of the map log) ‖ lp16(digits, no '+') ‖ lp16(code)`.
///
/// # Panics
/// If the origin or the code is longer than 65535 bytes.
pub fn tbs(origin: &str, number: Number, code: &str) -> Vec<u8> {
    let mut out = b"callbook/revalidation/v1\0".to_vec();
    put_lp16(&mut out, origin.as_bytes());
    put_lp16(&mut out, number.digits().as_bytes());
    put_lp16(&mut out, code.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_signed() {
        let number = |text: &str| Number::parse(text).unwrap();
        let signed = [
            tbs("a/map/0", number("+99912345678"), "12345678"),
            tbs("a/map/1", number("+99912345678"), "12345678"),
            tbs("a/map/0", number("+99912345679"), "12345678"),
            tbs("a/map/0", number("+99912345678"), "12345679"),
        ];
        assert!((0..4).all(|i| signed[..i].iter().all(|other| *other != signed[i])));
    }
}
