//! Reads `policy.toml` and reports all of its mistakes at once, each with its clause and what would be accepted.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::charter::articles::{TEXT, clause};
use crate::charter::enumservice::Enumservice;
use crate::charter::numbering;
use crate::charter::parameters::{PARAMETERS, Parameters};
use crate::charter::policy::{Excluded, Method, MethodClass, Policy, Served};
use crate::number::{DIGITS_MAX, DIGITS_MIN};

/// The version of the file's format that this code reads.
const FORMAT: i64 = 1;
/// The most ranges, exclusions, methods, services or notices: more is a mistake, and each submission walks through them.
const ENTRIES_MAX: usize = 1000;

/// A mistake in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter} (charter {article}): {detail}")]
pub struct PolicyError {
    /// What is wrong, by its path in the file: `renew_window_d`, `served[2].prefix`.
    pub parameter: String,
    /// The clause of the charter, or `-` where none applies.
    pub article: String,
    /// What is wrong and what would be accepted.
    pub detail: String,
}

impl Policy {
    /// Reads a policy file (TOML). Unknown names are mistakes; what is left out has its default.
    pub fn parse(text: &str) -> Result<Self, Vec<PolicyError>> {
        let table: Table = text.parse().map_err(|e: toml::de::Error| {
            vec![PolicyError {
                parameter: "policy.toml".into(),
                article: "-".into(),
                detail: e.to_string().trim().replace('\n', " "),
            }]
        })?;
        let mut reading = Reading::default();
        let policy = reading.policy(table, text);
        if reading.mistakes.is_empty() { Ok(policy) } else { Err(reading.mistakes) }
    }
}

#[derive(Default)]
struct Reading {
    mistakes: Vec<PolicyError>,
}

impl Reading {
    fn wrong(&mut self, parameter: impl Into<String>, article: &str, detail: impl Into<String>) {
        self.mistakes.push(PolicyError { parameter: parameter.into(), article: article.into(), detail: detail.into() });
    }

    fn policy(&mut self, mut table: Table, source: &str) -> Policy {
        match table.remove("format") {
            Some(Value::Integer(FORMAT)) => {}
            _ => self.wrong("format", "-", format!("must be {FORMAT}: the only format of this file that is known")),
        }
        let mut policy = Policy {
            parameters: Parameters::default(),
            provider_held_allowed: true,
            enumservices: Vec::new(),
            notices_d: vec![30, 15, 3],
            served: Vec::new(),
            excluded: Vec::new(),
            methods: BTreeMap::new(),
            source: source.to_owned(),
            prose: TEXT.to_owned(),
        };
        let parameters = self.table("parameters", table.remove("parameters"));
        self.parameters(parameters, &mut policy);
        for (i, entry) in self.entries("served", "1.2", table.remove("served")) {
            self.served(&format!("served[{i}]"), entry, &mut policy);
        }
        for (i, entry) in self.entries("excluded", "1.3", table.remove("excluded")) {
            self.excluded(&format!("excluded[{i}]"), entry, &mut policy);
        }
        for (id, value) in self.table("methods", table.remove("methods")) {
            self.method(&id, value, &mut policy);
        }
        for name in table.keys() {
            self.wrong(name, "-", "is not known here; the file has format, served, excluded, parameters and methods");
        }
        self.whole(&policy);
        policy
    }

    fn parameters(&mut self, mut table: Table, policy: &mut Policy) {
        for parameter in PARAMETERS {
            let Some(value) = self.parameter(parameter.name, parameter.article, &mut table) else { continue };
            match value.as_integer().and_then(|n| u64::try_from(n).ok()) {
                Some(n) if (parameter.min..=parameter.max).contains(&n) => (parameter.set)(&mut policy.parameters, n),
                _ => self.wrong(
                    parameter.name,
                    parameter.article,
                    format!(
                        "{value} is not an integer from {} to {} (default {})",
                        parameter.min, parameter.max, parameter.default
                    ),
                ),
            }
        }
        if let Some(value) = self.parameter("provider_held_allowed", "2.6", &mut table) {
            match value.as_bool() {
                Some(allowed) => policy.provider_held_allowed = allowed,
                None => self.wrong("provider_held_allowed", "2.6", format!("{value} is not true or false")),
            }
        }
        match self.parameter("enumservices", "4.1", &mut table) {
            Some(value) => policy.enumservices = self.enumservices(&value),
            None => policy.enumservices = Enumservice::find("sip").into_iter().collect(),
        }
        if let Some(value) = self.parameter("notices_d", "5.8", &mut table) {
            policy.notices_d = self.notices(&value);
        }
        for name in table.keys() {
            self.wrong(name, "-", format!("is no parameter of the charter{}", nearest(name)));
        }
    }

    /// The value of `name = { article = "…", value = … }`, if it is there and names its clause rightly.
    fn parameter(&mut self, name: &str, article: &str, table: &mut Table) -> Option<Value> {
        let Value::Table(mut entry) = table.remove(name)? else {
            self.wrong(name, article, format!("must be written {{ article = \"{article}\", value = … }}"));
            return None;
        };
        self.article(name, article, &mut entry);
        let value = entry.remove("value");
        if value.is_none() {
            self.wrong(name, article, "has no value");
        }
        self.rest(name, article, &entry);
        value
    }

    fn article(&mut self, name: &str, article: &str, entry: &mut Table) {
        if entry.remove("article").as_ref().and_then(Value::as_str) != Some(article) {
            debug_assert!(clause(article).is_some());
            self.wrong(name, article, format!("must name its clause: article = \"{article}\""));
        }
    }

    fn rest(&mut self, name: &str, article: &str, entry: &Table) {
        for key in entry.keys() {
            self.wrong(format!("{name}.{key}"), article, "is not known here");
        }
    }

    fn enumservices(&mut self, value: &Value) -> Vec<&'static Enumservice> {
        let mut services = Vec::new();
        for item in value.as_array().map_or(&[][..], Vec::as_slice).iter().take(ENTRIES_MAX) {
            match item.as_str().and_then(Enumservice::find) {
                Some(service) if !services.contains(&service) => services.push(service),
                Some(service) => self.wrong("enumservices", "4.1", format!("{} is listed twice", service.name)),
                None => self.wrong("enumservices", "4.1", format!("{item} is none of: {}", Enumservice::names())),
            }
        }
        if services.is_empty() {
            self.wrong("enumservices", "4.1", "must list at least one Enumservice, for example [\"sip\"]");
        }
        services
    }

    fn notices(&mut self, value: &Value) -> Vec<u64> {
        let days: Vec<u64> = value
            .as_array()
            .into_iter()
            .flatten()
            .take(ENTRIES_MAX)
            .filter_map(|day| day.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| (1..=90).contains(n)))
            .collect();
        let all = value.as_array().is_some_and(|list| list.len() == days.len());
        if !all || days.is_empty() || days.len() > 10 || days.windows(2).any(|pair| pair[0] <= pair[1]) {
            self.wrong(
                "notices_d",
                "5.8",
                format!("{value} is not a falling list of 1 to 10 days from 90 to 1, such as [30, 15, 3]"),
            );
        }
        days
    }

    fn served(&mut self, at: &str, mut entry: Table, policy: &mut Policy) {
        self.article(at, "1.2", &mut entry);
        let prefix = self.prefix(at, "1.2", &mut entry);
        let (digits_min, digits_max, by_country) = self.lengths(at, &prefix, &mut entry);
        let sandbox = match entry.remove("sandbox") {
            None => false,
            Some(Value::Boolean(sandbox)) => sandbox,
            Some(other) => {
                self.wrong(format!("{at}.sandbox"), "1.2", format!("{other} is not true or false"));
                false
            }
        };
        let note = self.note(at, "1.2", &mut entry);
        self.rest(at, "1.2", &entry);
        let same =
            |other: &Served| other.prefix == prefix && other.digits_min <= digits_max && digits_min <= other.digits_max;
        if policy.served.iter().any(same) {
            self.wrong(format!("{at}.prefix"), "1.2", format!("+{prefix} with these lengths is listed twice"));
        }
        policy.served.push(Served { prefix, digits_min, digits_max, by_country, sandbox, note });
    }

    /// How long the numbers of a range are: as the entry says, or, when it says nothing, as those of its country.
    fn lengths(&mut self, at: &str, prefix: &str, entry: &mut Table) -> (usize, usize, bool) {
        if !entry.contains_key("digits_min") && !entry.contains_key("digits_max") {
            let bounds = numbering::bounds(prefix);
            if bounds.is_none() {
                let why = "is needed: +… is no country code whose lengths are known here";
                self.wrong(format!("{at}.digits_min"), "1.2", why.replace('…', prefix));
            }
            let (min, max) = bounds.unwrap_or((DIGITS_MIN, DIGITS_MAX));
            return (min, max, true);
        }
        let (min, max) = (self.digits(at, "digits_min", entry), self.digits(at, "digits_max", entry));
        if min > max || prefix.len() > max {
            self.wrong(format!("{at}.digits_max"), "1.2", "must not be below digits_min or the length of the prefix");
        }
        (min, max, false)
    }

    fn digits(&mut self, at: &str, name: &str, entry: &mut Table) -> usize {
        match entry.remove(name) {
            Some(Value::Integer(n)) if (DIGITS_MIN as i64..=DIGITS_MAX as i64).contains(&n) => n as usize,
            _ => {
                let why = format!("must be an integer from {DIGITS_MIN} to {DIGITS_MAX}, the country code included");
                self.wrong(format!("{at}.{name}"), "1.2", why);
                DIGITS_MAX
            }
        }
    }

    fn excluded(&mut self, at: &str, mut entry: Table, policy: &mut Policy) {
        self.article(at, "1.3", &mut entry);
        let prefix = self.prefix(at, "1.3", &mut entry);
        let note = self.note(at, "1.3", &mut entry);
        self.rest(at, "1.3", &entry);
        policy.excluded.push(Excluded { prefix, note });
    }

    fn method(&mut self, id: &str, value: Value, policy: &mut Policy) {
        let at = format!("methods.{id}");
        if id.is_empty()
            || id.len() > 32
            || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            self.wrong(&at, "3.3", "must be named with 1 to 32 lower-case letters, digits and hyphens");
        }
        let mut entry = self.table(&at, Some(value));
        self.article(&at, "3.3", &mut entry);
        let class = match entry.remove("class").as_ref().and_then(Value::as_str) {
            Some("record") => MethodClass::Record,
            Some("possession") => MethodClass::Possession,
            _ => {
                self.wrong(
                    format!("{at}.class"),
                    "3.3",
                    "must be \"possession\" (of the line) or \"record\" (of the subscription)",
                );
                MethodClass::Possession
            }
        };
        let validity_max_d = match entry.remove("validity_max_d") {
            Some(Value::Integer(days @ 1..=365)) => days as u64,
            _ => {
                self.wrong(format!("{at}.validity_max_d"), "3.3", "must be an integer from 1 to 365");
                365
            }
        };
        self.rest(&at, "3.3", &entry);
        policy.methods.insert(id.to_owned(), Method { class, validity_max_d });
    }

    /// `prefix = "+34"` as digits.
    fn prefix(&mut self, at: &str, article: &str, entry: &mut Table) -> String {
        let prefix = entry.remove("prefix");
        let digits =
            prefix.as_ref().and_then(Value::as_str).and_then(|text| text.strip_prefix('+')).unwrap_or_default();
        let good = (1..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if !good {
            self.wrong(
                format!("{at}.prefix"),
                article,
                "must be + and 1 to 15 digits, the country code first, such as \"+34\"",
            );
        }
        digits.to_owned()
    }

    fn note(&mut self, at: &str, article: &str, entry: &mut Table) -> String {
        match entry.remove("note") {
            None => String::new(),
            Some(Value::String(note)) => note,
            Some(_) => {
                self.wrong(format!("{at}.note"), article, "must be a text");
                String::new()
            }
        }
    }

    fn table(&mut self, at: &str, value: Option<Value>) -> Table {
        match value {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.wrong(at, "-", "must be a table");
                Table::new()
            }
        }
    }

    fn entries(&mut self, at: &str, article: &str, value: Option<Value>) -> Vec<(usize, Table)> {
        let list = match value {
            None => Vec::new(),
            Some(Value::Array(list)) if list.len() <= ENTRIES_MAX => list,
            Some(_) => {
                self.wrong(
                    at,
                    article,
                    format!("must be a list of at most {ENTRIES_MAX} tables, each headed [[{at}]]"),
                );
                Vec::new()
            }
        };
        list.into_iter().enumerate().map(|(i, value)| (i, self.table(&format!("{at}[{i}]"), Some(value)))).collect()
    }

    /// What only the whole can tell.
    fn whole(&mut self, policy: &Policy) {
        if policy.served.is_empty() {
            self.wrong("served", "1.2", "lists no range: the directory would serve nobody");
        }
        if policy.methods.is_empty() {
            self.wrong("methods", "3.3", "lists no method: nobody could register");
        }
        if policy.methods.values().any(|method| method.validity_max_d <= policy.renew_window_d) {
            self.wrong("renew_window_d", "5.2", "must be shorter than the validity_max_d of every method");
        }
        if policy.audit_sample_min > policy.audit_sample_max {
            self.wrong("audit_sample_min", "7.5", "must not be above audit_sample_max");
        }
        if policy.audit_warn_percent > policy.audit_restrict_percent
            || policy.audit_restrict_percent > policy.audit_suspend_percent
        {
            self.wrong("audit_warn_percent", "7.5", "the three rates must not fall: warn, restrict, suspend");
        }
        if policy.contest_stop_d < policy.objection_d {
            self.wrong("contest_stop_d", "6.3", "must not be below objection_d");
        }
    }
}

/// " (did you mean …?)" for a name that shares its beginning with a parameter.
fn nearest(name: &str) -> String {
    let shared = |other: &str| name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    match PARAMETERS.iter().max_by_key(|parameter| shared(parameter.name)) {
        Some(parameter) if shared(parameter.name) >= 4 => format!("; did you mean {}?", parameter.name),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../charter/policy.toml");

    fn mistakes(text: &str) -> Vec<String> {
        Policy::parse(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_shipped_file_names_every_parameter() {
        for parameter in PARAMETERS {
            let line = format!(
                "{} = {{ article = \"{}\", value = {} }}",
                parameter.name, parameter.article, parameter.default
            );
            assert!(SHIPPED.contains(&line), "{line}");
        }
        assert!(Policy::parse(SHIPPED).is_ok());
    }

    #[test]
    fn says_all_mistakes_at_once_with_clause_and_bounds() {
        let text = SHIPPED
            .replace(
                "renew_window_d = { article = \"5.2\", value = 14 }",
                "renew_window_d = { article = \"5.2\", value = 99 }",
            )
            .replace(
                "quarantine_d = { article = \"5.4\", value = 30 }",
                "quarantine_d = { article = \"5.3\", value = \"a month\" }",
            )
            .replace("devices_max", "devices_min")
            .replace("digits_min = 12", "digits_min = 3")
            .replace("class = \"record\"\nvalidity_max_d = 365", "class = \"hearsay\"\nvalidity_max_d = 0")
            .replace("\"sip\", \"h323\"", "\"sip\", \"sip\", \"pigeon\"");
        let said = mistakes(&text);
        for expected in [
            "renew_window_d (charter 5.2): 99 is not an integer from 1 to 60 (default 14)",
            "quarantine_d (charter 5.4): must name its clause: article = \"5.4\"",
            "quarantine_d (charter 5.4): \"a month\" is not an integer from 1 to 365 (default 30)",
            "devices_min (charter -): is no parameter of the charter; did you mean devices_max?",
            "served[0].digits_min (charter 1.2): must be an integer from 7 to 15, the country code included",
            "methods.document.class (charter 3.3): must be \"possession\" (of the line) or \"record\" (of the subscription)",
            "methods.document.validity_max_d (charter 3.3): must be an integer from 1 to 365",
            "enumservices (charter 4.1): sip is listed twice",
        ] {
            assert!(said.iter().any(|line| line == expected), "missing: {expected}\nin {said:#?}");
        }
        assert!(said.iter().any(|line| line.starts_with("enumservices (charter 4.1): \"pigeon\" is none of: ")));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (text, expected) in [
            ("", "format (charter -): must be 1"),
            ("format = 2", "format (charter -): must be 1"),
            ("format = 1", "served (charter 1.2): lists no range"),
            ("format = 1\ncolour = 3", "colour (charter -): is not known here"),
            ("format = [", "policy.toml (charter -): "),
            ("format = 1\nserved = 3", "served (charter 1.2): must be a list"),
            ("format = 1\n[[served]]\narticle=\"1.2\"\nprefix=\"34\"", "served[0].prefix (charter 1.2): must be + and"),
            ("format = 1\n[parameters]\nttl_positive_s = 300", "ttl_positive_s (charter 9.1): must be written {"),
            (
                "format = 1\n[parameters]\nnotices_d = { article = \"5.8\", value = [3, 15] }",
                "notices_d (charter 5.8): ",
            ),
            (
                "format = 1\n[parameters]\naudit_warn_percent = { article = \"7.5\", value = 50 }",
                "audit_warn_percent (charter 7.5): the three",
            ),
        ] {
            let said = mistakes(text);
            assert!(said.iter().any(|line| line.starts_with(expected)), "{text}: {said:#?}");
        }
    }

    #[test]
    fn an_operator_lists_a_country() {
        let spain = format!(
            "{SHIPPED}\n[[served]]\narticle = \"1.2\"\nprefix = \"+34\"\ndigits_min = 11\ndigits_max = 11\nnote = \"Spain\"\n"
        );
        let policy = Policy::parse(&spain).unwrap();
        assert!(policy.serves(crate::number::Number::parse("+34600111222").unwrap()).is_ok());
    }
}
