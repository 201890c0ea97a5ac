//! `act ask|list|show|approve|withdraw|events|submit`: what the operator does, by one person or by two.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::acts::{Act, ActEvents, NewAct, SignedEvents};
use crate::cli::ApiArgs;
use crate::cli::charter;
use crate::cli::init::write_secret;
use crate::cli::provider::key;
use crate::cli::report::{Exit, Failure, Report};
use crate::registry::acts::ActKind;

/// Events in one request; the server takes as many.
const SUBMIT_MAX: usize = 50;

#[derive(Subcommand)]
pub(crate) enum ActCommand {
    /// Ask for an act; if one person is enough, it is done at once.
    Ask(Box<AskArgs>),
    /// List acts, the newest first.
    List(ListArgs),
    /// Show an act with every step.
    Show(IdArgs),
    /// Approve an act that another person asked for.
    Approve(IdArgs),
    /// Withdraw an act that is still open.
    Withdraw(IdArgs),
    /// Write the events of an approved act to a file, for two people to sign.
    Events(EventsArgs),
    /// Hand in the events that two people have signed.
    Submit(SubmitArgs),
}

#[derive(Args)]
pub(crate) struct AskArgs {
    /// The kind of act, such as accredit, warn, staff-add or suspend-numbers.
    kind: String,
    /// The clause of the charter that it rests on.
    #[arg(long, value_name = "NUMBER")]
    clause: String,
    /// Why; no personal data.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The provider or validation entity.
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// Days of notice (wind-down) or of suspension (suspend-numbers).
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
    /// The thumbprint of a lost key (compromised-key).
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    lost_key: Option<String>,
    /// Since when it is lost, Unix seconds.
    #[arg(long, value_name = "SECONDS")]
    since: Option<u32>,
    /// The person (staff-add, staff-change, staff-end).
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// The person's role: viewer, auditor, officer or admin.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The person's public key: ed25519:BASE64 or es256:BASE64.
    #[arg(long, value_name = "KEY")]
    public_key: Option<String>,
    /// All statement keys from now on (provider-keys); may be repeated.
    #[arg(long, value_name = "KEY")]
    statement_key: Vec<String>,
    /// All validation keys from now on (provider-keys); may be repeated.
    #[arg(long, value_name = "KEY")]
    validation_key: Vec<String>,
    /// A number (suspend-numbers, resume-numbers, veto-claim); may be repeated.
    #[arg(long, value_name = "NUMBER")]
    number: Vec<String>,
    /// The key of an auditor, as `auditor init` printed it (auditor-admit, auditor-end).
    #[arg(long, value_name = "VKEY")]
    vkey: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only acts of this state: open, done, withdrawn or expired.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Where to go on: `next` of the page before.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct IdArgs {
    /// The act.
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct EventsArgs {
    /// The act.
    id: String,
    /// The file to write; it holds numbers, so its mode is 0600.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct SubmitArgs {
    /// The file that two people have signed.
    file: PathBuf,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(command: &ActCommand) -> Result<Report, Failure> {
    match command {
        ActCommand::Ask(args) => ask(args),
        ActCommand::List(args) => list(args),
        ActCommand::Show(args) => show(args),
        ActCommand::Approve(args) => one(&args.api.open()?.approve_act(&args.id)?),
        ActCommand::Withdraw(args) => one(&args.api.open()?.withdraw_act(&args.id)?),
        ActCommand::Events(args) => events(args),
        ActCommand::Submit(args) => submit(args),
    }
}

fn ask(args: &AskArgs) -> Result<Report, Failure> {
    let keys = |texts: &[String]| texts.iter().map(|text| key(text)).collect::<Result<Vec<_>, _>>();
    let wish = NewAct {
        kind: args.kind.clone(),
        clause: args.clause.clone(),
        reason: args.reason.clone(),
        provider: args.provider.clone(),
        days: args.days,
        lost_key: args.lost_key.clone(),
        since_s: args.since,
        person: args.person.clone(),
        role: args.role.clone(),
        public_key: args.public_key.as_deref().map(key).transpose()?,
        statement_keys: keys(&args.statement_key)?,
        validation_keys: keys(&args.validation_key)?,
        numbers: args.number.clone(),
        vkey: args.vkey.clone(),
    };
    one(&args.api.open()?.ask_act(&wish)?)
}

/// An act with its steps; of one that announces a charter also what that changes, and for whom.
fn show(args: &IdArgs) -> Result<Report, Failure> {
    let api = args.api.open()?;
    let act = api.act(&args.id)?;
    let mut report = one(&act)?;
    if act.kind == ActKind::Charter.name() {
        let proposed = api.proposed_charter(&args.id)?;
        report.text += &format!("\n{}", charter::proposal(&proposed));
        report.json["charter"] = json!(proposed);
    }
    Ok(report)
}

fn list(args: &ListArgs) -> Result<Report, Failure> {
    let page = args.api.open()?.acts(args.cursor.as_deref(), args.state.as_deref())?;
    let mut lines: Vec<String> = page.acts.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no acts".to_owned());
    }
    lines.extend(page.next.iter().map(|next| format!("more: --cursor {next}")));
    Ok(Report::done(lines.join("\n"), json!(page)))
}

fn events(args: &EventsArgs) -> Result<Report, Failure> {
    let bundle: ActEvents = args.api.open()?.act_events(&args.id)?;
    if bundle.events.is_empty() {
        let text = format!("act {}: there is nothing left to sign", args.id);
        return Ok(Report { text, json: json!({"act": args.id, "events": 0}), exit: Exit::None });
    }
    write_secret(&args.out, &serde_json::to_string_pretty(&bundle)?)?;
    let text = format!(
        "{} events of act {} in {}\n  two people sign them: callbook staff sign {} --key FILE --out FILE",
        bundle.events.len(),
        args.id,
        args.out.display(),
        args.out.display()
    );
    Ok(Report::done(text, json!({"act": args.id, "events": bundle.events.len(), "file": args.out})))
}

fn submit(args: &SubmitArgs) -> Result<Report, Failure> {
    let bundle: ActEvents = serde_json::from_str(&fs::read_to_string(&args.file)?)?;
    let api = args.api.open()?;
    let (mut accepted, mut refused) = (0, Vec::new());
    for part in bundle.events.chunks(SUBMIT_MAX) {
        let events = SignedEvents { events: part.iter().map(|one| one.event.clone()).collect() };
        for (one, result) in part.iter().zip(api.submit_act_events(&bundle.act.id, &events)?.results) {
            match result.problem {
                Some(problem) => refused.push((one.number.clone(), problem)),
                None => accepted += 1,
            }
        }
    }
    let mut text = format!("act {}: {accepted} accepted, {} refused", bundle.act.id, refused.len());
    for (number, problem) in &refused {
        text += &format!("\n  {number}  {}: {}", problem.code, problem.detail);
    }
    let exit = if refused.is_empty() { Exit::Done } else { Exit::None };
    let refused: Vec<_> =
        refused.iter().map(|(number, problem)| json!({"number": number, "problem": problem})).collect();
    Ok(Report { text, json: json!({"act": bundle.act.id, "accepted": accepted, "refused": refused}), exit })
}

fn one(act: &Act) -> Result<Report, Failure> {
    let mut text = line(act);
    for step in &act.steps {
        text += &format!("\n  {}  {:<10} {}", step.at, step.step, step.who.as_deref().unwrap_or("the register"));
    }
    if act.state == "open" {
        text += &format!("\n  needs {} people ({}); expires {}", act.hands, act.hands_why, act.expires_at);
    }
    if act.numbers > 0 {
        text += &format!("\n  numbers: {}, of these signed and accepted: {}", act.numbers, act.accepted);
    }
    text.extend(act.until.iter().map(|until| format!("\n  until {until}")));
    Ok(Report::done(text, json!(act)))
}

fn line(act: &Act) -> String {
    let about = act.parameters.get("provider").or_else(|| act.parameters.get("person"));
    let about = about.and_then(|about| about.as_str()).unwrap_or_default();
    format!("{}  {:<10} {:<16} {about:<16} charter {}  {}", act.id, act.state, act.kind, act.clause, act.reason)
}
