//! `keys import|export|generate`: private keys in and out of files, and stand-by keys.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use ring::rand::SystemRandom;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Opened, RoleArg, ZoneArgs};
use crate::cli::init;
use crate::cli::report::{Failure, Report};
use crate::config::Config;
use crate::dnssec::keys::{KeyError, KeyFiles, Protection, bind, in_token};
use crate::dnssec::life::{KeyLife, Refused, State};
use crate::dnssec::{KeyId, KeyRole};
use crate::wire::Name;

/// A key file has some hundred octets; more is another file.
const FILE_OCTETS_MAX: u64 = 64 * 1_024;

#[derive(Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// The file with the private key; it is read and left where it is.
    file: PathBuf,
    /// What the key is for: it stands by in that role and takes over at the next roll.
    #[arg(long, value_enum)]
    role: RoleArg,
}

#[derive(Args)]
#[command(group(ArgGroup::new("where").required(true).args(["out", "stdout"])))]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// The key's tag.
    tag: u16,
    /// Write here, mode 0600; a file that is there is not overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the private key, for a pipe that you trust.
    #[arg(long)]
    stdout: bool,
}

#[derive(Args)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// What the key is for.
    #[arg(long, value_enum)]
    role: RoleArg,
}

pub(super) fn generate(args: &GenerateArgs) -> Result<Report, Failure> {
    let Opened { mut keeping, now_s, .. } = super::open(&args.of)?;
    let role = KeyRole::from(args.role);
    let id = keeping.change(now_s, |life, source| {
        life.may_stand_by(role)?;
        let algorithm = life.algorithm().unwrap_or_default();
        let id = source.make(role, algorithm, &|tags| life.tag_is_free(tags))?;
        life.add(id, now_s);
        Ok(id)
    })?;
    Ok(stands_by("made", id))
}

pub(super) fn import(args: &ImportArgs) -> Result<Report, Failure> {
    let Opened { config, apex, mut keeping, now_s } = super::open(&args.of)?;
    let role = KeyRole::from(args.role);
    let pkcs11 = &config.dnssec.pkcs11;
    if pkcs11.is_set() && in_token(pkcs11.holds, role) {
        return Err(Failure::new(format!(
            "new {role}s are made in the token {:?}, and a key that was in a file would not be protected by it: make one there with \
             `callbook keys generate --role {}`, or set dnssec.pkcs11.holds to keep such keys as files",
            pkcs11.token,
            role.as_str()
        )));
    }
    let foreign = |reason| KeyError::Foreign { path: args.file.clone(), reason };
    let data = std::fs::metadata(&args.file).map_err(|e| Failure::new(format!("{}: {e}", args.file.display())))?;
    if data.len() > FILE_OCTETS_MAX {
        return Err(foreign("it is far too long").into());
    }
    let text = Zeroizing::new(std::fs::read(&args.file)?);
    let key = bind::read(&text).map_err(foreign)?;
    let files = key_files(&config, &apex);
    let id = keeping.change(now_s, |life, _| {
        life.may_stand_by(role)?;
        let kept = files.keep(role, key.algorithm, &key.document, &|tags| life.tag_is_free(tags))?;
        let id = kept.ok_or(Refused::TagTaken)?;
        life.add(id, now_s);
        Ok(id)
    })?;
    Ok(stands_by("taken in", id))
}

pub(super) fn export(args: &ExportArgs) -> Result<Report, Failure> {
    let Opened { config, apex, keeping, now_s } = super::open(&args.of)?;
    let life = keeping.life(now_s)?;
    let there = |key: &&KeyLife| key.tag == args.tag && key.state != State::Removed;
    let id = life.keys.iter().find(there).map(KeyLife::id).ok_or(KeyError::from(Refused::NoKey(args.tag)))?;
    if keeping.protection(id)? == Protection::Token {
        return Err(Failure::new(format!(
            "{id} is in the token {:?} and never leaves it: back the token up as its maker says; to do without it, set \
             dnssec.pkcs11.holds = \"none\" and roll the key",
            config.dnssec.pkcs11.token
        )));
    }
    let files = key_files(&config, &apex);
    let document = files.document(id)?;
    let text = bind::write(&document).map_err(|why| Failure::new(format!("{id} cannot be exported: {why}")))?;
    match &args.out {
        Some(path) => {
            init::write_secret(path, &text)?;
            let said = format!("wrote {id} to {}, mode 0600: who has it can sign in the zone's name", path.display());
            Ok(Report::done(said, json!({"file": path, "role": id.role.to_string(), "tag": id.tag})))
        }
        None => {
            let json = json!({"private_key": *text, "role": id.role.to_string(), "tag": id.tag});
            Ok(Report::done(text.as_str(), json))
        }
    }
}

fn key_files(config: &Config, apex: &Name) -> KeyFiles {
    KeyFiles::new(&config.paths.keys, apex, Box::new(SystemRandom::new())).sealed_with(&config.dnssec.passphrase_file)
}

fn stands_by(how: &str, id: KeyId) -> Report {
    let text = format!(
        "{how}: {id}. It stands by once the service has published it, and takes over at the next roll of its role; of another \
         algorithm than the zone's, at the roll to that. Back the keys up"
    );
    Report::done(text, json!({"role": id.role.to_string(), "tag": id.tag, "algorithm": id.algorithm.number()}))
}
