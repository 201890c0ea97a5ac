//! A zone as a master file, plain or signed with a chain of denials: for escrow and for judges such as `ldns-verify-zone`.
//!
//! Whoever has this file has the list of all numbers, and its chain is that list once more, hashed or not: never serve it
//! (DNS.md 9). The file is in the canonical order of RFC 4034 6.1 from its first record to its last, NSEC3 records among
//! the others, so two exports of one state differ in nothing but signatures.

mod chain;
mod crew;
mod lines;
mod order;
mod sheet;
mod zonemd;

use std::io::{self, Write};
use std::ops::Range;

use ring::rand::SecureRandom;

use self::chain::Chain;
use self::order::Place;
use self::sheet::Sheet;
use self::zonemd::Digester;
use super::keys::ZoneKeys;
use super::signer::SignFault;
use crate::wire::Name;
use crate::zone::{Denial, NumberZone, StaticZone};

/// Names that are written out together: large enough that handing over costs nothing, some 100 ms of signing.
const NAMES_PER_JOB: usize = 1_024;

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Writing failed.
    #[error("the export could not be written: {0}")]
    Io(#[from] io::Error),
    /// Signing failed.
    #[error(transparent)]
    Fault(#[from] SignFault),
    /// Two names have one NSEC3 hash: no chain can hold both (RFC 5155 7.1).
    #[error("two names of the zone have the same NSEC3 hash: export it with NSEC instead")]
    Collision,
}

/// What is exported. It must not change meanwhile.
#[derive(Clone, Copy)]
pub enum Contents<'a> {
    /// A number zone: static data and every number that is served.
    Numbers(&'a NumberZone),
    /// A zone from a master file.
    Fixed(&'a StaticZone),
}

/// Whether a ZONEMD record is added (RFC 8976).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zonemd {
    /// No digest.
    Without,
    /// Scheme SIMPLE, SHA-384.
    Sha384,
}

/// What signing takes.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// The zone's keys.
    pub keys: &'a ZoneKeys,
    /// Feeds the signatures.
    pub random: &'a (dyn SecureRandom + Sync),
    /// The chain.
    pub denial: Denial,
}

/// An export to be written.
#[derive(Clone, Copy)]
pub struct Export<'a> {
    /// Of what.
    pub zone: Contents<'a>,
    /// Numbers that are served then, signatures of the time slots of then. Unix seconds.
    pub now_s: u64,
    /// `None`: a plain file.
    pub signing: Option<Signing<'a>>,
    /// A digest of the whole at its end.
    pub zonemd: Zonemd,
}

/// What was written.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Names with data.
    pub names: u64,
    /// Records, signatures included.
    pub records: u64,
    /// Signatures.
    pub signatures: u64,
}

/// What is written out in one go.
enum Job {
    Names(Range<usize>),
    Chain(Range<usize>),
}

impl Export<'_> {
    /// Writes the file with all cores, a few hundred names at a time; `progress` is told (names done, names in all).
    pub fn write(self, out: &mut impl Write, mut progress: impl FnMut(u64, u64)) -> Result<Summary, ExportError> {
        let places = order::names(self.zone, self.now_s);
        let chain = match self.signing.map(|signing| signing.denial) {
            Some(Denial::Nsec3) => Chain::of(self.zone, &places)?,
            _ => Chain::default(),
        };
        let jobs = jobs(&places, &chain);
        let (total, mut done) = (places.len() as u64 + chain.links.len() as u64, 0);
        let mut summary = Summary { names: places.len() as u64, ..Summary::default() };
        let mut digester = Digester::new(self.zonemd);
        let sheet = || Sheet::new(&self, &places, &chain);
        crew::in_order(
            jobs.len(),
            |i| {
                let mut sheet = sheet();
                match &jobs[i] {
                    Job::Names(range) => range.clone().try_for_each(|at| sheet.name(at))?,
                    Job::Chain(range) => range.clone().try_for_each(|at| sheet.link(at))?,
                }
                Ok(sheet.finish())
            },
            |i, page: sheet::Page| {
                out.write_all(page.text.as_bytes())?;
                digester.take(&page.wire);
                summary.count(page.summary);
                done += match &jobs[i] {
                    Job::Names(range) | Job::Chain(range) => range.len() as u64,
                };
                progress(done, total);
                Ok::<(), ExportError>(())
            },
        )?;
        if let Some(digest) = digester.finish() {
            let mut last = sheet();
            last.zonemd(&digest)?;
            let page = last.finish();
            out.write_all(page.text.as_bytes())?;
            summary.count(page.summary);
        }
        out.flush()?;
        Ok(summary)
    }
}

/// Names and NSEC3 records take turns, as the canonical order has them: a hash is a label right below the apex.
fn jobs(places: &[Place], chain: &Chain) -> Vec<Job> {
    let (mut jobs, mut names, mut links) = (Vec::new(), 0, 0);
    let ends = chain.turns.iter().copied().chain([(places.len(), chain.links.len())]);
    for (names_end, links_end) in ends {
        jobs.extend(pieces(names..names_end).map(Job::Names));
        jobs.extend(pieces(links..links_end).map(Job::Chain));
        (names, links) = (names_end, links_end);
    }
    jobs
}

fn pieces(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(NAMES_PER_JOB).map(move |start| start..end.min(start + NAMES_PER_JOB))
}

impl<'a> Contents<'a> {
    fn fixed(self) -> &'a StaticZone {
        match self {
            Self::Numbers(zone) => zone.fixed(),
            Self::Fixed(zone) => zone,
        }
    }

    fn apex(self) -> &'a Name {
        self.fixed().apex()
    }

    /// The SOA as it is served, in the form of [`crate::wire::Rdatas`].
    fn soa_rdatas(self) -> Box<[u8]> {
        match self {
            Self::Numbers(zone) => zone.soa().rdatas.clone(),
            Self::Fixed(zone) => zone.soa().map_or_else(Box::default, |soa| soa.rdatas.into()),
        }
    }
}

impl Summary {
    fn count(&mut self, page: Self) {
        self.records += page.records;
        self.signatures += page.signatures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_every_link_is_written_once_and_in_turn() {
        let places = vec![Place::Fixed(0); 2 * NAMES_PER_JOB + 3];
        let link = chain::Link { hash: [0; 20], place: None };
        let chain = Chain { links: vec![link; 7], turns: vec![(1, 0), (NAMES_PER_JOB + 9, 5)] };
        let said: Vec<(bool, Range<usize>)> = jobs(&places, &chain)
            .into_iter()
            .map(|job| match job {
                Job::Names(range) => (true, range),
                Job::Chain(range) => (false, range),
            })
            .collect();
        let n = NAMES_PER_JOB;
        let expected = [
            (true, 0..1),
            (true, 1..n + 1),
            (true, n + 1..n + 9),
            (false, 0..5),
            (true, n + 9..2 * n + 3),
            (false, 5..7),
        ];
        assert_eq!(said, expected);
    }
}
