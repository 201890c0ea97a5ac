//! What is asked for: the path of a query (RFC 9082 3), or of a search (RFC 9082 3.2).

use crate::number::Number;

/// The longest name in text (RFC 1035 2.3.4: 255 octets of wire form), without its final dot.
const NAME_LEN_MAX: usize = 253;
/// The longest label.
const LABEL_LEN_MAX: usize = 63;
/// Longer than any id or name of a provider.
const PATTERN_LEN_MAX: usize = 256;

/// A query that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `help`.
    Help,
    /// `domain/{name}` where the name is the apex.
    Apex,
    /// `domain/{name}` where the name is that of a number below the apex.
    Number(Number),
    /// `nameserver/{name}`, in lower case and without final dot.
    Nameserver(String),
    /// `entity/{handle}`.
    Entity(String),
    /// `entities?fn=` or `entities?handle=`.
    Entities(Pattern),
    /// Well formed, and about nothing that can be here: another domain, a name that no number has.
    Elsewhere,
}

/// What a search looks for: a text in which one `*` stands for anything (RFC 9082 4.1); case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Whether ids are searched, not names.
    pub by_handle: bool,
    before: String,
    /// Behind the asterisk; none without one.
    after: Option<String>,
}

/// Why a query is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is not well formed (400): why.
    Malformed(&'static str),
    /// RDAP knows it, and this service does not offer it (501, RFC 9082 4).
    NotOffered,
    /// No path of RDAP (404).
    NoPath,
}

impl Query {
    /// Reads the path behind `/rdap/`, percent-decoded, and the raw query string; `apex` as in the configuration.
    pub fn read(path: &str, search: Option<&str>, apex: &str) -> Result<Self, Unread> {
        let (kind, rest) = path.split_once('/').map_or((path, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("help", None) => Ok(Self::Help),
            ("domain", Some(text)) => domain(text, apex),
            ("nameserver", Some(text)) => host_name(text).map(Self::Nameserver),
            ("entity", Some(handle)) if !handle.is_empty() && !handle.contains('/') => {
                Ok(Self::Entity(handle.to_owned()))
            }
            ("entities", None) => pattern(search).map(Self::Entities),
            ("domain" | "nameserver" | "entity", _) => Err(Unread::Malformed("a name or handle is needed behind it")),
            ("ip" | "autnum" | "domains" | "nameservers", _) => Err(Unread::NotOffered),
            _ => Err(Unread::NoPath),
        }
    }
}

impl Pattern {
    /// Whether the text fits.
    pub fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        match &self.after {
            None => text == self.before,
            Some(after) => text.strip_prefix(&*self.before).is_some_and(|rest| rest.ends_with(&**after)),
        }
    }
}

fn domain(text: &str, apex: &str) -> Result<Query, Unread> {
    let name = host_name(text)?;
    if name == apex.trim_end_matches('.') {
        return Ok(Query::Apex);
    }
    Ok(Number::from_enum_name(&name, apex).map_or(Query::Elsewhere, Query::Number))
}

/// A name in lower case without its final dot: letters, digits, hyphens and underscores, A-labels for what is more.
fn host_name(text: &str) -> Result<String, Unread> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if !name.is_ascii() {
        return Err(Unread::Malformed("write names in A-labels (xn--…), not in Unicode (RFC 9082 3.1.3)"));
    }
    if name.is_empty() || name.len() > NAME_LEN_MAX {
        return Err(Unread::Malformed("a name has 1 to 253 characters"));
    }
    let is_label = |label: &str| {
        let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        inside && (1..=LABEL_LEN_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    match name.split('.').all(is_label) {
        true => Ok(name),
        false => Err(Unread::Malformed("each label has 1 to 63 letters, digits and inner hyphens")),
    }
}

fn pattern(search: Option<&str>) -> Result<Pattern, Unread> {
    let mut pairs = search.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let (Some((name, value)), None) = (pairs.next(), pairs.next()) else {
        return Err(Unread::Malformed("search by one of fn= and handle="));
    };
    let by_handle = match name {
        "fn" => false,
        "handle" => true,
        _ => return Err(Unread::Malformed("search by one of fn= and handle=")),
    };
    let text = decoded(value).ok_or(Unread::Malformed("what is searched for is percent-encoded UTF-8"))?.to_lowercase();
    if text.is_empty() || text.len() > PATTERN_LEN_MAX {
        return Err(Unread::Malformed("1 to 256 bytes are searched for"));
    }
    match text.split_once('*') {
        None => Ok(Pattern { by_handle, before: text, after: None }),
        Some((_, after)) if after.contains('*') => Err(Unread::Malformed("one asterisk is enough (RFC 9082 4.1)")),
        Some((before, after)) => Ok(Pattern { by_handle, before: before.to_owned(), after: Some(after.to_owned()) }),
    }
}

/// Percent-decoded (RFC 3986 2.1), `+` for a space as forms write it.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut out) = (text.bytes(), Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APEX: &str = "e164.example.";

    fn read(path: &str) -> Result<Query, Unread> {
        Query::read(path, None, APEX)
    }

    #[test]
    fn names_are_read_in_every_spelling_and_malformed_ones_are_told() {
        let number = Query::Number(Number::parse("+447700900123").unwrap());
        let name = "3.2.1.0.0.9.0.0.7.7.4.4.e164.example";
        for text in [name.to_owned(), format!("{name}."), name.to_uppercase()] {
            assert_eq!(read(&format!("domain/{text}")).as_ref(), Ok(&number), "{text}");
        }
        assert_eq!(read("domain/E164.Example."), Ok(Query::Apex));
        for elsewhere in
            ["example.com", "4.4.e164.example", "www.e164.example", "_id.3.2.1.0.0.9.0.0.7.7.4.4.e164.example"]
        {
            assert_eq!(read(&format!("domain/{elsewhere}")), Ok(Query::Elsewhere), "{elsewhere}");
        }
        let long = format!("domain/{}.example", "a".repeat(64));
        let longer = format!("domain/{}", "a.".repeat(130));
        for wrong in [
            "domain",
            "domain/",
            "domain/.",
            "domain/a..b",
            "domain/-a.b",
            "domain/a b",
            "domain/bücher.example",
            &long,
            &longer,
        ] {
            assert!(matches!(read(wrong), Err(Unread::Malformed(_))), "{wrong}: {:?}", read(wrong));
        }
        assert_eq!(read("domain/xn--bcher-kva.example"), Ok(Query::Elsewhere));
    }

    #[test]
    fn other_paths() {
        assert_eq!(read("help"), Ok(Query::Help));
        assert_eq!(read("entity/acme"), Ok(Query::Entity("acme".into())));
        assert_eq!(read("nameserver/NS1.Example."), Ok(Query::Nameserver("ns1.example".into())));
        for path in ["ip/192.0.2.1", "autnum/64496", "domains", "nameservers"] {
            assert_eq!(read(path), Err(Unread::NotOffered), "{path}");
        }
        for path in ["", "help/me", "person/x"] {
            assert_eq!(read(path), Err(Unread::NoPath), "{path}");
        }
    }

    #[test]
    fn a_search_has_one_asterisk() {
        let search = |text: &str| Query::read("entities", Some(text), APEX);
        let fits = |pattern: &str, text: &str| match search(pattern) {
            Ok(Query::Entities(pattern)) => pattern.fits(text),
            other => panic!("{pattern}: {other:?}"),
        };
        assert!(
            fits("fn=acme*", "Acme Telephony")
                && fits("fn=*phony", "Acme Telephony")
                && fits("fn=A*y", "Acme Telephony")
        );
        assert!(
            fits("fn=acme%20telephony", "Acme Telephony") && !fits("fn=acme", "Acme Telephony") && fits("fn=*", "")
        );
        assert!(!fits("fn=aba*ba", "aba"), "what stands before and behind does not overlap");
        for wrong in ["", "fn=", "fn=a*b*", "fn=a&handle=b", "name=a", "fn=%zz", "fn=%ff"] {
            assert!(matches!(search(wrong), Err(Unread::Malformed(_))), "{wrong}");
        }
    }
}
