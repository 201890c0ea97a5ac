//! `auditor init|run|status|resume`: an auditor of a directory.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::attest::auditor::alarm::Alarm;
use crate::attest::auditor::{Auditor, FollowError, Position, Round, Store};
use crate::cli::connect::api_at;
use crate::cli::init;
use crate::cli::instance::StopSignal;
use crate::cli::report::{Exit, Failure, Report, note, say};
use crate::client::alarm;
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::log::key::{Algorithm, SigningKey};
use crate::log::merkle::Frontier;
use crate::log::note::{LineType, NoteSigner, VerifierKey};
use crate::log::random::Random;
use crate::seal::Lock;
use crate::signer::key_file::{self, KeyError};

/// The purpose of an auditor's key, and the name of its file.
const KEY: &str = "auditor";
/// The shortest pause between two rounds, seconds: the directory makes an epoch a second at most.
const EVERY_S_MIN: u64 = 1;

#[derive(Subcommand)]
pub(crate) enum AuditorCommand {
    /// Make an auditor: its key and its folder. Prints what the operator needs to admit it.
    Init(InitArgs),
    /// Replay what is new, cosign, hand the checkpoint in; again and again, or once.
    Run(RunArgs),
    /// Show the key, how far was replayed, and whether an alarm stands.
    Status(DirArgs),
    /// Put an alarm aside after a look at it, so that the next run tries again from there.
    Resume(ResumeArgs),
}

/// Names an auditor.
#[derive(Args)]
pub(crate) struct DirArgs {
    /// The auditor's folder.
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
    /// Its name in cosignatures: a URL without scheme, such as auditor.example.
    #[arg(long, value_name = "NAME")]
    name: String,
}

#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    of: DirArgs,
    /// The directory's API.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    api: String,
    /// The gov log's key, as its operator publishes it; without it the directory's word is taken at the first run, and kept.
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// Seconds between two rounds.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    every: u64,
    /// One round and no more.
    #[arg(long)]
    once: bool,
    /// Keep every batch in this folder, ERA/EPOCH: with a mirror of the logs it brings back a directory whose ledger is lost.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Tell an alarm here too, as JSON by POST: https, or http on this machine.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
}

#[derive(Args)]
pub(crate) struct ResumeArgs {
    /// The auditor's folder.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(command: &AuditorCommand, json: bool) -> Result<Report, Failure> {
    match command {
        AuditorCommand::Init(args) => begin(args),
        AuditorCommand::Run(args) => follow(args, json),
        AuditorCommand::Status(args) => status(args),
        AuditorCommand::Resume(args) => resume(args),
    }
}

impl DirArgs {
    fn lock(&self) -> Result<Lock, Failure> {
        Ok(self.passphrase_file.as_deref().map(init::passphrase).transpose()?.unwrap_or_default())
    }

    fn key(&self) -> Result<SigningKey, Failure> {
        Ok(key_file::signing(&self.dir, KEY, &self.lock()?)?)
    }
}

fn verifier(name: &str, key: SigningKey) -> Result<VerifierKey, Failure> {
    let signer = NoteSigner::new(name, key).filter(|_| name.bytes().all(|byte| byte.is_ascii_graphic()));
    let signer = signer.ok_or_else(|| FollowError::Name(name.to_owned()))?;
    Ok(signer.verifier(LineType::Cosignature))
}

fn begin(args: &InitArgs) -> Result<Report, Failure> {
    let dir = &args.of.dir;
    let path = key_file::file(dir, KEY);
    if path.exists() {
        return Err(KeyError::Exists { path }.into());
    }
    let mut secret = Zeroizing::new([0; 32]);
    Random::fill(&SystemRandom::new(), &mut *secret)?;
    let vkey = verifier(&args.name, SigningKey::from_bytes(Algorithm::Ed25519, &secret)?)?.to_string();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    Store::create(dir)?;
    let mut store = Store::open(dir)?;
    store.set_meta("name", args.name.as_bytes())?;
    store.commit(&Position { log: Frontier::new(), time_ms: 0, gov_size: 0 })?;
    key_file::make(dir, KEY, &secret, &args.of.lock()?)?;
    let shown = dir.display();
    let text = format!(
        "Made an auditor in {shown}. Its key, for the operator and for whoever trusts its cosignatures:\n  {vkey}\n\
         \nNext:\n  callbook act ask auditor-admit --vkey VKEY --clause 9.3 --reason …   by the operator, with the key above\n  \
         callbook auditor run --dir {shown} --api URL\n\
         Back up {shown}: what was replayed once need not be replayed again"
    );
    Ok(Report::done(text, json!({"dir": dir, "name": args.name, "vkey": vkey})))
}

fn name_of(store: &Store) -> Result<String, Failure> {
    store
        .text("name")?
        .ok_or_else(|| Failure::new("this folder has no auditor's name: make one with `callbook auditor init`"))
}

fn follow(args: &RunArgs, json: bool) -> Result<Report, Failure> {
    let dir = &args.of.dir;
    args.webhook.as_deref().map_or(Ok(()), alarm::check)?;
    let _alone = alone(dir)?;
    if let Some(alarm) = Alarm::standing(dir)? {
        return Ok(stopped_by(&alarm, dir));
    }
    let name = name_of(&Store::peek(dir)?)?;
    let given = args.key.as_deref().map(VerifierKey::parse).transpose()?;
    let first_use = given.is_none() && Store::peek(dir)?.text("gov key")?.is_none();
    let (key, api) = (args.of.key()?, api_at(&args.api, "")?);
    let mut auditor = match Auditor::open(dir, &name, key, api, given, Arc::new(SystemClock)) {
        Err(FollowError::Broken(alarm)) => return shout(args, &alarm),
        other => other?,
    };
    if let Some(folder) = &args.keep {
        auditor.keep_batches_in(folder.clone());
    }
    if first_use {
        note(&format!(
            "trust on first use: the key of the gov log is {} by the directory's own word. Compare it with what the operator publishes elsewhere",
            auditor.gov_key()
        ));
    }
    match args.once {
        true => match round(&mut auditor, json) {
            Ok(round) => Ok(Report::done(in_words(&auditor, &round), shown(&auditor, &round))),
            Err(FollowError::Broken(alarm)) => shout(args, &alarm),
            Err(FollowError::Log(error)) if error.is_untrue() => {
                let json = json!({"error": error.to_string()});
                Ok(Report { text: format!("not cosigned: {error}"), json, exit: Exit::Bogus })
            }
            Err(error) => Err(error.into()),
        },
        false => again_and_again(&mut auditor, args, json),
    }
}

/// Rounds until somebody stops them, or an alarm does. What fails for another reason is tried again.
fn again_and_again(auditor: &mut Auditor, args: &RunArgs, json: bool) -> Result<Report, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut told_to_stop = StopSignal::listen(&runtime)?;
    let every = Duration::from_secs(args.every.max(EVERY_S_MIN));
    loop {
        match round(auditor, json) {
            Ok(round) if json => say(&shown(auditor, &round).to_string()),
            Ok(round) => say(&in_words(auditor, &round)),
            Err(FollowError::Broken(alarm)) => return shout(args, &alarm),
            Err(error) => note(&format!("not cosigned: {error}")),
        }
        if told_to_stop.wait_for(&runtime, every) {
            return Ok(Report::done("stopped", json!({"stopped": true})));
        }
    }
}

fn round(auditor: &mut Auditor, json: bool) -> Result<Round, FollowError> {
    /// Fewer leaves are replayed before a bar could be read.
    const BAR_MIN: u64 = 2000;
    let mut bar: Option<ProgressBar> = None;
    let done = auditor.round(&mut |at, of| {
        if !json && bar.is_none() && of.saturating_sub(at) > BAR_MIN {
            let style = ProgressStyle::with_template("  {bar:30} epoch {pos} of {len}  {eta}");
            bar = Some(ProgressBar::new(of).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
        }
        if let Some(bar) = &bar {
            bar.set_position(at);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    done
}

fn in_words(auditor: &Auditor, round: &Round) -> String {
    format!(
        "cosigned {} leaves of {}: {} epochs and {} events since the last round, the newest sealed at {}",
        round.size,
        auditor.origin(),
        round.epochs,
        round.events,
        rfc3339(round.time_ms / 1000)
    )
}

fn shown(auditor: &Auditor, round: &Round) -> Value {
    json!({
        "log": auditor.origin(), "size": round.size, "epochs": round.epochs, "events": round.events,
        "sealed_at": rfc3339(round.time_ms / 1000), "checkpoint": round.checkpoint,
    })
}

/// Raises an alarm: the file first, then everybody who can be told.
fn shout(args: &RunArgs, alarm: &Alarm) -> Result<Report, Failure> {
    let dir = &args.of.dir;
    alarm.raise(dir)?;
    if let Some(url) = &args.webhook
        && let Err(why) = alarm::shout(url, &alarm.told())
    {
        note(&why.to_string());
    }
    Ok(stopped_by(alarm, dir))
}

fn stopped_by(alarm: &Alarm, dir: &Path) -> Report {
    let file = Alarm::file(dir);
    let text = format!(
        "{}\n  the evidence is in {}. Nothing is cosigned until somebody has looked: callbook auditor resume --dir {}",
        alarm.in_words(),
        file.display(),
        dir.display()
    );
    note(&text);
    let mut json = alarm.told();
    json["file"] = json!(file);
    Report { text: String::new(), json, exit: Exit::Bogus }
}

/// Keeps a second run out of the folder.
fn alone(dir: &Path) -> Result<std::fs::File, Failure> {
    let path = dir.join("auditor.lock");
    if !dir.join(crate::attest::auditor::FILE_NAME).exists() {
        let shown = dir.display();
        return Err(Failure::new(format!(
            "there is no auditor in {shown}: `callbook auditor init --dir {shown} --name NAME` makes one"
        )));
    }
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Failure::new(format!("{} is in use: another run goes on in this folder", path.display())))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}

fn status(args: &DirArgs) -> Result<Report, Failure> {
    let store = Store::peek(&args.dir)?;
    let name = name_of(&store)?;
    let vkey = verifier(&name, args.key()?)?.to_string();
    let position = store.position()?.unwrap_or(Position { log: Frontier::new(), time_ms: 0, gov_size: 0 });
    let (log, alarm) = (store.text("log")?, Alarm::standing(&args.dir)?);
    let size = position.log.size();
    let mut text = format!("{vkey}\n  {size} leaves of {} replayed", log.as_deref().unwrap_or("no log yet"));
    if position.time_ms > 0 {
        text += &format!(", the newest sealed at {}", rfc3339(position.time_ms / 1000));
    }
    if let Some(alarm) = &alarm {
        text += &format!("\n{}", alarm.in_words());
    }
    let exit = if alarm.is_some() { Exit::Bogus } else { Exit::Done };
    let json = json!({
        "name": name, "vkey": vkey, "log": log, "gov_key": store.text("gov key")?, "size": size,
        "sealed_at": (position.time_ms > 0).then(|| rfc3339(position.time_ms / 1000)),
        "cosigned": store.text("cosigned")?, "alarm": alarm.as_ref().map(Alarm::told),
    });
    Ok(Report { text, json, exit })
}

fn resume(args: &ResumeArgs) -> Result<Report, Failure> {
    let _alone = alone(&args.dir)?;
    if !Alarm::file(&args.dir).exists() {
        return Ok(Report { text: "no alarm stands".into(), json: json!({"alarm": null}), exit: Exit::None });
    }
    let aside = Alarm::put_aside(&args.dir, SystemClock.now_s())?;
    let text = format!(
        "the alarm is put aside in {}; the next run tries again from the epoch that broke a rule, and raises it again if it still does",
        aside.display()
    );
    Ok(Report::done(text, json!({"file": aside})))
}
