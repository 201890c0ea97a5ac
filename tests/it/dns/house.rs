//! A name server in this process with a handful of numbers, and the ways to run other people's tools against it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use arc_swap::ArcSwap;
use callbook::clock::{Clock, SystemClock};
use callbook::config::{Dns, Limits};
use callbook::dnssec::{Algorithm, ZoneKeys, anchor};
use callbook::log::record::{Prefix, Revoked, Rr};
use callbook::nameserver::{Counters, Guard, Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::number::Number;
use callbook::wire::Name;
use callbook::zone::{Loader, NumberData, NumberZone, StaticZone, Ttls};
use ring::rand::SystemRandom;
use tempfile::TempDir;

use crate::peers;

/// The apex of every test here.
pub(crate) const APEX: &str = "e164.example.";

/// Static data with a secure and an insecure delegation.
pub(crate) const ZONE: &str = "\
$TTL 3600
@        IN SOA ns1 hostmaster 1 7200 3600 1209600 60
@        IN NS  ns1
@        IN TXT \"a directory\"
ns1      IN A   127.0.0.1
www      IN CNAME ns1
deep.er  IN TXT \"below an empty non-terminal\"
7        IN NS  ns.7
ns.7     IN A   127.0.0.7
6.4      IN NS  ns.elsewhere.example.
6.4      IN DS  12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
";

/// Numbers that are registered; the second is a prefix of nothing, the third has every kind of record.
pub(crate) const NUMBERS: [&str; 3] = ["+447700900123", "+12025550142", "+99901234567"];

/// A running server and what is needed to ask and to judge it.
pub(crate) struct House {
    pub(crate) zone: Arc<NumberZone>,
    pub(crate) keys: Arc<ZoneKeys>,
    pub(crate) address: SocketAddr,
    pub(crate) dir: TempDir,
    /// Serves until it is dropped.
    pub(crate) running: RunningDns,
}

impl House {
    /// The zone with [`NUMBERS`] and serial 7.
    pub(crate) fn numbers() -> Arc<NumberZone> {
        let fixed = StaticZone::read_number_zone(ZONE, &Name::from_text(APEX).unwrap(), Ttls::default()).unwrap();
        let mut loader = Loader::default();
        NUMBERS.iter().for_each(|number| loader.push(&data(number)));
        Arc::new(loader.finish(fixed, Ttls::default(), 7).unwrap())
    }

    pub(crate) fn open() -> Self {
        Self::guarded(Limits::none())
    }

    /// The same behind a guard with these limits.
    pub(crate) fn guarded(limits: Limits) -> Self {
        Self::opened(&Dns::default(), Algorithm::default(), limits)
    }

    /// The same with another configuration and limits.
    pub(crate) fn guarded_with(dns: &Dns, limits: Limits) -> Self {
        Self::opened(dns, Algorithm::default(), limits)
    }

    /// The same with keys of this algorithm.
    pub(crate) fn signed_by(algorithm: Algorithm) -> Self {
        Self::opened(&Dns::default(), algorithm, Limits::none())
    }

    /// The same with another configuration; with the usual address, it listens on a port that the system chooses.
    pub(crate) fn open_with(dns: &Dns) -> Self {
        Self::opened(dns, Algorithm::default(), Limits::none())
    }

    fn opened(dns: &Dns, algorithm: Algorithm, limits: Limits) -> Self {
        let listen = match dns.listen == Dns::default().listen {
            true => vec!["127.0.0.1:0".parse().unwrap()],
            false => dns.listen.clone(),
        };
        let dns = &Dns { listen, ..dns.clone() };
        let (apex, zone) = (Name::from_text(APEX).unwrap(), Self::numbers());
        let keys = Arc::new(ZoneKeys::in_memory_of(algorithm, &SystemRandom::new()).unwrap());
        let guard = Arc::new(Guard::new(limits, Vec::new(), &SystemRandom::new()).unwrap());
        let view = View::new(vec![Served::numbers(zone.clone(), Some(keys.clone()))]).guarded(guard);
        let running = DnsService::start(Arc::new(ArcSwap::from_pointee(view)), dns, Arc::new(SystemClock)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("anchor.delv"), anchor::anchor_delv(&apex, &keys)).unwrap();
        std::fs::write(dir.path().join("anchor.key"), anchor::anchor_key(&apex, &keys)).unwrap();
        Self { zone, keys, address: running.addresses()[0], dir, running }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        self.running.addresses()
    }

    pub(crate) fn counters(&self) -> &[Arc<Counters>] {
        self.running.counters()
    }

    /// `delv` with our anchor, asking `server`.
    pub(crate) fn delv(&self, server: SocketAddr, args: &[&str]) -> String {
        let mut all = vec![format!("@{}", server.ip()), "-p".into(), server.port().to_string(), "-a".into()];
        all.push(self.path("anchor.delv").display().to_string());
        all.push(format!("+root={APEX}"));
        all.extend(args.iter().map(|a| (*a).to_owned()));
        text(&run(Command::new("delv").args(all)))
    }

    /// `dig` with `+norecurse`.
    pub(crate) fn dig(&self, args: &[&str]) -> String {
        let server = [format!("@{}", self.address.ip()), "-p".into(), self.address.port().to_string()];
        text(&run(Command::new("dig").args(server).args(["+norecurse", "+tries=1", "+time=5"]).args(args)))
    }
}

/// The data of a registered number, with one record of each kind for the last of [`NUMBERS`].
pub(crate) fn data(number: &str) -> NumberData {
    let number = Number::parse(number).unwrap();
    let key = |algorithm: u8, byte: u8| {
        [b"\x03\x01\x00\x30\x2a\x30\x05\x06\x03\x2b\x65", &[algorithm][..], b"\x03\x21\x00", &[byte; 32]].concat()
    };
    let mut rrs = vec![
        Rr { prefix: Prefix::Naptr, rdata: naptr(10, &format!("sip:{number}@acme.example")) },
        Rr { prefix: Prefix::Id, rdata: key(0x70, 1) },
    ];
    if number.to_string() == NUMBERS[2] {
        rrs.push(Rr { prefix: Prefix::Naptr, rdata: naptr(20, "sips:desk@acme.example") });
        rrs.push(Rr { prefix: Prefix::E2e, rdata: key(0x6e, 2) });
        rrs.push(Rr { prefix: Prefix::E2e, rdata: key(0x6e, 1) });
        rrs.push(Rr { prefix: Prefix::Mls, rdata: key(0x70, 3) });
        rrs.push(Rr { prefix: Prefix::SipClient, rdata: [&[3, 1, 1][..], &[4; 32]].concat() });
        rrs.push(Rr { prefix: Prefix::OpenPgpKey, rdata: vec![0x99; 1_800] });
        rrs.push(Rr { prefix: Prefix::SmimeCert, rdata: [&[3, 0, 0][..], &[0x30; 700]].concat() });
    }
    NumberData {
        number,
        not_after_s: SystemClock.now_s() + 90 * 86_400,
        rrs,
        version: 2,
        state_hash: [0xab; 16],
        provider_held: false,
        revoked: vec![Revoked { thumbprint: [7; 32], at_s: 1_700_000_000 }],
    }
}

pub(crate) fn naptr(preference: u8, uri: &str) -> Vec<u8> {
    let regexp = format!("!^.*$!{uri}!");
    let head = [0, 100, 0, preference, 1, b'u', 7];
    [&head[..], b"E2U+sip", &[regexp.len() as u8], regexp.as_bytes(), &[0]].concat()
}

/// The ENUM name of a number.
pub(crate) fn enum_name(number: &str) -> String {
    Number::parse(number).unwrap().enum_name(APEX)
}

/// Whether every tool is there; if not, the test has said so loudly.
pub(crate) fn have(tools: &[&str]) -> bool {
    tools.iter().all(|tool| peers::program(tool).is_some())
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Both outputs of a tool, since they differ in which one they complain on.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
