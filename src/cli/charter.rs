//! `charter …`: what is in force, what a draft would change and whom it touches, the next version; and the trust repository.

pub(crate) mod status;
pub(crate) mod trust;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::charter::{NewVersion, ProposedVersion, Touched, Version};
use crate::authority::{self, Affected, TrustStore};
use crate::charter::{Difference, differences, numbering};
use crate::cli::connect::api_at;
use crate::cli::instance;
use crate::cli::report::{Exit, Failure, Report};
use crate::cli::{ApiArgs, InstallationArgs};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

#[derive(Subcommand)]
pub(crate) enum CharterCommand {
    /// Show which version is in force and which are announced.
    Show(ShowArgs),
    /// Compare the charter in the folder with the one in force: every parameter, and the registrations that it touches.
    Diff(InstallationArgs),
    /// Ask for the charter in the folder as the next version; another person approves.
    Announce(AnnounceArgs),
    /// Make a key for a holder of the trust repository; sealed, if there is a passphrase.
    Keygen(trust::KeygenArgs),
    /// Make the next unsigned metadata of the trust repository, by the plan and the installation, and say what changes.
    Draft(trust::DraftArgs),
    /// Sign a draft; needs no network and no installation.
    Sign(trust::SignArgs),
    /// Publish drafts that enough have signed, if the clients' own check believes the outcome.
    Publish(trust::PublishArgs),
    /// Check a trust repository from a pinned root, and write the trust list that look-ups take.
    Verify(verify::VerifyArgs),
    /// Each role of the trust repository: version, end, signatures, who must act.
    Status(InstallationArgs),
    /// The steps of a signing, with the digests to read aloud; afterwards its minutes.
    Ceremony(status::CeremonyArgs),
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The API's address.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    api: String,
}

#[derive(Args)]
pub(crate) struct AnnounceArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// The clause of the charter that this rests on.
    #[arg(long, value_name = "NUMBER", default_value = "10.1")]
    clause: String,
    /// Why; no personal data.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// From when on it shall be in force (RFC 3339); left out, as early as the charter's notice allows when it is approved.
    #[arg(long, value_name = "TIME")]
    effective_from: Option<String>,
    /// Another folder with charter.md and policy.toml than the installation's.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(command: &CharterCommand) -> Result<Report, Failure> {
    match command {
        CharterCommand::Show(args) => show(args),
        CharterCommand::Diff(args) => diff(args),
        CharterCommand::Announce(args) => announce(args),
        CharterCommand::Keygen(args) => trust::keygen(args),
        CharterCommand::Draft(args) => trust::draft(args),
        CharterCommand::Sign(args) => trust::sign(args),
        CharterCommand::Publish(args) => trust::publish(args),
        CharterCommand::Verify(args) => verify::run(args),
        CharterCommand::Status(args) => status::status(args),
        CharterCommand::Ceremony(args) => status::ceremony(args),
    }
}

fn show(args: &ShowArgs) -> Result<Report, Failure> {
    let charter = api_at(&args.api, "")?.charter()?;
    let mut lines = vec![format!("in force   {}", line(&charter.in_force))];
    lines.extend(charter.announced.iter().map(|version| format!("announced  {}", line(version))));
    lines.push(format!("numbers    by {}", charter.numbering));
    Ok(Report::done(lines.join("\n"), serde_json::to_value(&charter)?))
}

fn line(version: &Version) -> String {
    format!("version {} from {}, policy {}", version.version, version.effective_from, version.policy_digest)
}

fn diff(args: &InstallationArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.dir)?;
    let (now, then) = (instance::charter_in_force(&config)?, instance::charter_folder(&config)?);
    let found = differences(&now, &then);
    let prose = now.prose() != then.prose();
    let touched = authority::affected(&config.paths.data, &config.apex, SystemClock.now_s(), &now, &then)?;
    let mut lines: Vec<String> = found.iter().map(told).collect();
    if prose {
        lines.push("charter.md says something else".to_owned());
    }
    if lines.is_empty() {
        lines.push("the charter in the folder is the one in force".to_owned());
    } else {
        lines.extend(consequences(&touched));
    }
    let trust = authority::drafted_changes(&TrustStore::at(&config.paths.charter))?;
    for (role, version, changes) in &trust {
        lines.push(format!("the draft of {role} {version} in the trust repository:"));
        lines.extend(changes.iter().map(|change| format!("  {change}")));
    }
    let same = found.is_empty() && !prose && trust.is_empty();
    let json = json!({
        "same": same,
        "text_differs": prose,
        "differences": found.iter().map(as_json).collect::<Vec<_>>(),
        "registrations": touched.registrations,
        "affected": touched.affected,
        "by_provider": touched.providers,
        "by_reason": touched.reasons.iter().map(|((code, clause), count)| {
            json!({"code": code, "clause": clause, "registrations": count})
        }).collect::<Vec<_>>(),
        "numbering": numbering::EDITION,
        "trust": trust.iter().map(|(role, version, changes)| {
            json!({"role": role, "version": version, "changes": changes})
        }).collect::<Vec<_>>(),
    });
    Ok(Report { text: lines.join("\n"), json, exit: if same { Exit::Done } else { Exit::None } })
}

fn told(one: &Difference) -> String {
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{:<6} {}: {} -> {}", one.article, one.parameter, said(&one.before), said(&one.after))
}

fn as_json(one: &Difference) -> Value {
    json!({"parameter": one.parameter, "article": one.article, "before": one.before, "after": one.after})
}

/// Whom a change touches, in words.
fn consequences(touched: &Affected) -> Vec<String> {
    let Affected { registrations, affected, providers, reasons, .. } = touched;
    let mut lines = vec![match affected {
        0 => format!("all {registrations} registrations stand as they are"),
        n => format!(
            "{n} of {registrations} registrations could not be renewed or changed as they are; they stay published until they end:"
        ),
    }];
    lines.extend(reasons.iter().map(|((code, clause), count)| format!("  {count:>9}  {code} (charter {clause})")));
    lines.extend(providers.iter().map(|(provider, count)| format!("  {count:>9}  of provider {provider}")));
    lines
}

fn announce(args: &AnnounceArgs) -> Result<Report, Failure> {
    let mut config = Config::load(&args.of.dir)?;
    if let Some(from) = &args.from {
        config.paths.charter.clone_from(from);
    }
    let policy = instance::charter_folder(&config)?;
    let api = args.api.open()?;
    let act = api.propose_charter(&NewVersion {
        clause: args.clause.clone(),
        reason: args.reason.clone(),
        charter_md: policy.prose().to_owned(),
        policy_toml: policy.source().to_owned(),
        effective_from: args.effective_from.clone(),
    })?;
    let proposed = api.proposed_charter(&act.id)?;
    let mut text = format!("act {} waits for another person until {}", act.id, act.expires_at);
    text += &format!("\n{}\n  another person approves: callbook act approve {}", proposal(&proposed), act.id);
    Ok(Report::done(text, serde_json::to_value(&act)?))
}

/// What an act of kind `charter` would announce, in words.
pub(crate) fn proposal(of: &ProposedVersion) -> String {
    let date = of.effective_from.as_deref().unwrap_or("as early as the notice allows when it is approved");
    let mut lines = vec![format!("version {}, in force from: {date}", of.follows + 1)];
    lines.push(format!("against version {}, which was in force when it was asked for:", of.compared_with));
    lines.extend(of.differences.iter().map(|one| {
        let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("{:<6} {}: {} -> {}", one.article, one.parameter, said(&one.before), said(&one.after))
    }));
    if !of.clauses.is_empty() {
        lines.push(format!("clauses that read otherwise: {}", of.clauses.join(", ")));
    }
    let Touched { registrations, looked_at, affected, by_provider, by_reason } = &of.touched;
    lines.push(format!(
        "{affected} of {looked_at} registrations that were looked at (there are {registrations}) could not be renewed or changed as they are"
    ));
    lines.extend(
        by_reason.iter().map(|one| format!("  {:>9}  {} (charter {})", one.registrations, one.code, one.clause)),
    );
    lines.extend(by_provider.iter().map(|(provider, count)| format!("  {count:>9}  of provider {provider}")));
    lines.join("\n")
}
