//! `witness init|watch|serve|status`: a witness of public logs, ours or others'.

use std::fs::{self, DirBuilder};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde_json::json;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::attest::witness::{self, Witness, WitnessError};
use crate::cli::init;
use crate::cli::instance::StopSignal;
use crate::cli::report::{Failure, Report, say};
use crate::clock::SystemClock;
use crate::config::{self, WITNESS_FILE, WitnessedLog};
use crate::log::key::SigningKey;
use crate::log::note::{LineType, NoteSigner, VerifierKey};
use crate::log::random::Random;
use crate::net;
use crate::net::http::Front;
use crate::seal::Lock;
use crate::signer::Memory;
use crate::signer::key_file::{self, KeyError};

#[derive(Subcommand)]
pub(crate) enum WitnessCommand {
    /// Make a witness: its key, and the file of the logs that it looks after. Prints what others need to know of it.
    Init(InitArgs),
    /// Look after one more log from the next start on.
    Watch(WatchArgs),
    /// Cosign checkpoints that are sent to POST /add-checkpoint.
    Serve(ServeArgs),
    /// Show the witness's key, and of each log what was cosigned last.
    Status(DirArgs),
}

/// Names a witness.
#[derive(Args)]
pub(crate) struct DirArgs {
    /// The witness's folder, the one with witness.toml.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// What seals its key: a file of mode 0600 whose one line is the passphrase, or credential:NAME.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<String>,
}

#[derive(Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    of: DirArgs,
    /// Its name in cosignatures: a URL without scheme, such as witness.example/w1.
    #[arg(long, value_name = "NAME")]
    name: String,
}

#[derive(Args)]
pub(crate) struct WatchArgs {
    /// The witness's folder.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The log's name: the first line of its checkpoints.
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// The key that signs its checkpoints, as its operator publishes it: name+id+base64.
    #[arg(long, value_name = "VKEY")]
    vkey: String,
    /// The log stands in witness.toml, and what was cosigned of it is not known: begin anew, though that may be another history.
    #[arg(long)]
    anew: bool,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    of: DirArgs,
    /// Listen here, without TLS: keep it behind a proxy that has it. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8310")]
    listen: SocketAddr,
}

pub(crate) fn run(command: &WitnessCommand, json: bool) -> Result<Report, Failure> {
    match command {
        WitnessCommand::Init(args) => begin(args),
        WitnessCommand::Watch(args) => watch(args),
        WitnessCommand::Serve(args) => serve(args, json),
        WitnessCommand::Status(args) => status(args),
    }
}

impl DirArgs {
    fn lock(&self) -> Result<Lock, Failure> {
        Ok(self.passphrase_file.as_deref().map(init::passphrase).transpose()?.unwrap_or_default())
    }

    fn key(&self) -> Result<SigningKey, Failure> {
        Ok(key_file::signing(&self.dir, witness::KEY, &self.lock()?)?)
    }
}

/// Where the memories of a witness lie.
fn states(dir: &Path) -> PathBuf {
    dir.join("state")
}

fn verifier(name: &str, key: SigningKey) -> Result<VerifierKey, Failure> {
    let signer = NoteSigner::new(name, key).ok_or_else(|| WitnessError::Name(name.to_owned()))?;
    Ok(signer.verifier(LineType::Cosignature))
}

fn begin(args: &InitArgs) -> Result<Report, Failure> {
    let dir = &args.of.dir;
    let path = key_file::file(dir, witness::KEY);
    if path.exists() {
        return Err(KeyError::Exists { path }.into());
    }
    let mut secret = Zeroizing::new([0; 32]);
    Random::fill(&SystemRandom::new(), &mut *secret)?;
    let key = SigningKey::from_bytes(crate::log::key::Algorithm::Ed25519, &secret)?;
    let vkey = verifier(&args.name, key)?.to_string();
    DirBuilder::new().recursive(true).mode(0o700).create(states(dir))?;
    key_file::make(dir, witness::KEY, &secret, &args.of.lock()?)?;
    write(dir, &config::Witness::new(&args.name))?;
    let shown = dir.display();
    let text = format!(
        "Made a witness in {shown}. Its key, for whoever trusts its cosignatures:\n  {vkey}\n\
         \nNext:\n  callbook witness watch --dir {shown} --origin NAME --vkey VKEY   for each log\n  \
         callbook witness serve --dir {shown}\n\
         Back up {shown}/witness.key; never restore {shown}/state from a backup"
    );
    Ok(Report::done(text, json!({"dir": dir, "name": args.name, "vkey": vkey})))
}

/// What a witness was told.
fn told(dir: &Path) -> Result<config::Witness, Failure> {
    if !dir.join(WITNESS_FILE).exists() {
        let shown = dir.display();
        return Err(Failure::new(format!(
            "there is no witness in {shown}: `callbook witness init --dir {shown} --name NAME` makes one"
        )));
    }
    Ok(config::Witness::load(dir)?)
}

/// Writes the file in one step.
fn write(dir: &Path, told: &config::Witness) -> Result<(), Failure> {
    let (path, partial) = (dir.join(WITNESS_FILE), dir.join("witness.toml.partial"));
    fs::write(&partial, told.to_file())?;
    fs::File::open(&partial)?.sync_all()?;
    fs::rename(&partial, &path)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(())
}

fn watch(args: &WatchArgs) -> Result<Report, Failure> {
    let mut told = told(&args.dir)?;
    let log = WitnessedLog { origin: args.origin.clone(), vkey: args.vkey.clone() };
    witness::log_key(&log)?;
    let path = witness::state_file(&states(&args.dir), &log.origin);
    let (is_known, is_remembered) = (told.log.iter().any(|known| known.origin == log.origin), path.exists());
    if is_known && !is_remembered && !args.anew {
        return Err(WitnessError::Forgotten { path, origin: log.origin }.into());
    }
    if !is_remembered {
        witness::begin(&states(&args.dir), &log)?;
    }
    if !told.log.contains(&log) {
        told.log.push(log);
        write(&args.dir, &told)?;
    }
    let text = format!("looks after {} log keys from the next start on", told.log.len());
    Ok(Report::done(text, json!({"origin": args.origin, "state": path, "logs": told.log.len()})))
}

fn serve(args: &ServeArgs, json: bool) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut told_to_stop = StopSignal::listen(&runtime)?;
    let told = told(&args.of.dir)?;
    let witness = Witness::open(&told, args.of.key()?, &states(&args.of.dir))?;
    let vkey = witness.verifier().to_string();
    let mut secret = [0; 16];
    Random::fill(&SystemRandom::new(), &mut secret)?;
    let listener = net::http::bind(args.listen)?;
    let address = listener.local_addr()?;
    let router = witness::router(Arc::new(witness), Arc::new(SystemClock), told.requests_per_s, secret);
    let (stop, stopped) = watch::channel(false);
    let serving = runtime.spawn(net::http::serve(vec![Front::plain(listener)], router, stopped));
    match json {
        true => say(&json!({"witness": told.name, "vkey": vkey, "http": address, "logs": told.log.len()}).to_string()),
        false => say(&format!(
            "witness {} for {} logs · http://{address}/add-checkpoint · stop with Ctrl-C\n  {vkey}",
            told.name,
            told.log.len()
        )),
    }
    told_to_stop.wait(&runtime);
    let _ = stop.send(true);
    runtime.block_on(serving)??;
    Ok(Report::done("stopped", json!({"stopped": true})))
}

fn status(args: &DirArgs) -> Result<Report, Failure> {
    let told = told(&args.dir)?;
    let vkey = verifier(&told.name, args.key()?)?.to_string();
    let (mut lines, mut logs) = (vec![vkey.clone()], Vec::new());
    for log in &told.log {
        let seen = Memory::peek(&witness::state_file(&states(&args.dir), &log.origin), &log.origin)?;
        lines.push(format!("{:>12}  {}", seen.size, log.origin));
        logs.push(json!({"origin": log.origin, "vkey": log.vkey, "size": seen.size, "root": crate::log::bytes::to_base64(&seen.root)}));
    }
    Ok(Report::done(lines.join("\n"), json!({"name": told.name, "vkey": vkey, "logs": logs})))
}
