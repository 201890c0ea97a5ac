//! The population of an audit: every accepted token of a month as a line that says what stratum it is in and nothing of a person.
//!
//! ```text
//! callbook/audit-population/v1
//! period 2026-11
//! ENTITY METHODS KIND RISK COMMITMENT        one a token, ascending bytewise, no line twice
//! ```
//! Every line ends with LF. What is committed to is the SHA-256 of the whole text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use data_encoding::HEXLOWER;

use crate::log::bytes::Malformed;
use crate::log::key::Thumbprint;
use crate::log::label::Label;
use crate::log::record::is_provider_id;
use crate::log::{Hash, sha256};
use crate::registry::audit::period::Period;

const TAG: &str = "callbook/audit-population/v1";
/// Stands for several methods or kinds, each too rare to be shown by itself.
const ANY: &str = "*";
/// A method is weak when the charter lets it count for no longer, in days: codes by SMS and voice.
pub const WEAK_D_MAX: u64 = 90;
/// A burst is an hour with more tokens of an entity than this …
const BURST_MIN: u64 = 50;
/// … and more than this many times its mean of the month.
const BURST_TIMES: u64 = 4;
const HOUR_MS: u64 = 3_600_000;

/// What a token was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// A registration, or one taken over with the holder's key.
    New,
    /// A registration goes on.
    Renew,
    /// Somebody claims a number without its control key.
    Contest,
}

/// How closely a token is looked at: a stratum's share of the draw is its size times the weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Nothing stands out.
    Usual,
    /// A weak method, and none beside it that is not.
    Weak,
    /// A claim, one of a burst, or a control key that holds two numbers.
    Marked,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::New, Self::Renew, Self::Contest];

    /// Its name in populations and the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Renew => "renew",
            Self::Contest => "contest",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Risk {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Usual, Self::Weak, Self::Marked];

    /// Its name in populations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Weak => "weak",
            Self::Marked => "marked",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|risk| risk.name() == name)
    }

    /// How many times its size a stratum counts in the draw.
    pub const fn weight(self) -> u64 {
        match self {
            Self::Usual => 1,
            Self::Weak => 2,
            Self::Marked => 4,
        }
    }
}

/// A token as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The validation entity.
    pub entity: String,
    /// Its methods' ids, one a line.
    pub methods: String,
    /// Whether all of them are weak.
    pub weak: bool,
    /// What it was for.
    pub kind: TokenKind,
    /// The label that it is about.
    pub label: Label,
    /// The control key that it names.
    pub control: Thumbprint,
    /// When its event was accepted, Unix milliseconds.
    pub at_ms: u64,
    /// See [`commitment`].
    pub commitment: Hash,
}

/// What an item is called in public: it commits to the token's place in the log and to the evidence, and tells neither.
pub fn commitment(event: &Hash, n: u8, evidence: &Hash) -> Hash {
    sha256(&[b"callbook/audit-item/v1\0", event, &[n], evidence])
}

/// A stratum of an entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stratum {
    /// Its methods' ids, sorted and joined by `+`; `*`: several.
    pub methods: String,
    /// `new`, `renew`, `contest`; `*`: several.
    pub kind: String,
    /// How closely it is looked at.
    pub risk: Risk,
}

impl fmt::Display for Stratum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.methods, self.kind, self.risk.name())
    }
}

/// Every token of a month by entity and stratum; the commitments of each ascend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Population {
    /// The month.
    pub period: Period,
    /// Entity, stratum, commitments. Strata are ordered as their lines are.
    pub entities: BTreeMap<String, BTreeMap<String, (Stratum, Vec<Hash>)>>,
}

impl Population {
    /// Puts the tokens of a month into strata. A stratum with fewer than `k_min` tokens is not shown by itself (clause 8.1):
    /// its tokens stand under `*`, with their risk.
    pub fn of(period: Period, tokens: &[Token], k_min: u64) -> Self {
        let (bursts, twice) = (bursts(tokens), keys_of_two_numbers(tokens));
        let stratum = |token: &Token| {
            let mut methods: Vec<&str> = token.methods.lines().collect();
            methods.sort_unstable();
            let burst = bursts.contains(&(token.entity.as_str(), token.at_ms / HOUR_MS));
            let marked = token.kind == TokenKind::Contest || burst || twice.contains(&token.control);
            let risk = match (marked, token.weak) {
                (true, _) => Risk::Marked,
                (false, true) => Risk::Weak,
                (false, false) => Risk::Usual,
            };
            Stratum { methods: methods.join("+"), kind: token.kind.name().to_owned(), risk }
        };
        let mut sizes: HashMap<(&str, Stratum), u64> = HashMap::new();
        tokens.iter().for_each(|token| *sizes.entry((&token.entity, stratum(token))).or_default() += 1);
        let mut population = Self { period, entities: BTreeMap::new() };
        for token in tokens {
            let mut of = stratum(token);
            if sizes.get(&(token.entity.as_str(), of.clone())).is_none_or(|size| *size < k_min) {
                of = Stratum { methods: ANY.to_owned(), kind: ANY.to_owned(), risk: of.risk };
            }
            population.add(&token.entity, of, token.commitment);
        }
        let strata = population.entities.values_mut().flat_map(BTreeMap::values_mut);
        strata.for_each(|(_, items)| items.sort_unstable());
        population
    }

    fn add(&mut self, entity: &str, stratum: Stratum, item: Hash) {
        let strata = self.entities.entry(entity.to_owned()).or_default();
        strata.entry(stratum.to_string()).or_insert_with(|| (stratum, Vec::new())).1.push(item);
    }

    /// The text that is committed to.
    pub fn write(&self) -> String {
        let mut text = format!("{TAG}\nperiod {}\n", self.period);
        let mut lines = Vec::new();
        for (entity, strata) in &self.entities {
            for (stratum, (_, items)) in strata {
                lines.extend(items.iter().map(|item| format!("{entity} {stratum} {}\n", HEXLOWER.encode(item))));
            }
        }
        lines.sort_unstable(); // an id may be the beginning of another
        text.extend(lines);
        text
    }

    /// Reads what [`Population::write`] wrote, and no other spelling of it.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let bad = |what| Malformed::new("audit population", what);
        let rest = text.strip_prefix(TAG).and_then(|rest| rest.strip_prefix("\nperiod ")).ok_or(bad("first lines"))?;
        let (period, rest) = rest.split_once('\n').ok_or(bad("first lines"))?;
        let period = Period::parse(period).ok_or(bad("period"))?;
        Malformed::unless(rest.is_empty() || rest.ends_with('\n'), "audit population", "last line")?;
        let (mut population, mut before) = (Self { period, entities: BTreeMap::new() }, "");
        for line in rest.lines() {
            Malformed::unless(before < line, "audit population", "order of lines")?;
            before = line;
            let parts: Vec<&str> = line.split(' ').collect();
            let [entity, methods, kind, risk, item] = parts[..] else { return Err(bad("line")) };
            let item = HEXLOWER.decode(item.as_bytes()).ok().and_then(|item| Hash::try_from(item).ok());
            let sound =
                is_provider_id(entity) && !methods.is_empty() && (kind == ANY || TokenKind::from_name(kind).is_some());
            let (Some(item), Some(risk), true) = (item, Risk::from_name(risk), sound) else { return Err(bad("line")) };
            population.add(entity, Stratum { methods: methods.to_owned(), kind: kind.to_owned(), risk }, item);
        }
        Ok(population)
    }

    /// How many tokens it has.
    pub fn count(&self) -> u64 {
        self.entities.keys().map(|entity| self.count_of(entity)).sum()
    }

    /// How many tokens of an entity it has.
    pub fn count_of(&self, entity: &str) -> u64 {
        let strata = self.entities.get(entity).into_iter().flat_map(BTreeMap::values);
        strata.map(|(_, items)| items.len() as u64).sum()
    }
}

/// SHA-256 of the text of a population: what the gov log says before anything is drawn.
pub fn digest(text: &str) -> Hash {
    sha256(&[text.as_bytes()])
}

/// Entities and hours (since 1970) with far more tokens than usual.
fn bursts(tokens: &[Token]) -> HashSet<(&str, u64)> {
    let mut hours: HashMap<(&str, u64), u64> = HashMap::new();
    let mut all: HashMap<&str, u64> = HashMap::new();
    for token in tokens {
        *hours.entry((&token.entity, token.at_ms / HOUR_MS)).or_default() += 1;
        *all.entry(&token.entity).or_default() += 1;
    }
    let month_h = tokens.first().map_or(1, |token| {
        let period = Period::of(token.at_ms);
        (period.to_ms() - period.from_ms()) / HOUR_MS
    });
    let is_burst = |entity: &str, count: u64| {
        count > BURST_MIN && count.saturating_mul(month_h) > all.get(entity).unwrap_or(&0).saturating_mul(BURST_TIMES)
    };
    hours.into_iter().filter(|((entity, _), count)| is_burst(entity, *count)).map(|(hour, _)| hour).collect()
}

/// Control keys that were validated for more than one number.
fn keys_of_two_numbers(tokens: &[Token]) -> HashSet<Thumbprint> {
    let mut labels: HashMap<Thumbprint, Label> = HashMap::new();
    let other = |token: &&Token| *labels.entry(token.control).or_insert(token.label) != token.label;
    tokens.iter().filter(other).map(|token| token.control).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(entity: &str, methods: &str, kind: TokenKind, n: u8) -> Token {
        Token {
            entity: entity.into(),
            methods: methods.into(),
            weak: methods == "sms",
            kind,
            label: Label([n; 32]),
            control: [n; 32],
            at_ms: 1_795_000_000_000 + u64::from(n) * HOUR_MS,
            commitment: commitment(&[n; 32], 0, &[9; 32]),
        }
    }

    fn strata(tokens: &[Token], k_min: u64) -> Vec<(String, usize)> {
        let population = Population::of(Period::of(tokens[0].at_ms), tokens, k_min);
        assert_eq!(Population::parse(&population.write()).as_ref(), Ok(&population));
        let all = population.entities.iter().flat_map(|(entity, strata)| strata.iter().map(move |s| (entity, s)));
        all.map(|(entity, (stratum, (_, items)))| (format!("{entity} {stratum}"), items.len())).collect()
    }

    #[test]
    fn tokens_are_filed_by_entity_method_kind_and_risk() {
        let mut tokens: Vec<Token> = (0..4).map(|n| token("acme", "sms", TokenKind::New, n)).collect();
        tokens.extend((4..6).map(|n| token("acme", "operator-db\nsms", TokenKind::Renew, n)));
        tokens.extend((6..8).map(|n| token("bell", "document", TokenKind::Contest, n)));
        let said = |text: &str, n| (text.to_owned(), n);
        let each = [
            said("acme operator-db+sms renew usual", 2),
            said("acme sms new weak", 4),
            said("bell document contest marked", 2),
        ];
        assert_eq!(strata(&tokens, 1), each);
        // Rare ones are told together, and a claim stays marked.
        let rare = [said("acme * * usual", 2), said("acme sms new weak", 4), said("bell * * marked", 2)];
        assert_eq!(strata(&tokens, 3), rare);
        // The same key holds two numbers.
        tokens[1].control = [0; 32];
        tokens[1].label = Label([77; 32]);
        let twice = strata(&tokens, 1);
        assert!(
            twice.contains(&said("acme sms new marked", 2)) && twice.contains(&said("acme sms new weak", 2)),
            "{twice:?}"
        );
    }

    #[test]
    fn an_hour_with_far_more_than_usual_is_marked() {
        let mut tokens: Vec<Token> = (0..100).map(|n| token("acme", "document", TokenKind::New, n)).collect();
        assert_eq!(strata(&tokens, 1).len(), 1);
        tokens[40..].iter_mut().for_each(|token| token.at_ms = 1_795_000_000_000);
        let said = strata(&tokens, 1);
        assert!(said.contains(&("acme document new marked".to_owned(), 61)), "{said:?}");
    }

    #[test]
    fn another_spelling_is_refused() {
        let tokens: Vec<Token> = (0..3).map(|n| token("acme", "sms", TokenKind::New, n)).collect();
        let good = Population::of(Period::of(tokens[0].at_ms), &tokens, 1).write();
        let lines: Vec<&str> = good.lines().collect();
        let wrong = [
            good[..good.len() - 1].to_owned(),
            good.replace("v1", "v2"),
            good.replace(" sms ", "  sms "),
            good.replace("weak", "week"),
            good.replace("acme", "Acme"),
            format!("{good}{}\n", lines[2]),
            format!("{}\n{}\n{}\n{}\n{}\n", lines[0], lines[1], lines[4], lines[3], lines[2]),
        ];
        for text in wrong {
            assert!(Population::parse(&text).is_err(), "{text}");
        }
    }
}
