//! What a master file holds for an import: the NAPTR records of numbers, grouped; everything else, and why it is left out.

use std::io::{self, BufRead};

use serde::Serialize;

use crate::number::Number;
use crate::wire::{Name, RrType};
use crate::zone::MasterError;
use crate::zone::entries::{Entries, EntryRecord};

/// Records that one file may hold for numbers: some 2 GB of memory. A larger one is imported in parts.
const RECORDS_MAX: usize = 16_000_000;
/// Mistakes that are collected before reading stops: who has that many has another kind of file.
const MISTAKES_MAX: usize = 20;
/// Types of which a signed file is full; they are counted, not listed.
const SIGNING: [RrType; 8] = [
    RrType::RRSIG,
    RrType::NSEC,
    RrType::NSEC3,
    RrType::NSEC3PARAM,
    RrType::DNSKEY,
    RrType::CDS,
    RrType::CDNSKEY,
    RrType(63), // ZONEMD
];

/// A file, read to its end.
#[derive(Debug, Default)]
pub(super) struct Plan {
    records: Vec<Found>,
    rdata: Vec<u8>,
    /// Records that are not imported.
    pub(super) left_out: Vec<LeftOut>,
    /// Records of signing, which the directory makes itself.
    pub(super) signing: u64,
}

/// A NAPTR record of a number.
#[derive(Clone, Copy, Debug)]
struct Found {
    number: Number,
    line: u32,
    at: u64,
    octets: u16,
}

/// The addresses of one number, in the order of the file, without doubles.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) number: Number,
    pub(super) lines: Vec<u32>,
    pub(super) rdatas: Vec<&'a [u8]>,
}

/// A record that is not imported.
#[derive(Debug, Serialize)]
pub(super) struct LeftOut {
    pub(super) line: usize,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) rr_type: String,
    #[serde(flatten)]
    pub(super) reason: Reason,
}

/// Why a record is not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", content = "why")]
pub(super) enum Reason {
    #[serde(rename = "outside")]
    Outside(&'static str),
    #[serde(rename = "apex")]
    Apex(&'static str),
    #[serde(rename = "wildcard")]
    Wildcard(&'static str),
    #[serde(rename = "delegation")]
    Delegation(&'static str),
    #[serde(rename = "not_a_number")]
    NotANumber(&'static str),
    #[serde(rename = "other_type")]
    OtherType(&'static str),
}

/// Why a file is not imported at all. Nothing was registered.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The disk says no.
    Io(io::Error),
    /// It is not a master file from end to end.
    Mistakes(Vec<MasterError>),
    /// It holds more than can be kept in memory.
    TooLarge,
}

impl Plan {
    /// Reads the whole file: an import begins only when all of it can be read.
    pub(super) fn read(input: impl BufRead, origin: &Name) -> Result<Self, Unreadable> {
        let (mut plan, mut mistakes, root) = (Self::default(), Vec::new(), enum_root(origin));
        let mut entries = Entries::new(input, *origin);
        while let Some(entry) = entries.next().map_err(Unreadable::Io)? {
            match entry {
                Ok(record) => plan.take(record, origin, &root)?,
                Err(mistake) => mistakes.push(mistake),
            }
            if mistakes.len() >= MISTAKES_MAX {
                break;
            }
        }
        if !mistakes.is_empty() {
            return Err(Unreadable::Mistakes(mistakes));
        }
        plan.records.sort_by_key(|found| found.number); // stable: the order of the file stays
        Ok(plan)
    }

    fn take(&mut self, record: EntryRecord, origin: &Name, root: &str) -> Result<(), Unreadable> {
        if SIGNING.contains(&record.rr_type) {
            self.signing += 1;
            return Ok(());
        }
        let number = match place(&record, origin, root) {
            Ok(number) => number,
            Err(reason) => {
                let (name, rr_type) = (record.owner.to_text(), record.rr_type.to_string());
                self.left_out.push(LeftOut { line: record.line, name, rr_type, reason });
                return Ok(());
            }
        };
        if self.records.len() >= RECORDS_MAX {
            return Err(Unreadable::TooLarge);
        }
        let (line, at, octets) = (record.line as u32, self.rdata.len() as u64, record.rdata.len() as u16);
        self.rdata.extend_from_slice(&record.rdata);
        self.records.push(Found { number, line, at, octets });
        Ok(())
    }

    /// The numbers in ascending order.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.records.chunk_by(|a, b| a.number == b.number).map(|found| {
            let mut group = Group { number: found[0].number, lines: Vec::new(), rdatas: Vec::new() };
            for found in found {
                let at = found.at as usize;
                let rdata = &self.rdata[at..at + usize::from(found.octets)];
                if !group.rdatas.contains(&rdata) {
                    group.lines.push(found.line);
                    group.rdatas.push(rdata);
                }
            }
            group
        })
    }

    /// How many numbers there are.
    pub(super) fn numbers(&self) -> u64 {
        self.records.chunk_by(|a, b| a.number == b.number).count() as u64
    }
}

/// The name below which digits are a whole number: digits at the front of the zone's own name are part of it.
fn enum_root(origin: &Name) -> String {
    let is_digit = |label: &[u8]| matches!(label, [b'0'..=b'9']);
    let mut root = *origin;
    while root.labels().next().is_some_and(is_digit) {
        root = root.parent();
    }
    root.to_text()
}

/// Whose NAPTR record this is, or why it is not imported.
fn place(record: &EntryRecord, origin: &Name, root: &str) -> Result<Number, Reason> {
    if record.owner.offset_of(origin).is_none() {
        return Err(Reason::Outside("it is not in the zone: check --origin and $ORIGIN"));
    }
    if record.owner.labels().any(|label| label == b"*") {
        return Err(Reason::Wildcard(
            "a wildcard would answer for numbers that nobody registered: name them one by one",
        ));
    }
    let number = Number::from_enum_name(&record.owner.to_text(), root).ok();
    match (number, record.rr_type) {
        (Some(number), RrType::NAPTR) => Ok(number),
        _ if record.owner == *origin => {
            Err(Reason::Apex("what is at the apex stands in the directory's own zone file"))
        }
        (_, RrType::NS | RrType::DS) => {
            Err(Reason::Delegation("delegations stand in the directory's own zone file, if they go on"))
        }
        (Some(_), _) => Err(Reason::OtherType("a provider-held number has NAPTR records alone: keys are its holder's")),
        (None, _) => Err(Reason::NotANumber("this is no name of a whole number, 7 to 15 digits and each a label")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str, origin: &str) -> Plan {
        Plan::read(text.as_bytes(), &Name::from_text(origin).unwrap()).unwrap()
    }

    fn naptr(owner: &str, uri: &str) -> String {
        format!("{owner} NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!{uri}!\" .\n")
    }

    #[test]
    fn records_of_a_number_come_together_and_doubles_are_one() {
        let text = [
            naptr("2.2.2.1.1.1.0.0.6", "sip:b@x"),
            naptr("1.2.2.1.1.1.0.0.6", "sip:a@x"),
            naptr("2.2.2.1.1.1.0.0.6", "sip:a@x"),
            naptr("2.2.2.1.1.1.0.0.6", "sip:b@x"),
        ];
        let plan = plan(&text.concat(), "4.3.e164.example.");
        let groups: Vec<(String, Vec<u32>)> = plan.groups().map(|g| (g.number.to_string(), g.lines)).collect();
        assert_eq!(groups, [("+34600111221".to_owned(), vec![2]), ("+34600111222".to_owned(), vec![1, 3])]);
        assert_eq!(plan.numbers(), 2);
    }

    #[test]
    fn everything_else_is_left_out_for_its_reason() {
        let number = "2.2.2.1.1.1.0.0.6.4.3";
        let naptr = |owner: &str| naptr(owner, "sip:a@x");
        let text = [
            "@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\n".to_owned(),
            naptr("*.6.4.3"),
            naptr("3.2.1"),
            naptr("_x.3.2.1"),
            naptr("elsewhere.example."),
            format!("{number} TXT \"a\"\n5.4 NS ns1\n_id.{number} TYPE52 \\# 1 00\n{number} TYPE50 \\# 1 00\n"),
        ];
        let plan = plan(&text.concat(), "e164.example.");
        let reasons: Vec<String> = plan
            .left_out
            .iter()
            .map(|left| serde_json::to_value(left).unwrap()["reason"].as_str().unwrap().to_owned())
            .collect();
        let expected = [
            "apex",
            "apex",
            "wildcard",
            "not_a_number",
            "not_a_number",
            "outside",
            "other_type",
            "delegation",
            "not_a_number",
        ];
        assert_eq!((reasons, plan.numbers(), plan.signing), (expected.map(str::to_owned).to_vec(), 0, 1));
    }
}
