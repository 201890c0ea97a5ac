//! `provider numbers|prepare|receipt|complain`: a provider's single calls, for scripts.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::access::AccessArgs;
use crate::api::complaints::NewComplaint;
use crate::api::numbers::{NumberEntry, Visibility};
use crate::cli::connect::api_at;
use crate::cli::report::{Exit, Failure, Report};
use crate::client::provider::{ApiError, NumbersFilter};
use crate::number::Number;

/// The longest text of a complaint that is read; the directory takes less and says so.
const TEXT_LEN_MAX: u64 = 64 * 1024;

#[derive(Args)]
pub(crate) struct NumbersArgs {
    /// Only numbers that begin so: +44
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Only `pending`, `active`, `lapsed` or `suspended` ones.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only those that end before this time: 2027-01-15T08:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_before: Option<String>,
    #[command(flatten)]
    access: AccessArgs,
}

#[derive(Args)]
pub(crate) struct PrepareArgs {
    /// The number, in international form: +44 7700 900123
    number: String,
    #[command(flatten)]
    access: AccessArgs,
}

#[derive(Args)]
pub(crate) struct ReceiptArgs {
    /// The receipt's name: the hash of the event, in hex.
    event_hash: String,
    /// Wait until the change is published, this many seconds at most; exit 1 if it is not by then.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30")]
    wait: Option<u32>,
    #[command(flatten)]
    access: AccessArgs,
}

#[derive(Args)]
pub(crate) struct ComplainArgs {
    /// What it is about: wrong_holder, abuse, privacy, provider or other.
    #[arg(long, value_name = "SUBJECT")]
    about: String,
    /// The number that it is about.
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// A file that says what is wrong; - is standard input.
    #[arg(long, value_name = "FILE")]
    text_file: PathBuf,
    /// How to reach you, if you want an answer.
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    /// The API's address.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API", default_value = "http://127.0.0.1:8300")]
    api: String,
}

/// Prints page by page: a million numbers need no memory.
pub(crate) fn numbers(args: &NumbersArgs, json: bool) -> Result<Report, Failure> {
    let api = args.access.open()?;
    let filter = NumbersFilter {
        prefix: args.prefix.clone(),
        status: args.status.clone(),
        expires_before: args.expires_before.clone(),
    };
    let (mut cursor, mut out) = (None, std::io::stdout().lock());
    loop {
        let page = api.numbers(&filter, cursor.as_deref())?;
        let mut text = String::new();
        for entry in &page.numbers {
            text += &if json { serde_json::to_string(entry)? } else { line(entry) };
            text.push('\n');
        }
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() || page.next_cursor.is_none() {
            return Ok(Report::said());
        }
        cursor = page.next_cursor;
    }
}

fn line(entry: &NumberEntry) -> String {
    let ends = entry.not_after.as_deref().unwrap_or("-");
    let waits = if entry.event_pending { "  a change waits for its epoch" } else { "" };
    format!(
        "{:<16} {:<10} {:<9} version {:<4} until {ends}{waits}",
        entry.number, entry.status, entry.class, entry.version
    )
}

pub(crate) fn prepare(args: &PrepareArgs) -> Result<Report, Failure> {
    let number = Number::parse(&args.number).map_err(|e| Failure::new(format!("{}: {e}", args.number)))?;
    let prepared = args.access.open()?.prepare(number)?;
    let version = prepared.version.map_or_else(|| "not yours".to_owned(), |version| version.to_string());
    let text = format!(
        "{number}\n  apex       {}\n  log        {}\n  label      {}\n  nonce      {}\n  until      {}\n  ephemeral  {}\n  version    {version}",
        prepared.apex,
        prepared.origin,
        prepared.label.encode(),
        prepared.nonce,
        prepared.nonce_expires,
        prepared.ephemeral.encode(),
    );
    Ok(Report::done(text, serde_json::to_value(&prepared)?))
}

pub(crate) fn receipt(args: &ReceiptArgs) -> Result<Report, Failure> {
    let api = args.access.open()?;
    let mut receipt = api.receipt(&args.event_hash)?;
    let mut exit = Exit::Done;
    if let Some(wait_s) = args.wait {
        match api.published(receipt.clone(), u64::from(wait_s) * 1000) {
            Ok(published) => receipt = published,
            Err(ApiError::NotPublished { .. }) => exit = Exit::None,
            Err(other) => return Err(other.into()),
        }
    }
    let come = match (receipt.visibility, receipt.epoch) {
        (Visibility::Published, Some(epoch)) => format!("published in epoch {epoch}"),
        _ => format!("waits for its epoch, {} at the latest", receipt.epoch_latest),
    };
    let text = format!("{}  version {}, {come}", receipt.event_hash, receipt.version);
    Ok(Report { text, json: serde_json::to_value(&receipt)?, exit })
}

pub(crate) fn complain(args: &ComplainArgs) -> Result<Report, Failure> {
    let complaint = NewComplaint {
        about: args.about.clone(),
        number: args.number.as_deref().map(Number::parse).transpose()?.map(|number| number.to_string()),
        text: text_in(&args.text_file)?,
        contact: args.contact.clone(),
    };
    let taken = api_at(&args.api, "")?.complain(&complaint)?;
    let text = format!("complaint {} is taken in; quote this when you write again", taken.id);
    Ok(Report::done(text, json!(taken)))
}

fn text_in(file: &Path) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", file.display()));
    let mut text = String::new();
    let source: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file).map_err(failed)?),
    };
    source.take(TEXT_LEN_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
