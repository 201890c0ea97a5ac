//! Presentation form of records, for exports: what every master file reader takes, one record a line.

use std::fmt::Write;

use domain::base::iana::Rtype;
use domain::base::name::ParsedName;
use domain::base::rdata::ParseRecordData;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::rdata::ZoneRecordData;

use crate::wire::{Name, RrType};

/// One record with its line end.
pub fn record(owner: &Name, ttl_s: u32, rr_type: RrType, rdata: &[u8]) -> String {
    format!("{} {ttl_s} IN {} {}\n", owner.to_text(), mnemonic(rr_type), rdata_text(rr_type, rdata))
}

/// The type's name in a master file, `TYPEn` if it has none (RFC 3597 5).
pub fn mnemonic(rr_type: RrType) -> impl std::fmt::Display {
    Rtype::from_int(rr_type.0)
}

/// RDATA as the `domain` crate writes it; NAPTR, which it would write unescaped, and unknown types by our own hand.
pub fn rdata_text(rr_type: RrType, rdata: &[u8]) -> String {
    if rr_type == RrType::NAPTR
        && let Some(text) = naptr(rdata)
    {
        return text;
    }
    let mut parser = domain::dep::octseq::Parser::from_ref(rdata);
    match ZoneRecordData::<_, ParsedName<_>>::parse_rdata(Rtype::from_int(rr_type.0), &mut parser) {
        Ok(Some(data))
            if !matches!(data, ZoneRecordData::Unknown(_))
                && has_plain_names(rr_type, rdata)
                && has_plain_parameters(rr_type, rdata) =>
        {
            data.display_zonefile(DisplayKind::Simple).to_string()
        }
        _ => generic(rdata),
    }
}

/// Whether names in the RDATA hold nothing that would have to be escaped: the `domain` crate leaves `;` and `(` as they are.
fn has_plain_names(rr_type: RrType, rdata: &[u8]) -> bool {
    let (start, names) = match rr_type.0 {
        2..=5 | 7..=9 | 12 | 39 | 47 => (0, 1), // NS MD MF CNAME MB MG MR PTR DNAME NSEC
        6 | 14 | 17 => (0, 2),                  // SOA MINFO RP
        15 | 18 | 21 | 36 | 64 | 65 => (2, 1),  // MX AFSDB RT KX SVCB HTTPS
        26 => (2, 2),                           // PX
        33 => (6, 1),                           // SRV
        24 | 46 => (18, 1),                     // SIG RRSIG
        _ => return true,
    };
    let mut rest = rdata.get(start..).unwrap_or_default();
    (0..names).all(|_| {
        let Some((name, octets)) = Name::scan(rest) else { return false };
        rest = rest.get(octets..).unwrap_or_default();
        name.labels().flatten().all(|b| b.is_ascii_alphanumeric() || b"-_*+/".contains(b))
    })
}

/// Whether a service's parameters (RFC 9460 2.2) are some that the `domain` crate writes as they are read: ports, addresses
/// and protocols of letters and digits. It writes `nodefaultalpn`, and no escapes.
fn has_plain_parameters(rr_type: RrType, rdata: &[u8]) -> bool {
    if !matches!(rr_type.0, 64 | 65) {
        return true;
    }
    let after_name = |rest: &[u8]| Name::scan(rest).map(|(_, octets)| octets + 2);
    let mut rest = rdata.get(2..).and_then(after_name).and_then(|at| rdata.get(at..)).unwrap_or_default();
    while let Some(([k1, k0, l1, l0], after)) = rest.split_first_chunk::<4>() {
        let Some((value, after)) = after.split_at_checked(usize::from(u16::from_be_bytes([*l1, *l0]))) else {
            return false;
        };
        let is_plain = match u16::from_be_bytes([*k1, *k0]) {
            1 => value.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | 1..=32)),
            3 | 4 | 6 => true,
            _ => false,
        };
        if !is_plain {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// RFC 3597 5.
fn generic(rdata: &[u8]) -> String {
    format!("\\# {} {}", rdata.len(), data_encoding::HEXUPPER.encode(rdata))
}

fn naptr(rdata: &[u8]) -> Option<String> {
    let (head, mut rest) = rdata.split_first_chunk::<4>()?;
    let [o1, o0, p1, p0] = *head;
    let mut text = format!("{} {}", u16::from_be_bytes([o1, o0]), u16::from_be_bytes([p1, p0]));
    for _ in 0..3 {
        let (&octets, after) = rest.split_first()?;
        let (string, after) = after.split_at_checked(usize::from(octets))?;
        let _ = write!(text, " {}", quoted(string)); // writing to a String cannot fail
        rest = after;
    }
    let _ = write!(text, " {}", Name::from_wire(rest)?.to_text());
    Some(text)
}

/// A character-string in quotes (RFC 1035 5.1).
pub fn quoted(string: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in string {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(byte.into());
            }
            0x20..=0x7e => text.push(byte.into()),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_escapes_are_written_as_octets() {
        let text = |rr_type, rdata: &[u8]| rdata_text(rr_type, rdata);
        assert_eq!(text(RrType::NS, b"\x02ns\x01_\x00"), "ns._.");
        assert_eq!(text(RrType::NS, b"\x02n;\x00"), "\\# 4 026E3B00");
        let https = |parameters: &[u8]| text(RrType(65), &[b"\x00\x01\x00", parameters].concat());
        assert_eq!(https(b"\x00\x01\x00\x03\x02h2\x00\x03\x00\x02\x00\x35"), "1 . alpn=h2 port=53");
        assert_eq!(https(b"\x00\x01\x00\x03\x02h2\x00\x02\x00\x00"), "\\# 14 0001000001000302683200020000");
        assert_eq!(https(b"\x00\x01\x00\x03\x02h,"), "\\# 10 0001000001000302682C");
        assert_eq!(text(RrType::MX, b"\x00\x0a\x03a b\x00"), "\\# 7 000A0361206200");
    }
}
