//! `number transfer|code|recover|claim|complete|take-back|veto|object`: how a number changes hands, with the keys in a provider's folder.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use crate::api::Base64;
use crate::api::numbers::{Pending, Receipt};
use crate::api::revalidations::CodeAnswer;
use crate::cli::connect::api_at;
use crate::cli::evidence;
use crate::cli::init::write_secret;
use crate::cli::number::{
    EVENT_LIFE_S, NumberArgs, ValidatedArgs, WAIT_MS, accepted, acting, finding, not_here, opened,
};
use crate::cli::profile::{Profile, load_device};
use crate::cli::report::{Failure, Report};
use crate::client::holder::{self, Change, Device, RecordDraft, Signed};
use crate::client::provider::Api;
use crate::client::register::{Finding, Validation};
use crate::client::transfer::{Earlier, Way};
use crate::clock::{Clock, SystemClock};
use crate::log::event::Role;
use crate::log::key::SigningKey;
use crate::log::label::Label;
use crate::log::revalidation;
use crate::log::state::State;
use crate::number::Number;

/// The longest file with a transfer code: the code and a line end.
const CODE_FILE_OCTETS_MAX: usize = 128;

#[derive(Args)]
pub(crate) struct TransferArgs {
    #[command(flatten)]
    validated: ValidatedArgs,
    /// Where calls go: a SIP address.
    #[arg(long, value_name = "URI", required = true)]
    sip: Vec<String>,
    /// The folder with the holder's device: control.key, id.key, e2e.key. Its keys are copied into this provider's folder.
    #[arg(long, value_name = "DIR")]
    device: PathBuf,
}

#[derive(Args)]
pub(crate) struct CodeArgs {
    #[command(flatten)]
    of: NumberArgs,
    /// Write the code to this file (mode 0600) instead of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    validated: ValidatedArgs,
    /// The file with the holder's recovery key, which shortens the wait.
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ClaimArgs {
    #[command(flatten)]
    validated: ValidatedArgs,
    /// The file with the transfer code that the present provider gave the holder; without it, fresh validation decides.
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
    #[command(flatten)]
    first: FirstArgs,
    /// The bulk door of the number's provider is open (callbook provider list says so): one method is enough.
    #[arg(long)]
    bulk_door: bool,
}

#[derive(Args)]
pub(crate) struct CompleteArgs {
    #[command(flatten)]
    validated: ValidatedArgs,
    /// Where calls go: a SIP address.
    #[arg(long, value_name = "URI", required = true)]
    sip: Vec<String>,
    #[command(flatten)]
    first: FirstArgs,
}

#[derive(Args)]
pub(crate) struct TakeBackArgs {
    #[command(flatten)]
    validated: ValidatedArgs,
    /// Where calls go: a SIP address.
    #[arg(long, value_name = "URI", required = true)]
    sip: Vec<String>,
    /// The folder with the device that had the number before; the one in the provider's folder if left out. Its keys are copied
    /// into this provider's folder.
    #[arg(long, value_name = "DIR")]
    device: Option<PathBuf>,
    #[command(flatten)]
    first: FirstArgs,
}

/// A validation before the newest one.
#[derive(Args)]
pub(crate) struct FirstArgs {
    /// How the holder was validated before: for a claim, and for a number that somebody else had lately, a method of the
    /// other class; after an objection one of class record.
    #[arg(long, value_name = "ID")]
    first_method: Option<String>,
    /// How many hours ago that was.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    first_hours_ago: u64,
    /// For how many days that is good; the charter bounds it by method.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    first_days: u64,
    /// The folder of the validation entity that did it; this provider itself if left out.
    #[arg(long, value_name = "DIR")]
    first_by: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct AgainstArgs {
    #[command(flatten)]
    of: NumberArgs,
    /// The folder with the holder's device; the one in the provider's folder if left out.
    #[arg(long, value_name = "DIR")]
    device: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct AnswerCodeArgs {
    #[command(flatten)]
    of: NumberArgs,
    /// The file with the code, as it came to the number.
    #[arg(long, value_name = "FILE")]
    code_file: PathBuf,
    /// The folder with the holder's device; the one in the provider's folder if left out.
    #[arg(long, value_name = "DIR")]
    device: Option<PathBuf>,
}

pub(crate) fn transfer(args: &TransferArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.validated.of)?;
    let device = load_device(&args.device)?;
    let finding = finding(&args.validated, number)?;
    let draft = draft(number, &profile, &args.sip, &device)?;
    profile.adopt_device(number, &device)?;
    let done = acting(&profile, |registrar| Ok(registrar.transfer(number, draft, &device, &finding, WAIT_MS)?))?;
    Ok(accepted(number, &format!("transferred to {}", profile.provider), &done.receipt))
}

pub(crate) fn code(args: &CodeArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.of)?;
    let made = api_at(&profile.api, &profile.token()?)?.transfer_code(number)?;
    let (code, expires_at) = (Zeroizing::new(made.code), made.expires_at);
    let mut json = json!({"number": number.to_string(), "expires_at": expires_at});
    let text = match &args.out {
        Some(file) => {
            write_secret(file, &Zeroizing::new(format!("{}\n", *code)))?;
            json["file"] = json!(file);
            format!("{number}  transfer code until {expires_at}, written to {}", file.display())
        }
        None => {
            json["code"] = json!(*code);
            format!(
                "{}\n  transfer code of {number} until {expires_at}; it is shown this once, and for the holder alone",
                *code
            )
        }
    };
    Ok(Report::done(text, json))
}

pub(crate) fn recover(args: &RecoverArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.validated.of)?;
    let recovery: Option<SigningKey> = args.recovery_key.as_deref().map(holder::load).transpose()?;
    asked(number, &profile, &args.validated, Way::Recovery(recovery.as_ref()), None)
}

pub(crate) fn claim(args: &ClaimArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.validated.of)?;
    match &args.code_file {
        Some(file) => {
            let code =
                Zeroizing::new(fs::read_to_string(file).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?);
            if code.len() > CODE_FILE_OCTETS_MAX {
                return Err(Failure::new(format!(
                    "{} holds more than a transfer code: one line is needed",
                    file.display()
                )));
            }
            asked(number, &profile, &args.validated, Way::Code(code.trim()), None)
        }
        None => {
            let first = args.first.read(number, &args.validated.of.provider)?;
            if first.is_none() && !args.bulk_door {
                return Err(Failure::new(
                    "a claim takes two methods, one of each class: say with --first-method how and with --first-hours-ago \
                     when the holder was validated before, or bring the transfer code with --code-file; one is enough \
                     with --bulk-door, when the number's provider serves nobody any more",
                ));
            }
            asked(number, &profile, &args.validated, Way::Claim, first.as_ref())
        }
    }
}

fn asked(
    number: Number,
    profile: &Profile,
    validated: &ValidatedArgs,
    way: Way<'_>,
    first: Option<&First>,
) -> Result<Report, Failure> {
    let (device, finding) = (profile.next_device(number)?, finding(validated, number)?);
    let done = acting(profile, |registrar| {
        let earlier = first.map(|first| first.earlier(profile));
        Ok(registrar.request(number, way, &device.control, &finding, earlier, WAIT_MS)?)
    })?;
    let mut report = accepted(number, "asked for; complete it when its wait is over", &done.receipt);
    // What waits for a number of another provider only that one is shown.
    let view = api_at(&profile.api, &profile.token()?)?.number(number)?;
    if let Some(pending) = view.and_then(|view| view.pending).as_ref() {
        report.text += &line(pending);
        report.json["pending"] = json!(pending);
    }
    Ok(report)
}

pub(crate) fn complete(args: &CompleteArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.validated.of)?;
    let (device, finding, first) = (
        profile.next_device(number)?,
        finding(&args.validated, number)?,
        args.first.read(number, &args.validated.of.provider)?,
    );
    let draft = draft(number, &profile, &args.sip, &device)?;
    let done = acting(&profile, |registrar| {
        let earlier = first.as_ref().map(|first| first.earlier(&profile));
        Ok(registrar.complete(number, draft, &device, &finding, earlier, WAIT_MS)?)
    })?;
    profile.promote_device(number, SystemClock.now_s())?;
    Ok(accepted(number, &format!("taken over by {}", profile.provider), &done.receipt))
}

pub(crate) fn take_back(args: &TakeBackArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.validated.of)?;
    let Some(first) = args.first.read(number, &args.validated.of.provider)? else {
        return Err(Failure::new(
            "to take a number back takes two methods: say with --method how the line was tried since the change, and with \
             --first-method and --first-hours-ago how and when the holder was validated by class record",
        ));
    };
    let device = args.device.as_deref().map_or_else(|| profile.device(number), load_device)?;
    let finding = finding(&args.validated, number)?;
    let draft = draft(number, &profile, &args.sip, &device)?;
    profile.adopt_device(number, &device)?;
    let done = acting(&profile, |registrar| {
        Ok(registrar.take_back(number, draft, &device, &finding, first.earlier(&profile), WAIT_MS)?)
    })?;
    Ok(accepted(number, &format!("taken back by {}", profile.provider), &done.receipt))
}

pub(crate) fn veto(args: &AgainstArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.of)?;
    let receipt =
        against(args, number, &profile, Change::veto, |api, signed| Ok(api.veto(number, &signed.against())?))?;
    Ok(accepted(number, "vetoed", &receipt))
}

pub(crate) fn object(args: &AgainstArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.of)?;
    let receipt =
        against(args, number, &profile, Change::object, |api, signed| Ok(api.object(number, &signed.against())?))?;
    Ok(accepted(number, "objected: validate the holder twice more, by class record, and renew with both", &receipt))
}

pub(crate) fn answer_code(args: &AnswerCodeArgs) -> Result<Report, Failure> {
    let (number, profile) = opened(&args.of)?;
    let code = Zeroizing::new(fs::read_to_string(&args.code_file)?);
    let code = code.trim();
    if code.is_empty() || code.len() > CODE_FILE_OCTETS_MAX {
        return Err(Failure::new(format!("{}: one line with the code is needed", args.code_file.display())));
    }
    let device = args.device.as_deref().map_or_else(|| profile.device(number), load_device)?;
    let api = api_at(&profile.api, "")?;
    let signature = device.control.sign(&revalidation::tbs(&api.origin()?, number, code));
    api.answer_code(&CodeAnswer {
        number: number.to_string(),
        code: code.to_owned(),
        key: crate::cli::provider::shown(device.control.public()),
        signature: Base64::from(signature),
    })?;
    Ok(Report::done(format!("{number}  confirmed"), json!({"number": number.to_string(), "confirmed": true})))
}

/// Signs on the holder's device and hands in.
fn against(
    args: &AgainstArgs,
    number: Number,
    profile: &Profile,
    change: impl FnOnce(Label, &State) -> Change,
    hand_in: impl FnOnce(&Api, &Signed) -> Result<Receipt, Failure>,
) -> Result<Receipt, Failure> {
    let device = args.device.as_deref().map_or_else(|| profile.device(number), load_device)?;
    acting(profile, |registrar| {
        let view = registrar.api.number(number)?.ok_or_else(|| not_here(number))?;
        let before = State::parse(&view.state.ok_or_else(|| not_here(number))?.0)?;
        let label = registrar.directory.label(number, &registrar.api.prepare(number)?.vrf_proof.0)?;
        let change = change(label, &before).valid_until(SystemClock.now_s() + EVENT_LIFE_S);
        let signed = change.sign(registrar.directory, &[(Role::Control, &device.control)])?;
        Ok(registrar.api.published(hand_in(registrar.api, &signed)?, WAIT_MS)?)
    })
}

/// A line that says what is pending.
pub(crate) fn line(pending: &Pending) -> String {
    let what = match pending.door {
        0 => "a recovery",
        2 => "a change by code",
        3 => "a claim",
        _ => "a release",
    };
    let stop = match (pending.can_be_vetoed, pending.door) {
        (true, _) => "; the control key can veto it",
        (false, 3) => "; the control key can object",
        (false, _) => "",
    };
    let objected = pending.objected_at.as_ref().map_or_else(String::new, |at| format!(", objected to at {at}"));
    format!(
        "\n  {what} by {} is pending since {}{objected}, effective from {}{stop}",
        pending.provider, pending.since, pending.effective_from
    )
}

fn draft(number: Number, profile: &Profile, sip: &[String], device: &Device) -> Result<RecordDraft, Failure> {
    let mut draft = RecordDraft::new(number, &profile.provider);
    for uri in sip {
        draft = draft.sip(uri)?;
    }
    Ok(draft.device(device))
}

/// An earlier validation, and the folder of whoever did it if that is another.
pub(super) struct First {
    finding: Finding,
    by: Option<Profile>,
}

impl FirstArgs {
    pub(super) fn read(&self, number: Number, own: &Path) -> Result<Option<First>, Failure> {
        let Some(method) = &self.first_method else { return Ok(None) };
        let validated_s = SystemClock.now_s().saturating_sub(self.first_hours_ago * 3600);
        let by = self.first_by.as_deref().unwrap_or(own);
        let finding = Finding {
            methods: vec![method.clone()],
            validated_s,
            not_after_s: validated_s + self.first_days * 86_400,
            evidence: evidence::noted("validated before", by, number, std::slice::from_ref(method), validated_s)?,
        };
        Ok(Some(First { finding, by: self.first_by.as_deref().map(Profile::load).transpose()? }))
    }
}

impl First {
    pub(super) fn earlier<'a>(&'a self, own: &'a Profile) -> Earlier<'a> {
        let by = self.by.as_ref().unwrap_or(own);
        Earlier {
            finding: &self.finding,
            validation: Validation { issuer: &by.validation_entity, key: &by.validation_key },
        }
    }
}
