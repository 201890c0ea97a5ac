//! One message of a transfer: header, question, records; owners compressed against the question and the record before.

use super::request::Request;
use crate::nameserver::tsig::TSIG_OCTETS_MAX;
use crate::wire::answer::{TCP_OCTETS_MAX, UDP_OCTETS_MAX};
use crate::wire::query::HEADER_OCTETS;
use crate::wire::rr::CLASS_IN;
use crate::wire::{Name, Rcode};
use crate::zone::records::Record;

/// A message is sent when it has so many octets: pointers reach no further, and others get their turn.
const MESSAGE_OCTETS: usize = 16 * 1_024;
/// A compression pointer reaches this far (RFC 1035 4.1.4).
const POINTER_REACH: usize = 0x3fff;
/// An OPT without options.
const OPT_OCTETS: usize = 11;
/// Type, class, TTL and length.
const FIXED_OCTETS: usize = 10;

/// Writes one message.
pub(super) struct Writer<'m, 'r> {
    message: &'m mut Vec<u8>,
    request: &'r Request,
    records: u16,
    rcode: Rcode,
    /// The last owner, and where it stands.
    last: Option<(Name, usize)>,
}

impl<'m, 'r> Writer<'m, 'r> {
    /// Begins a message; the question is in every one, for owners to point at (RFC 5936 2.2.2 allows it).
    pub(super) fn new(message: &'m mut Vec<u8>, request: &'r Request) -> Self {
        message.clear();
        message.extend_from_slice(&[0; HEADER_OCTETS]);
        message.extend_from_slice(&request.question);
        Self { message, request, records: 0, rcode: Rcode::NoError, last: None }
    }

    /// No records but this code.
    pub(super) fn fail(&mut self, rcode: Rcode) {
        self.rcode = rcode;
    }

    /// Whether another record may be added. The first one always may.
    pub(super) fn has_room(&self, record: Record<'_>) -> bool {
        let octets = self.message.len() + record.owner.len() + FIXED_OCTETS + record.rdata.len() + OPT_OCTETS;
        let most = if self.records == 0 { TCP_OCTETS_MAX - TSIG_OCTETS_MAX } else { MESSAGE_OCTETS };
        octets <= most
    }

    /// Adds a record.
    pub(super) fn put(&mut self, record: Record<'_>) {
        self.owner(record.owner);
        self.message.extend_from_slice(&record.rr_type.0.to_be_bytes());
        self.message.extend_from_slice(&CLASS_IN.to_be_bytes());
        self.message.extend_from_slice(&record.ttl_s.to_be_bytes());
        self.message.extend_from_slice(&(record.rdata.len() as u16).to_be_bytes()); // read from a u16
        self.message.extend_from_slice(record.rdata);
        self.records += 1; // 16 KiB hold some thousand
    }

    /// Writes OPT and header.
    pub(super) fn finish(self) {
        let header = &self.request.header;
        if self.request.edns {
            self.message.extend_from_slice(&[0, 0, 41]);
            self.message.extend_from_slice(&(UDP_OCTETS_MAX as u16).to_be_bytes());
            self.message.extend_from_slice(&[0; 6]);
        }
        let authoritative = u16::from(self.rcode == Rcode::NoError);
        let flags = 0x8000 | authoritative << 10 | u16::from(header.rd) << 8 | (self.rcode as u16 & 15);
        let words = [header.id, flags, 1, self.records, 0, u16::from(self.request.edns)];
        for (into, word) in self.message.chunks_exact_mut(2).zip(words) {
            into.copy_from_slice(&word.to_be_bytes());
        }
    }

    fn owner(&mut self, owner: &[u8]) {
        match &self.last {
            Some((last, at)) if last.as_wire() == owner => {
                let pointer = 0xc000 | *at as u16; // within reach, see below
                self.message.extend_from_slice(&pointer.to_be_bytes());
            }
            _ => {
                let at = self.message.len();
                let below = owner.len().saturating_sub(self.request.name.as_wire().len());
                match owner.get(below..) == Some(self.request.name.as_wire()) && !self.request.name.is_root() {
                    true => {
                        self.message.extend_from_slice(owner.get(..below).unwrap_or_default());
                        self.message.extend_from_slice(&(0xc000 | HEADER_OCTETS as u16).to_be_bytes());
                    }
                    false => self.message.extend_from_slice(owner),
                }
                self.last = Name::from_wire(owner).filter(|_| at <= POINTER_REACH).map(|name| (name, at));
            }
        }
    }
}
