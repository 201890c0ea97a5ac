//! What must hold for every master file: the body of a fuzz target, replayed by the tests.

use std::collections::BTreeSet;

use super::entries::Entries;
use super::fixed::StaticZone;
use super::numbers::Ttls;
use super::{MasterError, text};
use crate::wire::Name;

/// Reads one file, as an ordinary zone and as the static part of a number zone; says whether either could be served, or which
/// rule its reading breaks.
pub fn master(input: &[u8]) -> Result<bool, &'static str> {
    let (file, Ok(apex)) = (String::from_utf8_lossy(input), Name::from_text("e164.example")) else {
        return Err("the apex is no name");
    };
    if makes_many(&file) {
        return Ok(false);
    }
    let lines = file.lines().count();
    let (zone, numbers) = (StaticZone::read(&file, &apex), StaticZone::read_number_zone(&file, &apex, Ttls::default()));
    for mistakes in [&zone, &numbers].into_iter().filter_map(|read| read.as_ref().err()) {
        rule(!mistakes.is_empty(), "it is refused without a reason")?;
        rule(mistakes.iter().all(|mistake| teaches(mistake, lines)), "a mistake has no place or no remedy")?;
    }
    rule(numbers.is_err() || zone.is_ok(), "a number zone's file is no zone's file")?;
    let Ok(zone) = zone else { return Ok(false) };
    rule(zone.soa().is_some(), "it has no SOA")?;
    let names: Vec<Name> = zone.in_order().map(|(name, _)| name).collect();
    let ascending = |pair: &[Name]| matches!(pair, [a, b] if a.canonical_cmp(b).is_lt());
    rule(names.windows(2).all(ascending), "its names are not in order")?;
    rule(names.iter().all(|name| name.offset_of(&apex).is_some()), "a name lies outside")?;
    rule(names.iter().all(|name| zone.node(name).is_some()), "a name is not found")?;
    let written = written(&zone);
    let again = StaticZone::read(&written, &apex).map_err(|_| "what was read and written cannot be read again")?;
    rule(self::written(&again) == written, "what was read and written reads differently")?;
    let differs_by_design = has_generate(&file) || has_bare_return(&file);
    rule(differs_by_design || entry_by_entry(&file, &apex) == all(&zone), "entry by entry it reads differently")?;
    Ok(true)
}

/// Whether one line may become so many that reading them takes seconds: bounded elsewhere, and of no interest here.
fn makes_many(file: &str) -> bool {
    let is_long = |digits: &str| digits.bytes().take_while(u8::is_ascii_digit).count() > 4;
    let line = |line: &str| has_generate(line) && line.char_indices().any(|(at, _)| is_long(&line[at..]));
    file.lines().any(line)
}

/// Lines that are made of one are for zones that are served alone.
fn has_generate(file: &str) -> bool {
    file.to_ascii_uppercase().contains("$GENERATE")
}

/// A carriage return that ends no line: the whole file's reader takes it for space, the other one for part of the entry.
fn has_bare_return(file: &str) -> bool {
    file.split('\n').any(|line| line.strip_suffix('\r').unwrap_or(line).contains('\r'))
}

/// A record as both readers have it, in lower case: from entry to entry an origin loses its own. They differ in what they do
/// about TTLs too.
type Plain = (Vec<u8>, u16, Vec<u8>);

fn all(zone: &StaticZone) -> BTreeSet<Plain> {
    let sets = zone.in_order().flat_map(|(name, node)| node.rrsets().map(move |set| (name, set)));
    sets.flat_map(|(name, set)| {
        set.iter().map(move |rdata| (name.as_wire().to_vec(), set.rr_type.0, rdata.to_ascii_lowercase()))
    })
    .collect()
}

fn entry_by_entry(file: &str, apex: &Name) -> BTreeSet<Plain> {
    let whole = format!("{file}\n");
    let (mut entries, mut found) = (Entries::new(whole.as_bytes(), *apex), BTreeSet::new());
    while let Ok(Some(Ok(record))) = entries.next() {
        found.insert((record.owner.as_wire().to_vec(), record.rr_type.0, record.rdata.to_ascii_lowercase()));
    }
    found
}

fn rule(holds: bool, broken: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(broken) }
}

/// A mistake says where it is, in the file, and what to do.
fn teaches(mistake: &MasterError, lines: usize) -> bool {
    mistake.line <= lines.max(1) && !mistake.reason.is_empty() && !mistake.remedy.is_empty()
}

/// Every record, a line each.
fn written(zone: &StaticZone) -> String {
    zone.in_order()
        .flat_map(|(name, node)| {
            node.rrsets().flat_map(move |set| {
                set.iter().map(move |rdata| text::record(&name, set.ttl_s, set.rr_type, rdata)).collect::<Vec<_>>()
            })
        })
        .collect()
}
