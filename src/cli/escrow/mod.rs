//! `escrow`: deposits for an agent who keeps the register for the day the operator is gone (charter 10.2), and the drill.
//!
//! ```text
//! operator: snapshot --full | pages that are different--> tar --age, the agent's key--> FOLDER/…_FULL_S1.age, …_DIFF_S2.age
//! agent:    FULL (+ the newest DIFF) --private key--> a backup --as a start does--> same log heads, same zone: PASSED
//! ```

mod deposit;
mod open;
mod service;
mod state;
mod tar;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::InstallationArgs;
use crate::cli::backup::{TempFolder, prove};
use crate::cli::report::{Exit, Failure, Report};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

pub(crate) use service::Depositing;
pub(crate) use state::{Kind, State};

#[derive(Subcommand)]
pub(crate) enum EscrowCommand {
    /// The agent's key pair: the private half into a new file, the public one is printed.
    Keygen(KeygenArgs),
    /// Make a deposit now, also of an installation that works; the service makes those that are due by itself.
    Deposit(DepositArgs),
    /// Turn deposits back into a backup, as the agent.
    Open(OpenArgs),
    /// Restore deposits to a temporary place: passes only if log heads and zone are those of the deposit.
    Drill(DrillArgs),
}

#[derive(Args)]
pub(crate) struct KeygenArgs {
    /// The file to make, mode 0600.
    file: PathBuf,
}

#[derive(Args)]
#[group(required = true, multiple = false, args = ["full", "diff"])]
pub(crate) struct DepositArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Everything.
    #[arg(long)]
    full: bool,
    /// What is different from the last full one.
    #[arg(long)]
    diff: bool,
}

/// Deposits and the key that opens them.
#[derive(Args)]
pub(crate) struct OpenedArgs {
    /// The full deposit.
    full: PathBuf,
    /// The newest differential one that rests on it.
    diff: Option<PathBuf>,
    /// The agent's private key: a file of `escrow keygen` or `age-keygen`, mode 0600.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
}

#[derive(Args)]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    of: OpenedArgs,
    /// The folder to make; `callbook restore` takes it from there.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    of: OpenedArgs,
    /// The installation that remembers the drill, if it is at hand.
    #[arg(long, value_name = "DIR", env = "CALLBOOK_DIR")]
    dir: Option<PathBuf>,
    /// Where the temporary copy goes; the system's folder for such things if left out.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
}

pub(crate) fn run(command: &EscrowCommand) -> Result<Report, Failure> {
    match command {
        EscrowCommand::Keygen(args) => keygen(args),
        EscrowCommand::Deposit(args) => deposit(args),
        EscrowCommand::Open(args) => open(args),
        EscrowCommand::Drill(args) => drill(args),
    }
}

fn keygen(args: &KeygenArgs) -> Result<Report, Failure> {
    let public = open::keygen(&args.file)?;
    let text = format!(
        "{public}\nThe operator puts this into escrow.recipient. {} opens every deposit: keep it offline, and a copy elsewhere",
        args.file.display()
    );
    Ok(Report::done(text, json!({"recipient": public, "file": args.file})))
}

fn deposit(args: &DepositArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let kind = if args.full { Kind::Full } else { Kind::Diff };
    let made = deposit::make(&args.of.dir, &config, kind)?;
    let path = config.escrow.folder_of(&args.of.dir).join(&made.file);
    let bytes = fs::metadata(&path)?.len();
    let text = format!(
        "wrote {}: deposit {} of type {}, {bytes} octets, only for {}\n  sha256 {}\nBring it to the agent. The gov log is told by the service for the deposits that it makes itself",
        path.display(),
        made.seq,
        made.kind.as_str(),
        config.escrow.recipient,
        made.sha256,
    );
    Ok(Report::done(text, json!({"file": path, "bytes": bytes, "deposit": made})))
}

fn open(args: &OpenArgs) -> Result<Report, Failure> {
    if args.out.exists() {
        return Err(Failure::new(format!("{} is there already", args.out.display())));
    }
    let identity = open::identity(&args.of.identity)?;
    let mut partial = args.out.clone().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    if partial.is_dir() {
        fs::remove_dir_all(&partial)?; // left by a run that was cut off
    }
    let header = open::open(&args.of.full, args.of.diff.as_deref(), &identity, &partial).inspect_err(|_| {
        let _ = fs::remove_dir_all(&partial); // the reason is told
    })?;
    fs::rename(&partial, &args.out)?;
    let text = format!(
        "opened {} as of {}: {} numbers, {} leaves of the map log. It holds every number: guard it\n\n\
         next:\n  callbook backup verify {out}   proves that it can be restored\n  callbook restore {out} --dir DIR",
        header.id,
        header.watermark,
        header.counts.numbers,
        header.counts.map_leaves,
        out = args.out.display(),
    );
    Ok(Report::done(text, json!({"out": args.out, "header": header})))
}

fn drill(args: &DrillArgs) -> Result<Report, Failure> {
    let config = args.dir.as_deref().map(Config::load).transpose()?;
    let identity = open::identity(&args.of.identity)?;
    let work = args.work.clone().unwrap_or_else(std::env::temp_dir);
    let place = TempFolder::create(&work)?;
    let opened = place.path.join("deposit");
    let restored = open::open(&args.of.full, args.of.diff.as_deref(), &identity, &opened)
        .and_then(|header| prove(&opened, &place.path).map(|(manifest, _)| (header, manifest)));
    let at_s = SystemClock.now_s();
    let (passed, watermark_s) = restored.as_ref().map_or((false, 0), |(_, manifest)| (true, manifest.made_s));
    let note = match &config {
        Some(config) => remember(&config.paths.data, state::Drill { at_s, passed, watermark_s })?,
        None => "\nThe operator notes it with --dir, or by hand",
    };
    match restored {
        Ok((header, manifest)) => {
            let heads = &manifest.heads;
            let text = format!(
                "PASSED: {} restores to the state of {}\n  logs     map {} leaves, gov {}; every leaf, tile, State and signed checkpoint agrees\n  \
                 gov key  {}\n  zone     sha256 {}{note}",
                header.id, header.watermark, heads.map.0, heads.gov.0, heads.gov_key, manifest.zone_sha256
            );
            let json = json!({"passed": true, "header": header, "heads": heads, "zone_sha256": manifest.zone_sha256});
            Ok(Report::done(text, json))
        }
        Err(why) => Ok(Report {
            text: format!("FAILED: {why}{note}\nMake a full deposit now, and find out why this one does not restore"),
            json: json!({"passed": false, "why": why.to_string()}),
            exit: Exit::None,
        }),
    }
}

fn remember(data: &Path, drill: state::Drill) -> Result<&'static str, Failure> {
    let mut state = State::read(data)?;
    state.drill = Some(drill);
    state.write(data)?;
    Ok("\nThe installation remembers it")
}
