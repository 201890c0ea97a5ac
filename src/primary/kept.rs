//! One static zone: from its file to the version that is served, and from that to the next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::SecureRandom;

use super::disk::{self, Durable};
use super::{PrimaryError, catalog, folder, name};
use crate::config::{self, Config, Serial};
use crate::dnssec::difference::Difference;
use crate::dnssec::life::{Keeping, Policy};
use crate::dnssec::{Version, ZoneKeys};
use crate::nameserver::Published;
use crate::nameserver::transfer::Allowed;
use crate::wire::{Name, RrType};
use crate::zone::journal::{self, Journal};
use crate::zone::master::text_of;
use crate::zone::version::is_after;
use crate::zone::{Denial, Digest, StaticZone, stored};

/// A version is signed for another time after so long: signatures over keys live seven days less an hour, and a secondary that
/// is cut off must go on for some days.
pub(super) const REFRESH_S: u64 = 86_400;
/// Signatures begin an hour before they are made; what was made further ahead of the clock is not valid yet elsewhere.
const AHEAD_S: u64 = 1_800;

/// A zone of the configuration, and what is served of it.
pub struct Kept {
    name: Name,
    source: Source,
    /// The keys that sign it.
    keys: Option<Keeping>,
    serial: Serial,
    digest: Digest,
    denial: Denial,
    allowed: Vec<Allowed>,
    only_encrypted: bool,
    notify: Vec<config::Notify>,
    paths: Paths,
    current: Option<Current>,
    /// Whether other keys are on record than those that signed what is served.
    other_keys: bool,
    /// Why the file is not what is served.
    problem: Option<String>,
}

enum Source {
    File(PathBuf),
    /// These members.
    Catalog(Vec<Name>),
}

struct Paths {
    version: PathBuf,
    journal: PathBuf,
}

struct Current {
    published: Arc<Published>,
    file_serial: u32,
}

/// What a file would change.
pub enum Proposal {
    /// Nothing.
    Same,
    /// The zone, and what is different in it; for a first version everything.
    Changed(Box<StaticZone>, u32),
}

/// Whether a serial may go back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Backward {
    /// No: secondaries would not follow.
    Refused,
    /// Yes, the operator said so.
    Allowed,
}

impl Kept {
    /// A zone from a master file.
    pub(super) fn of_file(zone: &config::Zone, config: &Config) -> Result<Self, PrimaryError> {
        let digest = if zone.zonemd { Digest::Ours } else { Digest::AsInFile };
        let mut kept = Self::new(&zone.name, Source::File(zone.file.clone()), &folder(config))?;
        if zone.sign {
            let policy = Policy::of(&config.dnssec, &zone.parent, 0); // here they are read, not turned
            kept.keys = Some(Keeping::configured(&config.paths.keys, &kept.name, policy, &config.dnssec));
        }
        kept.denial = match zone.denial() {
            config::Denial::Nsec => Denial::Nsec,
            config::Denial::Nsec3 => Denial::Nsec3,
        };
        (kept.serial, kept.digest) = (zone.serial(), digest);
        kept.shared_with(&zone.allow_transfer, &zone.notify, zone.transfer_over_tls)
    }

    /// A catalog of the zones that name it.
    pub(super) fn of_catalog(catalog: &config::Catalog, config: &Config) -> Result<Self, PrimaryError> {
        let members = config.zone.iter().filter(|zone| zone.catalog == catalog.name);
        let members = members.map(|zone| name(&zone.name)).collect::<Result<Vec<_>, _>>()?;
        let kept = Self::new(&catalog.name, Source::Catalog(members), &folder(config))?;
        kept.shared_with(&catalog.allow_transfer, &catalog.notify, catalog.transfer_over_tls)
    }

    fn new(text: &str, source: Source, folder: &Path) -> Result<Self, PrimaryError> {
        let file = |ending: &str| folder.join(format!("{}{ending}", text.replace('/', "\\047")));
        Ok(Self {
            name: name(text)?,
            source,
            keys: None,
            serial: Serial::Unixtime,
            digest: Digest::AsInFile,
            denial: Denial::Nsec,
            allowed: Vec::new(),
            only_encrypted: false,
            notify: Vec::new(),
            paths: Paths { version: file("version"), journal: file("journal") },
            current: None,
            other_keys: false,
            problem: None,
        })
    }

    fn shared_with(
        mut self,
        allowed: &[config::Secondary],
        notify: &[config::Notify],
        only_encrypted: bool,
    ) -> Result<Self, PrimaryError> {
        let allow = |one: &config::Secondary| Ok(Allowed { key: name(&one.key)?, from: one.from.clone() });
        self.allowed = allowed.iter().map(allow).collect::<Result<_, PrimaryError>>()?;
        (self.notify, self.only_encrypted) = (notify.to_vec(), only_encrypted);
        Ok(self)
    }

    /// Its apex.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What is served.
    pub fn published(&self) -> Option<&Arc<Published>> {
        self.current.as_ref().map(|current| &current.published)
    }

    /// Why the file is not what is served.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Who is told of a new version.
    pub(super) fn notify(&self) -> &[config::Notify] {
        &self.notify
    }

    /// Takes up what was kept on disk, then the file, then signatures that are due.
    pub(super) fn start(&mut self, now_s: u64, random: &(dyn SecureRandom + Sync)) -> Result<(), PrimaryError> {
        self.restore(now_s)?;
        match self.reload(now_s, random, Backward::Refused) {
            Err(error) if self.current.is_some() => {
                tracing::error!(zone = self.name.to_text(), %error, "a zone's file cannot be served: the version before is");
                self.refresh(now_s, random)
            }
            Err(error) => Err(error),
            Ok(_) => self.refresh(now_s, random),
        }
    }

    /// Reads back the version that was served last; without one, or with one that was signed by other keys, there is none.
    pub fn restore(&mut self, now_s: u64) -> Result<(), PrimaryError> {
        let Some(octets) = disk::read(&self.paths.version)? else { return Ok(()) };
        let Some((zone, facts)) = stored::read(&octets, &self.name) else {
            tracing::warn!(file = %self.paths.version.display(), "a kept version is damaged: secondaries fetch the zone whole");
            return Ok(());
        };
        drop(octets);
        let keys = self.keys_on_record(now_s)?;
        let serial = zone.serial();
        let Some(version) = Version::restored(zone, keys, &facts) else {
            // Made under other settings or keys. Its serial still counts: the next one must be after it.
            let (zone, _) = stored::read(&disk::read(&self.paths.version)?.unwrap_or_default(), &self.name)
                .ok_or_else(|| disk::at(&self.paths.version)(std::io::ErrorKind::InvalidData.into()))?;
            self.current = Some(self.current_of(Version::unsigned(zone), Journal::default(), facts.file_serial));
            return Ok(());
        };
        let journal = match disk::read(&self.paths.journal)? {
            None => Journal::default(),
            Some(octets) => Journal::decode(&octets, serial).unwrap_or_else(|| {
                tracing::warn!(file = %self.paths.journal.display(), "a journal is damaged: secondaries fetch the zone whole");
                Journal::default()
            }),
        };
        self.current = Some(self.current_of(version, journal, facts.file_serial));
        Ok(())
    }

    /// What the file says, as it would be served, and what that would change.
    pub fn propose(&mut self, now_s: u64, backward: Backward) -> Result<Proposal, PrimaryError> {
        let keys = self.keys_on_record(now_s)?;
        let (text, path) = match &self.source {
            Source::Catalog(members) => (catalog::text(members), self.paths.version.clone()),
            Source::File(path) => (std::fs::read(path).map(text_of).map_err(disk::at(path))?, path.clone()),
        };
        let mut zone = StaticZone::read_denying(&text, &self.name, self.digest, self.denial)
            .map_err(|mistakes| PrimaryError::Mistakes { path: path.clone(), mistakes })?;
        let touched = self.keys.is_some() || self.serial != Serial::File;
        let has_digest = zone.node(&self.name).is_some_and(|apex| apex.get(RrType::ZONEMD).is_some());
        if self.digest == Digest::AsInFile && touched && has_digest {
            return Err(PrimaryError::StaleDigest { path });
        }
        let file_serial = zone.serial();
        let Some(current) = &self.current else {
            zone.renumber(next_serial(self.serial, None, file_serial, now_s));
            return Ok(Proposal::Changed(Box::new(zone), file_serial));
        };
        let (version, last) = (&current.published.version, current.published.version.serial());
        let same = zone.holds_the_same_as(version.zone()) && is_signed_by(version, keys.as_deref());
        let unmoved = if self.serial == Serial::File { last } else { current.file_serial };
        if same && file_serial == unmoved {
            return Ok(Proposal::Same);
        }
        let serial = match (self.serial, backward) {
            (_, Backward::Allowed) => file_serial,
            (Serial::File, _) if file_serial == last => return Err(PrimaryError::SameSerial { path, serial: last }),
            (Serial::File, _) if !is_after(file_serial, last) => {
                return Err(PrimaryError::BackwardSerial {
                    path,
                    zone: self.name.to_text(),
                    serial: file_serial,
                    last,
                });
            }
            _ if same && !is_after(file_serial, last) => return Ok(Proposal::Same),
            (policy, _) => next_serial(policy, Some(last), file_serial, now_s),
        };
        zone.renumber(serial);
        Ok(Proposal::Changed(Box::new(zone), file_serial))
    }

    /// What a proposal would change for whoever asks: the records of the file, signatures left aside.
    pub fn difference(&self, zone: StaticZone) -> Result<Difference, PrimaryError> {
        let empty = || Difference::default();
        let new = Version::unsigned(zone);
        let Some(current) = &self.current else {
            let mut all = empty();
            for id in 0..new.names() {
                new.push_name(id, &mut all.added)?;
            }
            return Ok(all);
        };
        let old = Version::unsigned(current.published.version.zone().again());
        Ok(Difference::between(&old, &new, usize::MAX)?.unwrap_or_default())
    }

    /// Takes up what the file says; true if there is a new version. After an error everything is as before.
    pub(super) fn reload(
        &mut self,
        now_s: u64,
        random: &(dyn SecureRandom + Sync),
        backward: Backward,
    ) -> Result<bool, PrimaryError> {
        let done = match self.propose(now_s, backward) {
            Ok(Proposal::Same) => Ok(false),
            Ok(Proposal::Changed(zone, file_serial)) => self.take_up(*zone, file_serial, now_s, random).map(|()| true),
            Err(error) => Err(error),
        };
        self.problem = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// Makes signatures when they are due: those whose time slot is over each day, those of other keys when there are other
    /// keys.
    pub(super) fn refresh(&mut self, now_s: u64, random: &(dyn SecureRandom + Sync)) -> Result<(), PrimaryError> {
        let Some(current) = self.current.as_ref().filter(|_| self.needs_signatures(now_s)) else { return Ok(()) };
        let (mut zone, last) = (current.published.version.zone().again(), current.published.version.serial());
        let file_serial = current.file_serial;
        zone.renumber(next_serial(self.serial, Some(last), last, now_s));
        self.take_up(zone, file_serial, now_s, random)
    }

    /// Whether signatures are missing or old.
    pub(super) fn needs_signatures(&self, now_s: u64) -> bool {
        self.is_due(now_s) || self.keys.is_some() && self.other_keys
    }

    /// Whether the signatures are so old that they are to be made anew, or from a time to come: the clock was set back.
    fn is_due(&self, now_s: u64) -> bool {
        let as_of_s = self.published().and_then(|published| published.version.signed_as_of_s());
        self.keys.is_some() && as_of_s.is_none_or(|as_of_s| now_s >= as_of_s + REFRESH_S || as_of_s > now_s + AHEAD_S)
    }

    /// Looks whether other keys are on record than those that signed what is served. Keys that cannot be read change nothing.
    pub(super) fn look_at_keys(&mut self, now_s: u64) {
        match self.keys_on_record(now_s) {
            Ok(keys) => {
                self.other_keys = self.published().is_some_and(|it| !is_signed_by(&it.version, keys.as_deref()));
            }
            Err(error) => {
                tracing::error!(zone = self.name.to_text(), %error, "the keys of a zone cannot be read; what is served stays as it is");
            }
        }
    }

    /// The keys that sign the next version, if the zone is signed: the place of a signature over keys is among them, so
    /// each version has its own.
    fn keys_on_record(&mut self, now_s: u64) -> Result<Option<Arc<ZoneKeys>>, PrimaryError> {
        let Some(keeping) = &mut self.keys else { return Ok(None) };
        let (_, keys) = keeping.load(now_s)?;
        Ok(Some(Arc::new(keys)))
    }

    /// Makes a version, keeps it with the step that leads to it, and serves it from now on.
    fn take_up(
        &mut self,
        zone: StaticZone,
        file_serial: u32,
        now_s: u64,
        random: &(dyn SecureRandom + Sync),
    ) -> Result<(), PrimaryError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let keys = self.keys_on_record(now_s)?;
        // What does not change keeps its signature until the name's next slot, so that a step is as small as the change.
        let before = self.published().map(|published| &published.version);
        let as_of_s = before.filter(|_| !self.is_due(now_s)).and_then(Version::signed_as_of_s).unwrap_or(now_s);
        let version = match keys {
            None => Version::unsigned(zone),
            Some(keys) => Version::signed(zone, keys, as_of_s, before, (random, threads))?,
        };
        let mut journal = Journal::default();
        if let Some(current) = &self.current {
            let published = &current.published;
            let entry =
                Difference::between(&published.version, &version, journal::OCTETS_MAX)?.and_then(Difference::entry);
            if let Some(entry) = entry.filter(|entry| is_after(entry.to, entry.from)) {
                journal = published.journal.clone();
                journal.push(entry);
            }
        }
        // The journal first: without its version it is cut back when it is read.
        disk::replace(&self.paths.journal, Durable::Yes, |out| out.write_all(&journal.encode()))?;
        let facts = version.facts(file_serial)?;
        disk::replace(&self.paths.version, Durable::Yes, |out| stored::write(version.zone(), &facts, out))?;
        self.current = Some(self.current_of(version, journal, file_serial));
        self.other_keys = false;
        Ok(())
    }

    fn current_of(&self, version: Version, journal: Journal, file_serial: u32) -> Current {
        let (allowed, only_encrypted) = (self.allowed.clone(), self.only_encrypted);
        Current { published: Arc::new(Published { version, journal, allowed, only_encrypted }), file_serial }
    }
}

/// Whether these keys are in the version and signed it; or none are.
fn is_signed_by(version: &Version, keys: Option<&ZoneKeys>) -> bool {
    version.keys().map(|keys| keys.identity()) == keys.map(ZoneKeys::identity)
}

/// The serial of the next version.
fn next_serial(policy: Serial, last: Option<u32>, file: u32, now_s: u64) -> u32 {
    let after = |wanted: u32| match last {
        Some(last) if !is_after(wanted, last) => last.wrapping_add(1),
        _ => wanted,
    };
    match policy {
        Serial::File => file,
        Serial::Increment => after(file),
        Serial::Unixtime => after(now_s as u32), // serials wrap as they should
    }
}
