//! The client's way through a repository (TUF specification 5): it says which file it wants next, and judges what it is handed.
//!
//! ```text
//! Root(n+1) --none--> Timestamp --> Snapshot --> Targets --> Delegated(0..) --> Done
//!   ^  |signed by both                ^ not fetched where what was kept still fits
//!   `--'
//! ```
//! What was seen before is handed in as [`Kept`]: nothing older is believed. What was signed by keys that the newest root does
//! not know any more is forgotten with them, so that a thief who ran ahead with versions is recovered from (5.3.11).

use std::collections::BTreeMap;

use crate::charter::trust::document::{Document, Kind};
use crate::charter::trust::root::{Root, must_fit};
use crate::charter::trust::snapshot::{SNAPSHOT, Snapshot, Timestamp};
use crate::charter::trust::targets::{FileInfo, Targets};
use crate::charter::trust::{
    ROOTS_MAX, SNAPSHOT_BYTES_MAX, TARGET_BYTES_MAX, TARGETS_BYTES_MAX, TARGETS_FOLDER, TIMESTAMP_BYTES_MAX, Untrusted,
    Why,
};

const TIMESTAMP: &str = "timestamp.json";

/// What was seen and believed, as files: handed in at the beginning of an update, and to be kept at its end, however it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Roots by their versions.
    pub roots: BTreeMap<u64, Vec<u8>>,
    /// The newest timestamp.
    pub timestamp: Option<Vec<u8>>,
    /// The newest snapshot.
    pub snapshot: Option<Vec<u8>>,
    /// Targets by their roles, `targets` among them.
    pub targets: BTreeMap<String, Vec<u8>>,
}

/// A file that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the repository.
    pub file: String,
    /// No more bytes than these are to be read, and one more to tell that there were more.
    pub bytes_max: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Root(u64),
    Timestamp,
    Snapshot,
    Targets,
    Delegated(usize),
    Done,
}

/// An update on its way.
#[derive(Clone, Debug)]
pub struct Update {
    now_s: u64,
    kept: Kept,
    step: Step,
    followed: u64,
    root_document: Document,
    root: Root,
    timestamp: Option<(Document, Timestamp)>,
    snapshot: Option<(Document, Snapshot)>,
    targets: Option<(Document, Targets)>,
    delegated: BTreeMap<String, Result<(Document, Targets), Untrusted>>,
}

impl Update {
    /// Begins from the root that is pinned, at that time (Unix seconds).
    pub fn begin(pinned: &[u8], mut kept: Kept, now_s: u64) -> Result<Self, Untrusted> {
        let file = "the pinned root";
        let (document, root) = Root::read(pinned, file)?;
        root.check(&document, file)?;
        kept.roots.insert(document.version, pinned.to_vec());
        let mut update = Self {
            now_s,
            step: Step::Root(document.version + 1),
            followed: 0,
            root_document: document,
            root,
            timestamp: None,
            snapshot: None,
            targets: None,
            delegated: BTreeMap::new(),
            kept,
        };
        update.follow_kept_roots();
        Ok(update)
    }

    /// The file that is needed next; None when all is done.
    pub fn wanted(&self) -> Option<Wanted> {
        let (file, bytes_max) = match &self.step {
            Step::Root(version) => (format!("{version}.root.json"), super::ROOT_BYTES_MAX),
            Step::Timestamp => (TIMESTAMP.to_owned(), TIMESTAMP_BYTES_MAX),
            Step::Snapshot => {
                let info = self.timestamp.as_ref().map(|(_, timestamp)| &timestamp.snapshot)?;
                (self.named(info.version, "snapshot"), bounded(info.length, SNAPSHOT_BYTES_MAX))
            }
            Step::Targets => self.targets_wanted(Kind::Targets.name()),
            Step::Delegated(i) => self.targets_wanted(self.role_name(*i)?),
            Step::Done => return None,
        };
        Some(Wanted { file, bytes_max })
    }

    fn targets_wanted(&self, role: &str) -> (String, u64) {
        let info = self.snapshot.as_ref().and_then(|(_, snapshot)| snapshot.meta.get(&format!("{role}.json")));
        let (version, length) = info.map_or((0, None), |info| (info.version, info.length));
        (self.named(version, role), bounded(length, TARGETS_BYTES_MAX))
    }

    fn named(&self, version: u64, role: &str) -> String {
        if self.root.consistent { format!("{version}.{role}.json") } else { format!("{role}.json") }
    }

    /// Takes the file that was wanted; None: it is not there. An error ends the update.
    pub fn take(&mut self, bytes: Option<&[u8]>) -> Result<(), Untrusted> {
        let Some(Wanted { file, bytes_max }) = self.wanted() else { return Ok(()) };
        if let Some(bytes) = bytes {
            let fits = must_fit(bytes, bytes_max, &file);
            if let (Step::Delegated(i), Err(no)) = (&self.step, &fits) {
                return self.delegate(*i, Err(no.clone()));
            }
            fits?;
        }
        let missing = || Untrusted::new(&file, Why::Missing, "a file", "nothing");
        match (self.step.clone(), bytes) {
            (Step::Root(_), None) => self.settle_root(),
            (Step::Root(_), Some(bytes)) => {
                self.take_root(bytes, &file)?;
                self.follow_kept_roots();
                if self.followed < ROOTS_MAX { Ok(()) } else { self.settle_root() }
            }
            (Step::Timestamp, Some(bytes)) => {
                self.take_timestamp(bytes)?;
                self.try_kept_snapshot();
                Ok(())
            }
            (Step::Snapshot, Some(bytes)) => {
                self.take_snapshot(bytes, &file, true)?;
                self.step = Step::Targets;
                self.try_kept_targets()
            }
            (Step::Targets, Some(bytes)) => {
                let found = self.judge_targets(Kind::Targets.name(), bytes, &file)?;
                self.kept.targets.insert(Kind::Targets.name().to_owned(), bytes.to_vec());
                self.settle_targets(found)
            }
            (Step::Delegated(i), Some(bytes)) => {
                let role = self.role_name(i).unwrap_or_default().to_owned();
                let found = self.judge_targets(&role, bytes, &file);
                if found.is_ok() {
                    self.kept.targets.insert(role, bytes.to_vec());
                }
                self.delegate(i, found)
            }
            (Step::Delegated(i), None) => self.delegate(i, Err(missing())),
            (_, None) => Err(missing()),
            (Step::Done, _) => Ok(()),
        }
    }

    /// Goes all the way: `fetch` gives a file, or None where there is none, and reads no more bytes than it is told.
    pub fn run<E: From<Untrusted>>(
        &mut self,
        mut fetch: impl FnMut(&Wanted) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        while let Some(wanted) = self.wanted() {
            let bytes = fetch(&wanted)?;
            self.take(bytes.as_deref())?;
        }
        Ok(())
    }

    /// Where a target lies in the repository, and what is signed of it.
    pub fn target(&self, path: &str) -> Result<Option<(Wanted, &FileInfo)>, Untrusted> {
        let Some(info) = self.find(path)? else { return Ok(None) };
        let file = format!("{TARGETS_FOLDER}/{}", info.place(path, self.root.consistent));
        if info.length > TARGET_BYTES_MAX {
            let found = format!("{} bytes", info.length);
            return Err(Untrusted::new(&file, Why::Size, format!("at most {TARGET_BYTES_MAX} bytes"), found));
        }
        Ok(Some((Wanted { file, bytes_max: info.length }, info)))
    }

    /// What is to be kept for the next time.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The newest root.
    pub fn root(&self) -> (&Document, &Root) {
        (&self.root_document, &self.root)
    }

    /// The timestamp, once it is believed.
    pub fn timestamp(&self) -> Option<&(Document, Timestamp)> {
        self.timestamp.as_ref()
    }

    /// The snapshot, once it is believed.
    pub fn snapshot(&self) -> Option<&(Document, Snapshot)> {
        self.snapshot.as_ref()
    }

    /// The targets at the top, once they are believed.
    pub fn targets(&self) -> Option<&(Document, Targets)> {
        self.targets.as_ref()
    }

    /// A delegated role, or why it is not believed; None if nobody delegates to it, or it was not asked for yet.
    pub fn delegated(&self, role: &str) -> Option<&Result<(Document, Targets), Untrusted>> {
        self.delegated.get(role)
    }

    /// What is signed of a target: the first role of the search that names it has the word (TUF specification 5.6.7). An error
    /// where a role that has to be asked before is not believed.
    pub fn find(&self, path: &str) -> Result<Option<&FileInfo>, Untrusted> {
        let Some((_, targets)) = &self.targets else { return Ok(None) };
        if let Some(info) = targets.files.get(path) {
            return Ok(Some(info));
        }
        for role in targets.who_signs(path) {
            match self.delegated.get(&role.name) {
                Some(Ok((_, found))) => {
                    if let Some(info) = found.files.get(path) {
                        return Ok(Some(info));
                    }
                }
                Some(Err(no)) => return Err(no.clone()),
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    fn role_name(&self, i: usize) -> Option<&str> {
        let (_, targets) = self.targets.as_ref()?;
        targets.delegations.roles.get(i).map(|role| role.name.as_str())
    }

    /// Goes on over roots that were kept, as far as they are good.
    fn follow_kept_roots(&mut self) {
        while let Step::Root(next) = self.step {
            let Some(bytes) = self.kept.roots.get(&next).cloned().filter(|_| self.followed < ROOTS_MAX) else { return };
            if self.take_root(&bytes, &format!("{next}.root.json")).is_err() {
                return;
            }
        }
    }

    /// A root is signed by those of the one before and by its own, and is the very next (5.3.4, 5.3.5).
    fn take_root(&mut self, bytes: &[u8], file: &str) -> Result<(), Untrusted> {
        let (document, root) = Root::read(bytes, file)?;
        self.root.check(&document, file)?;
        let next = self.root_document.version + 1;
        if document.version != next {
            return Err(version(file, next, document.version));
        }
        root.check(&document, file)?;
        self.kept.roots.insert(next, bytes.to_vec());
        (self.root_document, self.root) = (document, root);
        self.followed += 1;
        self.step = Step::Root(next + 1);
        Ok(())
    }

    /// No newer root is there: the newest must live.
    fn settle_root(&mut self) -> Result<(), Untrusted> {
        let file = format!("{}.root.json", self.root_document.version);
        self.root_document.must_live(self.now_s, &file)?;
        self.step = Step::Timestamp;
        // One that the newest root's keys did not sign is forgotten; one that is over still says what was seen.
        if let Some(bytes) = self.kept.timestamp.clone() {
            let _ = self.take_timestamp(&bytes);
            self.step = Step::Timestamp;
        }
        Ok(())
    }

    fn take_timestamp(&mut self, bytes: &[u8]) -> Result<(), Untrusted> {
        let document = Document::read(bytes, TIMESTAMP)?;
        let timestamp = Timestamp::of(&document, TIMESTAMP)?;
        self.root.check(&document, TIMESTAMP)?;
        let mut is_new = true;
        if let Some((seen, before)) = &self.timestamp {
            if document.version < seen.version {
                return Err(version(TIMESTAMP, seen.version, document.version));
            }
            is_new = document.version > seen.version;
            if is_new && timestamp.snapshot.version < before.snapshot.version {
                let (least, found) = (before.snapshot.version, timestamp.snapshot.version);
                let expected = format!("a snapshot of version {least} at least");
                return Err(Untrusted::new(TIMESTAMP, Why::Version, expected, format!("version {found}")));
            }
        }
        if is_new {
            self.timestamp = Some((document, timestamp));
        }
        self.timestamp_must_live()?;
        if is_new {
            self.kept.timestamp = Some(bytes.to_vec());
        }
        self.step = Step::Snapshot;
        Ok(())
    }

    fn timestamp_must_live(&self) -> Result<(), Untrusted> {
        self.timestamp.as_ref().map_or(Ok(()), |(document, _)| document.must_live(self.now_s, TIMESTAMP))
    }

    /// A snapshot that was kept is as good as one that is fetched, if it is the one that is named.
    fn try_kept_snapshot(&mut self) {
        let Some(bytes) = self.kept.snapshot.clone() else { return };
        if self.take_snapshot(&bytes, SNAPSHOT, false).is_ok() {
            self.step = Step::Targets;
            // An error here comes again, and is told, when the file is fetched.
            let _ = self.try_kept_targets();
        }
    }

    fn take_snapshot(&mut self, bytes: &[u8], file: &str, is_fetched: bool) -> Result<(), Untrusted> {
        let Some((_, Timestamp { snapshot: named })) = &self.timestamp else { return Ok(()) };
        let named = named.clone();
        if is_fetched {
            named.check(bytes, file)?; // one that was kept was compared when it came
        }
        let document = Document::read(bytes, file)?;
        let snapshot = Snapshot::of(&document, file)?;
        self.root.check(&document, file)?;
        if let Some((_, before)) = &self.snapshot {
            snapshot.must_follow(before, file)?;
        }
        let (found, lives) = (document.version, document.must_live(self.now_s, file));
        self.snapshot = Some((document, snapshot));
        lives?;
        if found != named.version {
            return Err(version(file, named.version, found));
        }
        self.kept.snapshot = Some(bytes.to_vec());
        Ok(())
    }

    fn try_kept_targets(&mut self) -> Result<(), Untrusted> {
        let role = Kind::Targets.name();
        if !self.snapshot.as_ref().is_some_and(|(_, snapshot)| snapshot.meta.contains_key("targets.json")) {
            return Err(Untrusted::new(SNAPSHOT, Why::Missing, "targets.json", "no such file"));
        }
        let Some(bytes) = self.kept.targets.get(role).cloned() else { return Ok(()) };
        match self.judge_targets(role, &bytes, "targets.json") {
            Ok(found) => self.settle_targets(found),
            Err(_) => Ok(()),
        }
    }

    /// Targets are those that the snapshot names, signed by those whom root, or the targets above, name (5.6).
    fn judge_targets(&self, role: &str, bytes: &[u8], file: &str) -> Result<(Document, Targets), Untrusted> {
        let info = self.snapshot.as_ref().and_then(|(_, snapshot)| snapshot.meta.get(&format!("{role}.json")));
        let info = info.ok_or_else(|| Untrusted::new(file, Why::Missing, "a version in the snapshot", "none"))?;
        info.check(bytes, file)?;
        let document = Document::read(bytes, file)?;
        let targets = Targets::of(&document, file)?;
        if role == Kind::Targets.name() {
            self.root.check(&document, file)?;
        } else {
            let above = self.targets.as_ref().map(|(_, above)| &above.delegations);
            let found = above.and_then(|all| Some((all, all.roles.iter().find(|one| one.name == role)?)));
            let (all, delegation) = found.ok_or_else(|| Untrusted::new(file, Why::Form, "a delegation", "none"))?;
            delegation.role.tally(&all.keys, &document).check(file)?;
            if !targets.delegations.roles.is_empty() {
                return Err(Untrusted::form(file, "no delegations below a delegated role", "some"));
            }
        }
        if document.version != info.version {
            return Err(version(file, info.version, document.version));
        }
        document.must_live(self.now_s, file)?;
        Ok((document, targets))
    }

    fn settle_targets(&mut self, found: (Document, Targets)) -> Result<(), Untrusted> {
        self.targets = Some(found);
        self.step = Step::Delegated(0);
        self.look_at_delegated(0);
        Ok(())
    }

    fn delegate(&mut self, i: usize, found: Result<(Document, Targets), Untrusted>) -> Result<(), Untrusted> {
        if let Some(role) = self.role_name(i).map(str::to_owned) {
            self.delegated.insert(role, found);
        }
        self.look_at_delegated(i + 1);
        Ok(())
    }

    /// Takes what was kept of delegated roles from `i` on, up to the first that has to be fetched.
    fn look_at_delegated(&mut self, mut i: usize) {
        loop {
            let Some(role) = self.role_name(i).map(str::to_owned) else {
                self.step = Step::Done;
                return;
            };
            self.step = Step::Delegated(i);
            let named = self.snapshot.as_ref().is_some_and(|(_, s)| s.meta.contains_key(&format!("{role}.json")));
            let file = format!("{role}.json");
            let found = match self.kept.targets.get(&role) {
                _ if !named => Err(Untrusted::new(&file, Why::Missing, "a version in the snapshot", "none")),
                Some(bytes) => match self.judge_targets(&role, &bytes.clone(), &file) {
                    Ok(found) => Ok(found),
                    Err(_) => return,
                },
                None => return,
            };
            self.delegated.insert(role, found);
            i += 1;
        }
    }
}

fn bounded(length: Option<u64>, max: u64) -> u64 {
    length.map_or(max, |length| length.min(max))
}

fn version(file: &str, expected: u64, found: u64) -> Untrusted {
    Untrusted::new(file, Why::Version, format!("version {expected}"), format!("version {found}"))
}
