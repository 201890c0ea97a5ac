//! `provider changes`: the change feed as lines, with a file that remembers how far they were read.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::access::{AccessArgs, patiently};
use crate::api::changes::Change;
use crate::cli::report::{Failure, Report};
use crate::client::provider::ApiError;

/// How long the server may hold an answer back while there is nothing new; it takes 25.
const WAIT_S: u32 = 20;
/// How often a directory that is away is tried before a single reading gives up; at least a minute.
const TRIES_MAX: u32 = 30;
/// Longer than any cursor.
const CURSOR_LEN_MAX: usize = 128;

#[derive(Args)]
pub(crate) struct ChangesArgs {
    /// Remember in this file how far the changes were printed, and go on from there. It is written behind them: after a
    /// crash some may come again, and none is lost.
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    /// Begin with what comes next, not with the oldest change that is kept; without effect where the file knows better.
    #[arg(long)]
    now: bool,
    /// Do not end: wait for what comes, through restarts of the directory.
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    access: AccessArgs,
}

pub(crate) fn run(args: &ChangesArgs) -> Result<Report, Failure> {
    let api = args.access.open()?;
    let mut cursor = match args.cursor.as_deref().map(remembered).transpose()?.flatten() {
        None => args.now.then(|| "now".to_owned()),
        known => known,
    };
    let tries_max = if args.follow { u32::MAX } else { TRIES_MAX };
    let mut wait_s = 0;
    loop {
        let page = patiently(tries_max, || api.changes(cursor.as_deref(), wait_s));
        let page = page.map_err(|error| too_old(error, args))?;
        if !printed(&page.changes)? {
            return Ok(Report::said()); // nobody reads any more: what was not taken comes again
        }
        if let Some(file) = args.cursor.as_deref().filter(|_| cursor.as_ref() != Some(&page.next_cursor)) {
            remember(file, &page.next_cursor)?;
        }
        cursor = Some(page.next_cursor);
        if !page.more && !args.follow {
            return Ok(Report::said());
        }
        wait_s = if page.more { 0 } else { WAIT_S };
    }
}

/// Prints the changes; whether somebody took them.
fn printed(changes: &[Change]) -> Result<bool, Failure> {
    let mut text = Vec::new();
    for change in changes {
        serde_json::to_writer(&mut text, change)?;
        text.push(b'\n');
    }
    let mut out = io::stdout().lock();
    match out.write_all(&text).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        outcome => Ok(outcome.map(|()| true)?),
    }
}

/// The cursor in a file; none if there is no such file yet.
fn remembered(file: &Path) -> Result<Option<String>, Failure> {
    let text = match fs::read_to_string(file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|e| Failure::new(format!("{}: {e}", file.display())))?,
    };
    let cursor = text.trim();
    let fits = (1..=CURSOR_LEN_MAX).contains(&cursor.len()) && cursor.bytes().all(|byte| byte.is_ascii_graphic());
    match fits {
        true => Ok(Some(cursor.to_owned())),
        false => Err(Failure::new(format!(
            "{} holds no cursor: name another file, or delete this one to begin with the oldest change that is kept",
            file.display()
        ))),
    }
}

/// Writes the cursor in one step: whoever reads the file finds the one before or this one, whole.
fn remember(file: &Path, cursor: &str) -> Result<(), Failure> {
    let failed = |e: io::Error| Failure::new(format!("{}: {e}", file.display()));
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let mut out = fs::File::create(&partial).map_err(failed)?;
    out.write_all(format!("{cursor}\n").as_bytes()).and_then(|()| out.sync_all()).map_err(failed)?;
    fs::rename(&partial, file).map_err(failed)
}

/// What to do about a cursor that is too old.
fn too_old(error: ApiError, args: &ChangesArgs) -> Failure {
    if error.code() != Some("cursor_gone") {
        return error.into();
    }
    let again = args.cursor.as_ref().map_or_else(
        || "callbook provider changes --now".to_owned(),
        |file| format!("rm {0}; callbook provider changes --now --cursor {0}", file.display()),
    );
    Failure::new(format!(
        "{error}\n  What happened in between is not kept. Take a new place first, then read every number, then go on:\n    \
         {again}\n    callbook provider numbers"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_remembered_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cursor");
        assert_eq!(remembered(&file).unwrap(), None);
        remember(&file, "AAAAAAAAAAc").unwrap();
        remember(&file, "AAAAAAAAAAg").unwrap();
        assert_eq!(remembered(&file).unwrap().as_deref(), Some("AAAAAAAAAAg"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        for wrong in ["", "\n", "two words", &"x".repeat(200)] {
            fs::write(&file, wrong).unwrap();
            assert!(remembered(&file).unwrap_err().to_string().contains("holds no cursor"), "{wrong:?}");
        }
    }
}
