//! The only place that reads the time: everything else is handed it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A source of wall-clock time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch (UTC, leap seconds ignored).
    fn now_ms(&self) -> u64;

    /// Whole seconds since the Unix epoch.
    fn now_s(&self) -> u64 {
        unix_s(self.now_ms())
    }
}

/// Whole seconds of a time in milliseconds; the unit of signatures and of `not_after`.
pub fn unix_s(ms: u64) -> u64 {
    ms / 1000
}

/// A time as RFC 3339 text in UTC, to the second: `2026-11-23T00:24:00Z`.
pub fn rfc3339(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Days to a civil date, counted in eras of 400 years that begin on 1 March, so that leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Reads what [`rfc3339`] writes: a time in UTC to the second. None for anything else, and before 1970.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    const LEN: usize = "2026-11-23T00:24:00Z".len();
    let fields = |text: &str, sign: char| {
        let parts: Vec<u64> = text.split(sign).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        <[u64; 3]>::try_from(parts).ok()
    };
    let (date, time) = text.strip_suffix('Z').filter(|text| text.len() == LEN - 1)?.split_once('T')?;
    let ([year, month, day], [hour, minute, second]) = (fields(date, '-')?, fields(time, ':')?);
    let shifted = if month > 2 { year } else { year.checked_sub(1)? };
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let read = days.checked_sub(719_468)?.checked_mul(86_400)? + hour * 3600 + minute * 60 + second;
    // What is no date, such as the 31st of June, reads as another one.
    (rfc3339(read) == text).then_some(read)
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // this is the one place
    fn now_ms(&self) -> u64 {
        // A clock before 1970 is a broken machine; zero makes every signature check fail, which is the safe side.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
    }
}

/// A clock that stands still until it is told otherwise: for tests and simulations.
#[derive(Debug, Default)]
pub struct FakeClock(AtomicU64);

impl FakeClock {
    /// A clock that shows `now_ms`.
    pub fn at(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms))
    }

    /// Moves the hands to `now_ms`, forwards or back.
    pub fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }

    /// Moves the hands `by_ms` forwards.
    pub fn advance(&self, by_ms: u64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_written_is_read() {
        for unix_s in [0, 951_782_399, 951_782_400, 1_800_000_000, 4_102_444_799, 253_402_300_799] {
            assert_eq!(parse_rfc3339(&rfc3339(unix_s)), Some(unix_s));
        }
        for wrong in [
            "",
            "2027-02-29T00:00:00Z",
            "2027-01-15",
            "2027-01-15T08:00:00+00:00",
            "2027-01-15t08:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-01-00T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2027-01-15T24:00:00Z",
            "2027-01-15T08:00:00Z ",
        ] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn writes_dates_as_rfc_3339_does() {
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(unix_s), text);
            assert_eq!(parse_rfc3339(text), Some(unix_s));
        }
        for text in [
            "",
            "2027-03-01",
            "2027-03-01T00:00:00",
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
        for text in [
            "2027-03-01T24:00:00Z",
            "2027-3-1T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "99999999999999999999-01-01T00:00:00Z",
            "2027-03-00T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
