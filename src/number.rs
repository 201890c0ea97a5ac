//! An E.164 number: text, packed integer and ENUM name, and the ways between them.

pub mod shortest;

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// The fewest digits that the directory takes (REGISTRY.md 7; no country numbers subscribers shorter).
pub const DIGITS_MIN: usize = 7;
/// The most digits of an E.164 number (ITU-T E.164 6.1).
pub const DIGITS_MAX: usize = 15;

/// An E.164 number of 7 to 15 digits, packed into its decimal value.
///
/// No country code starts with 0, so the value names the digits exactly and 15 digits fit a `u64`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u64);

/// Why a text is not a number. Each reason says what would be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// No leading `+`.
    #[error(
        "a number is written in international form, with a leading + and the country code, such as +44 7700 900123"
    )]
    NotInternational,
    /// A character that is neither a digit nor a usual separator.
    #[error(
        "{0:?} does not belong in a number: write digits after the +, with spaces, dots, hyphens or brackets at most"
    )]
    Character(char),
    /// Fewer than [`DIGITS_MIN`] digits.
    #[error("{0} digits are too few: an E.164 number here has 7 to 15 digits, the country code included")]
    TooShort(usize),
    /// More than [`DIGITS_MAX`] digits.
    #[error("too many digits: an E.164 number has at most 15 digits, the country code included")]
    TooLong,
    /// A country code cannot start with 0.
    #[error("no country code starts with 0: leave out the trunk or exit prefix and start with the country code")]
    LeadingZero,
    /// Not an ENUM name of a whole number under the apex.
    #[error("this is not the ENUM name of a number below that apex (RFC 6116 3.2: reversed digits, one to a label)")]
    EnumName,
}

impl Number {
    /// Reads a number as people write it: `+` first, then digits with visual separators (RFC 3966 5.1.1: space, `-`, `.`, `(`, `)`).
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let rest = text.trim().strip_prefix('+').ok_or(NumberError::NotInternational)?;
        let mut digits = [0u8; DIGITS_MAX];
        let mut n = 0;
        for c in rest.chars() {
            match c {
                '0'..='9' => {
                    *digits.get_mut(n).ok_or(NumberError::TooLong)? = c as u8;
                    n += 1;
                }
                ' ' | '-' | '.' | '(' | ')' | '\u{a0}' => {}
                other => return Err(NumberError::Character(other)),
            }
        }
        Self::from_digits(&digits[..n])
    }

    /// Takes ASCII digits without the `+`.
    pub fn from_digits(digits: &[u8]) -> Result<Self, NumberError> {
        if digits.len() > DIGITS_MAX {
            return Err(NumberError::TooLong);
        }
        if let Some(&other) = digits.iter().find(|b| !b.is_ascii_digit()) {
            return Err(NumberError::Character(other.into()));
        }
        if digits.first() == Some(&b'0') {
            return Err(NumberError::LeadingZero);
        }
        if digits.len() < DIGITS_MIN {
            return Err(NumberError::TooShort(digits.len()));
        }
        Ok(Self(digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))))
    }

    /// The packed value back to a number; refuses what no number packs to.
    pub fn from_u64(value: u64) -> Result<Self, NumberError> {
        match value {
            0 => Err(NumberError::TooShort(0)),
            _ if value.ilog10() as usize + 1 < DIGITS_MIN => Err(NumberError::TooShort(value.ilog10() as usize + 1)),
            _ if value.ilog10() as usize + 1 > DIGITS_MAX => Err(NumberError::TooLong),
            _ => Ok(Self(value)),
        }
    }

    /// The packed value: the digits read as a decimal integer.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The digits without `+`, as ASCII text on the stack.
    pub fn digits(self) -> Digits {
        let (mut bytes, mut at, mut value) = ([0u8; DIGITS_MAX], DIGITS_MAX, self.0);
        while value > 0 && at > 0 {
            at -= 1;
            bytes[at] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        Digits { bytes, start: at as u8 }
    }

    /// The ENUM name below `apex` (RFC 6116 3.2): digits reversed, one to a label; with a final dot iff the apex has one.
    pub fn enum_name(self, apex: &str) -> String {
        let digits = self.digits();
        let mut name = String::with_capacity(2 * digits.len() + apex.len());
        for digit in digits.chars().rev() {
            name.push(digit);
            name.push('.');
        }
        name + apex.trim_start_matches('.')
    }

    /// The number of an ENUM name below `apex`; case and final dots do not matter.
    pub fn from_enum_name(name: &str, apex: &str) -> Result<Self, NumberError> {
        let (name, apex) = (name.trim_end_matches('.'), apex.trim_end_matches('.'));
        let split = name.len().checked_sub(apex.len()).ok_or(NumberError::EnumName)?;
        let (labels, suffix) = (name.get(..split), name.get(split..));
        let (Some(labels), Some(suffix)) = (labels, suffix) else { return Err(NumberError::EnumName) };
        let labels = if apex.is_empty() { labels } else { labels.strip_suffix('.').ok_or(NumberError::EnumName)? };
        if !suffix.eq_ignore_ascii_case(apex) {
            return Err(NumberError::EnumName);
        }
        let mut digits = Vec::with_capacity(DIGITS_MAX);
        for label in labels.rsplit('.') {
            match label.as_bytes() {
                [digit @ b'0'..=b'9'] if digits.len() < DIGITS_MAX => digits.push(*digit),
                _ => return Err(NumberError::EnumName),
            }
        }
        Self::from_digits(&digits).map_err(|_| NumberError::EnumName)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// Shows that a number is there, never which one: numbers must not reach a log by accident.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number(+…, {} digits)", self.digits().len())
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::parse(text)
    }
}

/// The digits of a number as text, without allocation.
#[derive(Clone, Copy)]
pub struct Digits {
    bytes: [u8; DIGITS_MAX],
    start: u8,
}

impl Deref for Digits {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.bytes[usize::from(self.start)..]).unwrap_or_default() // ASCII digits by construction
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for text in
            ["+447700900123", "+44 7700 900123", " +44 (7700) 900-123 ", "+44.7700.900123", "+44\u{a0}7700 900123"]
        {
            assert_eq!(Number::parse(text).map(|n| n.to_string()).as_deref(), Ok("+447700900123"), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("447700900123", NumberError::NotInternational),
            ("", NumberError::NotInternational),
            ("0044 7700 900123", NumberError::NotInternational),
            ("+", NumberError::TooShort(0)),
            ("+12", NumberError::TooShort(2)),
            ("+123456", NumberError::TooShort(6)),
            ("+1234567890123456", NumberError::TooLong),
            ("+0447700900123", NumberError::LeadingZero),
            ("+44 7700 9001x3", NumberError::Character('x')),
            ("+44+7700900123", NumberError::Character('+')),
            ("+٤٤٧٧٠٠٩٠٠١٢٣", NumberError::Character('٤')),
        ] {
            assert_eq!(Number::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn follows_the_rfc_example() {
        let number = Number::parse("+34600111222").unwrap();
        assert_eq!(number.enum_name("e164.example."), "2.2.2.1.1.1.0.0.6.4.3.e164.example.");
        assert_eq!(Number::from_enum_name("2.2.2.1.1.1.0.0.6.4.3.E164.example", "e164.example."), Ok(number));
    }

    #[test]
    fn refuses_names_that_are_not_whole_numbers() {
        for name in [
            "e164.example",
            ".e164.example",
            "3.e164.example",
            "1.2.3.4.5.6.x.e164.example",
            "12.3.4.5.6.7.8.e164.example",
            "1.2.3.4.5.6.7.other.example",
            "1.2.3.4.5.6.7e164.example",
            "1.2.3.4.5.6.7.8.9.1.2.3.4.5.6.7.e164.example",
            "7.6.5.4.3.2.0.e164.example",
        ] {
            assert_eq!(Number::from_enum_name(name, "e164.example."), Err(NumberError::EnumName), "{name}");
        }
    }

    #[test]
    fn debug_keeps_the_number_to_itself() {
        assert!(!format!("{:?}", Number::parse("+447700900123").unwrap()).contains("7700"));
    }

    proptest! {
        #[test]
        fn every_form_leads_back(digits in "[1-9][0-9]{6,14}", apex in "([a-z][a-z0-9]{0,9}\\.){1,3}") {
            let number = Number::from_digits(digits.as_bytes()).unwrap();
            prop_assert_eq!(&*number.digits(), digits.as_str());
            prop_assert_eq!(Number::parse(&number.to_string()), Ok(number));
            prop_assert_eq!(Number::from_u64(number.as_u64()), Ok(number));
            prop_assert_eq!(Number::from_enum_name(&number.enum_name(&apex).to_uppercase(), &apex), Ok(number));
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}", apex in "\\PC{0,12}") {
            let _ = Number::parse(&text);
            let _ = Number::from_enum_name(&text, &apex);
        }
    }
}
