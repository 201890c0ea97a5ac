//! A version of a static zone as it is kept on disk: what a start serves again, and what the next change is compared with.
//!
//! ```text
//! "callbook zone 1\0" ‖ u8 flags ‖ u32 serial of the file ‖ u64 signed as of ‖ 32 octets, the identity of the keys
//!     ‖ u64 octets ‖ records ‖ u64 octets ‖ signatures ‖ SHA-256 of all before it
//! flags: 1 signed, 2 the ZONEMD is ours
//! ```
//! The signatures are kept because they are random: other ones would be another version, and need another serial.

use std::io::{self, Write};

use ring::digest::{Context, SHA256, digest};

use super::draft::Draft;
use super::fixed::StaticZone;
use super::records;
use super::version::Digest;
use crate::wire::Name;

const MAGIC: &[u8; 16] = b"callbook zone 2\0";
/// As long as static data was signed for slots of a day: records and serial count, signatures do not.
const MAGIC_OF_DAYS: &[u8; 16] = b"callbook zone 1\0";
const SIGNED: u8 = 1;
const DIGEST_OURS: u8 = 2;

/// What belongs to a version beside its records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// The serial that its file had.
    pub file_serial: u32,
    /// The time that its signatures are made for; `None`: unsigned. Unix seconds.
    pub signed_as_of_s: Option<u64>,
    /// Tells which keys are in it and signed it; zeros if unsigned.
    pub keys: [u8; 32],
    /// Its signatures, one after the other, in the order in which they are made.
    pub signatures: Vec<u8>,
}

/// Writes a version.
pub fn write(zone: &StaticZone, facts: &Facts, out: &mut dyn Write) -> io::Result<()> {
    let mut hashed = Hashed { out, context: Context::new(&SHA256) };
    let signed = if facts.signed_as_of_s.is_some() { SIGNED } else { 0 };
    let ours = if zone.digest() == Digest::Ours { DIGEST_OURS } else { 0 };
    hashed.put(MAGIC)?;
    hashed.put(&[signed | ours])?;
    hashed.put(&facts.file_serial.to_be_bytes())?;
    hashed.put(&facts.signed_as_of_s.unwrap_or(0).to_be_bytes())?;
    hashed.put(&facts.keys)?;
    let (mut row, mut octets) = (Vec::new(), 0u64);
    for id in 0..zone.len() {
        row.clear();
        zone.push_records(id, &mut row);
        octets += row.len() as u64;
    }
    hashed.put(&octets.to_be_bytes())?;
    for id in 0..zone.len() {
        row.clear();
        zone.push_records(id, &mut row);
        hashed.put(&row)?;
    }
    hashed.put(&(facts.signatures.len() as u64).to_be_bytes())?;
    hashed.put(&facts.signatures)?;
    let Hashed { out, context } = hashed;
    out.write_all(context.finish().as_ref())
}

/// Reads a version of the zone `apex`; `None` if any octet is not as it was written.
pub fn read(file: &[u8], apex: &Name) -> Option<(StaticZone, Facts)> {
    let (body, hash) = file.split_last_chunk::<32>()?;
    if digest(&SHA256, body).as_ref() != hash {
        return None;
    }
    let of_days = body.starts_with(MAGIC_OF_DAYS);
    let mut rest = body.strip_prefix(if of_days { MAGIC_OF_DAYS } else { MAGIC })?;
    let [flags] = take(&mut rest)?;
    let file_serial = u32::from_be_bytes(take(&mut rest)?);
    let signed_as_of_s = u64::from_be_bytes(take(&mut rest)?);
    let keys = take(&mut rest).map(|keys| if of_days { [0; 32] } else { keys })?;
    let octets = u64::from_be_bytes(take(&mut rest)?);
    let row = slice(&mut rest, octets)?;
    let octets = u64::from_be_bytes(take(&mut rest)?);
    let signatures = slice(&mut rest, octets)?.to_vec();
    let mut draft = Draft::default();
    let mut left = row;
    while let Some((record, after)) = records::first(left) {
        draft.push(record.owner, record.rr_type, record.ttl_s, record.rdata, 0).ok()?;
        left = after;
    }
    draft.sort(); // it is sorted; this costs one look at each record
    let mut zone = StaticZone::build(*apex, &draft);
    zone.hash_names().ok()?;
    zone.digest = if flags & DIGEST_OURS != 0 { Digest::Ours } else { Digest::AsInFile };
    let whole = rest.is_empty() && left.is_empty() && zone.soa().is_some();
    let signed_as_of_s = (flags & SIGNED != 0).then_some(signed_as_of_s);
    whole.then_some((zone, Facts { file_serial, signed_as_of_s, keys, signatures }))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn slice<'a>(rest: &mut &'a [u8], octets: u64) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(usize::try_from(octets).ok()?)?;
    *rest = after;
    Some(taken)
}

/// Writes and hashes what it writes.
struct Hashed<'w> {
    out: &'w mut dyn Write,
    context: Context,
}

impl Hashed<'_> {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.context.update(octets);
        self.out.write_all(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_torn_file_is_not() {
        let apex = Name::from_text("example.").unwrap();
        let text = "@ 60 IN SOA ns h 7 1 1 1 1\n@ IN NS ns\nsub IN NS ns.sub\nns.sub IN A 192.0.2.1\n*.a.b IN TXT x\n";
        let zone = StaticZone::read_with(text, &apex, Digest::Ours).unwrap();
        let facts =
            Facts { file_serial: 7, signed_as_of_s: Some(1_800_000_000), keys: [9; 32], signatures: vec![5; 128] };
        let mut file = Vec::new();
        write(&zone, &facts, &mut file).unwrap();
        let (again, same) = read(&file, &apex).unwrap();
        assert!(again.holds_the_same_as(&zone) && again.serial() == 7 && same == facts);
        for at in 0..file.len() {
            let mut broken = file.clone();
            broken[at] ^= 0x10;
            assert!(read(&broken, &apex).is_none() && read(&file[..at], &apex).is_none(), "octet {at}");
        }
    }

    #[test]
    fn a_file_from_when_slots_were_days_keeps_its_records_and_loses_its_signatures() {
        let apex = Name::from_text("example.").unwrap();
        let zone = StaticZone::read_with("@ 60 IN SOA ns h 7 1 1 1 1\n@ IN NS ns\n", &apex, Digest::AsInFile).unwrap();
        let facts = Facts { file_serial: 7, signed_as_of_s: Some(1), keys: [9; 32], signatures: vec![5; 64] };
        let mut file = Vec::new();
        write(&zone, &facts, &mut file).unwrap();
        file[..16].copy_from_slice(MAGIC_OF_DAYS);
        let body = file.len() - 32;
        let hash = digest(&SHA256, &file[..body]);
        file[body..].copy_from_slice(hash.as_ref());
        let (again, facts) = read(&file, &apex).unwrap();
        assert!(again.holds_the_same_as(&zone) && again.serial() == 7);
        assert_eq!(facts.keys, [0; 32], "as if other keys had signed it");
    }
}
