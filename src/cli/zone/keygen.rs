//! `zone keygen`: makes the keys that sign a static zone.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::report::{Failure, Report};
use crate::cli::{instance, keeper};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::dnssec::anchor;
use crate::wire::Name;

#[derive(Args)]
pub(crate) struct KeygenArgs {
    /// The zone, one of `[[zone]]` in config.toml.
    zone: String,
    /// The installation's directory.
    #[arg(long, value_name = "DIR", default_value = ".", env = "CALLBOOK_DIR")]
    dir: PathBuf,
}

pub(crate) fn run(args: &KeygenArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let name = format!("{}.", args.zone.trim_end_matches('.').to_ascii_lowercase());
    if config.zone.iter().all(|zone| zone.name != name) {
        return Err(Failure::new(format!("there is no [[zone]] {name} in config.toml: add it first")));
    }
    let apex = Name::from_text(&name).map_err(|e| Failure::new(format!("{name}: {e}")))?;
    let made = keeper::keeping(&config, &apex).begin(instance::algorithm(&config)?, SystemClock.now_s())?;
    let ds = anchor::ds_text(&apex, &made);
    let text = format!(
        "Made the keys of {name}. Set sign = true for it and restart the service. When every server has the signed zone, hand this to the parent:\n{ds}\nFrom then on `callbook keys status --zone {name}` says what becomes of them, and who must act next."
    );
    Ok(Report::done(text, json!({"zone": name, "ds": ds.lines().collect::<Vec<_>>()})))
}
