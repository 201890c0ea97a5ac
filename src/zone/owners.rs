//! The owner names of a number's RRsets (DNS.md 2), from the number to the name.

use super::hashes::owner_label;
use super::pack::Packed;
use crate::log::record::Prefix;
use crate::number::Number;
use crate::wire::{Name, RrType};

/// One RRset of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owned {
    /// The records of a prefix of R.
    Records(Prefix),
    /// The TXT that ties the answer to the log.
    Keys,
}

impl Owned {
    /// Every RRset that a number can have.
    pub const ALL: [Self; 8] = [
        Self::Records(Prefix::Naptr),
        Self::Records(Prefix::Id),
        Self::Records(Prefix::E2e),
        Self::Records(Prefix::Mls),
        Self::Records(Prefix::SipClient),
        Self::Records(Prefix::OpenPgpKey),
        Self::Records(Prefix::SmimeCert),
        Self::Keys,
    ];

    /// What an underscore label right before a number stands for.
    pub fn of_label(label: &[u8]) -> Option<Self> {
        match label {
            b"_id" => Some(Self::Records(Prefix::Id)),
            b"_e2e" => Some(Self::Records(Prefix::E2e)),
            b"_mls" => Some(Self::Records(Prefix::Mls)),
            b"_sip-client" => Some(Self::Records(Prefix::SipClient)),
            b"_keys" => Some(Self::Keys),
            _ => None,
        }
    }

    /// The type of its records.
    pub fn rr_type(self) -> RrType {
        match self {
            Self::Records(prefix) => RrType(prefix.rr_type()),
            Self::Keys => RrType::TXT,
        }
    }

    /// Its name below `apex`; `None` only if the apex is too long for any number.
    pub fn owner(self, number: Number, apex: &Name) -> Option<Name> {
        match self {
            Self::Records(Prefix::Naptr) => number_name(number, apex),
            Self::Records(prefix @ (Prefix::OpenPgpKey | Prefix::SmimeCert)) => {
                apex.prepend(prefix.as_str().as_bytes())?.prepend(owner_label(number).as_bytes())
            }
            Self::Records(prefix) => number_name(number, apex)?.prepend(prefix.as_str().as_bytes()),
            Self::Keys => number_name(number, apex)?.prepend(b"_keys"),
        }
    }

    /// Appends its RDATAs in the form of [`crate::wire::Rdatas`]; false if the number has none.
    pub fn rdatas(self, packed: &Packed<'_>, into: &mut Vec<u8>) -> bool {
        match self {
            Self::Records(prefix) => packed.rdatas(prefix, into),
            Self::Keys => {
                packed.keys_txt(into);
                true
            }
        }
    }
}

/// The ENUM name of a number (RFC 6116 3.2).
pub fn number_name(number: Number, apex: &Name) -> Option<Name> {
    number.digits().bytes().try_fold(*apex, |name, digit| name.prepend(&[digit]))
}
