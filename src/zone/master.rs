//! Reads a master file (RFC 1035 5) and refuses, by line, what a zone served here may not hold.

use domain::base::iana::{Class, Rtype};
use domain::base::name::{Name as DomainName, ParsedName, ToName};
use domain::base::rdata::{ComposeRecordData, ParseRecordData};
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};

use super::draft::{Draft, Record, TooLarge};
use super::fixed::StaticZone;
use super::hashed::{self, Denial, HashFault};
use super::numbers::Ttls;
use super::plain::{Expanded, Odd, expanded, unclosed, written_out};
use super::version::{DIGEST_OCTETS, Digest, zonemd};
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
    Static(Digest, Denial),
    /// What a signer made is left out: keys, signatures, denials, the digest over them.
    Bare(Denial),
    Number(Ttls),
}

/// What to do about text that cannot be read.
pub(super) const SYNTAX: &str = "see RFC 1035 section 5 for the syntax of a master file";
/// The longest RDATA: a message of 65 535 octets has room for it beside question, owner, OPT and TSIG.
const RDATA_OCTETS_MAX: usize = 64_000;

/// A master file's octets as text: what is no UTF-8 stands as `\\DDD` (RFC 1035 5.1), so that no octet is lost.
pub fn text_of(octets: Vec<u8>) -> String {
    let octets = match String::from_utf8(octets) {
        Ok(text) => return text,
        Err(not_utf8) => not_utf8.into_bytes(),
    };
    let mut text = String::with_capacity(octets.len() * 2);
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let escaped = text.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
            text.push_str(&format!("{}{byte:03}", if escaped { "" } else { "\\" }));
        }
    }
    text
}

impl StaticZone {
    /// Reads an ordinary zone; `origin` is its apex. All mistakes are reported together.
    pub fn read(text: &str, origin: &Name) -> Result<Self, Vec<MasterError>> {
        read(text, origin, Use::Static(Digest::AsInFile, Denial::Nsec))
    }

    /// The same, with room for a digest if we make it.
    pub fn read_with(text: &str, origin: &Name, digest: Digest) -> Result<Self, Vec<MasterError>> {
        read(text, origin, Use::Static(digest, Denial::Nsec))
    }

    /// The same, with the chain that signatures will need: for NSEC3 the apex has an NSEC3PARAM and every name its hash.
    pub fn read_denying(text: &str, origin: &Name, digest: Digest, denial: Denial) -> Result<Self, Vec<MasterError>> {
        read(text, origin, Use::Static(digest, denial))
    }

    /// The same of a file that somebody has signed: without what the signer made of it.
    pub fn read_bare(text: &str, origin: &Name, denial: Denial) -> Result<Self, Vec<MasterError>> {
        read(text, origin, Use::Bare(denial))
    }

    /// Reads the static part of a number zone (DNS.md 3: no wildcard, DNAME or NSEC3PARAM; nothing but NS, DS and glue at digit names).
    pub fn read_number_zone(text: &str, origin: &Name, ttls: Ttls) -> Result<Self, Vec<MasterError>> {
        read(text, origin, Use::Number(ttls))
    }
}

fn read(text: &str, origin: &Name, zone_use: Use) -> Result<StaticZone, Vec<MasterError>> {
    let mut draft = Draft::default();
    let (digest, denial) = match zone_use {
        Use::Static(digest, denial) => (digest, denial),
        Use::Bare(denial) => (Digest::AsInFile, denial),
        Use::Number(_) => (Digest::AsInFile, Denial::Nsec),
    };
    scan(text, origin, digest, &mut draft).map_err(|e| vec![e])?;
    if let Use::Bare(_) = zone_use {
        draft.retain(|rr_type| !is_made(rr_type) && rr_type != RrType::ZONEMD);
    }
    draft.sort();
    let mut errors: Vec<MasterError> = draft.records().filter_map(|r| of_any_zone(&r, origin)).collect();
    errors.extend(of_names(&draft, origin, zone_use));
    errors.sort_by_key(|e| e.line);
    errors.extend(of_the_whole(&draft, origin));
    if !errors.is_empty() {
        return Err(errors);
    }
    if denial == Denial::Nsec3 {
        hashed::announce(&mut draft, origin).map_err(|TooLarge| vec![too_large(0)])?;
    }
    let mut zone = StaticZone::build(*origin, &draft);
    zone.digest = digest;
    zone.hash_names().map_err(|fault| vec![not_hashed(&fault)])?;
    Ok(zone)
}

/// The syntax, by the `domain` crate's reader of what [`super::plain`] makes of it.
fn scan(text: &str, origin: &Name, digest: Digest, draft: &mut Draft) -> Result<(), MasterError> {
    let made = expanded(text).map_err(|fault| odd(text, fault))?;
    let plain = written_out(&made.text, origin).map_err(|fault| odd(&made.text, fault));
    let scanned = plain.and_then(|plain| scan_plain(&plain, &made, origin, digest, draft));
    scanned.map_err(|error| MasterError { line: made.line(error.line), ..error })
}

fn odd(text: &str, fault: Odd) -> MasterError {
    let line = Lines { text, counted: 0, line: 1 }.at(fault.at + 1);
    MasterError { line, reason: fault.reason, remedy: SYNTAX }
}

/// Lines in its errors are those of `text`, lines in the draft those of the file.
fn scan_plain(
    text: &str,
    made: &Expanded<'_>,
    origin: &Name,
    digest: Digest,
    draft: &mut Draft,
) -> Result<(), MasterError> {
    let whole =
        |reason: &str| MasterError { line: 0, reason: reason.to_owned(), remedy: "write the origin as a domain name" };
    let mut file = Zonefile::from(text);
    let name = DomainName::from_octets(origin.as_wire().to_vec().into()).map_err(|_| whole("the origin is no name"))?;
    file.set_origin(name);
    file.set_default_class(Class::IN);
    let mut lines = Lines { text, counted: 0, line: 1 };
    if let Some(at) = unclosed(text) {
        let (line, reason) = (lines.at(at + 1), "a parenthesis is opened that nothing closes".to_owned());
        return Err(MasterError { line, reason, remedy: "close it, or put it in quotes if it is text" });
    }
    let (mut owner, mut rdata, mut soa) = (Vec::new(), Vec::new(), None);
    loop {
        let entry = file.next_entry().map_err(|e| syntax(&e.to_string()))?;
        let line = lines.at(file.current_offset());
        match entry {
            None => return room_for_digest(origin, digest, soa, draft),
            Some(Entry::Include { .. }) => {
                let reason = "$INCLUDE is not supported".to_owned();
                return Err(MasterError { line, reason, remedy: "put the records into this file" });
            }
            Some(Entry::Record(record)) => {
                owner.clear();
                rdata.clear();
                let composed = record.owner().compose_canonical(&mut owner).is_ok()
                    && record.data().compose_canonical_rdata(&mut rdata).is_ok()
                    && rdata.len() <= RDATA_OCTETS_MAX;
                if !composed {
                    let reason = "this record does not fit the wire format".to_owned();
                    return Err(MasterError { line, reason, remedy: "shorten it" });
                }
                let (rr_type, ttl_s) = (RrType(record.rtype().to_int()), record.ttl().as_secs());
                if let Some(reason) = odd_wire(&owner, rr_type, &rdata) {
                    return Err(MasterError {
                        line,
                        reason,
                        remedy: "write one dot between labels; count octets after \\#",
                    });
                }
                match rr_type {
                    RrType::ZONEMD if digest == Digest::Ours && owner == origin.as_wire() => continue,
                    RrType::SOA => soa = Some((ttl_s, made.line(line))),
                    _ => {}
                }
                draft.push(&owner, rr_type, ttl_s, &rdata, made.line(line)).map_err(|TooLarge| too_large(line))?;
            }
        }
    }
}

/// The reader lets names with an empty label pass, and `\#` data of types that it knows as if it did not (RFC 3597 5).
fn odd_wire(owner: &[u8], rr_type: RrType, rdata: &[u8]) -> Option<String> {
    if Name::from_wire(owner).is_none() {
        return Some("the owner has an empty label".to_owned());
    }
    let mut parser = domain::dep::octseq::Parser::from_ref(rdata);
    let read = ZoneRecordData::<_, ParsedName<_>>::parse_rdata(Rtype::from_int(rr_type.0), &mut parser);
    let whole = matches!(read, Ok(Some(_))) && parser.remaining() == 0;
    (!whole).then(|| format!("these are not the data of a {rr_type} record, or a name in them has an empty label"))
}

fn too_large(line: usize) -> MasterError {
    let reason = "the zone has more than 2 GiB of records".to_owned();
    MasterError { line, reason, remedy: "delegate parts of it to zones of their own" }
}

/// A ZONEMD of zeros with the SOA's TTL (RFC 8976 3.1): whoever makes a version fills it.
fn room_for_digest(
    origin: &Name,
    digest: Digest,
    soa: Option<(u32, usize)>,
    draft: &mut Draft,
) -> Result<(), MasterError> {
    let Some((ttl_s, line)) = soa.filter(|_| digest == Digest::Ours) else { return Ok(()) };
    let rdata = zonemd(0, &[0; DIGEST_OCTETS]);
    draft.push(origin.as_wire(), RrType::ZONEMD, ttl_s, &rdata, line).map_err(|TooLarge| too_large(line))
}

fn not_hashed(fault: &HashFault) -> MasterError {
    match fault {
        HashFault::Collision(names) => MasterError {
            line: 0,
            reason: format!(
                "{} have the same hash, so neither can be denied",
                names.each_ref().map(Name::to_text).join(" and ")
            ),
            remedy: "rename one of them, or deny by NSEC instead",
        },
        HashFault::ApexTooLong => MasterError {
            line: 0,
            reason: "the apex leaves no room for a hash below it (RFC 5155 3.3)".to_owned(),
            remedy: "deny by NSEC instead",
        },
    }
}

/// The reader says `line:column: reason`; a column of 1 means that it had just finished the line before.
pub(super) fn syntax(text: &str) -> MasterError {
    let mut parts = text.splitn(3, ':');
    let mut number = || parts.next().and_then(|n| n.trim().parse::<usize>().ok()).unwrap_or(0);
    let (line, column) = (number(), number());
    let reason = parts.next().unwrap_or(text).trim();
    let (line, reason) = match column {
        0 | 1 => (line.saturating_sub(1).max(1), format!("at its end: {reason}")),
        _ => (line, format!("column {column}: {reason}")),
    };
    MasterError { line, reason, remedy: SYNTAX }
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

fn refuse(record: &Record<'_>, reason: impl Into<String>, remedy: &'static str) -> Option<MasterError> {
    Some(MasterError { line: record.line, reason: reason.into(), remedy })
}

/// Whether whoever signs makes records of this type.
fn is_made(rr_type: RrType) -> bool {
    matches!(
        rr_type,
        RrType::RRSIG
            | RrType::NSEC
            | RrType::NSEC3
            | RrType::NSEC3PARAM
            | RrType::DNSKEY
            | RrType::CDS
            | RrType::CDNSKEY
    )
}

fn of_any_zone(record: &Record<'_>, origin: &Name) -> Option<MasterError> {
    if !record.is_at_or_below(origin.as_wire()) {
        let reason = format!("{} is not in the zone {}", record.name().to_text(), origin.to_text());
        return refuse(record, reason, "check --origin and $ORIGIN, or a missing or extra final dot");
    }
    let at_apex = record.owner == origin.as_wire();
    match record.rr_type {
        made if is_made(made) => refuse(
            record,
            format!("{made} records are made by the server"),
            "take signatures, denials and keys out of the file and serve the unsigned zone",
        ),
        RrType::SOA if !at_apex => refuse(record, "an SOA stands only at the apex", "remove it"),
        RrType::DS if at_apex => refuse(record, "the DS of this zone belongs into its parent", "remove it here"),
        RrType::NS | RrType::DNAME if record.owner.starts_with(b"\x01*") => refuse(
            record,
            format!("{} at a wildcard, which no two servers answer alike", record.rr_type),
            "name the delegations or the DNAMEs one by one (RFC 4592 4.2, 4.4)",
        ),
        rr_type if rr_type.is_meta() || rr_type == RrType::ANY => {
            refuse(record, format!("{rr_type} is no type of data"), "remove it")
        }
        _ => None,
    }
}

/// What one name may hold, by what stands there and above it. Owners come in canonical order, so that a delegation is
/// followed by all that is below it.
fn of_names(draft: &Draft, origin: &Name, zone_use: Use) -> Vec<MasterError> {
    let mut errors = Vec::new();
    let mut cut: Option<&[u8]> = None;
    for records in draft.owners() {
        let Some(first) = records.clone().next() else { continue };
        let has = |rr_type: RrType| records.clone().any(|record| record.rr_type == rr_type);
        cut = cut.filter(|cut| first.is_at_or_below(cut));
        if cut.is_none() && first.owner != origin.as_wire() && has(RrType::NS) {
            cut = Some(first.owner);
        }
        let alone = records.clone().all(|record| record.rdata == first.rdata && record.rr_type == first.rr_type);
        for record in records.clone() {
            let is_number = matches!(zone_use, Use::Number(_));
            errors.extend(beside(&record, alone, has(RrType::NS), cut.filter(|_| is_number)));
            if let Use::Number(ttls) = zone_use {
                errors.extend(of_number_zone(&record, origin, cut.is_some(), ttls));
            }
        }
    }
    errors
}

/// What may not stand together: CNAME with other data, DS without NS; below a cut of a number zone whatever is no glue. In
/// other zones that stays, and is served as little as elsewhere (RFC 1034 4.2.1).
fn beside(record: &Record<'_>, alone: bool, delegated: bool, cut: Option<&[u8]>) -> Option<MasterError> {
    match record.rr_type {
        RrType::CNAME if !alone => {
            refuse(record, "a CNAME stands alone at its name", "remove the CNAME or the other records (RFC 1034 3.6.2)")
        }
        RrType::DS if !delegated => {
            refuse(record, "a DS without NS at its name", "add the NS records of the delegation or remove the DS")
        }
        RrType::NS | RrType::DS | RrType::A | RrType::AAAA => None,
        _ => cut.and_then(Name::from_wire).and_then(|cut| {
            let reason = format!("{} is delegated, so {} here is never served", cut.to_text(), record.rr_type);
            refuse(record, reason, "remove it or the delegation")
        }),
    }
}

fn of_number_zone(record: &Record<'_>, origin: &Name, delegated: bool, ttls: Ttls) -> Option<MasterError> {
    let owner = record.name();
    if owner.labels().any(|label| label == b"*") {
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
        let minimum_s = record.rdata.last_chunk::<4>().map_or(0, |minimum| u32::from_be_bytes(*minimum));
        return (minimum_s != ttls.negative_s).then_some(MasterError {
            line: record.line,
            reason: format!("SOA MINIMUM is {minimum_s}, the charter's ttl.negative is {}", ttls.negative_s),
            remedy: "make the last field of the SOA equal to ttl.negative",
        });
    }
    let below = owner.labels().count().checked_sub(origin.labels().count() + 1)?;
    match owner.labels().nth(below)? {
        [b'0'..=b'9'] => match record.rr_type {
            RrType::NS | RrType::DS => None,
            RrType::A | RrType::AAAA if delegated => None,
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

fn of_the_whole(draft: &Draft, origin: &Name) -> Vec<MasterError> {
    let apex = || draft.records().filter(|record| record.owner == origin.as_wire());
    let mut errors = Vec::new();
    let mut whole = |reason: &str, remedy| errors.push(MasterError { line: 0, reason: reason.to_owned(), remedy });
    match apex().filter(|record| record.rr_type == RrType::SOA).count() {
        0 => whole("the zone has no SOA", "start the file with one SOA record at the apex"),
        1 => {}
        _ => whole("the zone has several SOA records", "keep one"),
    }
    if !apex().any(|record| record.rr_type == RrType::NS) {
        whole("the apex has no NS", "name at least one server that answers for the zone");
    }
    errors
}
