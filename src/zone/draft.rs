//! The records of a master file on their way into a zone: one arena, no allocation a record, put into canonical order once.

use crate::wire::name::canonical_key;
use crate::wire::{Name, RrType};

/// Octets of all records together: a zone's layout points at them with 32 bits, and adds a few for each record.
const OCTETS_MAX: usize = 1 << 31;

/// Records as they were read, then in canonical order.
#[derive(Default)]
pub(super) struct Draft {
    octets: Vec<u8>,
    rows: Vec<Row>,
    last_owner: Option<Owner>,
}

/// The records have more octets than [`OCTETS_MAX`].
pub(super) struct TooLarge;

#[derive(Clone, Copy)]
struct Owner {
    at: u32,
    octets: u8,
    key_octets: u16,
}

#[derive(Clone, Copy)]
struct Row {
    owner: Owner,
    rr_type: RrType,
    ttl_s: u32,
    rdata_at: u32,
    rdata_octets: u16,
    line: u32,
}

/// One record. Everything in canonical form.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    /// Wire form.
    pub(super) owner: &'a [u8],
    pub(super) rr_type: RrType,
    pub(super) ttl_s: u32,
    pub(super) rdata: &'a [u8],
    pub(super) line: usize,
    key: &'a [u8],
}

impl Record<'_> {
    pub(super) fn name(&self) -> Name {
        Name::from_wire(self.owner).unwrap_or(Name::root()) // it was one when it was pushed
    }

    /// Whether this record's owner is at or below `apex`, both in wire form.
    pub(super) fn is_at_or_below(&self, apex: &[u8]) -> bool {
        is_at_or_below(self.owner, apex)
    }
}

/// Whether a name is at or below another, both in wire form and lower case.
pub(super) fn is_at_or_below(name: &[u8], apex: &[u8]) -> bool {
    let mut rest = name;
    while rest.len() > apex.len() {
        let label = rest.first().map_or(0, |octets| usize::from(*octets) + 1);
        rest = rest.get(label..).unwrap_or_default();
    }
    rest == apex
}

impl Draft {
    /// Takes one record; `owner` and `rdata` in canonical form.
    pub(super) fn push(
        &mut self,
        owner: &[u8],
        rr_type: RrType,
        ttl_s: u32,
        rdata: &[u8],
        line: usize,
    ) -> Result<(), TooLarge> {
        let owner = match self.last_owner.filter(|last| self.owner(*last) == owner) {
            Some(same) => same,
            None => {
                let at = self.mark()?;
                self.octets.extend_from_slice(owner);
                let key_at = self.octets.len();
                canonical_key(owner, &mut self.octets);
                Owner { at, octets: owner.len() as u8, key_octets: (self.octets.len() - key_at) as u16 }
            }
        };
        self.last_owner = Some(owner);
        let rdata_at = self.mark()?;
        self.octets.extend_from_slice(rdata);
        let rdata_octets = u16::try_from(rdata.len()).map_err(|_| TooLarge)?;
        self.rows.push(Row { owner, rr_type, ttl_s, rdata_at, rdata_octets, line: line as u32 });
        Ok(())
    }

    /// Keeps records of these types alone.
    pub(super) fn retain(&mut self, is_kept: impl Fn(RrType) -> bool) {
        self.rows.retain(|row| is_kept(row.rr_type));
    }

    /// Puts everything into canonical order: names, then types, then RDATA (RFC 4034 6).
    pub(super) fn sort(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by(|a, b| {
            let (a, b) = (self.record(a), self.record(b));
            (a.key, a.rr_type, a.rdata).cmp(&(b.key, b.rr_type, b.rdata))
        });
        self.rows = rows;
    }

    /// Every record.
    pub(super) fn records(&self) -> impl DoubleEndedIterator<Item = Record<'_>> + Clone {
        self.rows.iter().map(|row| self.record(row))
    }

    /// Records by owner, in canonical order; only after [`Draft::sort`].
    pub(super) fn owners(&self) -> impl Iterator<Item = impl Iterator<Item = Record<'_>> + Clone> {
        let same = |a: &Row, b: &Row| self.owner(a.owner) == self.owner(b.owner);
        self.rows.chunk_by(same).map(|rows| rows.iter().map(|row| self.record(row)))
    }

    fn owner(&self, owner: Owner) -> &[u8] {
        let at = owner.at as usize;
        self.octets.get(at..at + usize::from(owner.octets)).unwrap_or_default()
    }

    fn record(&self, row: &Row) -> Record<'_> {
        let (key_at, rdata_at) = (row.owner.at as usize + usize::from(row.owner.octets), row.rdata_at as usize);
        Record {
            owner: self.owner(row.owner),
            rr_type: row.rr_type,
            ttl_s: row.ttl_s,
            rdata: self.octets.get(rdata_at..rdata_at + usize::from(row.rdata_octets)).unwrap_or_default(),
            line: row.line as usize,
            key: self.octets.get(key_at..key_at + usize::from(row.owner.key_octets)).unwrap_or_default(),
        }
    }

    fn mark(&self) -> Result<u32, TooLarge> {
        if self.octets.len() > OCTETS_MAX { Err(TooLarge) } else { Ok(self.octets.len() as u32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_in_canonical_order() {
        let mut draft = Draft::default();
        let wire = |text: &str| Name::from_text(text).unwrap().as_wire().to_vec();
        for (line, owner) in
            ["z.example.", "example.", "\\001.z.example.", "*.z.example.", "a.example.", "a.z.example."]
                .into_iter()
                .enumerate()
        {
            assert!(draft.push(&wire(owner), RrType::TXT, 1, b"\x01b", line).is_ok());
            assert!(draft.push(&wire(owner), RrType::A, 1, b"\x01a", line).is_ok());
        }
        draft.sort();
        let owners: Vec<String> = draft.owners().map(|mut o| o.next().unwrap().name().to_text()).collect();
        assert_eq!(
            owners,
            ["example.", "a.example.", "z.example.", "\\001.z.example.", "*.z.example.", "a.z.example."]
        );
        assert!(draft.owners().all(|o| o.map(|r| r.rr_type).collect::<Vec<_>>() == [RrType::A, RrType::TXT]));
        assert!(is_at_or_below(&wire("a.b."), &wire("b.")) && !is_at_or_below(&wire("ab."), &wire("b.")));
        assert!(is_at_or_below(&wire("a."), &wire(".")) && !is_at_or_below(&wire("."), &wire("a.")));
    }
}
