//! The delegated blocks of an installation: one file, changed by one process at a time, taken up without a restart.
//!
//! ```text
//! zone delegate --request--> service: reads zone file and delegations, checks, keeps, serves --answer--> zone delegate
//!       └── nobody runs: it takes the lock and does the same, but for serving
//! poller: asks the children --found--> service: the same, with the DS that a child asks for
//! ```

mod exchange;
mod look;
mod poller;
pub(crate) mod records;
mod service;
mod shown;

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::charter::Policy;
use crate::cli::instance;
use crate::cli::report::Failure;
use crate::client::child::Verdict;
use crate::config::Config;
use crate::primary::disk::{self, Durable};
use crate::wire::{Name, RrType};
use crate::zone::StaticZone;
use crate::zone::delegation::{Delegation, DelegationError, Delegations};
use crate::zone::text;

pub(crate) use exchange::ask;
pub(crate) use look::{Look, Looked};
pub(crate) use service::Delegating;
pub(crate) use shown::Shown;

/// The folder inside that of the ledger.
const FOLDER: &str = "delegations";
/// Held by whoever may change the file.
const LOCK: &str = "lock";
/// How long a starting service waits for a command: that reads two files.
const TRIES: u32 = 40;
const TRY: Duration = Duration::from_millis(50);
/// What the file begins with.
const HEAD: &str = "# Written by `callbook zone delegate`, which checks what it changes; comments are not kept.\n\n";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Asked {
    /// Delegate this block so.
    Put(Delegation),
    /// Take this block back.
    Remove(String),
    /// Give this block the DS that its servers ask for.
    Rekey(Rekey),
    /// Read the files again.
    Reload,
}

/// Other DS for a block, after a look at what its servers say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rekey {
    /// The delegation that was looked at; if it is another by now, nothing is changed.
    pub(crate) was: Delegation,
    /// The DS then, as in a master file.
    pub(crate) from: Vec<String>,
    /// The DS that come, as in a master file; none: it becomes insecure.
    pub(crate) ds: Vec<String>,
    /// Unix seconds from which on the CDS are signed that ask for it.
    pub(crate) inception_s: u64,
    /// When it was looked at, Unix seconds.
    pub(crate) at_s: u64,
}

impl Rekey {
    /// The change that a look comes to; none if nothing is to be taken.
    pub(crate) fn of(looked: &Looked) -> Option<Self> {
        let Ok(Verdict::Take { ds, inception_s }) = &looked.verdict else { return None };
        let ds = ds.iter().map(|rdata| text::rdata_text(RrType::DS, rdata)).collect();
        let (was, from) = (looked.was.clone(), looked.ds.clone());
        Some(Self { was, from, ds, inception_s: *inception_s, at_s: looked.at_s })
    }
}

/// Whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Yes.
    Apply,
    /// No: it is checked, and what would change is told.
    DryRun,
}

/// What was or would be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changes {
    /// Records that go, as in a master file.
    pub(crate) removed: Vec<String>,
    /// Records that come.
    pub(crate) added: Vec<String>,
}

/// What is delegated and what is served with it, as files and a request say.
pub(crate) struct Proposal {
    pub(crate) delegations: Delegations,
    pub(crate) fixed: StaticZone,
}

/// The right to change the delegations of an installation. Ends when dropped.
pub(crate) struct Right {
    _lock: File,
}

impl Right {
    /// Waits for a command that has it; `None` if it is held on and on, as by another service.
    pub(crate) fn wait(config: &Config) -> Result<Option<Self>, Failure> {
        for _ in 0..TRIES {
            if let Some(right) = Self::take(config)? {
                return Ok(Some(right));
            }
            std::thread::sleep(TRY);
        }
        Self::take(config)
    }

    /// Takes it; `None` if a service has it.
    pub(crate) fn take(config: &Config) -> Result<Option<Self>, Failure> {
        let lock = lock_file(config)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

fn lock_file(config: &Config) -> Result<File, Failure> {
    let folder = folder(config);
    disk::make_folder(&folder)?;
    Ok(File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))?)
}

/// Where requests and the lock lie.
fn folder(config: &Config) -> PathBuf {
    config.paths.data.join(FOLDER)
}

/// What is delegated by command; nothing if the file is not there.
pub(crate) fn read(config: &Config) -> Result<Delegations, Failure> {
    let path = config.delegations_file();
    let Some(octets) = disk::read(&path)? else { return Ok(Delegations::default()) };
    let text = String::from_utf8(octets).map_err(|_| Failure::new(format!("{}: it is not UTF-8", path.display())))?;
    toml::from_str(&text)
        .map_err(|error| Failure::new(format!("{}: {error}Mend it, or restore it from the backup", path.display())))
}

/// Replaces the file.
pub(crate) fn keep(config: &Config, delegations: &Delegations) -> Result<(), Failure> {
    let text = toml::to_string(delegations)?;
    let write = |out: &mut dyn std::io::Write| write!(out, "{HEAD}{text}");
    Ok(disk::replace(&config.delegations_file(), Durable::Yes, write)?)
}

/// The static part of the number zone with these delegations.
pub(crate) fn fixed(config: &Config, policy: &Policy, delegations: &Delegations) -> Result<StaticZone, Failure> {
    let apex = Name::from_text(&config.apex).map_err(|e| Failure::new(format!("apex {}: {e}", config.apex)))?;
    let path = config.zone_file();
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Failure::new(format!("cannot read the zone file {}: {e}", path.display())))?;
    delegations.zone(&text, &apex, instance::ttls(policy)).map_err(|error| match error {
        DelegationError::File(_) => Failure::new(format!("{}:\n{error}", path.display())),
        DelegationError::Block { .. } => Failure::new(error.to_string()),
    })
}

/// What there would be if this was done.
pub(crate) fn propose(config: &Config, policy: &Policy, asked: &Asked) -> Result<Proposal, Failure> {
    let mut delegations = read(config)?;
    match asked {
        Asked::Put(delegation) => delegations.put(delegation.clone()),
        Asked::Remove(block) if !delegations.remove(block) => return Err(not_by_command(block)),
        Asked::Rekey(rekey) => {
            if delegations.of(&rekey.was.block) != Some(&rekey.was) {
                let block = &rekey.was.block;
                return Err(Failure::new(format!("{block} was changed by command meanwhile: look at it again")));
            }
            delegations.put(Delegation { ds: rekey.ds.clone(), changed_s: rekey.at_s, ..rekey.was.clone() });
        }
        Asked::Remove(_) | Asked::Reload => {}
    }
    let fixed = fixed(config, policy, &delegations)?;
    Ok(Proposal { delegations, fixed })
}

/// Why nothing can be done about a block.
pub(crate) fn not_by_command(block: &str) -> Failure {
    Failure::new(format!(
        "{block} is not delegated by command: `callbook zone delegate --list` shows what is, also in the zone's file"
    ))
}

/// Notes what was done in the records of the children, once it is on disk. It is done, so a record that cannot be kept is a
/// matter for the log.
pub(crate) fn settle(config: &Config, asked: &Asked) {
    match asked {
        Asked::Remove(block) => records::forget(config, block),
        Asked::Rekey(rekey) => {
            let (block, from) = (&rekey.was.block, rekey.from.join(", "));
            let to = if rekey.ds.is_empty() { "none".to_owned() } else { rekey.ds.join(", ") };
            tracing::info!(block, from, to, "the DS of a delegated block were changed as its CDS ask");
            if let Err(error) = note(config, rekey) {
                tracing::error!(block, %error, "what was taken from a delegated block cannot be noted: older CDS may come back");
            }
        }
        Asked::Put(_) | Asked::Reload => {}
    }
}

fn note(config: &Config, rekey: &Rekey) -> Result<(), Failure> {
    let block = &rekey.was.block;
    let mut known = records::read(config, block)?;
    known.took(rekey.at_s, rekey.from.clone(), rekey.ds.clone(), rekey.inception_s);
    records::keep(config, block, &known, Durable::Yes)
}

/// The difference between two states of static data, the SOA aside: its serial is the server's.
pub(crate) fn difference(old: &StaticZone, new: &StaticZone) -> Changes {
    let (before, after) = (records(old), records(new));
    let only = |these: &[String], others: &[String]| -> Vec<String> {
        these.iter().filter(|record| others.binary_search(record).is_err()).cloned().collect()
    };
    Changes { removed: only(&before, &after), added: only(&after, &before) }
}

fn records(zone: &StaticZone) -> Vec<String> {
    let mut all = Vec::new();
    for (owner, node) in zone.in_order() {
        for set in node.rrsets() {
            let line = |rdata| text::record(&owner, set.ttl_s, set.rr_type, rdata).trim_end().to_owned();
            all.extend(set.iter().map(line));
        }
    }
    all.sort_unstable();
    all
}
