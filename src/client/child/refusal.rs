//! Why nothing is taken from a child: what is wrong, why that matters, and who can mend it.

use crate::clock::rfc3339;

/// Why the DS of a child stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A server cannot be asked.
    #[error(
        "no address of its name server {0} is known: give one with --address {0}=ADDRESS, or set delegation.resolver"
    )]
    NoAddress(String),
    /// A server gives no usable answer.
    #[error("{server} gives no answer to go by: {why}. All servers must agree, so nothing is taken until all answer")]
    Silent {
        /// Which.
        server: String,
        /// In words.
        why: String,
    },
    /// Two servers say different things.
    #[error(
        "{one} and {other} give different {what}: nothing is taken until all servers of the child have one version of its zone"
    )]
    Disagreement {
        /// The first server.
        one: String,
        /// One that says something else.
        other: String,
        /// CDS or CDNSKEY.
        what: &'static str,
    },
    /// The chain of trust is broken already.
    #[error(
        "no key at {0} that can be checked fits the DS in place, so nothing there can be proved: get the child's DS from its operator and give them with --ds"
    )]
    NoKey(String),
    /// A record set has no good signature of a key that the parent knows.
    #[error(
        "the {what} at {server} are not proved by a key that the DS in place name: {why}. The child must sign them with such a key (RFC 7344 4.1)"
    )]
    NotProved {
        /// Where.
        server: String,
        /// DNSKEY, CDS or CDNSKEY.
        what: &'static str,
        /// The flaw.
        why: String,
    },
    /// Both are published and name different keys.
    #[error("its CDS and CDNSKEY name different keys ({0}): both must say the same (RFC 7344 4)")]
    Mismatch(String),
    /// Records that make no sense.
    #[error("its {0}: the child's operator must mend it")]
    Malformed(String),
    /// Nothing that validators would use.
    #[error(
        "its CDS name key {0} by no digest of SHA-256 or SHA-384, or of an algorithm that is not checked here: it must publish one (RFC 9904)"
    )]
    Unusable(u16),
    /// The child wants to be insecure.
    #[error(
        "it asks for no DS at all (RFC 8078 4), which would make it insecure: set delegation.accept_delete if children may, or delegate it with --insecure"
    )]
    DeleteNotAllowed,
    /// The new DS would make the child bogus.
    #[error(
        "with the DS that it asks for its keys could not be believed: at {server}, {why}. It must publish that key and sign its DNSKEY with it first (RFC 7344 4.1)"
    )]
    WouldBreak {
        /// Where.
        server: String,
        /// In words.
        why: String,
    },
    /// An older state of the child.
    #[error(
        "its CDS are signed from {} on, those in force from {} on: an older copy is not taken (RFC 7344 6.2)",
        rfc3339(*.signed_s),
        rfc3339(*.taken_s)
    )]
    Replayed {
        /// From when on these are signed, Unix seconds.
        signed_s: u64,
        /// From when on the newest that were taken.
        taken_s: u64,
    },
    /// There is nothing that could vouch for first DS.
    #[error("its first DS cannot be found by itself: {0}. Get them from its operator and give them with --ds")]
    NoSignal(String),
    /// The zone of a name server cannot be proved.
    #[error(
        "nothing is believed about the zone of its name server {0}: name its trust anchor, or one above it, in [[delegation.signal]]"
    )]
    NoAnchor(String),
    /// The zone of a name server does not vouch with proof.
    #[error(
        "the {what} at {name} are not proved: {why}. The zone of that name server must be signed, up to the anchor (RFC 9615 4.2)"
    )]
    NotVouched {
        /// The signalling name.
        name: String,
        /// CDS or CDNSKEY.
        what: &'static str,
        /// In words.
        why: String,
    },
}

impl Refusal {
    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAddress(_) => "no_address",
            Self::Silent { .. } => "no_answer",
            Self::Disagreement { .. } => "disagreement",
            Self::NoKey(_) => "chain_broken",
            Self::NotProved { .. } => "not_proved",
            Self::Mismatch(_) => "cds_cdnskey_mismatch",
            Self::Malformed(_) => "malformed",
            Self::Unusable(_) => "unusable",
            Self::DeleteNotAllowed => "delete_not_allowed",
            Self::WouldBreak { .. } => "would_break",
            Self::Replayed { .. } => "replayed",
            Self::NoSignal(_) => "no_signal",
            Self::NoAnchor(_) => "no_anchor",
            Self::NotVouched { .. } => "not_vouched",
        }
    }

    /// Whether it may be over by itself soon: servers come back, secondaries catch up.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Disagreement { .. } | Self::WouldBreak { .. })
    }
}
