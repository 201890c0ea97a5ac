//! The parent: an installation of the real program, on free ports, with one delegated block; and a resolver over both zones.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use callbook::wire::{Name, RrType};
use serde_json::Value;
use tempfile::TempDir;

use crate::oracle::packet::{AD, Edns, Question, Reply};
use crate::oracle::servers::ask_all;
use crate::peers;
use crate::ports::free_port;

pub(super) const APEX: &str = "e164.example.";
pub(super) const CHILD: &str = "3.3.e164.example.";
/// Everything that is awaited comes within this, on a machine that is busy too.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Parent {
    home: TempDir,
    pub(super) dns: SocketAddr,
    _service: Ending,
}

/// Ends a child whatever becomes of its test.
pub(super) struct Ending(pub(super) Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

impl Parent {
    /// An installation with this in its `[delegation]`, that runs.
    pub(super) fn start(delegation: &str) -> Self {
        Self::start_as(|config| format!("{config}\n[delegation]\n{delegation}\n"))
    }

    /// An installation whose configuration is changed so, that runs.
    pub(super) fn start_as(change: impl FnOnce(&str) -> String) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join("made");
        let init = ["init", "--apex", "e164.example", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--dir"];
        let made = Command::new(env!("CARGO_BIN_EXE_callbook")).args(init).arg(&dir).output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = fs::read_to_string(dir.join("config.toml")).expect("a configuration");
        write(&dir.join("config.toml"), &change(&config));
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        command.args(["serve", "--json", "--dir"]).arg(&dir).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        let facts: Value = serde_json::from_str(&line).expect("a service that starts says where it answers");
        let dns = facts["dns"][0].as_str().expect("an address").parse().expect("an address");
        Self { home, dns, _service: Ending(child) }
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.home.path().join("made")
    }

    /// `zone delegate …`: exit code and JSON.
    pub(super) fn run(&self, args: &[&str]) -> (i32, Value) {
        self.command(&[&["zone", "delegate"], args].concat())
    }

    /// Any command.
    pub(super) fn command(&self, args: &[&str]) -> (i32, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
        let out = command.arg("--json").args(args).arg("--dir").arg(self.dir()).output();
        let out = out.expect("the program runs");
        let said = if out.stdout.is_empty() { &out.stderr } else { &out.stdout };
        let json = serde_json::from_slice(said).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(said)));
        (out.status.code().unwrap_or(-1), json)
    }

    /// Delegates +33 with these DS to one name that is asked at these addresses.
    pub(super) fn delegate(&self, ds: &[String], addresses: &[SocketAddr]) {
        let mut args = vec!["+33".to_owned()];
        let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
        option("--to", format!("ns.{CHILD}"));
        option("--glue", format!("ns.{CHILD}=127.0.0.1"));
        addresses.iter().for_each(|address| option("--address", format!("ns.{CHILD}={address}")));
        ds.iter().for_each(|ds| option("--ds", ds.clone()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, said) = self.run(&args);
        assert_eq!(code, 0, "{said}");
    }

    /// What `--check` says.
    pub(super) fn check(&self, more: &[&str]) -> (i32, Value) {
        self.run(&[&["--check", "+33"], more].concat())
    }

    /// Why `--check` takes nothing.
    pub(super) fn refusal(&self) -> String {
        let (code, said) = self.check(&[]);
        assert_eq!((code, said["verdict"].as_str()), (1, Some("refused")), "{said}");
        assert!(said["reason"].as_str().is_some_and(|reason| reason.len() > 40), "{said}");
        said["code"].as_str().expect("a word").to_owned()
    }

    /// The delegation as `--list` shows it.
    pub(super) fn listed(&self) -> Value {
        let (code, said) = self.run(&["--list"]);
        assert_eq!(code, 0, "{said}");
        said["delegations"][0].clone()
    }

    /// The tags of the DS that are served, in order.
    pub(super) fn ds_tags(&self) -> Vec<u16> {
        let reply = ask(self.dns, CHILD, RrType::DS);
        let ds = reply.answer.iter().filter(|rr| rr.rr_type == RrType::DS.0);
        let mut tags: Vec<u16> = ds.map(|rr| u16::from_be_bytes([rr.rdata[0], rr.rdata[1]])).collect();
        tags.sort_unstable();
        tags
    }
}

/// Waits for something, bounded in time.
pub(super) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "{what} takes too long");
        thread::sleep(TICK);
    }
}

/// Asks an authoritative server.
pub(super) fn ask(server: SocketAddr, name: &str, qtype: RrType) -> Reply {
    asked(server, name, qtype, false)
}

fn asked(server: SocketAddr, name: &str, qtype: RrType, rd: bool) -> Reply {
    let qname = Name::from_text(name).expect("a name").as_wire().to_vec();
    let edns = Some(Edns { version: 0, udp_octets: 1_232, dnssec_ok: true });
    let question = Question { qname, qtype, edns, rd, cd: false };
    Reply::read(&ask_all(server, &[question])[0]).expect("well-formed")
}

/// The CDS of the child as DS in a master file, and their tags.
pub(super) fn cds(server: SocketAddr) -> Vec<String> {
    let reply = ask(server, CHILD, RrType::CDS);
    let cds = reply.answer.iter().filter(|rr| rr.rr_type == RrType::CDS.0);
    let text = |rdata: &[u8]| {
        let (tag, digest) = (u16::from_be_bytes([rdata[0], rdata[1]]), data_encoding::HEXUPPER.encode(&rdata[4..]));
        format!("{tag} {} {} {digest}", rdata[2], rdata[3])
    };
    cds.map(|rr| text(&rr.rdata)).collect()
}

pub(super) fn tag(ds: &str) -> u16 {
    ds.split(' ').next().and_then(|tag| tag.parse().ok()).expect("a DS begins with its tag")
}

/// unbound that trusts the parent's anchor and knows where both zones are; it forgets within a second.
pub(super) struct Resolver {
    address: SocketAddr,
    folder: TempDir,
    _unbound: Ending,
}

impl Resolver {
    pub(super) fn start(parent: &Parent, child: SocketAddr) -> Option<Self> {
        let program = peers::program("unbound")?;
        let (address, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let stub = |name: &str, at: SocketAddr| {
            format!("stub-zone:\n  name: \"{name}\"\n  stub-addr: {}@{}\n", at.ip(), at.port())
        };
        let dir = folder.path().display();
        let text = format!(
            "server:\n  interface: {0}@{1}\n  port: {1}\n  do-daemonize: no\n  use-syslog: no\n  chroot: \"\"\n  username: \"\"\n  \
             directory: \"{dir}\"\n  pidfile: \"{dir}/pid\"\n  do-not-query-localhost: no\n  trust-anchor-file: \"{2}\"\n  \
             module-config: \"validator iterator\"\n  target-fetch-policy: \"0 0 0 0 0\"\n  cache-max-ttl: 1\n  cache-max-negative-ttl: 1\n  \
             val-log-level: 2\n{3}{4}remote-control:\n  control-enable: no\n",
            address.ip(),
            address.port(),
            parent.dir().join("anchor.key").display(),
            stub(APEX, parent.dns),
            stub(CHILD, child),
        );
        fs::write(folder.path().join("conf"), text).expect("written");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new(program);
        command.arg("-d").arg("-c").arg(folder.path().join("conf")).stderr(log);
        let resolver = Self { address, folder, _unbound: Ending(command.spawn().expect("unbound starts")) };
        until("unbound", || is_up(address));
        Some(resolver)
    }

    /// Asserts that the child's data, and that there is none, are proved right now.
    pub(super) fn finds_secure(&self) {
        for (name, qtype) in [(CHILD, RrType::SOA), (CHILD, RrType::DNSKEY), (CHILD, RrType::TXT)] {
            let reply = asked(self.address, name, qtype, true);
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(reply.flags & AD != 0 && reply.rcode == 0, "{name} {qtype:?}: {reply}\n{}", log());
        }
    }

    /// Asserts that the child is known to be insecure.
    pub(super) fn finds_insecure(&self) {
        let reply = asked(self.address, CHILD, RrType::SOA, true);
        assert!(reply.flags & AD == 0 && reply.rcode == 0, "{reply}");
    }
}

fn is_up(server: SocketAddr) -> bool {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let qname = Name::from_text(APEX).expect("a name").as_wire().to_vec();
    let question = Question { qname, qtype: RrType::SOA, edns: None, rd: true, cd: false };
    let mut answer = [0; 512];
    socket.send_to(&question.packet(7), server).is_ok()
        && socket.recv(&mut answer).is_ok_and(|n| n > 12 && answer[3] & 15 == 0)
}

/// A file's text, written.
pub(super) fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
}
