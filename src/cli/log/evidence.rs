//! `log evidence FILE`: what a file of evidence proves, checked with nothing but the file itself, and what it does not.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::lookup::read_trust;
use crate::cli::report::{Exit, Failure, Report};
use crate::client::Anchor;
use crate::client::evidence::{Verdict, explain, read};

#[derive(Args)]
pub(crate) struct EvidenceArgs {
    /// The file, as `lookup`, `monitor`, `log verify` or `log mirror` wrote it.
    file: PathBuf,
    /// Your own trust list, as `GET /v1/log/trust` shows it: then the log's key must be the one there.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The directory's trust anchor for DNS: then signatures of DNS must come from there.
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

pub(super) fn run(args: &EvidenceArgs) -> Result<Report, Failure> {
    let trust = args.trust.as_deref().map(read_trust).transpose()?;
    let anchor = match &args.anchor {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(Anchor::parse(&text.map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?)?)
        }
    };
    let read = read(&args.file).map_err(|e| Failure::new(format!("cannot read {}: {e}", args.file.display())))?;
    let explained = match read.and_then(|evidence| explain(&evidence, trust.as_ref(), anchor.as_ref())) {
        Ok(explained) => explained,
        Err(why) => {
            let text = format!("PROVES NOTHING  {}: {why}", args.file.display());
            return Ok(Report { text, json: json!({"verdict": "nothing", "why": why.to_string()}), exit: Exit::Bogus });
        }
    };
    let verdict = match explained.verdict {
        Verdict::Proved => "PROVED    ",
        Verdict::Question => "QUESTION  ",
    };
    let mut text =
        format!("{verdict}{} ({})\n  {}\n\nsigned:\n", explained.log, explained.kind, explained.contradiction);
    // Writing into a String cannot fail.
    explained.signed.iter().for_each(|line| _ = writeln!(text, "  {line}"));
    text.push_str("\nnot proved:\n");
    explained.not_proved.iter().for_each(|line| _ = writeln!(text, "  {line}"));
    Ok(Report::done(text, serde_json::to_value(&explained)?))
}
