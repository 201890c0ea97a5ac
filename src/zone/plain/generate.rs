//! `$GENERATE start-stop[/step] owner [ttl] [class] type data`: the lines that BIND makes of one, written out.

use std::borrow::Cow;

use super::{Odd, token_end};

const DIRECTIVE: &str = "$GENERATE";
/// Lines that one file can have made: so many numbers fit into memory twice over, and a slip of the pen does not.
const LINES_MAX: usize = 1_000_000;
/// Octets of them all: a million lines of a usual length.
const OCTETS_MAX: usize = 256 << 20;
/// Digits of one number in a line.
const WIDTH_MAX: usize = 255;

/// A text in which every `$GENERATE` stands as what it makes.
pub(in crate::zone) struct Expanded<'a> {
    pub(in crate::zone) text: Cow<'a, str>,
    /// One row for each.
    grown: Vec<Grown>,
}

/// Where the lines of one directive stand in the new text.
struct Grown {
    /// The last of them, counted from 1.
    last: usize,
    /// How many lines more than in the file there are up to its first and up to its last.
    before: usize,
    after: usize,
}

impl Expanded<'_> {
    /// The line of the file that a line of the text comes from.
    pub(in crate::zone) fn line(&self, line: usize) -> usize {
        let passed = self.grown.partition_point(|grown| grown.last < line);
        let before = passed.checked_sub(1).and_then(|i| self.grown.get(i)).map_or(0, |grown| grown.after);
        // Within one directive all lines are its own.
        let first = self.grown.get(passed).map_or(line, |grown| grown.last - (grown.after - grown.before));
        line.min(first) - before
    }
}

/// Writes every `$GENERATE` out.
pub(in crate::zone) fn expanded(text: &str) -> Result<Expanded<'_>, Odd> {
    let is_one = |line: &str| line.get(..DIRECTIVE.len()).is_some_and(|head| head.eq_ignore_ascii_case(DIRECTIVE));
    if !text.contains('$') || !text.lines().any(is_one) {
        return Ok(Expanded { text: text.into(), grown: Vec::new() });
    }
    let (mut out, mut grown, mut made) = (String::with_capacity(text.len() * 2), Vec::new(), 0);
    let (mut at, mut lines, mut added) = (0, 0, 0);
    for line in text.split_inclusive('\n') {
        lines += 1;
        if is_one(line) {
            let count =
                directive(line, (LINES_MAX - made, OCTETS_MAX), &mut out).map_err(|reason| Odd { at, reason })?;
            made += count;
            lines += count - 1;
            grown.push(Grown { last: lines, before: added, after: added + count - 1 });
            added += count - 1;
        } else {
            out.push_str(line);
        }
        at += line.len();
    }
    Ok(Expanded { text: out.into(), grown })
}

/// Writes the lines of one directive; says how many, at least one.
fn directive(line: &str, (lines_max, octets_max): (usize, usize), out: &mut String) -> Result<usize, String> {
    let bytes = line.as_bytes();
    let (mut at, mut range, mut template) = (DIRECTIVE.len(), None, None);
    while at < bytes.len() && template.is_none() {
        let end = token_end(bytes, at);
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b';' => break,
            b'(' | b')' => return Err("$GENERATE stands in one line".to_owned()),
            _ if range.is_none() => range = Some(&line[at..end]),
            _ => template = Some(line[at..].trim_end()),
        }
        at = end;
    }
    let (Some(range), Some(template)) = (range, template) else {
        return Err("$GENERATE has no range or nothing to make lines of".to_owned());
    };
    let (start, stop, step) =
        bounds(range).ok_or_else(|| format!("{range} is no range: start-stop or start-stop/step"))?;
    let count = ((stop - start) / step + 1) as usize;
    if count > lines_max {
        return Err(format!("$GENERATE makes {count} lines; a file may have {LINES_MAX} made"));
    }
    for i in (start..=stop).step_by(step as usize) {
        fill(template, i.into(), out)?;
        out.push('\n');
        if out.len() > octets_max {
            return Err(format!("with $GENERATE written out the file has more than {octets_max} octets"));
        }
    }
    Ok(count)
}

fn bounds(range: &str) -> Option<(u32, u32, u32)> {
    let (range, step) = range.split_once('/').unwrap_or((range, "1"));
    let (start, stop) = range.split_once('-')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= i32::MAX as u32);
    let (start, stop, step) = (number(start)?, number(stop)?, number(step)?);
    (start <= stop && step > 0).then_some((start, stop, step))
}

/// `$` is the number, `${offset,width,base}` another form of it, `\$` or `$$` the sign itself.
fn fill(template: &str, number: i64, out: &mut String) -> Result<(), String> {
    let mut rest = template;
    while let Some(at) = rest.find(['$', '\\']) {
        out.push_str(&rest[..at]);
        let (sign, after) = rest[at..].split_at(1);
        let next = after.chars().next();
        rest = match (sign, next) {
            ("\\", Some('$')) | ("$", Some('$')) => {
                out.push('$');
                &after[1..]
            }
            ("\\", next) => {
                out.push('\\');
                out.extend(next);
                &after[next.map_or(0, char::len_utf8)..]
            }
            (_, Some('{')) => {
                let (form, after) = after[1..].split_once('}').ok_or("a brace is opened that nothing closes")?;
                out.push_str(&formed(form, number).ok_or_else(|| format!("${{{form}}} is no offset, width and base"))?);
                after
            }
            _ => {
                out.push_str(&number.to_string());
                after
            }
        };
    }
    out.push_str(rest);
    Ok(())
}

/// `offset[,width[,base]]`; bases d, o, x, X, and n, N for hexadecimal digits from the last to the first, with dots.
fn formed(form: &str, number: i64) -> Option<String> {
    let mut parts = form.split(',').map(str::trim);
    let offset: i64 = parts.next()?.parse().ok()?;
    let width: usize = parts.next().map_or(Some(0), |width| width.parse().ok()).filter(|width| *width <= WIDTH_MAX)?;
    let (value, base) = (number.checked_add(offset).filter(|value| *value >= 0)?, parts.next().unwrap_or("d"));
    if parts.next().is_some() {
        return None;
    }
    Some(match base {
        "d" => format!("{value:0width$}"),
        "o" => format!("{value:0width$o}"),
        "x" => format!("{value:0width$x}"),
        "X" => format!("{value:0width$X}"),
        // Here the width counts the dots too.
        "n" | "N" => {
            let digits = format!("{value:0digits$x}", digits = width.div_ceil(2));
            let nibbles: Vec<String> = digits.chars().rev().map(String::from).collect();
            let text = nibbles.join(".");
            if base == "N" { text.to_ascii_uppercase() } else { text }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(line: &str) -> Result<String, String> {
        expanded(line).map(|expanded| expanded.text.into_owned()).map_err(|odd| odd.reason)
    }

    #[test]
    fn lines_are_those_of_bind() {
        for (line, expected) in [
            ("$GENERATE 1-3 h$ A 192.0.2.$\n", "h1 A 192.0.2.1\nh2 A 192.0.2.2\nh3 A 192.0.2.3\n"),
            ("$generate 0-4/3\t${2,3,d} CNAME x${-0} ; $\n", "002 CNAME x0 ; 0\n005 CNAME x3 ; 3\n"),
            ("$GENERATE 10-10 ${0,4,x}.${0,0,X} TXT \\$ $$ \\\\$\n", "000a.A TXT $ $ \\\\10\n"),
            ("$GENERATE 18-18 ${0,4,n}.a TXT ${0,3,o}\n", "2.1.a TXT 022\n"),
        ] {
            assert_eq!(made(line).as_deref(), Ok(expected), "{line}");
        }
        for line in ["$GENERATE 3-1 a A 1", "$GENERATE 1-3", "$GENERATE 1-3/0 a$ A 1", "$GENERATE 0-3 a${-1} A 1"] {
            assert!(made(line).is_err(), "{line}");
        }
        let few = |octets_max| directive("$GENERATE 1-9 a$ TXT x", (9, octets_max), &mut String::new());
        assert!(few(81).is_ok_and(|lines| lines == 9) && few(80).is_err_and(|reason| reason.contains("80 octets")));
        assert!(made("$GENERATE 1-1000001 a$ TXT x\n").is_err_and(|reason| reason.contains("1000001 lines")));
    }

    #[test]
    fn lines_are_counted_as_in_the_file() {
        let text = "a A 1\n$GENERATE 1-3 b$ A 1\nc A 1\n$GENERATE 1-1 d$ A 1\n$GENERATE 1-2 e$ A 1\nf A 1\n";
        let expanded = expanded(text).unwrap();
        assert_eq!(expanded.text.lines().count(), 9);
        let lines: Vec<usize> = (1..=9).map(|line| expanded.line(line)).collect();
        assert_eq!(lines, [1, 2, 2, 2, 3, 4, 5, 5, 6]);
    }
}
