//! Questions as packets, and answers in a form that two servers can be compared by: names whole and in lower case.

use std::collections::BTreeSet;
use std::fmt;

use callbook::wire::{Name, RrType};

/// One question with everything that an asker can vary.
#[derive(Clone)]
pub(crate) struct Question {
    /// Wire form, in the case in which it is asked.
    pub(crate) qname: Vec<u8>,
    pub(crate) qtype: RrType,
    pub(crate) edns: Option<Edns>,
    pub(crate) rd: bool,
    pub(crate) cd: bool,
}

/// What the OPT record of a question says.
#[derive(Clone, Copy)]
pub(crate) struct Edns {
    pub(crate) version: u8,
    pub(crate) udp_octets: u16,
    pub(crate) dnssec_ok: bool,
}

/// One record; the section's order says nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rr {
    pub(crate) owner: String,
    pub(crate) rr_type: u16,
    pub(crate) ttl_s: u32,
    pub(crate) rdata: Vec<u8>,
}

/// An answer, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) rcode: u16,
    /// AA, TC, RD, RA, AD, CD as they stand in the header.
    pub(crate) flags: u16,
    pub(crate) question: Vec<u8>,
    pub(crate) answer: BTreeSet<Rr>,
    pub(crate) authority: BTreeSet<Rr>,
    pub(crate) additional: BTreeSet<Rr>,
    pub(crate) edns: bool,
    /// A record stands twice in one section.
    pub(crate) doubled: bool,
    pub(crate) octets: usize,
}

pub(crate) const AA: u16 = 0x0400;
pub(crate) const AD: u16 = 0x0020;
pub(crate) const TC: u16 = 0x0200;
pub(crate) const CD: u16 = 0x0010;
const OPT: u16 = 41;

impl Question {
    pub(crate) fn packet(&self, id: u16) -> Vec<u8> {
        let flags = u16::from(self.rd) << 8 | u16::from(self.cd) << 4;
        let words = [id, flags, 1, 0, 0, u16::from(self.edns.is_some())];
        let mut packet: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        packet.extend_from_slice(&self.qname);
        packet.extend([self.qtype.0, 1].iter().flat_map(|w| w.to_be_bytes()));
        if let Some(edns) = self.edns {
            let [size_hi, size_lo] = edns.udp_octets.to_be_bytes();
            let dnssec_ok = u8::from(edns.dnssec_ok) << 7;
            packet.extend_from_slice(&[0, 0, OPT as u8, size_hi, size_lo, 0, edns.version, dnssec_ok, 0, 0, 0]);
        }
        packet
    }

    /// The QNAME without its case.
    pub(crate) fn name(&self) -> Name {
        Name::from_wire(&self.qname).expect("the generator makes names")
    }

    /// Octets that an answer over UDP may have.
    pub(crate) fn limit(&self) -> usize {
        self.edns.map_or(512, |edns| usize::from(edns.udp_octets).clamp(512, 1_232))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name().to_text(), self.qtype)?;
        if let Some(edns) = self.edns {
            write!(f, " edns={}/{} do={}", edns.version, edns.udp_octets, u8::from(edns.dnssec_ok))?;
        }
        write!(f, " rd={} cd={}", u8::from(self.rd), u8::from(self.cd))
    }
}

impl Reply {
    /// Reads an answer; none if it is not well-formed.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
        let (flags, questions) = (word(2)?, word(4)?);
        let mut at = 12;
        for _ in 0..questions {
            at = name(packet, at)?.1 + 4;
        }
        let mut reply = Self {
            rcode: flags & 15,
            flags: flags & 0x07f0,
            question: packet.get(12..at)?.to_vec(),
            answer: BTreeSet::new(),
            authority: BTreeSet::new(),
            additional: BTreeSet::new(),
            edns: false,
            doubled: false,
            octets: packet.len(),
        };
        for (section, count) in [word(6)?, word(8)?, word(10)?].into_iter().enumerate() {
            for _ in 0..count {
                let (owner, fixed) = name(packet, at)?;
                let (rr_type, octets) = (word(fixed)?, usize::from(word(fixed + 8)?));
                let ttl_s = u32::from(word(fixed + 4)?) << 16 | u32::from(word(fixed + 6)?);
                at = fixed + 10 + octets;
                if rr_type == OPT {
                    (reply.edns, reply.rcode) = (true, reply.rcode | (ttl_s >> 24 << 4) as u16);
                    continue;
                }
                let rr = Rr { owner, rr_type, ttl_s, rdata: rdata(packet, rr_type, fixed + 10, octets)? };
                let into = [&mut reply.answer, &mut reply.authority, &mut reply.additional];
                reply.doubled |= !into.into_iter().nth(section)?.insert(rr);
            }
        }
        (at == packet.len()).then_some(reply)
    }

    /// Leaves out what every signer makes differently: keys, and of signatures all but what was signed by which algorithm.
    pub(crate) fn forget_keys(&mut self) {
        for section in [&mut self.answer, &mut self.authority, &mut self.additional] {
            let forget = |mut rr: Rr| {
                match RrType(rr.rr_type) {
                    // Its TTL is the signer's choice, for nobody but other signers asks for it.
                    RrType::RRSIG if rr.rdata.starts_with(&RrType::NSEC3PARAM.0.to_be_bytes()) => {
                        rr.rdata.truncate(4);
                        rr.ttl_s = 0;
                    }
                    RrType::NSEC3PARAM => rr.ttl_s = 0,
                    RrType::RRSIG => rr.rdata.truncate(8), // type covered, algorithm, labels, original TTL
                    RrType::DNSKEY => rr.rdata.truncate(4),
                    _ => {}
                }
                rr
            };
            *section = std::mem::take(section).into_iter().map(forget).collect();
        }
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.flags & TC != 0
    }
}

/// A name that may be compressed, in lower-case text, and where the octets after it begin.
fn name(packet: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut wire, mut at, mut after, mut hops) = (Vec::new(), start, None, 0);
    loop {
        match usize::from(*packet.get(at)?) {
            0 => break,
            octets @ 1..=63 => {
                wire.extend_from_slice(packet.get(at..=at + octets)?);
                at += 1 + octets;
            }
            high @ 0xc0.. => {
                after = after.or(Some(at + 2));
                at = (high & 0x3f) << 8 | usize::from(*packet.get(at + 1)?);
                hops += 1;
                if hops > 20 {
                    return None;
                }
            }
            _ => return None,
        }
    }
    wire.push(0);
    Some((Name::from_wire(&wire)?.to_text(), after.unwrap_or(at + 1)))
}

/// RDATA with the names written out of the types that have some, of which those of RFC 1035 may be compressed.
fn rdata(packet: &[u8], rr_type: u16, at: usize, octets: usize) -> Option<Vec<u8>> {
    let (names_at, names) = match rr_type {
        2 | 5 | 12 | 39 => (0, 1),
        6 | 14 | 17 => (0, 2),
        15 | 18 | 21 | 36 => (2, 1),
        26 => (2, 2),
        33 => (6, 1),
        _ => return Some(packet.get(at..at + octets)?.to_vec()),
    };
    let (mut out, mut here) = (packet.get(at..at + names_at)?.to_vec(), at + names_at);
    for _ in 0..names {
        let (text, after) = name(packet, here)?;
        out.extend_from_slice(Name::from_text(&text).ok()?.as_wire());
        here = after;
    }
    out.extend_from_slice(packet.get(here..at + octets)?);
    Some(out)
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |mask: u16, name: &'static str| if self.flags & mask != 0 { name } else { "" };
        let flags = [(AA, " aa"), (TC, " tc"), (0x100, " rd"), (0x80, " ra"), (0x20, " ad"), (0x10, " cd")];
        let flags: String = flags.into_iter().map(|(mask, name)| set(mask, name)).collect();
        writeln!(f, "rcode {}{flags} edns={} octets={}", self.rcode, self.edns, self.octets)?;
        for (title, section) in [("AN", &self.answer), ("AU", &self.authority), ("AD", &self.additional)] {
            for rr in section {
                let rdata: String = rr.rdata.iter().take(48).map(|b| b.escape_ascii().to_string()).collect();
                writeln!(f, "    {title} {} {} {} {rdata}", rr.owner, rr.ttl_s, RrType(rr.rr_type))?;
            }
        }
        Ok(())
    }
}
