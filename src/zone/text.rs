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
    format!("{} {ttl_s} IN {} {}\n", owner.to_text(), Rtype::from_int(rr_type.0), rdata_text(rr_type, rdata))
}

/// RDATA as the `domain` crate writes it; NAPTR, which it would write unescaped, and unknown types by our own hand.
fn rdata_text(rr_type: RrType, rdata: &[u8]) -> String {
    if rr_type == RrType::NAPTR
        && let Some(text) = naptr(rdata)
    {
        return text;
    }
    let mut parser = domain::dep::octseq::Parser::from_ref(rdata);
    match ZoneRecordData::<_, ParsedName<_>>::parse_rdata(Rtype::from_int(rr_type.0), &mut parser) {
        Ok(Some(data)) if !matches!(data, ZoneRecordData::Unknown(_)) => {
            data.display_zonefile(DisplayKind::Simple).to_string()
        }
        _ => generic(rdata),
    }
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
