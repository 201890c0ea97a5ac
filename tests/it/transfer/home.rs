//! Our side: an installation's folder with static zones, served on loopback and looked after.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use callbook::clock::{Clock, SystemClock};
use callbook::config::{Config, Dns};
use callbook::dnssec::Algorithm;
use callbook::dnssec::life::{Keeping, Policy};
use callbook::nameserver::View;
use callbook::net::{DnsService, RunningDns};
use callbook::primary::status::Status;
use callbook::primary::{Primary, PrimaryError, Running, folder};
use callbook::wire::Name;
use serde_json::Value;
use tempfile::TempDir;

/// The name of the shared key, its secret, and both as dig takes them.
pub(super) const KEY: &str = "sec.example.";
pub(super) const SECRET: &str = "q8ZAE8yKDTfOsQOLzCCJd8D0OEZ3bzI3Hd/EiiXQYQ0=";
/// Nothing on loopback takes so long; it ends a test that would wait for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// An installation.
pub(super) struct Home {
    pub(super) config: Config,
    pub(super) dir: TempDir,
}

/// It runs.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    pub(super) dns: RunningDns,
    _statics: Running,
}

impl Home {
    /// A folder with these zones: name, text, and further keys of its `[[zone]]`; `more` is the rest of the configuration.
    pub(super) fn new(zones: &[(&str, &str, &str)], more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        for folder in ["zones", "keys", "data"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        let secret = dir.path().join("keys/sec.tsig");
        fs::write(&secret, format!("{SECRET}\n")).expect("a secret");
        fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).expect("a mode");
        let mut text = format!(
            "apex = \"e164.example\"\nhost = \"e164.example\"\n{more}\n[[tsig]]\nname = \"{KEY}\"\nfile = \"keys/sec.tsig\"\n"
        );
        for (name, zone, keys) in zones {
            fs::write(dir.path().join(format!("zones/{name}zone")), zone).expect("a zone file");
            text += &format!("[[zone]]\nname = \"{name}\"\n{keys}\n");
        }
        fs::write(dir.path().join("config.toml"), text).expect("a configuration");
        let config = Config::load(dir.path()).expect("a right configuration");
        for zone in config.zone.iter().filter(|zone| zone.sign) {
            let apex = Name::from_text(&zone.name).expect("a name");
            let policy = Policy::of(&config.dnssec, &zone.parent, 0);
            Keeping::files(&config.paths.keys, &apex, policy)
                .begin(Algorithm::default(), SystemClock.now_s())
                .expect("keys");
        }
        Self { config, dir }
    }

    /// Serves it, as `callbook serve` does.
    pub(super) fn serve(&self) -> Service {
        self.serve_with(Arc::new(SystemClock), Dns::default()).expect("it can be served")
    }

    /// The same at another time, or over other transports.
    pub(super) fn serve_with(&self, clock: Arc<dyn Clock>, dns: Dns) -> Result<Service, PrimaryError> {
        let primary = Primary::open(&self.config, clock.now_s())?;
        let view = Arc::new(ArcSwap::from_pointee(primary.shown_by(View::default())));
        let dns = Dns { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..dns };
        let dns = DnsService::start(view.clone(), &dns, clock.clone()).expect("DNS");
        let statics = primary.start(view, clock);
        Ok(Service { address: dns.addresses()[0], dns, _statics: statics })
    }

    pub(super) fn file(&self, zone: &str) -> PathBuf {
        self.dir.path().join(format!("zones/{zone}zone"))
    }

    /// Changes a zone's file.
    pub(super) fn edit(&self, zone: &str, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.file(zone)).expect("a zone file");
        fs::write(self.file(zone), change(text)).expect("a zone file");
    }

    /// Runs the program on this folder; its exit code and its JSON.
    pub(super) fn run(&self, args: &[&str]) -> (i32, Value) {
        let output = callbook(args, self.dir.path());
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&output.stderr).into_owned()));
        (output.status.code().unwrap_or(-1), json)
    }

    /// Waits until `zone status` says that every secondary serves what we serve.
    pub(super) fn wait_until_current(&self) -> Value {
        let began = Instant::now();
        loop {
            let seen = Status::read(&folder(&self.config)).expect("it is written whole");
            let behind = |status: &Status| -> Vec<_> {
                let all = status.zones.iter().flat_map(|zone| zone.secondaries.iter().map(move |s| (zone, s)));
                let late = all.filter(|(_, secondary)| !secondary.current);
                late.map(|(zone, secondary)| (zone.name.clone(), zone.serial, secondary.clone())).collect()
            };
            let behind = seen.as_ref().map(behind);
            if behind.as_ref().is_some_and(Vec::is_empty) {
                let (code, status) = self.run(&["zone", "status"]);
                assert_eq!(code, 0, "{status:#}");
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "not every secondary follows: {behind:#?}");
            std::thread::sleep(Duration::from_millis(10)); // the file is written anew when there is news
        }
    }
}

impl Service {
    /// How many transfers of a kind were sent: `AXFR`, `IXFR`, or `SOA` where there was nothing newer.
    pub(super) fn sent(&self, kind: &str) -> u64 {
        let all = self.dns.counters().iter().flat_map(|worker| worker.answers().collect::<Vec<_>>());
        all.filter(|cell| cell.qtype == kind && cell.rcode == "NOERROR" && cell.transport != "udp")
            .map(|c| c.count)
            .sum()
    }
}

pub(super) fn callbook(args: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callbook"));
    command.arg("--json").args(args).arg("--dir").arg(dir).output().expect("the program runs")
}

/// dig with these arguments at a server: what it says.
pub(super) fn dig(server: SocketAddr, args: &[&str]) -> String {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string(), "+time=5", "+tries=1"]);
    let output = command.args(args).output().expect("dig runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// dig's argument for the shared key.
pub(super) fn signed() -> String {
    format!("-yhmac-sha256:{KEY}:{SECRET}")
}

/// All records of a zone as dig shows them, sorted; empty if there was no whole transfer.
pub(super) fn axfr(server: SocketAddr, zone: &str, more: &[&str]) -> Vec<String> {
    let said =
        dig(server, &[&[zone, "AXFR", "+noall", "+answer", "+onesoa", "+nosplit", "+nottlunits"], more].concat());
    let records = said.lines().filter(|line| !line.starts_with(';') && !line.is_empty() && !line.contains("\tTSIG\t"));
    let mut records: Vec<String> = records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    records.sort();
    records
}
