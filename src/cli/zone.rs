//! `zone export|serve`: the number zone as a master file, and any master file served.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde_json::json;

use crate::authority;
use crate::cli::instance::{self, StopSignal};
use crate::cli::report::{Failure, Report, say};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Dns, Limits};
use crate::dnssec::{Algorithm, ZoneKeys, anchor, export};
use crate::nameserver::{Guard, Served, View};
use crate::net::DnsService;
use crate::wire::Name;
use crate::zone::{Loader, StaticZone};

#[derive(Subcommand)]
pub(crate) enum ZoneCommand {
    /// Write the number zone of an installation as a master file: for escrow and offline checks, never for publication.
    Export(ExportArgs),
    /// Serve one master file.
    Serve(ServeArgs),
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// The installation's directory; it may be running.
    #[arg(long, value_name = "DIR", default_value = ".", env = "CALLBOOK_DIR")]
    dir: PathBuf,
    /// Sign everything, with a chain of denials. It lists every number: keep it like the ledger itself.
    #[arg(long)]
    signed: bool,
    /// The file to write; replaced at once when complete.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
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
    /// Serve without DNSSEC. Otherwise keys are made for this run and the anchor is printed.
    #[arg(long)]
    unsigned: bool,
    /// The algorithm of those keys: 13 (ECDSA P-256) or 15 (Ed25519).
    #[arg(long, value_name = "NUMBER", default_value_t, conflicts_with = "unsigned")]
    algorithm: Algorithm,
}

pub(crate) fn run(command: &ZoneCommand, json: bool) -> Result<Report, Failure> {
    match command {
        ZoneCommand::Export(args) => export_zone(args),
        ZoneCommand::Serve(args) => serve(args, json),
    }
}

fn export_zone(args: &ExportArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let (policy, _) = instance::charter_in_force(&config)?;
    let ttls = instance::ttls(&policy);
    let parts = instance::zone_parts(&config, ttls)?;
    let mut loader = Loader::default();
    let (epoch, _) = authority::load_published(&config.paths.data, |data| loader.push(&data))?;
    let zone = loader.finish(parts.fixed, ttls, epoch as u32)?; // a generation counter, as on the wire
    let partial = args.out.with_extension("partial");
    let file = File::create(&partial).map_err(|e| Failure::new(format!("cannot write {}: {e}", partial.display())))?;
    let mut out = BufWriter::new(file);
    let now_s = SystemClock.now_s();
    match args.signed {
        true => export::signed(&zone, &parts.keys, &SystemRandom::new(), now_s, &mut out)?,
        false => export::unsigned(&zone, now_s, &mut out)?,
    }
    out.flush()?;
    out.get_ref().sync_all()?;
    std::fs::rename(&partial, &args.out)?;
    let numbers = zone.table().len();
    let text = format!(
        "wrote {} with {numbers} numbers as of epoch {epoch}. It is the whole phone list: guard it",
        args.out.display()
    );
    Ok(Report::done(text, json!({"file": args.out, "numbers": numbers, "epoch": epoch, "signed": args.signed})))
}

fn serve(args: &ServeArgs, json: bool) -> Result<Report, Failure> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|e| Failure::new(format!("cannot read {}: {e}", args.file.display())))?;
    let origin = Name::from_text(&args.origin).map_err(|e| Failure::new(format!("origin {}: {e}", args.origin)))?;
    let zone = StaticZone::read(&text, &origin).map_err(|mistakes| {
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
        say(&json!({"serving": args.origin, "dns": addresses, "anchor": anchor}).to_string());
    } else {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        say(&format!("serving {} on {} · stop with Ctrl-C", args.origin, addresses.join(", ")));
        anchor.iter().for_each(|anchor| say(anchor.trim_end()));
    }
    told_to_stop.wait(&runtime);
    service.stop();
    Ok(Report::done("stopped", json!({"stopped": true})))
}
