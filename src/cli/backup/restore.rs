//! `restore`: a backup back into an empty place, proven good first, with what is still missing and what the service will do.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::backup::make::folder;
use crate::cli::backup::manifest::Manifest;
use crate::cli::backup::parts::Places;
use crate::cli::backup::verify::{age, copy_all, prove};
use crate::cli::report::{Failure, Report};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::{Config, FILE_NAME};

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// The folder that `backup make` wrote.
    backup: PathBuf,
    /// The directory to restore to: it must be empty, or not be there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where the backup is proven good first, which needs its room; the system's folder for such things if left out.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
}

pub(crate) fn run(args: &RestoreArgs) -> Result<Report, Failure> {
    let (manifest, _) = Manifest::read(&args.backup)?;
    let text = fs::read_to_string(args.backup.join(FILE_NAME))?;
    let config = Config::parse(&text, &args.dir.join(FILE_NAME))?.under(&args.dir);
    let places = Places::new(&args.dir, &config);
    check_empty(args, &config, &manifest, &places)?;
    let work = args.work.clone().unwrap_or_else(std::env::temp_dir);
    prove(&args.backup, &work)?;
    for place in [&args.dir, &config.paths.keys, &config.paths.data, &config.paths.zones, &config.paths.charter] {
        folder(place)?;
    }
    let place = |name: &str| target(&places, name);
    copy_all(&args.backup, &manifest, &place)?;
    Ok(said(args, &config, &manifest))
}

fn target(places: &Places<'_>, name: &str) -> Result<PathBuf, Failure> {
    places.of(name).ok_or_else(|| Failure::new(format!("{name} has no place in the configuration of the backup")))
}

/// Nothing is ever overwritten.
fn check_empty(args: &RestoreArgs, config: &Config, manifest: &Manifest, places: &Places<'_>) -> Result<(), Failure> {
    let taken =
        |path: &Path| Failure::new(format!("{} is not empty: a backup is restored to an empty place", path.display()));
    for place in [&args.dir, &config.paths.data] {
        if fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(taken(place));
        }
    }
    for file in &manifest.files {
        let path = target(places, &file.name)?;
        if path.exists() {
            return Err(taken(&path));
        }
    }
    Ok(())
}

fn said(args: &RestoreArgs, config: &Config, manifest: &Manifest) -> Report {
    let (dir, size) = (args.dir.display(), manifest.heads.map.0);
    let age_s = SystemClock.now_s().saturating_sub(manifest.made_s);
    let keys = match manifest.keys {
        true => format!(
            "\nThe keys are sealed under the backup's passphrase: put it where dnssec.passphrase_file says ({}), or set that",
            if config.dnssec.passphrase_file.is_set() {
                config.dnssec.passphrase_file.to_string()
            } else {
                "not set".to_owned()
            },
        ),
        false => String::new(),
    };
    let text = format!(
        "restored {apex} to {dir} as it was at {made}, {age} ago\n\
         Still missing:\n  {missing}{keys}\n\n\
         What was signed last decides how it goes on. This ledger has {size} leaves of the map log:\n  \
         you have log.state and gov.state of the machine that signed: put them back. If they say more than this ledger, the service\n  \
         starts FROZEN: it answers and changes nothing, until `callbook log refill` has brought the ledger up from a mirror's copy\n  \
         they are lost, and no mirror, witness or auditor has a checkpoint above {size}: `callbook signer adopt --dir {dir}`\n  \
         they are lost, and somebody has a newer one: `callbook signer adopt`, then `callbook log refill` before the first start.\n  \
         Without that the log would be signed twice in two ways, which ends it\n\n\
         next:\n  callbook doctor --dir {dir}\n  callbook serve --dir {dir}",
        apex = manifest.apex,
        made = rfc3339(manifest.made_s),
        age = age(age_s),
        missing = manifest.missing.join("\n  "),
    );
    let json = json!({"restored": args.dir, "age_s": age_s, "map_size": size, "missing": manifest.missing, "keys": manifest.keys});
    Report::done(text, json)
}
