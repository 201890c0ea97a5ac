//! Knot, NSD and BIND as children on loopback, each with a configuration of its own in a temporary folder.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::packet::Question;
use super::zones::Zone;
use crate::peers;
use crate::ports::free_port;

/// Questions on their way to one server: few enough for any socket's buffer.
const WINDOW: usize = 48;
/// A server that says nothing for so long has dropped what was asked.
const PATIENCE: Duration = Duration::from_millis(250);
const ROUNDS: usize = 40;
/// Ports are found free, not held: somebody may be faster.
const START_TRIES: usize = 3;

/// A sort of server: its name and the programs that it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Knot,
    Nsd,
    Bind,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Knot, Kind::Nsd, Kind::Bind];

/// A running peer; ends with its value.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
            Self::Bind => "named",
        }
    }

    fn config(self, dir: &Path, port: u16, zones: &[(String, PathBuf)]) -> String {
        let (dir, each) = (dir.display(), |line: &dyn Fn(&str, &Path) -> String| -> String {
            zones.iter().map(|(apex, file)| line(apex, file)).collect()
        });
        match self {
            Self::Knot => format!(
                "server:\n  rundir: {dir}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  \
                 background-workers: 1\n  udp-max-payload: 1232\ndatabase:\n  storage: {dir}\nlog:\n  - target: stderr\n    \
                 any: error\nzone:\n{}",
                each(&|apex, file| format!(
                    "  - domain: \"{apex}\"\n    file: {}\n    semantic-checks: off\n",
                    file.display()
                )),
            ),
            Self::Nsd => format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  port: {port}\n  server-count: 1\n  username: \"\"\n  \
                 zonesdir: \"{dir}\"\n  database: \"\"\n  pidfile: \"{dir}/nsd.pid\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  \
                 zonelistfile: \"{dir}/zone.list\"\n  logfile: \"{dir}/nsd.log\"\n  ipv4-edns-size: 1232\n  refuse-any: no\n  \
                 rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n{}",
                each(&|apex, file| format!("zone:\n  name: \"{apex}\"\n  zonefile: \"{}\"\n", file.display())),
            ),
            Self::Bind => format!(
                "options {{ directory \"{dir}\"; pid-file \"{dir}/named.pid\"; session-keyfile \"{dir}/session.key\"; \
                 listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; minimal-responses yes; \
                 minimal-any no; max-udp-size 1232; edns-udp-size 1232; nocookie-udp-size 1232; notify no; \
                 dnssec-validation no; empty-zones-enable no; answer-cookie no; zero-no-soa-ttl no; }};\ncontrols {{ }};\n{}",
                each(&|apex, file| format!(
                    "zone \"{apex}\" {{ type master; file \"{}\"; check-integrity no; check-names ignore; }};\n",
                    file.display()
                )),
            ),
        }
    }

    fn command(self, config: &Path) -> Option<Command> {
        let mut command = Command::new(peers::program(self.program())?);
        match self {
            Self::Knot => command.arg("-c").arg(config),
            Self::Nsd => command.args(["-d", "-c"]).arg(config),
            Self::Bind => command.args(["-g", "-n", "1", "-c"]).arg(config),
        };
        Some(command)
    }
}

impl Peer {
    /// Starts a server with these zones and waits until it answers for each; none if it is not installed.
    pub(crate) fn start(kind: Kind, zones: &[Zone], dir: &Path) -> Option<Self> {
        peers::program(kind.program())?;
        let dir = dir.join(kind.program());
        std::fs::create_dir_all(&dir).expect("a folder");
        let files: Vec<(String, PathBuf)> = zones
            .iter()
            .enumerate()
            .map(|(i, zone)| {
                let file = dir.join(format!("{i}.zone"));
                std::fs::write(&file, format!("$ORIGIN {}\n{}", zone.apex, zone.text)).expect("a zone file");
                (zone.apex.to_owned(), file)
            })
            .collect();
        for _ in 0..START_TRIES {
            let address = free_port();
            let config = dir.join("server.conf");
            std::fs::write(&config, kind.config(&dir, address.port(), &files)).expect("a configuration");
            let log = std::fs::File::create(dir.join("stderr")).expect("a log");
            let command = kind.command(&config)?.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
            let peer = Self { address, child: command.expect("a child") };
            if peer.serves(zones) {
                return Some(peer);
            }
        }
        let said = std::fs::read_to_string(dir.join("stderr")).unwrap_or_default();
        let said = said + &std::fs::read_to_string(dir.join("nsd.log")).unwrap_or_default();
        panic!("{kind:?} does not serve {:?}:\n{said}", zones.iter().map(|z| z.apex).collect::<Vec<_>>());
    }

    fn serves(&self, zones: &[Zone]) -> bool {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let mut answer = [0u8; 4_096];
        zones.iter().all(|zone| {
            let soa = Question {
                qname: zone.name().as_wire().to_vec(),
                qtype: callbook::wire::RrType::SOA,
                edns: None,
                rd: true,
                cd: false,
            };
            (0..100).any(|id| {
                let sent = socket.send_to(&soa.packet(id), self.address).is_ok();
                // NOERROR with one answer; a server that starts says SERVFAIL or REFUSED, or nothing.
                sent && socket.recv(&mut answer).is_ok_and(|n| n > 12 && answer[3] & 15 == 0 && answer[7] > 0)
            })
        })
    }
}

/// A validating resolver that asks `server` about the zones and trusts these anchors.
pub(crate) fn unbound(zones: &[Zone], server: SocketAddr, anchors: &str, dir: &Path) -> Option<Peer> {
    unbound_over(zones, &[server], anchors, dir)
}

/// The same over several servers, any of which it may ask.
pub(crate) fn unbound_over(zones: &[Zone], servers: &[SocketAddr], anchors: &str, dir: &Path) -> Option<Peer> {
    let program = peers::program("unbound")?;
    std::fs::write(dir.join("anchors"), anchors).expect("anchors");
    let addresses: String =
        servers.iter().map(|server| format!("  stub-addr: {}@{}\n", server.ip(), server.port())).collect();
    let stubs: String =
        zones.iter().map(|zone| format!("stub-zone:\n  name: \"{}\"\n{addresses}", zone.apex)).collect();
    for _ in 0..START_TRIES {
        let address = free_port();
        let config = dir.join("unbound.conf");
        let text = format!(
            "server:\n  interface: {0}@{1}\n  port: {1}\n  do-daemonize: no\n  use-syslog: no\n  chroot: \"\"\n  \
             username: \"\"\n  directory: \"{2}\"\n  pidfile: \"{2}/unbound.pid\"\n  do-not-query-localhost: no\n  \
             trust-anchor-file: \"{2}/anchors\"\n  module-config: \"validator iterator\"\n  aggressive-nsec: no\n  harden-algo-downgrade: yes\n  \
             local-zone: \"test.\" nodefault\n  local-zone: \"invalid.\" static\n  target-fetch-policy: \"0 0 0 0 0\"\n  \
             num-queries-per-thread: 512\n{stubs}remote-control:\n  control-enable: no\n",
            address.ip(),
            address.port(),
            dir.display(),
        );
        std::fs::write(&config, text).expect("a configuration");
        let log = std::fs::File::create(dir.join("stderr")).expect("a log");
        let mut command = Command::new(&program);
        command.arg("-d").arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let peer = Peer { address, child: command.spawn().expect("a child") };
        if peer.serves(&zones[..1]) {
            return Some(peer);
        }
    }
    panic!("unbound does not start:\n{}", std::fs::read_to_string(dir.join("stderr")).unwrap_or_default());
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Not SIGKILL: nsd is several processes, and the first one ends the others.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Asks everything over UDP, some at a time; what stays unanswered is asked again.
pub(crate) fn ask_all(server: SocketAddr, questions: &[Question]) -> Vec<Vec<u8>> {
    assert!(questions.len() <= usize::from(u16::MAX), "ids tell answers apart");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.connect(server).expect("loopback");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut answers: Vec<Vec<u8>> = vec![Vec::new(); questions.len()];
    let mut buffer = vec![0; 65_535];
    for _ in 0..ROUNDS {
        let missing: Vec<usize> = (0..answers.len()).filter(|i| answers[*i].is_empty()).collect();
        if missing.is_empty() {
            return answers;
        }
        let (mut waiting, mut sent) = (0usize, missing.iter());
        loop {
            while waiting < WINDOW
                && let Some(i) = sent.next()
            {
                socket.send(&questions[*i].packet(*i as u16)).expect("sent");
                waiting += 1;
            }
            if waiting == 0 {
                break;
            }
            let Ok(octets) = socket.recv(&mut buffer) else { break };
            let id = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
            if let Some(answer) = answers.get_mut(id).filter(|answer| answer.is_empty()) {
                *answer = buffer[..octets].to_vec();
                waiting -= 1;
            }
        }
    }
    let silent: Vec<String> =
        questions.iter().zip(&answers).filter(|(_, a)| a.is_empty()).map(|(q, _)| q.to_string()).collect();
    panic!("{server} leaves {} questions without an answer: {:?}", silent.len(), silent.first());
}

/// Asks one question over TCP.
pub(crate) fn ask_tcp(server: SocketAddr, question: &Question) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let packet = question.packet(1);
    let prefix = (packet.len() as u16).to_be_bytes();
    stream.write_all(&[&prefix[..], &packet].concat()).expect("written");
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}
