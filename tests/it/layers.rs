//! The order of the rooms: who may import whom, which crates may stand where, and what never meets.

use std::path::Path;

use crate::source::{self, Named, Token};

/// The rooms from the top: a room may import only rooms that stand above it.
const ORDER: [&str; 23] = [
    "number",
    "clock",
    "seal",
    "config",
    "telemetry",
    "wire",
    "log",
    "charter",
    "registry",
    "zone",
    "dnssec",
    "nameserver",
    "api",
    "client",
    "signer",
    "ledger",
    "authority",
    "attest",
    "rdap",
    "http",
    "net",
    "primary",
    "cli",
];

/// What the order would allow and the house does not: room, rooms that it never names, and why.
const NEVER: [(&str, &[&str], &str); 11] = [
    ("wire", &["registry", "ledger", "charter", "api", "http"], "the hot path's bytes know no law"),
    (
        "zone",
        &["registry", "ledger", "charter", "api", "http"],
        "what is served is handed in; DNS works without ledger",
    ),
    ("nameserver", &["registry", "ledger", "charter", "api", "http"], "nothing in DNS decides or writes"),
    ("net", &["registry", "ledger", "charter", "api", "http"], "sockets carry bytes and know no law"),
    ("primary", &["registry", "ledger", "charter", "api", "http"], "static zones know no law and no numbers"),
    ("http", &["zone", "dnssec", "nameserver"], "nothing in HTTP touches a zone: it asks the authority"),
    ("registry", &["wire"], "the law is pure and knows no packets"),
    ("rdap", &["zone", "dnssec", "nameserver", "ledger"], "it says what the authority says, in other words"),
    ("client", &["signer", "ledger", "authority", "attest", "http", "net"], "those who ask carry no server code"),
    ("ledger", &["zone", "dnssec", "http"], "truth does not know what is derived from it"),
    ("attest", &["http"], "those who watch do not depend on what they watch"),
];

/// Crates from outside that belong to some rooms alone (or to one file), and why.
const THIRD_PARTIES: [(&str, &[&str], &str); 26] = [
    ("argon2", &["seal/form"], "passphrases meet keys in one place"),
    ("aws_lc_rs", &["dnssec/by_aws_lc"], "an alternative for zone signatures alone"),
    ("cryptoki", &["dnssec/pkcs11"], "tokens are spoken to in one folder"),
    (
        "rusqlite",
        &["ledger", "attest/auditor/store"],
        "SQL only in ledger, and where an auditor keeps what he has replayed",
    ),
    ("axum", &["http", "net", "attest/witness/http"], "the web framework ends at the resources"),
    ("tower_http", &["http", "net"], "the web framework ends at the resources"),
    ("maud", &["http"], "pages are made where they are served"),
    ("utoipa", &["api", "http"], "the API's description is made where its types and resources stand"),
    ("utoipa_axum", &["http"], "the API's description is made where its types and resources stand"),
    (
        "tokio",
        &["http", "net", "ledger", "authority", "attest", "client", "cli"],
        "the law and the answer are synchronous",
    ),
    ("hickory_server", &["nameserver/rare"], "the interface of the slow path alone"),
    ("hickory_net", &["client", "cli"], "only those who ask send queries"),
    ("hickory_resolver", &["client", "cli"], "only those who ask send queries"),
    ("ureq", &["client", "cli", "authority/webhooks/courier"], "only those who ask make HTTP requests, and webhooks"),
    ("clap", &["cli"], "one room is the command line"),
    ("clap_complete", &["cli"], "one room is the command line"),
    ("clap_mangen", &["cli"], "one room is the command line"),
    ("indicatif", &["cli"], "only cli prints"),
    ("tracing_subscriber", &["telemetry", "cli"], "one room says where events go"),
    ("rustix", &["cli/disk"], "the room on a disk, and no other call of the system"),
    ("socket2", &["net"], "sockets only in net"),
    ("hyper", &["net"], "connections are kept in net"),
    ("quinn", &["net"], "sockets only in net"),
    ("rustls", &["net", "client/provider/tls"], "connections are kept in net; a certificate is held against its key"),
    ("tokio_rustls", &["net"], "connections are kept in net"),
    ("libc", &["net/udp/system"], "the one door to the system's calls"),
];

/// Rooms that are handed time, randomness and bytes: no file, socket, process or thread.
const PURE: [&str; 7] = ["number", "wire", "log", "charter", "registry", "zone", "nameserver"];
/// What a pure room does not name.
const EFFECTS: [&str; 8] = [
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "std::io::stdin",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
];

/// Rooms that may read the machine's time and environment; everything else is handed them.
const READS_MACHINE: [&str; 4] = ["clock", "config", "net", "cli"];
const MACHINE: [&str; 5] = ["SystemTime::now", "Instant::now", "env::var", "env::var_os", "env::vars"];

const PRINTS: [&str; 5] = ["println", "print", "eprintln", "eprint", "dbg"];
const UNSAFE_ROOM: &str = "net/udp/system";

#[test]
fn every_file_keeps_the_order_of_rooms() {
    let src = source::root().join("src");
    let broken: Vec<String> = source::files(&src, "rs")
        .iter()
        .flat_map(|path| broken_rules(path.strip_prefix(&src).expect("below src"), &source::read(path)))
        .collect();
    assert!(broken.is_empty(), "the order of rooms is broken (docs/ARCHITECTURE.md):\n{}", broken.join("\n"));
}

/// Every rule that a file breaks, as `src/file:line: rule`.
fn broken_rules(below_src: &Path, source: &str) -> Vec<String> {
    let module = source::module(below_src);
    let place = module.join("/");
    let room = module.first().map_or("", String::as_str);
    let mut broken = Vec::new();
    let mut say = |line: usize, rule: String| broken.push(format!("src/{}:{line}: {rule}", below_src.display()));
    if !room.is_empty() && !ORDER.contains(&room) {
        say(1, format!("{room} stands in no list: give it a place in the order of rooms"));
        return broken;
    }
    for path in source::paths(source, &module) {
        if let Some(rule) = import_rule(room, &path).or_else(|| third_party_rule(room, &place, &path)) {
            say(path.line, rule);
        }
        if let Some(rule) = effect_rule(room, &path) {
            say(path.line, rule);
        }
    }
    for (line, rule) in word_rules(room, &place, &source::tokens(source)) {
        say(line, rule);
    }
    broken
}

fn import_rule(room: &str, path: &Named) -> Option<String> {
    let target = path.room()?;
    // The root declares the rooms and may lead into any; a room's own files may name each other.
    if room.is_empty() || target == room {
        return None;
    }
    let place = |name: &str| ORDER.iter().position(|r| *r == name);
    let Some(stands) = place(target) else {
        return Some(format!("crate::{target} is no room: import by crate::room::…"));
    };
    if let Some((_, _, why)) = NEVER.iter().find(|(r, never, _)| *r == room && never.contains(&target)) {
        return Some(format!("{room} never imports {target}: {why}"));
    }
    (Some(stands) > place(room)).then(|| format!("{room} stands above {target} and may not import it"))
}

fn third_party_rule(room: &str, place: &str, path: &Named) -> Option<String> {
    let name = path.outside()?;
    if room == "registry" && (path.starts_with("std::future") || path.starts_with("std::task")) {
        return Some("nothing in registry is asynchronous: the law is a pure function".into());
    }
    let (_, rooms, why) = THIRD_PARTIES.iter().find(|(n, _, _)| *n == name)?;
    let allowed = rooms.iter().any(|r| *r == room || *r == place || place.starts_with(&format!("{r}/")));
    (!allowed).then(|| format!("{name} stands only in {}: {why}", rooms.join(", ")))
}

fn effect_rule(room: &str, path: &Named) -> Option<String> {
    if PURE.contains(&room)
        && let Some(effect) = EFFECTS.iter().find(|e| path.starts_with(e))
    {
        return Some(format!("{room} is pure and may not name {effect}: time, randomness and I/O are arguments"));
    }
    let what = MACHINE.iter().find(|m| path.ends_with(m))?;
    (!READS_MACHINE.contains(&room)).then(|| format!("{what} only in {}", READS_MACHINE.join(", ")))
}

fn word_rules(room: &str, place: &str, tokens: &[Token]) -> Vec<(usize, String)> {
    let next_is = |i: usize, mark: &str| tokens.get(i + 1).is_some_and(|t| t.text == mark);
    let mut broken = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let word = token.text.as_str();
        if word == "unsafe" && place != UNSAFE_ROOM {
            broken.push((token.line, format!("unsafe only in src/{UNSAFE_ROOM}.rs")));
        }
        if room != "cli" && PRINTS.contains(&word) && next_is(i, "!") {
            broken.push((token.line, format!("{word}! only in cli: everything else returns or traces")));
        }
        if room == "registry" && matches!(word, "async" | "await") {
            broken.push((token.line, "nothing in registry is asynchronous: the law is a pure function".into()));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(file: &str, source: &str) -> String {
        broken_rules(Path::new(file), source).join("\n")
    }

    #[test]
    fn a_lower_room_is_caught_with_file_line_and_rule() {
        let source = "//! x\n\nuse crate::{number::Number, ledger::Ledger};\n";
        assert_eq!(
            broken("registry/decide.rs", source),
            "src/registry/decide.rs:3: registry stands above ledger and may not import it"
        );
    }

    #[test]
    fn what_never_meets_is_caught_in_every_way_of_writing() {
        for source in [
            "use crate::zone::View;",
            "pub use crate::{zone as z};",
            "fn f() { crate::zone::view(); }",
            "#[cfg(test)] mod tests { use super::super::super::zone::View; }",
            "type V = super::super::zone::View;",
        ] {
            assert!(broken("http/numbers.rs", source).contains("http never imports zone"), "{source}");
        }
    }

    #[test]
    fn third_parties_stay_in_their_rooms() {
        assert!(broken("http/numbers.rs", "use rusqlite::Connection;").contains("rusqlite stands only in ledger"));
        assert!(broken("nameserver/mod.rs", "#[tokio::test] fn f() {}").contains("tokio stands only in"));
        assert!(broken("net/tcp.rs", "let x = libc::recv;").contains("libc stands only in net/udp/system"));
        assert_eq!(broken("net/udp/system.rs", "use libc::recvmmsg; unsafe {}"), "");
        assert_eq!(broken("ledger/writer.rs", "use rusqlite::Connection; use tokio::sync::mpsc;"), "");
    }

    #[test]
    fn unsafe_printing_and_the_machine_stay_in_their_rooms() {
        assert!(broken("zone/table.rs", "fn f() { unsafe { g() } }").contains("unsafe only in src/net/udp/system.rs"));
        assert!(broken("ledger/mod.rs", "fn f() { println!(\"x\") }").contains("println! only in cli"));
        assert!(
            broken("log/key.rs", "let t = std::time::SystemTime::now();").contains("SystemTime::now only in clock")
        );
        assert!(broken("zone/mod.rs", "use std::{io, fs::File};").contains("zone is pure"));
        assert!(broken("registry/decide.rs", "async fn f() {}").contains("asynchronous"));
        assert_eq!(broken("cli/mod.rs", "fn f() { println!(\"x\"); let t = Instant::now(); }"), "");
    }

    #[test]
    fn a_room_of_no_list_is_caught() {
        assert!(broken("helpers.rs", "").contains("stands in no list"));
        assert!(broken("api/mod.rs", "use crate::Number;").contains("crate::Number is no room"));
    }

    #[test]
    fn what_is_allowed_stays_allowed() {
        let source = "use std::net::IpAddr; use super::slots; use crate::number::Number; // use crate::ledger::X;\n\
                      mod tests { use super::*; const S: &str = \"crate::http::x\"; }";
        assert_eq!(broken("zone/table.rs", source), "");
        assert_eq!(broken("lib.rs", "pub mod number; pub use crate::cli::run;"), "");
    }
}
