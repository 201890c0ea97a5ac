//! `zone reload|diff`: has a running service read its zone files again, or shows what that would change.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::cli::delegations::{self, Asked, Changes, Mode, Right};
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
    /// Change nothing: show what would change, as `zone diff` does. Static zones need no running service.
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
    let numbers = numbers(&config, Mode::Apply)?;
    let folder = primary::folder(&config);
    if !folder.is_dir() {
        let Some((line, row, exit)) = numbers else { return Err(silent(args)) };
        return Ok(Report { text: line, json: json!({"zones": [row]}), exit });
    }
    let request = Request { id: data_encoding::HEXLOWER.encode(&id), restart_serial: restart };
    let Some(answer) = ask(&folder, &request, WAIT)? else { return Err(silent(args)) };
    let refused = answer.zones.iter().any(|zone| zone.outcome == Outcome::Refused);
    let line = |zone: &primary::reload::Reloaded| {
        let serial = zone.serial.map_or("not served".to_owned(), |serial| format!("serial {serial}"));
        match (&zone.problem, zone.outcome) {
            (Some(why), _) => format!("{}: refused, as before: {serial}\n  {why}", zone.name),
            (None, Outcome::Changed) => format!("{}: new version, {serial}", zone.name),
            (None, _) => format!("{}: unchanged, {serial}", zone.name),
        }
    };
    let mut lines: Vec<String> = answer.zones.iter().map(line).collect();
    let mut rows: Vec<Value> = answer.zones.iter().map(|zone| json!(zone)).collect();
    let mut exit = if refused { Exit::None } else { Exit::Done };
    if let Some((line, row, of_numbers)) = numbers {
        lines.insert(0, line);
        rows.insert(0, row);
        exit = if of_numbers == Exit::Done { exit } else { of_numbers };
    }
    Ok(Report { text: lines.join("\n"), json: json!({"zones": rows}), exit })
}

fn silent(args: &ReloadArgs) -> Failure {
    Failure::new(format!("no service answers: start it with `callbook serve --dir {}`", args.dir.display()))
}

/// Has the number zone's static part read again, or shows what that would change; `None` if no service runs.
fn numbers(config: &Config, mode: Mode) -> Result<Option<(String, Value, Exit)>, Failure> {
    if Right::take(config)?.is_some() {
        return Ok(None);
    }
    let Some(answer) = delegations::ask(config, &Asked::Reload, mode)? else { return Ok(None) };
    let (name, serial, Changes { removed, added }) = (&config.apex, answer.serial, answer.changes);
    let outcome = match (&answer.problem, removed.len() + added.len()) {
        (Some(_), _) => Outcome::Refused,
        (None, 0) => Outcome::Unchanged,
        (None, _) => Outcome::Changed,
    };
    let mut lines = vec![match &answer.problem {
        Some(why) => format!("{name}: refused, as before: serial {serial}\n  {why}"),
        None if outcome == Outcome::Unchanged => format!("{name}: nothing changes, serial {serial}"),
        None => format!("{name}: {} records go, {} come, serial {serial}", removed.len(), added.len()),
    }];
    lines.extend(removed.iter().map(|record| format!("- {record}")));
    lines.extend(added.iter().map(|record| format!("+ {record}")));
    let row = json!({
        "name": name, "outcome": outcome, "serial": serial, "problem": answer.problem, "removed": removed, "added": added,
    });
    let exit = if outcome == Outcome::Refused { Exit::None } else { Exit::Done };
    Ok(Some((lines.join("\n"), row, exit)))
}

pub(crate) fn diff(args: &DiffArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let only = args.zone.as_deref().map(absolute);
    let known = |name: &str| name == config.apex || config.zone.iter().any(|zone| zone.name == name);
    if let Some(name) = only.as_deref().filter(|name| !known(name)) {
        return Err(Failure::new(format!("there is no [[zone]] {name} in config.toml")));
    }
    show(&config, only.as_deref(), &[])
}

/// What reading the files again would change.
fn show(config: &Config, only: Option<&str>, restart: &[String]) -> Result<Report, Failure> {
    let (mut lines, mut rows, mut exit) = (Vec::new(), Vec::new(), Exit::Done);
    if only.is_none_or(|only| only == config.apex)
        && let Some((line, row, of_numbers)) = numbers(config, Mode::DryRun)?
    {
        (lines, rows, exit) = (vec![line], vec![row], of_numbers);
    }
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
