//! `callbook zone serve` as a child process, ended by its id.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::house::{have, run, text};

/// Serves one master file until it is dropped.
pub(crate) struct Serving {
    /// What it said when it was ready.
    pub(crate) facts: Value,
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Serving {
    /// Serves the file on a free port of loopback; `more` are further arguments.
    pub(crate) fn start(file: &Path, apex: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_callbook"))
            .args(["zone", "serve", "--origin", apex, "--listen", "127.0.0.1:0", "--json"])
            .args(more)
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its output is text");
        let facts: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("zone serve said {line:?}: {e}"));
        let address = facts["dns"][0].as_str().expect("an address").parse().expect("an address");
        Self { facts, address, child }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn zone_serve_denies_by_the_chain_that_was_asked_for() {
    if !have(&["dig"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("zone");
    std::fs::write(&file, "$TTL 60\n@ IN SOA ns h 1 2 3 4 5\n@ IN NS ns\nns IN A 192.0.2.1\n").expect("a zone file");
    for (more, denial, chain) in [(vec![], "nsec", "NSEC"), (vec!["--denial", "nsec3"], "nsec3", "NSEC3")] {
        let serving = Serving::start(&file, "a.example", &more);
        assert_eq!(serving.facts["denial"], denial);
        let server = [format!("@{}", serving.address.ip()), "-p".into(), serving.address.port().to_string()];
        let said = text(&run(Command::new("dig").args(server).args(["+dnssec", "x.y.a.example", "A"])));
        let has = |rr_type: &str| said.lines().any(|line| line.split_whitespace().nth(3) == Some(rr_type));
        assert!(
            said.contains("status: NXDOMAIN") && (has("NSEC"), has("NSEC3")) == (chain == "NSEC", chain == "NSEC3"),
            "{said}"
        );
    }
    for (more, word) in
        [(["--denial", "nsec5"], "nsec or nsec3"), (["--unsigned", "--denial=nsec3"], "cannot be used with")]
    {
        let program = env!("CARGO_BIN_EXE_callbook");
        let output =
            Command::new(program).args(["zone", "serve", "--origin", "a.example"]).args(more).arg(&file).output();
        let output = output.expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(word), "{said}");
    }
}
