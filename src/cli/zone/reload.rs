//! `zone reload|diff`: has a running service read its zone files again, or shows what that would change.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::cli::report::{Exit, Failure, Report};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::primary::reload::{Outcome, Request, ask};
use crate::primary::{self, Backward, Kept, PrimaryError, Proposal};
use crate::wire::Name;
use crate::zone::{records, text};

/// How long a service may take: signing a million names takes most of it.
const WAIT: Duration = Duration::from_secs(300);

#[derive(Args)]
pub(crate) struct ReloadArgs {
    /// The installation's directory; it must be running.
    #[arg(long, value_name = "DIR", default_value = ".", env = "CALLBOOK_DIR")]
    dir: PathBuf,
    /// Change nothing: show what would change, as `zone diff` does. Needs no running service.
    #[arg(long)]
    dry_run: bool,
    /// Serve this zone even if its serial goes back; secondaries must then fetch it anew by hand. May be repeated.
    #[arg(long, value_name = "NAME")]
    restart_serial: Vec<String>,
}

#[derive(Args)]
pub(crate) struct DiffArgs {
    /// Only this zone.
    zone: Option<String>,
    /// The installation's directory; it may be running.
    #[arg(long, value_name = "DIR", default_value = ".", env = "CALLBOOK_DIR")]
    dir: PathBuf,
}

pub(crate) fn reload(args: &ReloadArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let restart: Vec<String> = args.restart_serial.iter().map(|name| absolute(name)).collect();
    if args.dry_run {
        return show(&config, None, &restart);
    }
    let mut id = [0; 8];
    SystemRandom::new().fill(&mut id).map_err(|_| Failure::new("the system gives no random numbers"))?;
    let request = Request { id: data_encoding::HEXLOWER.encode(&id), restart_serial: restart };
    let folder = primary::folder(&config);
    if !folder.is_dir() {
        return Err(Failure::new("no static zones are served here: add [[zone]] to config.toml and start the service"));
    }
    let Some(answer) = ask(&folder, &request, WAIT)? else {
        let dir = args.dir.display();
        return Err(Failure::new(format!("no service answers: start it with `callbook serve --dir {dir}`")));
    };
    let refused = answer.zones.iter().any(|zone| zone.outcome == Outcome::Refused);
    let line = |zone: &primary::reload::Reloaded| {
        let serial = zone.serial.map_or("not served".to_owned(), |serial| format!("serial {serial}"));
        match (&zone.problem, zone.outcome) {
            (Some(why), _) => format!("{}: refused, as before: {serial}\n  {why}", zone.name),
            (None, Outcome::Changed) => format!("{}: new version, {serial}", zone.name),
            (None, _) => format!("{}: unchanged, {serial}", zone.name),
        }
    };
    let lines: Vec<String> = answer.zones.iter().map(line).collect();
    let exit = if refused { Exit::None } else { Exit::Done };
    Ok(Report { text: lines.join("\n"), json: json!({"zones": answer.zones}), exit })
}

pub(crate) fn diff(args: &DiffArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let only = args.zone.as_deref().map(absolute);
    if let Some(name) = only.as_deref().filter(|name| config.zone.iter().all(|zone| zone.name != **name)) {
        return Err(Failure::new(format!("there is no [[zone]] {name} in config.toml")));
    }
    show(&config, only.as_deref(), &[])
}

/// What reading the files again would change.
fn show(config: &Config, only: Option<&str>, restart: &[String]) -> Result<Report, Failure> {
    let (mut lines, mut rows, mut exit) = (Vec::new(), Vec::new(), Exit::Done);
    for mut zone in primary::kept(config)? {
        let name = zone.name().to_text();
        if only.is_some_and(|only| only != name) {
            continue;
        }
        zone.restore(SystemClock.now_s())?;
        match change(&mut zone, restart.contains(&name)) {
            Ok(None) => {
                lines.push(format!("{name}: nothing changes"));
                rows.push(json!({"name": name, "outcome": Outcome::Unchanged, "removed": [], "added": []}));
            }
            Ok(Some((removed, added))) => {
                lines.push(format!("{name}: {} records go, {} come", removed.len(), added.len()));
                lines.extend(removed.iter().map(|record| format!("- {record}")));
                lines.extend(added.iter().map(|record| format!("+ {record}")));
                rows.push(json!({"name": name, "outcome": Outcome::Changed, "removed": removed, "added": added}));
            }
            Err(error) => {
                exit = Exit::None;
                lines.push(format!("{name}: refused\n  {error}"));
                rows.push(json!({"name": name, "outcome": Outcome::Refused, "problem": error.to_string()}));
            }
        }
    }
    Ok(Report { text: lines.join("\n"), json: json!({"zones": Value::Array(rows)}), exit })
}

type Records = Vec<String>;

fn change(zone: &mut Kept, restart: bool) -> Result<Option<(Records, Records)>, PrimaryError> {
    let backward = if restart { Backward::Allowed } else { Backward::Refused };
    match zone.propose(SystemClock.now_s(), backward)? {
        Proposal::Same => Ok(None),
        Proposal::Changed(new, _) => {
            let difference = zone.difference(*new)?;
            Ok(Some((written(&difference.removed), written(&difference.added))))
        }
    }
}

fn written(row: &[u8]) -> Records {
    let line = |record: records::Record<'_>| {
        let owner = Name::from_wire(record.owner)?;
        Some(text::record(&owner, record.ttl_s, record.rr_type, record.rdata).trim_end().to_owned())
    };
    records::each(row).filter_map(line).collect()
}

fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.').to_ascii_lowercase())
}
