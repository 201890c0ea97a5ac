//! `log verify|mirror|show|proof|consistency|evidence|new-era|refill`: the public logs, checked by whoever wants to, copied into a
//! folder, and what their operator does when one ends or is lost.

mod evidence;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::api::log::LogKind;
use crate::authority::{self, ERA_REASON_LEN_MAX, EraWish, OpenedEra};
use crate::cli::connect::api_at;
use crate::cli::lookup;
use crate::cli::refill::{self, RefillArgs};
use crate::cli::report::{Exit, Failure, Report};
use crate::cli::{InstallationArgs, init, instance};
use crate::client::log::{Before, Check, Checked, Head, LogAt, LogError, Named, Place, before_in, named};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;
use crate::log::checkpoint::Checkpoint;
use crate::log::note::VerifierKey;

#[derive(Subcommand)]
pub(crate) enum LogCommand {
    /// Check a whole log: signature, every leaf, every tile, and that both logs agree.
    Verify(VerifyArgs),
    /// Copy the logs into a folder, or bring the copy up to date; checks all that it stores.
    Mirror(MirrorArgs),
    /// Show the newest checkpoint, or one leaf.
    Show(ShowArgs),
    /// Prove that a leaf is in the log.
    Proof(ProofArgs),
    /// Prove that the log has only grown.
    Consistency(ConsistencyArgs),
    /// Explain a file of evidence, and check it offline: what it proves, and what not.
    Evidence(evidence::EvidenceArgs),
    /// Close the map log of a stopped installation for ever, and open the next with a new VRF key and all live numbers.
    NewEra(NewEraArgs),
    /// Bring the ledger of a stopped, frozen installation up to what was signed, from copies that others kept.
    Refill(RefillArgs),
}

/// Where the log is, and what is trusted.
#[derive(Args)]
pub(crate) struct WhereArgs {
    /// A directory's address, its /v1/log, one log below that, or a folder of `callbook log mirror`.
    #[arg(value_name = "URL|DIR", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    place: String,
    /// A key that the log is signed with, as a vkey. May be repeated; the gov log's is enough for both.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    at: WhereArgs,
    /// A trust list: its keys of the logs are believed as those of --key are.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Keep in this file how far was checked, and go on from there next time.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Where evidence of misbehaviour is kept; left out, it is printed.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct MirrorArgs {
    /// A directory's address, its /v1/log, or one log below that.
    #[arg(value_name = "URL")]
    place: String,
    /// The folder of the copy.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// A key that the log is signed with, as a vkey. May be repeated; the gov log's is enough for both.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
}

#[derive(Args)]
pub(crate) struct OneArgs {
    /// A directory's address, its /v1/log, one log below that, or a folder of `callbook log mirror`.
    #[arg(value_name = "URL|DIR")]
    place: String,
    /// A key that the log is signed with, as a vkey. May be repeated.
    #[arg(long, value_name = "VKEY")]
    key: Vec<String>,
    /// The gov log, where both are; else it is the map log.
    #[arg(long)]
    gov: bool,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    of: OneArgs,
    /// The leaf to show; the first is 0.
    leaf: Option<u64>,
}

#[derive(Args)]
pub(crate) struct ProofArgs {
    #[command(flatten)]
    of: OneArgs,
    /// The leaf; the first is 0.
    index: u64,
}

#[derive(Args)]
pub(crate) struct ConsistencyArgs {
    #[command(flatten)]
    of: OneArgs,
    /// The smaller size, in leaves.
    old: u64,
    /// The larger size; left out, that of the newest checkpoint.
    new: Option<u64>,
}

#[derive(Args)]
pub(crate) struct NewEraArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Why, in the council's words; it stands in the gov log for ever. No number, no name.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Forget accepted changes that wait for an epoch which can never come; their providers must ask for them anew.
    #[arg(long)]
    forget_waiting: bool,
}

pub(crate) fn run(command: &LogCommand) -> Result<Report, Failure> {
    let outcome = match command {
        LogCommand::Verify(args) => verify(args),
        LogCommand::Mirror(args) => mirror(args),
        LogCommand::Show(args) => show(args),
        LogCommand::Proof(args) => proof(args),
        LogCommand::Consistency(args) => consistency(args),
        LogCommand::Evidence(args) => return evidence::run(args),
        LogCommand::NewEra(args) => new_era(args).map_err(Refused::Other),
        LogCommand::Refill(args) => refill::run(args).map_err(Refused::Other),
    };
    match outcome {
        Err(Refused::Log(error)) if error.is_untrue() => untrue(&error, evidence_folder(command).as_deref()),
        Err(Refused::Log(error)) => Err(Failure::from(error)),
        Err(Refused::Other(failure)) => Err(failure),
        Ok(report) => Ok(report),
    }
}

/// Why there is no report: the log says so, or something else.
enum Refused {
    Log(LogError),
    Other(Failure),
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

/// Where evidence goes, if it is kept.
fn evidence_folder(command: &LogCommand) -> Option<PathBuf> {
    match command {
        LogCommand::Verify(args) => args.evidence.clone(),
        LogCommand::Mirror(args) => Some(args.dir.join("evidence")),
        _ => None,
    }
}

/// A log that did not pass.
fn untrue(error: &LogError, folder: Option<&Path>) -> Result<Report, Failure> {
    let mut text = format!("NOT TRUE  {error}");
    let mut json = json!({"verified": false, "why": error.to_string()});
    if let LogError::Fork { log, notes, kept, evidence, .. } = error {
        let _ = write!(text, "\n  Both checkpoints are signed by the log.");
        for (note, kept) in notes.iter().zip(kept.iter().map(Some).chain(std::iter::repeat(None))) {
            let _ = match kept {
                Some(path) => write!(text, "\n  kept: {}", path.display()),
                None => write!(text, "\n\n{}", note.trim_end()),
            };
        }
        json["fork"] = json!({"log": log, "checkpoints": **notes, "kept": kept});
        match (evidence, folder) {
            (None, _) => {
                text.push_str("\n  They do not contradict each other: an old state of the log was shown, which proves nothing to others.");
            }
            (Some(evidence), Some(folder)) => {
                let path = lookup::kept(evidence, folder)?;
                let shown = path.display();
                let _ = write!(
                    text,
                    "\n  Show them to others: evidence {shown}, which `callbook log evidence {shown}` explains."
                );
                json["evidence"] = serde_json::to_value(&path)?;
            }
            (Some(evidence), None) => {
                let _ = write!(
                    text,
                    "\n  Show them to others. As a file for `callbook log evidence`:\n\n{}",
                    evidence.write()
                );
                json["evidence_text"] = json!(evidence.write());
            }
        }
    }
    Ok(Report { text, json, exit: Exit::Bogus })
}

fn place(text: &str) -> Result<Place, Refused> {
    Ok(match named(text)? {
        Named::Folder(dir) => Place::Folder(dir),
        Named::Url { base, below } => Place::Http(api_at(&base, "")?, below),
    })
}

fn keys(texts: &[String]) -> Result<Vec<VerifierKey>, Refused> {
    let read = |text: &String| {
        VerifierKey::parse(text).map_err(|error| {
            let form = "it has the form name+0a1b2c3d+BASE64";
            Refused::Other(Failure::new(format!(
                "--key {text}: {error}; a vkey is one line, {form}: quote it for the shell"
            )))
        })
    };
    texts.iter().map(read).collect()
}

/// A bar at the terminal; nothing elsewhere.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{msg} {pos}/{len} leaves {bar:24} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn show(&self, log: &Checkpoint, done: u64) {
        self.0.set_message(log.origin.clone());
        self.0.set_length(log.size);
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn verify(args: &VerifyArgs) -> Result<Report, Refused> {
    let mut given = keys(&args.at.key)?;
    if let Some(path) = &args.trust {
        let trust = lookup::read_trust(path)?;
        given.extend(keys(&[trust.gov_key, trust.log])?);
    }
    let before = args.state.as_deref().map(read_state).transpose()?.unwrap_or_default();
    let bar = Bar::new();
    let logs = place(&args.at.place)?.logs()?;
    let checked =
        Check { given: &given, before: &before, progress: &mut |log, done| bar.show(log, done) }.run(&logs)?;
    drop(bar);
    if let Some(path) = &args.state {
        let now: Vec<Before> = checked.logs.iter().map(crate::client::log::CheckedLog::before).collect();
        let others = before.into_iter().filter(|old| !now.iter().any(|new| new.origin == old.origin));
        let state: Vec<Before> = others.chain(now.iter().cloned()).collect();
        write_state(path, &state)?;
    }
    Ok(Report::done(told(&checked), passed(&checked, json!({}))))
}

fn mirror(args: &MirrorArgs) -> Result<Report, Refused> {
    let given = keys(&args.key)?;
    let before = before_in(&args.dir)?;
    let bar = Bar::new();
    let logs = place(&args.place)?.logs()?;
    let mut check = Check { given: &given, before: &before, progress: &mut |log, done| bar.show(log, done) };
    let done = check.mirror(&logs, &args.dir)?;
    drop(bar);
    let text = format!("{}\n{} new leaves in {}", told(&done.checked), done.new_leaves, args.dir.display());
    Ok(Report::done(text, passed(&done.checked, json!({"new_leaves": done.new_leaves, "folder": args.dir}))))
}

fn passed(checked: &Checked, more: Value) -> Value {
    let mut json =
        json!({"verified": true, "logs": checked.logs, "checked": checked.checked, "not_checked": checked.not_checked});
    for (log, told) in json["logs"].as_array_mut().into_iter().flatten().zip(&checked.logs) {
        log["newest"] = time(told.newest_ms);
    }
    if let (Value::Object(json), Value::Object(more)) = (&mut json, more) {
        json.extend(more);
    }
    json
}

fn time(ms: u64) -> Value {
    if ms == 0 { Value::Null } else { Value::from(rfc3339(ms / 1000)) }
}

fn told(checked: &Checked) -> String {
    let mut text = String::new();
    for log in &checked.logs {
        let newest = time(log.newest_ms);
        let newest = newest.as_str().map_or_else(String::new, |at| format!(", the newest of {at}"));
        let _ = writeln!(text, "true  {}  {} leaves{newest}, {} tiles read", log.origin, log.size, log.tiles);
    }
    for (what, lines) in [("checked", &checked.checked), ("not checked", &checked.not_checked)] {
        let _ = write!(text, "\n{what}:\n  {}\n", lines.join("\n  ")); // into a String
    }
    text
}

fn read_state(path: &Path) -> Result<Vec<Before>, Refused> {
    let cannot = |why: String| {
        let told = format!(
            "{}: {why}. Without it the check begins anew: name another file, or move this one away",
            path.display()
        );
        Refused::Other(Failure::new(told))
    };
    match std::fs::read(path) {
        Ok(raw) => {
            serde_json::from_slice(&raw).map_err(|error| cannot(format!("not a state of `log verify`: {error}")))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(cannot(error.to_string())),
    }
}

fn write_state(path: &Path, state: &[Before]) -> Result<(), Refused> {
    let new = path.with_extension("new");
    let text = serde_json::to_vec_pretty(state).map_err(|error| Refused::Other(error.into()))?;
    let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    written.map_err(|error| Refused::Other(Failure::new(format!("cannot write {}: {error}", path.display()))))
}

/// The one log that is meant, and its head.
fn one(args: &OneArgs) -> Result<(LogAt, Head), Refused> {
    let given = keys(&args.key)?;
    let mut logs = place(&args.place)?.logs()?;
    if logs.len() > 1 {
        let kind = if args.gov { LogKind::Gov } else { LogKind::Map };
        logs.retain(|log| log.info().is_some_and(|info| info.kind == kind));
    }
    let Some(log) = logs.into_iter().next() else {
        return Err(Refused::Log(LogError::NoLog { at: args.place.clone() }));
    };
    let head = log.head(&given)?;
    Ok((log, head))
}

fn show(args: &ShowArgs) -> Result<Report, Refused> {
    let (log, head) = one(&args.of)?;
    let Checkpoint { origin, size, .. } = &head.checkpoint;
    if let Some(index) = args.leaf {
        let (raw, leaf) = log.leaf(&head, index)?;
        let json = json!({"origin": origin, "index": index, "leaf": leaf.to_json(), "raw": raw});
        let at = leaf.time_ms().map_or_else(String::new, |ms| format!("  {}", rfc3339(ms / 1000)));
        return Ok(Report::done(format!("{origin}  leaf {index} of {size}{at}\n\n{raw}"), json));
    }
    let newest = match size.checked_sub(1) {
        Some(last) => log.leaf(&head, last)?.1.time_ms(),
        None => None,
    };
    let vkeys: Vec<String> = head.keys.iter().map(ToString::to_string).collect();
    let root = crate::log::bytes::to_base64(&head.checkpoint.root);
    let mut text = format!("log     {origin}\nleaves  {size}\nroot    {root}\n");
    if let Some(ms) = newest {
        let _ = writeln!(text, "newest  {}", rfc3339(ms / 1000));
    }
    let _ = writeln!(text, "signed  by {}\n        {}", head.trust.in_words(), vkeys.join("\n        "));
    let json = json!({
        "origin": origin, "size": size, "root": root, "newest": newest.map(|ms| rfc3339(ms / 1000)), "vkeys": vkeys,
        "trust": head.trust, "note": head.note,
    });
    Ok(Report::done(text, json))
}

fn proof(args: &ProofArgs) -> Result<Report, Refused> {
    let (log, head) = one(&args.of)?;
    let proof = log.prove_inclusion(&head, args.index)?;
    let json = serde_json::to_value(&proof).map_err(|error| Refused::Other(error.into()))?;
    Ok(Report::done(proof.text, json))
}

fn consistency(args: &ConsistencyArgs) -> Result<Report, Refused> {
    let (log, head) = one(&args.of)?;
    let proof = log.prove_consistency(&head, args.old, args.new)?;
    let json = json!({
        "origin": proof.origin, "old": {"size": proof.old.0, "root": proof.old.1},
        "new": {"size": proof.new.0, "root": proof.new.1}, "hashes": proof.hashes, "text": proof.text,
    });
    Ok(Report::done(proof.text, json))
}

fn new_era(args: &NewEraArgs) -> Result<Report, Failure> {
    let reason = args.reason.trim();
    if reason.is_empty() || reason.len() > ERA_REASON_LEN_MAX || reason.chars().any(char::is_control) {
        return Err(Failure::new(format!(
            "--reason: one line of 1 to {ERA_REASON_LEN_MAX} octets that says why the log is closed; it stands in the gov log for ever"
        )));
    }
    let config = Config::load(&args.of.dir)?;
    let policy = instance::charter_in_force(&config)?;
    let wish = EraWish { reason: reason.to_owned(), forgets_waiting: args.forget_waiting };
    let opened =
        authority::open_era(&init::settings(&config), policy, &wish, SystemClock.now_ms(), &SystemRandom::new())?;
    let OpenedEra { era, origin, prev, carried, epochs, is_old } = opened;
    let head = match is_old {
        true => format!("era {era} is open already, and its log is signed"),
        false => format!("era {era} is open: {carried} numbers were carried over in {epochs} epochs"),
    };
    let text = format!(
        "{head}\n{origin} goes on from {} leaves of {}, which is closed for ever and stays readable\n\n\
         next:\n  callbook serve   starts the service\n  tell witnesses and auditors the new origin; callers take a new trust list \
         (GET /v1/log/trust)\n  callbook doctor says when the VRF key of the era before can be destroyed",
        prev.size, prev.origin
    );
    let json = json!({
        "era": era, "origin": origin, "carried": carried, "epochs": epochs, "was_open": is_old,
        "prev": {"origin": prev.origin, "size": prev.size, "root": crate::log::bytes::to_base64(&prev.root)},
    });
    Ok(Report::done(text, json))
}
