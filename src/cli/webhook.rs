//! `provider webhook add|list|show|set|test|redeliver|remove` for who has endpoints, `webhook verify` for who writes one, and
//! `webhook rotate|health` for the operator.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use ring::rand::SystemRandom;
use serde_json::{Value, json};

use crate::api::webhooks::{Delivery, NewWebhook, Redelivery, Webhook, WebhookChange, WebhookHealth, WebhookOutcome};
use crate::authority;
use crate::cli::connect::api_at;
use crate::cli::report::{Exit, Failure, Report};
use crate::cli::{ApiArgs, InstallationArgs};
use crate::client::webhook::{Headers, PublicKey, TOLERANCE_S, verify};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

/// The longest file of headers or of a body: a delivery is far shorter.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Subcommand)]
pub(crate) enum ProviderWebhookCommand {
    /// Name an endpoint that gets what happens to your numbers from now on.
    Add(AddArgs),
    /// List your endpoints.
    List(ListArgs),
    /// Show an endpoint, how far it has come, and its latest attempts.
    Show(OneArgs),
    /// Change an endpoint: pause it, make it active again, or give it another URL.
    Set(SetArgs),
    /// Send an endpoint a test at once.
    Test(OneArgs),
    /// Send changes again, or leave some out: the endpoint goes on after a cursor of the feed.
    Redeliver(RedeliverArgs),
    /// Remove an endpoint.
    Remove(OneArgs),
}

#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// Verify a delivery that you have received, by its headers and its body.
    Verify(VerifyArgs),
    /// List everybody's endpoints and how they do, for the operator; of their URLs only the hosts.
    Health(ListArgs),
    /// Change the key that signs webhooks: make a new one beside it, or end the change.
    Rotate(RotateArgs),
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// Where to, https://…
    url: String,
    /// A kind of change that is sent, such as release; may be repeated; all if left out.
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// What you call it.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct OneArgs {
    /// The endpoint's id, as `provider webhook list` shows it.
    #[arg(allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Whether changes are sent.
#[derive(Clone, Copy, ValueEnum)]
enum Wanted {
    Active,
    Paused,
}

#[derive(Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    of: OneArgs,
    /// Whether changes are sent.
    #[arg(long, value_name = "STATE")]
    state: Option<Wanted>,
    /// Where to, from now on.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A kind of change that is sent; may be repeated.
    #[arg(long, value_name = "KIND", conflicts_with = "all_kinds")]
    kind: Vec<String>,
    /// Every kind is sent.
    #[arg(long)]
    all_kinds: bool,
}

#[derive(Args)]
pub(crate) struct RedeliverArgs {
    #[command(flatten)]
    of: OneArgs,
    /// Send what comes after this cursor; `now` for what is still to happen; without it, everything that is kept.
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    after: Option<String>,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The file with the body exactly as it came; - for standard input.
    body: PathBuf,
    /// The file with the headers as they came, `Name: value` a line.
    #[arg(long, value_name = "FILE")]
    headers: PathBuf,
    /// A public key of the directory, whpk_…; may be repeated; asked for at --api if left out.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// The API's address.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    api: String,
    /// Seconds that it may have been sent from now.
    #[arg(long, value_name = "SECONDS", default_value_t = TOLERANCE_S)]
    tolerance: u64,
}

#[derive(Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Everybody knows the new key: the old one signs no longer.
    #[arg(long)]
    finish: bool,
}

pub(crate) fn run_provider(command: &ProviderWebhookCommand) -> Result<Report, Failure> {
    match command {
        ProviderWebhookCommand::Add(args) => add(args),
        ProviderWebhookCommand::List(args) => list(args),
        ProviderWebhookCommand::Show(args) => show(args),
        ProviderWebhookCommand::Set(args) => set(args),
        ProviderWebhookCommand::Test(args) => test(args),
        ProviderWebhookCommand::Redeliver(args) => redeliver(args),
        ProviderWebhookCommand::Remove(args) => remove(args),
    }
}

pub(crate) fn run(command: &WebhookCommand) -> Result<Report, Failure> {
    match command {
        WebhookCommand::Health(args) => health(args),
        WebhookCommand::Verify(args) => verified(args),
        WebhookCommand::Rotate(args) => rotate(args),
    }
}

fn add(args: &AddArgs) -> Result<Report, Failure> {
    let new = NewWebhook { url: args.url.clone(), kinds: args.kind.clone(), description: args.description.clone() };
    let made = args.api.open()?.add_webhook(&new)?;
    let text = format!("{}\n  try it: callbook provider webhook test {}", line(&made), made.id);
    Ok(Report::done(text, json!(made)))
}

fn list(args: &ListArgs) -> Result<Report, Failure> {
    let webhooks = args.api.open()?.webhooks()?.webhooks;
    let text = match webhooks.is_empty() {
        true => "no webhook yet: callbook provider webhook add URL".to_owned(),
        false => webhooks.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    Ok(Report::done(text, json!({ "webhooks": webhooks })))
}

/// Everybody's endpoints, those first that take nothing.
fn health(args: &ListArgs) -> Result<Report, Failure> {
    let mut webhooks = args.api.open()?.webhooks_health()?.webhooks;
    webhooks.sort_by_key(|one| (one.state == "active", one.failures == 0, one.oldest_at.clone()));
    let line = |one: &WebhookHealth| {
        let (owner, reason) = (one.owner.as_deref().unwrap_or("operator"), one.reason.as_deref().unwrap_or(""));
        let oldest = one.oldest_at.as_ref().map(|at| format!(", the oldest of {at}")).unwrap_or_default();
        let failing =
            one.failing_since.as_ref().map(|at| format!(", {} failures since {at}", one.failures)).unwrap_or_default();
        format!(
            "{owner:<16} {:<8} {reason:<8} {}  {} waiting{oldest}{failing}  {}",
            one.state, one.host, one.lag, one.id
        )
    };
    let text = match webhooks.is_empty() {
        true => "nobody has a webhook".to_owned(),
        false => webhooks.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    Ok(Report::done(text, json!({ "webhooks": webhooks })))
}

fn show(args: &OneArgs) -> Result<Report, Failure> {
    let api = args.api.open()?;
    let (webhook, attempts) = (api.webhook(&args.id)?, api.webhook_deliveries(&args.id)?.deliveries);
    let mut lines = vec![line(&webhook)];
    lines.extend(attempts.iter().map(|attempt| format!("  {}", outcome(attempt))));
    let mut json = json!(webhook);
    json["deliveries"] = json!(attempts);
    Ok(Report::done(lines.join("\n"), json))
}

fn set(args: &SetArgs) -> Result<Report, Failure> {
    let state = args.state.map(|state| match state {
        Wanted::Active => "active".to_owned(),
        Wanted::Paused => "paused".to_owned(),
    });
    let kinds = (args.all_kinds || !args.kind.is_empty()).then(|| args.kind.clone());
    let change = WebhookChange { url: args.url.clone(), state, kinds, description: None };
    if change == WebhookChange::default() {
        return Err(Failure::new("nothing is to be changed: say --state, --url, --kind or --all-kinds"));
    }
    let webhook = args.of.api.open()?.change_webhook(&args.of.id, &change)?;
    Ok(Report::done(line(&webhook), json!(webhook)))
}

/// Exit 1 if it was not taken.
fn test(args: &OneArgs) -> Result<Report, Failure> {
    let attempt = args.api.open()?.test_webhook(&args.id)?;
    let exit = if attempt.taken { Exit::Done } else { Exit::None };
    Ok(Report { text: outcome(&attempt), json: json!(attempt), exit })
}

fn redeliver(args: &RedeliverArgs) -> Result<Report, Failure> {
    let from = Redelivery { cursor: args.after.clone() };
    let webhook = args.of.api.open()?.redeliver_webhook(&args.of.id, &from)?;
    Ok(Report::done(line(&webhook), json!(webhook)))
}

fn remove(args: &OneArgs) -> Result<Report, Failure> {
    args.api.open()?.remove_webhook(&args.id)?;
    Ok(Report::done(format!("webhook {} is removed", args.id), json!({ "id": args.id, "removed": true })))
}

fn line(webhook: &Webhook) -> String {
    let state = match &webhook.reason {
        Some(reason) => format!("{} ({reason})", webhook.state),
        None => webhook.state.clone(),
    };
    let mut text = format!("{}  {state:<18} {} behind  {}", webhook.id, webhook.lag, webhook.url);
    let last = |what: &str, outcome: &WebhookOutcome| {
        let status = outcome.status.map_or_else(String::new, |status| format!(" {status}"));
        let why = outcome.why.as_ref().map_or_else(String::new, |why| format!(" {why}"));
        format!("\n  {what} {}{status}{why}", outcome.at)
    };
    text.extend(webhook.last_success.iter().map(|outcome| last("taken", outcome)));
    text.extend(webhook.last_failure.iter().map(|outcome| last("not taken", outcome)));
    text.extend(webhook.next_attempt.iter().map(|at| format!("\n  next attempt {at}")));
    text
}

fn outcome(attempt: &Delivery) -> String {
    let status = attempt.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let why = attempt.why.as_deref().unwrap_or("taken");
    format!("{}  {:<6} {status:<3} {why}  {} ms", attempt.at, attempt.kind, attempt.took_ms)
}

/// Exit 1 if it is not the directory's, or old.
fn verified(args: &VerifyArgs) -> Result<Report, Failure> {
    let keys = match args.key.is_empty() {
        true => api_at(&args.api, "")?.webhook_keys()?.keys,
        false => args.key.clone(),
    };
    let keys: Vec<PublicKey> = keys.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
    let head = String::from_utf8(bounded(&args.headers)?)
        .map_err(|_| Failure::new(format!("{}: headers are text", args.headers.display())))?;
    let body = bounded(&args.body)?;
    let headers = Headers {
        id: header(&head, "webhook-id"),
        timestamp: header(&head, "webhook-timestamp"),
        signature: header(&head, "webhook-signature"),
    };
    let (text, json, exit) = match verify(&keys, &headers, &body, SystemClock.now_s(), args.tolerance) {
        Ok(message) => {
            let text = format!("verified: {} {} of {}", message.kind, headers.id, message.timestamp);
            (text, json!({ "verified": true, "id": headers.id, "message": message }), Exit::Done)
        }
        Err(why) => {
            let json = json!({ "verified": false, "why": why.to_string(), "message": Value::Null });
            (format!("NOT verified: {why}"), json, Exit::None)
        }
    };
    Ok(Report { text, json, exit })
}

/// The value of a header, whatever case its name is written in; empty if it is not there.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(known, _)| known.trim().eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
}

fn bounded(path: &Path) -> Result<Vec<u8>, Failure> {
    let at = |error: io::Error| Failure::new(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    match path.to_str() {
        Some("-") => io::stdin().take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(at)?,
        _ => File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)).map_err(at)?,
    };
    Ok(bytes)
}

fn rotate(args: &RotateArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let (keys, lock) = (fs::canonicalize(&config.paths.keys)?, &config.dnssec.passphrase_file);
    let (changed, text) = match args.finish {
        true => match authority::finish_webhook_keys(&keys)? {
            true => (true, "the old key signs no longer: start the service anew"),
            false => (false, "there is one key only: nothing is to be finished"),
        },
        false => match authority::rotate_webhook_keys(&keys, lock, &SystemRandom::new())? {
            true => (
                true,
                "made a new key: start the service anew, and both sign. Once receivers know it (GET /v1/webhooks/keys): \
                 callbook webhook rotate --finish",
            ),
            false => (false, "a change is under way already: end it with callbook webhook rotate --finish"),
        },
    };
    let exit = if changed { Exit::Done } else { Exit::None };
    Ok(Report { text: text.to_owned(), json: json!({ "changed": changed, "finished": args.finish && changed }), exit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_case() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nWebhook-Id: chg_1\r\nwebhook-timestamp:7\r\n";
        assert_eq!((header(head, "webhook-id"), header(head, "webhook-timestamp")), ("chg_1", "7"));
        assert_eq!(header(head, "webhook-signature"), "");
    }
}
