//! `number …`: a provider's work on one number, with the keys in its folder. How a number changes hands stands in `doors`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ring::rand::SystemRandom;
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::batches::{BatchAct, BatchLine};
use crate::api::numbers::Receipt;
use crate::cli::connect::api_at;
use crate::cli::doors;
use crate::cli::evidence;
use crate::cli::held;
use crate::cli::profile::Profile;
use crate::cli::report::{Exit, Failure, Report};
use crate::client::holder::{CertificateKey, Change, KEY_FILE_LEN_MAX, RecordDraft};
use crate::client::register::{Finding, Registrar, Validation};
use crate::clock::{Clock, SystemClock};
use crate::log::event::Role;
use crate::log::state::State;
use crate::number::Number;

/// How long a command waits for publication; an epoch takes a second.
pub(super) const WAIT_MS: u64 = 30_000;
/// How long an event that the holder signs may wait for its epoch.
pub(super) const EVENT_LIFE_S: u64 = 3_600;
/// Days that a validation by `operator-db` is good for; the charter allows 180.
const VALID_D: u64 = 180;

#[derive(Subcommand)]
pub(crate) enum NumberCommand {
    /// Register a number, or change the record of one that is registered here.
    Register(RegisterArgs),
    /// Show a registration.
    Show(NumberArgs),
    /// Extend a registration by a fresh validation of the same holder.
    Renew(RenewArgs),
    /// Take a number over from another provider at once, with the holder's key.
    Transfer(doors::TransferArgs),
    /// Make a transfer code for the holder of a number of this provider.
    Code(doors::CodeArgs),
    /// Ask for a new control key for a number of this provider, whose holder has lost his.
    Recover(doors::RecoverArgs),
    /// Ask for a number of another provider: with its transfer code, or by fresh validation with two methods.
    Claim(doors::ClaimArgs),
    /// Complete a recovery or claim whose wait is over.
    Complete(doors::CompleteArgs),
    /// Take a number back from which a change by code or by claim took it, with the key that it had before and two methods.
    TakeBack(doors::TakeBackArgs),
    /// Stop a recovery, a change by code or a notice of release, with the holder's key.
    Veto(doors::AgainstArgs),
    /// Object to a claim, with the holder's key.
    Object(doors::AgainstArgs),
    /// Answer a code that the directory sent to a number, with the holder's key.
    AnswerCode(doors::AnswerCodeArgs),
    /// Release a number: at once with the holder's key, or as the provider, with notice.
    Release(ReleaseArgs),
}

#[derive(Args)]
pub(crate) struct NumberArgs {
    /// The number, in international form: +44 7700 900123
    pub(super) number: String,
    /// The provider's folder: keys, token, where the API is.
    #[arg(long, value_name = "DIR", env = "CALLBOOK_PROVIDER")]
    pub(super) provider: PathBuf,
}

#[derive(Args)]
pub(crate) struct ValidatedArgs {
    #[command(flatten)]
    pub(super) of: NumberArgs,
    /// How the holder was validated: method ids of the charter.
    #[arg(long, value_name = "ID", default_value = "operator-db")]
    pub(super) method: Vec<String>,
    /// For how many days that is good; the charter bounds it by method.
    #[arg(long, value_name = "DAYS", default_value_t = VALID_D)]
    pub(super) days: u64,
    /// The evidence of the validation: the token commits to this file, which you keep for audits. Left out, a note that says no more
    /// than that you validated it is made in the provider's folder.
    #[arg(long, value_name = "FILE")]
    pub(super) evidence: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct DraftArgs {
    /// Send nothing: append the signed request to this file, as a line of a batch; it is good for an hour.
    #[arg(long, value_name = "FILE")]
    to_batch: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    validated: ValidatedArgs,
    #[command(flatten)]
    draft: DraftArgs,
}

#[derive(Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    validated: ValidatedArgs,
    /// Where calls go: a SIP address.
    #[arg(long, value_name = "URI", required = true)]
    sip: Vec<String>,
    /// An OpenPGP key to publish, binary or armoured; its only user id is <+NUMBER@APEX>.
    #[arg(long, value_name = "FILE")]
    openpgp: Option<PathBuf>,
    /// An S/MIME certificate to publish, DER or PEM; its only name is the e-mail address +NUMBER@APEX.
    #[arg(long, value_name = "FILE", requires = "smime_key")]
    smime: Option<PathBuf>,
    /// The private key of that certificate, PKCS#8 in DER or PEM: it proves possession and goes nowhere.
    #[arg(long, value_name = "FILE", requires = "smime")]
    smime_key: Option<PathBuf>,
    #[command(flatten)]
    draft: DraftArgs,
    #[command(flatten)]
    first: doors::FirstArgs,
}

#[derive(Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    of: NumberArgs,
    /// Act as the provider: give notice, or release once the notice has run.
    #[arg(long)]
    notice: bool,
}

pub(crate) fn run(command: &NumberCommand) -> Result<Report, Failure> {
    match command {
        NumberCommand::Register(args) => register(args),
        NumberCommand::Show(args) => show(args),
        NumberCommand::Renew(args) => renew(args),
        NumberCommand::Transfer(args) => doors::transfer(args),
        NumberCommand::Code(args) => doors::code(args),
        NumberCommand::Recover(args) => doors::recover(args),
        NumberCommand::Claim(args) => doors::claim(args),
        NumberCommand::Complete(args) => doors::complete(args),
        NumberCommand::TakeBack(args) => doors::take_back(args),
        NumberCommand::Veto(args) => doors::veto(args),
        NumberCommand::Object(args) => doors::object(args),
        NumberCommand::AnswerCode(args) => doors::answer_code(args),
        NumberCommand::Release(args) => release(args),
    }
}

fn register(args: &RegisterArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.validated.of)?;
    if held::find(profile.folder(), number)?.is_some() {
        return Err(Failure::new(format!(
            "{number} was imported: this provider keeps its control key, and a holder's device takes it over by its own key. \
             To register it anew, release it first"
        )));
    }
    let mut device = profile.device(number)?;
    let mut draft = RecordDraft::new(number, &profile.provider);
    for uri in &args.sip {
        draft = draft.sip(uri)?;
    }
    if let Some(path) = &args.openpgp {
        draft = draft.openpgp(&key_file(path)?).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    }
    if let Some(path) = &args.smime {
        draft = draft.certificate(&key_file(path)?).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    }
    if let Some(path) = &args.smime_key {
        let key = CertificateKey::from_pkcs8(&key_file(path)?);
        device.certificates.push(key.map_err(|e| Failure::new(format!("{}: {e}", path.display())))?);
    }
    let (finding, first) = (finding(&args.validated, number)?, args.first.read(number, &args.validated.of.provider)?);
    if let Some(file) = &args.draft.to_batch {
        let drafted = acting(&profile, |registrar| {
            let earlier = first.as_ref().map(|first| first.earlier(&profile));
            Ok(registrar.registration(number, draft.device(&device), &device, &finding, earlier)?)
        })?;
        return drafted_to(file, number, BatchAct::Put(drafted.body), drafted.version);
    }
    let done = acting(&profile, |registrar| {
        let earlier = first.as_ref().map(|first| first.earlier(&profile));
        Ok(registrar.register(number, draft.device(&device), &device, &finding, earlier, WAIT_MS)?)
    })?;
    Ok(accepted(number, "registered", &done.receipt))
}

/// The bytes of a key or certificate as another program wrote it.
fn key_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    if len > KEY_FILE_LEN_MAX {
        return Err(Failure::new(format!("{}: {len} octets; at most {KEY_FILE_LEN_MAX}", path.display())));
    }
    // Room for the whole file at once: a buffer that grows would leave copies of a private key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_LEN_MAX as usize + 1));
    file.take(KEY_FILE_LEN_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn renew(args: &RenewArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.validated.of)?;
    let finding = finding(&args.validated, number)?;
    if let Some(file) = &args.draft.to_batch {
        let drafted = acting(&profile, |registrar| Ok(registrar.renewal(number, &finding)?))?;
        return drafted_to(file, number, BatchAct::Renew(drafted.body), drafted.version);
    }
    let done = acting(&profile, |registrar| Ok(registrar.renew(number, &finding, WAIT_MS)?))?;
    Ok(accepted(number, "renewed", &done.receipt))
}

/// Appends a request to a file of batch lines. It holds a record, so only its owner reads it.
fn drafted_to(file: &Path, number: Number, act: BatchAct, version: Option<u64>) -> Result<Report, Failure> {
    let mut line = serde_json::to_vec(&BatchLine { number: number.to_string(), act })?;
    line.push(b'\n');
    let mut out = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
    out.write_all(&line)?;
    let text = format!("{number}  signed, not sent: a line of {}, good for an hour", file.display());
    Ok(Report::done(text, json!({"number": number.to_string(), "file": file, "version": version})))
}

fn release(args: &ReleaseArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.of)?;
    if args.notice {
        let done = acting(&profile, |registrar| Ok(registrar.release(number, WAIT_MS)?))?;
        return Ok(accepted(number, "notice given, or released if it had run", &done.receipt));
    }
    let receipt = acting(&profile, |registrar| {
        let view = registrar.api.number(number)?.ok_or_else(|| not_here(number))?;
        let before = State::parse(&view.state.ok_or_else(|| not_here(number))?.0)?;
        let label = registrar.directory.label(number, &registrar.api.prepare(number)?.vrf_proof.0)?;
        let change = Change::release(label, &before).valid_until(SystemClock.now_s() + EVENT_LIFE_S);
        let control = match held::find(profile.folder(), number)? {
            Some(control) => control,
            None => profile.device(number)?.control,
        };
        let signed = change.sign(registrar.directory, &[(Role::Control, &control)])?;
        Ok(registrar.api.published(registrar.api.holder_act(&signed.holder_act(number))?, WAIT_MS)?)
    })?;
    Ok(accepted(number, "released", &receipt))
}

fn show(args: &NumberArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(args)?;
    let api = api_at(&profile.api, &profile.token()?)?;
    let Some(view) = api.number(number)? else {
        let text = format!("{number} is not registered by {}", profile.provider);
        return Ok(Report { text, json: json!({"number": number.to_string(), "status": "none"}), exit: Exit::None });
    };
    let mut text = format!(
        "{number}  {}\n  provider   {} ({}-signed)\n  version    {}\n  not after  {}\n  epoch      {}\n  state      {}",
        view.status,
        view.provider,
        view.class,
        view.version,
        view.not_after.as_deref().unwrap_or("-"),
        view.since_epoch,
        view.state_hash.as_deref().unwrap_or("-")
    );
    if view.event_pending {
        text += "\n  a change waits for its epoch";
    }
    if let Some(from) = &view.release_possible_from {
        text += &format!("\n  notice of release runs until {from}");
    }
    if let Some(pending) = &view.pending {
        text += &doors::line(pending);
    }
    if let Some(record) = &view.record {
        text += &format!("\n{record}");
    }
    Ok(Report::done(text, serde_json::to_value(&view)?))
}

pub(super) fn opened(args: &NumberArgs) -> Result<(Number, Profile), Failure> {
    let number = Number::parse(&args.number).map_err(|e| Failure::new(format!("{}: {e}", args.number)))?;
    Ok((number, Profile::load(&args.provider)?))
}

/// Runs `act` with everything that a provider acts with.
pub(super) fn acting<T>(
    profile: &Profile,
    act: impl FnOnce(&Registrar<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let api = api_at(&profile.api, &profile.token()?)?;
    let directory = profile.directory()?;
    let validation = Validation { issuer: &profile.validation_entity, key: &profile.validation_key };
    let random = SystemRandom::new();
    let registrar = Registrar {
        api: &api,
        directory: &directory,
        provider: &profile.provider,
        statement_key: &profile.statement_key,
        validation,
        random: &random,
    };
    act(&registrar)
}

/// What is claimed of a holder; the token will commit to the evidence, which is there before anything is sent.
pub(super) fn finding(args: &ValidatedArgs, number: Number) -> Result<Finding, Failure> {
    let now_s = SystemClock.now_s();
    let evidence = match &args.evidence {
        Some(file) => evidence::committed(file)?,
        None => evidence::noted("validated on the command line", &args.of.provider, number, &args.method, now_s)?,
    };
    let (methods, not_after_s) = (args.method.clone(), now_s + args.days * 86_400);
    Ok(Finding { methods, validated_s: now_s, not_after_s, evidence })
}

pub(super) fn not_here(number: Number) -> Failure {
    Failure::new(format!("{number} is not registered by this provider"))
}

pub(super) fn accepted(number: Number, what: &str, receipt: &Receipt) -> Report {
    let live =
        receipt.epoch.map_or_else(|| "waits for its epoch".to_owned(), |epoch| format!("live since epoch {epoch}"));
    let text = format!("{number}  {what}: version {}, {live}\n  receipt  {}", receipt.version, receipt.event_hash);
    Report::done(text, json!(receipt))
}
