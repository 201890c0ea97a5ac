//! One message of a transfer: header, question, records; owners compressed against the question and the record before.

use super::request::Request;
use crate::nameserver::tsig::TSIG_OCTETS_MAX;
use crate::wire::answer::{TCP_OCTETS_MAX, UDP_OCTETS_MAX};
use crate::wire::query::{HEADER_OCTETS, option};
use crate::wire::rr::CLASS_IN;
use crate::wire::{Name, Rcode};
use crate::zone::records::Record;

/// A message is sent when it has so many octets: pointers reach no further, and others get their turn.
const MESSAGE_OCTETS: usize = 16 * 1_024;
/// A compression pointer reaches this far (RFC 1035 4.1.4).
const POINTER_REACH: usize = 0x3fff;
/// An OPT without options, and the only option that there can be.
const OPT_OCTETS: usize = 11;
const EXPIRE_OCTETS: usize = 8;
/// Type, class, TTL and length.
const FIXED_OCTETS: usize = 10;

/// Writes one message.
pub(super) struct Writer<'m, 'r> {
    message: &'m mut Vec<u8>,
    request: &'r Request,
    records: u16,
    rcode: Rcode,
    expire_s: Option<u32>,
    /// The last owner, and where it stands.
    last: Option<(Name, usize)>,
}

impl<'m, 'r> Writer<'m, 'r> {
    /// Begins a message; the question is in every one, for owners to point at (RFC 5936 2.2.2 allows it).
    pub(super) fn new(message: &'m mut Vec<u8>, request: &'r Request) -> Self {
        message.clear();
        message.extend_from_slice(&[0; HEADER_OCTETS]);
        message.extend_from_slice(&request.question);
        Self { message, request, records: 0, rcode: Rcode::NoError, expire_s: None, last: None }
    }

    /// No records but this code.
    pub(super) fn fail(&mut self, rcode: Rcode) {
        self.rcode = rcode;
    }

    /// Says for how long a secondary may keep the zone, seconds, if that is asked (RFC 7314 3.1).
    pub(super) fn expires(&mut self, expire_s: Option<u32>) {
        self.expire_s = expire_s.filter(|_| self.request.edns.is_some_and(|edns| edns.expire));
    }

    /// Whether another record may be added. The first one always may.
    pub(super) fn has_room(&self, record: Record<'_>) -> bool {
        let record_octets = record.owner.len() + FIXED_OCTETS + record.rdata.len();
        let octets = self.message.len() + record_octets + OPT_OCTETS + EXPIRE_OCTETS;
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
        if self.request.edns.is_some() {
            self.message.extend_from_slice(&[0, 0, 41]);
            self.message.extend_from_slice(&(UDP_OCTETS_MAX as u16).to_be_bytes());
            self.message.extend_from_slice(&[0; 4]);
            match self.expire_s {
                Some(expire_s) => {
                    let [high, low] = option::EXPIRE.to_be_bytes();
                    self.message.extend_from_slice(&[0, EXPIRE_OCTETS as u8, high, low, 0, 4]);
                    self.message.extend_from_slice(&expire_s.to_be_bytes());
                }
                None => self.message.extend_from_slice(&[0; 2]),
            }
        }
        let authoritative = u16::from(self.rcode == Rcode::NoError);
        let flags = 0x8000 | authoritative << 10 | u16::from(header.rd) << 8 | (self.rcode as u16 & 15);
        let words = [header.id, flags, 1, self.records, 0, u16::from(self.request.edns.is_some())];
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
