//! Programs from outside that judge our answers: found, or the test says loudly that it was skipped.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Set by `./test`: a missing peer is then a failure, not a skip.
const REQUIRE: &str = "CALLBOOK_REQUIRE_PEERS";
/// Set by `./test`: a file that collects one line a skipped test, for the closing summary.
const SKIPPED: &str = "CALLBOOK_SKIPPED";
/// Where Debian keeps daemons, which a user's PATH often leaves out; at last where `./test` unpacks what must not be installed.
const DAEMON_FOLDERS: [&str; 4] =
    ["/usr/sbin", "/usr/local/sbin", "/lib/systemd", concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/lib/systemd")];

/// The path of a program such as `unbound-host`; nothing when it is missing and the test shall return early.
///
/// Panics when it is missing and [`REQUIRE`] says that it must be there.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    found
}

/// A Python 3 that can import `module` (Debian's own first: packages are installed for it).
pub(crate) fn python_with(module: &str) -> Option<PathBuf> {
    let candidates = [Some(PathBuf::from("/usr/bin/python3")), find("python3")];
    let found = candidates.into_iter().flatten().find(|python| {
        let import = Command::new(python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        skipped(&format!("no python3 has the module {module}"));
    }
    found
}

/// A Python 3 that has `module` from PyPI beside it, as `./test` installs it; like [`from_pypi`].
pub(crate) fn pypi_python_with(module: &str) -> Option<PathBuf> {
    let python = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/python/bin/python3"));
    let import = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    let found = import.is_ok_and(|status| status.success()).then_some(python);
    if found.is_none() {
        not_here(&format!("{module} is not installed: ./test gets it from PyPI"));
    }
    found
}

/// A program that `./test` has installed from PyPI; nothing when it is missing and the test shall return early. Not every
/// machine reaches PyPI, so that fails nowhere.
pub(crate) fn from_pypi(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/python/bin")).join(name);
    let found = path.is_file().then_some(path);
    if found.is_none() {
        not_here(&format!("{name} is not installed: ./test gets it from PyPI"));
    }
    found
}

/// Says that a test did not run for want of a program: loudly, and never where peers are required.
pub(crate) fn skipped(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    assert!(env::var_os(REQUIRE).is_none_or(|v| v != "1"), "SKIPPED {name}: {why}, and {REQUIRE}=1 asks for it");
    not_here(why);
}

/// Says that a test did not run because this machine does not allow what it needs: loudly. Nothing that could be installed
/// would help, so it fails nowhere.
pub(crate) fn not_here(why: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {why}", thread.name().unwrap_or("a test"));
    eprintln!("{line}");
    if let Some(file) = env::var_os(SKIPPED).filter(|v| !v.is_empty()) {
        let mut file = OpenOptions::new().create(true).append(true).open(file).expect("the summary can be written");
        writeln!(file, "{line}").expect("the summary can be written");
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(DAEMON_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_what_is_not_is_not() {
        assert!(program("sh").is_some());
        assert!(find("no-such-program-of-callbook").is_none());
    }
}
