//! What we do differently on purpose. Each has its row in docs/STANDARDS.md, "Differences from other servers".

use std::collections::BTreeSet;

use callbook::wire::{Name, RrType};

use super::packet::{Question, Reply, Rr};
use super::same;
use super::servers::Kind;
use crate::source;

/// One question and what everybody said.
pub(super) struct Case<'a> {
    pub(super) apex: &'a Name,
    pub(super) question: &'a Question,
    pub(super) ours: &'a Reply,
    pub(super) peers: &'a [(Kind, Reply)],
}

/// A difference: the first words of its row, and whether it explains a case. Narrow, so that another one is not hidden.
type Difference = (&'static str, fn(&Case<'_>) -> bool);

const DIFFERENCES: [Difference; 6] = [
    ("servers and addresses beside a positive answer", |case| {
        !case.ours.answer.is_empty() && case.ours.additional.is_empty() && case.agreed_when_bare()
    }),
    ("addresses from a wildcard in a referral", |case| {
        case.is_below("starry.cuts.test.") && case.ours.additional.is_empty() && case.agreed_when_bare()
    }),
    ("the length of a chain of aliases", |case| {
        let knot = case.peer(Kind::Knot);
        case.is_below("grow.dname.test.")
            && (case.ours.rcode, case.ours.flags & !super::CD) == (knot.rcode, knot.flags)
            && case.ours.answer.iter().filter(|rr| RrType(rr.rr_type) == RrType::CNAME).count() == 9
            && knot.answer.is_subset(&case.ours.answer)
    }),
    ("an alias that leads into another zone of the server", |case| {
        let referral = case.ours.authority.iter().all(|rr| RrType(rr.rr_type) == RrType::NS);
        referral && !case.ours.answer.is_empty() && same(case.question, case.ours, case.peer(Kind::Knot))
    }),
    ("the proof of NODATA from a wildcard without data", |case| {
        // Knot's proof and NSD's together: NSD has ours but where an alias led there, and then only the other half of it.
        let (short, nsd) = (&case.peer(Kind::Knot).authority, case.peer(Kind::Nsd));
        let both: BTreeSet<Rr> = short.union(&nsd.authority).cloned().collect();
        let whole = Reply { authority: both, ..nsd.clone() };
        (case.is_below("stars.test.") || case.is_below("rand.test."))
            && same(case.question, case.ours, &whole)
            && case.ours.authority.len() == short.len() + 2
    }),
    ("the proof of NODATA from a wildcard by hashes, for a name that begins with a star", |case| {
        let shorter = [Kind::Knot, Kind::Nsd].map(|kind| &case.peer(kind).authority);
        case.question.name().labels().next() == Some(b"*")
            && case.ours.answer.is_empty()
            && same(case.question, case.ours, case.peer(Kind::Bind))
            && shorter.iter().all(|authority| authority.is_subset(&case.ours.authority))
    }),
];

/// Whether a difference is explained.
pub(super) fn explains(case: &Case<'_>) -> bool {
    DIFFERENCES.iter().any(|(_, explains)| explains(case))
}

impl Case<'_> {
    fn peer(&self, kind: Kind) -> &Reply {
        self.peers.iter().find(|(k, _)| *k == kind).map(|(_, reply)| reply).expect("all peers were asked")
    }

    fn is_below(&self, apex: &str) -> bool {
        self.question.name().offset_of(&Name::from_text(apex).expect("a name")).is_some()
    }

    /// Whether two peers say what we say when their additional sections and the NS of the apex are left out.
    fn agreed_when_bare(&self) -> bool {
        let apex = self.apex.to_text();
        let bare = |reply: &Reply| {
            let mut bare = Reply { additional: Default::default(), ..reply.clone() };
            let ns = |rr: &Rr| {
                let signed = RrType(rr.rr_type) == RrType::RRSIG && rr.rdata.starts_with(&RrType::NS.0.to_be_bytes());
                rr.owner == apex && (signed || RrType(rr.rr_type) == RrType::NS)
            };
            bare.authority.retain(|rr| !ns(rr));
            bare
        };
        self.peers.iter().filter(|(_, peer)| same(self.question, self.ours, &bare(peer))).count() > 1
    }
}

#[test]
fn every_difference_has_its_row() {
    let text = source::read(&source::root().join("docs/STANDARDS.md"));
    for (name, _) in DIFFERENCES {
        assert!(text.lines().any(|line| line.starts_with(&format!("| {name} |"))), "docs/STANDARDS.md: no row {name}");
    }
}
