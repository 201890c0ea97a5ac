//! Knot, NSD and BIND as secondaries: children on loopback that fetch from us what they serve.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::home::{KEY, SECRET};
use crate::oracle::servers::{KINDS, Kind};
use crate::peers;
use crate::ports::free_port;

/// A port for each, and the port that we are told to notify.
pub(super) fn ports() -> [SocketAddr; 3] {
    KINDS.map(|_| free_port())
}

/// `notify` and `allow_transfer` of a `[[zone]]` for these.
pub(super) fn told(secondaries: &[SocketAddr]) -> String {
    let each: Vec<String> = secondaries.iter().map(|to| format!("{{ to = \"{to}\", key = \"{KEY}\" }}")).collect();
    format!("notify = [{}]\nallow_transfer = [{{ key = \"{KEY}\", from = [\"127.0.0.0/8\"] }}]", each.join(", "))
}

/// A running secondary; ends with its value.
pub(super) struct Secondary(Child);

impl Secondary {
    /// Starts one that fetches these zones from `primary`; none if the program is not installed. `catalog` is a catalog
    /// that Knot and BIND take zones from.
    pub(super) fn start(
        kind: Kind,
        at: SocketAddr,
        primary: SocketAddr,
        zones: &[&str],
        catalog: Option<&str>,
        dir: &Path,
    ) -> Option<Self> {
        let (name, text) = match kind {
            Kind::Knot => ("knotd", knot(at, primary, zones, catalog, dir)),
            Kind::Nsd => ("nsd", nsd(at, primary, zones, dir)),
            Kind::Bind => ("named", bind(at, primary, "", zones, catalog, dir)),
        };
        Self::run(name, &text, dir)
    }

    /// BIND, which fetches over TLS.
    pub(super) fn bind_over_tls(at: SocketAddr, primary: SocketAddr, zones: &[&str], dir: &Path) -> Option<Self> {
        Self::run("named", &bind(at, primary, " tls ephemeral", zones, None, dir), dir)
    }

    /// Starts a program with this configuration, its log in `NAME.log`; none if it is not installed.
    pub(super) fn run(name: &str, text: &str, dir: &Path) -> Option<Self> {
        let mut command = Command::new(peers::program(name)?);
        let config = dir.join(format!("{name}.conf"));
        std::fs::write(&config, text).expect("a configuration");
        match name {
            "knotd" => command.arg("-c").arg(&config),
            "nsd" => command.args(["-d", "-c"]).arg(&config),
            _ => command.args(["-g", "-d", "1", "-n", "1", "-c"]).arg(&config),
        };
        let log = std::fs::File::create(dir.join(format!("{name}.log"))).expect("a log");
        let out = log.try_clone().expect("a log");
        Some(Self(command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().expect("a child")))
    }
}

impl Drop for Secondary {
    fn drop(&mut self) {
        // Not SIGKILL: nsd is several processes, and the first one ends the others.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn knot(at: SocketAddr, primary: SocketAddr, zones: &[&str], catalog: Option<&str>, dir: &Path) -> String {
    let dir = dir.join("knot");
    std::fs::create_dir_all(&dir).expect("a folder");
    let (dir, us) = (dir.display(), format!("{}@{}", primary.ip(), primary.port()));
    let both = "    master: us\n    acl: [us, all]\n    semantic-checks: off\n";
    let mut text = format!(
        "server:\n  rundir: {dir}\n  listen: {}@{}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 2\n  \
         udp-max-payload: 1232\ndatabase:\n  storage: {dir}\nlog:\n  - target: stderr\n    any: info\n\
         key:\n  - id: {KEY}\n    algorithm: hmac-sha256\n    secret: {SECRET}\n\
         remote:\n  - id: us\n    address: {us}\n    key: {KEY}\n\
         acl:\n  - id: us\n    address: 127.0.0.1\n    key: {KEY}\n    action: [notify, transfer]\n  - id: all\n    address: 127.0.0.1\n    action: transfer\n\
         template:\n  - id: member\n    storage: {dir}\n{both}zone:\n",
        at.ip(),
        at.port()
    );
    for zone in zones {
        text += &format!("  - domain: \"{zone}\"\n    storage: {dir}\n{both}");
    }
    if let Some(catalog) = catalog {
        text += &format!(
            "  - domain: \"{catalog}\"\n    storage: {dir}\n{both}    catalog-role: interpret\n    catalog-template: member\n"
        );
    }
    text
}

fn nsd(at: SocketAddr, primary: SocketAddr, zones: &[&str], dir: &Path) -> String {
    let dir = dir.join("nsd");
    std::fs::create_dir_all(&dir).expect("a folder");
    let (dir, us) = (dir.display(), format!("{}@{}", primary.ip(), primary.port()));
    let mut text = format!(
        "server:\n  ip-address: {}@{}\n  port: {1}\n  server-count: 1\n  username: \"\"\n  zonesdir: \"{dir}\"\n  \
         database: \"\"\n  pidfile: \"{dir}/nsd.pid\"\n  xfrdfile: \"{dir}/xfrd.state\"\n  xfrdir: \"{dir}\"\n  \
         zonelistfile: \"{dir}/zone.list\"\n  xfrd-reload-timeout: 0\n  ipv4-edns-size: 1232\n  refuse-any: no\n  verbosity: 2\n  \
         rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n\
         key:\n  name: \"{KEY}\"\n  algorithm: hmac-sha256\n  secret: \"{SECRET}\"\n",
        at.ip(),
        at.port()
    );
    for (i, zone) in zones.iter().enumerate() {
        text += &format!(
            "zone:\n  name: \"{zone}\"\n  zonefile: \"{i}.zone\"\n  request-xfr: {us} {KEY}\n  allow-notify: 127.0.0.1 {KEY}\n  \
             provide-xfr: 127.0.0.1 NOKEY\n"
        );
    }
    text
}

fn bind(at: SocketAddr, primary: SocketAddr, tls: &str, zones: &[&str], catalog: Option<&str>, dir: &Path) -> String {
    let dir = dir.join("bind");
    std::fs::create_dir_all(&dir).expect("a folder");
    let us = format!("primaries {{ {} port {} key \"{KEY}\"{tls}; }};", primary.ip(), primary.port());
    let catalogs = catalog.map_or(String::new(), |zone| {
        let us = us.trim_end_matches(';');
        format!("catalog-zones {{ zone \"{zone}\" default-{us} zone-directory \"{}\"; }};", dir.display())
    });
    let dir = dir.display();
    let mut text = format!(
        "key \"{KEY}\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n\
         options {{ directory \"{dir}\"; pid-file \"{dir}/named.pid\"; session-keyfile \"{dir}/session.key\"; \
         listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; recursion no; minimal-responses yes; minimal-any no; \
         max-udp-size 1232; edns-udp-size 1232; nocookie-udp-size 1232; notify no; dnssec-validation no; \
         empty-zones-enable no; answer-cookie no; zero-no-soa-ttl no; allow-transfer {{ 127.0.0.1; }}; \
         check-names secondary ignore; {catalogs} }};\ncontrols {{ }};\n",
        at.port(),
        at.ip()
    );
    let mut all: Vec<&str> = zones.to_vec();
    all.extend(catalog);
    for (i, zone) in all.iter().enumerate() {
        text += &format!(
            "zone \"{zone}\" {{ type secondary; file \"{i}.zone\"; {us} allow-notify {{ key \"{KEY}\"; }}; masterfile-format text; }};\n"
        );
    }
    text
}
