//! `backup make`: one moment of an installation, also of one that works, as a folder that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use zeroize::Zeroizing;

use crate::authority::{self, Backup, Backups};
use crate::cli::InstallationArgs;
use crate::cli::backup::manifest::{Entry, FORM, MANIFEST, Manifest, Told};
use crate::cli::backup::parts::{self, Places};
use crate::cli::backup::{installed_in, sha256_hex, zone};
use crate::cli::report::{Failure, Report};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::{Config, FILE_NAME};
use crate::ledger::Ledger;
use crate::seal::{Beside, Lock};

/// A key file has some hundred octets.
const KEY_OCTETS_MAX: u64 = 16 * 1024;
/// A master file or a version of a zone; a larger one is no file of this program.
const FILE_OCTETS_MAX: u64 = 16 << 30;

#[derive(Args)]
pub(crate) struct MakeArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// The folder to write, mode 0700; it must not be there yet.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Put the private keys in too, sealed under the passphrase of --passphrase-file.
    #[arg(long, requires = "passphrase_file")]
    with_keys: bool,
    /// What the keys in the backup are sealed with: a file of mode 0600 with one line.
    #[arg(long, value_name = "FILE", requires = "with_keys")]
    passphrase_file: Option<PathBuf>,
}

pub(crate) fn run(args: &MakeArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    if args.out.exists() {
        return Err(Failure::new(format!("{} is there already, and no backup replaces another", args.out.display())));
    }
    let lock = args.passphrase_file.as_ref().map(|path| Lock::of(&path.display().to_string()));
    if let Some(lock) = &lock {
        lock.check()?;
    }
    let partial = Partial::create(&args.out)?;
    let (manifest, digest) = fill(&partial.path, &args.of.dir, &config, lock.as_ref())?;
    partial.put_in_place()?;
    let path = fs::canonicalize(&args.out)?;
    let backup = Backup { path, made_s: manifest.made_s, manifest: digest.clone() };
    let remembered = match Backups::made(&config.paths.data, backup) {
        Ok(()) => String::new(),
        Err(e) => format!("\n{} does not know of it: {e}", config.paths.data.display()),
    };
    Ok(said(&args.out, &manifest, &digest, &remembered))
}

fn said(out: &Path, manifest: &Manifest, digest: &str, remembered: &str) -> Report {
    let Told { map, gov, events, numbers, .. } = &manifest.heads;
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let keys = if manifest.keys { "sealed private keys" } else { "no private keys" };
    let text = format!(
        "wrote {out}: the installation of {apex} as it was at {made}\n  \
         map log {map_size} leaves, gov log {gov_size}, {events} events, {numbers} numbers, {keys}, {bytes} octets in {files} files\n  \
         zone     sha256 {zone}\n  manifest sha256 {digest}\n\
         It holds every number: guard it like the ledger. What is not in it:\n  {missing}{remembered}\n\n\
         next:\n  callbook backup verify {out} --dir DIR   proves that it can be restored",
        out = out.display(),
        apex = manifest.apex,
        made = rfc3339(manifest.made_s),
        map_size = map.0,
        gov_size = gov.0,
        files = manifest.files.len(),
        zone = manifest.zone_sha256,
        missing = manifest.missing.join("\n  "),
    );
    Report::done(text, json!({"backup": out, "manifest_sha256": digest, "manifest": manifest}))
}

/// Writes the same without private keys into the folder `to`, for an escrow deposit; gives the manifest with its digest.
pub(crate) fn snapshot(to: &Path, dir: &Path, config: &Config) -> Result<(Manifest, String), Failure> {
    fill(to, dir, config, None)
}

/// Writes everything into the folder `to`, the manifest last; gives it with its digest.
fn fill(to: &Path, dir: &Path, config: &Config, lock: Option<&Lock>) -> Result<(Manifest, String), Failure> {
    let mut files = Vec::new();
    let made_s = SystemClock.now_s();
    let ledger = parts::ledger();
    folder(&to.join("data"))?;
    let bar = ProgressBar::new(0); // draws only on a terminal
    bar.set_style(ProgressStyle::with_template("copying the ledger {bar:32} {pos}/{len} pages  {eta} left")?);
    Ledger::copy(&config.paths.data, &to.join("data"), |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let places = Places::new(dir, config);
    for (name, path) in places.open()? {
        match File::open(&path) {
            // A service that works may have replaced or removed it since the folder was read.
            Err(e) if e.kind() == io::ErrorKind::NotFound && name != FILE_NAME => continue,
            opened => files.push(copied(opened?.take(FILE_OCTETS_MAX), to, &name)?),
        }
    }
    if let Some(lock) = lock {
        for path in places.keys()? {
            // A key may be moved aside at any moment, once it is not needed.
            files.extend(sealed(&path, config, lock, to)?);
        }
    }
    let copy = installed_in(to, &fs::read_to_string(to.join(FILE_NAME))?)?;
    let heads = authority::heads(&copy.paths.data)?;
    let zone_sha256 = zone::digest(&copy, made_s)?;
    files.push(entry(to, &ledger)?);
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let manifest = Manifest {
        format: FORM.to_owned(),
        made_by: format!("callbook {}", env!("CARGO_PKG_VERSION")),
        made_s,
        apex: config.apex.clone(),
        ledger_format: Ledger::format(),
        heads: Told::of(&heads),
        zone_sha256,
        keys: lock.is_some(),
        missing: places.missing(lock.is_some())?,
        files,
    };
    let text = serde_json::to_vec_pretty(&manifest)?;
    copied(&text[..], to, MANIFEST)?;
    Ok((manifest, sha256_hex(&text)))
}

/// A private key, sealed under the backup's passphrase; None if it is not there any more.
fn sealed(path: &Path, config: &Config, lock: &Lock, to: &Path) -> Result<Option<Entry>, Failure> {
    let mut text = Zeroizing::new(Vec::with_capacity(KEY_OCTETS_MAX as usize));
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?.take(KEY_OCTETS_MAX).read_to_end(&mut text)?,
    };
    let plain = config.dnssec.passphrase_file.open(path, text)?;
    let name = format!("keys/{}", path.file_name().unwrap_or_default().to_string_lossy());
    folder(&to.join("keys"))?;
    let sealed = lock.seal(&to.join(&name), &plain, Beside::Others)?;
    copied(sealed.as_bytes(), to, &name).map(Some)
}

/// Writes a file of the backup, durably, with the digest of what was written.
pub(crate) fn copied(mut from: impl Read, to: &Path, name: &str) -> Result<Entry, Failure> {
    let path = to.join(name);
    let at = |e: io::Error| Failure::new(format!("{}: {e}", path.display()));
    let above = path.parent().unwrap_or(to);
    folder(above)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(at)?;
    let (mut digest, mut bytes) = (ring::digest::Context::new(&ring::digest::SHA256), 0);
    let mut piece = vec![0; 1 << 18];
    loop {
        let read = from.read(&mut piece).map_err(at)?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
        file.write_all(&piece[..read]).map_err(at)?;
        bytes += read as u64;
    }
    file.sync_all().map_err(at)?;
    File::open(above)?.sync_all()?;
    Ok(Entry { name: name.to_owned(), bytes, sha256: data_encoding::HEXLOWER.encode(digest.finish().as_ref()) })
}

/// The digest of a file that is there.
fn entry(to: &Path, name: &str) -> Result<Entry, Failure> {
    let mut file = File::open(to.join(name))?;
    let (mut digest, mut bytes) = (ring::digest::Context::new(&ring::digest::SHA256), 0);
    let mut piece = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        digest.update(&piece[..read]);
        bytes += read as u64;
    }
    Ok(Entry { name: name.to_owned(), bytes, sha256: data_encoding::HEXLOWER.encode(digest.finish().as_ref()) })
}

/// Makes a folder for its owner alone.
pub(crate) fn folder(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}

/// A folder in the making beside the one that it will be; gone unless it is put in place.
struct Partial<'a> {
    path: PathBuf,
    out: &'a Path,
}

impl<'a> Partial<'a> {
    fn create(out: &'a Path) -> Result<Self, Failure> {
        let mut name = out.file_name().ok_or_else(|| Failure::new("--out names no folder"))?.to_owned();
        name.push(".partial");
        let path = out.with_file_name(name);
        if path.is_dir() {
            // Left by a run that was killed.
            fs::remove_dir_all(&path)?;
        }
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Failure::new(format!("cannot make {}: {e}", path.display())))?;
        Ok(Self { path, out })
    }

    fn put_in_place(self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        fs::rename(&self.path, self.out)?; // refused if somebody has put a folder with files there meanwhile
        let above = self.out.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path); // nothing is there any more if it was put in place
    }
}
