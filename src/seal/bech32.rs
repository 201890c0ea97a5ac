//! Bech32 (BIP 173) of 32 octets: how age writes its keys. A mistake in typing is noticed.

const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// Five octets are eight digits: 32 octets are 52, of which the last holds one bit.
const DATA_DIGITS: usize = 52;
const CHECK_DIGITS: usize = 6;

/// `prefix` in lower case, `1`, the octets, six digits that check all of it.
pub(super) fn encode(prefix: &str, octets: &[u8; 32]) -> String {
    let mut digits = Vec::with_capacity(DATA_DIGITS + CHECK_DIGITS);
    let (mut held, mut bits) = (0u32, 0);
    for octet in octets {
        held = (held << 8 | u32::from(*octet)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            digits.push((held >> bits & 31) as u8);
        }
    }
    digits.push((held << (5 - bits) & 31) as u8);
    let check = checksum(prefix, &[&digits[..], &[0; CHECK_DIGITS]].concat()) ^ 1;
    digits.extend((0..CHECK_DIGITS).map(|i| (check >> (5 * (5 - i)) & 31) as u8));
    let text = digits.iter().map(|digit| char::from(DIGITS[usize::from(*digit)]));
    format!("{prefix}1{}", text.collect::<String>())
}

/// The octets of what [`encode`] wrote under this prefix.
pub(super) fn decode(prefix: &str, text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let place = |c: u8| DIGITS.iter().position(|digit| *digit == c).and_then(|at| u8::try_from(at).ok());
    let digits: Vec<u8> = digits.bytes().map(place).collect::<Option<_>>()?;
    if digits.len() != DATA_DIGITS + CHECK_DIGITS || checksum(prefix, &digits) != 1 {
        return None;
    }
    let (mut held, mut bits, mut octets) = (0u32, 0, Vec::with_capacity(32));
    for digit in &digits[..DATA_DIGITS] {
        held = (held << 5 | u32::from(*digit)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            octets.push((held >> bits & 255) as u8);
        }
    }
    let rest = held & ((1 << bits) - 1);
    octets.try_into().ok().filter(|_| rest == 0)
}

fn checksum(prefix: &str, digits: &[u8]) -> u32 {
    let high = prefix.bytes().map(|c| c >> 5);
    let low = prefix.bytes().map(|c| c & 31);
    high.chain([0]).chain(low).chain(digits.iter().copied()).fold(1, |check, value| {
        let top = check >> 25;
        let next = (check & 0x01ff_ffff) << 5 ^ u32::from(value);
        GENERATOR.iter().enumerate().fold(next, |next, (i, word)| if top >> i & 1 == 1 { next ^ word } else { next })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_one_digit_is_noticed() {
        let octets: [u8; 32] = std::array::from_fn(|i| i as u8 * 7);
        let text = encode("age", &octets);
        assert_eq!(decode("age", &text), Some(octets));
        for at in 0..text.len() {
            for digit in ["q", "p", "l", "1", "b"] {
                let mut wrong = text.clone();
                wrong.replace_range(at..=at, digit);
                assert!(wrong == text || decode("age", &wrong).is_none(), "{wrong}");
            }
        }
        assert_eq!(decode("age", &text[..text.len() - 1]), None);
        assert_eq!(decode("bge", &text), None);
    }
}
