//! DNS messages as a validator needs them: owner names, and RDATA in canonical form, byte for byte (RFC 4034 6.2).
//!
//! What is handed on is exactly what a signature was checked over: the RDATA is kept as bytes, with the names inside it
//! decompressed and, where the rule says so, in lower case. Nothing is parsed and written again in between.

use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// The record types that a look-up has to know by number.
pub(crate) mod rr {
    #![allow(missing_docs)]
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const NAPTR: u16 = 35;
    pub(crate) const DNAME: u16 = 39;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const DS: u16 = 43;
    pub(crate) const RRSIG: u16 = 46;
    pub(crate) const NSEC: u16 = 47;
    pub(crate) const DNSKEY: u16 = 48;
    pub(crate) const NSEC3: u16 = 50;
    pub(crate) const TLSA: u16 = 52;
    pub(crate) const CDS: u16 = 59;
    pub(crate) const CDNSKEY: u16 = 60;
    pub(crate) const NXNAME: u16 = 128;
}

/// Response code: no error.
pub(crate) const NOERROR: u16 = 0;
/// Response code: the name does not exist.
pub(crate) const NXDOMAIN: u16 = 3;

/// The UDP payload that is announced: what passes every path unfragmented (RFC 9715, DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;
const CLASS_IN: u16 = 1;
const FLAG_QR: u16 = 0x8000;
const FLAG_AA: u16 = 0x0400;
const FLAG_TC: u16 = 0x0200;
const FLAG_RD: u16 = 0x0100;
const FLAG_CD: u16 = 0x0010;
const EDNS_DO: u32 = 0x8000;
const OPTION_EDE: u16 = 15;

/// One resource record of class IN.
#[derive(Clone, Debug)]
pub(crate) struct Rr {
    pub(crate) owner: Name,
    pub(crate) rr_type: u16,
    pub(crate) ttl_s: u32,
    /// RDATA in canonical form.
    pub(crate) rdata: Vec<u8>,
}

/// A response, read.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: u16,
    pub(crate) authoritative: bool,
    pub(crate) truncated: bool,
    /// With the upper bits from EDNS.
    pub(crate) rcode: u16,
    pub(crate) question: Option<(Name, u16)>,
    pub(crate) answer: Vec<Rr>,
    pub(crate) authority: Vec<Rr>,
    pub(crate) additional: Vec<Rr>,
    /// The UDP payload that the server announces; none if it answers without EDNS.
    pub(crate) udp_octets: Option<u16>,
    /// Extended DNS errors (RFC 8914): code and text, the text in printable ASCII.
    pub(crate) extended_errors: Vec<(u16, String)>,
}

/// The bytes of a question: RD for resolvers, CD because the judgement is ours (RFC 6840 5.9), DO for the signatures.
pub(crate) fn question(id: u16, name: &Name, rr_type: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(300);
    for field in [id, FLAG_RD | FLAG_CD, 1, 0, 0, 1] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    name_bytes(&mut out, name, Case::Kept);
    out.extend_from_slice(&rr_type.to_be_bytes());
    out.extend_from_slice(&CLASS_IN.to_be_bytes());
    out.push(0); // the OPT record: root, type, payload, extended flags, no options
    out.extend_from_slice(&rr::OPT.to_be_bytes());
    out.extend_from_slice(&UDP_PAYLOAD.to_be_bytes());
    out.extend_from_slice(&EDNS_DO.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

/// Reads a response; the error says in words what is wrong with it.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, &'static str> {
    let mut input = BinDecoder::new(bytes);
    let mut header = [0u16; 6];
    for field in &mut header {
        *field = u16_of(&mut input)?;
    }
    let [id, flags, questions, answers, authorities, additionals] = header;
    if flags & FLAG_QR == 0 {
        return Err("it is a question, not an answer");
    }
    let question = match questions {
        0 => None,
        1 => {
            let name = name_of(&mut input)?;
            let (rr_type, class) = (u16_of(&mut input)?, u16_of(&mut input)?);
            if class != CLASS_IN {
                return Err("its question is of another class");
            }
            Some((name, rr_type))
        }
        _ => return Err("it carries more than one question"),
    };
    let mut message = Message {
        id,
        authoritative: flags & FLAG_AA != 0,
        truncated: flags & FLAG_TC != 0,
        rcode: flags & 0xf,
        question,
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        udp_octets: None,
        extended_errors: Vec::new(),
    };
    if message.truncated {
        return Ok(message); // the sections may stop anywhere; it is asked again over TCP
    }
    read_section(&mut input, answers, &mut message, |m| &mut m.answer)?;
    read_section(&mut input, authorities, &mut message, |m| &mut m.authority)?;
    read_section(&mut input, additionals, &mut message, |m| &mut m.additional)?;
    if !input.is_empty() {
        return Err("it has bytes behind its last record");
    }
    Ok(message)
}

/// Whether letters in a name are kept or written in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Kept,
    Lower,
}

/// Appends a name in uncompressed wire form.
pub(crate) fn name_bytes(out: &mut Vec<u8>, name: &Name, case: Case) {
    for label in name.iter() {
        out.push(label.len() as u8); // a label has at most 63 octets
        match case {
            Case::Kept => out.extend_from_slice(label),
            Case::Lower => out.extend(label.iter().map(u8::to_ascii_lowercase)),
        }
    }
    out.push(0);
}

/// The usual mnemonic of a record type, else `TYPEnnn`.
pub(crate) fn type_text(rr_type: u16) -> String {
    match RecordType::from(rr_type) {
        RecordType::Unknown(n) => format!("TYPE{n}"),
        known => known.to_string(),
    }
}

/// Text from the network made fit for a terminal: anything but printable ASCII becomes `?`.
pub(crate) fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| if (0x20..0x7f).contains(&b) { char::from(b) } else { '?' }).collect()
}

fn read_section(
    input: &mut BinDecoder<'_>,
    count: u16,
    message: &mut Message,
    section: fn(&mut Message) -> &mut Vec<Rr>,
) -> Result<(), &'static str> {
    for _ in 0..count {
        let owner = name_of(input)?;
        let (rr_type, class) = (u16_of(input)?, u16_of(input)?);
        let ttl = input.read_u32().map_err(|_| "it ends inside a record")?.unverified();
        let length = usize::from(u16_of(input)?);
        if rr_type == rr::OPT {
            let options = input.read_slice(length).map_err(|_| "it ends inside a record")?.unverified();
            message.rcode |= (ttl >> 24 << 4) as u16;
            message.udp_octets = Some(class);
            message.extended_errors = extended_errors(options);
            continue;
        }
        let rdata = canonical_rdata(input, rr_type, length)?;
        if class == CLASS_IN {
            section(message).push(Rr { owner, rr_type, ttl_s: ttl, rdata });
        }
    }
    Ok(())
}

/// A piece of RDATA in front of what is copied as it stands.
#[derive(Clone, Copy)]
enum Part {
    Octets(usize),
    /// A character-string: one length octet, then as many.
    Text,
    /// A name, in lower case in canonical form.
    Name,
    /// A name whose case is kept (NSEC, RFC 6840 5.1).
    NameAsIs,
}

/// Where names stand in the RDATA of the types of RFC 4034 6.2 (as amended by RFC 6840 5.1) that can turn up in an answer.
fn parts(rr_type: u16) -> &'static [Part] {
    use Part::*;
    match rr_type {
        2..=5 | 7..=9 | 12 | 39 => &[Name],         // NS MD MF CNAME MB MG MR PTR DNAME
        6 | 14 | 17 => &[Name, Name],               // SOA MINFO RP
        15 | 18 | 21 | 36 => &[Octets(2), Name],    // MX AFSDB RT KX
        26 => &[Octets(2), Name, Name],             // PX
        33 => &[Octets(6), Name],                   // SRV
        35 => &[Octets(4), Text, Text, Text, Name], // NAPTR
        24 | 46 => &[Octets(18), Name],             // SIG RRSIG
        47 => &[NameAsIs],                          // NSEC
        _ => &[],
    }
}

fn canonical_rdata(input: &mut BinDecoder<'_>, rr_type: u16, length: usize) -> Result<Vec<u8>, &'static str> {
    const SHORT: &str = "it ends inside a record";
    const ODD: &str = "the length of a record's data does not fit its type";
    let end = input.index() + length;
    let mut rdata = Vec::with_capacity(length);
    for part in parts(rr_type) {
        match part {
            Part::Octets(n) => rdata.extend_from_slice(input.read_slice(*n).map_err(|_| SHORT)?.unverified()),
            Part::Text => {
                let text = input.read_character_data().map_err(|_| SHORT)?.unverified();
                rdata.push(text.len() as u8); // a character-string has at most 255 octets
                rdata.extend_from_slice(text);
            }
            Part::Name => name_bytes(&mut rdata, &name_of(input)?, Case::Lower),
            Part::NameAsIs => name_bytes(&mut rdata, &name_of(input)?, Case::Kept),
        }
        if input.index() > end {
            return Err(ODD);
        }
    }
    let rest = end.checked_sub(input.index()).ok_or(ODD)?;
    rdata.extend_from_slice(input.read_slice(rest).map_err(|_| SHORT)?.unverified());
    Ok(rdata)
}

fn extended_errors(mut options: &[u8]) -> Vec<(u16, String)> {
    let mut found = Vec::new();
    while let [c0, c1, l0, l1, rest @ ..] = options {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let Some((value, after)) = rest.split_at_checked(length) else { break };
        if let (OPTION_EDE, [i0, i1, text @ ..]) = (u16::from_be_bytes([*c0, *c1]), value) {
            found.push((u16::from_be_bytes([*i0, *i1]), printable(text)));
        }
        options = after;
    }
    found
}

fn u16_of(input: &mut BinDecoder<'_>) -> Result<u16, &'static str> {
    Ok(input.read_u16().map_err(|_| "it ends too early")?.unverified())
}

fn name_of(input: &mut BinDecoder<'_>) -> Result<Name, &'static str> {
    Name::read(input).map_err(|_| "it holds a name that cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A response with one record: the question's name, then `rr_type` and `rdata`.
    fn response(rr_type: u16, rdata: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 7, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        bytes.extend_from_slice(b"\x01A\x07eXample\x00\x00\x23\x00\x01");
        bytes.extend_from_slice(&[0xc0, 12]);
        bytes.extend_from_slice(&rr_type.to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 9]);
        bytes.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        bytes.extend_from_slice(rdata);
        bytes
    }

    #[test]
    fn names_in_rdata_are_decompressed_and_lowered() {
        let message = read(&response(15, b"\x00\x05\x02MX\xc0\x0c")).unwrap();
        assert_eq!(message.answer[0].rdata, b"\x00\x05\x02mx\x01a\x07example\x00");
        let message = read(&response(47, b"\x02MX\xc0\x0c\x00\x01\x40")).unwrap();
        assert_eq!(message.answer[0].rdata, b"\x02MX\x01A\x07eXample\x00\x00\x01\x40");
        let message = read(&response(52, b"\x03\x01\x00KEY")).unwrap();
        assert_eq!(message.answer[0].rdata, b"\x03\x01\x00KEY");
        assert_eq!(message.question, Some((Name::from_ascii("a.example.").unwrap(), 35)));
    }

    #[test]
    fn odd_lengths_are_refused() {
        assert!(read(&response(15, b"\x00\x05\x02MX")).is_err()); // the name runs out of the record
        assert!(read(&response(35, b"\x00\x05\x00\x05\x09u")).is_err());
        let mut long = response(52, b"\x03");
        long.push(0);
        assert!(read(&long).is_err());
        assert!(read(&long[..20]).is_err());
    }

    #[test]
    fn a_question_is_no_answer() {
        let name = Name::from_ascii("a.example.").unwrap();
        assert!(read(&question(1, &name, rr::NAPTR)).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), rr_type in 0u16..60) {
            let _ = read(&bytes);
            let _ = read(&response(rr_type, &bytes));
        }
    }
}
