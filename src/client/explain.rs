//! The steps of a look-up in words: what was asked, what came back, and why it is believed.

use std::fmt;
use std::net::SocketAddr;

use data_encoding::HEXLOWER;
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use serde::Serialize;

use crate::client::chain::Judged;
use crate::client::exchange::Transport;
use crate::client::message::{self, rr};
use crate::client::signature::{Dnskey, Ds};

/// Octets of key material shown in a step; the rest is cut off.
const SHOWN_OCTETS: usize = 12;

/// What an answer is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", content = "why", rename_all = "lowercase")]
pub enum Trust {
    /// Signed, and the chain leads to the trust anchor.
    Secure,
    /// Proved to lie in a part of the tree that is not signed: nobody vouches for it.
    Insecure(String),
    /// The log says something else than DNS, and went on doing so: nothing is handed on.
    Unconfirmed(String),
    /// It should be signed and is not, or not rightly: it must not be used.
    Bogus(String),
}

impl Trust {
    /// The word for it: `secure`, `insecure`, `unconfirmed` or `bogus`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Insecure(_) => "insecure",
            Self::Unconfirmed(_) => "unconfirmed",
            Self::Bogus(_) => "bogus",
        }
    }

    /// Whether nothing that came with it may be used.
    pub const fn is_refused(&self) -> bool {
        matches!(self, Self::Unconfirmed(_) | Self::Bogus(_))
    }

    /// The worse of the two.
    pub(crate) fn worse(self, other: Self) -> Self {
        let rank = |trust: &Self| match trust {
            Self::Secure => 0,
            Self::Insecure(_) => 1,
            Self::Unconfirmed(_) => 2,
            Self::Bogus(_) => 3,
        };
        if rank(&other) > rank(&self) { other } else { self }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secure => f.write_str("secure"),
            Self::Insecure(why) => write!(f, "insecure ({why})"),
            Self::Unconfirmed(why) => write!(f, "unconfirmed ({why})"),
            Self::Bogus(why) => write!(f, "bogus ({why})"),
        }
    }
}

/// One question, its answer and the judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The name asked for, with the final dot.
    pub name: String,
    /// The record type asked for, such as `NAPTR`.
    pub rr_type: String,
    /// Who answered.
    pub server: SocketAddr,
    /// How.
    pub transport: Transport,
    /// The records, one a line, as master files write them; long key material is cut short.
    pub answer: Vec<String>,
    /// What the answer is worth: `secure`, `insecure` or `bogus`.
    pub status: &'static str,
    /// What that rests on.
    pub why: String,
}

impl Step {
    pub(crate) fn new(name: &Name, rr_type: u16, server: SocketAddr, transport: Transport, judged: &Judged) -> Self {
        Self {
            name: name.to_ascii(),
            rr_type: message::type_text(rr_type),
            server,
            transport,
            answer: judged.rdatas.iter().map(|rdata| presentation(rr_type, rdata)).collect(),
            status: judged.trust.word(),
            why: judged.why.clone(),
        }
    }

    /// Where it stands in the story: the chain from the top, then the number itself, then what lies below it.
    pub(crate) fn rank(&self) -> impl Ord + use<> {
        let is_chain = self.rr_type == "DNSKEY" || self.rr_type == "DS";
        let labels = self.name.matches('.').count();
        (!is_chain, labels, self.rr_type != "DS", self.name.clone())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.transport {
            Transport::Udp => "",
            Transport::Tcp => " over TCP",
        };
        write!(f, "asked {}{over} for {} {}", self.server, self.name, self.rr_type)?;
        match self.answer.as_slice() {
            [] => write!(f, "\n    no record")?,
            records => records.iter().try_for_each(|record| write!(f, "\n    {record}"))?,
        }
        write!(f, "\n    {}: {}", self.status, self.why)
    }
}

/// RDATA as text; what is not known is written as RFC 3597 does.
fn presentation(rr_type: u16, rdata: &[u8]) -> String {
    let known = match rr_type {
        rr::NAPTR => naptr(rdata),
        rr::TXT => texts(rdata).map(|texts| texts.join(" ")),
        rr::TLSA => match rdata {
            [usage, selector, matching, data @ ..] => Some(format!("{usage} {selector} {matching} {}", hex(data))),
            _ => None,
        },
        rr::DS => Ds::read(rdata).map(|ds| format!("for key {}, algorithm {}", ds.tag, ds.algorithm)),
        rr::DNSKEY => match rdata {
            [0x01, flags, ..] => Dnskey::read(rdata).map(|key| {
                let role = if flags & 1 == 1 { "key-signing key" } else { "zone-signing key" };
                format!("{role} {}, algorithm {}", key.tag, key.algorithm)
            }),
            _ => None,
        },
        _ => None,
    };
    known.unwrap_or_else(|| format!("\\# {} {}", rdata.len(), hex(rdata)))
}

fn naptr(rdata: &[u8]) -> Option<String> {
    let [o0, o1, p0, p1, rest @ ..] = rdata else { return None };
    let mut rest = rest;
    let mut fields = Vec::with_capacity(3);
    for _ in 0..3 {
        let (field, after) = quoted(rest)?;
        fields.push(field);
        rest = after;
    }
    let replacement = Name::read(&mut BinDecoder::new(rest)).ok()?.to_ascii();
    let (order, preference) = (u16::from_be_bytes([*o0, *o1]), u16::from_be_bytes([*p0, *p1]));
    Some(format!("{order} {preference} {} {replacement}", fields.join(" ")))
}

fn texts(mut rdata: &[u8]) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    while !rdata.is_empty() {
        let (text, rest) = quoted(rdata)?;
        texts.push(text);
        rdata = rest;
    }
    Some(texts)
}

/// A character-string in quotes, with everything that could hurt a terminal escaped (RFC 1035 5.1).
fn quoted(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    let mut out = String::from("\"");
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            0x20..0x7f => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\{byte:03}")),
        }
    }
    out.push('"');
    Some((out, rest))
}

fn hex(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN_OCTETS) {
        Some(start) if bytes.len() > SHOWN_OCTETS => HEXLOWER.encode(start) + "…",
        _ => HEXLOWER.encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_as_text() {
        let naptr = b"\x00\x64\x00\x0a\x01u\x07E2U+sip\x07a\"\\\x1b\xffbc\x00";
        assert_eq!(presentation(rr::NAPTR, naptr), r#"100 10 "u" "E2U+sip" "a\"\\\027\255bc" ."#);
        assert_eq!(presentation(rr::NAPTR, b"\x00\x64"), "\\# 2 0064");
        assert_eq!(presentation(rr::TLSA, &[3, 1, 0, 0xab]), "3 1 0 ab");
        assert_eq!(presentation(rr::TXT, b"\x02hi\x00"), r#""hi" """#);
        assert_eq!(presentation(99, &[7; 20]), "\\# 20 070707070707070707070707…");
    }

    #[test]
    fn the_worst_counts() {
        let insecure = || Trust::Insecure("a".into());
        let bogus = || Trust::Bogus("b".into());
        assert_eq!(Trust::Secure.worse(insecure()), insecure());
        assert_eq!(bogus().worse(insecure()), bogus());
        assert_eq!(insecure().worse(Trust::Secure), insecure());
    }
}
