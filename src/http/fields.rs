//! Reads a JSON body field by field and collects every mistake, so that a caller mends all of them at once.

use serde_json::{Map, Value};

use crate::api::{Base64, JSON_DEPTH_MAX, ProblemError};
use crate::http::strict::Strict;

/// What some editors write before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The fields of one JSON object that have not been read yet, and the mistakes found so far.
pub(crate) struct Fields {
    at: String,
    left: Map<String, Value>,
    mistakes: Vec<ProblemError>,
}

/// A type that is read from the fields of one object. `None` means that a mistake was noted.
pub(crate) trait Read: Sized {
    /// Takes what it needs.
    fn read(fields: &mut Fields) -> Option<Self>;
}

/// Reads a whole body; unknown fields are mistakes too.
pub(crate) fn read<T: Read>(body: &[u8]) -> Result<T, Vec<ProblemError>> {
    let whole = |code, detail: String| vec![ProblemError::form("", code, detail)];
    if depth(body) > JSON_DEPTH_MAX {
        return Err(whole("too_deep", format!("JSON nests deeper than {JSON_DEPTH_MAX} levels")));
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        let why = "the body begins with a byte order mark; JSON has none (RFC 8259 8.1)";
        return Err(whole("not_json", why.to_owned()));
    }
    let Strict(value) =
        serde_json::from_slice(body).map_err(|e| whole("not_json", format!("the body is not JSON: {e}")))?;
    let Value::Object(map) = value else {
        return Err(whole("wrong_type", format!("the body must be a JSON object, not {}", name_of(&value))));
    };
    let mut fields = Fields { at: String::new(), left: map, mistakes: Vec::new() };
    let made = T::read(&mut fields);
    fields.note_unknown();
    match made {
        Some(made) if fields.mistakes.is_empty() => Ok(made),
        _ => Err(fields.mistakes),
    }
}

impl Fields {
    /// A string that must be there.
    pub(crate) fn string(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            None => self.mistake(name, "required", "this field is required: a string"),
            Some(Value::String(text)) => Some(text),
            Some(other) => self.wrong(name, "a string", &other),
        }
    }

    /// A string that may be left out: `Some(None)` if it is.
    pub(crate) fn optional_string(&mut self, name: &str) -> Option<Option<String>> {
        if self.left.contains_key(name) { self.string(name).map(Some) } else { Some(None) }
    }

    /// A field that decides what the others mean and has none of the values that do: they are not looked at.
    pub(crate) fn unfit<T>(&mut self, name: &str, why: &str) -> Option<T> {
        self.left.clear();
        self.mistake(name, "bad_value", why)
    }

    /// The same when that field is missing or of a wrong type, which was noted.
    pub(crate) fn undecided<T>(&mut self) -> Option<T> {
        self.left.clear();
        None
    }

    /// Bytes in base64 that must be there, `len` of them if given.
    pub(crate) fn bytes(&mut self, name: &str, len: Option<usize>) -> Option<Base64> {
        let text = self.string(name)?;
        match (Base64::decode(&text), len) {
            (Err(why), _) => self.mistake(name, "not_base64", why),
            (Ok(bytes), Some(len)) if bytes.0.len() != len => {
                self.mistake(name, "wrong_length", &format!("{len} bytes are needed, these are {}", bytes.0.len()))
            }
            (Ok(bytes), _) => Some(bytes),
        }
    }

    /// Bytes in base64 that may be left out.
    pub(crate) fn optional_bytes(&mut self, name: &str, len: Option<usize>) -> Option<Option<Base64>> {
        if self.left.contains_key(name) { self.bytes(name, len).map(Some) } else { Some(None) }
    }

    /// A whole number that must be there.
    pub(crate) fn u32(&mut self, name: &str) -> Option<u32> {
        match self.optional_u32(name)? {
            Some(n) => Some(n),
            None => self.mistake(name, "required", "this field is required: a whole number"),
        }
    }

    /// A whole number that may be left out.
    pub(crate) fn optional_u32(&mut self, name: &str) -> Option<Option<u32>> {
        match self.take(name) {
            None => Some(None),
            Some(value) => match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
                Some(n) => Some(Some(n)),
                None => self.wrong(name, "a whole number below 2^32", &value),
            },
        }
    }

    /// True or false; left out, it is false.
    pub(crate) fn switch(&mut self, name: &str) -> Option<bool> {
        match self.take(name) {
            None => Some(false),
            Some(Value::Bool(on)) => Some(on),
            Some(other) => self.wrong(name, "true or false", &other),
        }
    }

    /// A list of strings; left out, it is empty.
    pub(crate) fn strings(&mut self, name: &str) -> Option<Vec<String>> {
        let items = self.list(name)?;
        let mut texts = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                other => return self.wrong(&format!("{name}/{i}"), "a string", &other),
            }
        }
        Some(texts)
    }

    /// A list of strings that may be left out: `Some(None)` if it is.
    pub(crate) fn optional_strings(&mut self, name: &str) -> Option<Option<Vec<String>>> {
        if self.left.contains_key(name) { self.strings(name).map(Some) } else { Some(None) }
    }

    /// A list of objects; left out, it is empty.
    pub(crate) fn objects<T: Read>(&mut self, name: &str) -> Option<Vec<T>> {
        let items = self.list(name)?;
        let count = items.len();
        let mut made = Vec::with_capacity(count);
        for (i, item) in items.into_iter().enumerate() {
            let at = format!("{}/{name}/{i}", self.at);
            let Value::Object(map) = item else {
                self.wrong::<()>(&format!("{name}/{i}"), "an object", &item);
                continue;
            };
            let mut inner = Self { at, left: map, mistakes: Vec::new() };
            made.extend(T::read(&mut inner));
            inner.note_unknown();
            self.mistakes.append(&mut inner.mistakes);
        }
        (made.len() == count).then_some(made)
    }

    /// An object that must be there.
    pub(crate) fn object<T: Read>(&mut self, name: &str) -> Option<T> {
        match self.left.contains_key(name) {
            true => self.optional_object(name).flatten(),
            false => self.mistake(name, "required", "this field is required: an object"),
        }
    }

    /// An object that may be left out.
    pub(crate) fn optional_object<T: Read>(&mut self, name: &str) -> Option<Option<T>> {
        match self.take(name) {
            None => Some(None),
            Some(Value::Object(map)) => {
                let mut inner = Self { at: format!("{}/{name}", self.at), left: map, mistakes: Vec::new() };
                let made = T::read(&mut inner);
                inner.note_unknown();
                self.mistakes.append(&mut inner.mistakes);
                made.map(Some)
            }
            Some(other) => self.wrong(name, "an object", &other),
        }
    }

    /// A list of bytes in base64; left out, it is empty.
    pub(crate) fn byte_strings(&mut self, name: &str) -> Option<Vec<Base64>> {
        let mut made = Vec::new();
        for (i, text) in self.strings(name)?.iter().enumerate() {
            match Base64::decode(text) {
                Ok(bytes) => made.push(bytes),
                Err(why) => return self.mistake(&format!("{name}/{i}"), "not_base64", why),
            }
        }
        Some(made)
    }

    fn list(&mut self, name: &str) -> Option<Vec<Value>> {
        match self.take(name) {
            None => Some(Vec::new()),
            Some(Value::Array(items)) => Some(items),
            Some(other) => self.wrong(name, "a list", &other),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    fn note_unknown(&mut self) {
        for name in std::mem::take(&mut self.left).into_iter().map(|(name, _)| name) {
            let shown: String = name.chars().take(40).collect();
            self.mistake::<()>(&escape(&shown), "unknown_field", "this field is not known here; check its spelling");
        }
    }

    fn wrong<T>(&mut self, name: &str, wanted: &str, got: &Value) -> Option<T> {
        self.mistake(name, "wrong_type", &format!("{wanted} is needed here, not {}", name_of(got)))
    }

    fn mistake<T>(&mut self, name: &str, code: &str, detail: &str) -> Option<T> {
        self.mistakes.push(ProblemError::form(format!("{}/{name}", self.at), code, detail));
        None
    }
}

/// A name inside a JSON pointer (RFC 6901 3).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// How deep brackets nest outside of strings, before anything is parsed: bounds the parser's recursion.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::numbers::Submission;

    fn codes(body: &str) -> Vec<(String, String)> {
        read::<Submission>(body.as_bytes()).unwrap_err().into_iter().map(|e| (e.pointer, e.code)).collect()
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let found = codes(
            r#"{"record": 7, "opening": "AA==", "possession": [{"prefix": "_id", "spki": "!"}, 3], "validation": [1], "recrod": 1}"#,
        );
        let want = [
            ("/record", "wrong_type"),
            ("/opening", "wrong_length"),
            ("/event", "required"),
            ("/possession/0/spki", "not_base64"),
            ("/possession/0/proof", "required"),
            ("/possession/1", "wrong_type"),
            ("/validation/0", "wrong_type"),
            ("/recrod", "unknown_field"),
        ];
        assert_eq!(found, want.map(|(at, code)| (at.to_owned(), code.to_owned())));
    }

    #[test]
    fn wrong_shapes_are_refused_whole() {
        for (body, code) in [
            ("", "not_json"),
            ("[]", "wrong_type"),
            ("null", "wrong_type"),
            ("{", "not_json"),
            ("\u{1}", "not_json"),
            ("{}{}", "not_json"),
            ("\u{feff}{}", "not_json"),
            (r#"{"event": "AAAA", "event": "AAAB"}"#, "not_json"),
        ] {
            assert_eq!(codes(body)[0].1, code, "{body:?}");
        }
        assert_eq!(codes(&"[".repeat(100_000))[0].1, "too_deep");
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(depth(br#"{"a": "[[[[\"[[[", "b": [1, {"c": 2}]}"#), 3);
    }
}
