//! The shortest complete number of each country calling code: shorter digit strings are prefixes, not somebody's number.
//!
//! ITU-T E.164 national numbering plans, as libphonenumber 9.0 collects them (possible lengths of fixed, mobile, VoIP and personal numbers, local-only ones left out).
//! Digits with the country code; never below seven, the shortest number that this directory takes.

/// Country calling codes by the digits of their shortest number, codes in ascending order.
const BY_DIGITS: [(u8, &[u16]); 9] = [
    (7, &[27, 43, 49, 82, 290, 352, 683, 690]),
    (8, &[39, 40, 53, 63, 95, 98, 247, 358, 500, 676, 677, 678, 682, 685, 686, 688]),
    (9, &[46, 48, 62, 86, 252, 298, 299, 359, 376, 421, 508, 597, 672, 681, 687, 880]),
    (
        10,
        &[
            20, 32, 36, 45, 47, 51, 57, 60, 64, 65, 66, 220, 230, 231, 238, 239, 241, 243, 245, 246, 248, 254, 265,
            267, 269, 291, 297, 353, 354, 372, 381, 423, 501, 507, 592, 595, 599, 670, 673, 674, 675, 679, 680, 691,
            692, 882, 960, 961, 967, 975,
        ],
    ),
    (
        11,
        &[
            1, 7, 31, 33, 34, 41, 44, 56, 61, 81, 84, 92, 93, 94, 213, 216, 222, 223, 224, 226, 227, 228, 232, 235,
            236, 250, 253, 257, 258, 264, 266, 268, 350, 355, 356, 357, 370, 371, 373, 374, 377, 378, 382, 383, 385,
            386, 387, 389, 502, 503, 504, 505, 506, 509, 591, 593, 598, 689, 800, 808, 850, 852, 853, 855, 856, 883,
            886, 962, 963, 964, 965, 968, 970, 971, 972, 973, 974, 976, 977, 993,
        ],
    ),
    (
        12,
        &[
            30, 52, 54, 55, 58, 90, 91, 211, 212, 218, 221, 233, 237, 240, 242, 244, 249, 251, 255, 256, 260, 261, 262,
            263, 351, 375, 380, 420, 590, 594, 596, 870, 881, 966, 979, 992, 994, 995, 996, 998,
        ],
    ),
    (13, &[225, 229, 234]),
    (14, &[888]),
    (15, &[878]),
];

/// The same by the first three digits, as a look-up takes it; codes that are not assigned count as seven digits.
static SHORTEST: [u8; 1000] = by_first_three();

const fn by_first_three() -> [u8; 1000] {
    let (mut table, mut row) = ([7; 1000], 0);
    while row < BY_DIGITS.len() {
        let (digits, codes) = BY_DIGITS[row];
        let mut at = 0;
        while at < codes.len() {
            // `44` stands for 440 to 449. No code begins another, so no entry is written twice.
            let (first, span) = match codes[at] {
                code @ ..10 => (code * 100, 100),
                code @ ..100 => (code * 10, 10),
                code => (code, 1),
            };
            let mut i = 0;
            while i < span {
                table[(first + i) as usize] = digits;
                i += 1;
            }
            at += 1;
        }
        row += 1;
    }
    table
}

/// The fewest digits, country code included, that a number beginning with the digits of `value` can have. `digits` is how
/// many there are, leading zeros included.
pub fn shortest(value: u64, digits: usize) -> usize {
    let first = match digits.checked_sub(3) {
        Some(rest) => 10u64.checked_pow(rest as u32).map_or(0, |scale| value / scale),
        None => 0,
    };
    usize::from(SHORTEST.get(first as usize).copied().unwrap_or(7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_plans() {
        for (text, digits) in
            [("34600111222", 11), ("12025550123", 11), ("447700900123", 11), ("4930123456", 7), ("999000", 7), ("1", 7)]
        {
            assert_eq!(shortest(text.parse().unwrap(), text.len()), digits, "{text}");
        }
    }

    #[test]
    fn no_code_begins_another_and_none_is_twice() {
        let codes: Vec<String> = BY_DIGITS.iter().flat_map(|(_, codes)| codes.iter().map(u16::to_string)).collect();
        for (i, code) in codes.iter().enumerate() {
            assert!(codes.iter().enumerate().all(|(j, other)| i == j || !other.starts_with(code.as_str())), "{code}");
        }
        assert!(BY_DIGITS.iter().all(|(digits, codes)| (7..=15).contains(digits) && codes.is_sorted()));
    }
}
