//! What has to be done to a master file before the reader takes it: everything that people write and the reader does not know
//! becomes the plain form of the same (RFC 1035 5.1, RFC 3597 5).
//!
//! Times with units become seconds, a free-standing `@` in RDATA the origin's name, octets beyond ASCII `\DDD`, and the RDATA
//! of types that the reader has only by their number `\# octets hex`. Lines stay where they are, but for `$GENERATE`.

mod data;
mod generate;
mod service;
mod special;

use std::borrow::Cow;

pub(super) use self::generate::{Expanded, expanded};
use crate::wire::Name;

/// Types whose RDATA is text, in which `@` is an at sign.
const TEXT_TYPES: [&str; 9] = ["TXT", "SPF", "HINFO", "X25", "ISDN", "GPOS", "CAA", "URI", "NINFO"];
/// The fields of an SOA that are times.
const SOA_TIMES: std::ops::Range<usize> = 3..7;

/// Something that cannot be put into the plain form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Odd {
    /// The octet of the text where it stands.
    pub(super) at: usize,
    /// What is wrong with it.
    pub(super) reason: String,
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

/// The text in the plain form, and with the end of its last line, without which the reader looks for more.
pub(super) fn written_out<'a>(text: &'a str, origin: &Name) -> Result<Cow<'a, str>, Odd> {
    let bytes = text.as_bytes();
    let mut writer = Writer { text, out: String::new(), copied: 0, origin: origin.to_text() };
    let (mut entry, mut depth, mut at) = (Entry::default(), 0usize, 0);
    while at < bytes.len() {
        let end = token_end(bytes, at);
        match bytes[at] {
            b'\n' if depth == 0 => {
                writer.finish(&entry)?;
                entry.tokens.clear();
                entry.has_owner = false;
            }
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' | b';' => {}
            _ => {
                entry.has_owner |= entry.tokens.is_empty() && (at == 0 || bytes[at - 1] == b'\n');
                entry.tokens.push((at, end));
            }
        }
        at = end;
    }
    writer.finish(&entry)?;
    Ok(writer.end())
}

/// One entry: a line, or several in parentheses.
#[derive(Default)]
struct Entry {
    /// Where its tokens begin and end.
    tokens: Vec<(usize, usize)>,
    /// The first of them stands at the beginning of its line.
    has_owner: bool,
}

struct Writer<'a> {
    text: &'a str,
    out: String,
    copied: usize,
    origin: String,
}

impl<'a> Writer<'a> {
    fn end(mut self) -> Cow<'a, str> {
        if self.copied == 0 && self.text.ends_with('\n') {
            return self.text.into();
        }
        self.out.push_str(&self.text[self.copied..]);
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        Cow::Owned(self.out)
    }

    fn token(&self, (start, end): (usize, usize)) -> &'a str {
        &self.text[start..end]
    }

    /// Puts something else in a token's place. Tokens are replaced in their order.
    fn replace(&mut self, (start, end): (usize, usize), by: &str) {
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(by);
        self.copied = end;
    }

    /// Writes one entry out.
    fn finish(&mut self, entry: &Entry) -> Result<(), Odd> {
        let (first, rest) = match (entry.tokens.split_first(), entry.has_owner) {
            (None, _) => return Ok(()),
            (Some((first, rest)), true) => (Some(*first), rest),
            (Some(_), false) => (None, &*entry.tokens),
        };
        if let Some(first) = first {
            match self.token(first) {
                "$TTL" => return self.each(rest.get(..1).unwrap_or(rest), Self::time),
                "$ORIGIN" => {
                    if let Some(to) = rest.first() {
                        self.origin = absolute(self.token(*to), &self.origin);
                    }
                    return Ok(());
                }
                directive if directive.starts_with('$') => return Ok(()),
                _ => self.octets(first)?,
            }
        }
        let is_head = |token: &(usize, usize)| is_class(self.token(*token)) || is_time(self.token(*token));
        let head = rest.iter().take(2).take_while(|token| is_head(token)).count();
        let (head, rest) = rest.split_at(head);
        self.each(head, Self::time)?;
        let Some((rr_type, rdata)) = rest.split_first() else { return Ok(()) };
        self.rdata(*rr_type, rdata)
    }

    fn rdata(&mut self, rr_type: (usize, usize), rdata: &[(usize, usize)]) -> Result<(), Odd> {
        let mnemonic = self.token(rr_type);
        if let Some((number, form)) = data::by_number(mnemonic) {
            self.replace(rr_type, &format!("TYPE{number}"));
            let Some((first, others)) = rdata.split_first().filter(|(first, _)| self.token(**first) != "\\#") else {
                return Ok(());
            };
            let tokens: Vec<&str> = rdata.iter().map(|token| self.token(*token)).collect();
            let octets = data::encode(form, &tokens, &self.origin).map_err(|reason| Odd {
                at: first.0,
                reason: format!("{}: {reason}", mnemonic.to_ascii_uppercase()),
            })?;
            let hex = data_encoding::HEXUPPER.encode(&octets);
            self.replace(*first, &format!("\\# {} {hex}", octets.len()));
            others.iter().for_each(|token| self.replace(*token, ""));
            return Ok(());
        }
        let (is_soa, is_text) = (mnemonic.eq_ignore_ascii_case("SOA"), is_text(mnemonic));
        for (place, token) in rdata.iter().enumerate() {
            match self.token(*token) {
                "@" if !is_text => self.replace(*token, &self.origin.clone()),
                _ if is_soa && SOA_TIMES.contains(&place) => self.time(*token)?,
                _ => self.octets(*token)?,
            }
        }
        Ok(())
    }

    fn each(
        &mut self,
        tokens: &[(usize, usize)],
        act: fn(&mut Self, (usize, usize)) -> Result<(), Odd>,
    ) -> Result<(), Odd> {
        tokens.iter().try_for_each(|token| act(self, *token))
    }

    /// A time with units in seconds. What is no time stays, for the reader to judge.
    fn time(&mut self, token: (usize, usize)) -> Result<(), Odd> {
        let text = self.token(token);
        if text.bytes().all(|b| b.is_ascii_digit()) || !is_time(text) {
            return Ok(());
        }
        let odd = || Odd { at: token.0, reason: format!("{text} is more than 4294967295 seconds") };
        let seconds = seconds(text).ok_or_else(odd)?;
        self.replace(token, &seconds.to_string());
        Ok(())
    }

    /// Octets that are not of ASCII's printable ones, written by their numbers. A line may not end in quotes.
    fn octets(&mut self, token: (usize, usize)) -> Result<(), Odd> {
        let text = self.token(token);
        let is_odd = |b: u8| !(b' '..0x7f).contains(&b) && !matches!(b, b'\r' | b'\n');
        if !text.bytes().any(is_odd) {
            return Ok(());
        }
        let (mut written, mut rest) = (String::with_capacity(text.len() * 2), text.bytes().peekable());
        while let Some(byte) = rest.next() {
            match byte {
                b'\\' if rest.peek().is_some_and(|next| is_odd(*next)) => {}
                b'\\' => {
                    written.push('\\');
                    written.extend(rest.next().map(char::from)); // an escaped backslash escapes nothing
                }
                _ if is_odd(byte) => written.push_str(&format!("\\{byte:03}")),
                _ => written.push(byte.into()),
            }
        }
        self.replace(token, &written);
        Ok(())
    }
}

fn is_text(rr_type: &str) -> bool {
    TEXT_TYPES.iter().any(|text| rr_type.eq_ignore_ascii_case(text))
}

fn is_class(token: &str) -> bool {
    ["IN", "CH", "HS", "CS"].iter().any(|class| token.eq_ignore_ascii_case(class))
        || token.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("CLASS"))
}

/// Whether it has the form of a TTL: digits, or digits before each unit. No type begins with a digit.
fn is_time(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit()) && token.bytes().all(|b| b.is_ascii_digit() || unit_s(b).is_some())
}

fn unit_s(unit: u8) -> Option<u32> {
    Some(match unit.to_ascii_lowercase() {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        b'w' => 604_800,
        _ => return None,
    })
}

/// The seconds of `1w2d3h4m5s`; none if there are too many, or a number without a unit beside one with it.
fn seconds(time: &str) -> Option<u32> {
    let (mut sum, mut number) = (0u32, None::<u32>);
    for byte in time.bytes() {
        match unit_s(byte) {
            Some(unit_s) => sum = sum.checked_add(number.take()?.checked_mul(unit_s)?)?,
            None => number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u32::from(byte - b'0'))?),
        }
    }
    number.is_none().then_some(sum)
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

    fn written(text: &str) -> String {
        written_out(text, &Name::from_text("zone.example.").unwrap()).unwrap().into_owned()
    }

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
        assert_eq!(written(text), expected);
        let plain = "@ IN A 192.0.2.1\n@ IN TXT \"a@b\"\n";
        assert!(matches!(written_out(plain, &Name::root()), Ok(Cow::Borrowed(_))));
        assert_eq!(written(plain.trim_end()), plain);
    }

    #[test]
    fn times_with_units_become_seconds_where_a_time_stands() {
        for (text, expected) in [
            ("$TTL 1h30m ; 2h\n", "$TTL 5400 ; 2h\n"),
            ("1h 1W2d3H4m5s A 192.0.2.1\n", "1h 788645 A 192.0.2.1\n"),
            ("a IN 2d TXT 2d\n 1m CLASS1 TXT x\n", "a IN 172800 TXT 2d\n 60 CLASS1 TXT x\n"),
            ("@ soa 1h 2h ( 7\n 2h 15M ; 1d\n 2w 0s )\n", "@ soa 1h 2h ( 7\n 7200 900 ; 1d\n 1209600 0 )\n"),
            ("a 1h2 A 1\n", ""),
            ("a 8000w A 1\n", ""),
        ] {
            let found = written_out(text, &Name::root());
            match expected {
                "" => assert_eq!(found.unwrap_err().at, 2, "{text}"),
                _ => assert_eq!(found.unwrap(), expected),
            }
        }
    }

    #[test]
    fn octets_beyond_ascii_are_written_by_number_and_comments_stay() {
        assert_eq!(
            written("ä TXT \"ü\t\\ö\\\\\" \\\\é ; ß\n"),
            "\\195\\164 TXT \"\\195\\188\\009\\195\\182\\\\\" \\\\\\195\\169 ; ß\n"
        );
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
