//! Records in a row, as plain octets: what journals, stored versions and transfers are made of.
//!
//! ```text
//! record = owner (wire form) ‖ u16 type ‖ u32 ttl ‖ u16 octets ‖ rdata      class IN, names in lower case, nothing compressed
//! ```

use crate::wire::{Name, RrType};

/// Octets of a record beside owner and RDATA.
const FIXED_OCTETS: usize = 8;

/// One record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Wire form, lower case.
    pub owner: &'a [u8],
    /// The type.
    pub rr_type: RrType,
    /// Seconds.
    pub ttl_s: u32,
    /// Canonical.
    pub rdata: &'a [u8],
}

/// Appends one record.
pub fn push(into: &mut Vec<u8>, record: Record<'_>) {
    into.extend_from_slice(record.owner);
    into.extend_from_slice(&record.rr_type.0.to_be_bytes());
    into.extend_from_slice(&record.ttl_s.to_be_bytes());
    into.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes()); // RDATA has at most 65 535 octets
    into.extend_from_slice(record.rdata);
}

/// Reads the record at the front; says what follows. `None` at the end, or where there is none.
pub fn first(row: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (_, owner_octets) = Name::scan(row)?;
    let (owner, rest) = row.split_at_checked(owner_octets)?;
    let (fixed, rest) = rest.split_first_chunk::<FIXED_OCTETS>()?;
    let [t1, t0, a, b, c, d, l1, l0] = *fixed;
    let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l1, l0])))?;
    let record =
        Record { owner, rr_type: RrType(u16::from_be_bytes([t1, t0])), ttl_s: u32::from_be_bytes([a, b, c, d]), rdata };
    Some((record, rest))
}

/// All records of a row. Ends early where something is no record.
pub fn each(row: &[u8]) -> impl Iterator<Item = Record<'_>> + Clone {
    let mut rest = row;
    std::iter::from_fn(move || {
        let (record, after) = first(rest)?;
        rest = after;
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_and_no_cut_makes_it_more() {
        let records = [
            Record { owner: b"\x01a\x00", rr_type: RrType::A, ttl_s: 60, rdata: &[192, 0, 2, 1] },
            Record { owner: b"\x00", rr_type: RrType(65_280), ttl_s: u32::MAX, rdata: b"" },
        ];
        let mut row = Vec::new();
        records.iter().for_each(|record| push(&mut row, *record));
        assert!(each(&row).eq(records));
        for cut in 0..row.len() {
            assert!(each(&row[..cut]).count() < records.len());
        }
    }
}
