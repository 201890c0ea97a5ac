//! `keys seal|unseal`: every private key of an installation, sealed under its passphrase, under a new one, or plain again.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::authority;
use crate::cli::InstallationArgs;
use crate::cli::report::{Failure, Report};
use crate::config::Config;
use crate::dnssec::keys::files::all_in;
use crate::dnssec::life::RecordFile;
use crate::seal::{self, Lock, Outcome, SealError};

/// The running service may move a key aside between two looks at the folder: the next look finds it.
const LOOKS_MAX: usize = 4;

#[derive(Args)]
pub(crate) struct SealArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Seal under the passphrase in this file from now on, mode 0600; the configured one opens what is sealed.
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

#[derive(Default)]
struct Tally {
    files: usize,
    changed: usize,
}

pub(super) fn seal(args: &SealArgs) -> Result<Report, Failure> {
    let (keys, lock, token) = open(&args.of.dir)?;
    let Some(path) = &args.new_passphrase_file else {
        let done = each(&keys, |path| seal::seal(path, &lock))?;
        let text = format!(
            "{} under the passphrase in {lock}. Keep a copy of that away from this machine and from the backups of {}: without it the \
             keys are lost. Backups and disks that had the keys plain still have them: destroy those, or roll the keys{token}",
            done.in_words("sealed"),
            keys.display()
        );
        return Ok(Report::done(text, done.as_json(&keys)));
    };
    let new = Lock::of(&path.display().to_string());
    new.check()?;
    let done = each(&keys, |path| seal::reseal(path, &lock, &new))?;
    let text = format!(
        "{} under the passphrase in {new}. Put it in the place of {lock} now: until then the service cannot start again, and one that \
         runs makes no key. Backups open with the passphrase that they were made under: keep that as long as them{token}",
        done.in_words("sealed")
    );
    Ok(Report::done(text, done.as_json(&keys)))
}

pub(super) fn unseal(args: &InstallationArgs) -> Result<Report, Failure> {
    let (keys, lock, token) = open(&args.dir)?;
    let done = each(&keys, |path| seal::unseal(path, &lock))?;
    let text = format!(
        "{}. Whoever can read them can sign in the zone's name. Take dnssec.passphrase_file out of config.toml, or new keys are sealed{token}",
        done.in_words("unsealed")
    );
    Ok(Report::done(text, done.as_json(&keys)))
}

/// The folder of the keys, the passphrase, which must be there, and what is to be said of a token.
fn open(dir: &Path) -> Result<(PathBuf, Lock, String), Failure> {
    let config = Config::load(dir)?;
    config.dnssec.passphrase_file.check()?;
    let pkcs11 = &config.dnssec.pkcs11;
    let token = match pkcs11.is_set() {
        true => format!(". Keys in the token {:?} are as they were: no passphrase reaches them", pkcs11.token),
        false => String::new(),
    };
    Ok((config.paths.keys, config.dnssec.passphrase_file, token))
}

/// Does it to each private key in the folder, until a look at all of them finds nothing to be done.
fn each(keys: &Path, change: impl Fn(&Path) -> Result<Outcome, SealError>) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for _ in 0..LOOKS_MAX {
        let mut look = Tally::default();
        for (path, apex) in all_in(keys)? {
            // Nobody moves the key of a zone while its record is held.
            let _held = apex.map(|apex| RecordFile::new(keys, &apex).lock()).transpose()?;
            look.count(change(&path))?;
        }
        for path in authority::key_files(keys) {
            look.count(change(&path))?;
        }
        (tally.files, tally.changed) = (look.files, tally.changed + look.changed);
        if look.changed == 0 {
            break;
        }
    }
    Ok(tally)
}

impl Tally {
    fn count(&mut self, done: Result<Outcome, SealError>) -> Result<(), SealError> {
        match done {
            Err(SealError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => self.changed += usize::from(other? == Outcome::Changed),
        }
        self.files += 1;
        Ok(())
    }

    fn in_words(&self, done: &str) -> String {
        match self.files - self.changed.min(self.files) {
            0 => format!("{done} {} private keys", self.changed),
            before => format!("{done} {} private keys; {before} were so already", self.changed),
        }
    }

    fn as_json(&self, keys: &Path) -> serde_json::Value {
        json!({"folder": keys, "files": self.files, "changed": self.changed})
    }
}
