//! `zone status`: each static zone's serial, and which each secondary serves.

use serde_json::json;

use crate::cli::InstallationArgs;
use crate::cli::report::{Exit, Failure, Report};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;
use crate::primary;
use crate::primary::status::{EVERY_S, SecondaryStatus, Status};

/// Beside the pause between two writes, what a busy machine may take longer.
const LATE_S: u64 = 20;

pub(crate) fn run(args: &InstallationArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let Some(status) = Status::read(&primary::folder(&config))? else {
        let text = "no static zones were served here yet: add [[zone]] to config.toml and start the service";
        return Ok(Report { text: text.to_owned(), json: json!({"running": false, "zones": []}), exit: Exit::None });
    };
    let running = SystemClock.now_s().saturating_sub(status.written_at) <= EVERY_S + LATE_S;
    let mut lines = Vec::new();
    if !running {
        lines.push(format!("as of {}: the service does not run, or hangs", rfc3339(status.written_at)));
    }
    let mut well = running;
    for zone in &status.zones {
        let signed = zone.resign_at.map_or(String::new(), |at| format!(" · signed, anew at {}", rfc3339(at)));
        lines.push(format!("{} serial {}{signed} · journal {}", zone.name, zone.serial, zone.journal));
        lines.extend(zone.problem.iter().map(|why| format!("  the file is not served: {why}")));
        lines.extend(zone.secondaries.iter().map(|secondary| format!("  {}", line(secondary))));
        well &= zone.problem.is_none() && zone.secondaries.iter().all(|secondary| secondary.current);
    }
    let json = json!({"running": running, "written_at": rfc3339(status.written_at), "zones": status.zones});
    let exit = if well { Exit::Done } else { Exit::None };
    Ok(Report { text: lines.join("\n"), json, exit })
}

fn line(secondary: &SecondaryStatus) -> String {
    let state = match (secondary.serial, secondary.behind) {
        (Some(serial), _) if secondary.current => format!("serial {serial}, current"),
        (Some(serial), Some(behind)) => format!("serial {serial}, behind by {behind}"),
        _ => "serial not known".to_owned(),
    };
    let told =
        secondary.acknowledged.map_or("no NOTIFY taken".to_owned(), |serial| format!("NOTIFY of {serial} taken"));
    let error = secondary.error.as_ref().map_or(String::new(), |why| format!(" · {why}"));
    format!("{:<24} {state} · {told}{error}", secondary.to)
}
