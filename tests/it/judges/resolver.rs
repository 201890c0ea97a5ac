//! A validating resolver as a child, and the questions that each of them is asked.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::lab::{ELSEWHERE, STATIC_APEX};
use super::said::Said;
use crate::dns::ask::{Dnssec, query};
use crate::dns::house::{APEX, NUMBERS, enum_name};

/// Times 100 ms that a resolver may take to start.
const START_TRIES: usize = 200;

/// Ends with its value.
pub(super) struct Resolver {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

/// What a validator must make of a question.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Verdict {
    /// Data, secure.
    Data,
    /// NOERROR without data, secure.
    NoData,
    /// Secure too, perhaps behind an alias; NODATA for those who ask with DO without CO where denial is compact (RFC 9824 2).
    NoName,
    /// Data that nobody vouches for.
    Unsigned,
    Bogus,
}

impl Resolver {
    /// Starts it and waits until it answers on `address`.
    pub(super) fn start(mut command: Command, address: SocketAddr, dir: &Path) -> Self {
        let log = dir.join("resolver.log");
        let both = || File::options().create(true).append(true).open(&log).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(both()).stderr(both()).spawn().expect("the resolver starts");
        let resolver = Self { child, address, log };
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a limit");
        let asked = query("localhost.", RecordType::A, Dnssec::No);
        let answers = (0..START_TRIES).any(|_| {
            let sent = socket.send_to(&asked, address).is_ok();
            let heard = sent && socket.recv(&mut [0; 512]).is_ok();
            if !heard {
                std::thread::sleep(Duration::from_millis(20)); // a port without a listener refuses at once
            }
            heard
        });
        assert!(answers, "it does not start:\n{}", resolver.log());
        resolver
    }

    /// Asks with DO; panics unless the verdict is this one.
    pub(super) fn judges(&self, name: &str, rr_type: &str, verdict: Verdict) {
        let said = Said::ask(self.address, &["+dnssec", "+nocookie", name, rr_type]).remove(0);
        let right = match (verdict, said.status.as_str()) {
            (Verdict::Data, "NOERROR") => said.has("ad") && said.answers("RRSIG") && said.answer.len() > 1,
            (Verdict::NoData, "NOERROR") => said.has("ad") && !said.answers(rr_type),
            (Verdict::NoName, "NOERROR" | "NXDOMAIN") => said.has("ad") && !said.answers(rr_type),
            (Verdict::Unsigned, "NOERROR") => !said.has("ad") && said.answers(rr_type),
            (Verdict::Bogus, "SERVFAIL") => !said.has("ad"),
            _ => false,
        };
        assert!(right, "{name} {rr_type}: {verdict:?} was expected\n{}{}", said.text, self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every sort of answer of the number zone: data, every prefix, absent numbers, the apex and names beside the digits.
pub(super) fn of_numbers() -> Vec<(String, &'static str, Verdict)> {
    use Verdict::{Data, NoData, NoName};
    let (few, all) = (enum_name(NUMBERS[0]), enum_name(NUMBERS[2]));
    let hash = callbook::zone::hashes::owner_label(NUMBERS[2].parse().expect("a number"));
    let mut questions = vec![
        (few.clone(), "NAPTR", Data),
        (all.clone(), "NAPTR", Data),
        (format!("_id.{all}"), "TLSA", Data),
        (format!("_e2e.{all}"), "TLSA", Data),
        (format!("_keys.{all}"), "TXT", Data),
        (format!("{hash}._openpgpkey.{APEX}"), "OPENPGPKEY", Data), // too large for UDP
        (format!("{hash}._smimecert.{APEX}"), "SMIMEA", Data),
        (few.clone(), "TXT", NoData),
        (few.clone(), "A", NoData),
        (format!("_id.{few}"), "TXT", NoData),
        (format!("_id.{}", enum_name("+447700900999")), "TLSA", NoData),
        (enum_name("+447700900999"), "NAPTR", NoData),
        (enum_name("+33123456789"), "NAPTR", NoData),
        (format!("{}._openpgpkey.{APEX}", "0".repeat(56)), "OPENPGPKEY", NoData),
        (APEX.to_owned(), "SOA", Data),
        (APEX.to_owned(), "NS", Data),
        (APEX.to_owned(), "DNSKEY", Data),
        (APEX.to_owned(), "TXT", Data),
        (APEX.to_owned(), "NAPTR", NoData),
        (format!("www.{APEX}"), "A", Data),
        (format!("deep.er.{APEX}"), "TXT", Data),
        (format!("er.{APEX}"), "A", NoData),
        (format!("nothing.{APEX}"), "A", NoName),
    ];
    let prefixes = few.match_indices('.').map(|(at, _)| &few[at + 1..]).filter(|name| name.len() > APEX.len());
    questions.extend(prefixes.map(|name| (name.to_owned(), "NAPTR", NoData)));
    questions
}

/// Every sort of answer of the static zone.
pub(super) fn of_static() -> Vec<(String, &'static str, Verdict)> {
    use Verdict::{Data, NoData, NoName};
    let at = |name: &str| format!("{name}.{STATIC_APEX}");
    vec![
        (STATIC_APEX.to_owned(), "SOA", Data),
        (STATIC_APEX.to_owned(), "MX", NoData),
        (at("www"), "A", Data),
        (at("www"), "MX", NoData),
        (at("x.wild"), "TXT", Data),
        (at("y.x.wild"), "TXT", Data),
        (at("x.wild"), "A", NoData),
        (at("b.c"), "A", NoData),
        (at("x.old"), "TXT", Data),
        (at("nothing"), "A", NoName),
        (at("nothing.a.b.c"), "A", NoName),
        (at("nothing.old"), "A", NoName),
    ]
}

/// What only those can judge who come from the root: delegations with and without DS.
pub(super) fn of_delegations() -> Vec<(String, &'static str, Verdict)> {
    let [signed, unsigned] = ELSEWHERE.map(enum_name);
    vec![
        (signed.clone(), "NAPTR", Verdict::Data),
        (signed, "TXT", Verdict::NoData),
        (format!("6.4.{APEX}"), "DS", Verdict::Data),
        (format!("7.{APEX}"), "DS", Verdict::NoData),
        (unsigned, "NAPTR", Verdict::Unsigned),
        (APEX.to_owned(), "DS", Verdict::Data),
        (STATIC_APEX.to_owned(), "DS", Verdict::Data),
        ("nothing.example.".to_owned(), "A", Verdict::NoName),
    ]
}

/// Names of the number zone that are bogus when signatures are missing; the first also when its data was changed.
pub(super) fn of_tampered() -> [(String, &'static str); 3] {
    let number = enum_name(NUMBERS[0]);
    let absent = enum_name("+447700900999");
    [(number, "NAPTR"), (absent, "NAPTR"), (APEX.to_owned(), "SOA")]
}
