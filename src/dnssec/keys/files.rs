//! Private keys as files: PKCS#8 in PEM, mode 0600, named `K<apex>+<algorithm>+<tag>.<ksk|zsk|csk>.p8`, sealed where there is
//! a passphrase. What the zone no longer needs lies in `removed/` for a while.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use data_encoding::BASE64;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::error::io_at;
use super::{Key, KeyError, KeySource, Protection};
use crate::dnssec::{Algorithm, KeyId, KeyRole, SignFault, signer};
use crate::seal::{self, Beside, Lock};
use crate::wire::Name;

/// How often a new key is made again because its tag is taken; a zone has a dozen tags at most of 65 536.
const TAG_TRIES: usize = 8;
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// A key file has some hundred octets; of a longer one this much is read, which is no key.
const FILE_OCTETS_MAX: u64 = 16 * 1_024;
/// So much of a file tells whether it is sealed.
const HEAD_OCTETS: u64 = 32;
/// What the name of a key's file ends with.
const ENDING: &str = ".p8";
/// The folder of keys that the zone no longer needs.
const ASIDE: &str = "removed";

/// The key files of one zone.
pub struct KeyFiles {
    dir: PathBuf,
    apex: Name,
    random: Box<dyn SecureRandom + Send + Sync>,
    lock: Lock,
}

impl KeyFiles {
    /// The files of `apex` in `dir`.
    pub fn new(dir: &Path, apex: &Name, random: Box<dyn SecureRandom + Send + Sync>) -> Self {
        Self { dir: dir.to_owned(), apex: *apex, random, lock: Lock::default() }
    }

    /// The same, opened and sealed with a passphrase if there is one.
    pub fn sealed_with(self, lock: &Lock) -> Self {
        Self { lock: lock.clone(), ..self }
    }

    /// Takes a private key in, a PKCS#8 document; its tags must be free. Durable when this returns.
    pub fn keep(
        &self,
        role: KeyRole,
        algorithm: Algorithm,
        document: &[u8],
        is_free: &dyn Fn([u16; 2]) -> bool,
    ) -> Result<Option<KeyId>, KeyError> {
        let signer = signer::open(algorithm, document, &*self.random).ok_or(SignFault)?;
        let key = Key::new(role, signer);
        if !is_free([key.tag, key.revoked().tag]) {
            return Ok(None);
        }
        let id = key.id();
        let (path, pem) = (self.path(id), to_pem(document));
        match self.lock.is_set() {
            true => write(&path, self.lock.seal(&path, pem.as_bytes(), Beside::Others)?.as_bytes())?,
            false => write(&path, pem.as_bytes())?,
        }
        fs::File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io_at(&self.dir))?;
        Ok(Some(id))
    }

    /// The PKCS#8 document of a key.
    pub fn document(&self, id: KeyId) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let path = self.path(id);
        let mode = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(KeyError::Missing { path, key: id }),
            other => other.map_err(io_at(&path))?.permissions().mode() & 0o7777,
        };
        if mode & 0o077 != 0 {
            return Err(KeyError::Permissions { path, mode });
        }
        let pem = self.lock.open(&path, read(&path, FILE_OCTETS_MAX).map_err(io_at(&path))?)?;
        from_pem(&pem).map_err(|reason| KeyError::Garbage { path, reason })
    }

    /// Whether the file of a key is in its place.
    pub fn has(&self, id: KeyId) -> bool {
        self.path(id).exists()
    }

    fn path(&self, id: KeyId) -> PathBuf {
        self.dir.join(file_name(&self.apex, id))
    }

    fn aside(&self, id: KeyId) -> PathBuf {
        self.dir.join(ASIDE).join(file_name(&self.apex, id))
    }
}

impl KeySource for KeyFiles {
    fn make(&self, role: KeyRole, algorithm: Algorithm, is_free: &dyn Fn([u16; 2]) -> bool) -> Result<KeyId, KeyError> {
        for _ in 0..TAG_TRIES {
            let document = Zeroizing::new(signer::generate(algorithm, &*self.random)?);
            if let Some(id) = self.keep(role, algorithm, &document, is_free)? {
                return Ok(id);
            }
        }
        Err(SignFault.into())
    }

    fn open(&self, id: KeyId) -> Result<Key, KeyError> {
        let document = self.document(id)?;
        let garbage = |reason| KeyError::Garbage { path: self.path(id), reason };
        let signer = signer::open(id.algorithm, &document, &*self.random);
        let key = Key::new(id.role, signer.ok_or_else(|| garbage("not a PKCS#8 key of its algorithm"))?);
        if key.tag == id.tag { Ok(key) } else { Err(garbage("the key has another tag")) }
    }

    fn list(&self) -> Result<Vec<(KeyId, u64)>, KeyError> {
        let prefix = name_prefix(&self.apex);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(io_at(&self.dir))? {
            let path = entry.map_err(io_at(&self.dir))?.path();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let Some(id) = name.strip_prefix(&prefix).and_then(file_id) else { continue };
            let changed = fs::metadata(&path).and_then(|data| data.modified()).map_err(io_at(&path))?;
            found.push((id, changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())));
        }
        found.sort_by_key(|(id, created_s)| (id.role, *created_s, id.tag));
        Ok(found)
    }

    fn protection(&self, id: KeyId) -> Result<Protection, KeyError> {
        for path in [self.path(id), self.aside(id)] {
            match read(&path, HEAD_OCTETS) {
                Ok(head) if seal::is_sealed(&head) => return Ok(Protection::Sealed),
                Ok(_) => return Ok(Protection::Plain),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(io_at(&path)(e)),
            }
        }
        Ok(Protection::Gone)
    }

    fn set_aside(&self, id: KeyId) -> Result<(), KeyError> {
        let (from, to, folder) = (self.path(id), self.aside(id), self.dir.join(ASIDE));
        if !from.exists() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io_at(&folder))?;
        fs::rename(&from, &to).map_err(io_at(&from))
    }

    fn forget(&self, id: KeyId) -> Result<(), KeyError> {
        for path in [self.aside(id), self.path(id)] {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_at(&path)(e)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Every key file in `dir` and in its `removed/`, of all zones, with the apex if the name says one.
pub fn all_in(dir: &Path) -> Result<Vec<(PathBuf, Option<Name>)>, KeyError> {
    let mut found = Vec::new();
    for folder in [dir.to_owned(), dir.join(ASIDE)] {
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(io_at(&folder))?,
        };
        for entry in entries {
            let path = entry.map_err(io_at(&folder))?.path();
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let Some((apex, rest)) = name.strip_prefix('K').and_then(|name| name.split_once('+')) else { continue };
            if file_id(rest).is_some() {
                let apex = Name::from_text(&format!("{apex}.")).ok();
                found.push((path, apex));
            }
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

/// The name of a key's file.
pub fn file_name(apex: &Name, id: KeyId) -> String {
    key_name(apex, id) + ENDING
}

/// The name of a key, wherever it lies: `K<apex>+<algorithm>+<tag>.<ksk|zsk|csk>`.
pub(crate) fn key_name(apex: &Name, id: KeyId) -> String {
    format!("{}{:03}+{:05}.{}", name_prefix(apex), id.algorithm.number(), id.tag, id.role.as_str())
}

/// What the names of all keys of a zone begin with.
pub(crate) fn name_prefix(apex: &Name) -> String {
    format!("K{}+", apex_text(apex))
}

/// The apex as it stands in names of files.
pub(crate) fn apex_text(apex: &Name) -> String {
    apex.to_text().trim_end_matches('.').replace('/', "\\047")
}

/// Reads `<algorithm>+<tag>.<role>`, what follows [`name_prefix`].
pub(crate) fn key_id(rest: &str) -> Option<KeyId> {
    let (algorithm, rest) = rest.split_once('+')?;
    let (tag, role) = rest.split_once('.')?;
    Some(KeyId { role: role.parse().ok()?, algorithm: algorithm.parse().ok()?, tag: tag.parse().ok()? })
}

fn file_id(rest: &str) -> Option<KeyId> {
    key_id(rest.strip_suffix(ENDING)?)
}

/// The document in a PEM block; the error says what does not fit.
pub(crate) fn from_pem(pem: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let text = std::str::from_utf8(pem).map_err(|_| "not PEM text")?;
    let body = text.trim().strip_prefix(PEM_BEGIN).and_then(|t| t.strip_suffix(PEM_END));
    let body: Zeroizing<String> = Zeroizing::new(body.ok_or("not one PEM block")?.split_whitespace().collect());
    BASE64.decode(body.as_bytes()).map(Zeroizing::new).map_err(|_| "not base64")
}

fn to_pem(document: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64.encode(document));
    let mut pem = Zeroizing::new(String::with_capacity(2 * body.len() + 80)); // it does not move, and leaves no copy
    pem.push_str(PEM_BEGIN);
    pem.push('\n');
    for line in body.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(PEM_END);
    pem.push('\n');
    pem
}

fn read(path: &Path, octets_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(octets_max as usize)); // it does not move, and leaves no copy
    fs::File::open(path)?.take(octets_max).read_to_end(&mut text)?;
    Ok(text)
}

fn write(path: &Path, text: &[u8]) -> Result<(), KeyError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_at(path))?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(io_at(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealError;
    use ring::rand::SystemRandom;

    fn files(dir: &Path) -> KeyFiles {
        KeyFiles::new(dir, &Name::from_text("e164.example.").unwrap(), Box::new(SystemRandom::new()))
    }

    #[test]
    fn what_is_made_is_opened_put_aside_and_forgotten() {
        for algorithm in Algorithm::ALL {
            let dir = tempfile::tempdir().unwrap();
            let files = files(dir.path());
            let ids: Vec<KeyId> = [KeyRole::Ksk, KeyRole::Zsk, KeyRole::Csk]
                .map(|role| files.make(role, algorithm, &|_| true).unwrap())
                .into();
            assert_eq!(files.list().unwrap().iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
            for id in &ids {
                assert_eq!(files.open(*id).unwrap().id(), *id);
                assert_eq!(fs::metadata(files.path(*id)).unwrap().permissions().mode() & 0o777, 0o600);
                files.set_aside(*id).unwrap();
                files.set_aside(*id).unwrap();
                assert!(matches!(files.open(*id), Err(KeyError::Missing { .. })));
                assert!(files.aside(*id).exists());
                files.forget(*id).unwrap();
                files.forget(*id).unwrap();
                assert!(!files.aside(*id).exists());
            }
            assert!(files.list().unwrap().is_empty());
        }
    }

    #[test]
    fn a_taken_tag_makes_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let tries = std::cell::Cell::new(0);
        let third = |tags: [u16; 2]| {
            tries.set(tries.get() + 1);
            assert_ne!(tags[0], tags[1]);
            tries.get() == 3
        };
        files.make(KeyRole::Zsk, Algorithm::default(), &third).unwrap();
        assert_eq!((tries.get(), files.list().unwrap().len()), (3, 1));
        assert!(files.make(KeyRole::Zsk, Algorithm::default(), &|_| false).is_err());
        assert_eq!(files.list().unwrap().len(), 1);
    }

    #[test]
    fn with_a_passphrase_new_keys_are_sealed_and_no_file_passes_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        fs::create_dir(&keys).unwrap();
        let passphrase = dir.path().join("passphrase");
        write(&passphrase, b"a long passphrase\n").unwrap();
        let sealed = || files(&keys).sealed_with(&Lock::cheap(&passphrase));
        let ids = [KeyRole::Ksk, KeyRole::Zsk].map(|role| sealed().make(role, Algorithm::Ed25519, &|_| true).unwrap());
        for id in ids {
            assert_eq!(sealed().open(id).unwrap().id(), id);
            assert_eq!(files(&keys).protection(id).unwrap(), Protection::Sealed);
            assert!(!fs::read_to_string(sealed().path(id)).unwrap().contains("PRIVATE"));
            let why = files(&keys).open(id).err().unwrap().to_string();
            assert!(why.contains("dnssec.passphrase_file"), "{why}");
        }
        // A key in the place of another, as the same role and algorithm would let it.
        let role = KeyId { role: KeyRole::Ksk, ..ids[1] };
        fs::copy(sealed().path(ids[1]), sealed().path(role)).unwrap();
        assert!(matches!(sealed().open(role), Err(KeyError::Sealed(SealError::Damaged { .. }))));
        fs::remove_file(sealed().path(role)).unwrap();
        sealed().set_aside(ids[1]).unwrap();
        assert_eq!(sealed().protection(ids[1]).unwrap(), Protection::Sealed);
        let all = all_in(&keys).unwrap();
        assert!(all.len() == 2 && all.iter().all(|(_, apex)| *apex == Some(sealed().apex)));
        sealed().forget(ids[1]).unwrap();
        assert_eq!(sealed().protection(ids[1]).unwrap(), Protection::Gone);
        assert_eq!(
            files(&keys)
                .make(KeyRole::Csk, Algorithm::default(), &|_| true)
                .map(|id| files(&keys).protection(id).unwrap())
                .unwrap(),
            Protection::Plain
        );
    }

    #[test]
    fn open_wrong_and_cut_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let id = files.make(KeyRole::Ksk, Algorithm::default(), &|_| true).unwrap();
        let why = || files.open(id).err().map(|e| e.to_string()).unwrap_or_default();
        let path = files.path(id);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(why().contains("mode 0640") && why().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let good = fs::read(&path).unwrap();
        let other = KeyId { tag: id.tag ^ 1, ..id };
        fs::copy(&path, files.path(other)).unwrap();
        assert!(files.open(other).err().unwrap().to_string().contains("another tag"));
        let another = KeyId { algorithm: Algorithm::Ed25519, ..id };
        fs::copy(&path, files.path(another)).unwrap();
        assert!(files.open(another).err().unwrap().to_string().contains("not a PKCS#8 key of its algorithm"));
        fs::write(&path, b"not a key").unwrap();
        assert!(why().contains("not one PEM block"));
        fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(why().contains("restore it from the backup"));
    }
}
