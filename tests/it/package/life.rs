//! Installed, upgraded, taken back, removed and purged, in a copy of this machine; and what lintian says of it.

use std::process::Command;

use super::package;
use crate::{peers, source};

/// `tests/package.sh` cannot make a copy of the machine here.
const NO_COPY: i32 = 77;

#[test]
fn the_package_lives_and_leaves_what_was_promised() {
    let folder = tempfile::tempdir().expect("a folder");
    let (Some(old), Some(new)) = (package(folder.path(), "0.0.9"), package(folder.path(), "0.1.0")) else { return };
    let namespaces = Command::new("unshare").args(["--mount", "--net", "true"]).output();
    if !namespaces.is_ok_and(|out| out.status.success()) {
        return peers::not_here("no file system of one's own can be mounted here (unshare)");
    }
    let out = Command::new("unshare")
        .args(["--mount", "--net", "sh"])
        .arg(source::root().join("tests/package.sh"))
        .args([old, new])
        .output()
        .expect("it runs");
    if out.status.code() == Some(NO_COPY) {
        return peers::not_here("no copy of this machine's file system can be made (overlay)");
    }
    let (said, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.contains("== as promised"), "{said}{why}");
}

#[test]
fn the_same_program_gives_the_same_package_and_lintian_has_nothing_to_say() {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (Some(first), Some(second)) = (package(one.path(), "0.1.0"), package(two.path(), "0.1.0")) else { return };
    let read = |path| std::fs::read(path).expect("the package");
    assert!(read(&first) == read(&second), "two packages of one program differ");
    let Some(lintian) = peers::program("lintian") else { return };
    let out = Command::new(lintian).args(["--fail-on", "error,warning", "--allow-root"]).arg(first).output();
    let out = out.expect("lintian runs");
    let (said, why) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.trim().is_empty(), "{said}{why}");
}
