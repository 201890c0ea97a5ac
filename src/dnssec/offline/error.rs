//! Why a request, a response or a schedule is not taken. Each error says what to do.

use std::path::PathBuf;

use crate::clock::rfc3339;

/// Why it is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// A file cannot be understood.
    #[error("{path} is no {what} ({why}): copy it again from where it was made")]
    Form {
        /// The file.
        path: PathBuf,
        /// `key signing request`, `signed key response` or `schedule of keys`.
        what: &'static str,
        /// What does not fit.
        why: String,
    },
    /// The record says that the KSK is offline and its signatures are not there.
    #[error(
        "{path} is missing, the signatures of the offline KSK: restore it from the backup, or run `callbook keys accept` with the \
         newest signed key response again"
    )]
    NoSchedule {
        /// Where it was expected.
        path: PathBuf,
    },
    /// No response was taken yet.
    #[error(
        "the offline KSK has signed nothing yet: run `callbook keys request`, have it answered where the KSK is, and take the response \
         in with `callbook keys accept`"
    )]
    NothingSigned,
    /// There is no request that waits for its response.
    #[error("no request waits for a response here: run `callbook keys request` first")]
    NoRequest,
    /// Nothing is signed for now.
    #[error("the signatures of the offline KSK begin {}: start again then", rfc3339(*.begins_s))]
    TooEarly {
        /// Unix seconds.
        begins_s: u64,
    },
    /// This node's first ZSK is not in every cache yet.
    #[error(
        "this node's first ZSK signs from {} on, when every cache has it (RFC 8901): start again then",
        rfc3339(*.signs_s)
    )]
    NotYet {
        /// Unix seconds.
        signs_s: u64,
    },
    /// Keys are on the way, or of a sort that an offline KSK cannot go on with.
    #[error("the keys cannot be handed to an offline KSK now: {0}")]
    NotNow(String),
    /// A request or response breaks a rule.
    #[error("{0}")]
    Refused(String),
    /// A signature is not the key's.
    #[error("the signature of {what} for {} is not that of KSK {tag}: the file was changed on its way, or the KSK is another one", rfc3339(*.slot_s))]
    Forged {
        /// `DNSKEY`, `CDS` or `CDNSKEY`.
        what: &'static str,
        /// The signer.
        tag: u16,
        /// The slot's beginning, Unix seconds.
        slot_s: u64,
    },
}

pub(super) fn refused(why: impl Into<String>) -> OfflineError {
    OfflineError::Refused(why.into())
}
