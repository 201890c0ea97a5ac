//! Answers in a zone of numbers: the digit tree and the hash trees, where every absence looks the same (DNS.md 3).

use super::fixed;
use super::respond::Stop;
use super::signed::{Reply, Set};
use super::worker::Scratch;
use crate::dnssec::Window;
use crate::log::record::Prefix;
use crate::number::DIGITS_MAX;
use crate::number::shortest::shortest;
use crate::wire::answer::Section;
use crate::wire::{Name, RrType};
use crate::zone::{Found, NumberZone, Owned};

/// The key that no number has: what impossible names look up, so that they cost what possible ones cost.
const NOBODY: u64 = 0;

/// Where in the zone a name lies.
enum Place {
    /// The apex and whatever is neither a digit name nor below a hash label: static data.
    Fixed,
    /// At or below a single digit under the apex: perhaps a number (`key`), perhaps one of its labels. `charged` if the
    /// digits are as many as a whole number of its country has: shorter prefixes tell nothing, and resolvers that
    /// minimise names (RFC 9156) ask for all of them.
    Digits { key: u64, charged: bool, data: Option<Owned> },
    /// At or below `_openpgpkey` or `_smimecert`: perhaps the hash of a number.
    Hashed { hash: Option<[u8; 28]>, prefix: Prefix },
}

/// Answers any name at or below the apex of `zone`.
pub(super) fn answer(reply: &mut Reply<'_, '_, '_>, zone: &NumberZone, name: &Name, qtype: RrType) -> Result<(), Stop> {
    let (asked, charged, data) = match place(name, zone.apex()) {
        Place::Fixed => return fixed::answer(reply, name, qtype),
        Place::Digits { key, charged, data } => {
            if zone.fixed().has_cuts()
                && let Found::Cut { node, exact } = zone.fixed().find(name)
            {
                return fixed::cut(reply, node, exact, qtype);
            }
            (Asked::Key(key), charged, data)
        }
        Place::Hashed { hash, prefix } => (Asked::Hash(hash), true, Some(Owned::Records(prefix))),
    };
    if charged {
        reply.charge(None)?;
    }
    let mut scratch = std::mem::take(&mut reply.worker.scratch);
    let done = look_up(reply, zone, name, qtype, asked, Lookup { charged, data }, &mut scratch);
    reply.worker.scratch = scratch;
    done
}

/// How a number is looked up.
enum Asked {
    Key(u64),
    Hash(Option<[u8; 28]>),
}

/// What is asked of it.
struct Lookup {
    charged: bool,
    data: Option<Owned>,
}

fn look_up(
    reply: &mut Reply<'_, '_, '_>,
    zone: &NumberZone,
    name: &Name,
    qtype: RrType,
    asked: Asked,
    Lookup { charged, data }: Lookup,
    Scratch { facts, rdatas }: &mut Scratch,
) -> Result<(), Stop> {
    let found = match asked {
        Asked::Key(key) => zone.published(key, reply.now_s, facts),
        Asked::Hash(hash) => {
            zone.published_by_hash(&hash.unwrap_or_default(), reply.now_s, facts).filter(|_| hash.is_some())
        }
    };
    if charged && !reply.worker.is_resumed() {
        reply.worker.counters.number_asked(found.is_some());
        reply.charge(Some(found.is_none()))?;
    }
    reply.answer.authoritative(true);
    rdatas.clear();
    let set = found.as_ref().zip(data).and_then(|((entry, packed), owned)| {
        let slot = match owned {
            Owned::Records(prefix) => entry.slot(packed, prefix),
            Owned::Keys => None,
        };
        let window = Window::Number { not_after_s: packed.not_after_s };
        owned.rdatas(packed, rdatas).then_some((owned.rr_type(), window, slot))
    });
    let ttl_s = zone.ttls().positive_s;
    uniform(reply, name, qtype, set.map(|(rr_type, window, slot)| Set::new(name, rr_type, ttl_s, rdatas, window, slot)))
}

/// The one shape of answers below digits: the RRset that was asked for, or the NSEC that says what there is.
fn uniform(reply: &mut Reply<'_, '_, '_>, name: &Name, qtype: RrType, set: Option<Set<'_>>) -> Result<(), Stop> {
    let types = set.map(|set| set.rr_type);
    match qtype {
        RrType::NSEC if reply.is_signed() => reply.put_nsec(Section::Answer, name, &name.successor(), types),
        RrType::RRSIG if reply.is_signed() => reply.put_nsec_rrsig(name, &name.successor(), types),
        _ => match set.filter(|set| set.rr_type == qtype || qtype == RrType::ANY) {
            Some(set) => reply.put(Section::Answer, set),
            None => {
                reply.put_soa(Section::Authority)?;
                match reply.signing() {
                    Some(_) => reply.put_nsec(Section::Authority, name, &name.successor(), types),
                    None => Ok(()),
                }
            }
        },
    }
}

/// Reads the labels from the left in one pass: an underscore label at most, then digits up to the apex.
fn place(name: &Name, apex: &Name) -> Place {
    let below = name.label_count().saturating_sub(apex.label_count());
    let (mut key, mut scale, mut digits, mut top) = (0u64, 1u64, 0usize, 0u8);
    let (mut first, mut second, mut last): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let mut shaped = true;
    for (i, label) in name.labels().take(below.into()).enumerate() {
        match (i, label) {
            (_, [digit @ b'0'..=b'9']) => {
                if digits < DIGITS_MAX {
                    key += u64::from(digit - b'0') * scale;
                    scale *= 10;
                }
                digits += 1;
                top = *digit;
            }
            (0, _) => {}
            _ => shaped = false,
        }
        match i {
            0 => first = label,
            1 => second = label,
            _ => {}
        }
        last = label;
    }
    match last {
        [b'0'..=b'9'] => {
            let data = if first.len() == 1 && digits == usize::from(below) {
                Some(Owned::Records(Prefix::Naptr))
            } else {
                Owned::of_label(first)
            };
            // A number has at most 15 digits and does not start with 0.
            let possible = shaped && digits <= DIGITS_MAX && top != b'0';
            let charged = digits > DIGITS_MAX || digits >= shortest(key, digits);
            Place::Digits { key: if possible { key } else { NOBODY }, charged, data }
        }
        b"_openpgpkey" => Place::Hashed { hash: hash(first, second, below), prefix: Prefix::OpenPgpKey },
        b"_smimecert" => Place::Hashed { hash: hash(first, second, below), prefix: Prefix::SmimeCert },
        _ => Place::Fixed,
    }
}

/// The 28 octets that `<56 hex digits>._openpgpkey` names.
fn hash(first: &[u8], second: &[u8], below: u8) -> Option<[u8; 28]> {
    let mut hash = [0u8; 28];
    if below != 2 || second.first() != Some(&b'_') || first.len() != 2 * hash.len() {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).map(|n| n as u8);
    for (into, pair) in hash.iter_mut().zip(first.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *into = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(hash)
}
