//! Trust repositories that are made to measure: every part can be bent before it is signed, and every file after.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use callbook::charter::trust::{
    Delegation, Delegations, Document, FileInfo, KeyRing, Kind, MetaInfo, Role, Root, Snapshot, Targets, Timestamp,
};
use callbook::log::key::{Algorithm, SigningKey};

/// When it is.
pub(crate) const NOW_S: u64 = 1_800_000_000;
pub(crate) const DAY_S: u64 = 86_400;

/// The key of that number.
pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[n; 32]).expect("any bytes are an Ed25519 seed")
}

/// A role of these keys.
pub(crate) fn role(ring: &mut KeyRing, keys: &[u8], threshold: u64) -> Role {
    Role { keys: keys.iter().map(|n| ring.add(key(*n).public())).collect(), threshold }
}

/// How a document is signed.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) version: u64,
    pub(crate) expires_s: u64,
    pub(crate) by: Vec<u8>,
}

impl Signed {
    pub(crate) fn new(version: u64, by: &[u8]) -> Self {
        Self { version, expires_s: NOW_S + 3 * DAY_S, by: by.to_vec() }
    }

    fn seal(&self, mut document: Document) -> Vec<u8> {
        for n in &self.by {
            document.sign(&key(*n));
        }
        document.write()
    }
}

/// A repository: root by two of the keys 1, 2, 3, targets by both of 11, 12, snapshot 21, timestamp 31, providers 41, brake by
/// both of 51, 52.
#[derive(Clone)]
pub(crate) struct Repository {
    pub(crate) roots: Vec<(Root, Signed)>,
    pub(crate) targets: (Targets, Signed),
    pub(crate) providers: (Targets, Signed),
    pub(crate) brake: Option<(Targets, Signed)>,
    pub(crate) snapshot: Signed,
    pub(crate) timestamp: Signed,
    pub(crate) contents: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    pub(crate) fn first() -> Self {
        let mut keys = KeyRing::default();
        let roles = BTreeMap::from([
            (Kind::Root, role(&mut keys, &[1, 2, 3], 2)),
            (Kind::Targets, role(&mut keys, &[11, 12], 2)),
            (Kind::Snapshot, role(&mut keys, &[21], 1)),
            (Kind::Timestamp, role(&mut keys, &[31], 1)),
        ]);
        let root = Root { keys, roles, consistent: true };
        let mut delegations = Delegations::default();
        for (name, who) in [("brake", &[51, 52][..]), ("providers", &[41])] {
            let role = role(&mut delegations.keys, who, who.len() as u64);
            let (name, paths) = (name.to_owned(), vec![format!("{name}/*")]);
            delegations.roles.push(Delegation { name, role, paths, terminating: true });
        }
        let mut repository = Self {
            roots: vec![(root, Signed::new(1, &[1, 3]))],
            targets: (Targets { files: BTreeMap::new(), delegations }, Signed::new(1, &[11, 12])),
            providers: (Targets::default(), Signed::new(1, &[41])),
            brake: None,
            snapshot: Signed::new(1, &[21]),
            timestamp: Signed::new(1, &[31]),
            contents: BTreeMap::new(),
        };
        repository.put("charter.md", b"**1.1** The law.\n");
        repository.put("policy.toml", b"format = 1\n");
        repository.put("providers/register.json", b"{}");
        repository
    }

    /// Signs a target, by the role of its folder.
    pub(crate) fn put(&mut self, path: &str, bytes: &[u8]) {
        let info = FileInfo::of(bytes);
        let said = match path.split('/').next() {
            Some("providers") => &mut self.providers.0,
            Some("brake") => &mut self.brake.as_mut().expect("a brake that is set").0,
            _ => &mut self.targets.0,
        };
        said.files.insert(path.to_owned(), info);
        self.contents.insert(path.to_owned(), bytes.to_vec());
    }

    /// Sets the brake.
    pub(crate) fn brake(&mut self, text: &[u8]) {
        let version = self.brake.as_ref().map_or(1, |(_, signed)| signed.version + 1);
        self.brake = Some((Targets::default(), Signed::new(version, &[51, 52])));
        self.put("brake/suspended.json", text);
    }

    /// Signs what is newest once more.
    pub(crate) fn turn(&mut self) {
        self.snapshot.version += 1;
        self.timestamp.version += 1;
    }

    /// The next root, as the newest is and then bent.
    pub(crate) fn rotate(&mut self, by: &[u8], bend: impl Fn(&mut Root)) {
        let (mut root, signed) = self.roots.last().expect("one at least").clone();
        bend(&mut root);
        self.roots.push((root, Signed::new(signed.version + 1, by)));
    }

    /// Every file.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (root, signed) in &self.roots {
            let name = format!("{}.root.json", signed.version);
            files.insert(name, signed.seal(root.write(signed.version, signed.expires_s)));
        }
        let mut meta = BTreeMap::new();
        let roles = [
            Some(("targets", &self.targets)),
            Some(("providers", &self.providers)),
            self.brake.as_ref().map(|brake| ("brake", brake)),
        ];
        for (name, (said, signed)) in roles.into_iter().flatten() {
            let bytes = signed.seal(said.write(signed.version, signed.expires_s));
            meta.insert(format!("{name}.json"), MetaInfo::of(signed.version, &bytes));
            files.insert(format!("{}.{name}.json", signed.version), bytes);
            for (path, info) in &said.files {
                let bytes = self.contents.get(path).cloned().unwrap_or_default();
                files.insert(format!("targets/{}", info.place(path, true)), bytes);
            }
        }
        self.newest(meta, files)
    }

    /// Snapshot and timestamp over those files of targets.
    pub(crate) fn newest(
        &self,
        meta: BTreeMap<String, MetaInfo>,
        mut files: BTreeMap<String, Vec<u8>>,
    ) -> BTreeMap<String, Vec<u8>> {
        let Signed { version, expires_s, .. } = self.snapshot;
        let snapshot = self.snapshot.seal(Snapshot { meta }.write(version, expires_s));
        let named = Timestamp { snapshot: MetaInfo::of(version, &snapshot) };
        files.insert(format!("{version}.snapshot.json"), snapshot);
        let timestamp = named.write(self.timestamp.version, self.timestamp.expires_s);
        files.insert("timestamp.json".to_owned(), self.timestamp.seal(timestamp));
        files
    }
}

/// Writes files below a folder that is not there yet.
pub(crate) fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    fs::create_dir_all(folder).expect("a folder");
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}
