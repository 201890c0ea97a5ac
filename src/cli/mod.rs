//! The command line: the only room that prints. One definition yields parser, help, man pages and completions.

mod act;
mod apex;
mod audit;
mod auditor;
mod backup;
mod charter;
mod complaint;
mod config;
mod connect;
mod console;
mod delegations;
mod demo;
mod disk;
mod docs;
mod doctor;
mod doors;
mod escrow;
mod evidence;
mod export;
mod gauges;
mod held;
mod import;
mod init;
mod instance;
mod keeper;
mod keys;
mod log;
mod lookup;
mod maintenance;
mod monitor;
mod monthly;
mod number;
mod profile;
mod provider;
mod refill;
mod reload;
mod report;
mod serve;
mod signer;
mod staff;
mod status;
mod synthetic;
mod webhook;
mod witness;
mod zone;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::cli::report::{Exit, Failure};
use crate::telemetry::{self, LogFormat};

/// A directory authority for phone numbers: signed ENUM zones, verified registrations, a public log.
#[derive(Parser)]
#[command(name = "callbook", version, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done or found, 1 none or a check that failed, 2 an error, 3 bogus: the answer was forged or broken; of `monitor` also 4 changed, 5 nobody could be asked."
)]
pub(crate) struct Cli {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// What to log to standard error: a level, or a list such as `info,callbook=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "CALLBOOK_LOG", default_value = "warn")]
    log: String,
    /// How log lines look: text, json (one object a line), or auto: text at a terminal, JSON elsewhere.
    #[arg(long, global = true, value_name = "FORMAT", env = "CALLBOOK_LOG_FORMAT", default_value = "auto")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole directory with sample numbers on this machine, without any configuration.
    Demo(demo::DemoArgs),
    /// Make an installation: configuration, keys, zone, charter, ledger.
    Init(init::InitArgs),
    /// Run the directory of an installation.
    Serve(InstallationArgs),
    /// Look a number up over DNS and validate the answer.
    Lookup(lookup::LookupArgs),
    /// Register, show, renew, take over and release numbers, as their provider.
    #[command(subcommand)]
    Number(number::NumberCommand),
    /// Accredit providers and give them tokens, as the operator; and a provider's own lists, batches and changes.
    #[command(subcommand)]
    Provider(provider::ProviderCommand),
    /// Verify webhooks that you receive; change the key that signs them.
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// The public logs: check them, copy them, show leaves, print proofs.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Watch a number: every change since the last time, checked; once, or for ever with a webhook.
    Monitor(monitor::MonitorArgs),
    /// The charter: what is in force, what a draft would change, the next version; its trust repository.
    #[command(subcommand)]
    Charter(charter::CharterCommand),
    /// The operator's people: keys, tokens, signatures.
    #[command(subcommand)]
    Staff(staff::StaffCommand),
    /// What the operator does, by one person or by two: ask, approve, sign, hand in.
    #[command(subcommand)]
    Act(act::ActCommand),
    /// Audits of validation entities: close a month, draw, judge evidence, propose a sanction, publish; draw again as anybody.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The DNSSEC keys: their state, who must act next, rolls, the parent's DS, import and export.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// The signer of the public log as a process of its own, and what it remembers.
    #[command(subcommand)]
    Signer(signer::SignerCommand),
    /// A witness of public logs: cosign each checkpoint once, if it goes on from the last (C2SP tlog-witness).
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
    /// An auditor of a directory: replay every change by the law, cosign what has passed, shout when something has not.
    #[command(subcommand)]
    Auditor(auditor::AuditorCommand),
    /// Export and import number zones; check, sign and serve master files; look after static zones and their secondaries.
    #[command(subcommand)]
    Zone(zone::ZoneCommand),
    /// Complaints: list, show, take up, close with an outcome.
    #[command(subcommand)]
    Complaint(complaint::ComplaintCommand),
    /// Check the configuration and show what is in force.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// How the directory stands, on one screen: state, cause, who acts next.
    Status(status::StatusArgs),
    /// Refuse changes for a while, with a reason; look-ups go on.
    #[command(subcommand)]
    Maintenance(maintenance::MaintenanceCommand),
    /// Have the running service read config.toml again; says what is in force now and what needs a restart.
    Reload(InstallationArgs),
    /// A month of the directory for its members and the public: counts, log, decisions, keys, copies.
    Report(monthly::ReportArgs),
    /// Backups of an installation: make one while it works, prove that it can be restored.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Deposits for an escrow agent, and the drill that restores them.
    #[command(subcommand)]
    Escrow(escrow::EscrowCommand),
    /// Restore a backup to an empty place, and say what is missing and how the service will go on.
    Restore(backup::RestoreArgs),
    /// Look for what keeps an installation from working, with a remedy for each finding.
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell.
    Completions(docs::CompletionsArgs),
    /// Write the man pages to a folder.
    Man(docs::ManArgs),
}

/// Names an installation.
#[derive(Args)]
pub(crate) struct InstallationArgs {
    /// The installation's directory, the one with config.toml.
    #[arg(long, value_name = "DIR", default_value = ".", env = "CALLBOOK_DIR")]
    pub(crate) dir: PathBuf,
}

/// Where the API is and which secret opens it.
#[derive(Args)]
pub(crate) struct ApiArgs {
    /// The API's address.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    pub(crate) api: String,
    /// A file with the bearer token; secrets never go on the command line.
    #[arg(long, value_name = "FILE", env = "CALLBOOK_TOKEN_FILE")]
    pub(crate) token_file: PathBuf,
}

/// Where to listen.
#[derive(Args, Clone)]
pub(crate) struct ListenArgs {
    /// Answer DNS here, UDP and TCP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5300")]
    pub(crate) dns: SocketAddr,
    /// Serve the HTTP API here; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8300")]
    pub(crate) http: SocketAddr,
}

/// Whether `--json` stands among the arguments, which are not parsed yet.
fn wants_json() -> bool {
    std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json")
}

/// An argument, or a variable in the place of one, that could not be said again. Nothing is done then, instead of half of it.
fn no_text() -> Option<String> {
    let arguments = std::env::args_os().skip(1).map(|value| ("an argument".to_owned(), value));
    let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let mut all = arguments.chain(named.filter(|(name, _)| name.starts_with("CALLBOOK_")));
    all.find(|(_, value)| value.to_str().is_none()).map(|(what, _)| what)
}

/// Help that was asked for, or wrong usage, which scripts are told as every other error.
fn not_run(told: &clap::Error) -> ExitCode {
    if told.use_stderr() && wants_json() {
        let text = told.render().to_string();
        return report::finish(Err(Failure::new(text.trim_end().trim_start_matches("error: "))), true);
    }
    let _ = told.print(); // nobody may be there to read it
    ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(Exit::Error as u8))
}

/// Parses the arguments, runs the command, prints its report.
pub fn main() -> ExitCode {
    if let Some(what) = no_text() {
        let why = format!("{what} is not UTF-8; names of files are said again, in JSON too: use one that is text");
        return report::finish(Err(Failure::new(why)), wants_json());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return not_run(&told),
    };
    telemetry::start(cli.log_format, &cli.log);
    let json = cli.json;
    let result = match cli.command {
        Command::Demo(args) => demo::run(&args, json),
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args, json),
        Command::Lookup(args) => lookup::run(&args),
        Command::Number(command) => number::run(&command),
        Command::Provider(command) => provider::run(&command, json),
        Command::Webhook(command) => webhook::run(&command),
        Command::Log(command) => log::run(&command),
        Command::Monitor(args) => monitor::run(&args, json),
        Command::Charter(command) => charter::run(&command),
        Command::Staff(command) => staff::run(&command),
        Command::Act(command) => act::run(&command),
        Command::Audit(command) => audit::run(&command),
        Command::Keys(command) => keys::run(command),
        Command::Signer(command) => signer::run(&command, json),
        Command::Witness(command) => witness::run(&command, json),
        Command::Auditor(command) => auditor::run(&command, json),
        Command::Zone(command) => zone::run(&command, json),
        Command::Complaint(command) => complaint::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Status(args) => status::run(&args),
        Command::Maintenance(command) => maintenance::run(&command),
        Command::Reload(args) => reload::run(&args),
        Command::Report(args) => monthly::run(&args),
        Command::Backup(command) => backup::run(&command),
        Command::Escrow(command) => escrow::run(&command),
        Command::Restore(args) => backup::restore(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => docs::completions(&args),
        Command::Man(args) => docs::man(&args),
    };
    report::finish(result, json)
}
