//! Why a static zone cannot be served as its file and configuration say, and what to do.

use std::io;
use std::path::PathBuf;

use crate::config::TsigFileError;
use crate::dnssec::{KeyError, SignFault};
use crate::zone::MasterError;

/// Why a zone stays as it is, or does not begin.
#[derive(Debug, thiserror::Error)]
pub enum PrimaryError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A master file has mistakes.
    #[error("{path}:\n{}", lines(.mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them.
        mistakes: Vec<MasterError>,
    },
    /// The content changed and the serial did not.
    #[error(
        "{path}: the zone changed and its serial {serial} did not, so no secondary would fetch it: raise the serial in the SOA, or set serial = \"increment\" for this zone"
    )]
    SameSerial {
        /// The file.
        path: PathBuf,
        /// The serial.
        serial: u32,
    },
    /// The serial went back.
    #[error(
        "{path}: the serial {serial} is not after {last}, which is served (RFC 1982), so no secondary would fetch it: raise it, or serve it all the same with `callbook zone reload --restart-serial {zone}` and make each secondary fetch the zone anew"
    )]
    BackwardSerial {
        /// The file.
        path: PathBuf,
        /// The zone.
        zone: String,
        /// What the file says.
        serial: u32,
        /// What is served.
        last: u32,
    },
    /// A ZONEMD that would be wrong.
    #[error(
        "{path}: the ZONEMD in the file would be wrong, since signatures or serials are added: remove it, or set zonemd = true for this zone"
    )]
    StaleDigest {
        /// The file.
        path: PathBuf,
    },
    /// The zone's keys.
    #[error("{0}; keys of a static zone are made with `callbook zone keygen NAME`")]
    Keys(#[from] KeyError),
    /// A shared key.
    #[error(transparent)]
    Tsig(#[from] TsigFileError),
    /// A signature.
    #[error(transparent)]
    Fault(#[from] SignFault),
    /// Not a domain name.
    #[error("{0} is no domain name")]
    NoName(String),
}

fn lines(mistakes: &[MasterError]) -> String {
    mistakes.iter().map(|mistake| format!("  {mistake}")).collect::<Vec<_>>().join("\n")
}
