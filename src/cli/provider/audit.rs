//! `provider audit requests|answer`: what your validation entity is asked for, and the evidence from a folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::access::{AccessArgs, patiently};
use crate::api::audits::AuditRequest;
use crate::cli::report::{Exit, Failure, Report};
use crate::client::provider::Api;
use crate::log::{Hash, sha256};

/// The longest evidence that the directory takes; longer files cannot be meant.
const EVIDENCE_BYTES_MAX: u64 = 45_000;
/// Files that are looked at: as many as a busy entity's evidence of a month; more want a folder of their own.
const FILES_MAX: usize = 1_000_000;
/// Tries of one answer.
const TRIES: u32 = 5;

#[derive(Subcommand)]
pub(crate) enum ProviderAuditCommand {
    /// List what your validation entity is asked for and has not answered.
    Requests(AccessArgs),
    /// Answer requests from a folder of evidence: each file is known by its SHA-256, whatever its name is.
    Answer(AnswerArgs),
}

#[derive(Args)]
pub(crate) struct AnswerArgs {
    /// The folder; files in it and not below it are looked at.
    folder: PathBuf,
    #[command(flatten)]
    access: AccessArgs,
}

pub(super) fn run(command: &ProviderAuditCommand) -> Result<Report, Failure> {
    match command {
        ProviderAuditCommand::Requests(access) => {
            let open = open_requests(&access.open()?)?;
            let lines: Vec<String> = open.iter().map(line).collect();
            let text = if lines.is_empty() { "nothing is asked for".to_owned() } else { lines.join("\n") };
            Ok(Report::done(text, json!({ "requests": open })))
        }
        ProviderAuditCommand::Answer(args) => answer(args),
    }
}

fn open_requests(api: &Api) -> Result<Vec<AuditRequest>, Failure> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = patiently(TRIES, || api.audit_requests(cursor.as_deref()))?;
        all.extend(page.requests);
        match page.next_cursor {
            None => return Ok(all),
            next => cursor = next,
        }
    }
}

fn answer(args: &AnswerArgs) -> Result<Report, Failure> {
    let api = args.access.open()?;
    let (open, files) = (open_requests(&api)?, files(&args.folder)?);
    let (mut answered, mut missing) = (0, Vec::new());
    for request in &open {
        let file = <Hash>::try_from(request.evidence_sha256.0.as_slice()).ok().and_then(|hash| files.get(&hash));
        match file {
            Some(path) => {
                let evidence = fs::read(path)?;
                patiently(TRIES, || api.answer_audit(&request.id, evidence.clone()))?;
                answered += 1;
            }
            None => missing.push(request),
        }
    }
    let mut text = format!("{answered} answered, {} missing", missing.len());
    missing.iter().for_each(|request| text += &format!("\n  {}", line(request)));
    let exit = if missing.is_empty() { Exit::Done } else { Exit::None };
    Ok(Report { text, json: json!({ "answered": answered, "missing": missing }), exit })
}

/// The files of a folder by their SHA-256.
fn files(folder: &Path) -> Result<HashMap<Hash, PathBuf>, Failure> {
    let unread = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut found = HashMap::new();
    for entry in fs::read_dir(folder).map_err(unread)?.take(FILES_MAX) {
        let entry = entry.map_err(unread)?;
        let known = entry.metadata().map_err(unread)?;
        if known.is_file() && known.len() <= EVIDENCE_BYTES_MAX {
            found.insert(sha256(&[&fs::read(entry.path()).map_err(unread)?]), entry.path());
        }
    }
    Ok(found)
}

fn line(request: &AuditRequest) -> String {
    let evd: String = request.evidence_sha256.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}  {}  {:<8} {}  sha256 {evd}  due {}",
        request.id,
        request.period,
        request.kind,
        request.methods.join("+"),
        request.due_at
    )
}
