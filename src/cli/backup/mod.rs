//! `backup` and `restore`: an installation as a folder that can be proven good, and back into an empty place.
//!
//! ```text
//! make:    one moment of the ledger, texts, (sealed keys) --> FOLDER.partial --manifest, synced, renamed--> FOLDER
//! verify:  FOLDER --copied, digests--> a temporary place --opened as a start does--> heads and zone = the manifest's?
//! restore: FOLDER --the same proof--> an empty place, the configuration last
//! ```

mod make;
mod manifest;
mod parts;
mod restore;
mod verify;
mod zone;

use std::path::Path;

use clap::Subcommand;

use crate::cli::report::{Failure, Report};
use crate::config::{Config, FILE_NAME};

pub(crate) use make::{copied, folder, snapshot};
pub(crate) use manifest::{FILES_MAX, MANIFEST, Manifest, is_inside};
pub(crate) use parts::ledger;
pub(crate) use restore::RestoreArgs;
pub(crate) use verify::{TempFolder, age, prove};

#[derive(Subcommand)]
pub(crate) enum BackupCommand {
    /// Write one moment of an installation, also of one that works, into a new folder.
    Make(make::MakeArgs),
    /// Restore a backup to a temporary place, open it there, and compare it with what it says of itself.
    Verify(verify::VerifyArgs),
}

pub(crate) fn run(command: &BackupCommand) -> Result<Report, Failure> {
    match command {
        BackupCommand::Make(args) => make::run(args),
        BackupCommand::Verify(args) => verify::run(args),
    }
}

pub(crate) fn restore(args: &RestoreArgs) -> Result<Report, Failure> {
    restore::run(args)
}

/// The configuration `text` for files that lie as in a backup: everything below `folder`.
fn installed_in(folder: &Path, text: &str) -> Result<Config, Failure> {
    let mut config = Config::parse(text, &folder.join(FILE_NAME))?.under(folder);
    let paths = &mut config.paths;
    for (place, name) in [
        (&mut paths.keys, "keys"),
        (&mut paths.zones, "zones"),
        (&mut paths.charter, "charter"),
        (&mut paths.data, "data"),
    ] {
        *place = folder.join(name);
    }
    Ok(config)
}

pub(crate) fn sha256_hex(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, octets).as_ref())
}
