//! `callbook zone serve` as a child process, ended by its id.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

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
