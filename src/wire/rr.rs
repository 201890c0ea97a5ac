//! Numbers of the DNS registries that this server speaks of: types, response codes, extended errors; and a flat RRset.

use std::fmt;

/// A resource record type (IANA "DNS parameters").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RrType(pub u16);

#[allow(missing_docs)] // the names are the registry's
impl RrType {
    pub const A: Self = Self(1);
    pub const NS: Self = Self(2);
    pub const CNAME: Self = Self(5);
    pub const SOA: Self = Self(6);
    pub const MX: Self = Self(15);
    pub const TXT: Self = Self(16);
    pub const AAAA: Self = Self(28);
    pub const NAPTR: Self = Self(35);
    pub const DNAME: Self = Self(39);
    pub const OPT: Self = Self(41);
    pub const DS: Self = Self(43);
    pub const RRSIG: Self = Self(46);
    pub const NSEC: Self = Self(47);
    pub const DNSKEY: Self = Self(48);
    pub const NSEC3: Self = Self(50);
    pub const NSEC3PARAM: Self = Self(51);
    pub const TLSA: Self = Self(52);
    pub const SMIMEA: Self = Self(53);
    pub const CDS: Self = Self(59);
    pub const CDNSKEY: Self = Self(60);
    pub const OPENPGPKEY: Self = Self(61);
    pub const ZONEMD: Self = Self(63);
    pub const NXNAME: Self = Self(128);
    pub const TSIG: Self = Self(250);
    pub const IXFR: Self = Self(251);
    pub const AXFR: Self = Self(252);
    pub const ANY: Self = Self(255);

    /// Q and meta types 128-255 but those that RFC 1035 3.2.3 lets anybody ask for: no data of these types can exist
    /// (RFC 6895 3.1, RFC 9824 3.5).
    pub fn is_meta(self) -> bool {
        self == Self::OPT || (128..=250).contains(&self.0)
    }
}

/// The mnemonic, or `TYPEn` (RFC 3597 5).
impl fmt::Display for RrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mnemonic = match *self {
            Self::A => "A",
            Self::NS => "NS",
            Self::CNAME => "CNAME",
            Self::SOA => "SOA",
            Self::MX => "MX",
            Self::TXT => "TXT",
            Self::AAAA => "AAAA",
            Self::NAPTR => "NAPTR",
            Self::DNAME => "DNAME",
            Self::DS => "DS",
            Self::RRSIG => "RRSIG",
            Self::NSEC => "NSEC",
            Self::DNSKEY => "DNSKEY",
            Self::NSEC3 => "NSEC3",
            Self::NSEC3PARAM => "NSEC3PARAM",
            Self::TLSA => "TLSA",
            Self::SMIMEA => "SMIMEA",
            Self::CDS => "CDS",
            Self::CDNSKEY => "CDNSKEY",
            Self::OPENPGPKEY => "OPENPGPKEY",
            Self::ZONEMD => "ZONEMD",
            Self::ANY => "ANY",
            Self(other) => return write!(f, "TYPE{other}"),
        };
        f.write_str(mnemonic)
    }
}

/// Class IN.
pub const CLASS_IN: u16 = 1;

/// A response code; values above 15 need EDNS (RFC 6891 6.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are the registry's
pub enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    YxDomain = 6,
    NotAuth = 9,
    BadVers = 16,
    BadCookie = 23,
}

impl Rcode {
    /// Those that fit into a header (RFC 1035 4.1.1).
    pub const BASIC: [Self; 8] = [
        Self::NoError,
        Self::FormErr,
        Self::ServFail,
        Self::NxDomain,
        Self::NotImp,
        Self::Refused,
        Self::YxDomain,
        Self::NotAuth,
    ];
}

/// An extended DNS error (RFC 8914 5.2): why there is no answer, for the reader of a packet trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ede {
    /// Something of ours is broken.
    Other = 0,
    /// The asker may not have this (transfers).
    Prohibited = 18,
    /// The name is in none of our zones.
    NotAuthoritative = 20,
    /// A class or operation that this server does not know.
    NotSupported = 21,
    /// A type that cannot be asked for (RFC 9824 3.5).
    InvalidQueryType = 30,
}

/// The RDATAs of one RRset, each as u16 length and bytes, in canonical order (RFC 4034 6.3).
#[derive(Clone, Copy)]
pub struct Rdatas<'a>(pub &'a [u8]);

impl<'a> Iterator for Rdatas<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.0 = rest;
        Some(rdata)
    }
}

/// Flattens RDATAs into the form of [`Rdatas`]: sorted, without doubles (RFC 4034 6.3, RFC 2181 5). Each must be shorter than 64 KiB.
pub fn flatten(mut rdatas: Vec<Vec<u8>>) -> Box<[u8]> {
    rdatas.sort();
    rdatas.dedup();
    let mut flat = Vec::with_capacity(rdatas.iter().map(|r| r.len() + 2).sum());
    for rdata in rdatas {
        flat.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        flat.extend_from_slice(&rdata);
    }
    flat.into_boxed_slice()
}
