//! What changed between two versions of a static zone: a step of the journal, or a list for people.

use std::cmp::Ordering;

use super::SignFault;
use super::version::Version;
use crate::wire::RrType;
use crate::zone::journal::Entry;
use crate::zone::records::{self, Record};
use crate::zone::version::order;

/// The records that went and that came, SOA among them, as rows in canonical order.
#[derive(Default)]
pub struct Difference {
    /// In the old version alone.
    pub removed: Vec<u8>,
    /// In the new version alone.
    pub added: Vec<u8>,
}

impl Difference {
    /// Compares two versions of one zone. Gives up with `None` where both rows together grow beyond `octets_max`.
    pub fn between(old: &Version, new: &Version, octets_max: usize) -> Result<Option<Self>, SignFault> {
        let mut difference = Self::default();
        let (mut here, mut there) = (Names::of(old), Names::of(new));
        here.step()?;
        there.step()?;
        loop {
            let side = match (here.owner(), there.owner()) {
                (None, None) => return Ok(Some(difference)),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => order(a, b),
            };
            match side {
                Ordering::Less => difference.removed.extend_from_slice(&here.row),
                Ordering::Greater => difference.added.extend_from_slice(&there.row),
                Ordering::Equal => difference.name(&here.row, &there.row),
            }
            if difference.removed.len() + difference.added.len() > octets_max {
                return Ok(None);
            }
            if side.is_le() {
                here.step()?;
            }
            if side.is_ge() {
                there.step()?;
            }
        }
    }

    /// The step of the journal: each row with its SOA in front (RFC 1995 4).
    pub fn entry(self) -> Option<Entry> {
        let soa_first = |row: Vec<u8>| {
            let mut sorted = Vec::with_capacity(row.len());
            let is_soa = |record: &Record<'_>| record.rr_type == RrType::SOA;
            records::each(&row).filter(is_soa).for_each(|soa| records::push(&mut sorted, soa));
            records::each(&row).filter(|r| !is_soa(r)).for_each(|record| records::push(&mut sorted, record));
            sorted
        };
        Entry::new(soa_first(self.removed), soa_first(self.added))
    }

    /// One name that both versions have; its records come by type and RDATA.
    fn name(&mut self, old: &[u8], new: &[u8]) {
        if old == new {
            return;
        }
        let (mut old, mut new) = (records::each(old).peekable(), records::each(new).peekable());
        loop {
            let side = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => (a.rr_type, a.rdata, a.ttl_s).cmp(&(b.rr_type, b.rdata, b.ttl_s)),
            };
            match side {
                Ordering::Less => old.next().into_iter().for_each(|record| records::push(&mut self.removed, record)),
                Ordering::Greater => new.next().into_iter().for_each(|record| records::push(&mut self.added, record)),
                Ordering::Equal => {
                    old.next();
                    new.next();
                }
            }
        }
    }
}

/// A walk over the names of a version that have records.
struct Names<'a> {
    version: &'a Version,
    next: usize,
    row: Vec<u8>,
}

impl<'a> Names<'a> {
    fn of(version: &'a Version) -> Self {
        Self { version, next: 0, row: Vec::new() }
    }

    /// Goes to the next name; the row is empty at the end.
    fn step(&mut self) -> Result<(), SignFault> {
        self.row.clear();
        while self.row.is_empty() && self.next < self.version.names() {
            self.version.push_name(self.next, &mut self.row)?;
            self.next += 1;
        }
        Ok(())
    }

    fn owner(&self) -> Option<&[u8]> {
        records::first(&self.row).map(|(record, _)| record.owner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ring::rand::SystemRandom;

    use super::*;
    use crate::dnssec::ZoneKeys;
    use crate::wire::Name;
    use crate::zone::{Denial, Digest, StaticZone};

    const OLD: &str =
        "@ 60 IN SOA ns h 1 1 1 1 1\n@ IN NS ns\nns IN A 192.0.2.1\ngone IN A 192.0.2.2\nttl 60 IN A 192.0.2.3\n";
    const NEW: &str = "@ 60 IN SOA ns h 2 1 1 1 1\n@ IN NS ns\nns IN A 192.0.2.1\nns IN A 192.0.2.9\nttl 61 IN A 192.0.2.3\nnew.x IN TXT a\n";

    fn zone(text: &str, digest: Digest, denial: Denial) -> StaticZone {
        StaticZone::read_denying(text, &Name::from_text("example.").unwrap(), digest, denial).unwrap()
    }

    fn told(row: &[u8]) -> Vec<String> {
        let name = |record: &Record<'_>| Name::from_wire(record.owner).unwrap().to_text();
        records::each(row).map(|record| format!("{} {} {}", name(&record), record.ttl_s, record.rr_type)).collect()
    }

    #[test]
    fn what_went_and_what_came() {
        let [old, new] = [OLD, NEW].map(|text| Version::unsigned(zone(text, Digest::AsInFile, Denial::Nsec)));
        let difference = Difference::between(&old, &new, usize::MAX).unwrap().unwrap();
        assert_eq!(told(&difference.removed), ["example. 60 SOA", "gone.example. 60 A", "ttl.example. 60 A"]);
        assert_eq!(
            told(&difference.added),
            ["example. 60 SOA", "ns.example. 60 A", "ttl.example. 61 A", "new.x.example. 61 TXT"]
        );
        let entry = difference.entry().unwrap();
        assert_eq!((entry.from, entry.to), (1, 2));
        assert!(Difference::between(&old, &new, 50).unwrap().is_none());
        let same = Difference::between(&old, &old, 0).unwrap().unwrap();
        assert!(same.removed.is_empty() && same.added.is_empty() && same.entry().is_none());
    }

    #[test]
    fn a_signed_step_applied_to_the_old_version_gives_the_new_one() {
        use Denial::{Nsec, Nsec3};
        // SOA, NS, DNSKEY, ZONEMD and three more sets; with four NSEC, or with five NSEC3 and their parameters.
        for (before, after, signatures) in [(Nsec, Nsec, 11), (Nsec3, Nsec3, 13), (Nsec, Nsec3, 13), (Nsec3, Nsec, 11)]
        {
            step(before, after, signatures);
        }
    }

    fn step(denied_before: Denial, denied_after: Denial, signatures: usize) {
        let random = SystemRandom::new();
        let keys = || Arc::new(ZoneKeys::in_memory(&random).unwrap());
        let all = |version: &Version| {
            let mut row = Vec::new();
            (0..version.names()).for_each(|id| version.push_name(id, &mut row).unwrap());
            row
        };
        let version = |text, denial, before: Option<&Version>, threads| {
            let keys = before.map_or_else(keys, |version| version.keys().unwrap().clone());
            let zone = zone(text, Digest::Ours, denial);
            Version::signed(zone, keys, 1_800_000_000, before, (&random, threads)).unwrap()
        };
        let old = version(OLD, denied_before, None, 1);
        let new = version(NEW, denied_after, Some(&old), 3);
        let difference = Difference::between(&old, &new, usize::MAX).unwrap().unwrap();
        let (before, after) = (all(&old), all(&new));
        let removed: Vec<Record<'_>> = records::each(&difference.removed).collect();
        let mut kept: Vec<Record<'_>> = records::each(&before).filter(|record| !removed.contains(record)).collect();
        assert_eq!(kept.len() + removed.len(), records::each(&before).count());
        let is_ns_signature = |record: &&Record<'_>| record.rdata.starts_with(&RrType::NS.0.to_be_bytes());
        assert_eq!(kept.iter().filter(is_ns_signature).count(), 1, "what did not change keeps its signature");
        kept.extend(records::each(&difference.added));
        kept.sort_by(|a, b| order(a.owner, b.owner).then((a.rr_type, a.rdata).cmp(&(b.rr_type, b.rdata))));
        assert!(kept == records::each(&after).collect::<Vec<_>>());
        assert_eq!(told(&after).iter().filter(|line| line.ends_with("RRSIG")).count(), signatures);
        let facts = new.facts(2).unwrap();
        let again = Version::restored(zone_of(&new), Some(new.keys().unwrap().clone()), &facts).unwrap();
        assert!(all(&again) == after && again.zone().denial() == denied_after);
        assert!(Version::restored(zone_of(&new), Some(keys()), &facts).is_none(), "other keys, another version");
    }

    /// A name that is also where a hash stands: one row, in the digest once and in its order.
    #[test]
    fn a_name_that_looks_like_a_hash_has_all_its_records_together() {
        let random = SystemRandom::new();
        let hash = data_encoding::BASE32_DNSSEC.encode(&crate::zone::hashed::hash(b"\x07example\0"));
        let zone = zone(&format!("{OLD}{hash} IN TXT \"a name\"\n"), Digest::Ours, Denial::Nsec3);
        let keys = Arc::new(ZoneKeys::in_memory(&random).unwrap());
        let version = Version::signed(zone, keys, 1_800_000_000, None, (&random, 1)).unwrap();
        let (mut row, mut owners) = (Vec::new(), Vec::new());
        for at in 0..version.names() {
            row.clear();
            version.push_name(at, &mut row).unwrap();
            owners.extend(records::first(&row).map(|(record, _)| record.owner.to_vec()));
            if told(&row).first().is_some_and(|line| line.starts_with(&hash)) {
                let types: Vec<RrType> = records::each(&row).map(|record| record.rr_type).collect();
                assert_eq!(types, [RrType::TXT, RrType::RRSIG, RrType::RRSIG, RrType::NSEC3]);
            }
        }
        assert!(owners.windows(2).all(|pair| order(&pair[0], &pair[1]).is_lt()));
        // Five names with a hash each, one of which stands at a name.
        assert_eq!(owners.len(), 5 + 5 - 1);
    }

    fn zone_of(version: &Version) -> StaticZone {
        let mut file = Vec::new();
        crate::zone::stored::write(version.zone(), &version.facts(0).unwrap(), &mut file).unwrap();
        crate::zone::stored::read(&file, version.zone().apex()).unwrap().0
    }
}
