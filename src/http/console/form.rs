//! A form as a browser sends it (`application/x-www-form-urlencoded`, URL standard 5.1): bounded, each field once.

use std::collections::BTreeMap;

/// Fields of one form; ours have a dozen at most.
const FIELDS_MAX: usize = 40;

/// The fields of a form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads a body; None if it is no form, or a field comes twice.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for pair in body.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            let twice = fields.insert(text(name)?, text(value.get(1..).unwrap_or_default())?).is_some();
            if twice || fields.len() > FIELDS_MAX {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// What a field holds, without blanks around it; empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// The same, or nothing.
    pub(crate) fn some(&self, name: &str) -> Option<String> {
        Some(self.get(name).to_owned()).filter(|value| !value.is_empty())
    }
}

fn text(raw: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            byte => *byte,
        });
    }
    // A browser sends line ends as CR LF whatever the page holds.
    String::from_utf8(bytes).ok().map(|text| text.replace("\r\n", "\n"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = Fields::read(b"a=1+2%20%C3%BC&b=&c&d=x%0D%0Ay").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("c"), form.get("d")), ("1 2 ü", "", "", "x\ny"));
        assert_eq!((form.some("a").as_deref(), form.some("b"), form.some("z")), (Some("1 2 ü"), None, None));
        for wrong in [&b"a=1&a=2"[..], b"a=%", b"a=%f", b"a=%zz", b"a=%ff"] {
            assert!(Fields::read(wrong).is_none(), "{wrong:?}");
        }
        let many: String = (0..=FIELDS_MAX).map(|i| format!("f{i}=1&")).collect();
        assert!(Fields::read(many.as_bytes()).is_none());
    }
}
