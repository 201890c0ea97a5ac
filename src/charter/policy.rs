//! The policy of a directory: the charter's parameters, ranges and methods, checked and ready for the law.

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::charter::articles::{POLICY_TEXT, TEXT};
use crate::charter::enumservice::Enumservice;
use crate::charter::numbering;
use crate::charter::parameters::Parameters;
use crate::number::Number;

/// The charter as data. Its numbers are reached directly: `policy.renew_window_d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(super) parameters: Parameters,
    /// May a provider keep the control key of a number (clause 2.6)?
    pub provider_held_allowed: bool,
    /// The Enumservices that addresses may use (clause 4.1).
    pub enumservices: Vec<&'static Enumservice>,
    /// The notices before the end of a registration, in days, the earliest first (clause 5.8).
    pub notices_d: Vec<u64>,
    /// The ranges that are served (clause 1.2).
    pub served: Vec<Served>,
    /// The ranges that are never served (clause 1.3).
    pub excluded: Vec<Excluded>,
    /// The validation methods by id (clause 3.3).
    pub methods: BTreeMap<String, Method>,
    pub(super) source: String,
    pub(super) prose: String,
}

/// A range of numbers that the directory serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The leading digits, without `+`.
    pub prefix: String,
    /// The fewest digits of a whole number, the country code included.
    pub digits_min: usize,
    /// The most digits.
    pub digits_max: usize,
    /// Whether the lengths are those of the country ([`numbering`]), which may leave some between the two out.
    pub by_country: bool,
    /// Is this a range for trials?
    pub sandbox: bool,
    /// What it is, for people.
    pub note: String,
}

/// A range of numbers that the directory never serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The leading digits, without `+`.
    pub prefix: String,
    /// Why, for people.
    pub note: String,
}

/// A way to validate that somebody controls a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// What it proves.
    pub class: MethodClass,
    /// For how long a validation by it may count, in days.
    pub validity_max_d: u64,
}

/// What a validation method proves (clause 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodClass {
    /// That the holder has the line in his hands.
    Possession,
    /// That the holder is the subscriber on record.
    Record,
}

/// Why a number is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotServed<'a> {
    /// It lies in an excluded range.
    Excluded(&'a Excluded),
    /// It lies in a served range whose numbers have another length.
    Digits(&'a Served),
    /// No served range begins it.
    Range,
}

impl Policy {
    /// The policy that callbook ships: numbers that ring nowhere.
    pub fn embedded() -> Self {
        Self::parse(POLICY_TEXT).expect("a test parses the shipped policy").beside(TEXT)
    }

    /// The range that serves a number, or why none does. Exclusions come first (clause 1.3).
    pub fn serves(&self, number: Number) -> Result<&Served, NotServed<'_>> {
        let digits = number.digits();
        if let Some(excluded) = self.excluded.iter().find(|range| digits.starts_with(&range.prefix)) {
            return Err(NotServed::Excluded(excluded));
        }
        let mut other_length = None;
        for range in self.served.iter().filter(|range| digits.starts_with(&range.prefix)) {
            if range.has_length(&digits) {
                return Ok(range);
            }
            other_length = Some(range);
        }
        Err(other_length.map_or(NotServed::Range, NotServed::Digits))
    }

    /// What the policy was read from: `policy.toml`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The articles that it belongs to (Markdown); the shipped ones unless [`Policy::beside`] named others.
    pub fn prose(&self) -> &str {
        &self.prose
    }

    /// The same policy beside these articles.
    #[must_use]
    pub fn beside(self, prose: impl Into<String>) -> Self {
        Self { prose: prose.into(), ..self }
    }

    /// Does this number lie in a range for trials?
    pub fn is_sandbox(&self, number: Number) -> bool {
        self.serves(number).is_ok_and(|range| range.sandbox)
    }
}

impl Served {
    /// Whether numbers of this range may be as long as `digits`.
    fn has_length(&self, digits: &str) -> bool {
        let in_bounds = (self.digits_min..=self.digits_max).contains(&digits.len());
        in_bounds && (!self.by_country || numbering::has_length(digits, digits.len()) == Some(true))
    }
}

/// The numbers of the charter read as fields of the policy itself.
impl Deref for Policy {
    type Target = Parameters;

    fn deref(&self) -> &Parameters {
        &self.parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn the_shipped_charter_serves_numbers_that_ring_nowhere() {
        let policy = Policy::embedded();
        for text in ["+44 7700 900123", "+1 202 555 0123", "+9991234", "+999123456789012"] {
            assert!(policy.serves(number(text)).is_ok(), "{text}");
        }
        for text in ["+34600111222", "+447700800123", "+12025550223", "+998123456"] {
            assert_eq!(policy.serves(number(text)), Err(NotServed::Range), "{text}");
        }
        assert!(matches!(policy.serves(number("+44770090012")), Err(NotServed::Digits(_))));
        assert!(matches!(policy.serves(number("+19005550123")), Err(NotServed::Excluded(_))));
        assert!(policy.is_sandbox(number("+9991234")));
        assert!(!policy.is_sandbox(number("+447700900123")));
    }

    #[test]
    fn the_shipped_policy_holds_the_defaults() {
        let policy = Policy::embedded();
        assert_eq!(policy.parameters, Parameters::default());
        assert_eq!(policy.notices_d, [30, 15, 3]);
        assert_eq!(policy.methods["sms"], Method { class: MethodClass::Possession, validity_max_d: 90 });
        assert_eq!(policy.methods["document"], Method { class: MethodClass::Record, validity_max_d: 365 });
    }
}
