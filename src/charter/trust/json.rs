//! JSON as TUF signs it (OLPC canonical JSON): names sorted, no white space, two characters escaped, no fractions.

use serde_json::{Map, Value};

use crate::charter::trust::Untrusted;

/// Reads JSON that must be an object at its top.
pub(super) fn read(bytes: &[u8], file: &str) -> Result<Map<String, Value>, Untrusted> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Untrusted::form(file, "a JSON object", "another JSON value")),
        Err(error) => Err(Untrusted::form(file, "a JSON object", error.to_string())),
    }
}

/// The bytes that are signed and hashed. None where there is a number that is no integer: those have no canonical form.
pub fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut out = String::new();
    write(value, &mut out)?;
    Some(out.into_bytes())
}

fn write(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(n) if n.is_u64() || n.is_i64() => out.push_str(&n.to_string()),
        Value::Number(_) => return None,
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            // UTF-8 sorts as code points do, which is the order that is meant.
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (i, (name, member)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(member, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Members of an object with their types; what is wrong names the file and the member.
pub(super) struct Members<'v> {
    object: &'v Map<String, Value>,
    file: &'v str,
}

impl<'v> Members<'v> {
    pub(super) fn new(object: &'v Map<String, Value>, file: &'v str) -> Self {
        Self { object, file }
    }

    pub(super) fn of(value: &'v Value, file: &'v str, what: &str) -> Result<Self, Untrusted> {
        let object = value.as_object();
        object
            .map(|object| Self { object, file })
            .ok_or_else(|| Untrusted::form(file, format!("{what}: an object"), "another value"))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    fn need<T>(&self, name: &str, kind: &str, read: impl Fn(&'v Value) -> Option<T>) -> Result<T, Untrusted> {
        let wrong = |found: &str| Untrusted::form(self.file, format!("`{name}`: {kind}"), found);
        let value = self.object.get(name).ok_or_else(|| wrong("no such member"))?;
        read(value).ok_or_else(|| wrong("another value"))
    }

    pub(super) fn text(&self, name: &str) -> Result<&'v str, Untrusted> {
        self.need(name, "a text", Value::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, Untrusted> {
        self.need(name, "an integer that is not negative", Value::as_u64)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Untrusted> {
        self.need(name, "true or false", Value::as_bool)
    }

    pub(super) fn object(&self, name: &str) -> Result<&'v Map<String, Value>, Untrusted> {
        self.need(name, "an object", Value::as_object)
    }

    pub(super) fn list(&self, name: &str) -> Result<&'v [Value], Untrusted> {
        self.need(name, "a list", |value| value.as_array().map(Vec::as_slice))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Untrusted> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.need(name, "a list of texts", |value| value.as_array()?.iter().map(text).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_value_has_one_canonical_form() {
        let value =
            json!({"b": [1, -2, true, null], "a": "quo\"te \\ and\nline é", "é": {}, "z": 18446744073709551615u64});
        let text = String::from_utf8(canonical(&value).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"a\":\"quo\\\"te \\\\ and\nline é\",\"b\":[1,-2,true,null],\"z\":18446744073709551615,\"é\":{}}"
        );
        assert_eq!(canonical(&json!([1.5])), None);
        assert_eq!(canonical(&json!({"a": {"b": 1e3}})), None);
    }
}
