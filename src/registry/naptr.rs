//! The safe NAPTR profile: addresses that every deployed ENUM client reads alike (REGISTRY.md 7, RFC 6116, RFC 5483).

use crate::charter::{Enumservice, Policy};
use crate::log::bytes::Reader;
use crate::number::Number;
use crate::registry::refusal::{self, Reason, Refusal};

/// The only order: clients differ in what they do with a second one.
const ORDER: u16 = 100;
/// Preferences are its multiples.
const PREFERENCE_STEP: u16 = 10;
/// What stands around the URI in the regular expression.
const REGEXP_HEAD: &str = "!^.*$!";
/// The longest URI: a character-string has 255 octets, of which the expression takes 7.
const URI_LEN_MAX: usize = 248;

/// A NAPTR record's fields (RFC 3403 4.1), borrowed from its RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naptr<'a> {
    /// Processed in this order.
    pub order: u16,
    /// Within an order, the lower first.
    pub preference: u16,
    /// `u` for a terminal rule that gives a URI.
    pub flags: &'a [u8],
    /// `E2U+type[:subtype]`.
    pub services: &'a [u8],
    /// The substitution expression.
    pub regexp: &'a [u8],
    /// The replacement name in wire form, uncompressed.
    pub replacement: &'a [u8],
}

impl<'a> Naptr<'a> {
    /// Reads wire RDATA; `None` if it is none. The replacement is taken as it stands.
    pub fn parse(rdata: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(rdata, "naptr");
        let (order, preference) = (r.u16().ok()?, r.u16().ok()?);
        let mut string = || {
            let length = usize::from(r.u8().ok()?);
            r.take(length).ok()
        };
        let (flags, services, regexp) = (string()?, string()?, string()?);
        let used = 7 + flags.len() + services.len() + regexp.len();
        let replacement = rdata.get(used..).filter(|name| !name.is_empty())?;
        Some(Self { order, preference, flags, services, regexp, replacement })
    }

    /// The URI of an expression `!^.*$!URI!`.
    pub fn uri(&self) -> Option<&'a str> {
        std::str::from_utf8(self.regexp).ok()?.strip_prefix(REGEXP_HEAD)?.strip_suffix('!')
    }
}

/// Every mistake in the addresses of one number, in the order of the rules of `record`, then those of the whole set.
pub fn check(rdata: &[&[u8]], number: Number, apex: &str, policy: &Policy, pointer: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut preferences = Vec::new();
    for (i, rdata) in rdata.iter().enumerate() {
        let mut refuse = |reason: &'static Reason, detail: String| {
            refusals.push(reason.at(pointer, format!("address {}: {detail}", i + 1)));
        };
        match Naptr::parse(rdata) {
            None => refuse(&refusal::NAPTR_RDATA, "this is no NAPTR RDATA".into()),
            Some(naptr) => {
                preferences.push(naptr.preference);
                record(&naptr, policy, &mut refuse);
            }
        }
    }
    let count = rdata.len() as u64;
    if count > policy.naptr_records_max {
        let detail = format!("{count} addresses; at most {}", policy.naptr_records_max);
        refusals.push(refusal::NAPTR_COUNT.at(pointer, detail));
    }
    preferences.sort_unstable();
    let expected = (1..).map(|i: u16| i.saturating_mul(PREFERENCE_STEP));
    if !preferences.iter().copied().eq(expected.take(preferences.len())) {
        refusals.push(refusal::NAPTR_PREFERENCE.at(pointer, format!("the preferences are {preferences:?}")));
    }
    let size = answer_len(rdata, number, apex) as u64;
    if !rdata.is_empty() && size > policy.naptr_answer_bytes_max {
        let detail = format!("the answer has {size} octets; at most {}", policy.naptr_answer_bytes_max);
        refusals.push(refusal::NAPTR_SIZE.at(pointer, detail));
    }
    refusals
}

/// The rules of one record.
fn record(naptr: &Naptr<'_>, policy: &Policy, refuse: &mut dyn FnMut(&'static Reason, String)) {
    if naptr.order != ORDER {
        refuse(&refusal::NAPTR_ORDER, format!("the order is {}", naptr.order));
    }
    if naptr.flags != b"u" {
        refuse(&refusal::NAPTR_FLAGS, "the flags are not \"u\"".into());
    }
    let service = service(naptr.services, policy);
    if service.is_none() {
        refuse(&refusal::NAPTR_SERVICE, "the service is not E2U+ and one Enumservice of the charter".into());
    }
    match naptr.uri() {
        None => refuse(&refusal::NAPTR_REGEXP, "the expression is not !^.*$!URI!".into()),
        Some(uri) if !is_plain_uri(uri) => {
            refuse(&refusal::NAPTR_URI, "the URI cannot stand in such an expression".into())
        }
        Some(uri) => {
            if let Some(service) = service.filter(|service| !scheme_fits(uri, service)) {
                let detail = format!("E2U+{} carries {}: URIs", service.name, service.schemes.join(":, "));
                refuse(&refusal::NAPTR_SCHEME, detail);
            }
        }
    }
    if naptr.replacement != [0] {
        refuse(&refusal::NAPTR_REPLACEMENT, "the replacement is not the root".into());
    }
}

/// The charter's Enumservice of `E2U+type[:subtype]`, upper-case E2U, lower-case type.
fn service(services: &[u8], policy: &Policy) -> Option<&'static Enumservice> {
    let name = std::str::from_utf8(services).ok()?.strip_prefix("E2U+")?;
    policy.enumservices.iter().copied().find(|service| service.name == name)
}

/// Printable ASCII without what clients split or unescape on: space, `!`, `\`.
fn is_plain_uri(uri: &str) -> bool {
    uri.len() <= URI_LEN_MAX && uri.bytes().all(|b| b.is_ascii_graphic() && b != b'!' && b != b'\\')
}

/// A scheme of the service in lower case, and something behind it.
fn scheme_fits(uri: &str, service: &Enumservice) -> bool {
    uri.split_once(':').is_some_and(|(scheme, rest)| service.schemes.contains(&scheme) && !rest.is_empty())
}

/// The octets of the NAPTR answer without EDNS and DNSSEC: header, question, records with compressed owner.
fn answer_len(rdata: &[&[u8]], number: Number, apex: &str) -> usize {
    let apex = apex.trim_matches('.');
    let apex_len = if apex.is_empty() { 1 } else { apex.len() + 2 };
    let question = 2 * number.digits().len() + apex_len + 4;
    12 + question + rdata.iter().map(|rdata| 12 + rdata.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rdata(order: u16, preference: u16, flags: &str, services: &str, regexp: &str, replacement: &[u8]) -> Vec<u8> {
        let mut out = [order.to_be_bytes(), preference.to_be_bytes()].concat();
        for string in [flags, services, regexp] {
            out.push(string.len() as u8);
            out.extend_from_slice(string.as_bytes());
        }
        out.extend_from_slice(replacement);
        out
    }

    fn codes(rdata: &[Vec<u8>]) -> Vec<&'static str> {
        let number = Number::parse("+447700900123").unwrap();
        let rdata: Vec<&[u8]> = rdata.iter().map(Vec::as_slice).collect();
        check(&rdata, number, "e164.example.", &Policy::embedded(), "/record")
            .iter()
            .map(|refusal| refusal.code)
            .collect()
    }

    #[test]
    fn takes_what_every_client_reads() {
        assert_eq!(codes(&[]), [""; 0]);
        let sip = rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:alice@acme.example!", &[0]);
        let mail = rdata(100, 20, "u", "E2U+email:mailto", "!^.*$!mailto:a@acme.example!", &[0]);
        assert_eq!(codes(&[mail, sip.clone()]), [""; 0]);
        assert_eq!(Naptr::parse(&sip).unwrap().uri(), Some("sip:alice@acme.example"));
    }

    #[test]
    fn each_rule_of_one_record_has_its_code() {
        let good = "!^.*$!sip:a@b.example!";
        let long = format!("!^.*$!sip:{}!", "a".repeat(244));
        assert_eq!(long.len(), 255);
        assert_eq!(codes(&[rdata(100, 10, "u", "E2U+sip", &long, &[0])]), [""; 0]);
        for (record, expected) in [
            (rdata(10, 10, "u", "E2U+sip", good, &[0]), "naptr_order"),
            (rdata(100, 100, "u", "E2U+sip", good, &[0]), "naptr_preference"),
            (rdata(100, 10, "U", "E2U+sip", good, &[0]), "naptr_flags"),
            (rdata(100, 10, "", "E2U+sip", good, &[0]), "naptr_flags"),
            (rdata(100, 10, "u", "e2u+sip", good, &[0]), "naptr_service"),
            (rdata(100, 10, "u", "E2U+SIP", good, &[0]), "naptr_service"),
            (rdata(100, 10, "u", "sip+E2U", good, &[0]), "naptr_service"),
            (rdata(100, 10, "u", "E2U+sip+h323", good, &[0]), "naptr_service"),
            (rdata(100, 10, "u", "E2U+acct", good, &[0]), "naptr_service"),
            (rdata(100, 10, "u", "E2U+sip", "!^(.*)$!sip:\\1@b.example!", &[0]), "naptr_regexp"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:a@b.example!i", &[0]), "naptr_regexp"),
            (rdata(100, 10, "u", "E2U+sip", "/^.*$/sip:a@b.example/", &[0]), "naptr_regexp"),
            (rdata(100, 10, "u", "E2U+sip", "", &[0]), "naptr_regexp"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:a b@b.example!", &[0]), "naptr_uri"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:a!b@b.example!", &[0]), "naptr_uri"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:a\\b@b.example!", &[0]), "naptr_uri"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:a\nb@b.example!", &[0]), "naptr_uri"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:é@b.example!", &[0]), "naptr_uri"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!tel:+34600111222!", &[0]), "naptr_scheme"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!alice@b.example!", &[0]), "naptr_scheme"),
            (rdata(100, 10, "u", "E2U+sip", "!^.*$!sip:!", &[0]), "naptr_scheme"),
            (rdata(100, 10, "u", "E2U+sip", good, b"\x01x\0"), "naptr_replacement"),
            (rdata(100, 10, "u", "E2U+sip", good, &[0, 0]), "naptr_replacement"),
            (rdata(100, 10, "u", "E2U+sip", good, &[]), "naptr_rdata"),
            (vec![0, 100, 0, 10, 9, b'u'], "naptr_rdata"),
        ] {
            assert_eq!(codes(&[record]), [expected]);
        }
    }

    #[test]
    fn the_set_has_rules_of_its_own() {
        let sip = |preference, user: &str| {
            rdata(100, preference, "u", "E2U+sip", &format!("!^.*$!sip:{user}@b.example!"), &[0])
        };
        assert_eq!(codes(&[sip(10, "a"), sip(10, "b")]), ["naptr_preference"]);
        assert_eq!(codes(&[sip(10, "a"), sip(30, "b")]), ["naptr_preference"]);
        let six: Vec<_> = (1..=6).map(|i| sip(10 * i, "a")).collect();
        assert_eq!(codes(&six), ["naptr_count"]);
        assert_eq!(codes(&six[..5]), [""; 0], "as many as the charter says");
        let (long, longer) = ("a".repeat(200), "b".repeat(200));
        assert_eq!(codes(&[sip(10, &long), sip(20, &longer)]), ["naptr_size"]);
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let bad = rdata(1, 10, "s", "x", "y", b"\x01x\0");
        assert_eq!(codes(&[bad]), ["naptr_order", "naptr_flags", "naptr_service", "naptr_regexp", "naptr_replacement"]);
    }
}
