//! `maintenance on|off`: changes are refused with a reason, look-ups, proofs and epochs go on; it outlives restarts.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::authority::{MAINTENANCE_REASON_MAX, MAINTENANCE_RETRY_S, Maintenance};
use crate::cli::report::{Failure, Report};
use crate::cli::{InstallationArgs, doctor};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

/// How long a running service may take to notice: it looks each second, or between two epochs.
const NOTICED_WAIT: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(100);

#[derive(Subcommand)]
pub(crate) enum MaintenanceCommand {
    /// Refuse changes from now on: 503 with the reason, and when to come back.
    On(OnArgs),
    /// Take changes again.
    Off(InstallationArgs),
}

#[derive(Args)]
pub(crate) struct OnArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// What callers are told, one line.
    #[arg(long, value_name = "TEXT", default_value = "maintenance of the directory")]
    reason: String,
    /// When callers shall come back, in seconds (`Retry-After`).
    #[arg(long, value_name = "SECONDS", default_value_t = MAINTENANCE_RETRY_S)]
    retry_after: u32,
}

pub(crate) fn run(command: &MaintenanceCommand) -> Result<Report, Failure> {
    match command {
        MaintenanceCommand::On(args) => on(args),
        MaintenanceCommand::Off(args) => off(args),
    }
}

fn on(args: &OnArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let reason = args.reason.trim();
    if reason.is_empty() || reason.len() > MAINTENANCE_REASON_MAX || reason.chars().any(char::is_control) {
        return Err(Failure::new(format!(
            "--reason: one line of 1 to {MAINTENANCE_REASON_MAX} octets that callers read"
        )));
    }
    let since_s = Maintenance::read(&config.paths.data).map_or_else(|| SystemClock.now_s(), |before| before.since_s);
    Maintenance { since_s, reason: reason.to_owned(), retry_after_s: args.retry_after }.on(&config.paths.data)?;
    let noticed = noticed(&config, true)?;
    let text = format!(
        "maintenance is on: changes are refused, look-ups and proofs go on{noticed}\nnext:\n  callbook maintenance off"
    );
    Ok(Report::done(text, json!({"maintenance": true, "reason": reason, "since_s": since_s})))
}

fn off(args: &InstallationArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let text = match Maintenance::off(&config.paths.data)? {
        true => format!("maintenance is off: changes are taken{}", noticed(&config, false)?),
        false => "maintenance was off".to_owned(),
    };
    Ok(Report::done(text, json!({"maintenance": false})))
}

/// Waits until a running service says the same; gives what is to be added if none runs.
#[allow(clippy::disallowed_methods)] // the patience of a command
fn noticed(config: &Config, on: bool) -> Result<&'static str, Failure> {
    let began = Instant::now();
    while began.elapsed() < NOTICED_WAIT {
        let Some(health) = doctor::health(config) else { return Ok(" (no service runs; the next one will know)") };
        if health.maintenance == on {
            return Ok("");
        }
        std::thread::sleep(LOOK);
    }
    Err(Failure::new(
        "the service has not noticed: is it the one of this directory, and does `callbook status` say that it works?",
    ))
}
