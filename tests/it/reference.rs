//! The reference pages against the code: every key that exists is explained, with the default that it has.

use std::collections::BTreeMap;

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
