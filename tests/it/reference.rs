//! The reference pages against the code: every key that exists is explained, with the default that it has.

use std::collections::BTreeMap;
use std::process::Command;

use callbook::config::Config;

use crate::source;

#[test]
fn every_configuration_key_is_explained_with_its_default() {
    let config = Config::new("e164.example", "directory.example");
    let mut keys = BTreeMap::new();
    flatten("", &toml::Value::try_from(config).expect("a table"), &mut keys);
    let page = source::read(&source::root().join("docs/reference/config.md"));
    let rows: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            Some((cells.next()?.strip_suffix('`')?, cells.next()?))
        })
        .collect();
    for (key, default) in &keys {
        let said = rows.get(key.as_str()).unwrap_or_else(|| panic!("docs/reference/config.md does not explain {key}"));
        let has_none = ["apex", "host"].contains(&key.as_str());
        let right = if has_none { "none".to_owned() } else { format!("`{default}`") };
        assert_eq!(*said, right, "the default of {key}");
    }
    assert_eq!(rows.len(), keys.len(), "docs/reference/config.md explains keys that do not exist");
}

#[test]
fn every_route_is_explained() {
    let page = source::read(&source::root().join("docs/reference/api.md"));
    let document: serde_json::Value =
        serde_json::from_str(&callbook::http::openapi_document()).expect("the document is JSON");
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("an object").keys().filter(|key| *key != "parameters") {
            routes.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    let explained = sections(&page);
    for route in &routes {
        let text = explained.get(route.as_str()).unwrap_or_else(|| panic!("docs/reference/api.md lacks {route}"));
        assert!(text.contains("curl "), "{route} has no line to paste");
    }
    assert_eq!(explained.len(), routes.len(), "docs/reference/api.md explains routes that do not exist");
}

#[test]
fn every_command_is_explained_with_its_options() {
    let page = source::read(&source::root().join("docs/reference/cli.md"));
    let mut commands = BTreeMap::new();
    descend(&[], &mut commands);
    let explained = sections(&page);
    for (command, options) in &commands {
        let text = explained.get(command.as_str()).unwrap_or_else(|| panic!("docs/reference/cli.md lacks {command}"));
        for option in options {
            assert!(text.contains(option), "docs/reference/cli.md: {command} lacks {option}");
        }
    }
    assert_eq!(explained.len(), commands.len(), "docs/reference/cli.md explains commands that do not exist");
}

/// What follows each heading of the form "### `name`", up to the next heading.
fn sections(page: &str) -> BTreeMap<&str, &str> {
    let parts = page.split("\n### `").skip(1);
    parts.filter_map(|part| part.split_once('`')).map(|(name, rest)| (name, until_heading(rest))).collect()
}

fn until_heading(text: &str) -> &str {
    text.split_once("\n## ").map_or(text, |(section, _)| section)
}

/// Every command that does something, with its own long options, as the program's help tells them.
fn descend(at: &[&str], commands: &mut BTreeMap<String, Vec<String>>) {
    let out = Command::new(env!("CARGO_BIN_EXE_callbook")).args(at).arg("--help").output().expect("the program runs");
    let help = String::from_utf8(out.stdout).expect("help is text");
    let first_words = |heading: &str| -> Vec<String> {
        let lines = help.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.is_empty());
        let is_entry = |line: &&str| line.len() - line.trim_start().len() <= 6;
        lines
            .filter(is_entry)
            .filter_map(|line| line.split_whitespace().find(|w| !w.ends_with(',')).map(str::to_owned))
            .collect()
    };
    let below = first_words("Commands:");
    for name in &below {
        descend(&[at, &[name]].concat(), commands);
    }
    let everywhere = ["--json", "--log", "--log-format", "--help", "--version"];
    let all = first_words("Options:");
    assert!(everywhere.iter().all(|option| all.iter().any(|o| o == option)), "the help was not read well: {help}");
    let own = all.into_iter().filter(|o| o.starts_with("--") && !everywhere.contains(&o.as_str()));
    let own: Vec<String> = own.collect();
    // A command that has others below it may do something by itself.
    if below.is_empty() || !own.is_empty() {
        commands.insert(format!("callbook {}", at.join(" ")), own);
    }
}

/// `dns.listen` and its value for each key, whatever the depth.
fn flatten(prefix: &str, value: &toml::Value, keys: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(name, inner)| {
            let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            flatten(&name, inner, keys);
        }),
        leaf => {
            keys.insert(prefix.to_owned(), leaf.to_string());
        }
    }
}
