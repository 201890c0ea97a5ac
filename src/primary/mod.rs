//! What makes this server the primary of static zones: files read, versions made and kept, secondaries told.
//!
//! ```text
//! master file ──► checked ──► version (serial, signatures, digest) ──► journal and version on disk ──► view swapped ──► NOTIFY
//!      ▲                                     ▲                                                                          │
//!   reload asked for                 signatures are a day old                          status: what each secondary serves
//! ```
//! A file with mistakes changes nothing: what was served before is served on, and the mistake is told.

mod catalog;
pub(crate) mod disk;
mod error;
mod exchange;
mod keeper;
mod kept;
pub mod reload;
mod secondaries;
pub mod status;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use ring::rand::SystemRandom;

use crate::clock::Clock;
use crate::config::{self, Config, read_tsig_secret};
use crate::nameserver::transfer::Places;
use crate::nameserver::{Served, TsigAlgorithm, TsigKey, TsigKeys, View};
use crate::wire::Name;
pub use error::PrimaryError;
pub use keeper::Running;
pub use kept::{Backward, Kept, Proposal};

/// The folder of versions, journals and status inside that of the ledger.
const FOLDER: &str = "zones";

/// The static zones of an installation.
pub struct Primary {
    zones: Vec<Kept>,
    keys: TsigKeys,
    places: Arc<Places>,
    folder: PathBuf,
}

/// Where an installation keeps what belongs to its static zones.
pub fn folder(config: &Config) -> PathBuf {
    config.paths.data.join(FOLDER)
}

/// The static zones and catalogs of a configuration with what was kept of them; no file of theirs is read yet.
pub fn kept(config: &Config) -> Result<Vec<Kept>, PrimaryError> {
    let mut zones = Vec::new();
    for zone in &config.zone {
        zones.push(Kept::of_file(zone, config)?);
    }
    for catalog in &config.catalog {
        zones.push(Kept::of_catalog(catalog, config)?);
    }
    Ok(zones)
}

/// The keys that are shared with other servers.
pub fn shared_keys(keys: &[config::Tsig]) -> Result<TsigKeys, PrimaryError> {
    let read = |key: &config::Tsig| {
        let secret = read_tsig_secret(&key.file)?;
        let algorithm = TsigAlgorithm::of(&key.algorithm).unwrap_or(TsigAlgorithm::Sha256); // the configuration was checked
        Ok(TsigKey::new(name(&key.name)?, algorithm, &secret))
    };
    Ok(TsigKeys::new(keys.iter().map(read).collect::<Result<_, PrimaryError>>()?))
}

impl Primary {
    /// Reads every zone. A file that cannot be served is told in the log where an earlier version can be served instead;
    /// otherwise it is an error.
    pub fn open(config: &Config, now_s: u64) -> Result<Self, PrimaryError> {
        let (keys, folder) = (shared_keys(&config.tsig)?, folder(config));
        let mut zones = kept(config)?;
        if !zones.is_empty() {
            disk::make_folder(&folder)?;
        }
        for zone in &mut zones {
            zone.start(now_s, &SystemRandom::new())?;
        }
        Ok(Self { zones, keys, places: Places::new(config.dns.transfers_max), folder })
    }

    /// What is served of them.
    pub fn served(&self) -> Vec<Served> {
        self.zones.iter().filter_map(|zone| Some(Served::published(zone.published()?.clone()))).collect()
    }

    /// A view that also serves these zones, and lets secondaries have them.
    pub fn shown_by(&self, view: View) -> View {
        view.with_static(self.served()).transferring(self.keys.clone(), self.places.clone())
    }

    /// Looks after them from now on, in a thread of its own, and swaps them in `view` when they change.
    pub fn start(self, view: Arc<ArcSwap<View>>, clock: Arc<dyn Clock>) -> Running {
        Running::start(self, view, clock)
    }
}

/// A switch that asks for something: a reload, or new signatures. Anybody may set it at any time.
#[derive(Clone, Default)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// Asks for it.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for since the last time.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// A name of the configuration, which was checked when it was read.
fn name(text: &str) -> Result<Name, PrimaryError> {
    Name::from_text(text).map_err(|_| PrimaryError::NoName(text.to_owned()))
}
