//! What two versions of a charter say differently, parameter by parameter.

use std::collections::BTreeSet;

use crate::charter::parameters::PARAMETERS;
use crate::charter::policy::{Method, MethodClass, Policy, Served};

/// One thing that two versions say differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// By its path in `policy.toml`: `renew_window_d`, `served +34`, `methods.sms`.
    pub parameter: String,
    /// The clause of the charter.
    pub article: &'static str,
    /// What the earlier version says; None: nothing.
    pub before: Option<String>,
    /// What the later one says.
    pub after: Option<String>,
}

/// Everything in which `after` differs from `before`, in the order of the charter's articles.
pub fn differences(before: &Policy, after: &Policy) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |parameter: String, article, before: Option<String>, after: Option<String>| {
        if before != after {
            found.push(Difference { parameter, article, before, after });
        }
    };
    for (prefix, was, is) in both(before, after, |p| p.served.iter().map(|r| (r.prefix.clone(), range(r))).collect()) {
        note(format!("served +{prefix}"), "1.2", was, is);
    }
    for (prefix, was, is) in
        both(before, after, |p| p.excluded.iter().map(|r| (r.prefix.clone(), r.note.clone())).collect())
    {
        note(format!("excluded +{prefix}"), "1.3", was, is);
    }
    for (name, article, of) in LISTS {
        note((*name).to_owned(), article, Some(of(before)), Some(of(after)));
    }
    for parameter in PARAMETERS {
        let of = |policy: &Policy| Some((parameter.get)(policy).to_string());
        note(parameter.name.to_owned(), parameter.article, of(before), of(after));
    }
    for (id, was, is) in both(before, after, |p| p.methods.iter().map(|(id, m)| (id.clone(), method(m))).collect()) {
        note(format!("methods.{id}"), "3.3", was, is);
    }
    found.sort_by_key(|one| order(one.article));
    found
}

/// A parameter that is neither a number nor a table: name, clause, value as text.
type Listed = (&'static str, &'static str, fn(&Policy) -> String);

/// Every such parameter.
const LISTS: &[Listed] = &[
    ("provider_held_allowed", "2.6", |p| p.provider_held_allowed.to_string()),
    ("enumservices", "4.1", |p| p.enumservices.iter().map(|s| s.name).collect::<Vec<_>>().join(", ")),
    ("notices_d", "5.8", |p| p.notices_d.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
];

/// Entries by name in either version, with what each says; several of one name are told together.
fn both(
    before: &Policy,
    after: &Policy,
    entries: impl Fn(&Policy) -> Vec<(String, String)>,
) -> Vec<(String, Option<String>, Option<String>)> {
    let (before, after) = (entries(before), entries(after));
    let names: BTreeSet<_> = before.iter().chain(&after).map(|(name, _)| name.clone()).collect();
    let said = |all: &[(String, String)], name: &str| {
        let texts: Vec<_> = all.iter().filter(|(n, _)| n == name).map(|(_, text)| text.as_str()).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    };
    names.into_iter().map(|name| (said(&before, &name), said(&after, &name), name)).map(|(a, b, n)| (n, a, b)).collect()
}

fn range(range: &Served) -> String {
    let kind = if range.sandbox { ", for trials" } else { "" };
    let lengths = if range.by_country { " as its country has" } else { "" };
    format!("{} to {} digits{lengths}{kind}: {}", range.digits_min, range.digits_max, range.note)
}

fn method(method: &Method) -> String {
    let class = match method.class {
        MethodClass::Possession => "possession",
        MethodClass::Record => "record",
    };
    format!("{class}, {} days", method.validity_max_d)
}

/// `"10.2"` after `"9.1"`.
fn order(article: &str) -> Vec<u32> {
    article.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::POLICY_TEXT;

    #[test]
    fn a_change_of_each_kind_is_told_with_its_clause() {
        let changed = POLICY_TEXT
            .replace(
                "renew_window_d = { article = \"5.2\", value = 14 }",
                "renew_window_d = { article = \"5.2\", value = 21 }",
            )
            .replace("value = [30, 15, 3]", "value = [30, 3]")
            .replace("digits_max = 15\nsandbox = true", "digits_max = 12\nsandbox = true")
            .replace("prefix = \"+1900\"", "prefix = \"+1809\"")
            .replace(
                "[methods.voice]\narticle = \"3.3\"\nclass = \"possession\"\nvalidity_max_d = 90",
                "[methods.voice]\narticle = \"3.3\"\nclass = \"possession\"\nvalidity_max_d = 60",
            );
        let (before, after) = (Policy::embedded(), Policy::parse(&changed).unwrap());
        let told: Vec<_> = differences(&before, &after)
            .into_iter()
            .map(|d| (d.parameter, d.article, d.before.is_some(), d.after.is_some()))
            .collect();
        let want = [
            ("served +999", "1.2", true, true),
            ("excluded +1809", "1.3", false, true),
            ("excluded +1900", "1.3", true, false),
            ("methods.voice", "3.3", true, true),
            ("renew_window_d", "5.2", true, true),
            ("notices_d", "5.8", true, true),
        ];
        let mut told: Vec<_> = told.iter().map(|(p, a, b, c)| (p.as_str(), *a, *b, *c)).collect();
        told.sort_unstable();
        let mut want = want.to_vec();
        want.sort_unstable();
        assert_eq!(told, want);
        assert_eq!(differences(&before, &before), []);
        assert_eq!(order("10.1").cmp(&order("9.2")), std::cmp::Ordering::Greater);
    }
}
