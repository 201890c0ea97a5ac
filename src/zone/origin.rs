//! What has to be done to a master file before the reader takes it: the free-standing `@`, which it knows only as an owner,
//! becomes the origin's name in RDATA too; and ends that it does not expect are found.

use std::borrow::Cow;

use crate::wire::Name;

/// Types whose RDATA is text, in which `@` is an at sign.
const TEXT_TYPES: [&str; 9] = ["TXT", "SPF", "HINFO", "X25", "ISDN", "GPOS", "CAA", "URI", "NINFO"];

/// What an entry has shown so far.
#[derive(Default)]
struct Entry<'a> {
    /// The type, once it was read; `$ORIGIN` and its like in its stead.
    rr_type: Option<&'a str>,
    /// The text begins with an owner.
    has_owner: bool,
    tokens: usize,
}

/// Where a parenthesis opens that nothing closes: the reader would look for more behind the end of the text.
pub(super) fn unclosed(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !text.contains('(') {
        return None;
    }
    let (mut opened, mut depth, mut at) = (0, 0usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'(' => (opened, depth) = (if depth == 0 { at } else { opened }, depth + 1),
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at = token_end(bytes, at);
    }
    (depth > 0).then_some(opened)
}

/// The text with every `@` that stands for a name in RDATA written out (RFC 1035 5.1), and with the end of its last line,
/// without which the reader looks for more. Lines stay where they are.
pub(super) fn written_out<'a>(text: &'a str, origin: &Name) -> Cow<'a, str> {
    let bytes = text.as_bytes();
    let inner = |at: usize| at > 0 && matches!(bytes[at - 1], b' ' | b'\t' | b'(');
    if !text.match_indices('@').any(|(at, _)| inner(at)) {
        return if text.ends_with('\n') { text.into() } else { (text.to_owned() + "\n").into() };
    }
    let (mut out, mut copied, mut origin) = (String::with_capacity(text.len() + 256), 0, origin.to_text());
    let (mut entry, mut depth, mut at) = (Entry::default(), 0usize, 0);
    while at < bytes.len() {
        let end = token_end(bytes, at);
        match bytes[at] {
            b'\n' if depth == 0 => entry = Entry::default(),
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' | b';' => {}
            _ => {
                let token = &text[at..end];
                if entry.is_name(token) {
                    out.push_str(&text[copied..at]);
                    out.push_str(&origin);
                    copied = end;
                }
                if entry.rr_type == Some("$ORIGIN") {
                    origin = absolute(token, &origin);
                }
                entry.take(token, at == 0 || bytes[at - 1] == b'\n');
            }
        }
        at = end;
    }
    out.push_str(&text[copied..]);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Cow::Owned(out)
}

impl<'a> Entry<'a> {
    fn take(&mut self, token: &'a str, starts_line: bool) {
        self.has_owner |= self.tokens == 0 && starts_line;
        let owner = self.has_owner && self.tokens == 0 && !token.starts_with('$');
        self.tokens += 1;
        let class = ["IN", "CH", "HS", "CS"].iter().any(|class| token.eq_ignore_ascii_case(class));
        if self.rr_type.is_none() && !owner && !class && !token.starts_with(|c: char| c.is_ascii_digit()) {
            self.rr_type = Some(token);
        }
    }

    fn is_name(&self, token: &str) -> bool {
        token == "@" && self.rr_type.is_some_and(|t| !TEXT_TYPES.iter().any(|text| t.eq_ignore_ascii_case(text)))
    }
}

fn absolute(name: &str, origin: &str) -> String {
    match name {
        "@" => origin.to_owned(),
        _ if name.ends_with('.') && !name.ends_with("\\.") => name.to_owned(),
        _ if origin == "." => format!("{name}."),
        _ => format!("{name}.{origin}"),
    }
}

/// Where the token, the comment or the single mark that begins at `at` ends.
fn token_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let until = |end: fn(&u8) -> bool| rest.iter().position(end).unwrap_or(rest.len());
    match bytes[at] {
        b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' => at + 1,
        b';' => at + until(|b| *b == b'\n'),
        first => {
            let (quoted, mut end) = (first == b'"', at + 1);
            let mut escaped = first == b'\\';
            while let Some(byte) = bytes.get(end) {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' if quoted => return end + 1,
                    b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b';' | b'"' if !quoted => break,
                    _ => {}
                }
                end += 1;
            }
            end
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_sign_in_rdata_is_the_origin_and_elsewhere_it_is_not() {
        let text = "@ IN SOA @ h.@x (1 ; @\n 2) \n  IN MX 10 @\nx TXT @ \"a @ b\" @\n$ORIGIN sub\n@ 60 CNAME @\nb CNAME \\@\n\
                    $ORIGIN other.\nc IN SRV 0 0 0 @ ; @";
        let expected = text
            .replace("SOA @", "SOA zone.example.")
            .replace("10 @", "10 zone.example.")
            .replace("60 CNAME @", "60 CNAME sub.zone.example.")
            .replace("0 0 @ ", "0 0 other. ")
            + "\n";
        assert_eq!(written_out(text, &Name::from_text("zone.example.").unwrap()), expected);
        let plain = "@ IN A 192.0.2.1\n@ IN TXT \"a@b\"\n";
        assert!(matches!(written_out(plain, &Name::root()), Cow::Borrowed(_)));
        assert_eq!(written_out(plain.trim_end(), &Name::root()), plain);
    }

    #[test]
    fn parentheses_that_stay_open_are_found() {
        for (text, at) in [
            ("@ SOA a b (1 2\n3 4 5)\nb TXT \"(\" ; (\n", None),
            ("b TXT (\"a\"\n", Some(6)),
            ("b TXT (a) ( (b) \\)\n", Some(10)),
            ("b TXT \\(\n", None),
        ] {
            assert_eq!(unclosed(text), at, "{text}");
        }
    }
}
