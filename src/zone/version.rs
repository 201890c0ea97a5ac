//! What tells one version of a static zone from the next: its serial (RFC 1982), and the digest over all of it (RFC 8976).

use super::draft::Draft;
use super::fixed::{Node, StaticZone};
use super::records::{self, Record};
use crate::wire::name::canonical_order;
use crate::wire::{Rdatas, RrType};

/// Octets of a digest by SHA-384.
pub const DIGEST_OCTETS: usize = 48;
/// ZONEMD RDATA before the digest: serial, scheme, hash algorithm (RFC 8976 2.2).
const ZONEMD_HEAD_OCTETS: usize = 6;
/// Scheme SIMPLE and hash algorithm SHA-384 (RFC 8976 2.2.2, 2.2.3).
const SIMPLE_SHA384: [u8; 2] = [1, 1];
/// Octets of an SOA's RDATA from its serial on (RFC 1035 3.3.13).
const SOA_NUMBERS_OCTETS: usize = 20;

/// Octets of an RRset in a message beside its own: type, class, TTL, length and a pointer.
const SET_OCTETS: usize = 12;

/// Who makes the ZONEMD at the apex.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Digest {
    /// Whoever wrote the file, if anybody.
    AsInFile,
    /// We do, for every version; one in the file is left out (RFC 8976 3.1).
    Ours,
}

/// Whether serial `a` is after `b` (RFC 1982 3.2). Two that are half the circle apart have no order: neither is after.
pub fn is_after(a: u32, b: u32) -> bool {
    (1..1 << 31).contains(&a.wrapping_sub(b))
}

/// ZONEMD RDATA for a serial; `digest` may still be zeros.
pub(super) fn zonemd(serial: u32, digest: &[u8; DIGEST_OCTETS]) -> [u8; ZONEMD_HEAD_OCTETS + DIGEST_OCTETS] {
    let mut rdata = [0; ZONEMD_HEAD_OCTETS + DIGEST_OCTETS];
    rdata[..4].copy_from_slice(&serial.to_be_bytes());
    rdata[4..ZONEMD_HEAD_OCTETS].copy_from_slice(&SIMPLE_SHA384);
    rdata[ZONEMD_HEAD_OCTETS..].copy_from_slice(digest);
    rdata
}

/// The serial in an SOA's RDATA.
pub fn soa_serial(rdata: &[u8]) -> Option<u32> {
    let at = rdata.len().checked_sub(SOA_NUMBERS_OCTETS)?;
    rdata.get(at..)?.first_chunk::<4>().map(|serial| u32::from_be_bytes(*serial))
}

/// EXPIRE of SOA RDATA, seconds: the last number but one.
pub(super) fn soa_expire_s(rdata: &[u8]) -> Option<u32> {
    let [expire @ .., _, _, _, _] = rdata.last_chunk::<8>()?;
    Some(u32::from_be_bytes(*expire))
}

/// SOA RDATA with another serial.
pub fn with_serial(rdata: &[u8], serial: u32) -> Vec<u8> {
    let mut rdata = rdata.to_vec();
    if let Some(at) = rdata.len().checked_sub(SOA_NUMBERS_OCTETS) {
        rdata[at..at + 4].copy_from_slice(&serial.to_be_bytes());
    }
    rdata
}

impl StaticZone {
    /// The serial.
    pub fn serial(&self) -> u32 {
        self.soa().and_then(|soa| soa.iter().next()).and_then(soa_serial).unwrap_or(0)
    }

    /// Sets the serial in SOA and, if the digest is ours, in ZONEMD. Only a zone that nobody serves yet can be changed.
    pub fn renumber(&mut self, serial: u32) {
        self.patch(RrType::SOA, |rdata| {
            let at = rdata.len().saturating_sub(SOA_NUMBERS_OCTETS);
            if let Some(place) = rdata.get_mut(at..at + 4) {
                place.copy_from_slice(&serial.to_be_bytes());
            }
        });
        if self.digest == Digest::Ours {
            self.put_digest(&[0; DIGEST_OCTETS]);
        }
    }

    /// Puts the digest over the version that its serial names into the ZONEMD that was left for it.
    pub fn put_digest(&mut self, digest: &[u8; DIGEST_OCTETS]) {
        let right = zonemd(self.serial(), digest);
        self.patch(RrType::ZONEMD, |rdata| {
            if rdata.len() == right.len() {
                rdata.copy_from_slice(&right);
            }
        });
    }

    /// Octets of all records, about: what a transfer has at least.
    pub fn data_octets(&self) -> usize {
        self.names.len() + self.rdatas.len() + self.sets.len() * SET_OCTETS
    }

    /// Who makes the ZONEMD.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Lets `change` work on the only RDATA of a type at the apex.
    fn patch(&mut self, rr_type: RrType, change: impl FnOnce(&mut [u8])) {
        let sets = self.nodes.get(1).map_or(0, |next| next.sets_at as usize);
        let Some(i) = self.sets.iter().take(sets).position(|set| set.rr_type == rr_type) else { return };
        let (from, to) = (self.sets[i].rdatas_at as usize + 2, self.sets[i + 1].rdatas_at as usize);
        change(&mut self.rdatas[from..to]);
    }

    /// Whether both zones hold the same, serial and our digest not counted.
    pub fn holds_the_same_as(&self, other: &Self) -> bool {
        let zones = self.apex == other.apex && self.digest == other.digest && self.len() == other.len();
        zones && self.in_order().zip(other.in_order()).all(|((a, mine), (b, theirs))| a == b && same(mine, theirs))
    }

    /// The same zone once more, with no signatures beside it: for the next version.
    pub fn again(&self) -> Self {
        let (mut draft, mut row) = (Draft::default(), Vec::new());
        for id in 0..self.len() {
            row.clear();
            self.push_records(id, &mut row);
            for record in records::each(&row) {
                // It fitted before.
                let _ = draft.push(record.owner, record.rr_type, record.ttl_s, record.rdata, 0);
            }
        }
        draft.sort();
        let mut zone = Self::build(self.apex, &draft);
        zone.digest = self.digest;
        let _ = zone.hash_names(); // no collision before, none now
        zone
    }

    /// Appends every record that the file gave, as it is served, in canonical order.
    pub fn push_records(&self, id: usize, into: &mut Vec<u8>) {
        let node = Node { zone: self, id };
        for set in node.rrsets() {
            for rdata in Rdatas(set.rdatas) {
                let record = Record { owner: node.wire(), rr_type: set.rr_type, ttl_s: set.ttl_s, rdata };
                records::push(into, record);
            }
        }
    }
}

/// Whether two nodes of one name hold the same but for what every version has for itself.
fn same(mine: Node<'_>, theirs: Node<'_>) -> bool {
    let ours = mine.zone.digest == Digest::Ours && mine.id == 0;
    let sets = |node: Node<'_>| node.rrsets().filter(move |set| !(ours && set.rr_type == RrType::ZONEMD)).count();
    sets(mine) == sets(theirs)
        && mine.rrsets().filter(|set| !(ours && set.rr_type == RrType::ZONEMD)).all(|set| {
            let Some(other) = theirs.get(set.rr_type).filter(|other| other.ttl_s == set.ttl_s) else { return false };
            match set.rr_type == RrType::SOA {
                true => {
                    let zeroed = |rdatas| Rdatas(rdatas).next().map(|rdata| with_serial(rdata, 0));
                    zeroed(set.rdatas) == zeroed(other.rdatas)
                }
                false => set.rdatas == other.rdatas,
            }
        })
}

/// The canonical order of two owners in wire form, for whoever compares two versions name by name.
pub fn order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    canonical_order(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Name;

    const FILE: &str = "@ 60 IN SOA ns h 7 1 1 1 1\n@ 60 IN NS ns\n@ 60 IN ZONEMD 7 1 1 \
        000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001\nns 60 IN A 192.0.2.1\n";

    fn read(text: &str, digest: Digest) -> StaticZone {
        StaticZone::read_with(text, &Name::from_text("example.").unwrap(), digest).unwrap()
    }

    #[test]
    fn serials_are_compared_as_rfc_1982_says() {
        for (a, b, after) in [
            (1, 0, true),
            (0, 1, false),
            (0, 0, false),
            (0, u32::MAX, true),
            (1 << 31, 0, false),
            (0, 1 << 31, false),
            ((1 << 31) - 1, 0, true),
            (5, 1 << 31, false),
            (4, (1 << 31) + 5, true),
        ] {
            assert_eq!(is_after(a, b), after, "{a} after {b}");
        }
    }

    #[test]
    fn a_version_has_its_serial_in_soa_and_zonemd() {
        let mut zone = read(FILE, Digest::Ours);
        assert_eq!(zone.serial(), 7);
        zone.renumber(u32::MAX);
        zone.put_digest(&[9; DIGEST_OCTETS]);
        assert_eq!(zone.serial(), u32::MAX);
        let zonemd = zone.node(zone.apex()).unwrap().get(RrType::ZONEMD).unwrap();
        assert_eq!((zonemd.ttl_s, zonemd.iter().count()), (60, 1));
        let rdata = zonemd.iter().next().unwrap();
        assert_eq!((&rdata[..6], &rdata[6..]), (&[255, 255, 255, 255, 1, 1][..], &[9; DIGEST_OCTETS][..]));
        let as_written = read(FILE, Digest::AsInFile);
        let kept = as_written.node(as_written.apex()).unwrap().get(RrType::ZONEMD).unwrap();
        assert_eq!(kept.iter().next().unwrap().last(), Some(&1));
    }

    #[test]
    fn serial_and_digest_make_no_difference_and_everything_else_does() {
        let zone = read(FILE, Digest::Ours);
        let mut later = read(&FILE.replace(" 7 ", " 8 "), Digest::Ours);
        later.put_digest(&[3; DIGEST_OCTETS]);
        assert!(zone.holds_the_same_as(&later) && later.holds_the_same_as(&zone));
        for (from, to) in [
            ("192.0.2.1", "192.0.2.2"),
            ("ns 60", "ns 61"),
            ("7 1 1 1 1", "7 1 1 1 2"),
            ("ns 60 IN A", "n 60 IN A"),
            ("@ 60 IN NS ns\n", "@ 60 IN NS ns\n@ 60 IN TXT \"more\"\n"),
            ("@ 60 IN NS ns\n", "@ 60 IN NS ns\nx 60 IN A 192.0.2.1\n"),
        ] {
            let other = read(&FILE.replacen(from, to, 1), Digest::Ours);
            assert!(!zone.holds_the_same_as(&other) && !other.holds_the_same_as(&zone), "{to}");
        }
        assert!(!zone.holds_the_same_as(&read(FILE, Digest::AsInFile)));
    }
}
