//! The Debian package: its units, its template of settings, and its life on a machine.

mod life;
mod settings;
mod units;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{peers, source};

/// What makes a package, beside a shell.
const TOOLS: [&str; 4] = ["dpkg-deb", "dpkg-shlibdeps", "strip", "gzip"];

/// The program under test.
fn callbook() -> Command {
    Command::new(env!("CARGO_BIN_EXE_callbook"))
}

/// Makes a package of the program under test with this version; nothing where the tools are missing.
fn package(out: &Path, version: &str) -> Option<PathBuf> {
    if TOOLS.iter().any(|tool| peers::program(tool).is_none()) {
        return None;
    }
    let made = Command::new(source::root().join("deploy/debian/build"))
        .arg("--program")
        .arg(callbook().get_program())
        .arg("--out")
        .arg(out)
        .args(["--version", version, "--quick", "yes"])
        // Before now: what is younger is dated so.
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .expect("a shell runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(PathBuf::from(String::from_utf8(made.stdout).expect("a path").trim()))
}
