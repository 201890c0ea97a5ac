//! `backup verify`: whether a backup can be restored, by restoring it to a temporary place and opening it as a start does.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::authority::{self, Backup, Backups, Verified};
use crate::cli::backup::make::copied;
use crate::cli::backup::manifest::{MANIFEST, Manifest, Told};
use crate::cli::backup::{installed_in, zone};
use crate::cli::report::{Exit, Failure, Report};
use crate::cli::{init, instance};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::{Config, FILE_NAME};
use crate::zone::Loader;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The folder that `backup make` wrote.
    backup: PathBuf,
    /// The installation that it is of: the keys of its logs are compared, and it remembers that the backup is good.
    #[arg(long, value_name = "DIR", env = "CALLBOOK_DIR")]
    dir: Option<PathBuf>,
    /// Where the temporary copy goes, which needs the room of the backup; the system's folder for such things if left out.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
}

pub(crate) fn run(args: &VerifyArgs) -> Result<Report, Failure> {
    let live = args.dir.as_deref().map(Config::load).transpose()?;
    let work = args.work.clone().unwrap_or_else(std::env::temp_dir);
    let now_s = SystemClock.now_s();
    let (manifest, digest) = match prove(&args.backup, &work) {
        Ok(proven) => proven,
        Err(why) => return Ok(failed(&args.backup, &why.to_string())),
    };
    let mut notes = Vec::new();
    if let Some(config) = &live {
        let ours = authority::heads(&config.paths.data)?;
        let [log_key, gov_key] = ours.keys.map(|key| key.to_string());
        if (log_key, gov_key) != (manifest.heads.log_key.clone(), manifest.heads.gov_key.clone()) {
            return Ok(failed(
                &args.backup,
                "it is of another directory: its logs have other keys than those of --dir",
            ));
        }
        notes.push(remember(config, &args.backup, &manifest, &digest, now_s));
    } else {
        notes.push("compare the gov log's key with one that you know, or name the installation with --dir".to_owned());
    }
    let age_s = now_s.saturating_sub(manifest.made_s);
    let text = format!(
        "PASSED: {backup} can be restored\n  \
         made     {made}, {age} ago: what came later is not in it\n  \
         logs     map {map}, gov {gov} leaves; every leaf, tile, State, record and signed checkpoint agrees\n  \
         gov key  {key}\n  \
         zone     sha256 {zone}, as the manifest says\n  {notes}",
        backup = args.backup.display(),
        made = rfc3339(manifest.made_s),
        age = age(age_s),
        map = manifest.heads.map.0,
        gov = manifest.heads.gov.0,
        key = manifest.heads.gov_key,
        zone = manifest.zone_sha256,
        notes = notes.join("\n  "),
    );
    let json =
        json!({"passed": true, "backup": args.backup, "age_s": age_s, "manifest_sha256": digest, "manifest": manifest});
    Ok(Report::done(text, json))
}

fn failed(backup: &Path, why: &str) -> Report {
    let text = format!(
        "FAILED: {} cannot be restored: {why}\nKeep it for inspection, make another one now, and verify an older one",
        backup.display()
    );
    Report { text, json: json!({"passed": false, "backup": backup, "why": why}), exit: Exit::None }
}

/// Tells the installation, and says what was said.
fn remember(config: &Config, backup: &Path, manifest: &Manifest, digest: &str, now_s: u64) -> String {
    let known = Backups::read(&config.paths.data).made.iter().any(|made| made.manifest == digest);
    let backup = Backup {
        path: fs::canonicalize(backup).unwrap_or_else(|_| backup.to_owned()),
        made_s: manifest.made_s,
        manifest: digest.to_owned(),
    };
    let made_here = if known { "made here" } else { "not among the last ones made here" };
    match Backups::verified(&config.paths.data, Verified { backup, verified_s: now_s }) {
        Ok(()) => format!("this backup is {made_here}; the installation remembers that it is good"),
        Err(e) => format!("this backup is {made_here}; {} cannot remember it: {e}", config.paths.data.display()),
    }
}

/// A time span in the largest unit that says something.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Restores to a temporary place below `work`, opens what is there, and compares. Leaves nothing behind.
pub(crate) fn prove(backup: &Path, work: &Path) -> Result<(Manifest, String), Failure> {
    let (manifest, digest) = Manifest::read(backup)?;
    let place = TempFolder::create(work)?;
    copy_all(backup, &manifest, &|name| Ok(place.path.join(name)))?;
    no_strangers(backup, &manifest)?;
    let text = fs::read_to_string(place.path.join(FILE_NAME))
        .map_err(|e| Failure::new(format!("{FILE_NAME} is missing from it: {e}")))?;
    let config = installed_in(&place.path, &text)?;
    agree(config.apex == manifest.apex, "the configuration is of another apex")?;
    let mut loader = Loader::default();
    let policy = instance::charter_folder(&config)?;
    let settings = init::settings(&config);
    let heads = authority::examine(&settings, policy, |data| loader.push(&data))?;
    let epoch = heads.map.size.saturating_sub(1);
    if let Some(what) = Told::of(&heads).difference(&manifest.heads) {
        return Err(Failure::new(format!("{what} is not what the manifest says")));
    }
    let policy = instance::charter_in_force(&config)?;
    let zone = zone::of(&config, &policy, loader, epoch, manifest.made_s)?;
    agree(zone == manifest.zone_sha256, "the zone that comes of it is not the one of the manifest")?;
    Ok((manifest, digest))
}

fn agree(agrees: bool, what: &str) -> Result<(), Failure> {
    if agrees { Ok(()) } else { Err(Failure::new(what)) }
}

/// Copies every file of a backup to where `place` says, and holds each against its digest.
pub(super) fn copy_all(
    backup: &Path,
    manifest: &Manifest,
    place: &dyn Fn(&str) -> Result<PathBuf, Failure>,
) -> Result<(), Failure> {
    // The configuration makes an installation of a folder: it comes last.
    let last = |name: &str| name == FILE_NAME;
    let in_turn = manifest.files.iter().filter(|file| !last(&file.name));
    for file in in_turn.chain(manifest.files.iter().filter(|file| last(&file.name))) {
        let from = backup.join(&file.name);
        let plain = fs::symlink_metadata(&from).map_err(|e| Failure::new(format!("{}: {e}", file.name)))?;
        agree(plain.is_file(), &format!("{} is no plain file", file.name))?;
        agree(plain.len() == file.bytes, &format!("{} has {} octets, and had {}", file.name, plain.len(), file.bytes))?;
        let to = place(&file.name)?;
        let (above, name) = (to.parent().unwrap_or(Path::new(".")), to.file_name().unwrap_or_default());
        let written = copied(File::open(&from)?.take(file.bytes), above, &name.to_string_lossy())?;
        let same = (written.bytes, &written.sha256) == (file.bytes, &file.sha256);
        agree(same, &format!("{} is not the file that was backed up: its digest is another", file.name))?;
    }
    Ok(())
}

/// A file that the manifest does not name was put there by somebody else.
fn no_strangers(backup: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let mut folders = vec![(backup.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else if name != MANIFEST && !manifest.files.iter().any(|file| file.name == name) {
                return Err(Failure::new(format!("{name} lies in it, and the manifest does not name it")));
            }
        }
    }
    Ok(())
}

/// A folder for the time of a proof.
pub(crate) struct TempFolder {
    pub(crate) path: PathBuf,
}

impl TempFolder {
    pub(crate) fn create(work: &Path) -> Result<Self, Failure> {
        let mut id = [0; 8];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut id)
            .map_err(|_| Failure::new("the system gives no random numbers"))?;
        let path = work.join(format!("callbook-verify-{}", data_encoding::HEXLOWER.encode(&id)));
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| {
            Failure::new(format!("cannot make {}: {e}; name another folder with --work", path.display()))
        })?;
        Ok(Self { path })
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path); // for its owner alone, if the disk does not let it go
    }
}
