//! Zones that nobody thought out: a few labels, used again and again, so that wildcards, delegations, aliases and DNAMEs come
//! to stand above, below and beside each other.

use std::collections::BTreeMap;

use super::questions::Random;
use super::zones::Zone;

/// Apexes, one a zone.
const APEXES: [&str; 8] = [
    "r1.rand.test.",
    "r2.rand.test.",
    "r3.rand.test.",
    "r4.rand.test.",
    "r5.rand.test.",
    "r6.rand.test.",
    "r7.rand.test.",
    "r8.rand.test.",
];
/// Owners a zone: so few that most names are near something.
const OWNERS: usize = 24;
/// From the left; a star as often as any other.
const LABELS: [&str; 5] = ["a", "b", "c", "*", "w"];
const DEPTH_MAX: usize = 4;

/// A name below the apex, its labels from the left.
type Owner = Vec<&'static str>;

/// What stands at an owner.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Data,
    Alias,
    Dname,
    Cut,
}

/// So many zones, at most eight.
pub(super) fn zones(count: usize, random: &mut Random) -> Vec<Zone> {
    APEXES.into_iter().take(count).map(|apex| Zone::new(apex, &records(random))).collect()
}

fn records(random: &mut Random) -> String {
    let mut owners: BTreeMap<Owner, Kind> = BTreeMap::new();
    for _ in 0..OWNERS {
        let owner: Owner = (0..=random.below(DEPTH_MAX)).map(|_| *random.pick(&LABELS)).collect();
        let wild = owner[0] == "*";
        let kind = match random.below(10) {
            0..=4 => Kind::Data,
            5 | 6 => Kind::Alias,
            7 if !wild => Kind::Dname,
            _ if !wild => Kind::Cut,
            _ => Kind::Data,
        };
        // Nothing may stand below a DNAME, and no DNAME above something.
        let dname_above = owners.iter().any(|(other, kind)| *kind == Kind::Dname && is_below(&owner, other));
        let something_below = kind == Kind::Dname && owners.keys().any(|other| is_below(other, &owner));
        if dname_above || something_below || owners.contains_key(&owner) {
            continue;
        }
        owners.insert(owner, kind);
    }
    let all: Vec<Owner> = owners.keys().cloned().collect();
    let mut text = "@ IN NS ns\nns IN A 192.0.2.1\n".to_owned();
    for (owner, kind) in &owners {
        match kind {
            Kind::Data => text += &data(owner, random),
            Kind::Alias => text += &format!("{} IN CNAME {}\n", shown(owner), somewhere(&all, random)),
            Kind::Cut => text += &cut(owner, &owners, random),
            // Never to where a DNAME leads on: names that grow or go round are asked for elsewhere, with their limits.
            Kind::Dname => {
                let free = |to: &&Owner| {
                    owners.iter().all(|(other, kind)| {
                        *kind != Kind::Dname || *to != other && !is_below(to, other) && !is_below(other, to)
                    })
                };
                let free: Vec<&Owner> = all.iter().filter(free).collect();
                let to = if free.is_empty() {
                    "elsewhere.invalid.".to_owned()
                } else {
                    shown(free[random.below(free.len())])
                };
                text += &format!("{} IN DNAME {to}\n", shown(owner));
                if random.one_in(2) {
                    text += &format!("{} IN TXT \"beside a DNAME\"\n", shown(owner));
                }
            }
        }
    }
    text
}

fn is_below(name: &[&str], above: &[&str]) -> bool {
    name.len() > above.len() && name.ends_with(above)
}

fn shown(owner: &[&str]) -> String {
    owner.join(".")
}

fn data(owner: &[&str], random: &mut Random) -> String {
    let owner = shown(owner);
    let mut text = String::new();
    for (i, line) in ["A 192.0.2.77", "TXT \"some text\"", "MX 10 ns", "AAAA 2001:db8::77"].iter().enumerate() {
        if i == random.below(4) || random.one_in(3) {
            text += &format!("{owner} IN {line}\n");
        }
    }
    if text.is_empty() { format!("{owner} IN TXT \"alone\"\n") } else { text }
}

/// A name of the zone, one below it, or one elsewhere.
fn somewhere(all: &[Owner], random: &mut Random) -> String {
    let name = random.pick(all);
    match random.below(6) {
        0 => "www.elsewhere.invalid.".to_owned(),
        1 | 2 => format!("{}.{}", random.pick(&LABELS), shown(name)),
        _ => shown(name),
    }
}

/// A delegation to a server below it with glue, to one with data elsewhere in the zone, or out of it; with DS or without.
fn cut(owner: &[&'static str], owners: &BTreeMap<Owner, Kind>, random: &mut Random) -> String {
    let name = shown(owner);
    let mut text = String::new();
    // Glue would make a DNAME's owner one with something below it, and a name of data may already stand there.
    let below: Owner = [&["ns"], owner].concat();
    if random.one_in(2) && !owners.contains_key(&below) {
        text += &format!("{name} IN NS ns.{name}\nns.{name} IN A 192.0.2.{}\n", 2 + random.below(50));
    }
    if random.one_in(3) {
        text += &format!("{name} IN NS ns\n");
    }
    if text.is_empty() || random.one_in(3) {
        text += &format!("{name} IN NS ns.elsewhere.invalid.\n");
    }
    if random.one_in(2) {
        text += &format!("{name} IN DS 12345 13 2 {:064}\n", 1);
    }
    text
}
