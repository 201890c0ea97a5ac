//! unbound, started here on a free loopback port, marks our answers AD and refuses changed ones.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::ask::{Dnssec, query};
use super::house::{APEX, House, NUMBERS, enum_name, have, run, text};
use super::tamper::{Proxy, flip_a_bit, strip_signatures};
use crate::ports::free_port;
use hickory_proto::rr::RecordType;

pub(super) struct Unbound {
    child: Child,
    address: SocketAddr,
}

impl Unbound {
    /// Starts a resolver that knows one zone and its anchor, and waits until it answers.
    pub(super) fn start(house: &House, server: SocketAddr) -> Self {
        let address = free_port();
        let (file, pid) = (house.path(&format!("unbound-{}.conf", address.port())), house.path("unbound.pid"));
        let config = format!(
            "server:\n  interface: {}@{}\n  port: {}\n  do-daemonize: no\n  use-syslog: no\n  chroot: \"\"\n  username: \"\"\n  \
             directory: \"{}\"\n  pidfile: \"{}\"\n  do-not-query-localhost: no\n  trust-anchor-file: \"{}\"\n  \
             qname-minimisation: yes\n  module-config: \"validator iterator\"\n  target-fetch-policy: \"0 0 0 0 0\"\n\
             stub-zone:\n  name: \"{APEX}\"\n  stub-addr: {}@{}\nremote-control:\n  control-enable: no\n",
            address.ip(),
            address.port(),
            address.port(),
            house.dir.path().display(),
            pid.display(),
            house.path("anchor.key").display(),
            server.ip(),
            server.port(),
        );
        std::fs::write(&file, config).unwrap();
        let child = Command::new("/usr/sbin/unbound")
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let unbound = Self { child, address };
        unbound.await_first_answer();
        unbound
    }

    fn await_first_answer(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let asked = query("localhost.", RecordType::A, Dnssec::No);
        let answered = |_| socket.send_to(&asked, self.address).is_ok() && socket.recv(&mut [0; 512]).is_ok();
        assert!((0..200).any(answered), "unbound did not start");
    }

    pub(super) fn dig(&self, name: &str, qtype: &str) -> String {
        let server = [format!("@{}", self.address.ip()), "-p".into(), self.address.port().to_string()];
        text(&run(Command::new("dig").args(server).args(["+dnssec", "+tries=1", "+time=10", name, qtype])))
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn unbound_calls_answers_and_denials_authentic() {
    if !have(&["unbound", "dig"]) {
        return;
    }
    let house = House::open();
    let unbound = Unbound::start(&house, house.address);
    let number = enum_name(NUMBERS[2]);
    let hash = callbook::zone::hashes::owner_label(NUMBERS[2].parse().unwrap());
    let mut questions: Vec<(String, &str)> = vec![
        (number.clone(), "NAPTR"),
        (format!("_id.{number}"), "TLSA"),
        (format!("_e2e.{number}"), "TLSA"),
        (format!("_keys.{number}"), "TXT"),
        (format!("{hash}._openpgpkey.{APEX}"), "OPENPGPKEY"),
        (format!("{hash}._smimecert.{APEX}"), "SMIMEA"),
        (APEX.to_owned(), "SOA"),
        (APEX.to_owned(), "DNSKEY"),
        (number.clone(), "TXT"),
        (enum_name("+447700900999"), "NAPTR"),
        ("nothing.e164.example.".to_owned(), "A"),
        ("er.e164.example.".to_owned(), "A"),
        ("www.e164.example.".to_owned(), "A"),
    ];
    let digits = number.len() - APEX.len();
    questions.extend((2..digits).step_by(2).map(|at| (number[at..].to_owned(), "NAPTR")));
    for (name, qtype) in questions {
        let said = unbound.dig(&name, qtype);
        let code = said.contains("status: NOERROR") || name.starts_with("nothing");
        assert!(said.contains(" ad;") || said.contains(" ad "), "{name} {qtype}\n{said}");
        assert!(code, "{name} {qtype}\n{said}");
    }
}

#[test]
fn unbound_host_says_secure() {
    if !have(&["unbound-host"]) {
        return;
    }
    let house = House::open();
    let file = house.path("host.conf");
    let config = format!(
        "server:\n  do-not-query-localhost: no\n  trust-anchor-file: \"{}\"\nstub-zone:\n  name: \"{APEX}\"\n  stub-addr: {}@{}\n",
        house.path("anchor.key").display(),
        house.address.ip(),
        house.address.port(),
    );
    std::fs::write(&file, config).unwrap();
    let number = enum_name(NUMBERS[0]);
    for (name, qtype) in [(number.as_str(), "NAPTR"), (&number, "TLSA"), (&number[2..], "NAPTR"), (APEX, "SOA")] {
        let said = text(&run(Command::new("unbound-host").arg("-C").arg(&file).args(["-v", "-t", qtype, name])));
        assert!(said.contains("(secure)"), "{name} {qtype}\n{said}");
    }
}

#[test]
fn unbound_refuses_what_a_proxy_changed() {
    if !have(&["unbound", "dig"]) {
        return;
    }
    let house = House::open();
    for change in [flip_a_bit as fn(&mut Vec<u8>), strip_signatures] {
        let proxy = Proxy::between(house.address, change);
        let unbound = Unbound::start(&house, proxy.address);
        let said = unbound.dig(&enum_name(NUMBERS[0]), "NAPTR");
        assert!(said.contains("status: SERVFAIL"), "{said}");
    }
}
