//! `monitor`: a holder's device, or whoever a holder lets watch, sees every change of a number: once, or again and again.

mod outbox;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::api::numbers::Receipt;
use crate::cli::instance::StopSignal;
use crate::cli::lookup::{api_named, kept, read_trust};
use crate::cli::monitor::outbox::Outbox;
use crate::cli::report::{Exit, Failure, Report, note, say};
use crate::client::holder;
use crate::client::prove::{Monitored, Pins, ProveError, Prover, Question, Refused, Subject, Watched, trust_list};
use crate::client::provider::ApiError;
use crate::client::webhook;
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::key::{Algorithm, SigningKey};
use crate::log::monitor::{GRANT_LEN_MAX, GrantFile};
use crate::number::Number;

/// The shortest pause between two looks; the API's budget allows more, and an epoch takes a second.
const EVERY_S_MIN: u64 = 1;
/// The longest: a proof is too old after a day.
const EVERY_S_MAX: u64 = 86_400;
/// A directory that answers nothing for so long is told to the webhook.
const SILENT_S: u64 = 24 * 3600;
/// A receipt is some hundred bytes.
const RECEIPT_BYTES_MAX: u64 = 64 * 1024;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct MonitorArgs {
    #[command(subcommand)]
    command: Option<MonitorCommand>,
    #[command(flatten)]
    watch: Option<WatchArgs>,
}

#[derive(Subcommand)]
enum MonitorCommand {
    /// Make a key for a watcher, or for signing what is sent to a webhook. Prints its public half and its thumbprint.
    Key(KeyArgs),
    /// Give a watcher's key leave to see what becomes of a number, signed with its control key.
    Grant(GrantArgs),
}

#[derive(Args)]
struct WatchArgs {
    /// The number, in international form; left out with --grant, which names no number.
    #[arg(required_unless_present = "grant")]
    number: Option<String>,
    /// The directory's API: `https://directory.example`.
    #[arg(long, value_name = "URL")]
    api: String,
    /// The number's control key, or with --grant the watcher's own key: a key file.
    #[arg(long, value_name = "FILE")]
    control_key: PathBuf,
    /// Remember in this file how far log and number had come; may be the one of `lookup`.
    #[arg(long, value_name = "FILE")]
    pins: PathBuf,
    /// What to believe of the log, as `GET /v1/log/trust` shows it; without it the directory itself is believed.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The holder's leave, a file of `callbook monitor grant`.
    #[arg(long, value_name = "FILE", conflicts_with = "number")]
    grant: Option<PathBuf>,
    /// The receipt of a change, as JSON: once its time is over, the change must be there.
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Where evidence of misbehaviour is kept; left out, a folder beside the pins.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Look again and again, with so many seconds between, until SIGTERM or Ctrl-C.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(EVERY_S_MIN..=EVERY_S_MAX))]
    every: Option<u64>,
    /// Post every change there as JSON; what was not taken is sent again, after a restart too.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// Sign what is posted with this Ed25519 key (Standard Webhooks, `v1a`).
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_key: Option<PathBuf>,
}

#[derive(Args)]
struct KeyArgs {
    /// Where the key goes; a file that is there is never overwritten.
    file: PathBuf,
}

#[derive(Args)]
struct GrantArgs {
    /// The number, in international form.
    number: String,
    /// The directory's API: `https://directory.example`.
    #[arg(long, value_name = "URL")]
    api: String,
    /// What to believe of the log, as `GET /v1/log/trust` shows it; without it the directory itself is believed, this once.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The number's control key: a key file.
    #[arg(long, value_name = "FILE")]
    control_key: PathBuf,
    /// The thumbprint of the watcher's key, as `callbook monitor key` prints it.
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    watcher: String,
    /// For how many days.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=366))]
    days: u64,
    /// Where the leave goes, for the watcher.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &MonitorArgs, json: bool) -> Result<Report, Failure> {
    match (&args.command, &args.watch) {
        (Some(MonitorCommand::Key(args)), _) => key(args),
        (Some(MonitorCommand::Grant(args)), _) => grant(args),
        (None, Some(args)) => {
            let watcher = Watcher::open(args)?;
            match args.every {
                None => watcher.once(),
                Some(every_s) => watcher.go_on(every_s, json),
            }
        }
        (None, None) => Err(Failure::new("name a number, or --grant FILE: see `callbook monitor --help`")),
    }
}

fn key(args: &KeyArgs) -> Result<Report, Failure> {
    let key = SigningKey::generate(Algorithm::Ed25519, &SystemRandom::new())?;
    holder::save(&args.file, &key)?;
    let thumbprint = to_base64url(&key.public().thumbprint());
    let public = webhook::PublicKey::of(key.public()).map(|key| key.to_string());
    let shown = public.as_deref().unwrap_or_default();
    let text = format!(
        "thumbprint {thumbprint}\n  as a webhook key {shown}\n  the private half is in {} and nowhere else",
        args.file.display()
    );
    Ok(Report::done(text, json!({"thumbprint": thumbprint, "webhook_key": public, "file": args.file})))
}

fn grant(args: &GrantArgs) -> Result<Report, Failure> {
    let number = read_number(&args.number)?;
    let watcher = from_base64url(&args.watcher).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let watcher = watcher.ok_or_else(|| {
        Failure::new(format!(
            "--watcher {}: a thumbprint is 43 characters of base64url, as `callbook monitor key` prints it",
            args.watcher
        ))
    })?;
    let by = holder::load(&args.control_key)?;
    let until_s = SystemClock.now_s() + args.days * 86_400;
    let prover = prover(&args.api, args.trust.as_deref())?.map_err(Failure::new)?;
    let file = match prover.grant_blocking(number, &by, watcher, until_s)? {
        Ok(file) => file,
        Err(refused) => {
            return Ok(Report { text: refused.why.clone(), json: json!({"why": refused.why}), exit: Exit::Bogus });
        }
    };
    std::fs::write(&args.out, file.write())
        .map_err(|e| Failure::new(format!("cannot write {}: {e}", args.out.display())))?;
    let until = rfc3339(until_s);
    let text = format!(
        "{} lets the key {} watch until {until}\n  it shows changes and who signed them, not the number; it cannot be taken back, only a new control key ends it for what comes later",
        args.out.display(),
        args.watcher
    );
    Ok(Report::done(text, json!({"file": args.out, "watcher": args.watcher, "until": until})))
}

/// Asks that API, and believes that trust list, or the directory itself; or why nobody answers.
fn prover(api: &str, trust: Option<&Path>) -> Result<Result<Prover, String>, Failure> {
    let api = api_named(api)?;
    if let Some(path) = trust {
        return Ok(Ok(Prover::new(api, trust_list(&read_trust(path)?)?)));
    }
    match Prover::on_first_use(api) {
        Err(ProveError::Api(error @ ApiError::Unreachable { .. })) => Ok(Err(error.to_string())),
        prover => Ok(Ok(prover?)),
    }
}

fn read_number(text: &str) -> Result<Number, Failure> {
    Number::parse(text).map_err(|e| Failure::new(format!("{text}: {e}")))
}

/// Everything that a look needs.
struct Watcher<'a> {
    args: &'a WatchArgs,
    subject: Subject,
    key: SigningKey,
    /// None until the directory has answered for the first time.
    prover: Option<Prover>,
    promised: Option<([u8; 32], u64)>,
    outbox: Option<Outbox>,
}

/// What a look came to.
#[allow(clippy::large_enum_variant)] // there is one at a time
enum Look {
    Seen(Monitored),
    Refused { why: String, evidence: Option<PathBuf> },
    Silent(String),
}

impl<'a> Watcher<'a> {
    fn open(args: &'a WatchArgs) -> Result<Self, Failure> {
        let subject = match (&args.grant, &args.number) {
            (Some(path), _) => Subject::Granted(Box::new(read_grant(path)?)),
            (None, Some(number)) => Subject::Number(read_number(number)?),
            (None, None) => return Err(Failure::new("name a number, or --grant FILE")),
        };
        let key: SigningKey = holder::load(&args.control_key)?;
        if let Subject::Granted(file) = &subject
            && file.watcher != key.public().thumbprint()
        {
            return Err(Failure::new(format!(
                "the leave is for the key {}, and {} is another one: {}",
                to_base64url(&file.watcher),
                args.control_key.display(),
                to_base64url(&key.public().thumbprint())
            )));
        }
        let outbox = match &args.webhook {
            Some(url) => Some(Outbox::open(&beside(&args.pins, ".outbox"), url, args.webhook_key.as_deref())?),
            None => None,
        };
        let promised = args.receipt.as_deref().map(read_receipt).transpose()?;
        Ok(Self { args, subject, key, prover: None, promised, outbox })
    }

    /// One look; what it teaches is kept before it is told.
    fn look(&mut self) -> Result<Look, Failure> {
        let mut pins = Pins::load(&self.args.pins)?;
        let prover = match self.prover.take() {
            Some(prover) => prover,
            None => match prover(&self.args.api, self.args.trust.as_deref())? {
                Ok(prover) => prover,
                Err(why) => return Ok(Look::Silent(why)),
            },
        };
        let prover = self.prover.insert(prover);
        let question = Question { subject: &self.subject, key: &self.key, promised: self.promised };
        let look = match prover.watch_blocking(question, &mut pins) {
            Ok(Watched::Seen(seen)) => Look::Seen(seen),
            Ok(Watched::Refused(Refused { why, evidence })) => {
                let folder = self.args.evidence.clone().unwrap_or_else(|| beside(&self.args.pins, ".evidence"));
                Look::Refused { why, evidence: evidence.map(|evidence| kept(&evidence, &folder)).transpose()? }
            }
            Err(ProveError::Api(error @ ApiError::Unreachable { .. })) => Look::Silent(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        if let Some(outbox) = &mut self.outbox {
            outbox.put(&look)?;
        }
        if matches!(look, Look::Seen(_)) {
            pins.save(&self.args.pins)?;
        }
        Ok(look)
    }

    fn once(mut self) -> Result<Report, Failure> {
        let look = self.look()?;
        if let Some(outbox) = &mut self.outbox
            && let Err(why) = outbox.deliver_patiently()
        {
            note(&format!("callbook: the webhook has not taken it: {why}. It is kept, and sent again the next time"));
        }
        Ok(Report { text: text_of(&look), json: json_of(&look), exit: exit_of(&look) })
    }

    /// Looks again and again; a line for each change.
    fn go_on(mut self, every_s: u64, json: bool) -> Result<Report, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut stop = StopSignal::listen(&runtime)?;
        let (mut complaint, mut silent_since_s, mut told_silent) = (String::new(), None::<u64>, false);
        loop {
            match self.look() {
                Ok(look) => {
                    let now_s = SystemClock.now_s();
                    let (why, silent) = match &look {
                        Look::Seen(_) => (String::new(), false),
                        Look::Refused { why, .. } => (why.clone(), false),
                        Look::Silent(why) => (why.clone(), true),
                    };
                    silent_since_s = if silent { silent_since_s.or(Some(now_s)) } else { None };
                    let is_news = matches!(&look, Look::Seen(seen) if seen.first_use || seen.has_changed());
                    if is_news || !why.is_empty() && why != complaint {
                        say(&if json { json_of(&look).to_string() } else { text_of(&look).trim_end().to_owned() });
                    }
                    complaint = why;
                    let long = silent_since_s.is_some_and(|since_s| now_s >= since_s + SILENT_S);
                    if let Some(outbox) = self.outbox.as_mut().filter(|_| long && !told_silent) {
                        outbox.put_silence(&complaint)?;
                    }
                    told_silent = long;
                }
                // Who is refused now may not be in an hour: a directory that is busy, a file that is being changed.
                Err(failure) if failure.to_string() != complaint => {
                    complaint = failure.to_string();
                    note(&format!("callbook: {complaint}"));
                }
                Err(_) => {}
            }
            let next = self.outbox.as_mut().and_then(Outbox::deliver);
            let pause = next.map_or(Duration::from_secs(every_s), |next| next.min(Duration::from_secs(every_s)));
            if stop.within(&runtime, pause) {
                return Ok(Report::said());
            }
        }
    }
}

/// A file or folder beside the pins.
fn beside(pins: &Path, suffix: &str) -> PathBuf {
    let mut path = pins.as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

fn read_grant(path: &Path) -> Result<GrantFile, Failure> {
    let text = read_bounded(path, GRANT_LEN_MAX as u64)?;
    GrantFile::parse(&text)
        .map_err(|e| Failure::new(format!("{}: {e}. It is a file that `callbook monitor grant` wrote", path.display())))
}

fn read_receipt(path: &Path) -> Result<([u8; 32], u64), Failure> {
    let text = read_bounded(path, RECEIPT_BYTES_MAX)?;
    let wrong = |why: String| {
        Failure::new(format!("{}: {why}. A receipt is what the API answered to a change", path.display()))
    };
    let receipt: Receipt = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let hash = data_encoding::HEXLOWER.decode(receipt.event_hash.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
    Ok((hash.ok_or_else(|| wrong("event_hash is not 64 hex digits".to_owned()))?, receipt.epoch_latest))
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(bytes_max).read_to_string(&mut text));
    read.map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
    Ok(text)
}

const fn exit_of(look: &Look) -> Exit {
    match look {
        Look::Refused { .. } => Exit::Bogus,
        Look::Silent(_) => Exit::Silent,
        Look::Seen(seen) if !seen.first_use && !seen.changes.is_empty() => Exit::Changed,
        Look::Seen(_) => Exit::Done,
    }
}

fn json_of(look: &Look) -> Value {
    match look {
        Look::Seen(seen) => {
            let mut json = serde_json::to_value(seen).unwrap_or_default(); // texts and numbers always serialise
            json["result"] = json!(if seen.has_changed() { "changed" } else { "unchanged" });
            json["alarm"] = json!(seen.alarms());
            json
        }
        Look::Refused { why, evidence } => json!({"result": "refused", "why": why, "evidence": evidence}),
        Look::Silent(why) => json!({"result": "silent", "why": why}),
    }
}

fn text_of(look: &Look) -> String {
    let seen = match look {
        Look::Refused { why, evidence } => {
            let mut text = format!("NOT TRUE  {why}");
            match evidence {
                Some(path) => {
                    let path = path.display();
                    let _ = write!(
                        text,
                        "\n  evidence {path}: `callbook log evidence {path}` explains it; show it to others"
                    );
                }
                None => text.push_str(
                    "\n  nothing that the directory signed proves this to others: ask it again over another way",
                ),
            }
            return text;
        }
        Look::Silent(why) => return format!("SILENT    {why}"),
        Look::Seen(seen) => seen,
    };
    // Writing into a String cannot fail.
    let mut text = String::new();
    let name = seen.number.as_deref().unwrap_or("the watched number");
    let _ = writeln!(
        text,
        "{name}  {}, version {}, proved in epoch {} of {}",
        seen.standing, seen.version, seen.epoch, seen.log
    );
    let news = if seen.first_use { "so far   " } else { "changed  " };
    if seen.earlier_changes > 0 {
        let _ = writeln!(text, "  {news} {} changes before these", seen.earlier_changes);
    }
    for change in &seen.changes {
        let news = if change.alarm { "LOOK     " } else { news };
        let _ = writeln!(text, "  {news} {} version {}: {}", change.at, change.version, change.told);
    }
    if let Some(pending) = &seen.pending {
        let _ = writeln!(text, "  LOOK      {}", pending.told());
    }
    match (&seen.control, seen.own) {
        (Some(_), true) => _ = writeln!(text, "  control   the key on whose behalf this is"),
        (Some(key), false) => _ = writeln!(text, "  LOOK      another key controls the number: {key}"),
        (None, _) => _ = writeln!(text, "  LOOK      nobody controls the number: it was given back"),
    }
    for warning in &seen.warnings {
        let _ = writeln!(text, "  warning   {warning}");
    }
    if seen.first_use {
        let _ = writeln!(
            text,
            "  nothing was known before: what was shown now is believed from here on (trust on first use)"
        );
    }
    if seen.trust_on_first_use {
        let _ = writeln!(
            text,
            "  the keys of the log came from the directory itself: give --trust FILE to check against your own"
        );
    }
    text
}
