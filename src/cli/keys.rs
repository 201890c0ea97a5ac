//! `keys list|ds`: the zone's DNSSEC keys, and what the parent must publish.

use clap::Subcommand;
use ring::rand::SystemRandom;
use serde_json::json;

use crate::cli::report::{Failure, Report};
use crate::cli::{InstallationArgs, instance};
use crate::config::Config;
use crate::dnssec::{anchor, keys};
use crate::wire::Name;

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// List the keys with tag, algorithm and role.
    List(InstallationArgs),
    /// Print the DS records for the parent zone.
    Ds(InstallationArgs),
}

pub(crate) fn run(command: &KeysCommand) -> Result<Report, Failure> {
    let (KeysCommand::List(args) | KeysCommand::Ds(args)) = command;
    let config = Config::load(&args.dir)?;
    let apex = Name::from_text(&config.apex).map_err(|e| Failure::new(format!("apex {}: {e}", config.apex)))?;
    let algorithm = instance::algorithm(&config)?;
    let zone_keys = keys::load(&config.paths.keys, &apex, algorithm, &SystemRandom::new())?;
    match command {
        KeysCommand::Ds(_) => {
            let ds = anchor::ds_text(&apex, &zone_keys);
            let records: Vec<&str> = ds.lines().collect();
            Ok(Report::done(ds.clone(), json!({"apex": config.apex, "ds": records})))
        }
        KeysCommand::List(_) => {
            let rows = [
                ("KSK", zone_keys.ksk().tag, "signs the DNSKEY RRset; the parent's DS names it"),
                ("ZSK", zone_keys.zsk().tag, "signs everything else"),
            ];
            let mut lines = vec![format!("{:<5} {:>6}  {:<20} {}", "role", "tag", "algorithm", "use")];
            let called = format!("{algorithm} {}", algorithm.mnemonic());
            lines.extend(rows.iter().map(|(role, tag, what)| format!("{role:<5} {tag:>6}  {called:<20} {what}")));
            let keys = rows.map(|(role, tag, _)| json!({"role": role, "tag": tag, "algorithm": algorithm.number()}));
            Ok(Report::done(lines.join("\n"), json!({"apex": config.apex, "keys": keys})))
        }
    }
}
