//! `complaint list|show|take-up|close`: complaints from their entry to their outcome, by the operator's people.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::api::complaints::{Complaint, ComplaintMove};
use crate::cli::ApiArgs;
use crate::cli::report::{Failure, Report};

#[derive(Subcommand)]
pub(crate) enum ComplaintCommand {
    /// List complaints, the oldest first.
    List(ListArgs),
    /// Show a complaint with what it says and what it led to.
    Show(IdArgs),
    /// Take a complaint up: somebody works on it.
    TakeUp(IdArgs),
    /// Close a complaint with its outcome and what it led to; its text is erased some time later.
    Close(CloseArgs),
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only those of this state: open, in_work or closed.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Where to go on: the cursor of the page before.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct IdArgs {
    /// The complaint.
    #[arg(allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

#[derive(Args)]
pub(crate) struct CloseArgs {
    /// The complaint.
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// upheld, rejected or not_ours.
    #[arg(long, value_name = "OUTCOME")]
    outcome: String,
    /// The clause of the charter that the outcome rests on.
    #[arg(long, value_name = "NUMBER")]
    clause: Option<String>,
    /// The act that it led to.
    #[arg(long, value_name = "ID")]
    act: Option<String>,
    /// The drawn item of an audit that it is about.
    #[arg(long, value_name = "ID")]
    item: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn run(command: &ComplaintCommand) -> Result<Report, Failure> {
    match command {
        ComplaintCommand::List(args) => list(args),
        ComplaintCommand::Show(args) => one(&args.api.open()?.complaint(&args.id)?),
        ComplaintCommand::TakeUp(args) => {
            let to = ComplaintMove { state: "in_work".to_owned(), ..ComplaintMove::default() };
            one(&args.api.open()?.move_complaint(&args.id, &to)?)
        }
        ComplaintCommand::Close(args) => {
            let to = ComplaintMove {
                state: "closed".to_owned(),
                outcome: Some(args.outcome.clone()),
                clause: args.clause.clone(),
                act: args.act.clone(),
                item: args.item.clone(),
            };
            one(&args.api.open()?.move_complaint(&args.id, &to)?)
        }
    }
}

fn list(args: &ListArgs) -> Result<Report, Failure> {
    let page = args.api.open()?.complaints(args.state.as_deref(), args.cursor.as_deref())?;
    let mut lines: Vec<String> = page.complaints.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("no complaints".to_owned());
    }
    lines.extend(page.next_cursor.iter().map(|next| format!("more: --cursor {next}")));
    Ok(Report::done(lines.join("\n"), json!(page)))
}

fn one(complaint: &Complaint) -> Result<Report, Failure> {
    let mut text = line(complaint);
    let fields = [
        ("number", &complaint.number),
        ("text", &complaint.text),
        ("contact", &complaint.contact),
        ("taken up by", &complaint.taken_by),
        ("closed by", &complaint.closed_by),
        ("clause", &complaint.clause),
        ("act", &complaint.act),
        ("item", &complaint.item),
    ];
    for (name, value) in fields {
        text.extend(value.iter().map(|value| format!("\n  {name:<12} {value}")));
    }
    Ok(Report::done(text, json!(complaint)))
}

fn line(complaint: &Complaint) -> String {
    let outcome = complaint.outcome.as_deref().unwrap_or_default();
    format!("{}  {}  {:<8} {:<13} {outcome}", complaint.id, complaint.made_at, complaint.state, complaint.about)
}
