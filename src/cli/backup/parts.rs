//! Which files of an installation a backup holds, under which names, and what it never holds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::authority;
use crate::cli::init::{ANCHOR_DELV_FILE, ANCHOR_FILE};
use crate::cli::report::Failure;
use crate::config::{Config, FILE_NAME};
use crate::dnssec::keys::files::all_in;
use crate::dnssec::life::RecordFile;
use crate::ledger::Ledger;
use crate::wire::Name;

/// Folders in the folder of the ledger whose files are kept: versions of static zones, and what is known of children.
const DATA_FOLDERS: [&str; 2] = ["zones", "delegations/children"];
/// What tells about the moment, or is being written.
const PASSING: [&str; 6] = [".partial", ".request", ".result", ".lock", "status.json", ".sqlite-shm"];

/// The name of the ledger in a backup.
pub(crate) fn ledger() -> String {
    format!("data/{}", Ledger::file_name())
}

/// Where the files of an installation are: by the name that each has in a backup.
pub(super) struct Places<'a> {
    dir: &'a Path,
    config: &'a Config,
}

impl<'a> Places<'a> {
    /// Of the installation in `dir`.
    pub(super) fn new(dir: &'a Path, config: &'a Config) -> Self {
        Self { dir, config }
    }

    /// Where the file of this name belongs; None if this configuration has no place for it.
    pub(super) fn of(&self, name: &str) -> Option<PathBuf> {
        let Config { paths, zone, log, .. } = self.config;
        if let Some(apex) = name.strip_prefix("static/") {
            return zone.iter().find(|zone| zone.name == apex).map(|zone| zone.file.clone());
        }
        match name.split_once('/') {
            None if [FILE_NAME, ANCHOR_FILE, ANCHOR_DELV_FILE].contains(&name) => Some(self.dir.join(name)),
            None if name == "witnesses" && !log.witnesses.as_os_str().is_empty() => Some(log.witnesses.clone()),
            Some(("data", rest)) => Some(paths.data.join(rest)),
            Some(("zones", rest)) => Some(paths.zones.join(rest)),
            Some(("charter", rest)) => Some(paths.charter.join(rest)),
            Some(("keys", rest)) => Some(paths.keys.join(rest)),
            _ => None,
        }
    }

    /// Every file without a secret that is there, but for the ledger, by its name in a backup.
    pub(super) fn open(&self) -> Result<BTreeMap<String, PathBuf>, Failure> {
        let Config { paths, zone, log, .. } = self.config;
        let mut found = BTreeMap::new();
        for name in [FILE_NAME, ANCHOR_FILE, ANCHOR_DELV_FILE] {
            found.insert(name.to_owned(), self.dir.join(name));
        }
        found.insert("witnesses".to_owned(), log.witnesses.clone());
        for (prefix, folder) in [("zones", paths.zones.clone()), ("charter", paths.charter.clone())] {
            found.extend(in_folder(prefix, &folder)?);
        }
        for below in DATA_FOLDERS {
            found.extend(in_folder(&format!("data/{below}"), &paths.data.join(below))?);
        }
        for zone in zone.iter().filter(|zone| zone.file.parent() != Some(&paths.zones)) {
            found.insert(format!("static/{}", zone.name), zone.file.clone());
        }
        for apex in std::iter::once(&self.config.apex).chain(zone.iter().map(|zone| &zone.name)) {
            let Ok(apex) = Name::from_text(apex) else { continue };
            let record = RecordFile::new(&paths.keys, &apex).path().to_owned();
            let name = record.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.insert(format!("keys/{name}"), record);
        }
        found.retain(|_, path| path.is_file());
        Ok(found)
    }

    /// Every private key that is a file and in use.
    pub(super) fn keys(&self) -> Result<Vec<PathBuf>, Failure> {
        let keys = &self.config.paths.keys;
        let of_zones = all_in(keys)?.into_iter().map(|(path, _)| path).filter(|path| path.parent() == Some(keys));
        Ok(of_zones.chain(authority::key_files(keys)).filter(|path| path.is_file()).collect())
    }

    /// What a service needs and a backup does not hold, a sentence each.
    pub(super) fn missing(&self, with_keys: bool) -> Result<Vec<String>, Failure> {
        let Config { paths, dns, dnssec, http, webhooks, tsig, delegation, log, .. } = self.config;
        let mut missing = Vec::new();
        if !with_keys {
            let count = self.keys()?.len();
            missing.push(format!("{count} private keys of {}: from the backup of the keys", paths.keys.display()));
        }
        if dnssec.pkcs11.is_set() {
            missing.push(format!("the keys in the token {:?}: as its maker says", dnssec.pkcs11.token));
        }
        match log.socket() {
            Some(_) => {
                missing.push("the signer of its own, with its keys and what it has signed (log.signer)".to_owned())
            }
            None => missing.push(format!(
                "what was signed last, log.state and gov.state of {}: never from a backup, only from where it was",
                log.state_folder(&paths.keys).display()
            )),
        }
        let files = [
            ("dns.cookie_secrets", &dns.cookie_secrets),
            ("dns.tls_cert", &dns.tls_cert),
            ("dns.tls_key", &dns.tls_key),
            ("http.tls_cert", &http.tls_cert),
            ("http.tls_key", &http.tls_key),
            ("webhooks.ca_file", &webhooks.ca_file),
        ];
        let named = files.into_iter().filter(|(_, path)| !path.as_os_str().is_empty());
        missing.extend(named.map(|(key, path)| format!("{} ({key})", path.display())));
        missing.extend(tsig.iter().map(|key| format!("{} (the secret of tsig {})", key.file.display(), key.name)));
        missing
            .extend(delegation.signal.iter().map(|signal| format!("{} (delegation.signal)", signal.anchor.display())));
        if dnssec.passphrase_file.is_set() {
            missing.push(format!("the passphrase in {} (dnssec.passphrase_file)", dnssec.passphrase_file));
        }
        Ok(missing)
    }
}

/// The files right in a folder, none if it is not there.
fn in_folder(prefix: &str, folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|e| Failure::new(format!("{}: {e}", folder.display())))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') || name.contains(['\n', '\\']);
        if path.is_file() && !hidden && !PASSING.iter().any(|end| name.ends_with(end)) {
            found.push((format!("{prefix}/{name}"), path));
        }
    }
    Ok(found)
}
