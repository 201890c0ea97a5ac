//! What must hold for every answer that can come from the network: the body of a fuzz target, replayed by the tests.

use hickory_proto::rr::Name;

use super::denial::{self, Nsec};
use super::endpoint::endpoints;
use super::keys::{Purpose, keys_txt, published_keys};
use super::message::{self, Rr, rr};
use super::nsec3::{self, Nsec3};
use super::signature::{Dnskey, Ds, Rrset, Work, ZoneKeys};
use crate::number::Number;

/// Names are written out: of all records an RP grows most, whose 16 octets with three pointers become three names of 255.
const GROWTH_MAX: usize = 48;
/// When it is, Unix seconds: runs are the same each time.
const NOW_S: u64 = 1_800_000_000;

/// Reads one packet as a look-up would, with everything that hangs on its records; says whether it could be read, or which
/// rule its reading breaks.
pub fn answer(packet: &[u8]) -> Result<bool, &'static str> {
    let Ok(message) = message::read(packet) else { return Ok(false) };
    let sections = [&message.answer, &message.authority, &message.additional];
    let records: usize = sections.iter().map(|section| section.len()).sum();
    let octets: usize = sections.iter().flat_map(|s| s.iter()).map(|rr| rr.owner.len() + rr.rdata.len()).sum();
    let announced: usize = packet
        .iter()
        .skip(6)
        .step_by(2)
        .zip(packet.iter().skip(7).step_by(2))
        .take(3)
        .fold(0, |sum, (high, low)| sum + usize::from(u16::from_be_bytes([*high, *low])));
    rule(records <= announced, "it has more records than its header says")?;
    rule(records == 0 || !message.truncated, "records of a truncated answer are believed")?;
    rule(octets <= packet.len() * GROWTH_MAX, "it grows by more than names can")?;
    let printable = |text: &str| text.bytes().all(|b| (0x20..0x7f).contains(&b));
    rule(message.extended_errors.iter().all(|(_, text)| printable(text)), "an extended error is not printable")?;
    let (name, rr_type) = message.question.unwrap_or((Name::root(), rr::NAPTR));
    for section in sections {
        published(section)?;
        checked(section, &name, rr_type);
    }
    Ok(true)
}

fn rule(holds: bool, broken: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(broken) }
}

/// What a look-up makes of the records themselves: each is taken or left out with a reason, and what is taken is fit to show.
fn published(section: &[Rr]) -> Result<(), &'static str> {
    let of = |rr_type: u16| -> Vec<Vec<u8>> {
        section.iter().filter(|rr| rr.rr_type == rr_type).map(|rr| rr.rdata.clone()).collect()
    };
    let Ok(number) = Number::parse("+447700900123") else { return Err("the number is none") };
    let naptr = of(rr::NAPTR);
    let (found, left_out) = endpoints(number, &naptr);
    rule(found.len() + left_out.len() == naptr.len(), "a NAPTR record is lost")?;
    rule(found.iter().all(|e| e.uri.bytes().all(|b| b.is_ascii_graphic())), "an address is not printable")?;
    let tlsa = of(rr::TLSA);
    for purpose in Purpose::ALL {
        let (found, left_out) = published_keys(purpose, &tlsa);
        rule(found.len() + left_out.len() == tlsa.len(), "a key is lost")?;
    }
    keys_txt(&of(rr::TXT));
    Ok(())
}

/// What a validator makes of signatures, keys and denials; with keys of the answer's own, so that all of it is tried.
fn checked(section: &[Rr], name: &Name, rr_type: u16) {
    let of = |rr_type: u16| section.iter().filter(move |rr| rr.rr_type == rr_type);
    let keys: Vec<Dnskey> = of(rr::DNSKEY).filter_map(|rr| Dnskey::read(&rr.rdata)).collect();
    for ds in of(rr::DS).filter_map(|rr| Ds::read(&rr.rdata)).filter(Ds::is_supported) {
        keys.iter().for_each(|key| _ = ds.covers(name, key));
    }
    let (zone, work) = (ZoneKeys { zone: name.clone(), keys, expires_s: NOW_S }, Work::default());
    for set in section.iter().filter_map(|rr| Rrset::of(section, &rr.owner, rr.rr_type)).take(section.len().min(16)) {
        let _ = set.verify(&zone, NOW_S, &work);
    }
    for apex in [name.clone(), name.base_name()] {
        let nsecs: Vec<Nsec> = of(rr::NSEC).filter_map(|rr| Nsec::read(&rr.owner, &rr.rdata)).collect();
        let _ = denial::prove(name, rr_type, &apex, &nsecs);
        denial::allows_wildcard(name, &apex, &nsecs);
        let nsec3s: Vec<Nsec3> = of(rr::NSEC3).filter_map(|rr| Nsec3::read(&rr.owner, &apex, &rr.rdata)).collect();
        let _ = nsec3::prove(name, rr_type, &apex, &nsec3s);
        nsec3::allows_wildcard(name, &apex, &nsec3s);
    }
}
