//! `zone check`: every mistake of a master file, with its line and its remedy.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::charter;
use crate::charter::Policy;
use crate::cli::instance;
use crate::cli::report::{Exit, Failure, Report};
use crate::wire::Name;
use crate::zone::StaticZone;
use crate::zone::master::text_of;

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The master file (RFC 1035 5).
    file: PathBuf,
    /// The zone's apex.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// Check it as the static part of a number zone, under the charter that `init` writes.
    #[arg(long)]
    number_zone: bool,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Report, Failure> {
    let text = std::fs::read(&args.file)
        .map(text_of)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", args.file.display())))?;
    let origin = Name::from_text(&args.origin).map_err(|e| Failure::new(format!("origin {}: {e}", args.origin)))?;
    let read = match args.number_zone {
        false => StaticZone::read(&text, &origin),
        true => {
            let policy = Policy::parse(charter::POLICY_TEXT)
                .map_err(|_| Failure::new("the charter of this version cannot be read".to_owned()))?;
            StaticZone::read_number_zone(&text, &origin, instance::ttls(&policy))
        }
    };
    let file = args.file.display();
    Ok(match read {
        Ok(zone) => {
            let (serial, names) = (zone.serial(), zone.len());
            let text = format!("{file} is right: {names} names, serial {serial}");
            let json = json!({"file": args.file, "right": true, "serial": serial, "names": names, "mistakes": []});
            Report::done(text, json)
        }
        Err(mistakes) => {
            let lines: Vec<String> = mistakes.iter().map(|m| format!("  {m}")).collect();
            let all = mistakes.iter().map(|m| json!({"line": m.line, "reason": m.reason, "remedy": m.remedy}));
            let json = json!({"file": args.file, "right": false, "mistakes": all.collect::<Vec<_>>()});
            Report { text: format!("{file}:\n{}", lines.join("\n")), json, exit: Exit::None }
        }
    })
}
