//! `charter keygen|draft|sign|publish`: the trust repository from the plan to what clients read; signing needs no installation.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use serde_json::json;
use zeroize::Zeroizing;

use crate::authority::{self, Drafted, TrustFacts, TrustStore, TrustWish};
use crate::charter::trust::contents::{Directories, Suspended, TrustedDirectory};
use crate::charter::trust::plan::{Plan, ROLES};
use crate::charter::trust::{BRAKE, Document, TARGETS_BYTES_MAX, key_id};
use crate::cli::report::{Failure, Report};
use crate::cli::{InstallationArgs, init, instance};
use crate::client::holder;
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;
use crate::log::bytes::{array_from_base64, to_base64};
use crate::log::key::{Algorithm, SigningKey};
use crate::log::note::VerifierKey;
use crate::seal::Lock;

/// A key file is a line, or that line sealed.
const KEY_FILE_BYTES_MAX: u64 = 16 * 1024;

#[derive(Args)]
pub(crate) struct KeygenArgs {
    /// The file to make, mode 0600.
    file: PathBuf,
    /// Seal it: a file of mode 0600 whose one line is the passphrase.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
}

#[derive(Args)]
pub(crate) struct DraftArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Draft a role anew although nothing in it changes: root, targets, providers, brake. May be repeated.
    #[arg(long, value_name = "ROLE", value_parser = ROLES)]
    renew: Vec<String>,
    /// Set the brake: a provider by its id, or the key of a log by its vkey. May be repeated; replaces what is set.
    #[arg(long, value_name = "ID|VKEY", conflicts_with = "release")]
    suspend: Vec<String>,
    /// Let the brake go: nothing is suspended from its publication on.
    #[arg(long)]
    release: bool,
    /// Another directory to trust beside this one, as APEX=HOST. May be repeated; replaces those that were there.
    #[arg(long, value_name = "APEX=HOST")]
    directory: Vec<String>,
}

#[derive(Args)]
pub(crate) struct SignArgs {
    /// The file to sign, such as root.json of the draft. The signature is added to it.
    file: PathBuf,
    /// The signer's key file.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// The passphrase of a sealed key: a file of mode 0600 whose one line it is.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
    /// Write the signed file here instead.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Signed copies of drafts, whose signatures are taken over.
    copies: Vec<PathBuf>,
}

pub(super) fn keygen(args: &KeygenArgs) -> Result<Report, Failure> {
    let key = SigningKey::generate(Algorithm::Ed25519, &SystemRandom::new())?;
    let plain = holder::to_text(&key);
    let text = match &args.passphrase_file {
        None => Zeroizing::new(format!("{}\n", *plain)),
        Some(place) => {
            let line = Zeroizing::new(format!("{}\n", *plain));
            let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty());
            let path = folder.unwrap_or(Path::new(".")).join(args.file.file_name().unwrap_or_default());
            Zeroizing::new(init::passphrase(place)?.seal(&path, line.as_bytes(), crate::seal::Beside::Anything)?)
        }
    };
    init::write_secret(&args.file, &text)?;
    let (public, id) = (format!("ed25519:{}", to_base64(key.public().bytes())), key_id(key.public()));
    let said = format!("{public}\n  key id {id}\n  the private half is in {} and nowhere else", args.file.display());
    Ok(Report::done(said, json!({"public_key": public, "key_id": id, "file": args.file})))
}

/// What there is to be signed of an installation now.
pub(super) fn facts_of(config: &Config) -> Result<TrustFacts, Failure> {
    let folder = instance::charter_folder(config)?;
    Ok(authority::facts(&init::settings(config), &folder, SystemClock.now_ms())?)
}

pub(super) fn draft(args: &DraftArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let store = TrustStore::at(&config.paths.charter);
    let facts = facts_of(&config)?;
    let wish = wish(args, &facts)?;
    let drafted = authority::draft(&store, &init::settings(&config), &facts, &wish, SystemClock.now_s())?;
    Ok(told(&store, &drafted, &store.plan()?))
}

fn wish(args: &DraftArgs, facts: &TrustFacts) -> Result<TrustWish, Failure> {
    let mut directories = Vec::new();
    for text in &args.directory {
        let (apex, host) =
            text.split_once('=').ok_or_else(|| Failure::new(format!("--directory {text}: APEX=HOST is needed")))?;
        directories.push(TrustedDirectory { apex: apex.to_owned(), host: host.to_owned() });
    }
    let (mut providers, mut log_keys) = (BTreeSet::new(), BTreeSet::new());
    for what in &args.suspend {
        if VerifierKey::parse(what).is_ok() {
            log_keys.insert(what.clone());
        } else if authority::register_named(facts, what) {
            providers.insert(what.clone());
        } else {
            return Err(Failure::new(format!(
                "--suspend {what}: neither a provider of the register nor the vkey of a log"
            )));
        }
    }
    let renews_brake = args.renew.iter().any(|role| role == BRAKE);
    if renews_brake && args.suspend.is_empty() && !args.release {
        return Err(Failure::new(
            "--renew brake: say what it shall suspend (--suspend), so that nobody renews it without a thought",
        ));
    }
    let is_set = !args.suspend.is_empty() || args.release;
    let brake = is_set.then(|| Suspended::new(providers.into_iter().collect(), log_keys.into_iter().collect()));
    let mut renew = args.renew.clone();
    if is_set && !renews_brake {
        renew.push(BRAKE.to_owned()); // its two weeks begin anew
    }
    let directories = (!directories.is_empty()).then(|| Directories::new(directories));
    Ok(TrustWish { renew, brake, directories })
}

fn told(store: &TrustStore, drafted: &[Drafted], plan: &Plan) -> Report {
    let json = json!({"drafts": drafted.iter().map(|one| json!({
        "role": one.role, "version": one.version, "expires": rfc3339(one.expires_s),
        "digest": HEXLOWER.encode(&one.digest), "file": one.file, "changes": one.changes,
    })).collect::<Vec<_>>()});
    if drafted.is_empty() {
        return Report::done(
            "nothing is to be signed: what is published is what there is, and lives long enough",
            json,
        );
    }
    let mut lines = Vec::new();
    for one in drafted {
        lines.push(format!("{} version {}, until {}", one.role, one.version, rfc3339(one.expires_s)));
        lines.push(format!("  digest {}", HEXLOWER.encode(&one.digest)));
        lines.push(format!("  file   {}", one.file.display()));
        lines.extend(one.changes.iter().map(|change| format!("  {change}")));
    }
    if plan.role("root").is_some_and(|root| root.role.threshold == 1) {
        lines.push(
            "one key alone can change everything here: whoever has it can name other logs and other keys. Fit for a village; a federation takes 3 of 5"
                .to_owned(),
        );
    }
    lines.push(format!("\nnext: those who sign compare the digest, and sign the file: callbook charter sign {}/ROLE.json --key-file FILE\nthen: callbook charter publish", store.draft().display()));
    Report::done(lines.join("\n"), json)
}

pub(super) fn sign(args: &SignArgs) -> Result<Report, Failure> {
    let name = args.file.display().to_string();
    let mut document = Document::read(&read_bounded(&args.file, TARGETS_BYTES_MAX)?, &name)?;
    let key = read_key(&args.key_file, args.passphrase_file.as_deref())?;
    let id = document.sign(&key);
    let out = args.out.as_ref().unwrap_or(&args.file);
    replace(out, &document.write())?;
    let digest = HEXLOWER.encode(&document.digest());
    let signers: Vec<&str> = document.signers().collect();
    let text = format!(
        "signed {} version {}, until {}\n  digest {digest}\n  by     {id}\n  {} signatures are in {}",
        document.kind.name(),
        document.version,
        rfc3339(document.expires_s),
        signers.len(),
        out.display()
    );
    let json = json!({"kind": document.kind.name(), "version": document.version, "digest": digest, "key_id": id, "signatures": signers, "file": out});
    Ok(Report::done(text, json))
}

/// Writes a file in one step: nobody finds half of a document that somebody has signed.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let partial = path.with_extension("partial");
    let written = fs::write(&partial, bytes).and_then(|()| fs::File::open(&partial)?.sync_all());
    written
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))
}

pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    read.map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    match bytes.len() as u64 <= bytes_max {
        true => Ok(bytes),
        false => Err(Failure::new(format!("{}: more than {bytes_max} bytes", path.display()))),
    }
}

/// A signer's key: what `charter keygen` or `staff keygen` made, or a key of an installation; plain or sealed.
fn read_key(path: &Path, passphrase: Option<&str>) -> Result<SigningKey, Failure> {
    let mode = fs::metadata(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::new(format!("{0} is open to other users; close it with: chmod 600 {0}", path.display())));
    }
    let lock = passphrase.map(init::passphrase).transpose()?.unwrap_or_else(Lock::default);
    let text = lock.open(path, Zeroizing::new(read_bounded(path, KEY_FILE_BYTES_MAX)?))?;
    let text = std::str::from_utf8(&text).unwrap_or_default();
    let mut words = text.split_ascii_whitespace();
    let key = match (words.next(), words.next(), words.next(), words.next()) {
        (Some("callbook/key/v1"), Some(_), Some(secret), None) => {
            let secret = array_from_base64(secret).map(Zeroizing::new);
            secret.and_then(|secret| SigningKey::from_bytes(Algorithm::Ed25519, &secret).ok())
        }
        _ => holder::from_text::<SigningKey>(text).ok(),
    };
    let key = key.filter(|key| key.public().algorithm() == Algorithm::Ed25519);
    key.ok_or_else(|| Failure::new(format!("{} is no Ed25519 key: callbook charter keygen makes one", path.display())))
}

pub(super) fn publish(args: &PublishArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let store = TrustStore::at(&config.paths.charter);
    let mut copies = Vec::new();
    for path in &args.copies {
        copies.push((path.display().to_string(), read_bounded(path, TARGETS_BYTES_MAX)?));
    }
    let lock = &config.dnssec.passphrase_file;
    let done = authority::publish_trust(&store, &config.paths.keys, lock, &copies, SystemClock.now_s())?;
    let roles: Vec<String> = done.roles.iter().map(|(role, version)| format!("{role} version {version}")).collect();
    let text = format!(
        "published {} in {}\n  a client that begins from 1.root.json believes it, and {} targets are as signed\n  the running service tells it in the public log",
        roles.join(", "),
        store.published().display(),
        done.targets
    );
    let json = json!({"published": done.roles.iter().map(|(role, version)| json!({"role": role, "version": version})).collect::<Vec<_>>(), "targets": done.targets});
    Ok(Report::done(text, json))
}

/// Makes the repository of one: a key, the plan, and the first version of everything. For `init --trust`.
pub(crate) fn begin_of_one(config: &Config, holder_name: &str, key_file: &Path) -> Result<String, Failure> {
    let key = SigningKey::generate(Algorithm::Ed25519, &SystemRandom::new())?;
    init::write_secret(key_file, &format!("{}\n", *holder::to_text(&key)))?;
    let store = TrustStore::at(&config.paths.charter);
    let public = format!("ed25519:{}", to_base64(key.public().bytes()));
    fs::write(store.plan_file(), Plan::of_one(holder_name, &public))?;
    let now_s = SystemClock.now_s();
    let drafted = authority::draft(&store, &init::settings(config), &facts_of(config)?, &TrustWish::default(), now_s)?;
    for one in &drafted {
        let mut document = Document::read(&read_bounded(&one.file, TARGETS_BYTES_MAX)?, one.role)?;
        document.sign(&key);
        replace(&one.file, &document.write())?;
    }
    authority::publish_trust(&store, &config.paths.keys, &config.dnssec.passphrase_file, &[], now_s)?;
    Ok(key_id(key.public()))
}
