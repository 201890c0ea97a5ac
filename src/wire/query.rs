//! The scan of a query: header, one question, OPT. Hostile input: everything is checked once, here, and nothing is kept.

use super::cookie::{self, Cookie};
use super::name::Name;
use super::rr::RrType;

/// Octets of a DNS header (RFC 1035 4.1.1).
pub const HEADER_OCTETS: usize = 12;
/// Most records that are looked through for an OPT; a query needs two at most (OPT and TSIG).
const ADDITIONAL_MAX: u16 = 8;

/// What a packet turned out to be. No `Debug`: see the room's rule.
#[expect(clippy::large_enum_variant, reason = "lives on the stack for one answer; a box would be an allocation")]
pub enum Scan<'a> {
    /// Not to be answered at all: too short, or itself a response (answering those can loop for ever).
    Drop,
    /// A header that can be answered, and nothing more of use: FORMERR, or NOTIMP for an opcode other than QUERY.
    Broken(Header),
    /// No question, and an OPT. With a cookie the asker wants the server's half, or to know that it still counts (RFC 7873
    /// 5.4); without one it is a format error, which is answered with OPT (RFC 6891 6.1.1).
    NoQuestion(Header, Edns),
    /// A well-formed message with one question.
    Query(Query<'a>),
}

/// The fields of a header that an answer repeats.
#[derive(Clone, Copy)]
pub struct Header {
    /// The asker's id.
    pub id: u16,
    /// Bits 1 to 4 of the second word; 0 is QUERY.
    pub opcode: u8,
    /// Recursion desired: copied. Like CD it means something for QUERY alone, and is unset for other opcodes.
    pub rd: bool,
    /// Checking disabled: copied (RFC 4035 3; 3.1.6 would rather have it cleared, as a SHOULD against a MUST).
    pub cd: bool,
}

/// One question and what EDNS said about the asker.
pub struct Query<'a> {
    /// Header fields.
    pub header: Header,
    /// The question.
    pub question: Question<'a>,
    /// The OPT record, if there was one.
    pub edns: Option<Edns>,
    /// Whether there is a TSIG record, which nobody has taken off: we share no key with anybody.
    pub signed: bool,
}

/// The question section.
pub struct Question<'a> {
    /// QNAME, QTYPE and QCLASS as they came: the answer repeats them octet for octet (0x20).
    pub raw: &'a [u8],
    /// QNAME in lower case.
    pub name: Name,
    /// QTYPE.
    pub qtype: RrType,
    /// QCLASS.
    pub qclass: u16,
}

/// What the OPT record said (RFC 6891 6.1). Options that are not named here are ignored (6.1.2).
#[derive(Clone, Copy)]
pub struct Edns {
    /// The asker's UDP payload size, as sent (below 512 means 512).
    pub udp_octets: u16,
    /// 0 is the only version there is.
    pub version: u8,
    /// DNSSEC OK (RFC 3225).
    pub dnssec_ok: bool,
    /// Compact answers OK (RFC 9824 5.1).
    pub compact_ok: bool,
    /// The asker's cookie (RFC 7873 4).
    pub cookie: Option<Cookie>,
    /// Whether the server's identifier is asked for (RFC 5001 2.1).
    pub nsid: bool,
    /// Whether the asker would keep the connection (RFC 7828).
    pub keepalive: bool,
    /// Whether it named a time for that, which only servers do (RFC 7828 3.2.1).
    pub keepalive_time: bool,
    /// Whether it is asked for how long a secondary may keep the zone (RFC 7314 2).
    pub expire: bool,
    /// Whether the query was padded, so that the answer should be (RFC 7830 3).
    pub padding: bool,
    /// Whether its options cannot be read: a format error, which is answered with OPT (RFC 6891 7). Then none of them counts.
    pub malformed: bool,
}

/// EDNS option codes (IANA "DNS EDNS0 Option Codes").
pub mod option {
    /// RFC 5001.
    pub const NSID: u16 = 3;
    /// RFC 7314.
    pub const EXPIRE: u16 = 9;
    /// RFC 7873.
    pub const COOKIE: u16 = 10;
    /// RFC 7828.
    pub const KEEPALIVE: u16 = 11;
    /// RFC 7830.
    pub const PADDING: u16 = 12;
    /// RFC 8914.
    pub const EDE: u16 = 15;
}

/// Reads one packet.
pub fn scan(packet: &[u8]) -> Scan<'_> {
    let Some((header, counts, body)) = header(packet) else { return Scan::Drop };
    let [questions, answers, authorities, additionals] = counts;
    if let (0, [0, 0, 0, 1..=ADDITIONAL_MAX]) = (header.opcode, counts)
        && let Some((Some(edns), false)) = records(body, additionals)
    {
        return Scan::NoQuestion(header, edns);
    }
    // RFC 9619: a QUERY has exactly one question; other opcodes are not looked into.
    if header.opcode != 0 || questions != 1 || answers != 0 || authorities != 0 || additionals > ADDITIONAL_MAX {
        return Scan::Broken(header);
    }
    match body_of(body, additionals) {
        Some((question, (edns, signed))) => Scan::Query(Query { header, question, edns, signed }),
        None => Scan::Broken(header),
    }
}

/// Whether a packet of any kind, an IXFR or a NOTIFY as well, has edns-tcp-keepalive in its OPT (RFC 9250 5.5.2).
pub fn has_keepalive(packet: &[u8]) -> bool {
    keepalive_of(packet).unwrap_or(false)
}

fn keepalive_of(packet: &[u8]) -> Option<bool> {
    let (_, [questions, records @ ..], mut rest) = header(packet)?;
    for _ in 0..questions.min(ADDITIONAL_MAX) {
        rest = rest.get(owner_octets(rest)? + 4..)?;
    }
    let records = records.into_iter().fold(0u16, u16::saturating_add);
    for _ in 0..records.min(ADDITIONAL_MAX) {
        let (record, after) = record(rest)?;
        if record.rr_type == RrType::OPT && read_opt(record.class, record.ttl, record.rdata).keepalive {
            return Some(true);
        }
        rest = after;
    }
    None
}

fn header(packet: &[u8]) -> Option<(Header, [u16; 4], &[u8])> {
    let (head, body) = packet.split_first_chunk::<HEADER_OCTETS>()?;
    let [id_hi, id_lo, flags_hi, flags_lo, counts @ ..] = head;
    if flags_hi & 0x80 != 0 {
        return None;
    }
    let opcode = flags_hi >> 3 & 15;
    let header = Header {
        id: u16::from_be_bytes([*id_hi, *id_lo]),
        opcode,
        rd: opcode == 0 && flags_hi & 1 != 0,
        cd: opcode == 0 && flags_lo & 0x10 != 0,
    };
    let [a, b, c, d, e, f, g, h] = *counts;
    Some((header, [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes), body))
}

type Additional = (Option<Edns>, bool);

fn body_of(body: &[u8], additionals: u16) -> Option<(Question<'_>, Additional)> {
    let (name, name_octets) = Name::scan(body)?;
    let raw = body.get(..name_octets + 4)?;
    let [t1, t0, c1, c0] = *raw.last_chunk::<4>()?;
    let question =
        Question { raw, name, qtype: RrType(u16::from_be_bytes([t1, t0])), qclass: u16::from_be_bytes([c1, c0]) };
    Some((question, records(body.get(raw.len()..)?, additionals)?))
}

/// The additional section to the end of the packet: its OPT, and whether it has a TSIG.
fn records(mut rest: &[u8], additionals: u16) -> Option<Additional> {
    let (mut edns, mut signed) = (None, false);
    for _ in 0..additionals {
        let (record, after) = record(rest)?;
        rest = after;
        if record.rr_type == RrType::OPT {
            // RFC 6891 6.1.1: at most one, owned by the root.
            if edns.is_some() || record.owner_octets != 1 {
                return None;
            }
            edns = Some(read_opt(record.class, record.ttl, record.rdata));
        }
        signed |= record.rr_type == RrType::TSIG;
    }
    rest.is_empty().then_some((edns, signed))
}

struct Record<'a> {
    owner_octets: usize,
    rr_type: RrType,
    class: u16,
    ttl: u32,
    rdata: &'a [u8],
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let owner_octets = owner_octets(bytes)?;
    let (fixed, rest) = bytes.get(owner_octets..)?.split_first_chunk::<10>()?;
    let [t1, t0, c1, c0, a, b, c, d, l1, l0] = *fixed;
    let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l1, l0])))?;
    let (rr_type, class) = (RrType(u16::from_be_bytes([t1, t0])), u16::from_be_bytes([c1, c0]));
    Some((Record { owner_octets, rr_type, class, ttl: u32::from_be_bytes([a, b, c, d]), rdata }, rest))
}

/// The length of an owner name, which here may end in a compression pointer: it is stepped over, never followed.
fn owner_octets(bytes: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            len @ 1..=63 => at += 1 + len,
            0xc0.. => return Some(at + 2),
            _ => return None,
        }
    }
}

/// What an OPT says, by the fields that have other meanings in other records (RFC 6891 6.1.2).
pub fn read_opt(class: u16, ttl: u32, rdata: &[u8]) -> Edns {
    let [_, version, flags, _] = ttl.to_be_bytes();
    let plain = Edns {
        udp_octets: class,
        version,
        dnssec_ok: flags & 0x80 != 0,
        compact_ok: flags & 0x40 != 0,
        cookie: None,
        nsid: false,
        keepalive: false,
        keepalive_time: false,
        expire: false,
        padding: false,
        malformed: false,
    };
    if version != 0 {
        return plain; // nobody knows yet what another version's options look like: BADVERS, never FORMERR
    }
    with_options(plain, rdata).unwrap_or(Edns { malformed: true, ..plain })
}

fn with_options(mut edns: Edns, mut options: &[u8]) -> Option<Edns> {
    while !options.is_empty() {
        let (head, rest) = options.split_first_chunk::<4>()?;
        let [c1, c0, l1, l0] = *head;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l1, l0])))?;
        options = rest;
        match u16::from_be_bytes([c1, c0]) {
            // Only the first of several counts (RFC 7873 5.2); one of an impossible length is malformed (5.2.2).
            option::COOKIE if edns.cookie.is_none() => edns.cookie = Some(cookie::read(value)?),
            option::NSID => edns.nsid = true,
            option::KEEPALIVE => (edns.keepalive, edns.keepalive_time) = (true, !value.is_empty()),
            option::EXPIRE => edns.expire = value.is_empty(), // four octets are an answer's
            option::PADDING => edns.padding = true,
            _ => {}
        }
    }
    Some(edns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUESTION: &[u8] = b"\x01\x35\x04E164\x07exAMPle\x00\x00\x23\x00\x01";
    const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\xc0\x00\x00\x00";

    fn packet(flags: u16, counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![0xab, 0xcd];
        packet.extend(flags.to_be_bytes());
        packet.extend(counts.iter().flat_map(|c| c.to_be_bytes()));
        packet.extend(parts.concat());
        packet
    }

    fn kind(packet: &[u8]) -> &'static str {
        match scan(packet) {
            Scan::Drop => "drop",
            Scan::Broken(_) => "broken",
            Scan::NoQuestion(_, edns) if edns.cookie.is_some() => "cookie",
            Scan::NoQuestion(..) => "OPT",
            Scan::Query(query) if query.signed => "signed",
            Scan::Query(query) if query.edns.is_some_and(|edns| edns.malformed) => "malformed",
            Scan::Query(_) => "query",
        }
    }

    #[test]
    fn reads_question_and_opt() {
        let packet = packet(0x0110, [1, 0, 0, 1], &[QUESTION, OPT]);
        let Scan::Query(query) = scan(&packet) else { panic!("not read") };
        assert_eq!((query.header.id, query.header.rd, query.header.cd), (0xabcd, true, true));
        assert_eq!(query.question.raw, QUESTION);
        assert_eq!(query.question.name.to_text(), "5.e164.example.");
        assert_eq!((query.question.qtype, query.question.qclass), (RrType::NAPTR, 1));
        let edns = query.edns.unwrap();
        assert_eq!((edns.udp_octets, edns.version, edns.dnssec_ok, edns.compact_ok), (1232, 0, true, true));
    }

    #[test]
    fn other_opcodes_desire_no_recursion() {
        let Scan::Broken(header) = scan(&packet(0x7910, [0; 4], &[])) else { panic!("read") };
        assert_eq!((header.opcode, header.rd, header.cd), (15, false, false));
    }

    #[test]
    fn sorts_the_hostile_ones() {
        let option = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x06\xff\xff\x00\x02ab";
        let cut_option = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x05\xff\xff\x00\x02a";
        let cookie = |octets: usize| {
            [
                &b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00"[..],
                &[octets as u8 + 4, 0, 10, 0, octets as u8],
                &vec![7; octets],
            ]
            .concat()
        };
        let owned_opt = b"\x01a\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";
        for (what, packet, expected) in [
            ("nothing", vec![], "drop"),
            ("half a header", vec![0; 11], "drop"),
            ("a response", packet(0x8000, [1, 0, 0, 0], &[QUESTION]), "drop"),
            ("no question", packet(0, [0, 0, 0, 0], &[]), "broken"),
            ("two questions", packet(0, [2, 0, 0, 0], &[QUESTION, QUESTION]), "broken"),
            ("an answer in a query", packet(0, [1, 1, 0, 0], &[QUESTION, OPT]), "broken"),
            ("NOTIFY", packet(0x2000, [1, 0, 0, 0], &[QUESTION]), "broken"),
            ("cut question", packet(0, [1, 0, 0, 0], &[&QUESTION[..8]]), "broken"),
            ("pointer in the question", packet(0, [1, 0, 0, 0], &[b"\xc0\x0c\x00\x01\x00\x01"]), "broken"),
            ("octets left over", packet(0, [1, 0, 0, 0], &[QUESTION, b"x"]), "broken"),
            ("two OPT", packet(0, [1, 0, 0, 2], &[QUESTION, OPT, OPT]), "broken"),
            ("an OPT with an owner", packet(0, [1, 0, 0, 1], &[QUESTION, owned_opt]), "broken"),
            ("an unknown option", packet(0, [1, 0, 0, 1], &[QUESTION, option]), "query"),
            ("half a cookie", packet(0, [1, 0, 0, 1], &[QUESTION, &cookie(7)]), "malformed"),
            ("a client's cookie", packet(0, [1, 0, 0, 1], &[QUESTION, &cookie(8)]), "query"),
            ("a cookie between the lengths", packet(0, [1, 0, 0, 1], &[QUESTION, &cookie(15)]), "malformed"),
            ("a server's cookie of another kind", packet(0, [1, 0, 0, 1], &[QUESTION, &cookie(40)]), "query"),
            ("a cookie too long", packet(0, [1, 0, 0, 1], &[QUESTION, &cookie(41)]), "malformed"),
            ("a cookie alone", packet(0, [0, 0, 0, 1], &[&cookie(8)]), "cookie"),
            ("a cookie of no length alone", packet(0, [0, 0, 0, 1], &[&cookie(9)]), "OPT"),
            ("an OPT alone", packet(0, [0, 0, 0, 1], &[OPT]), "OPT"),
            ("a TSIG", packet(0, [1, 0, 0, 1], &[QUESTION, b"\0\0\xfa\0\xff\0\0\0\0\0\0"]), "signed"),
            ("a cut option", packet(0, [1, 0, 0, 1], &[QUESTION, cut_option]), "malformed"),
            ("no OPT", packet(0, [1, 0, 0, 0], &[QUESTION]), "query"),
        ] {
            assert_eq!(kind(&packet), expected, "{what}");
        }
    }

    #[test]
    fn keepalive_is_found_in_packets_of_every_kind() {
        let keepalive = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x04\x00\x0b\x00\x00";
        let soa = b"\xc0\x0c\x00\x06\x00\x01\x00\x00\x00\x00\x00\x00";
        for (flags, counts, before) in [
            (0, [1, 0, 0, 1], &[QUESTION][..]),
            (0, [1, 0, 1, 1], &[QUESTION, soa]),
            (0x2000, [1, 1, 0, 1], &[QUESTION, soa]),
            (0, [0, 0, 0, 1], &[]),
        ] {
            let with = |opt| packet(flags, counts, &[before, &[opt]].concat());
            assert!(has_keepalive(&with(keepalive)) && !has_keepalive(&with(OPT)), "{flags} {counts:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            kind(&bytes);
            has_keepalive(&bytes);
        }

        #[test]
        fn never_panics_behind_a_good_header(bytes in proptest::collection::vec(any::<u8>(), 0..80), additionals in 0u16..9) {
            kind(&packet(0, [1, 0, 0, additionals], &[&bytes]));
            kind(&packet(0, [1, 0, 0, additionals], &[QUESTION, &bytes]));
            has_keepalive(&packet(0, [1, 0, 0, additionals], &[QUESTION, &bytes]));
        }
    }
}
