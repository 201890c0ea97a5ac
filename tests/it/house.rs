//! The house's own gates: file sizes, first lines, names, and papers that name only what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source;

/// One idea a file: what does not fit is two ideas.
const SRC_LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 900;
/// A decision that needs more is a document of its own with a decision beside it.
const DECISION_LINES_MAX: usize = 60;
/// Files that may be longer, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];
/// Names that say nothing about what stands behind them.
const EMPTY_NAMES: [&str; 6] = ["manager", "util", "utils", "helper", "common", "misc"];
/// Rooms that read hostile bytes: a panic there is an outage.
const HOSTILE_ROOMS: [&str; 2] = ["wire", "nameserver"];

fn rust_files() -> Vec<PathBuf> {
    ["src", "tests", "benches"].iter().flat_map(|folder| source::files(&source::root().join(folder), "rs")).collect()
}

fn below_root(path: &Path) -> String {
    path.strip_prefix(source::root()).expect("below the project").display().to_string()
}

fn assert_none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let broken: Vec<String> = rust_files()
        .iter()
        .filter_map(|path| {
            let (name, lines) = (below_root(path), source::read(path).lines().count());
            let max = if name.starts_with("src/") { SRC_LINES_MAX } else { TEST_LINES_MAX };
            let excused = LONG_FILES.iter().any(|(file, _)| *file == name);
            (lines > max && !excused).then(|| format!("{name}: {lines} lines, at most {max}"))
        })
        .collect();
    assert_none(&broken, "one idea a file; split these");
}

#[test]
fn every_file_says_its_idea_first() {
    let broken: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            !source::read(path)
                .lines()
                .next()
                .is_some_and(|line| line.len() > "//! x".len() && line.starts_with("//! "))
        })
        .map(|path| below_root(path))
        .collect();
    assert_none(&broken, "the first line of a file is `//! ` and its idea");
}

#[test]
fn names_are_the_fields_terms() {
    let broken: Vec<String> = rust_files()
        .iter()
        .filter(|path| {
            let name = path.with_extension("").file_name().expect("a name").to_string_lossy().into_owned();
            let folder = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
            [name, folder].iter().flat_map(|n| n.split('_')).any(|word| EMPTY_NAMES.contains(&word))
        })
        .map(|path| below_root(path))
        .collect();
    assert_none(&broken, "these names say nothing; use the field's term");
}

#[test]
fn rooms_that_read_hostile_bytes_cannot_panic_unseen() {
    for room in HOSTILE_ROOMS {
        let path = source::root().join("src").join(room).join("mod.rs");
        if !path.exists() {
            continue;
        }
        let denied = source::read(&path);
        for lint in ["clippy::unwrap_used", "clippy::indexing_slicing"] {
            assert!(denied.contains("#![") && denied.contains(lint), "src/{room}/mod.rs does not deny {lint}");
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest: toml::Table = source::read(&source::root().join("Cargo.toml")).parse().expect("a manifest");
    let reasons = source::read(&source::root().join("docs/decisions/0002-dependencies.md"));
    let direct: BTreeSet<&String> = ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|table| table.keys())
        .collect();
    let without: Vec<String> =
        direct.iter().filter(|name| !reasons.contains(&format!("`{name}`"))).map(|name| name.to_string()).collect();
    assert_none(&without, "docs/decisions/0002-dependencies.md gives no reason for");
    let gone: Vec<String> = table_rows(&reasons)
        .flat_map(|row| backticked(row.split('|').nth(1).unwrap_or_default()))
        .filter(|name| !direct.contains(name))
        .collect();
    assert_none(&gone, "docs/decisions/0002-dependencies.md explains what Cargo.toml does not have");
}

#[test]
fn licences_of_the_whole_tree_are_allowed() {
    let deny: toml::Table = source::read(&source::root().join("deny.toml")).parse().expect("deny.toml");
    let allowed: BTreeSet<String> =
        deny["licenses"]["allow"].as_array().expect("a list").iter().filter_map(|l| Some(l.as_str()?.into())).collect();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--manifest-path"])
        .arg(source::root().join("Cargo.toml"))
        .args(["--filter-platform", current_platform()])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let broken: Vec<String> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or_default(), &allowed))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert_none(&broken, "deny.toml does not allow these licences");
}

fn current_platform() -> &'static str {
    match (std::env::consts::ARCH, std::env::consts::OS) {
        ("aarch64", "macos") => "aarch64-apple-darwin",
        ("aarch64", _) => "aarch64-unknown-linux-gnu",
        _ => "x86_64-unknown-linux-gnu",
    }
}

/// Whether an SPDX expression can be met: some branch of OR whose every part of AND is allowed.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    if let Some((before, inner, after)) = innermost(&expression) {
        // A bracket becomes a word that is allowed or not.
        let word = if is_allowed(inner, allowed) { "MIT" } else { "-" };
        return is_allowed(&format!("{before}{word}{after}"), allowed);
    }
    expression.split(" OR ").any(|branch| branch.split(" AND ").all(|licence| allowed.contains(licence.trim())))
}

fn innermost(expression: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = expression.rsplit_once('(')?;
    let (inner, after) = rest.split_once(')')?;
    Some((before, inner, after))
}

#[test]
fn decisions_are_short_and_numbered_in_order() {
    let decisions = source::files(&source::root().join("docs/decisions"), "md");
    for (path, number) in decisions.iter().zip(1..) {
        let (name, text) = (below_root(path), source::read(path));
        assert!(name.starts_with(&format!("docs/decisions/{number:04}-")), "{name} does not follow its forerunner");
        assert!(text.lines().count() <= DECISION_LINES_MAX, "{name} has more than {DECISION_LINES_MAX} lines");
        for part in ["## Context", "## Choice", "## Refused", "## Look again when"] {
            assert!(text.contains(part), "{name} has no part {part}");
        }
    }
}

#[test]
fn standards_name_files_and_tests_that_exist() {
    let text = source::read(&source::root().join("docs/STANDARDS.md"));
    let mut cache = BTreeMap::new();
    let mut broken = Vec::new();
    for quoted in table_rows(&text).flat_map(backticked).filter(|q| q.starts_with("src/") || q.starts_with("tests/")) {
        // `file` or `file::test_name`; a folder counts when it exists.
        let (file, test) = quoted.split_once("::").map_or((quoted.as_str(), None), |(f, t)| (f, Some(t)));
        let path = source::root().join(file);
        if !path.exists() {
            broken.push(format!("{file} does not exist"));
        } else if let Some(test) = test {
            let words = cache.entry(file.to_owned()).or_insert_with(|| source::tokens(&source::read(&path)));
            let found = words.windows(2).any(|pair| pair[0].text == "fn" && pair[1].text == test);
            if !found {
                broken.push(format!("{file} has no test {test}"));
            }
        }
    }
    assert_none(&broken, "docs/STANDARDS.md names what is not there");
}

#[test]
fn every_room_stands_in_the_plan() {
    let plan = source::read(&source::root().join("docs/ARCHITECTURE.md"));
    let planned: BTreeSet<String> =
        table_rows(&plan).flat_map(|row| backticked(row.split('|').nth(1).unwrap_or_default())).collect();
    let src = source::root().join("src");
    let rooms: BTreeSet<String> = source::files(&src, "rs")
        .iter()
        .filter_map(|path| source::module(path.strip_prefix(&src).expect("below src")).into_iter().next())
        .collect();
    let missing: Vec<String> = rooms.difference(&planned).cloned().collect();
    assert_none(&missing, "docs/ARCHITECTURE.md has no row for");
}

#[test]
fn links_between_papers_lead_somewhere() {
    let root = source::root();
    let mut papers = source::files(&root.join("docs"), "md");
    papers.extend(["README", "CONTRIBUTING", "SECURITY", "CHANGELOG"].map(|name| root.join(name).with_extension("md")));
    let mut broken = Vec::new();
    for paper in papers.iter().filter(|paper| paper.exists()) {
        let text = source::read(paper);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:") || file.is_empty();
            if !outside && !paper.parent().expect("a folder").join(file).exists() {
                broken.push(format!("{}: {target}", below_root(paper)));
            }
        }
    }
    assert_none(&broken, "these links lead nowhere");
}

/// The rows of the tables of a Markdown text, without heads' rulers.
#[test]
fn every_paper_stands_in_the_manual() {
    let docs = source::root().join("docs");
    let summary = source::read(&docs.join("SUMMARY.md"));
    let missing: Vec<String> = source::files(&docs, "md")
        .iter()
        .map(|path| path.strip_prefix(&docs).expect("below docs").display().to_string())
        .filter(|path| path != "SUMMARY.md" && !summary.contains(&format!("({path})")))
        .collect();
    assert_none(&missing, "docs/SUMMARY.md, by which the manual is rendered, leaves these out");
}

fn table_rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-") && !line.starts_with("| -"))
}

/// What stands between backticks.
fn backticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_expressions_are_understood() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
        assert!(is_allowed("MIT OR GPL-3.0", &allowed));
        assert!(is_allowed("MIT/Apache-2.0", &allowed));
        assert!(is_allowed("(GPL-2.0 OR Apache-2.0) AND Unicode-3.0", &allowed));
        assert!(!is_allowed("MIT AND GPL-3.0", &allowed));
        assert!(!is_allowed("(GPL-2.0 OR LGPL-2.1) AND MIT", &allowed));
        assert!(!is_allowed("", &allowed));
    }
}
