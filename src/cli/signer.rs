//! `signer serve|status|adopt`: who signs the public log, in a process of its own with the only copy of its keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::authority;
use crate::cli::instance::StopSignal;
use crate::cli::report::{Failure, Report, say};
use crate::cli::{InstallationArgs, init};
use crate::config::Config;
use crate::log::bytes::to_base64;
use crate::log::cosigner::Seen;
use crate::seal::Lock;
use crate::signer::{Local, Log, Origins, Remote, Service};

#[derive(Subcommand)]
pub(crate) enum SignerCommand {
    /// Sign for one directory, behind a socket of this machine (`log.signer` in its config.toml).
    Serve(ServeArgs),
    /// Ask a running signer for its keys and for what it signed last.
    Status(StatusArgs),
    /// Begin the map log of a new era, of which nothing was ever signed; before `callbook log new-era`.
    Begin(BeginArgs),
    /// Make anew what says what was signed last, from the newest signed checkpoint in the ledger of a stopped installation.
    Adopt(AdoptArgs),
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// The host name in the origins of the logs: `host` in the directory's config.toml.
    #[arg(long, value_name = "NAME")]
    host: String,
    /// The era of the map log: `log.era` in the directory's config.toml.
    #[arg(long, value_name = "N", default_value_t = 0)]
    era: u64,
    /// The folder of log.key and gov.key.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// The folder of log.state and gov.state, which say what was signed last; that of the keys if left out.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where to listen; the socket gets mode 0660, so owner and group may ask.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// What opens sealed keys: a file of mode 0600 whose one line is the passphrase, or credential:NAME.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// The signer's socket.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// The host name in the origins of the logs.
    #[arg(long, value_name = "NAME")]
    host: String,
    /// The era of the map log.
    #[arg(long, value_name = "N", default_value_t = 0)]
    era: u64,
}

#[derive(Args)]
pub(crate) struct BeginArgs {
    /// The host name in the origins of the logs.
    #[arg(long, value_name = "NAME")]
    host: String,
    /// The new era of the map log, above 0.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    era: u64,
    /// The folder of log.key and gov.key.
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// The folder of what says what was signed last; that of the keys if left out.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// What opens sealed keys: a file of mode 0600 whose one line is the passphrase, or credential:NAME.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
}

#[derive(Args)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// The folder of log.key and gov.key, if it is not the installation's.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The folder of log.state and gov.state, if it is neither `log.signer_state` nor that of the keys.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

pub(crate) fn run(command: &SignerCommand, json: bool) -> Result<Report, Failure> {
    match command {
        SignerCommand::Serve(args) => serve(args, json),
        SignerCommand::Status(args) => status(args),
        SignerCommand::Begin(args) => begin(args),
        SignerCommand::Adopt(args) => adopt(args),
    }
}

fn serve(args: &ServeArgs, json: bool) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut told_to_stop = StopSignal::listen(&runtime)?;
    let lock = args.passphrase_file.as_deref().map(init::passphrase).transpose()?.unwrap_or_else(Lock::default);
    let state = args.state.as_ref().unwrap_or(&args.keys);
    let origins = Origins::of_era(&args.host, args.era);
    let path = origins.state_file(Log::Map, state);
    if args.era > 0 && !path.exists() {
        return Err(Failure::new(format!(
            "{} is missing. If nothing was ever signed of {}, begin it: `callbook signer begin --era {}`. Otherwise move the file back from \
             where it was",
            path.display(),
            origins.map,
            args.era
        )));
    }
    let signer = Local::open(&args.keys, state, &lock, &origins)?;
    let signed = [signer.seen(Log::Map)?, signer.seen(Log::Gov)?];
    let service = Service::start(signer, &args.socket).map_err(|e| {
        let path = args.socket.display();
        Failure::new(format!(
            "cannot listen at {path}: {e}. Its folder must be there and be writable; a path has at most 99 octets"
        ))
    })?;
    match json {
        true => {
            say(&json!({"signing": args.host, "socket": args.socket, "map": shown(&signed[0]), "gov": shown(&signed[1])}).to_string());
        }
        false => say(&format!(
            "signing for {} at {} · map log up to {}, gov log up to {} · stop with Ctrl-C",
            args.host,
            args.socket.display(),
            signed[0].size,
            signed[1].size
        )),
    }
    told_to_stop.wait(&runtime);
    drop(service);
    Ok(Report::done("stopped", json!({"stopped": true})))
}

fn shown(seen: &Seen) -> Value {
    json!({"size": seen.size, "root": to_base64(&seen.root)})
}

fn status(args: &StatusArgs) -> Result<Report, Failure> {
    let signer = Remote::open(&args.socket, &Origins::of_era(&args.host, args.era), None)?;
    let signed = signer.all_seen()?;
    let (mut lines, mut json) = (Vec::new(), json!({}));
    for (log, seen) in Log::ALL.into_iter().zip(&signed) {
        let key = signer.verifier(log).to_string();
        lines.push(format!("{}   signed up to {}   {key}", log.name(), seen.size));
        let mut shown = shown(seen);
        shown["key"] = key.into();
        json[log.key()] = shown;
    }
    Ok(Report::done(lines.join("\n"), json))
}

fn begin(args: &BeginArgs) -> Result<Report, Failure> {
    let lock = args.passphrase_file.as_deref().map(init::passphrase).transpose()?.unwrap_or_else(Lock::default);
    let (state, origins) = (args.state.as_ref().unwrap_or(&args.keys), Origins::of_era(&args.host, args.era));
    let signer = Local::open(&args.keys, state, &lock, &origins)?;
    let path = origins.state_file(Log::Map, state);
    if path.exists() {
        return Err(Failure::new(format!(
            "{} says what was signed last of {}: that log has begun already",
            path.display(),
            origins.map
        )));
    }
    signer.adopt(Log::Map, Seen::nothing())?;
    let text =
        format!("{} can be signed from its first leaf on: run `callbook signer serve --era {}`", origins.map, args.era);
    Ok(Report::done(text, json!({"origin": origins.map, "state": path})))
}

fn adopt(args: &AdoptArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let mut settings = init::settings(&config);
    let state = args.state.clone().or_else(|| args.keys.clone());
    let state = state.unwrap_or_else(|| config.log.state_folder(&config.paths.keys));
    if let Some(keys) = &args.keys {
        settings.keys.clone_from(keys);
    }
    let [map, gov] = authority::adopt_memory(&settings, &state)?;
    let text = format!(
        "From now on the signer goes on from the newest signed checkpoint in the ledger: map log {}, gov log {}. If anybody has a newer \
         checkpoint of these logs, stop here: then this ledger is an old one",
        map.size, gov.size
    );
    Ok(Report::done(text, json!({"state": state, "map": shown(&map), "gov": shown(&gov)})))
}
