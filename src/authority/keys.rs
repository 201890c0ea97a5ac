//! The authority's own private keys: files in `keys/`, made once by `init`, never made anew in silence.

//! The authority's own private keys: files in `keys/`, made once by `init`, never made anew in silence.
//!
//! A file is one line, `callbook/key/v1 PURPOSE BASE64(32 bytes)`, mode 0600: the purpose inside makes sure that no file
//! is taken for another, and a text survives every way of copying. Where there is a passphrase the file is sealed.

use std::fs::File;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::authority::trust;
use crate::log::key::{SigningKey, Thumbprint};
use crate::log::random::Random;
use crate::log::vrf;
use crate::seal::Lock;
use crate::signer::key_file::{self, KeyError, file};

/// What a key is for; the word stands in its file and is the file's name.
const PURPOSES: [&str; 6] = ["log", "gov", "sequencer", "vrf", "nonce", WEBHOOK];
/// Signs webhooks. An installation from before there were any gets one when it is opened: nothing was signed by another.
pub(super) const WEBHOOK: &str = "webhook";
/// The one before it, which signs too until its owner says that everybody knows the newer.
pub(super) const WEBHOOK_BEFORE: &str = "webhook-before";
/// The keys of one installation, but for those of the two logs, which their signer has.
pub(super) struct Keys {
    /// Signs the releases of numbers that lapsed (role 6).
    pub(super) sequencer: SigningKey,
    /// Gives every number its label.
    pub(super) vrf: vrf::SecretKey,
    /// Binds nonces and ephemeral keys to what they were given out for.
    pub(super) nonce: Zeroizing<[u8; 32]>,
}

/// What the ledger's leaves are compared with of one's own keys.
pub(super) struct Ours {
    /// The VRF key; None where the private keys are elsewhere, as beside a backup.
    pub(super) vrf: Option<[u8; 32]>,
    /// The key by which the sequencer's releases are known.
    pub(super) sequencer: Thumbprint,
}

impl Keys {
    /// What of them is public.
    pub(super) fn ours(&self) -> Ours {
        Ours { vrf: Some(*self.vrf.public().as_bytes()), sequencer: self.sequencer.public().thumbprint() }
    }

    /// Makes every key anew in `dir`, durably; refuses if one of them is there.
    pub(super) fn create(dir: &Path, random: &dyn Random, lock: &Lock) -> Result<(), KeyError> {
        let paths = PURPOSES.map(|purpose| file(dir, purpose));
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            return Err(KeyError::Exists { path: path.clone() });
        }
        for purpose in PURPOSES {
            let mut secret = Zeroizing::new([0; 32]);
            random.fill(&mut *secret)?;
            key_file::make(dir, purpose, &secret, lock)?;
        }
        File::open(dir).and_then(|d| d.sync_all()).map_err(|source| KeyError::Io { path: dir.to_owned(), source })
    }

    /// Reads every key of an era from `dir` that is not the signer's.
    pub(super) fn open(dir: &Path, lock: &Lock, era: u64) -> Result<Self, KeyError> {
        Ok(Self {
            sequencer: key_file::signing(dir, "sequencer", lock)?,
            vrf: vrf::SecretKey::from_seed(&*key_file::read(dir, &vrf_of(era), lock)?),
            nonce: key_file::read(dir, "nonce", lock)?,
        })
    }
}

/// The purpose of the key that gives numbers their labels in an era.
pub(super) fn vrf_of(era: u64) -> String {
    if era == 0 { "vrf".to_owned() } else { format!("vrf-{era}") }
}

/// Makes the key that gives numbers their labels in a new era, durably; one that is there is taken, for an attempt that was
/// broken off has shown it to nobody.
pub(super) fn make_vrf(dir: &Path, random: &dyn Random, lock: &Lock, era: u64) -> Result<(), KeyError> {
    let purpose = vrf_of(era);
    if file(dir, &purpose).exists() {
        return Ok(());
    }
    let mut secret = Zeroizing::new([0; 32]);
    random.fill(&mut *secret)?;
    key_file::make(dir, &purpose, &secret, lock)?;
    File::open(dir).and_then(|d| d.sync_all()).map_err(|source| KeyError::Io { path: dir.to_owned(), source })
}

/// The files of the authority's own keys in `dir`, whether they are there or not.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let eras = (1..).map(vrf_of).map(|purpose| file(dir, &purpose)).take_while(|path| path.exists());
    let own = PURPOSES.iter().chain([&WEBHOOK_BEFORE]).chain(&trust::KEYS);
    own.map(|purpose| file(dir, purpose)).chain(eras).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::random::Seeded;
    use crate::seal::SealError;
    use crate::signer::key_file::write_new;

    #[test]
    fn keys_are_made_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        Keys::create(dir.path(), &Seeded::new([1; 32]), &Lock::default()).unwrap();
        let (first, again) = (
            Keys::open(dir.path(), &Lock::default(), 0).unwrap(),
            Keys::open(dir.path(), &Lock::default(), 0).unwrap(),
        );
        assert_eq!(first.sequencer.public(), again.sequencer.public());
        assert_ne!(first.sequencer.public().bytes(), first.vrf.public().as_bytes());
        assert!(matches!(
            Keys::create(dir.path(), &Seeded::new([2; 32]), &Lock::default()),
            Err(KeyError::Exists { .. })
        ));
    }

    #[test]
    fn sealed_keys_are_the_same_keys() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, sealed) = (dir.path().join("plain"), dir.path().join("sealed"));
        let passphrase = dir.path().join("passphrase");
        write_new(&passphrase, b"a long passphrase").unwrap();
        let lock = Lock::cheap(&passphrase);
        for (folder, lock) in [(&plain, &Lock::default()), (&sealed, &lock)] {
            std::fs::create_dir(folder).unwrap();
            Keys::create(folder, &Seeded::new([1; 32]), lock).unwrap();
        }
        let keys = [Keys::open(&plain, &lock, 0).unwrap(), Keys::open(&sealed, &lock, 0).unwrap()];
        assert_eq!(keys[0].sequencer.public(), keys[1].sequencer.public());
        assert_eq!(keys[0].nonce, keys[1].nonce);
        for file in files(&sealed).into_iter().filter(|file| file.exists()) {
            assert!(crate::seal::is_sealed(&std::fs::read(file).unwrap()));
        }
        assert!(matches!(
            Keys::open(&sealed, &Lock::default(), 0),
            Err(KeyError::Sealed(SealError::NoPassphrase { .. }))
        ));
        std::fs::copy(sealed.join("gov.key"), sealed.join("vrf.key")).unwrap();
        assert!(matches!(Keys::open(&sealed, &lock, 0), Err(KeyError::Sealed(SealError::Damaged { .. }))));
    }
}
