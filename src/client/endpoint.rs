//! Where a number can be reached: NAPTR records turned into addresses (RFC 3403, RFC 6116 3.4).
//!
//! Our own records are of the safe form `!^.*$!URI!`; others may use any delimiter and back-references, and both are
//! applied here. Whatever is odd is left out and said so: one bad record must not spoil the others.

use regex_lite::{Captures, RegexBuilder};
use serde::Serialize;

use crate::number::Number;

/// RFC 6116 3.2: the terminal flag.
const FLAG_TERMINAL: &str = "u";
/// Compiled size of a regexp: enough for any of 255 octets that is not made to hurt.
const REGEXP_SIZE_MAX: usize = 64 * 1024;
/// The longest address that is handed on; back-references can make one longer than any record.
const URI_MAX: usize = 1024;

/// One way to reach a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Lower comes first; records of a higher order count only if none of a lower one fits (RFC 3403 4.1).
    pub order: u16,
    /// Within one order, lower is tried first.
    pub preference: u16,
    /// The Enumservice as it was written, such as `E2U+sip`.
    pub service: String,
    /// The address: printable ASCII with a scheme.
    pub uri: String,
}

/// The endpoints of `number` from NAPTR RDATA (wire form), in the order in which to try them, and what was left out.
pub(crate) fn endpoints(number: Number, rdatas: &[Vec<u8>]) -> (Vec<Endpoint>, Vec<String>) {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for rdata in rdatas {
        match endpoint(number, rdata) {
            Ok(endpoint) => found.push(endpoint),
            Err(why) => left_out.push(format!("a NAPTR record was left out: {why}")),
        }
    }
    found.sort_by(|a, b| (a.order, a.preference, &a.uri).cmp(&(b.order, b.preference, &b.uri)));
    (found, left_out)
}

fn endpoint(number: Number, rdata: &[u8]) -> Result<Endpoint, String> {
    let [o0, o1, p0, p1, rest @ ..] = rdata else { return Err("it is too short".into()) };
    let (flags, rest) = text(rest).ok_or("it is cut off")?;
    let (service, rest) = text(rest).ok_or("it is cut off")?;
    let (regexp, replacement) = text(rest).ok_or("it is cut off")?;
    if !flags.eq_ignore_ascii_case(FLAG_TERMINAL) {
        return Err(format!("its flag is {flags:?}, not \"u\": it points to further records"));
    }
    if replacement != [0] {
        return Err("it has a replacement beside its regexp".into());
    }
    if !is_enum_service(&service) {
        return Err(format!("its service {service:?} is not of the form E2U+type"));
    }
    let uri = apply(&regexp, &number.to_string()).map_err(|why| format!("its regexp {why}"))?;
    if !is_uri(&uri) {
        return Err("its regexp does not make an address".into());
    }
    let order = u16::from_be_bytes([*o0, *o1]);
    Ok(Endpoint { order, preference: u16::from_be_bytes([*p0, *p1]), service, uri })
}

/// A character-string of printable ASCII and what follows it.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    let text = String::from_utf8(text.to_vec()).ok()?;
    Some((text, rest))
}

/// RFC 6116 3.4.2: `E2U` 1*(`+` type *(`:` subtype)), in any case.
fn is_enum_service(service: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.len() <= 32 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let mut parts = service.split('+');
    parts.next().is_some_and(|head| head.eq_ignore_ascii_case("E2U"))
        && service.contains('+')
        && parts.all(|part| part.split(':').all(is_word))
}

/// Applies the substitution expression of RFC 3402 3.2 to the application-unique string: `delim ERE delim text delim flags`.
fn apply(regexp: &str, aus: &str) -> Result<String, String> {
    let delimiter = regexp.chars().next().ok_or("is empty")?;
    if delimiter.is_ascii_digit() || delimiter == 'i' || delimiter == '\\' {
        return Err(format!("uses {delimiter:?} as a delimiter"));
    }
    let parts = split(&regexp[delimiter.len_utf8()..], delimiter);
    let [pattern, replacement, flags] = parts.as_slice() else { return Err("does not have three parts".into()) };
    let ignore_case = match flags.as_str() {
        "" => false,
        "i" => true,
        other => return Err(format!("has the flags {other:?}")),
    };
    let mut builder = RegexBuilder::new(pattern);
    let pattern = builder.case_insensitive(ignore_case).size_limit(REGEXP_SIZE_MAX).build();
    let pattern = pattern.map_err(|_| "cannot be read")?;
    let captures = pattern.captures(aus).ok_or("does not match the number")?;
    // RFC 3402 3.2: the matched part is replaced. A match that leaves digits over is an old mistake: they would be glued on.
    if captures.get(0).is_none_or(|whole| whole.range() != (0..aus.len())) {
        return Err("does not match the whole number".into());
    }
    substitute(replacement, &captures)
}

/// The parts between delimiters; a delimiter behind a backslash belongs to its part.
fn split(text: &str, delimiter: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let part = parts.last_mut().expect("it starts with one part");
        match c {
            '\\' => match chars.next() {
                Some(next) if next == delimiter => part.push(next),
                Some(next) => part.extend(['\\', next]),
                None => part.push('\\'),
            },
            c if c == delimiter => parts.push(String::new()),
            c => part.push(c),
        }
    }
    parts
}

/// Puts the groups in for `\1` to `\9`; any other character behind a backslash stands for itself.
fn substitute(replacement: &str, captures: &Captures<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = replacement.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(digit @ '1'..='9') => {
                    let group = captures.get(digit as usize - '0' as usize);
                    out.push_str(group.ok_or_else(|| format!("has no group \\{digit}"))?.as_str());
                }
                Some(other) => out.push(other),
                None => return Err("ends in a backslash".into()),
            },
            c => out.push(c),
        }
        if out.len() > URI_MAX {
            return Err("makes an address that is too long".into());
        }
    }
    Ok(out)
}

/// RFC 3986 3: a scheme, a colon, something; printable ASCII without spaces, quotes or angle brackets.
fn is_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
        && uri.bytes().all(|b| (0x21..0x7f).contains(&b) && !b"\"<>\\".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naptr(order: u16, preference: u16, flags: &str, service: &str, regexp: &str, replacement: &[u8]) -> Vec<u8> {
        let mut rdata = [order.to_be_bytes(), preference.to_be_bytes()].concat();
        for text in [flags, service, regexp] {
            rdata.push(text.len() as u8);
            rdata.extend_from_slice(text.as_bytes());
        }
        rdata.extend_from_slice(replacement);
        rdata
    }

    fn number() -> Number {
        Number::parse("+447700900123").unwrap()
    }

    fn applied(regexp: &str) -> Result<String, String> {
        endpoint(number(), &naptr(100, 10, "u", "E2U+sip", regexp, &[0])).map(|endpoint| endpoint.uri)
    }

    #[test]
    fn the_safe_form_and_the_forms_of_rfc_6116() {
        for (regexp, uri) in [
            ("!^.*$!sip:alice@acme.example!", "sip:alice@acme.example"),
            ("!^\\+44(.*)$!sip:0\\1@acme.example!", "sip:07700900123@acme.example"),
            ("/^\\+44([0-9]{4})([0-9]{6})$/sip:\\2-\\1@acme.example/", "sip:900123-7700@acme.example"),
            ("|^(.*)$|sip:\\1@acme.example|", "sip:+447700900123@acme.example"),
            ("#^(\\+44).*$#SIP:x\\#\\1@acme.example#i", "SIP:x#+44@acme.example"),
            ("!^\\+(44|1)(7[0-9]+)$!tel:+\\1\\2!", "tel:+447700900123"),
        ] {
            assert_eq!(applied(regexp).as_deref(), Ok(uri), "{regexp}");
        }
    }

    #[test]
    fn what_is_odd_is_left_out() {
        for regexp in [
            "",
            "!",
            "!^.*$!sip:a@b.example",
            "!^.*$!sip:a@b.example!x",
            "!^.*$!sip:a@b.example!i!",
            "!^\\+1.*$!sip:a@b.example!",
            "!^\\+44!sip:a@b.example!",
            "!^(.*$!sip:a@b.example!",
            "!^.*$!sip:\\1@b.example!",
            "!^.*$!no address!",
            "!^.*$!sip:a b@c.example!",
            "!^.*$!sip:a\u{1b}[2J@c.example!",
            "1^.*$1sip:a@b.example1",
            "!^((((.{200}){200}){200}){200})$!sip:a@b.example!",
        ] {
            assert!(applied(regexp).is_err(), "{regexp}");
        }
        let good = "!^.*$!sip:a@b.example!";
        let (found, left_out) = endpoints(
            number(),
            &[
                naptr(100, 20, "U", "e2u+SIP", good, &[0]),
                naptr(100, 10, "u", "E2U+sip+email:mailto", good, &[0]),
                naptr(50, 90, "u", "E2U+pstn:tel", "!^(.*)$!tel:\\1!", &[0]),
                naptr(10, 10, "", "E2U+sip", "", b"\x01x\x00"),
                naptr(10, 10, "u", "E2U+sip", good, b"\x01x\x00"),
                naptr(10, 10, "u", "SIP+D2U", good, &[0]),
                naptr(10, 10, "u", "E2U", good, &[0]),
                vec![0, 1, 0, 1, 9],
            ],
        );
        let order: Vec<_> = found.iter().map(|e| (e.order, e.preference, e.service.as_str())).collect();
        assert_eq!(order, [(50, 90, "E2U+pstn:tel"), (100, 10, "E2U+sip+email:mailto"), (100, 20, "e2u+SIP")]);
        assert_eq!(left_out.len(), 5, "{left_out:?}");
    }

    proptest! {
        #[test]
        fn never_panics(regexp in "\\PC{0,60}", rdata in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = apply(&regexp, "+447700900123");
            let _ = endpoint(number(), &rdata);
        }
    }
}
