//! A zone from a few lines, asked in process; answers as lines that a test can name.

use std::sync::Arc;

use callbook::dnssec::ZoneKeys;
use callbook::nameserver::{Served, View};
use callbook::wire::Name;
use callbook::zone::{Denial, Digest, StaticZone};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, Record, RecordType};
use ring::rand::SystemRandom;

use crate::dns::ask::{Desk, Dnssec};

pub(crate) const NOW_S: u64 = 1_800_000_000;
const HEAD: &str = "$TTL 3600\n@ IN SOA ns hostmaster 1 7200 3600 1209600 900\n@ IN NS ns\nns IN A 192.0.2.1\nns IN AAAA 2001:db8::1\n";

/// An answer: `name TYPE data` for each record, of a signature only what it covers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: ResponseCode,
    pub(crate) aa: bool,
    pub(crate) answer: Vec<String>,
    pub(crate) authority: Vec<String>,
    pub(crate) additional: Vec<String>,
}

/// The records of a zone `example.`, without SOA, NS and the address of `ns`, served unsigned.
pub(crate) fn plain(records: &str) -> Desk {
    desk(&format!("{HEAD}{records}"), None, Denial::Nsec)
}

/// The same, signed.
pub(crate) fn signed(records: &str) -> Desk {
    desk(&format!("{HEAD}{records}"), keys(), Denial::Nsec)
}

/// The same, with a chain of hashed names.
pub(crate) fn hashed(records: &str) -> Desk {
    desk(&format!("{HEAD}{records}"), keys(), Denial::Nsec3)
}

fn keys() -> Option<Arc<ZoneKeys>> {
    Some(Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).unwrap()))
}

/// A whole file.
pub(crate) fn desk(text: &str, keys: Option<Arc<ZoneKeys>>, denial: Denial) -> Desk {
    let zone = StaticZone::read_denying(text, &Name::from_text("example.").unwrap(), Digest::AsInFile, denial);
    let zone = zone.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    Desk::over(View::new(vec![Served::fixed(Arc::new(zone), keys)]), NOW_S)
}

/// Asks without DNSSEC.
pub(crate) fn ask(desk: &mut Desk, name: &str, qtype: RecordType) -> Said {
    said(desk, name, qtype, Dnssec::No)
}

/// Asks with DO.
pub(crate) fn ask_do(desk: &mut Desk, name: &str, qtype: RecordType) -> Said {
    said(desk, name, qtype, Dnssec::Ok)
}

fn said(desk: &mut Desk, name: &str, qtype: RecordType, dnssec: Dnssec) -> Said {
    let message = desk.ask(name, qtype, dnssec);
    let lines = |records: &[Record]| records.iter().map(line).collect();
    Said {
        code: message.response_code,
        aa: message.metadata.authoritative,
        answer: lines(&message.answers),
        authority: lines(&message.authorities),
        additional: lines(&message.additionals),
    }
}

fn line(record: &Record) -> String {
    let data = record.data.to_string();
    let data = match &record.data {
        RData::DNSSEC(_) if record.record_type() == RecordType::RRSIG => {
            data.split(' ').next().unwrap_or("").to_owned()
        }
        RData::SOA(_) => String::new(),
        // hickory has no type for it: the name in wire form.
        RData::Unknown { code: RecordType::DNAME, rdata } => Name::from_wire(&rdata.anything).unwrap().to_text(),
        _ => data,
    };
    format!("{} {} {data}", record.name, record.record_type()).trim_end().to_owned()
}

impl Said {
    /// The parts that most tests are about.
    pub(crate) fn parts(&self) -> (ResponseCode, bool, Vec<&str>, Vec<&str>, Vec<&str>) {
        fn borrowed(lines: &[String]) -> Vec<&str> {
            lines.iter().map(String::as_str).collect()
        }
        (self.code, self.aa, borrowed(&self.answer), borrowed(&self.authority), borrowed(&self.additional))
    }
}
