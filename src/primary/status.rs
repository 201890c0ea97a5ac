//! What `zone status` shows: each zone's serial, and which each secondary serves. The service writes it, anybody may read it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{self, Durable};
use super::kept::Kept;
use super::secondaries::Secondaries;
use super::{PrimaryError, kept};

const FILE: &str = "status.json";
/// The service writes at least this often; older means that it does not run.
pub const EVERY_S: u64 = 10;

/// The static zones of a running service at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When this was written, Unix seconds.
    pub written_at: u64,
    /// Every zone, in the order of the configuration.
    pub zones: Vec<ZoneStatus>,
}

/// One zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneStatus {
    /// Its apex.
    pub name: String,
    /// The serial that is served.
    pub serial: u32,
    /// Whether it is signed.
    pub signed: bool,
    /// When its signatures are made anew, Unix seconds.
    pub resign_at: Option<u64>,
    /// Versions from which a secondary can go on by what changed alone.
    pub journal: usize,
    /// Why the file is not what is served.
    pub problem: Option<String>,
    /// Who is told of new versions.
    pub secondaries: Vec<SecondaryStatus>,
}

/// One secondary of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondaryStatus {
    /// Address and port.
    pub to: String,
    /// The serial of the last NOTIFY that it took.
    pub acknowledged: Option<u32>,
    /// The serial that it served when it was last asked.
    pub serial: Option<u32>,
    /// When that was, Unix seconds.
    pub seen_at: Option<u64>,
    /// Whether that is what we serve.
    pub current: bool,
    /// How far its serial is behind ours; serials may jump.
    pub behind: Option<u32>,
    /// What went wrong last.
    pub error: Option<String>,
}

impl Status {
    pub(super) fn of(zones: &[Kept], secondaries: &Secondaries, now_s: u64) -> Self {
        let zones = zones.iter().filter_map(|zone| of_zone(zone, secondaries)).collect();
        Self { written_at: now_s, zones }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), PrimaryError> {
        let text = serde_json::to_vec(self).unwrap_or_default(); // plain data
        disk::replace(&folder.join(FILE), Durable::No, |out| out.write_all(&text))
    }

    /// What the service of this folder wrote last; `None` if it never ran with static zones.
    pub fn read(folder: &Path) -> Result<Option<Self>, PrimaryError> {
        let path: PathBuf = folder.join(FILE);
        let Some(octets) = disk::read(&path)? else { return Ok(None) };
        serde_json::from_slice(&octets).map(Some).map_err(|error| disk::at(&path)(error.into()))
    }
}

fn of_zone(zone: &Kept, secondaries: &Secondaries) -> Option<ZoneStatus> {
    let published = zone.published()?;
    let serial = published.version.serial();
    let secondaries = secondaries.of(zone.name()).map(|secondary| {
        let seen = secondary.seen.map(|(serial, _)| serial);
        SecondaryStatus {
            to: secondary.to.to_string(),
            acknowledged: secondary.acknowledged,
            serial: seen,
            seen_at: secondary.seen.map(|(_, at_s)| at_s),
            current: seen == Some(serial),
            behind: seen.map(|seen| serial.wrapping_sub(seen)),
            error: secondary.error.clone(),
        }
    });
    Some(ZoneStatus {
        name: zone.name().to_text(),
        serial,
        signed: published.version.keys().is_some(),
        resign_at: published.version.signed_as_of_s().map(|as_of_s| as_of_s + kept::REFRESH_S),
        journal: published.journal.len(),
        problem: zone.problem().map(str::to_owned),
        secondaries: secondaries.collect(),
    })
}
