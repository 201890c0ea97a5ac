//! Zonemaster, the tester of registries, comes from the root of the lab and finds nothing wrong with our zones.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::lab::{Lab, STATIC_APEX};
use super::namespace::{Network, alone};
use crate::dns::house::{APEX, run, text};
use crate::{peers, source};

/// Warnings and errors that the lab earns, each with its reason. docs/STANDARDS.md has them too.
const EXPECTED: [(&str, &str); 2] = [
    ("NAMESERVER_IP_PRIVATE_NETWORK", "the lab's addresses are those for documentation"),
    ("NAMESERVER_IP_WITHOUT_REVERSE", "the lab has no reverse zones"),
];
/// What it must have seen with content, so that silence is no praise.
const SEEN: [&str; 16] = [
    "HAS_NAMESERVERS",
    "ONE_SOA_SERIAL",
    "ONE_NS_SET",
    "ADDRESSES_MATCH",
    "ALGORITHM_OK",
    "DS10_HAS_NSEC",
    "ENOUGH_NS_CHILD",
    "ARE_AUTHORITATIVE",
    "NAMES_MATCH",
    "NO_RECURSOR",
    "EDNS0_SUPPORT",
    "AXFR_FAILURE",
    "SAME_SOURCE_IP",
    "NO_UPWARD_REFERRAL",
    "QNAME_CASE_SENSITIVE",
    "ONE_SOA",
];

#[test]
fn zonemaster_finds_nothing_wrong() {
    if peers::program("zonemaster-cli").is_none() {
        return;
    }
    alone("judges::zonemaster::zonemaster_finds_nothing_wrong", Network::Loopback, || {
        let lab = Lab::open();
        std::fs::write(lab.path("hints"), ". 3600 IN NS ns.\nns. 3600 IN A 192.0.2.1\n").expect("hints");
        for apex in [APEX, STATIC_APEX] {
            let mut command = Command::new("zonemaster-cli");
            command.arg("--hints").arg(lab.path("hints"));
            command.args(["--no-ipv6", "--level", "INFO", "--json", "--no-progress", "--show-testcase"]);
            let output = run(command.arg(apex.trim_end_matches('.')));
            let found: Value =
                serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}\n{}", text(&output)));
            let found = found.as_array().expect("a list");
            let tags: BTreeSet<&str> = found.iter().filter_map(|entry| entry["tag"].as_str()).collect();
            let wrong: Vec<String> = found.iter().filter(|entry| is_wrong(entry)).map(Value::to_string).collect();
            assert!(wrong.is_empty(), "{apex}\n{}", wrong.join("\n"));
            let unseen: Vec<&&str> = SEEN.iter().filter(|tag| !tags.contains(**tag)).collect();
            assert!(unseen.is_empty(), "{apex}: not seen {unseen:?}\n{}", text(&output));
        }
    });
}

fn is_wrong(entry: &Value) -> bool {
    let (level, tag) = (entry["level"].as_str().unwrap_or_default(), entry["tag"].as_str().unwrap_or_default());
    ["WARNING", "ERROR", "CRITICAL"].contains(&level) && !EXPECTED.iter().any(|(expected, _)| *expected == tag)
}

#[test]
fn every_expected_finding_has_its_row() {
    let text = source::read(&source::root().join("docs/STANDARDS.md"));
    for (tag, reason) in EXPECTED {
        let row = format!("| `{tag}` | {reason} |");
        assert!(text.lines().any(|line| line == row), "docs/STANDARDS.md: no row {row}");
    }
}
