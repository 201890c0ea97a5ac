//! A master file read record by record from any source, in bounded memory: for files that are not to be served.
//!
//! Each entry (RFC 1035 5.1: a line, or several in brackets) goes by itself through the reader of [`super::master`]; what
//! it refuses is told by line, and the next entry is read all the same.

use std::io::{self, BufRead, Read};

use domain::base::iana::Class;
use domain::base::name::{Name as DomainName, ToName};
use domain::base::rdata::ComposeRecordData;
use domain::zonefile::inplace::{self, Zonefile};

use super::master::{MasterError, SYNTAX, syntax};
use super::plain::written_out;
use crate::wire::{Name, RrType};

/// The longest entry: RDATA of 64 KiB in hexadecimal, with room for names and blanks.
pub const ENTRY_OCTETS_MAX: usize = 256 * 1024;

/// Reads entries. After an error of the source nothing more can be read; after a mistake in an entry everything can.
pub struct Entries<R> {
    input: R,
    origin: Name,
    /// The owner of the last record, which a line without an owner repeats.
    owner: Option<Name>,
    /// Lines read.
    lines: usize,
    entry: Vec<u8>,
}

/// One record.
#[derive(Debug)]
pub struct EntryRecord {
    /// Whose it is.
    pub owner: Name,
    /// The type.
    pub rr_type: RrType,
    /// In canonical form (RFC 4034 6.2).
    pub rdata: Vec<u8>,
    /// The line where its entry begins, from 1.
    pub line: usize,
}

/// How far an entry has come at the end of a line.
#[derive(Clone, Copy, Default)]
struct Brackets {
    depth: usize,
}

impl<R: BufRead> Entries<R> {
    /// Reads `input`, whose names are relative to `origin` until it says otherwise.
    pub fn new(input: R, origin: Name) -> Self {
        Self { input, origin, owner: None, lines: 0, entry: Vec::new() }
    }

    /// The next record, or what is wrong with the next entry; `None` at the end.
    #[allow(clippy::should_implement_trait)] // an error of the source ends it, one of an entry does not
    pub fn next(&mut self) -> io::Result<Option<Result<EntryRecord, MasterError>>> {
        loop {
            let first = self.lines + 1;
            match self.gather()? {
                None if self.entry.is_empty() => return Ok(None),
                Some(fault) => return Ok(Some(Err(fault))),
                None => {}
            }
            if let Some(found) = self.read(first).transpose() {
                return Ok(Some(found));
            }
        }
    }

    /// Collects the lines of one entry; says what keeps them from being one. Empty at the end of the source.
    fn gather(&mut self) -> io::Result<Option<MasterError>> {
        self.entry.clear();
        let (first, mut brackets) = (self.lines + 1, Brackets::default());
        loop {
            let at = self.entry.len();
            let room = (ENTRY_OCTETS_MAX - at) as u64 + 1;
            let read = (&mut self.input).take(room).read_until(b'\n', &mut self.entry)?;
            self.lines += usize::from(read > 0);
            if self.entry.len() > ENTRY_OCTETS_MAX {
                self.skip_line()?;
                let reason = format!("an entry of more than {} KiB", ENTRY_OCTETS_MAX / 1024);
                let remedy = "no record is that long: is a quote or a bracket missing, or is this no text?";
                return Ok(Some(MasterError { line: first, reason, remedy }));
            }
            brackets.over(self.entry.get(at..).unwrap_or_default());
            match (read, brackets.depth) {
                (0, 0) => return Ok(None),
                (0, _) => {
                    let reason = "the file ends inside brackets".to_owned();
                    return Ok(Some(MasterError { line: first, reason, remedy: "the file was cut off: get it anew" }));
                }
                (_, 0) => return Ok(None),
                _ => {}
            }
        }
    }

    /// Goes to the end of a line that is too long to be kept.
    fn skip_line(&mut self) -> io::Result<()> {
        while self.entry.last() != Some(&b'\n') {
            self.entry.clear();
            if (&mut self.input).take(ENTRY_OCTETS_MAX as u64).read_until(b'\n', &mut self.entry)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The record of the entry that was gathered from line `first` on; `None` for blank lines, comments and directives.
    fn read(&mut self, first: usize) -> Result<Option<EntryRecord>, MasterError> {
        let wrong = |line: usize, reason: &str, remedy| MasterError { line, reason: reason.to_owned(), remedy };
        let start = self.entry.trim_ascii_start();
        if start.is_empty() || start.starts_with(b";") {
            return Ok(None);
        }
        let text = std::str::from_utf8(&self.entry)
            .map_err(|_| wrong(first, "octets that are no text", "write them as \\DDD, or is this no master file?"))?;
        if !text.ends_with('\n') {
            let remedy =
                "if that is the whole file, end its last line with a line feed; else it was cut off: get it anew";
            return Err(wrong(first, "the file ends inside a line", remedy));
        }
        let owner = self.owner.map(|owner| owner.to_text());
        let text = written_out(text, &self.origin).map_err(|odd| {
            let lines = text.as_bytes().iter().take(odd.at).filter(|b| **b == b'\n').count();
            MasterError { line: first + lines, reason: odd.reason, remedy: SYNTAX }
        })?;
        let mut file = Zonefile::with_capacity(text.len() + 260);
        if let Some(owner) = owner.filter(|_| text.starts_with([' ', '\t'])) {
            file.extend_from_slice(owner.as_bytes());
        }
        file.extend_from_slice(text.as_bytes());
        let origin = DomainName::from_octets(self.origin.as_wire().to_vec().into());
        file.set_origin(origin.map_err(|_| wrong(first, "the origin is no name", "check --origin and $ORIGIN"))?);
        file.set_default_class(Class::IN);
        let entry = file.next_entry().map_err(|e| {
            let fault = syntax(&e.to_string());
            MasterError { line: first + fault.line.max(1) - 1, ..fault }
        })?;
        if let Ok(origin) = file.origin() {
            self.origin = Name::from_wire(origin.as_slice()).unwrap_or(self.origin);
        }
        let record = match entry {
            None => return Ok(None),
            Some(inplace::Entry::Include { .. }) => {
                return Err(wrong(first, "$INCLUDE is not supported", "put the records into this file"));
            }
            Some(inplace::Entry::Record(record)) => record,
        };
        let (mut owner, mut rdata) = (Vec::new(), Vec::new());
        let composed = record.owner().compose_canonical(&mut owner).is_ok()
            && record.data().compose_canonical_rdata(&mut rdata).is_ok()
            && rdata.len() <= usize::from(u16::MAX);
        let owner = Name::from_wire(&owner).filter(|_| composed);
        let owner = owner.ok_or_else(|| wrong(first, "this record does not fit the wire format", "shorten it"))?;
        self.owner = Some(owner);
        Ok(Some(EntryRecord { owner, rr_type: RrType(record.rtype().to_int()), rdata, line: first }))
    }
}

impl Brackets {
    /// Goes on over a line: brackets count outside quotes, comments and escapes. A quote ends with its line.
    fn over(&mut self, line: &[u8]) {
        let (mut quoted, mut escaped) = (false, false);
        for &byte in line {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b';' => return,
                b'(' => self.depth += 1,
                b')' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin() -> Name {
        Name::from_text("e164.example.").unwrap()
    }

    /// Every record as `line owner type rdata-octets`, every mistake as `line reason`.
    fn read(text: &[u8]) -> Vec<String> {
        let (mut entries, mut said) = (Entries::new(text, origin()), Vec::new());
        while let Some(found) = entries.next().unwrap() {
            said.push(match found {
                Ok(r) => format!("{} {} {} {}", r.line, r.owner.to_text(), r.rr_type, r.rdata.len()),
                Err(e) => format!("{}: {}", e.line, e.reason),
            });
        }
        said
    }

    #[test]
    fn entries_of_every_form_are_read() {
        let text = "$TTL 3600\n@ IN SOA ns1 h ( 1 2 ; a ( comment\n 3 4\n 5 )\n\n; nothing\n  IN NS ns1 \n1.2 60 IN TXT \"a (b;\" c\\(\n\
                    \tTXT \"again\"\n$ORIGIN 3.e164.example.\n4 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b.example!\" @\n\
                    @ TYPE999 \\# 2 abcd\n";
        let expected = [
            "2 e164.example. SOA 54",
            "7 e164.example. NS 18",
            "8 1.2.e164.example. TXT 9",
            "9 1.2.e164.example. TXT 6",
            "11 4.3.e164.example. NAPTR 53",
            "12 3.e164.example. TYPE999 2",
        ];
        assert_eq!(read(text.as_bytes()), expected);
    }

    #[test]
    fn mistakes_are_told_by_line_and_the_rest_is_read() {
        let long = format!("x TXT \"{}\"\n", "y".repeat(2 * ENTRY_OCTETS_MAX));
        let text = [
            &b"a A 192.0.2.1\nb A 192.0.2\nc A 192.0.2.3\n\xff\xfe\x00 A 192.0.2.4\n$INCLUDE other\n"[..],
            long.as_bytes(),
            b"d A (\n 192.0.2\n)\ne CH A 192.0.2.5\nf A 192.0.2.6\n",
        ]
        .concat();
        let said = read(&text);
        assert_eq!(said.len(), 9, "{said:#?}");
        assert_eq!(
            [&said[0], &said[2], &said[8]],
            ["1 a.e164.example. A 4", "3 c.e164.example. A 4", "11 f.e164.example. A 4"]
        );
        for (i, begins) in
            [(1, "2: "), (3, "4: octets"), (4, "5: $INCLUDE"), (5, "6: an entry of more"), (6, "9: "), (7, "10: ")]
        {
            assert!(said[i].starts_with(begins), "{said:#?}");
        }
    }

    #[test]
    fn a_torn_file_is_noticed() {
        let whole = "a A 192.0.2.1\nb SOA ns1 h (\n 1 2 3\n 4 5 )\n";
        assert_eq!(read(whole.as_bytes()).len(), 2);
        for cut in 1..whole.len() {
            let said = read(&whole.as_bytes()[..cut]);
            let at_a_line = cut == 14;
            assert_eq!(said.iter().any(|line| line.contains(": ")), !at_a_line, "{cut}: {said:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_read_stops_it(text in proptest::collection::vec(prop_oneof![
            "[a-z0-9.@$ \t()\";\\\\-]{0,30}\n".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..40),
        ], 0..20)) {
            let text = text.concat();
            prop_assert!(read(&text).len() <= text.iter().filter(|b| **b == b'\n').count() + 1);
        }
    }
}
