//! Conditions on the version of a number that a change is based on (RFC 9110 13.1): `If-Match` and `If-None-Match`.

use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

use crate::api::ProblemError;

/// What a change asks of the version that is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    is: Option<Tags>,
    is_not: Option<Tags>,
}

/// Versions by their entity tags.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever it is.
    Any,
    /// One of these; tags that are none of ours are left out, for no number has them.
    OneOf(Vec<Tag>),
}

#[derive(Debug, PartialEq, Eq)]
struct Tag {
    version: u64,
    weak: bool,
}

impl Conditions {
    /// Reads them; none without one. A list may have several members, and a header several lines.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, ProblemError> {
        let conditions = Self { is: tags(headers, IF_MATCH)?, is_not: tags(headers, IF_NONE_MATCH)? };
        Ok(Some(conditions).filter(|conditions| *conditions != Self::default()))
    }

    /// Whether they hold; `now` is the version that is there for who asks. `If-Match` compares strongly, so that a weak tag never
    /// fits, and `If-None-Match` weakly (RFC 9110 8.8.3.2). Of a number that is not there only `*` is asked: a registration may go
    /// on from the version of its release, and the State that it follows decides.
    pub(crate) fn hold(&self, now: Option<u64>) -> bool {
        let is = match (&self.is, now) {
            (None, _) | (Some(Tags::OneOf(_)), None) => true,
            (Some(Tags::Any), now) => now.is_some(),
            (Some(Tags::OneOf(tags)), Some(now)) => tags.iter().any(|tag| tag.version == now && !tag.weak),
        };
        let is_not = match (&self.is_not, now) {
            (None, _) | (_, None) => true,
            (Some(Tags::Any), Some(_)) => false,
            (Some(Tags::OneOf(tags)), Some(now)) => tags.iter().all(|tag| tag.version != now),
        };
        is && is_not
    }
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, ProblemError> {
    let lines: Vec<_> = headers.get_all(&name).into_iter().map(|line| line.to_str().unwrap_or("?").trim()).collect();
    let mut found = Vec::new();
    match lines.as_slice() {
        [] => return Ok(None),
        ["*"] => return Ok(Some(Tags::Any)),
        _ => {}
    }
    for member in lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|member| !member.is_empty()) {
        let (weak, text) = member.strip_prefix("W/").map_or((false, member), |text| (true, text));
        let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).filter(|text| !text.contains('"'));
        let Some(inside) = inside else {
            let why = "the ETag of the number is needed, such as \"3\" in quotes, a list of them, or *";
            let name = if name == IF_MATCH { "If-Match" } else { "If-None-Match" };
            return Err(ProblemError::form(name, "bad_header", why));
        };
        found.extend(version(inside).map(|version| Tag { version, weak }));
    }
    Ok(Some(Tags::OneOf(found)))
}

/// A version as it is written in a tag, and in no other spelling.
fn version(text: &str) -> Option<u64> {
    text.parse().ok().filter(|version: &u64| version.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(HeaderName, &str)]) -> Result<Option<Conditions>, ProblemError> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value.parse().unwrap());
        }
        Conditions::of(&headers)
    }

    #[test]
    fn a_change_finds_the_version_that_it_is_based_on() {
        let holds = |value: &str, now| read(&[(IF_MATCH, value)]).unwrap().unwrap().hold(now);
        for value in ["\"3\"", "\"2\", \"3\"", "*", "\"x\",,\"3\""] {
            assert!(holds(value, Some(3)), "{value}");
        }
        for value in ["\"4\"", "W/\"3\"", "\"x\"", "\"03\"", "\"+3\""] {
            assert!(!holds(value, Some(3)), "{value}");
        }
        assert!(!holds("*", None) && holds("\"3\"", None), "the State that it follows decides");
        let lines = read(&[(IF_MATCH, "\"1\""), (IF_MATCH, "\"3\"")]).unwrap().unwrap();
        assert!(lines.hold(Some(3)) && !lines.hold(Some(2)));
    }

    #[test]
    fn a_registration_finds_nothing_there() {
        let holds = |value: &str, now| read(&[(IF_NONE_MATCH, value)]).unwrap().unwrap().hold(now);
        assert!(holds("*", None) && !holds("*", Some(1)));
        assert!(holds("\"2\"", Some(1)) && !holds("W/\"1\"", Some(1)) && !holds("\"2\", \"1\"", Some(1)));
    }

    #[test]
    fn what_is_no_tag_is_told() {
        assert_eq!(read(&[]).unwrap(), None);
        for wrong in ["3", "\"3", "w/\"3\"", "\"3\" \"4\"", "*, \"3\"", "**"] {
            assert_eq!(read(&[(IF_MATCH, wrong)]).unwrap_err().pointer, "If-Match", "{wrong}");
        }
    }
}
