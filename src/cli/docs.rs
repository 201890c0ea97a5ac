//! Completions and man pages, from the same definitions as the parser.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::Cli;
use crate::cli::report::{Failure, Report};

#[derive(Args)]
pub(crate) struct CompletionsArgs {
    /// The shell: bash, zsh, fish, elvish or powershell.
    shell: Shell,
}

#[derive(Args)]
pub(crate) struct ManArgs {
    /// The folder to write to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Report, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "callbook", &mut script);
    let script = String::from_utf8(script)?;
    Ok(Report::done(script.clone(), json!({ "script": script })))
}

pub(crate) fn man(args: &ManArgs) -> Result<Report, Failure> {
    std::fs::create_dir_all(&args.out)?;
    clap_mangen::generate_to(Cli::command(), &args.out)?;
    let mut pages: Vec<String> =
        std::fs::read_dir(&args.out)?.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    pages.sort();
    Ok(Report::done(format!("{} pages in {}", pages.len(), args.out.display()), json!({ "pages": pages })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
