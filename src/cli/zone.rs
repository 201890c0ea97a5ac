//! `zone …`: the number zone as a master file and back, any master file checked, signed or served, and static zones.

mod check;
mod delegate;
mod keygen;
mod reload;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde_json::json;

use crate::cli::InstallationArgs;
use crate::cli::export::{self, ExportArgs, SignArgs};
use crate::cli::import::{self, ImportArgs};
use crate::cli::instance::StopSignal;
use crate::cli::report::{Failure, Report, say};
use crate::clock::SystemClock;
use crate::config::{Dns, Limits};
use crate::dnssec::{Algorithm, ZoneKeys, anchor};
use crate::nameserver::{Guard, Served, View};
use crate::net::DnsService;
use crate::wire::Name;
use crate::zone::master::text_of;
use crate::zone::{Denial, Digest, StaticZone};

#[derive(Subcommand)]
pub(crate) enum ZoneCommand {
    /// Write the number zone of an installation as a master file: for escrow and offline checks, never for publication.
    Export(ExportArgs),
    /// Register the numbers of an ENUM zone's master file, as their provider.
    Import(ImportArgs),
    /// Sign one master file, into another.
    Sign(SignArgs),
    /// Serve one master file.
    Serve(ServeArgs),
    /// Check a master file: every mistake with its line and remedy.
    Check(check::CheckArgs),
    /// Show which records reading the zone files again would change.
    Diff(reload::DiffArgs),
    /// Have the running service read its zone files again.
    Reload(reload::ReloadArgs),
    /// Show each static zone's serial, and which each secondary serves.
    Status(InstallationArgs),
    /// Give a block of numbers to another directory, take it back, or show what is delegated.
    Delegate(delegate::DelegateArgs),
    /// Make the keys that sign a static zone.
    Keygen(keygen::KeygenArgs),
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The master file (RFC 1035 5).
    file: PathBuf,
    /// The zone's apex.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// Answer here, UDP and TCP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5300")]
    listen: SocketAddr,
    /// Leave out what a signer put into the file: keys, signatures, denials, the digest. Otherwise they are mistakes.
    #[arg(long)]
    strip: bool,
    /// Serve without DNSSEC. Otherwise keys are made for this run and the anchor is printed.
    #[arg(long)]
    unsigned: bool,
    /// The algorithm of those keys: 13 (ECDSA P-256) or 15 (Ed25519).
    #[arg(long, value_name = "NUMBER", default_value_t, conflicts_with = "unsigned")]
    algorithm: Algorithm,
    /// How absence is proved: nsec, or nsec3 with the parameters `1 0 0 -` (RFC 9276).
    #[arg(long, value_name = "CHAIN", default_value_t, conflicts_with = "unsigned")]
    denial: Denial,
}

pub(crate) fn run(command: &ZoneCommand, json: bool) -> Result<Report, Failure> {
    match command {
        ZoneCommand::Export(args) => export::export(args),
        ZoneCommand::Import(args) => import::run(args),
        ZoneCommand::Sign(args) => export::sign(args),
        ZoneCommand::Serve(args) => serve(args, json),
        ZoneCommand::Check(args) => check::run(args),
        ZoneCommand::Diff(args) => reload::diff(args),
        ZoneCommand::Reload(args) => reload::reload(args),
        ZoneCommand::Status(args) => status::run(args),
        ZoneCommand::Delegate(args) => delegate::run(args),
        ZoneCommand::Keygen(args) => keygen::run(args),
    }
}

fn serve(args: &ServeArgs, json: bool) -> Result<Report, Failure> {
    let text = std::fs::read(&args.file)
        .map(text_of)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", args.file.display())))?;
    let origin = Name::from_text(&args.origin).map_err(|e| Failure::new(format!("origin {}: {e}", args.origin)))?;
    let read = match args.strip {
        true => StaticZone::read_bare(&text, &origin, args.denial),
        false => StaticZone::read_denying(&text, &origin, Digest::AsInFile, args.denial),
    };
    let zone = read.map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(|m| format!("  {m}")).collect();
        Failure::new(format!("{}:\n{}", args.file.display(), lines.join("\n")))
    })?;
    let keys = match args.unsigned {
        true => None,
        false => Some(Arc::new(ZoneKeys::in_memory_of(args.algorithm, &SystemRandom::new())?)),
    };
    let anchor = keys.as_ref().map(|keys| anchor::anchor_key(&origin, keys));
    let guard = Arc::new(Guard::new(Limits::default(), Vec::new(), &SystemRandom::new())?);
    let view = View::new(vec![Served::fixed(Arc::new(zone), keys)]).guarded(guard);
    let view = Arc::new(ArcSwap::from_pointee(view));
    let service = DnsService::start(view, &Dns { listen: vec![args.listen], ..Dns::default() }, Arc::new(SystemClock))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut told_to_stop = StopSignal::listen(&runtime)?;
    let addresses = service.addresses().to_vec();
    if json {
        let denial = (!args.unsigned).then(|| args.denial.to_string());
        say(&json!({"serving": args.origin, "dns": addresses, "anchor": anchor, "denial": denial}).to_string());
    } else {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        say(&format!("serving {} on {} · stop with Ctrl-C", args.origin, addresses.join(", ")));
        anchor.iter().for_each(|anchor| say(anchor.trim_end()));
    }
    told_to_stop.wait(&runtime);
    service.stop();
    Ok(Report::done("stopped", json!({"stopped": true})))
}
