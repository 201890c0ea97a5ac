//! `status`: how the directory stands on one screen: state, cause, who acts next. It reads the installation and asks the service.

mod rows;

pub(crate) use rows::BACKUP_KEPT_D;

use clap::Args;
use serde_json::json;

use crate::cli::InstallationArgs;
use crate::cli::report::{Exit, Failure, Report};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    of: InstallationArgs,
}

/// How one part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing to do.
    Well,
    /// Somebody should act soon.
    Due,
    /// It does not do its job.
    Bad,
    /// It is not used here, or cannot be known.
    Unused,
}

impl State {
    fn shown(self) -> &'static str {
        match self {
            Self::Well => "ok ",
            Self::Due => "DUE",
            Self::Bad => "BAD",
            Self::Unused => "-- ",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Due => "due",
            Self::Bad => "bad",
            Self::Unused => "unused",
        }
    }
}

/// One line of the screen.
struct Row {
    part: &'static str,
    state: State,
    /// What is so, and why.
    cause: String,
    /// Who acts next, and how.
    next: Option<String>,
}

impl Row {
    fn new(part: &'static str, state: State, cause: impl Into<String>) -> Self {
        Self { part, state, cause: cause.into(), next: None }
    }

    /// Who acts next.
    fn next(self, who: impl Into<String>) -> Self {
        Self { next: Some(who.into()), ..self }
    }

    fn line(&self) -> String {
        let next = self.next.as_ref().map_or(String::new(), |next| format!("\n{:<18}next: {next}", ""));
        format!("{}  {:<12} {}{next}", self.state.shown(), self.part, self.cause)
    }
}

pub(crate) fn run(args: &StatusArgs) -> Result<Report, Failure> {
    let config = Config::load(&args.of.dir)?;
    let now_ms = SystemClock.now_ms();
    let rows = rows::all(&args.of.dir, &config, now_ms);
    let well = rows.iter().all(|row| matches!(row.state, State::Well | State::Unused));
    let mut lines = vec![format!("{}  {}", config.apex.trim_end_matches('.'), rfc3339(now_ms / 1000))];
    lines.extend(rows.iter().map(Row::line));
    let parts: Vec<_> = rows
        .iter()
        .map(|row| json!({"part": row.part, "state": row.state.word(), "cause": row.cause, "next": row.next}))
        .collect();
    let json = json!({"apex": config.apex, "at": rfc3339(now_ms / 1000), "well": well, "parts": parts});
    Ok(Report { text: lines.join("\n"), json, exit: if well { Exit::Done } else { Exit::None } })
}
