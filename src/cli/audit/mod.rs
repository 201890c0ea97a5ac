//! `audit …`: audits of validation entities, as anybody checks them and as the operator's people carry them out.

mod verify;

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::audits::{Audit, AuditEntity, AuditItem, BeaconSaid};
use crate::api::revalidations::Revalidation;
use crate::cli::ApiArgs;
use crate::cli::connect::api_at;
use crate::cli::profile::read_token;
use crate::cli::report::{Exit, Failure, Report};
use crate::log::gov::GovLeaf;
use crate::log::note::Note;

/// The files of a copy: population, and the leaves by their type.
const POPULATION: &str = "population";

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List the audits, the newest month first; anybody may.
    List(PublicArgs),
    /// Show what the public log says of an audit; with --out, keep what a draw is checked with.
    Show(ShowArgs),
    /// Close a month that is over: commit to its population. The directory does it by itself, too.
    Close(PeriodArgs),
    /// Draw the audit of a closed month, by the beacon if one is configured; or draw again and compare, with --verify.
    Draw(DrawArgs),
    /// List what was drawn, and how far each item is.
    Items(ItemsArgs),
    /// Show a drawn item with its number, and save its evidence.
    Item(ItemArgs),
    /// Judge a drawn item: pass, incomplete, mismatch, time, forged or contradicted.
    Judge(JudgeArgs),
    /// Send a code to the number of a drawn item; its holder's device answers it.
    SendCode(ItemIdArgs),
    /// Show the codes that were sent for a drawn item.
    Codes(ItemIdArgs),
    /// Show what was found of each entity so far, and every step.
    Findings(PeriodArgs),
    /// Ask for the sanction that the findings of an entity come to; another person approves the act.
    Propose(ProposeArgs),
    /// Publish the counts of an audit whose items all have their finding.
    Publish(PeriodArgs),
}

#[derive(Args)]
pub(crate) struct PublicArgs {
    /// The API's address.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    api: String,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The month: 2026-11
    period: String,
    /// A folder to make, for population and leaves.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    public: PublicArgs,
}

#[derive(Args)]
pub(crate) struct PeriodArgs {
    /// The month: 2026-11
    period: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct DrawArgs {
    /// The month: 2026-11
    #[arg(required_unless_present = "verify", conflicts_with = "verify")]
    period: Option<String>,
    /// Draw again from this folder, which `audit show --out` made, and compare; needs no network.
    #[arg(long, value_name = "DIR")]
    verify: Option<PathBuf>,
    /// The vkey of the gov log, to check the signatures of the leaves with.
    #[arg(long, value_name = "VKEY", requires = "verify")]
    key: Option<String>,
    /// The round of the beacon.
    #[arg(long, value_name = "NUMBER", requires = "beacon_value")]
    beacon_round: Option<u32>,
    /// What it said, in hexadecimal digits.
    #[arg(long, value_name = "HEX", requires = "beacon_round")]
    beacon_value: Option<String>,
    /// A file with the bearer token; not needed with --verify.
    #[arg(long, value_name = "FILE", env = "CALLBOOK_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    public: PublicArgs,
}

#[derive(Args)]
pub(crate) struct ItemsArgs {
    /// The month: 2026-11
    period: String,
    /// Only those of this validation entity.
    #[arg(long, value_name = "ID")]
    entity: Option<String>,
    /// Only those of this state: asked, answered, passed or failed.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct ItemArgs {
    /// The item.
    id: String,
    /// Where to save the evidence; it holds personal data, so its mode is 0600.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct ItemIdArgs {
    /// The item.
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct JudgeArgs {
    /// The item.
    id: String,
    /// pass, or the fault.
    finding: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct ProposeArgs {
    /// The month: 2026-11
    period: String,
    /// The validation entity.
    entity: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(command: &AuditCommand) -> Result<Report, Failure> {
    match command {
        AuditCommand::List(args) => list(args),
        AuditCommand::Show(args) => show(args),
        AuditCommand::Close(args) => one(&args.api.open()?.close_audit(&args.period)?),
        AuditCommand::Draw(args) => draw(args),
        AuditCommand::Items(args) => items(args),
        AuditCommand::Item(args) => item(args),
        AuditCommand::Judge(args) => {
            let item = args.api.open()?.judge_audit(&args.id, &args.finding)?;
            Ok(Report::done(item_line(&item), json!(item)))
        }
        AuditCommand::SendCode(args) => {
            let made = args.api.open()?.revalidate(&args.id)?;
            let exit = if made.state == "unsent" { Exit::None } else { Exit::Done };
            Ok(Report { text: code_line(&made), json: json!(made), exit })
        }
        AuditCommand::Codes(args) => {
            let found = args.api.open()?.revalidations(&args.id)?;
            let lines: Vec<String> = found.revalidations.iter().map(code_line).collect();
            Ok(Report::done(if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }, json!(found)))
        }
        AuditCommand::Findings(args) => findings(args),
        AuditCommand::Propose(args) => {
            let act = args.api.open()?.propose_sanction(&args.period, &args.entity)?;
            let text = format!(
                "act {}  {}  {}  {}\n  another person approves it: callbook act approve {}",
                act.id, act.state, act.kind, act.reason, act.id
            );
            Ok(Report::done(text, json!(act)))
        }
        AuditCommand::Publish(args) => one(&args.api.open()?.publish_audit(&args.period)?),
    }
}

fn list(args: &PublicArgs) -> Result<Report, Failure> {
    let found = api_at(&args.api, "")?.audits()?;
    let lines: Vec<String> = found.audits.iter().map(line).collect();
    let text = if lines.is_empty() { "no month was closed yet".to_owned() } else { lines.join("\n") };
    Ok(Report::done(text, json!(found)))
}

fn show(args: &ShowArgs) -> Result<Report, Failure> {
    let api = api_at(&args.public.api, "")?;
    let found = api.audits()?.audits.into_iter().find(|audit| audit.period == args.period);
    let Some(audit) = found else {
        let text = format!("{}: not closed", args.period);
        return Ok(Report { text, json: json!({"period": args.period, "audit": null}), exit: Exit::None });
    };
    if let Some(dir) = &args.out {
        fs::create_dir(dir).map_err(|error| Failure::new(format!("{}: {error}", dir.display())))?;
        fs::write(dir.join(POPULATION), api.audit_population(&args.period)?)?;
        for leaf in &audit.leaves {
            fs::write(dir.join(read(&leaf.leaf)?.kind), &leaf.leaf)?;
        }
        fs::write(dir.join("checkpoint"), audit.checkpoint.as_deref().unwrap_or_default())?;
    }
    one(&audit)
}

fn draw(args: &DrawArgs) -> Result<Report, Failure> {
    if let Some(dir) = &args.verify {
        return verify::verify(dir, args.key.as_deref());
    }
    let file = args.token_file.as_ref().ok_or_else(|| Failure::new("whose token? Name its file: --token-file FILE"))?;
    let said = BeaconSaid { round: args.beacon_round, value: args.beacon_value.clone() };
    let period = args.period.as_deref().unwrap_or_default();
    one(&api_at(&args.public.api, &read_token(file)?)?.draw_audit(period, &said)?)
}

fn items(args: &ItemsArgs) -> Result<Report, Failure> {
    let (api, mut all, mut cursor) = (args.api.open()?, Vec::new(), None);
    loop {
        let page = api.audit_items(&args.period, args.entity.as_deref(), args.state.as_deref(), cursor.as_deref())?;
        all.extend(page.items);
        match page.next_cursor {
            None => break,
            next => cursor = next,
        }
    }
    let lines: Vec<String> = all.iter().map(item_line).collect();
    let text = if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") };
    Ok(Report::done(text, json!({ "items": all })))
}

fn item(args: &ItemArgs) -> Result<Report, Failure> {
    let mut item = args.api.open()?.audit_item(&args.id)?;
    let mut text = item_line(&item);
    text.extend(item.number.iter().map(|number| format!("\n  number    {number}")));
    let evidence = item.evidence.take();
    match (&evidence, &args.out) {
        (Some(evidence), Some(path)) => {
            write_private(path, &evidence.0)?;
            text += &format!("\n  evidence  {} bytes in {}", evidence.0.len(), path.display());
        }
        (Some(evidence), None) => text += &format!("\n  evidence  {} bytes: --out FILE saves them", evidence.0.len()),
        (None, _) => text += "\n  evidence  none is kept",
    }
    Ok(Report::done(text, json!(item)))
}

fn findings(args: &PeriodArgs) -> Result<Report, Failure> {
    let found = args.api.open()?.audit_findings(&args.period)?;
    let mut lines = vec![format!("{}  {}", found.period, found.state)];
    lines.extend(found.entities.iter().map(entity_line));
    for step in &found.steps {
        lines.push(format!("  {}  {:<14} {}", step.at, step.step, step.who.as_deref().unwrap_or("the register")));
    }
    Ok(Report::done(lines.join("\n"), json!(found)))
}

fn one(audit: &Audit) -> Result<Report, Failure> {
    let mut text = line(audit);
    for leaf in &audit.leaves {
        let read = read(&leaf.leaf)?;
        text += &format!("\n  gov leaf {}  {}  {}", leaf.index, read.kind, read.body);
    }
    Ok(Report::done(text, json!(audit)))
}

fn line(audit: &Audit) -> String {
    let times = [
        Some(format!("closed {}", audit.closed_at)),
        audit.drawn_at.as_ref().map(|at| format!("drawn {at}")),
        audit.due_at.as_ref().filter(|_| audit.published_at.is_none()).map(|at| format!("evidence due {at}")),
        audit.published_at.as_ref().map(|at| format!("published {at}")),
    ];
    let times: Vec<String> = times.into_iter().flatten().collect();
    format!("{}  {:<9}  {}", audit.period, audit.state, times.join("  "))
}

fn code_line(code: &Revalidation) -> String {
    format!("{}  {:<9}  made {}  until {}", code.id, code.state, code.made_at, code.expires_at)
}

fn item_line(item: &AuditItem) -> String {
    let fault = match (&item.fault, &item.clause) {
        (Some(fault), Some(clause)) => format!("  {fault} (charter {clause})"),
        _ => String::new(),
    };
    format!("{}  {:<8}  {:<16} {}  due {}{fault}", item.id, item.state, item.entity, item.stratum, item.due_at)
}

fn entity_line(found: &AuditEntity) -> String {
    let percent = |ppb: u64| format!("{}.{:02} %", ppb / 10_000_000, ppb / 100_000 % 100);
    let proposed = match (&found.proposed, &found.act) {
        (Some(kind), Some(act)) => format!("{kind}, asked for by act {act}"),
        (Some(kind), None) => format!("{kind}: callbook audit propose"),
        (None, _) => "nothing".to_owned(),
    };
    format!(
        "  {:<16} {} tokens, {} drawn, {} waiting, {} failed ({} silent); rate {}, at least {}, at most {}; proposed: {proposed}",
        found.entity,
        found.tokens,
        found.drawn,
        found.waiting,
        found.failed,
        found.silent,
        percent(found.rate_ppb),
        percent(found.lower_ppb),
        percent(found.upper_ppb)
    )
}

/// Reads a leaf without checking its signature: that is `log verify`'s and `--key`'s.
fn read(leaf: &str) -> Result<GovLeaf, Failure> {
    Ok(GovLeaf::parse(&Note::open(leaf, &[])?.text)?)
}

/// Writes a new file that only its owner reads.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = open.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}
