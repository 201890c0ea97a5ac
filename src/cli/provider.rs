//! `provider …`: the operator's providers, their tokens, and what rests on lost keys; a provider's own work stands below.

mod access;
mod audit;
mod batch;
mod changes;
mod desk;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::Base64;
use crate::api::providers::{BulkDoor, Key, NewProvider, NewToken, Provider, Token};
use crate::cli::ApiArgs;
use crate::cli::connect::api_at;
use crate::cli::init::write_secret;
use crate::cli::profile::Profile;
use crate::cli::report::{Failure, Report};
use crate::cli::webhook::{self, ProviderWebhookCommand};
use crate::client::provider::certificate_thumbprint;
use crate::log::key::{Algorithm, PublicKey};
use crate::number::Number;

#[derive(Subcommand)]
pub(crate) enum ProviderCommand {
    /// Accredit a provider, a validation entity, or both.
    Add(AddArgs),
    /// List the public register.
    List(ListArgs),
    /// Make an API token for a provider.
    Token(TokenArgs),
    /// Appeal against the sanction that a provider is under, with its token or as an officer.
    Appeal(AppealArgs),
    /// List lost keys of validation entities and what rests on them; with a key, the numbers.
    LostKeys(LostKeysArgs),
    /// List the bulk doors that are open, and how many numbers are still behind each.
    BulkDoors(ApiArgs),
    /// List a provider's API tokens, without their secrets.
    Tokens(TokensArgs),
    /// Revoke an API token at once; a provider revokes its own with its own token.
    Revoke(RevokeArgs),
    /// Webhooks: where the change feed is sent, with your token or as the operator.
    #[command(subcommand)]
    Webhook(ProviderWebhookCommand),
    /// List a provider's numbers, with its token.
    Numbers(desk::NumbersArgs),
    /// Send many changes at once and follow them to their results.
    Batch(batch::BatchArgs),
    /// Print what happened to a provider's numbers, one JSON object a line, and remember how far it was read.
    Changes(changes::ChangesArgs),
    /// Ask for what a device needs before it can sign: label and proof, nonce, the key for proofs of possession.
    Prepare(desk::PrepareArgs),
    /// Show the receipt of a change, or wait until the change is published.
    Receipt(desk::ReceiptArgs),
    /// Audits: what your validation entity is asked for, and the evidence for it.
    #[command(subcommand)]
    Audit(audit::ProviderAuditCommand),
    /// Hand in a complaint; anybody may, without a token.
    Complain(desk::ComplainArgs),
}

#[derive(Args)]
pub(crate) struct TokensArgs {
    /// The provider.
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct RevokeArgs {
    /// The token's id, as `provider tokens` lists it.
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct AddArgs {
    /// Its name in records and events: lower-case letters, digits, hyphens.
    id: String,
    /// Its name for people; the id if left out.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A public key that signs its submissions: ed25519:BASE64 or es256:BASE64.
    #[arg(long, value_name = "KEY")]
    statement_key: Vec<String>,
    /// A public key that signs its validation tokens; makes it a validation entity.
    #[arg(long, value_name = "KEY")]
    validation_key: Vec<String>,
    /// Make keys, token and settings for it in this folder, for trials; in earnest a provider makes its own keys.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["statement_key", "validation_key"])]
    folder: Option<PathBuf>,
    /// Enter it as an application only: nothing is taken from it until it is admitted (`callbook act ask admit`).
    #[arg(long)]
    applied: bool,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// The API's address.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    api: String,
}

#[derive(Args)]
pub(crate) struct TokenArgs {
    /// The provider.
    id: String,
    /// What it is good for: read:PREFIX or write:PREFIX, `+` for all numbers.
    #[arg(long, value_name = "SCOPE", default_values = ["read:+", "write:+"])]
    scope: Vec<String>,
    /// Days until it expires, 1 to 365.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    days: u32,
    /// Make a cb_test_ token, which reaches the sandbox range +999 only.
    #[arg(long)]
    test: bool,
    /// Bind it to the client certificate in this PEM file: it opens nothing on a connection that has not shown it.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Write the token to this file (mode 0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct AppealArgs {
    /// The provider.
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct LostKeysArgs {
    /// The key's thumbprint: lists the numbers that rest on it.
    #[arg(allow_hyphen_values = true)]
    key: Option<String>,
    /// Where to go on: `next` of the page before.
    #[arg(long, value_name = "CURSOR", requires = "key")]
    cursor: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(command: &ProviderCommand, json: bool) -> Result<Report, Failure> {
    match command {
        ProviderCommand::Add(args) => add(args),
        ProviderCommand::List(args) => list(args),
        ProviderCommand::Token(args) => token(args),
        ProviderCommand::Appeal(args) => appeal(args),
        ProviderCommand::LostKeys(args) => lost_keys(args),
        ProviderCommand::BulkDoors(args) => bulk_doors(args),
        ProviderCommand::Tokens(args) => tokens(args),
        ProviderCommand::Revoke(args) => revoke(args),
        ProviderCommand::Webhook(command) => webhook::run_provider(command),
        ProviderCommand::Numbers(args) => desk::numbers(args, json),
        ProviderCommand::Batch(args) => batch::run(args, json),
        ProviderCommand::Changes(args) => changes::run(args),
        ProviderCommand::Prepare(args) => desk::prepare(args),
        ProviderCommand::Receipt(args) => desk::receipt(args),
        ProviderCommand::Audit(command) => audit::run(command),
        ProviderCommand::Complain(args) => desk::complain(args),
    }
}

fn add(args: &AddArgs) -> Result<Report, Failure> {
    let api = args.api.open()?;
    let name = args.name.clone().unwrap_or_else(|| args.id.clone());
    let mut new = NewProvider {
        id: args.id.clone(),
        name,
        statement_keys: args.statement_key.iter().map(|k| key(k)).collect::<Result<_, _>>()?,
        validation_keys: args.validation_key.iter().map(|k| key(k)).collect::<Result<_, _>>()?,
        status: args.applied.then(|| "applied".to_owned()),
    };
    let profile = args.folder.as_ref().map(|dir| Profile::make(dir, &args.api.api, &args.id)).transpose()?;
    if let Some(profile) = &profile {
        new.statement_keys = vec![shown(profile.statement_key.public())];
        new.validation_keys = vec![shown(profile.validation_key.public())];
    }
    let made = api.add_provider(&new)?;
    let mut text = line(&made);
    if let Some(mut profile) = profile {
        let issued = api.add_token(
            &args.id,
            &NewToken {
                scopes: vec!["read:+".into(), "write:+".into()],
                expires_in_d: None,
                test: false,
                certificate: None,
            },
        )?;
        profile.keep_token(&issued.token)?;
        // What the directory says of itself now is what the folder pins; any number serves for asking.
        let any = Number::parse("+9990000000")?;
        let prepared = api_at(&args.api.api, &issued.token)?.prepare(any)?;
        profile.pin(&prepared.origin, &prepared.vrf_key.0)?;
        text += &format!(
            "\n  its folder with keys and token: {}",
            args.folder.as_ref().map(|d| d.display().to_string()).unwrap_or_default()
        );
    }
    Ok(Report::done(text, serde_json::to_value(&made)?))
}

fn list(args: &ListArgs) -> Result<Report, Failure> {
    let providers = api_at(&args.api, "")?.providers()?;
    let text = match providers.is_empty() {
        true => "no provider yet: callbook provider add ID".to_owned(),
        false => providers.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    Ok(Report::done(text, json!({ "providers": providers })))
}

fn token(args: &TokenArgs) -> Result<Report, Failure> {
    let api = args.api.open()?;
    let certificate = args.certificate.as_deref().map(thumbprint_of).transpose()?;
    let new = NewToken { scopes: args.scope.clone(), expires_in_d: Some(args.days), test: args.test, certificate };
    let issued = api.add_token(&args.id, &new)?;
    let mut json = json!({"id": issued.id, "scopes": issued.scopes, "expires_at": issued.expires_at});
    let text = match &args.out {
        Some(file) => {
            write_secret(file, &format!("{}\n", issued.token))?;
            json["file"] = json!(file);
            format!("token {} until {}, written to {}", issued.id, issued.expires_at, file.display())
        }
        None => {
            json["token"] = json!(issued.token);
            format!("{}\n  token {} until {}; it is shown this once", issued.token, issued.id, issued.expires_at)
        }
    };
    Ok(Report::done(text, json))
}

/// The `x5t#S256` of the first certificate in a PEM file.
pub(crate) fn thumbprint_of(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read(file).map_err(|e| Failure::new(format!("cannot read {}: {e}", file.display())))?;
    let wrong = || Failure::new(format!("{} holds no certificate in PEM", file.display()));
    certificate_thumbprint(&text).ok_or_else(wrong)
}

fn appeal(args: &AppealArgs) -> Result<Report, Failure> {
    let provider = args.api.open()?.appeal(&args.id)?;
    let text = format!("{}\n  the appeal is noted; people who did not decide before will", line(&provider));
    Ok(Report::done(text, json!(provider)))
}

fn lost_keys(args: &LostKeysArgs) -> Result<Report, Failure> {
    let api = args.api.open()?;
    if let Some(key) = &args.key {
        let page = api.flagged(key, args.cursor.as_deref())?;
        let more = page.next.iter().map(|next| format!("more: --cursor {next}"));
        let lines: Vec<String> = page.numbers.iter().cloned().chain(more).collect();
        return Ok(Report::done(lines.join("\n"), json!(page)));
    }
    let found = api.lost_keys()?;
    let mut lines = Vec::new();
    for lost in &found.lost_keys {
        let due = lost.due.as_deref().unwrap_or("asked for");
        lines.push(format!("{}  {}  since {}  withheld {due}", lost.key, lost.entity, lost.since));
        lines.extend(lost.resting.iter().map(|count| format!("  {:<16} {}", count.provider, count.numbers)));
    }
    let text = if lines.is_empty() { "no key was lost".to_owned() } else { lines.join("\n") };
    Ok(Report::done(text, json!(found)))
}

fn bulk_doors(args: &ApiArgs) -> Result<Report, Failure> {
    let found = args.open()?.bulk_doors()?;
    let line = |door: &BulkDoor| {
        format!(
            "{:<16} since {}  until {}  {} numbers still there",
            door.provider, door.opened, door.until, door.numbers
        )
    };
    let text = match found.bulk_doors.is_empty() {
        true => "no bulk door is open: callbook act ask bulk-door".to_owned(),
        false => found.bulk_doors.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    Ok(Report::done(text, json!(found)))
}

fn tokens(args: &TokensArgs) -> Result<Report, Failure> {
    let tokens = args.api.open()?.tokens(&args.id)?.tokens;
    let line = |token: &Token| {
        let used = token.last_used_at.as_deref().unwrap_or("never used");
        format!("{:<14} until {}  {:<20}  {}", token.id, token.expires_at, used, token.scopes.join(" "))
    };
    let text = match tokens.is_empty() {
        true => format!("no token in force: callbook provider token {}", args.id),
        false => tokens.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    Ok(Report::done(text, json!({ "tokens": tokens })))
}

fn revoke(args: &RevokeArgs) -> Result<Report, Failure> {
    args.api.open()?.revoke_token(&args.id)?;
    Ok(Report::done(format!("token {} is revoked", args.id), json!({ "id": args.id, "revoked": true })))
}

/// Reads `ed25519:BASE64` or `es256:BASE64`.
pub(crate) fn key(text: &str) -> Result<Key, Failure> {
    let wrong = |why: &str| Failure::new(format!("key {text}: {why}; ed25519:BASE64 or es256:BASE64 is needed"));
    let (name, base64) = text.split_once(':').ok_or_else(|| wrong("the algorithm is missing"))?;
    let algorithm = match name {
        "ed25519" => Algorithm::Ed25519,
        "es256" => Algorithm::Es256,
        _ => return Err(wrong("unknown algorithm")),
    };
    let bytes = Base64::decode(base64).map_err(wrong)?;
    Ok(shown(&PublicKey::new(algorithm, &bytes.0).map_err(|e| wrong(&e.to_string()))?))
}

/// A key as the API takes it.
pub(crate) fn shown(key: &PublicKey) -> Key {
    let algorithm = match key.algorithm() {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Es256 => "es256",
    };
    Key { algorithm: algorithm.to_owned(), key: key.bytes().into(), thumbprint: None }
}

fn line(provider: &Provider) -> String {
    let roles = match (provider.statement_keys.len(), provider.validation_keys.len()) {
        (0, _) => "validation entity",
        (_, 0) => "provider",
        _ => "provider and validation entity",
    };
    format!("{:<16} {:<12} {:<32} {roles}", provider.id, provider.status, provider.name)
}
