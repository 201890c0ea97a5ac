//! Reads a master file (RFC 1035 5) and refuses, by line, what a zone served here may not hold.

use domain::base::iana::Class;
use domain::base::name::{Name as DomainName, ToName};
use domain::base::rdata::ComposeRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};

use super::fixed::{Record, StaticZone};
use super::numbers::{Ttls, soa_minimum_s};
use super::origin::written_out;
use crate::wire::rr::flatten;
use crate::wire::{Name, RrType};

/// A line of a master file that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}: {remedy}")]
pub struct MasterError {
    /// Counted from 1; for a record over several lines its last one; 0 if it is about the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What the file is for, which decides what may stand in it.
#[derive(Clone, Copy)]
enum Use {
    Static,
    Number(Ttls),
}

impl StaticZone {
    /// Reads an ordinary zone; `origin` is its apex. All mistakes are reported together.
    pub fn read(text: &str, origin: &Name) -> Result<Self, Vec<MasterError>> {
        read(text, origin, Use::Static)
    }

    /// Reads the static part of a number zone (DNS.md 3: no wildcard, DNAME or NSEC3PARAM; nothing but NS, DS and glue at digit names).
    pub fn read_number_zone(text: &str, origin: &Name, ttls: Ttls) -> Result<Self, Vec<MasterError>> {
        read(text, origin, Use::Number(ttls))
    }
}

fn read(text: &str, origin: &Name, zone_use: Use) -> Result<StaticZone, Vec<MasterError>> {
    let records = scan(text, origin).map_err(|e| vec![e])?;
    let mut errors: Vec<MasterError> = records.iter().filter_map(|r| of_any_zone(r, origin)).collect();
    if let Use::Number(ttls) = zone_use {
        errors.extend(records.iter().filter_map(|r| of_number_zone(r, origin, &records, ttls)));
    }
    errors.extend(of_names(&records, origin));
    errors.extend(of_the_whole(&records, origin));
    if errors.is_empty() { Ok(StaticZone::build(*origin, records)) } else { Err(errors) }
}

/// The syntax, by the `domain` crate's reader.
fn scan(text: &str, origin: &Name) -> Result<Vec<Record>, MasterError> {
    let whole =
        |reason: &str| MasterError { line: 0, reason: reason.to_owned(), remedy: "write the origin as a domain name" };
    let text = written_out(text, origin);
    let mut file = Zonefile::from(&*text);
    let name = DomainName::from_octets(origin.as_wire().to_vec().into()).map_err(|_| whole("the origin is no name"))?;
    file.set_origin(name);
    file.set_default_class(Class::IN);
    let (mut records, mut lines) = (Vec::new(), Lines { text: &text, counted: 0, line: 1 });
    loop {
        let entry = file.next_entry().map_err(|e| syntax(&e.to_string()))?;
        let line = lines.at(file.current_offset());
        match entry {
            None => return Ok(records),
            Some(Entry::Include { .. }) => {
                let reason = "$INCLUDE is not supported".to_owned();
                return Err(MasterError { line, reason, remedy: "put the records into this file" });
            }
            Some(Entry::Record(record)) => {
                let mut rdata = Vec::new();
                let composed = record.data().compose_canonical_rdata(&mut rdata).is_ok();
                let owner = Name::from_wire(record.owner().to_vec().as_slice());
                let Some(owner) = owner.filter(|_| composed && rdata.len() <= usize::from(u16::MAX)) else {
                    let reason = "this record does not fit the wire format".to_owned();
                    return Err(MasterError { line, reason, remedy: "shorten it" });
                };
                let (rr_type, ttl_s) = (RrType(record.rtype().to_int()), record.ttl().as_secs());
                records.push(Record { owner, rr_type, ttl_s, rdata, line });
            }
        }
    }
}

/// The reader says `line:column: reason`; a column of 1 means that it had just finished the line before.
fn syntax(text: &str) -> MasterError {
    let mut parts = text.splitn(3, ':');
    let mut number = || parts.next().and_then(|n| n.trim().parse::<usize>().ok()).unwrap_or(0);
    let (line, column) = (number(), number());
    let reason = parts.next().unwrap_or(text).trim();
    let (line, reason) = match column {
        0 | 1 => (line.saturating_sub(1).max(1), format!("at its end: {reason}")),
        _ => (line, format!("column {column}: {reason}")),
    };
    MasterError { line, reason, remedy: "see RFC 1035 section 5 for the syntax of a master file" }
}

/// Counts lines once, however many records ask.
struct Lines<'a> {
    text: &'a str,
    counted: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the last octet before `offset` that is not a line end; offsets never fall.
    fn at(&mut self, offset: usize) -> usize {
        let read = self.text.as_bytes().get(..offset.min(self.text.len())).unwrap_or_default().trim_ascii_end();
        let new = read.get(self.counted..).unwrap_or_default();
        self.line += new.iter().filter(|b| **b == b'\n').count();
        self.counted = self.counted.max(read.len());
        self.line
    }
}

fn refuse(record: &Record, reason: impl Into<String>, remedy: &'static str) -> Option<MasterError> {
    Some(MasterError { line: record.line, reason: reason.into(), remedy })
}

fn of_any_zone(record: &Record, origin: &Name) -> Option<MasterError> {
    if record.owner.offset_of(origin).is_none() {
        let reason = format!("{} is not in the zone {}", record.owner.to_text(), origin.to_text());
        return refuse(record, reason, "check --origin and $ORIGIN, or a missing or extra final dot");
    }
    match record.rr_type {
        RrType::RRSIG
        | RrType::NSEC
        | RrType::NSEC3
        | RrType::NSEC3PARAM
        | RrType::DNSKEY
        | RrType::CDS
        | RrType::CDNSKEY => refuse(
            record,
            format!("{} records are made by the server", record.rr_type),
            "take signatures, denials and keys out of the file and serve the unsigned zone",
        ),
        RrType::SOA if record.owner != *origin => refuse(record, "an SOA stands only at the apex", "remove it"),
        RrType::DS if record.owner == *origin => {
            refuse(record, "the DS of this zone belongs into its parent", "remove it here")
        }
        rr_type if rr_type.is_meta() || rr_type == RrType::ANY => {
            refuse(record, format!("{rr_type} is no type of data"), "remove it")
        }
        _ => None,
    }
}

fn of_number_zone(record: &Record, origin: &Name, all: &[Record], ttls: Ttls) -> Option<MasterError> {
    if record.owner.labels().any(|label| label == b"*") {
        return refuse(
            record,
            "a number zone has no wildcards",
            "remove it: it would answer for numbers that nobody registered",
        );
    }
    if record.rr_type == RrType::DNAME {
        return refuse(record, "a number zone has no DNAME", "delegate the subtree with NS and DS instead");
    }
    if record.rr_type == RrType::SOA {
        let minimum_s = soa_minimum_s(&flatten(vec![record.rdata.clone()])).unwrap_or(0);
        return (minimum_s != ttls.negative_s).then_some(MasterError {
            line: record.line,
            reason: format!("SOA MINIMUM is {minimum_s}, the charter's ttl.negative is {}", ttls.negative_s),
            remedy: "make the last field of the SOA equal to ttl.negative",
        });
    }
    let below = record.owner.labels().count().checked_sub(origin.labels().count() + 1)?;
    match record.owner.labels().nth(below)? {
        [b'0'..=b'9'] => match record.rr_type {
            RrType::NS | RrType::DS => None,
            RrType::A | RrType::AAAA if is_glue(record, all, origin) => None,
            other => refuse(
                record,
                format!("{other} at or below a digit name"),
                "numbers come from the registry; the file may hold only NS, DS and glue there",
            ),
        },
        b"_openpgpkey" | b"_smimecert" => {
            refuse(record, "data below _openpgpkey or _smimecert", "these records come from the registry: remove it")
        }
        _ => None,
    }
}

/// At or below a delegation; the apex's own NS make none.
fn is_glue(record: &Record, all: &[Record], origin: &Name) -> bool {
    let cut = |ns: &&Record| ns.rr_type == RrType::NS && ns.owner != *origin;
    all.iter().filter(cut).any(|cut| record.owner.offset_of(&cut.owner).is_some())
}

/// What may not stand together: CNAME with other data, DS without NS, authoritative data below a cut.
fn of_names(all: &[Record], origin: &Name) -> Vec<MasterError> {
    let cuts: Vec<&Record> = all.iter().filter(|r| r.rr_type == RrType::NS && r.owner != *origin).collect();
    let wrong = |record: &Record| {
        let beside = |rr_type: RrType| all.iter().any(|other| other.owner == record.owner && other.rr_type == rr_type);
        match record.rr_type {
            RrType::CNAME if all.iter().any(|o| o.owner == record.owner && o.rdata != record.rdata) => refuse(
                record,
                "a CNAME stands alone at its name",
                "remove the CNAME or the other records (RFC 1034 3.6.2)",
            ),
            RrType::DS if !beside(RrType::NS) => {
                refuse(record, "a DS without NS at its name", "add the NS records of the delegation or remove the DS")
            }
            RrType::NS | RrType::DS | RrType::A | RrType::AAAA => None,
            _ => cuts.iter().find(|cut| record.owner.offset_of(&cut.owner).is_some()).and_then(|cut| {
                let reason =
                    format!("{} is delegated, so {} here is never served", cut.owner.to_text(), record.rr_type);
                refuse(record, reason, "remove it or the delegation")
            }),
        }
    };
    // Quadratic only in what few records ask for: CNAMEs, DS and cuts.
    all.iter().filter_map(wrong).collect()
}

fn of_the_whole(all: &[Record], origin: &Name) -> Vec<MasterError> {
    let at_apex = |rr_type: RrType| all.iter().filter(|r| r.owner == *origin && r.rr_type == rr_type).count();
    let mut errors = Vec::new();
    let mut whole = |reason: &str, remedy| errors.push(MasterError { line: 0, reason: reason.to_owned(), remedy });
    match at_apex(RrType::SOA) {
        0 => whole("the zone has no SOA", "start the file with one SOA record at the apex"),
        1 => {}
        _ => whole("the zone has several SOA records", "keep one"),
    }
    if at_apex(RrType::NS) == 0 {
        whole("the apex has no NS", "name at least one server that answers for the zone");
    }
    errors
}
