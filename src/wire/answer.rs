//! The answer writer: header, question, records with compressed owner names, OPT; truncation keeps question and OPT.

use super::cookie::{CLIENT_OCTETS, SERVER_OCTETS};
use super::name::Name;
use super::query::{Edns, HEADER_OCTETS, Header, Question, option};
use super::rr::{CLASS_IN, Ede, Rcode, Rdatas, RrType};

/// The largest UDP answer: fits every path without fragments (RFC 9715, DNS flag day 2020).
pub const UDP_OCTETS_MAX: usize = 1232;
/// The largest TCP answer: its length prefix has 16 bits.
pub const TCP_OCTETS_MAX: usize = 65_535;
/// Without EDNS an answer over UDP has at most this (RFC 1035 4.2.1).
const PLAIN_UDP_OCTETS: usize = 512;
/// An OPT record without options, an option's head, and one EDE option without text.
const OPT_OCTETS: usize = 11;
const OPTION_HEAD_OCTETS: usize = 4;
const EDE_OCTETS: usize = OPTION_HEAD_OCTETS + 2;
/// Encrypted answers are padded to multiples of this (RFC 8467 4.2).
const PADDING_BLOCK_OCTETS: usize = 468;
/// What padding is made of (RFC 7830 3).
static ZEROS: [u8; PADDING_BLOCK_OCTETS] = [0; PADDING_BLOCK_OCTETS];
/// A compression pointer reaches this far (RFC 1035 4.1.4).
const POINTER_REACH: usize = 0x3fff;

/// A record did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The three sections of records. They are filled in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // RFC 1035 4.1
pub enum Section {
    Answer,
    Authority,
    Additional,
}

/// How large an answer may be, and how far the asker's own limit counts.
#[derive(Clone, Copy)]
pub enum Limit {
    /// One datagram: the asker's limit counts too (RFC 6891 6.2.3).
    Datagram(usize),
    /// A stream.
    Stream(usize),
}

/// What the OPT of an answer carries beside flags and [`Ede`]. Left out when the asker sent no OPT.
#[derive(Clone, Copy, Default)]
pub struct Options<'q> {
    /// The server's identifier (RFC 5001).
    pub nsid: Option<&'q [u8]>,
    /// The client's cookie and ours (RFC 7873 5.2).
    pub cookie: Option<([u8; CLIENT_OCTETS], [u8; SERVER_OCTETS])>,
    /// For how long an idle connection is kept, in units of 100 ms (RFC 7828 3.3.2).
    pub keepalive_100ms: Option<u16>,
    /// For how long a secondary may keep the zone, seconds (RFC 7314 3.1).
    pub expire_s: Option<u32>,
    /// Whether the answer is filled up to a block (RFC 8467 4.2).
    pub padded: bool,
}

impl Options<'_> {
    /// Octets that they take, padding not counted: it takes what is left over.
    fn octets(&self) -> usize {
        let head = OPTION_HEAD_OCTETS;
        self.nsid.map_or(0, |id| head + id.len())
            + self.cookie.map_or(0, |_| head + CLIENT_OCTETS + SERVER_OCTETS)
            + self.keepalive_100ms.map_or(0, |_| head + 2)
            + self.expire_s.map_or(0, |_| head + 4)
    }
}

/// What stands before the RDATA.
#[derive(Clone, Copy)]
pub struct Rr<'a> {
    /// The owner, compressed against the question where they share a suffix.
    pub owner: &'a Name,
    /// The type.
    pub rr_type: RrType,
    /// Seconds.
    pub ttl_s: u32,
}

/// An answer being written into the caller's buffer. The header is written by [`Answer::finish`].
pub struct Answer<'o, 'q> {
    out: &'o mut [u8],
    at: usize,
    /// Octets for the whole answer, and for all but OPT.
    limit: usize,
    records_limit: usize,
    header: Header,
    question: Option<&'q Question<'q>>,
    edns: Option<Edns>,
    options: Options<'q>,
    ede: Option<Ede>,
    counts: [u16; 3],
    after_question: usize,
    authoritative: bool,
    truncated: bool,
    rcode: Rcode,
}

impl<'o, 'q> Answer<'o, 'q> {
    /// Starts an answer: room for the header, then the question as it came.
    pub fn new(
        out: &'o mut [u8],
        limit: Limit,
        header: Header,
        question: Option<&'q Question<'q>>,
        edns: Option<Edns>,
        options: Options<'q>,
    ) -> Self {
        let asked = edns.map_or(PLAIN_UDP_OCTETS, |e| usize::from(e.udp_octets).max(PLAIN_UDP_OCTETS));
        let limit = match limit {
            Limit::Datagram(most) => most.min(asked),
            Limit::Stream(most) => most,
        };
        let limit = limit.min(out.len());
        let opt_octets = if edns.is_some() { OPT_OCTETS + EDE_OCTETS + options.octets() } else { 0 };
        let mut answer = Self {
            out,
            at: HEADER_OCTETS,
            limit,
            records_limit: limit.saturating_sub(opt_octets),
            header,
            question: None,
            edns,
            options,
            ede: None,
            counts: [0; 3],
            after_question: HEADER_OCTETS,
            authoritative: false,
            truncated: false,
            rcode: Rcode::NoError,
        };
        if let Some(question) = question
            && answer.put(question.raw).is_ok()
        {
            answer.question = Some(question);
            answer.after_question = answer.at;
        }
        answer
    }

    /// Sets AA.
    pub fn authoritative(&mut self, yes: bool) {
        self.authoritative = yes;
    }

    /// Sets the response code.
    pub fn rcode(&mut self, rcode: Rcode) {
        self.rcode = rcode;
    }

    /// Refuses with a code and, if the asker speaks EDNS, the reason (RFC 8914).
    pub fn refuse(&mut self, rcode: Rcode, ede: Ede) {
        self.clear();
        self.options.expire_s = None; // of a zone that is not answered for nothing is said (RFC 7314 3.3)
        (self.rcode, self.ede) = (rcode, Some(ede));
    }

    /// Takes every record out again.
    pub fn clear(&mut self) {
        (self.at, self.counts) = (self.after_question, [0; 3]);
    }

    /// Empties the answer and sets TC: the asker comes back over TCP (RFC 2181 9).
    pub fn truncate(&mut self) {
        self.clear();
        self.truncated = true;
    }

    /// Whether the asker wants DNSSEC records.
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|e| e.dnssec_ok)
    }

    /// Whether the asker understands NXDOMAIN beside a compact denial (RFC 9824 5.1).
    pub fn compact_ok(&self) -> bool {
        self.edns.is_some_and(|e| e.compact_ok)
    }

    /// Adds one record whose RDATA is the concatenation of `rdata`. After [`Full`] the answer is as it was before.
    pub fn record(&mut self, section: Section, rr: Rr<'_>, rdata: &[&[u8]]) -> Result<(), Full> {
        let before = self.at;
        let written = self.try_record(rr, rdata);
        match written {
            Ok(()) => {
                if let Some(count) = self.counts.get_mut(section as usize) {
                    *count += 1;
                }
            }
            Err(Full) => self.at = before,
        }
        written
    }

    /// Adds a whole RRset in the form of [`Rdatas`], or nothing of it (RFC 2181 9).
    pub fn rrset(&mut self, section: Section, rr: Rr<'_>, rdatas: &[u8]) -> Result<(), Full> {
        let before = (self.at, self.counts);
        let written = Rdatas(rdatas).try_for_each(|rdata| self.record(section, rr, &[rdata]));
        if written.is_err() {
            (self.at, self.counts) = before;
        }
        written
    }

    /// Writes OPT and header; returns the number of octets of the answer.
    pub fn finish(mut self) -> usize {
        let opt = self.edns.is_some() && self.opt().is_ok();
        let [answers, authorities, additionals] = self.counts;
        let flags = 0x8000
            | u16::from(self.header.opcode) << 11
            | u16::from(self.authoritative) << 10
            | u16::from(self.truncated) << 9
            | u16::from(self.header.rd) << 8
            | u16::from(self.header.cd) << 4
            | (self.rcode as u16 & 15);
        let words = [
            self.header.id,
            flags,
            u16::from(self.question.is_some()),
            answers,
            authorities,
            additionals + u16::from(opt),
        ];
        for (into, word) in self.out.chunks_exact_mut(2).zip(words) {
            into.copy_from_slice(&word.to_be_bytes());
        }
        self.at
    }

    /// The response code so far.
    pub fn rcode_now(&self) -> Rcode {
        self.rcode
    }

    fn opt(&mut self) -> Result<(), Full> {
        let Some(edns) = self.edns else { return Ok(()) };
        self.records_limit = self.limit;
        let flags = u16::from(edns.dnssec_ok) << 15 | u16::from(edns.compact_ok) << 14;
        self.put(&[0, 0, 41])?;
        self.put(&(UDP_OCTETS_MAX as u16).to_be_bytes())?;
        self.put(&[(self.rcode as u16 >> 4) as u8, 0])?;
        self.put(&flags.to_be_bytes())?;
        let length_at = self.at;
        self.put(&[0, 0])?;
        self.put_options()?;
        let octets = (self.at - length_at - 2) as u16; // an answer has at most 65 535
        self.out.get_mut(length_at..length_at + 2).ok_or(Full)?.copy_from_slice(&octets.to_be_bytes());
        Ok(())
    }

    fn put_options(&mut self) -> Result<(), Full> {
        let Options { nsid, cookie, keepalive_100ms, expire_s, padded } = self.options;
        if let Some(id) = nsid {
            self.put_option(option::NSID, &[id])?;
        }
        if let Some((client, server)) = cookie {
            self.put_option(option::COOKIE, &[&client, &server])?;
        }
        if let Some(time) = keepalive_100ms {
            self.put_option(option::KEEPALIVE, &[&time.to_be_bytes()])?;
        }
        if let Some(expire_s) = expire_s {
            self.put_option(option::EXPIRE, &[&expire_s.to_be_bytes()])?;
        }
        if let Some(ede) = self.ede {
            self.put_option(option::EDE, &[&(ede as u16).to_be_bytes()])?;
        }
        if padded && self.at + OPTION_HEAD_OCTETS <= self.limit {
            let bare = self.at + OPTION_HEAD_OCTETS;
            let octets = bare.next_multiple_of(PADDING_BLOCK_OCTETS).min(self.limit) - bare;
            self.put_option(option::PADDING, &[ZEROS.get(..octets).unwrap_or_default()])?;
        }
        Ok(())
    }

    fn put_option(&mut self, code: u16, value: &[&[u8]]) -> Result<(), Full> {
        let octets: usize = value.iter().map(|part| part.len()).sum();
        self.put(&code.to_be_bytes())?;
        self.put(&(octets as u16).to_be_bytes())?;
        value.iter().try_for_each(|part| self.put(part))
    }

    fn try_record(&mut self, rr: Rr<'_>, rdata: &[&[u8]]) -> Result<(), Full> {
        self.owner(rr.owner)?;
        self.put(&rr.rr_type.0.to_be_bytes())?;
        self.put(&CLASS_IN.to_be_bytes())?;
        self.put(&rr.ttl_s.to_be_bytes())?;
        let octets: usize = rdata.iter().map(|part| part.len()).sum();
        self.put(&u16::try_from(octets).map_err(|_| Full)?.to_be_bytes())?;
        rdata.iter().try_for_each(|part| self.put(part))
    }

    /// Writes the labels that the question's name does not end in, then a pointer into the question.
    fn owner(&mut self, owner: &Name) -> Result<(), Full> {
        let mut wire = owner.as_wire();
        while wire.len() > 1 {
            if let Some(at) = self.in_question(wire) {
                return self.put(&(0xc000 | at).to_be_bytes());
            }
            let label = usize::from(*wire.first().ok_or(Full)?) + 1;
            let (label, rest) = wire.split_at_checked(label).ok_or(Full)?;
            self.put(label)?;
            wire = rest;
        }
        self.put(&[0])
    }

    /// Where the question's name has exactly this suffix, as an offset into the message.
    fn in_question(&self, suffix: &[u8]) -> Option<u16> {
        let name = self.question?.name.as_wire();
        let start = name.len().checked_sub(suffix.len())?;
        let mut at = 0usize;
        while at < start {
            at += 1 + usize::from(*name.get(at)?);
        }
        let offset = HEADER_OCTETS + at;
        (at == start && name.get(at..)? == suffix && offset <= POINTER_REACH).then_some(offset as u16)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at + bytes.len();
        if end > self.records_limit {
            return Err(Full);
        }
        self.out.get_mut(self.at..end).ok_or(Full)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
}
