//! A zone of algorithm 15 (RFC 8080) before the same judges: delv, unbound and ldns call it secure.

use std::process::{Command, Stdio};

use callbook::dnssec::export::{Contents, Zonemd};
use callbook::dnssec::{Algorithm, anchor};
use callbook::wire::Name;
use callbook::zone::Denial;

use super::export::signed;
use super::house::{APEX, House, NUMBERS, ZONE, enum_name, have, run, text};
use super::serving::Serving;
use super::unbound::Unbound;

fn house() -> House {
    House::signed_by(Algorithm::Ed25519)
}

#[test]
fn delv_validates_answers_and_denials() {
    if !have(&["delv"]) {
        return;
    }
    let house = house();
    for (name, qtype, expect) in [
        (enum_name(NUMBERS[0]).as_str(), "NAPTR", "acme.example!"),
        (APEX, "SOA", "hostmaster"),
        (APEX, "DNSKEY", "257 3 15"),
        ("www.e164.example.", "A", "127.0.0.1"),
    ] {
        let said = house.delv(house.address, &[name, qtype]);
        assert!(said.contains("; fully validated") && said.contains(expect), "{name} {qtype}\n{said}");
    }
    for (name, qtype) in [(enum_name("+447700900999"), "NAPTR"), ("nothing.e164.example.".to_owned(), "A")] {
        let said = house.delv(house.address, &[&name, qtype]);
        assert!(said.contains("; negative response, fully validated"), "{name} {qtype}\n{said}");
    }
}

#[test]
fn unbound_calls_it_authentic() {
    if !have(&["unbound", "dig"]) {
        return;
    }
    let house = house();
    let unbound = Unbound::start(&house, house.address);
    let absent = enum_name("+447700900999");
    for (name, qtype) in [(enum_name(NUMBERS[2]).as_str(), "NAPTR"), (APEX, "DNSKEY"), (&absent, "NAPTR")] {
        let said = unbound.dig(name, qtype);
        assert!(said.contains("status: NOERROR") && said.contains(" ad"), "{name} {qtype}\n{said}");
    }
}

#[test]
fn ldns_verifies_the_export_and_makes_the_same_ds() {
    if !have(&["ldns-verify-zone", "ldns-key2ds"]) {
        return;
    }
    let house = house();
    let file = signed(Contents::Numbers(&house.zone), &house.keys, Denial::Nsec3, Zonemd::Without);
    let path = house.path("signed.zone");
    std::fs::write(&path, &file).unwrap();
    let verified =
        run(Command::new("ldns-verify-zone").args(["-V", "3", "-k"]).arg(house.path("anchor.key")).arg(&path));
    assert!(text(&verified).contains("Zone is verified and complete"), "{}", text(&verified));
    let ds = run(Command::new("ldns-key2ds").args(["-n", "-2"]).arg(house.path("anchor.key")));
    let theirs = text(&ds).split_whitespace().last().unwrap_or_default().to_uppercase();
    let ours = anchor::ds_text(&Name::from_text(APEX).unwrap(), &house.keys);
    assert!(theirs.len() == 64 && ours.contains(&format!(" 15 2 {theirs}")), "{ours}{}", text(&ds));
}

fn callbook(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn zone_serve_signs_with_it() {
    if !have(&["delv"]) {
        return;
    }
    let house = house();
    let file = house.path("plain.zone");
    std::fs::write(&file, ZONE).unwrap();
    let serving = Serving::start(&file, APEX, &["--algorithm", "15"]);
    let dnskey = serving.facts["anchor"].as_str().unwrap().split(" DNSKEY ").nth(1).unwrap();
    let (fields, key) = dnskey.trim().rsplit_once(' ').unwrap();
    assert_eq!(fields, "257 3 15");
    let anchor = format!("trust-anchors {{\n    \"{APEX}\" static-key {fields} \"{key}\";\n}};\n");
    std::fs::write(house.path("anchor.delv"), anchor).unwrap();
    let said = house.delv(serving.address, &[APEX, "TXT"]);
    assert!(said.contains("; fully validated") && said.contains("a directory"), "{said}");
}

#[test]
fn an_installation_keeps_the_algorithm_of_its_keys() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("made");
    let dir = dir.to_str().unwrap();
    let made = run(&mut callbook(&["init", "--dir", dir, "--apex", "e164.example", "--algorithm", "15"]));
    assert!(made.status.success(), "{}", text(&made));
    let ds = run(&mut callbook(&["keys", "ds", "--dir", dir]));
    assert!(text(&ds).contains(" 15 2 "), "{}", text(&ds));
    let listed = run(&mut callbook(&["keys", "list", "--dir", dir]));
    assert!(text(&listed).matches("15 ED25519").count() == 2, "{}", text(&listed));
    let config = home.path().join("made/config.toml");
    let changed = std::fs::read_to_string(&config).unwrap().replace("algorithm = 15", "algorithm = 13");
    std::fs::write(&config, changed).unwrap();
    // The keys count, whatever the file says: an algorithm is changed by a roll.
    let listed = run(&mut callbook(&["keys", "list", "--dir", dir]));
    assert!(text(&listed).matches("15 ED25519").count() == 2, "{}", text(&listed));
    let status = run(&mut callbook(&["keys", "status", "--dir", dir]));
    assert!(text(&status).contains("set dnssec.algorithm = 15"), "{}", text(&status));
    let unknown = run(&mut callbook(&["init", "--dir", "/nonexistent", "--apex", "e164.example", "--algorithm", "8"]));
    assert!(text(&unknown).contains("13 (ECDSA P-256 with SHA-256) and 15 (Ed25519)"), "{}", text(&unknown));
}
