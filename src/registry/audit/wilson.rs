//! Wilson's score interval (E. B. Wilson, JASA 22, 1927) in integers: how bad an entity is at least and at most.

/// 1 in parts per billion.
pub const ONE_PPB: u64 = 1_000_000_000;
/// The quantile of one-sided 95 %, in millionths.
pub const Z95_ONE_SIDED_MICRO: u64 = 1_644_854;

/// The bounds of the true rate in parts per billion, the lower one rounded down and the upper one up: for a rate of `rate_ppb`
/// among `n` and the quantile `z_micro`. With `n` = 0 nothing is known: 0 to 1.
pub fn bounds(rate_ppb: u64, n: u64, z_micro: u64) -> (u64, u64) {
    if n == 0 {
        return (0, ONE_PPB);
    }
    // Numerators and denominator of (n p + z²/2 ± z sqrt(n p (1-p) + z²/4)) / (n + z²), times 10^12.
    let (p, n, z, one) = (u128::from(rate_ppb.min(ONE_PPB)), u128::from(n), u128::from(z_micro), u128::from(ONE_PPB));
    let (square, trillion) = (z * z, 1_000_000_000_000);
    let centre = n * p * 1000 + square / 2;
    let root = (n * p * (one - p) + square * 250_000).isqrt(); // of a number times 10^18
    let half = z * root / 1000;
    let below = n * trillion + square;
    let lower = centre.saturating_sub(half + 1) * one / below;
    let upper = ((centre + half + 1) * one).div_ceil(below).min(one);
    (u64::try_from(lower).unwrap_or(0), u64::try_from(upper).unwrap_or(ONE_PPB))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1.959964, the quantile of two-sided 95 %.
    const Z95_MICRO: u64 = 1_959_964;

    /// Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3: the score interval without continuity correction.
    #[test]
    fn the_bounds_are_newcombes() {
        for (r, n, lower, upper) in [(81, 263, 2553, 3662), (15, 148, 624, 1605), (0, 20, 0, 1611), (1, 29, 61, 1718)] {
            let (low, high) = bounds(r * ONE_PPB / n, n, Z95_MICRO);
            let four = |ppb: u64| (ppb + 50_000) / 100_000;
            assert_eq!((four(low), four(high)), (lower, upper), "{r}/{n}");
        }
    }

    #[test]
    fn more_looks_know_more_and_the_ends_are_sound() {
        assert_eq!(bounds(0, 0, Z95_ONE_SIDED_MICRO), (0, ONE_PPB));
        assert_eq!(bounds(ONE_PPB, 10, Z95_ONE_SIDED_MICRO).1, ONE_PPB);
        let mut width = ONE_PPB;
        for n in [10, 100, 1000, 100_000, 100_000_000] {
            let (low, high) = bounds(ONE_PPB / 10, n, Z95_ONE_SIDED_MICRO);
            assert!(low <= ONE_PPB / 10 && high >= ONE_PPB / 10 && high - low < width, "{n}");
            width = high - low;
        }
    }
}
