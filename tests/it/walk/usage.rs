//! The program in the hands of somebody who errs, of a script, and of a shell that has stopped reading.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use serde_json::Value;

use super::child::callbook;

/// With `--json` wrong usage is told as every other error is: exit 2, one object on standard error, nothing on standard output.
#[test]
fn wrong_usage_is_told_to_scripts_too() {
    for args in [
        &["--json"][..],
        &["number", "--json"],
        &["lookup", "--json", "--nonsense"],
        &["act", "show", "x", "--json"],
        &["keys", "roll", "--algorithm", "99", "--json"],
        &["--log-format", "xml", "config", "check", "--json"],
    ] {
        let out = callbook().args(args).output().expect("the program runs");
        assert_eq!((out.status.code(), &*out.stdout), (Some(2), &b""[..]), "{args:?}");
        let said: Value = serde_json::from_slice(&out.stderr).unwrap_or_else(|e| panic!("{args:?}: {e}"));
        assert!(
            said["error"].as_str().is_some_and(|why| !why.is_empty() && !why.contains('\u{1b}')),
            "{args:?}: {said}"
        );
    }
    let text = callbook().args(["lookup", "--nonsense"]).output().expect("the program runs");
    assert!(String::from_utf8_lossy(&text.stderr).starts_with("error: "), "{text:?}");
}

/// What could not be said again is refused before anything is made.
#[test]
fn a_name_that_is_no_text_makes_nothing() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join(OsStr::from_bytes(b"\xff.key"));
    for command in [&["monitor", "key"][..], &["staff", "keygen"], &["charter", "keygen"], &["escrow", "keygen"]] {
        let out = callbook().args(command).arg(&file).arg("--json").output().expect("the program runs");
        assert_eq!(out.status.code(), Some(2), "{command:?}: {out:?}");
        let said: Value = serde_json::from_slice(&out.stderr).unwrap_or_else(|e| panic!("{command:?}: {e}: {out:?}"));
        assert!(said["error"].as_str().is_some_and(|why| why.contains("UTF-8")), "{said}");
    }
    let named = callbook().args(["status", "--json"]).env("CALLBOOK_DIR", &file).output().expect("the program runs");
    assert_eq!(named.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&named.stderr).contains("CALLBOOK_DIR is not UTF-8"), "{named:?}");
    assert_eq!(std::fs::read_dir(home.path()).expect("a folder").count(), 0);
}

/// `callbook … | head -1` ends as if everything had been read.
#[test]
fn nobody_has_to_read_to_the_end() {
    for (args, exit) in
        [(&["--help"][..], 0), (&["completions", "bash"], 0), (&["--nonsense"], 2), (&["lookup", "+12"], 2)]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let again = writer.try_clone().expect("a pipe");
        let status = callbook().args(args).stdin(Stdio::null()).stdout(writer).stderr(again).status().expect("it runs");
        assert_eq!(status.code(), Some(exit), "{args:?}");
    }
}
