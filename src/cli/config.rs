//! `config check`: whether the configuration is right, and what is in force.

use clap::Subcommand;
use serde_json::json;

use crate::authority;
use crate::cli::InstallationArgs;
use crate::cli::report::{Failure, Report};
use crate::config::{Config, FILE_NAME};
use crate::net::Certificate;
use crate::seal::SealError;

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check config.toml and print every key with its value and where it came from.
    Check(InstallationArgs),
}

pub(crate) fn run(command: &ConfigCommand) -> Result<Report, Failure> {
    let ConfigCommand::Check(args) = command;
    let config = Config::load(&args.dir)?;
    if config.dns.is_encrypted() {
        Certificate::load(&config.dns.tls_cert, &config.dns.tls_key)?;
    }
    let (passphrase, pkcs11) = (&config.dnssec.passphrase_file, &config.dnssec.pkcs11);
    let secrets = [
        passphrase.is_set().then(|| passphrase.check()),
        // The token itself is not asked: each wrong PIN brings it nearer to being locked.
        pkcs11.is_set().then(|| pkcs11.pin_file.read().map(drop)),
    ];
    for looked in secrets.into_iter().flatten() {
        match looked {
            Ok(()) | Err(SealError::NoCredentials { .. }) => {} // the service has them, a command by hand has not
            Err(error) => return Err(error.into()),
        }
    }
    authority::check_witnesses(&config.log.witnesses)?;
    let path = args.dir.join(FILE_NAME);
    let written: toml::Table = toml::from_str(&std::fs::read_to_string(&path)?)?;
    let in_force = serde_json::to_value(&config)?;
    let mut lines = vec![format!("{} is right; in force:", path.display())];
    let mut rows = Vec::new();
    for (section, value) in in_force.as_object().into_iter().flatten() {
        match value.as_object() {
            None => row(&mut rows, section, value, written.contains_key(section)),
            Some(keys) => {
                let table = written.get(section).and_then(toml::Value::as_table);
                for (key, value) in keys {
                    row(&mut rows, &format!("{section}.{key}"), value, table.is_some_and(|t| t.contains_key(key)));
                }
            }
        }
    }
    lines.extend(rows.iter().map(|(key, value, from)| format!("  {key:<22} {value:<36} {from}")));
    let json =
        rows.iter().map(|(key, value, from)| json!({"key": key, "value": value, "from": from})).collect::<Vec<_>>();
    Ok(Report::done(lines.join("\n"), json!({"file": path, "in_force": json})))
}

fn row(rows: &mut Vec<(String, String, &'static str)>, key: &str, value: &serde_json::Value, written: bool) {
    rows.push((key.to_owned(), value.to_string(), if written { "config.toml" } else { "default" }));
}
