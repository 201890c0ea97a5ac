//! `staff keygen|key|token|link|list|sign`: a person of the operator, with a key that stays with the person.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde_json::json;

use crate::api::Base64;
use crate::api::acts::{ActEvents, Person, TokenProof};
use crate::cli::ApiArgs;
use crate::cli::connect::api_at;
use crate::cli::init::write_secret;
use crate::cli::provider::{shown, thumbprint_of};
use crate::cli::report::{Failure, Report};
use crate::client::holder;
use crate::clock::{Clock, SystemClock};
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::event::{Event, Role};
use crate::log::key::{Algorithm, SigningKey};
use crate::log::staff::{bound_token_proof, token_proof};

#[derive(Subcommand)]
pub(crate) enum StaffCommand {
    /// Make a signing key in a file that stays with the person; prints the public key.
    Keygen(KeygenArgs),
    /// Set one's own first key, with the token that `init` wrote: for the first admin.
    Key(KeyArgs),
    /// Get a token by signing with one's key.
    Token(TokenArgs),
    /// Print a link by which you register a passkey for the console; it works once, for fifteen minutes.
    Link(ListArgs),
    /// List the operator's people.
    List(ListArgs),
    /// Sign the events of an act in a file; needs no network.
    Sign(SignArgs),
}

#[derive(Args)]
pub(crate) struct KeygenArgs {
    /// The file to make, mode 0600.
    file: PathBuf,
    /// The algorithm.
    #[arg(long, value_name = "NAME", default_value = "ed25519", value_parser = ["ed25519", "es256"])]
    algorithm: String,
}

#[derive(Args)]
pub(crate) struct KeyArgs {
    /// The person's key file.
    file: PathBuf,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct TokenArgs {
    /// The person's id.
    id: String,
    /// The person's key file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Bind it to the client certificate in this PEM file: it opens nothing on a connection that has not shown it.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Write the token to this file (mode 0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The API's address.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    api: String,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct SignArgs {
    /// The file that `act events` wrote, or that a colleague has signed already.
    file: PathBuf,
    /// The person's key file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the file with one signature more goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(command: &StaffCommand) -> Result<Report, Failure> {
    match command {
        StaffCommand::Keygen(args) => keygen(args),
        StaffCommand::Key(args) => key(args),
        StaffCommand::Token(args) => token(args),
        StaffCommand::Link(args) => link(args),
        StaffCommand::List(args) => list(args),
        StaffCommand::Sign(args) => sign(args),
    }
}

fn keygen(args: &KeygenArgs) -> Result<Report, Failure> {
    let algorithm = if args.algorithm == "es256" { Algorithm::Es256 } else { Algorithm::Ed25519 };
    let key = SigningKey::generate(algorithm, &SystemRandom::new())?;
    holder::save(&args.file, &key)?;
    let public = shown(key.public());
    let text = format!("{}:{}", public.algorithm, public.key.encode());
    let thumbprint = to_base64url(&key.public().thumbprint());
    let said =
        format!("{text}\n  thumbprint {thumbprint}\n  the private half is in {} and nowhere else", args.file.display());
    Ok(Report::done(said, json!({"public_key": text, "thumbprint": thumbprint, "file": args.file})))
}

fn key(args: &KeyArgs) -> Result<Report, Failure> {
    let key: SigningKey = holder::load(&args.file)?;
    let api = args.api.open()?;
    let staff = api.set_staff_key(&shown(key.public()))?;
    let text = staff.staff.iter().map(line).collect::<Vec<_>>().join("\n");
    Ok(Report::done(text, json!(staff)))
}

fn token(args: &TokenArgs) -> Result<Report, Failure> {
    let key: SigningKey = holder::load(&args.key)?;
    let api = api_at(&args.api, "")?;
    let at_s = u32::try_from(SystemClock.now_s()).map_err(|_| Failure::new("the clock is past the year 2106"))?;
    let (origin, certificate) = (api.origin()?, args.certificate.as_deref().map(thumbprint_of).transpose()?);
    let digest = certificate.as_deref().and_then(|text| from_base64url(text)?.try_into().ok());
    let signed = match &digest {
        Some(digest) => bound_token_proof(&origin, &args.id, at_s.into(), digest),
        None => token_proof(&origin, &args.id, at_s.into()),
    };
    let signature = Base64::from(key.sign(&signed));
    let issued = api.staff_token(&TokenProof { id: args.id.clone(), at_s, signature, certificate })?;
    let mut json = json!({"id": issued.id, "person": args.id, "expires_at": issued.expires_at});
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

fn link(args: &ListArgs) -> Result<Report, Failure> {
    let made = args.api.open()?.sign_in_link()?;
    let text = format!("{}\n  for {}, until {}; it works once", made.link, made.person, made.expires_at);
    Ok(Report::done(text, json!(made)))
}

fn list(args: &ListArgs) -> Result<Report, Failure> {
    let staff = args.api.open()?.staff()?;
    let text = staff.staff.iter().map(line).collect::<Vec<_>>().join("\n");
    Ok(Report::done(text, json!(staff)))
}

/// Signs what the file holds, after a look at whether all of it is one act.
fn sign(args: &SignArgs) -> Result<Report, Failure> {
    let key: SigningKey = holder::load(&args.key)?;
    let mut bundle: ActEvents = serde_json::from_str(&fs::read_to_string(&args.file)?)?;
    let mut first: Option<Event> = None;
    for one in &mut bundle.events {
        let mut event = Event::parse(&one.event.0)?;
        let same = first.as_ref().is_none_or(|f| (f.kind, f.evidence) == (event.kind, event.evidence));
        if !same {
            return Err(Failure::new(
                "the file holds events of different orders: fetch it anew with `callbook act events`",
            ));
        }
        event.sign(&bundle.origin, Role::Operator, &key);
        one.event = Base64(event.write());
        first = first.or(Some(event));
    }
    let Some(first) = first else { return Err(Failure::new("there is nothing to sign in this file")) };
    let signatures = first.signatures.len();
    write_secret(&args.out, &serde_json::to_string_pretty(&bundle)?)?;
    let text = format!(
        "signed {} events of kind {:?} for act {} ({}): {signatures} of 2 signatures\n  {}",
        bundle.events.len(),
        first.kind,
        bundle.act.id,
        bundle.act.reason,
        match signatures {
            1 => "now another person signs the file that was written".to_owned(),
            _ => format!("hand it in: callbook act submit {}", args.out.display()),
        }
    );
    let json = json!({"act": bundle.act.id, "events": bundle.events.len(), "signatures": signatures, "file": args.out});
    Ok(Report::done(text, json))
}

fn line(person: &Person) -> String {
    let key = person.key.as_ref().and_then(|key| key.thumbprint.as_deref()).unwrap_or("no key yet");
    let left = person.ended_at.as_ref().map(|at| format!("  left {at}")).unwrap_or_default();
    format!("{:<16} {:<8} {key}{left}", person.id, person.role)
}
