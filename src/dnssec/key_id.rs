//! Which key is meant: what it is for, its algorithm and its tag.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Algorithm;
use super::rrsig::{ENTRY_POINT, ZONE_KEY};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyRole {
    /// Signs the DNSKEY RRset; the parent's DS names it.
    Ksk,
    /// Signs everything else.
    Zsk,
    /// Both in one key.
    Csk,
}

/// One key of a zone. No two keys of a zone share algorithm and tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyId {
    /// What it is for.
    pub role: KeyRole,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Its tag as long as it is not revoked (RFC 4034 appendix B).
    pub tag: u16,
}

impl KeyRole {
    /// The name in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ksk => "ksk",
            Self::Zsk => "zsk",
            Self::Csk => "csk",
        }
    }

    /// The flags of its DNSKEY (RFC 4034 2.1.1).
    pub const fn flags(self) -> u16 {
        match self {
            Self::Ksk | Self::Csk => ENTRY_POINT,
            Self::Zsk => ZONE_KEY,
        }
    }

    /// Whether the parent's DS names such a key.
    pub const fn is_entry(self) -> bool {
        matches!(self, Self::Ksk | Self::Csk)
    }

    /// Whether such a key signs data.
    pub const fn signs_data(self) -> bool {
        matches!(self, Self::Zsk | Self::Csk)
    }
}

impl FromStr for KeyRole {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Ksk, Self::Zsk, Self::Csk].into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

impl fmt::Display for KeyRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ksk => "KSK",
            Self::Zsk => "ZSK",
            Self::Csk => "CSK",
        })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (algorithm {})", self.role, self.tag, self.algorithm)
    }
}
