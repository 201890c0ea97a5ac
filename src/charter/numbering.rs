//! How long the numbers of each country code are: what decides where a served range of the charter does not say it itself.

use crate::number::DIGITS_MAX;

/// Which edition of the metadata the table was made from; it goes into the public log when it changes.
pub const EDITION: &str = "libphonenumber 9.0.43";

/// A line a country code: the code and the lengths of its whole numbers, code included, as possible by [`EDITION`].
/// Made by `tests/numbering.py`.
const TABLE: &str = include_str!("numbering.txt");

/// The country code that begins these digits; None if none is assigned. No code begins another.
pub fn country_code(digits: &str) -> Option<&'static str> {
    line(digits).map(|(code, _)| code)
}

/// Whether numbers with these leading digits may have `len` digits in all, the country code included. None: no country code.
pub fn has_length(digits: &str, len: usize) -> Option<bool> {
    line(digits).map(|(_, lengths)| runs(lengths).any(|(first, last)| (first..=last).contains(&len)))
}

/// The shortest and the longest number behind these leading digits.
pub fn bounds(digits: &str) -> Option<(usize, usize)> {
    let (_, lengths) = line(digits)?;
    let min = runs(lengths).map(|(first, _)| first).min()?;
    runs(lengths).map(|(_, last)| last).max().map(|max| (min, max))
}

fn line(digits: &str) -> Option<(&'static str, &'static str)> {
    TABLE.lines().filter_map(|line| line.split_once(' ')).find(|(code, _)| digits.starts_with(code))
}

/// `9-12,15` as pairs.
fn runs(lengths: &'static str) -> impl Iterator<Item = (usize, usize)> {
    lengths.split(',').filter_map(|run| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        Some((first.parse().ok()?, last.parse().ok().filter(|last| *last <= DIGITS_MAX)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_code_with_lengths_and_no_code_begins_another() {
        let codes: Vec<_> = TABLE.lines().map(|line| line.split_once(' ').unwrap()).collect();
        assert!(codes.len() > 200);
        for (code, lengths) in &codes {
            assert!(code.len() <= 3 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
            assert_eq!(runs(lengths).count(), lengths.split(',').count(), "{code}");
            assert!(runs(lengths).all(|(first, last)| (7..=last).contains(&first)), "{code}");
            assert_eq!(codes.iter().filter(|(other, _)| code.starts_with(other)).count(), 1, "{code}");
        }
    }

    #[test]
    fn lengths_of_a_few_countries() {
        assert_eq!(has_length("34600111222", 11), Some(true));
        assert_eq!(has_length("34600111222", 12), Some(false));
        assert_eq!(bounds("4477"), Some((9, 12)));
        assert_eq!(has_length("44", 10), Some(false), "a gap between its lengths");
        assert_eq!(country_code("12025550123"), Some("1"));
        assert_eq!(country_code("999123"), None, "kept in reserve");
        assert_eq!(has_length("0", 9), None);
    }
}
