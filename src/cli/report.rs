//! What a command says at its end: text for people or JSON for scripts, and an honest exit code.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::authority::Rejection;

/// How a command ended (docs/exit-codes.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or found.
    Done = 0,
    /// Nothing found, or a check did not pass.
    None = 1,
    /// It could not be done.
    Error = 2,
    /// The answer was forged or broken.
    Bogus = 3,
    /// What is watched has changed.
    Changed = 4,
    /// Nobody could be asked.
    Silent = 5,
}

/// The result of a command.
pub(crate) struct Report {
    /// For people; may have several lines, no final line end needed.
    pub(crate) text: String,
    /// The same for scripts; null: everything was said already.
    pub(crate) json: Value,
    /// The exit code.
    pub(crate) exit: Exit,
}

impl Report {
    /// A command that printed everything while it ran.
    pub(crate) fn said() -> Self {
        Self::done("", Value::Null)
    }

    /// A command that did what it should.
    pub(crate) fn done(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, exit: Exit::Done }
    }
}

/// Why a command could not be done: a sentence, with its remedy where there is one.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
}

impl Failure {
    /// A failure in words.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            let more = inner.to_string();
            if !text.contains(&more) {
                let _ = write!(text, ": {more}"); // into a String
            }
            source = inner.source();
        }
        Self::new(text)
    }
}

impl From<Rejection> for Failure {
    fn from(no: Rejection) -> Self {
        match no {
            Rejection::Refused(refusals) => {
                let lines: Vec<String> = refusals
                    .iter()
                    .map(|r| format!("{}: {} (charter {}). {}", r.code, r.detail, r.clause, r.remedy))
                    .collect();
                Self::new(lines.join("\n  "))
            }
            Rejection::NotFound => Self::new("there is no such number or provider here"),
            Rejection::Forbidden(why)
            | Rejection::Conflict(why)
            | Rejection::Gone(why)
            | Rejection::TooMany { why, .. }
            | Rejection::Unavailable { why, .. }
            | Rejection::Fault(why) => Self::new(why),
            Rejection::Frozen => Self::new(
                "the directory is frozen: what was signed and what the ledger says do not agree. Look at `callbook doctor`",
            ),
            Rejection::IdempotencyReused | Rejection::IdempotencyInFlight => {
                Self::new("this request is under way already")
            }
        }
    }
}

/// Prints a report or a failure and gives the exit code. Failures go to standard error in both forms.
pub(crate) fn finish(result: Result<Report, Failure>, json: bool) -> ExitCode {
    let mut out = std::io::stdout().lock();
    // A reader that went away (a closed pipe) is no reason to fail.
    match (result, json) {
        (Ok(report), true) if report.json.is_null() => ExitCode::from(report.exit as u8),
        (Ok(report), true) => {
            let _ = writeln!(out, "{}", report.json);
            ExitCode::from(report.exit as u8)
        }
        (Ok(report), false) => {
            let text = harmless(report.text.trim_end());
            if !text.is_empty() {
                let _ = writeln!(out, "{text}");
            }
            ExitCode::from(report.exit as u8)
        }
        (Err(failure), true) => {
            note(&json!({"error": failure.text}).to_string());
            ExitCode::from(Exit::Error as u8)
        }
        (Err(failure), false) => {
            note(&format!("callbook: {}", failure.text));
            ExitCode::from(Exit::Error as u8)
        }
    }
}

/// A text without what a terminal would take for orders: much of what is shown was written by strangers (a complaint, a name, a
/// problem's detail), and `ESC ]` or `CSI` in it could change what a person sees, or types next.
fn harmless(text: &str) -> Cow<'_, str> {
    let orders = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    match text.contains(orders) {
        true => Cow::Owned(text.replace(orders, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

/// Prints a line while a command still runs.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", harmless(line)).and_then(|()| out.flush());
}

/// Prints a line for people to standard error, while results go to standard output.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", harmless(line)); // nobody may be there to read it
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_gives_orders_to_a_terminal() {
        assert_eq!(harmless("a\tb\nc \u{1f642} é"), "a\tb\nc \u{1f642} é");
        for order in ["\u{1b}]0;x\u{7}", "\u{9b}2J", "\r", "\u{8}", "\u{7f}"] {
            let shown = harmless(order);
            assert!(shown.contains('\u{fffd}') && !shown.chars().any(char::is_control), "{order:?}");
        }
    }
}
