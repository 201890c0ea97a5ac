//! `log refill`: a ledger that is older than what was signed, brought up to it from copies that others kept.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::authority::{self, Copies, Refilled};
use crate::cli::report::{Failure, Report};
use crate::cli::{InstallationArgs, init, instance};
use crate::config::Config;
use crate::log::tile::{BUNDLE_BYTES_MAX, Log, Row, TILE_WIDTH, Tile, read_bundle};

/// A checkpoint with its cosignatures is some kilobytes.
const NOTE_BYTES_MAX: u64 = 64 * 1024;
/// An epoch has 2048 events of some kilobytes at most.
const BATCH_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct RefillArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// A copy of both logs, as `callbook log mirror` keeps it.
    #[arg(long, value_name = "FOLDER")]
    mirror: PathBuf,
    /// The batches of epochs that are missing, as `callbook auditor run --keep` has kept them: ERA/EPOCH.
    #[arg(long, value_name = "FOLDER")]
    batches: Option<PathBuf>,
}

pub(crate) fn run(args: &RefillArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let policy = instance::charter_in_force(&config)?;
    let settings = init::settings(&config);
    let copies = Folders { mirror: &args.mirror, batches: args.batches.as_deref(), era: settings.era };
    let Refilled { decisions, epochs, events, without_record, forgotten } =
        authority::refill(&settings, policy, &copies)?;
    let mut text = format!(
        "brought back: {epochs} epochs with {events} events, {decisions} leaves of the gov log\n\
         {without_record} numbers have no record and are not served: their providers submit the newest change of each again, as it was signed"
    );
    if forgotten > 0 {
        text +=
            &format!("\n{forgotten} accepted changes no longer fit and are forgotten: their providers must ask anew");
    }
    text += "\n\nnext:\n  callbook serve   starts the service, which is frozen no more";
    let json = json!({
        "decisions": decisions, "epochs": epochs, "events": events, "without_record": without_record, "forgotten": forgotten,
    });
    Ok(Report::done(text, json))
}

/// Copies in folders.
struct Folders<'a> {
    mirror: &'a Path,
    batches: Option<&'a Path>,
    era: u64,
}

impl Folders<'_> {
    fn of(&self, log: Log) -> PathBuf {
        match log {
            Log::Gov => self.mirror.join("gov"),
            Log::Map => self.mirror.join(format!("map/{}", self.era)),
        }
    }
}

impl Copies for Folders<'_> {
    fn note(&self, log: Log) -> Result<String, String> {
        let path = self.of(log).join("checkpoint");
        String::from_utf8(read(&path, NOTE_BYTES_MAX)?).map_err(|_| format!("{} is not text", path.display()))
    }

    fn leaf(&self, log: Log, n: u64, size: u64) -> Result<Vec<u8>, String> {
        let tile = Tile::of_log(Row::Entries, n / TILE_WIDTH, size).ok_or_else(|| format!("it has no leaf {n}"))?;
        let path = self.of(log).join(tile.to_string());
        let bundle = read_bundle(&read(&path, BUNDLE_BYTES_MAX as u64)?, tile.width());
        let mut bundle = bundle.map_err(|why| format!("{}: {why}", path.display()))?;
        let at = usize::try_from(n % TILE_WIDTH).unwrap_or(usize::MAX);
        if at < bundle.len() { Ok(bundle.swap_remove(at)) } else { Err(format!("{} has no leaf {n}", path.display())) }
    }

    fn batch(&self, epoch: u64) -> Result<Vec<u8>, String> {
        let folder = self.batches.ok_or("it has events, and no --batches was named")?;
        read(&folder.join(format!("{}/{epoch}", self.era)), BATCH_BYTES_MAX)
    }
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let at = |error: std::io::Error| format!("{}: {error}", path.display());
    let length = std::fs::metadata(path).map_err(at)?.len();
    if length > bytes_max {
        return Err(format!("{} is longer than {bytes_max} bytes", path.display()));
    }
    std::fs::read(path).map_err(at)
}
