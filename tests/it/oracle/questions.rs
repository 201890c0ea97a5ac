//! A seeded stream of questions about a zone: its names and their neighbourhood, all types, every flag.

use callbook::wire::{Name, RrType};

use super::packet::{Edns, Question};

/// SplitMix64: small, seeded, the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Every type that means something to an answer, and some that mean nothing to anybody.
const TYPES: [u16; 27] =
    [1, 1, 1, 2, 2, 5, 5, 6, 12, 15, 16, 16, 28, 33, 35, 39, 39, 43, 43, 46, 47, 48, 51, 255, 257, 1_234, 65_280];
const LABELS: [&[u8]; 16] = [
    b"a",
    b"b",
    b"x",
    b"zz",
    b"*",
    b"www",
    b"ns",
    b"_tcp",
    b"\x00",
    b"\xff",
    b"A.B",
    b"-",
    b"0",
    b"sub",
    b"ns1",
    b"a-label-of-the-greatest-length-that-a-label-can-have-which-is-63",
];

/// `count` questions about names in and around a zone whose names are `names`, after one for every name and main type.
pub(crate) fn questions(apex: &Name, names: &[Name], count: usize, random: &mut Random) -> Vec<Question> {
    let mut all = Vec::new();
    for name in names {
        for qtype in [RrType::A, RrType::NS, RrType::DS, RrType::TXT, RrType::CNAME] {
            all.push(question(name, qtype, random));
        }
    }
    while all.len() < count {
        let name = neighbour(apex, names, random);
        let qtype = RrType(*random.pick(&TYPES));
        all.push(question(&name, qtype, random));
    }
    all
}

fn neighbour(apex: &Name, names: &[Name], random: &mut Random) -> Name {
    let name = *random.pick(names);
    let grown = match random.below(10) {
        0..3 => Some(name),
        3..6 => below(&name, 1, random),
        6 => below(&name, 3, random),
        7 => below(&name.parent(), 1, random).filter(|_| name != *apex),
        8 if random.one_in(3) => Some(name.parent()),
        8 => below(&name, 40, random),
        _ => name.labels().next().map(<[u8]>::to_vec).and_then(|label| name.prepend(&label)),
    };
    grown.unwrap_or(name)
}

/// Puts labels in front until there are enough or the name is full.
fn below(name: &Name, labels_max: usize, random: &mut Random) -> Option<Name> {
    let mut grown = *name;
    for _ in 0..=random.below(labels_max) {
        let label = match random.below(3) {
            0 => (0..=random.below(12)).map(|_| b'a' + random.below(26) as u8).collect(),
            _ => random.pick(&LABELS).to_vec(),
        };
        match grown.prepend(&label) {
            Some(longer) => grown = longer,
            None => break,
        }
    }
    Some(grown)
}

fn question(name: &Name, qtype: RrType, random: &mut Random) -> Question {
    let mut qname = name.as_wire().to_vec();
    if random.one_in(2) {
        for octet in &mut qname {
            // A length octet is at most 63, below every letter.
            if octet.is_ascii_alphabetic() && random.one_in(2) {
                *octet ^= 0x20;
            }
        }
    }
    let edns = Edns {
        version: u8::from(random.one_in(40)),
        udp_octets: *random.pick(&[0, 512, 513, 800, 1_231, 1_232, 1_233, 1_400, 4_096, 65_535]),
        dnssec_ok: random.one_in(2),
    };
    Question { qname, qtype, edns: (!random.one_in(4)).then_some(edns), rd: random.one_in(3), cd: random.one_in(5) }
}
