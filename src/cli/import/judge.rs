//! The addresses of one number before the charter, and what can be mended without a change of meaning.

use crate::charter::Policy;
use crate::registry::examine;
use crate::registry::naptr::{self, Naptr};
use crate::registry::refusal::Refusal;

use super::plan::Group;

/// The order of every address, and the step of their preferences (clause 4.1).
const ORDER: u16 = 100;
const PREFERENCE_STEP: u16 = 10;

/// Whether addresses that break the profile are mended where that loses nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mending {
    /// They are refused.
    Never,
    /// Case, delimiters and ranks are rewritten, and told.
    Lossless,
}

/// What becomes of a number.
#[derive(Debug)]
pub(super) struct Judged {
    /// RDATA to be published, if nothing is refused.
    pub(super) rdatas: Vec<Vec<u8>>,
    /// What was mended.
    pub(super) mended: Vec<String>,
    /// Everything that the charter refuses, told of the file's own records.
    pub(super) refusals: Vec<Refusal>,
}

/// Holds a number's addresses against the charter of the directory with this apex.
pub(super) fn judge(group: &Group<'_>, apex: &str, policy: &Policy, mending: Mending) -> Judged {
    let of_number: Vec<Refusal> = examine::number(group.number, policy).into_iter().collect();
    let check = |rdatas: &[&[u8]]| naptr::check(rdatas, group.number, apex, policy, "/record");
    let (mut rdatas, mut mended) = (group.rdatas.iter().map(|rdata| rdata.to_vec()).collect(), Vec::new());
    let mut refusals = check(&group.rdatas);
    if !refusals.is_empty() && mending == Mending::Lossless {
        let (tried, notes) = mend(&group.rdatas);
        let left = check(&tried.iter().map(Vec::as_slice).collect::<Vec<_>>());
        if left.is_empty() {
            (rdatas, mended, refusals) = (tried, notes, left);
        }
    }
    refusals.splice(0..0, of_number);
    Judged { rdatas, mended, refusals }
}

/// The addresses rewritten where every client would read them alike, in the order of their ranks, and what was done.
fn mend(rdatas: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut notes = Vec::new();
    let mut all: Vec<(usize, Naptr<'_>, Text)> = Vec::new();
    for (i, rdata) in rdatas.iter().enumerate() {
        let Some(naptr) = Naptr::parse(rdata) else { return (rdatas.iter().map(|r| r.to_vec()).collect(), Vec::new()) };
        let text = Text::mended(&naptr);
        let mut note = |what: &str, before: &[u8], after: &[u8]| {
            if before != after {
                let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
                notes.push(format!("address {}: {what} {before} is now {after}", i + 1));
            }
        };
        note("flags", naptr.flags, &text.flags);
        note("service", naptr.services, &text.services);
        note("expression", naptr.regexp, &text.regexp);
        all.push((i, naptr, text));
    }
    let rank = |naptr: &Naptr<'_>| (naptr.order, naptr.preference);
    all.sort_by_key(|(_, naptr, _)| rank(naptr));
    // Of two with one rank and one service a client takes either: no ranking says the same.
    let ranked = all.chunk_by(|a, b| rank(&a.1) == rank(&b.1)).all(|same| {
        same.iter().enumerate().all(|(i, (_, _, text))| same[..i].iter().all(|(_, _, o)| o.services != text.services))
    });
    let mut out = Vec::new();
    for (place, (i, naptr, text)) in all.iter().enumerate() {
        let (mut order, mut preference) = (naptr.order, naptr.preference);
        if ranked {
            (order, preference) = (ORDER, (place as u16 + 1).saturating_mul(PREFERENCE_STEP));
        }
        if (order, preference) != (naptr.order, naptr.preference) {
            let before = format!("{} {}", naptr.order, naptr.preference);
            notes.push(format!("address {}: rank {before} is now {order} {preference}", i + 1));
        }
        out.push(text.rdata(order, preference, naptr.replacement));
    }
    (out, notes)
}

/// The character-strings of a NAPTR record.
struct Text {
    flags: Vec<u8>,
    services: Vec<u8>,
    regexp: Vec<u8>,
}

impl Text {
    fn mended(naptr: &Naptr<'_>) -> Self {
        let flags = if naptr.flags.eq_ignore_ascii_case(b"u") { b"u".to_vec() } else { naptr.flags.to_vec() };
        // Enumservices have no case (RFC 6116 3.4.3), but clients compare them.
        let services = match naptr.services.split_at_checked(4) {
            Some((head, rest)) if head.eq_ignore_ascii_case(b"E2U+") => [b"E2U+", &*rest.to_ascii_lowercase()].concat(),
            _ => naptr.services.to_vec(),
        };
        let regexp = plain_expression(naptr.regexp).unwrap_or_else(|| naptr.regexp.to_vec());
        Self { flags, services, regexp }
    }

    fn rdata(&self, order: u16, preference: u16, replacement: &[u8]) -> Vec<u8> {
        let mut rdata = [order.to_be_bytes(), preference.to_be_bytes()].concat();
        for string in [&self.flags, &self.services, &self.regexp] {
            rdata.push(string.len() as u8); // as long as before, or shorter
            rdata.extend_from_slice(string);
        }
        rdata.extend_from_slice(replacement);
        rdata
    }
}

/// `/^.*$/URI/i` as `!^.*$!URI!`: another delimiter, and a flag that changes nothing where no letter is matched
/// (RFC 3402 3.2). `None` if it is anything else.
fn plain_expression(regexp: &[u8]) -> Option<Vec<u8>> {
    let (delimiter, rest) = regexp.split_first()?;
    let mut parts = rest.split(|byte| byte == delimiter);
    let (pattern, uri, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = pattern == b"^.*$" && matches!(flags, b"" | b"i") && parts.next().is_none();
    let clean = !uri.iter().any(|byte| matches!(byte, b'!' | b'\\'));
    (plain && clean && delimiter.is_ascii_punctuation()).then(|| [b"!^.*$!", uri, b"!"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;

    fn rdata(order: u16, preference: u16, flags: &str, services: &str, regexp: &str) -> Vec<u8> {
        let text = Text { flags: flags.into(), services: services.into(), regexp: regexp.into() };
        text.rdata(order, preference, &[0])
    }

    fn judged(number: &str, rdatas: &[Vec<u8>], mending: Mending) -> (Vec<&'static str>, Vec<Vec<u8>>, Vec<String>) {
        let rdatas = rdatas.iter().map(Vec::as_slice).collect();
        let group = Group { number: Number::parse(number).unwrap(), lines: vec![], rdatas };
        let judged = judge(&group, "e164.example.", &Policy::embedded(), mending);
        (judged.refusals.iter().map(|refusal| refusal.code).collect(), judged.rdatas, judged.mended)
    }

    #[test]
    fn what_means_the_same_is_mended_and_told() {
        let number = "+99900001234";
        let bad = [
            rdata(10, 20, "U", "e2u+SIP", "/^.*$/sip:b@x.example/i"),
            rdata(10, 10, "u", "E2U+sip", "!^.*$!sip:a@x.example!"),
            rdata(10, 20, "u", "E2U+email:mailto", "!^.*$!mailto:a@x.example!"),
        ];
        let (codes, _, _) = judged(number, &bad, Mending::Never);
        assert!(
            ["naptr_order", "naptr_flags", "naptr_service", "naptr_regexp", "naptr_preference"]
                .iter()
                .all(|code| codes.contains(code)),
            "{codes:?}"
        );
        let (codes, rdatas, notes) = judged(number, &bad, Mending::Lossless);
        let good = [
            rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:a@x.example!"),
            rdata(100, 20, "u", "E2U+sip", "!^.*$!sip:b@x.example!"),
            rdata(100, 30, "u", "E2U+email:mailto", "!^.*$!mailto:a@x.example!"),
        ];
        assert_eq!((codes.len(), rdatas, notes.len()), (0, good.to_vec(), 6), "{notes:?}");
        // What is good is left alone.
        let (codes, rdatas, notes) = judged(number, &good, Mending::Lossless);
        assert_eq!((codes.len(), rdatas, notes.len()), (0, good.to_vec(), 0));
    }

    #[test]
    fn what_would_mean_something_else_is_refused_as_it_stands() {
        let sip = |preference, regexp: &str| rdata(100, preference, "u", "E2U+sip", regexp);
        for (bad, code) in [
            (vec![sip(10, "!^.*$!sip:a@x!"), sip(10, "!^.*$!sip:b@x!")], "naptr_preference"),
            (vec![sip(10, "!^\\+34(.*)$!sip:\\1@x!")], "naptr_regexp"),
            (vec![sip(10, "/^.*$/sip:a!b@x/")], "naptr_regexp"),
            (vec![rdata(100, 10, "s", "E2U+sip", "!^.*$!sip:a@x!")], "naptr_flags"),
            (vec![rdata(100, 10, "u", "E2U+acct", "!^.*$!acct:a@x!")], "naptr_service"),
            (vec![vec![1, 2, 3]], "naptr_rdata"),
        ] {
            for mending in [Mending::Never, Mending::Lossless] {
                let (codes, rdatas, notes) = judged("+99900001234", &bad, mending);
                assert_eq!((codes, rdatas, notes.len()), (vec![code], bad.clone(), 0));
            }
        }
        let (codes, _, _) = judged("+34600111222", &[sip(10, "!^.*$!sip:a@x!")], Mending::Never);
        assert_eq!(codes, ["number_not_served"]);
    }
}
