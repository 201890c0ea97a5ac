//! Transfer over TLS (RFC 9103).

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use callbook::clock::SystemClock;
use callbook::nameserver::Transport;

use super::home::{Home, KEY, SECRET, axfr, signed};
use super::secondaries::{Secondary, told};
use crate::dns::streams::authority::{Ca, NAME};
use crate::peers;
use crate::ports::free_port;

const TEXT: &str = "@ 60 IN SOA ns h 10 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\nx IN TXT \"over TLS\"\n";

#[test]
fn kdig_and_bind_fetch_over_tls_and_nobody_without() {
    let (Some(kdig), Some(_)) = (peers::program("kdig"), peers::program("named")) else { return };
    let (ca, at, dir) = (Ca::new(), free_port(), tempfile::tempdir().expect("a folder"));
    let home = Home::new(&[("a.example.", TEXT, &format!("transfer_over_tls = true\n{}", told(&[at])))], "");
    let service = home.serve_with(Arc::new(SystemClock), ca.dns()).expect("it can be served");
    let over_tls: SocketAddr = service
        .dns
        .encrypted()
        .iter()
        .find_map(|(transport, address)| (*transport == Transport::Tls).then_some(*address))
        .expect("a port for TLS");
    assert!(axfr(service.address, "a.example", &[&signed()]).is_empty(), "TCP alone is not enough");
    let mut command = Command::new(kdig);
    command.arg(format!("@{}", over_tls.ip())).args(["-p", &over_tls.port().to_string()]);
    command.args([format!("+tls-ca={}", ca.path("ca.pem").display()), format!("+tls-hostname={NAME}")]);
    let output =
        command.args(["-y", &format!("hmac-sha256:{KEY}:{SECRET}"), "a.example", "AXFR"]).output().expect("kdig runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("\"over TLS\"") && said.contains("5 records"), "{said}");
    let _bind = Secondary::bind_over_tls(at, over_tls, &["a.example."], dir.path());
    home.wait_until_current();
    assert_eq!(axfr(at, "a.example", &[]).len(), 4);
    home.edit("a.example.", |text| text.replace(" 10 ", " 11 ") + "y IN TXT \"too\"\n");
    assert_eq!(home.run(&["zone", "reload"]).0, 0);
    home.wait_until_current();
    assert_eq!(axfr(at, "a.example", &[]).len(), 5);
    let tls = service.dns.counters().iter().flat_map(|w| w.answers().collect::<Vec<_>>()).collect::<Vec<_>>();
    assert!(tls.iter().any(|cell| cell.transport == "tls" && cell.qtype == "IXFR" && cell.count > 0), "{tls:?}");
}
