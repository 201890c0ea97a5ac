//! The template of settings: every key with its default, so that a line taken from it is right.

use std::process::Command;

use super::callbook;
use crate::source;

#[test]
fn every_line_of_the_template_is_a_setting_that_is_accepted() {
    let out = Command::new(source::root().join("deploy/debian/config-template")).output().expect("a shell runs");
    let template = String::from_utf8(out.stdout).expect("text");
    let used: String = template
        .lines()
        .map(|line| match line {
            "apex = \"\"" => "apex = \"e164.example\"\n".to_owned(),
            "host = \"\"" => "host = \"directory.example\"\n".to_owned(),
            _ => format!("{}\n", line.strip_prefix('#').filter(|rest| is_setting(rest)).unwrap_or(line)),
        })
        .collect();
    let keys = used.lines().filter(|line| is_setting(line)).count();
    let page = source::read(&source::root().join("docs/reference/config.md"));
    let rows = page.lines().filter(|line| line.starts_with("| `") && !line.contains("tables `[[")).count();
    assert!(keys >= rows && keys > 60, "{keys} settings of {rows} rows");
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("config.toml"), &used).expect("written");
    let check = callbook().args(["config", "check", "--dir"]).arg(dir.path()).output().expect("it runs");
    let why = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{why}\n{used}");
}

/// `key = value`, which no sentence of a comment is.
fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    })
}
