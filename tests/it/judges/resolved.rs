//! systemd-resolved with DNSSEC=yes, as it stands on other people's machines: it asks one server of ours for two zones, from
//! whose DS it starts.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::Lab;
use super::namespace::{Network, alone};
use super::resolver::{Resolver, Verdict, of_numbers, of_static, of_tampered};
use crate::dns::house::have;
use crate::dns::tamper::{flip_a_bit, strip_signatures};
use crate::peers;

const ADDRESS: &str = "127.0.0.55:5355";
/// Asks the lab's server for both zones, tells nobody else, and listens where the test asks. Without a bus it is content.
const CONFIG: &str = "\
[Resolve]
DNS=192.0.2.5
FallbackDNS=
Domains=~.
DNSSEC=yes
DNSOverTLS=no
MulticastDNS=no
LLMNR=no
ReadEtcHosts=no
DNSStubListener=no
DNSStubListenerExtra=127.0.0.55:5355
";

/// The resolver with /run of its own. None if it is not there.
///
/// The anchor is a DS: of a DNSKEY it would think that there are no keys but that one, and miss the one that signs.
fn resolved(lab: &Lab) -> Option<Resolver> {
    let program = peers::program("systemd-resolved")?;
    let mounted = Command::new("mount").args(["-t", "tmpfs", "none", "/run"]).status().expect("mount runs");
    assert!(mounted.success(), "/run of one's own");
    let run = Path::new("/run");
    for (folder, file, text) in
        [("systemd/resolved.conf.d", "lab.conf", CONFIG), ("dnssec-trust-anchors.d", "lab.positive", &lab.ds)]
    {
        std::fs::create_dir_all(run.join(folder)).expect("a folder");
        std::fs::write(run.join(folder).join(file), text).expect("a file");
    }
    std::fs::create_dir_all(run.join("systemd/resolve")).expect("a folder");
    // It would become a user that is not there if it were root: so it is nobody, with what root may do in its namespaces.
    let mut command = Command::new("unshare");
    command.args(["--user", "--keep-caps"]).arg(&program).env("SYSTEMD_LOG_TARGET", "console");
    if let Some(library) = library(&program) {
        command.env("LD_LIBRARY_PATH", library);
    }
    Some(Resolver::start(command, ADDRESS.parse().expect("an address"), lab.dir.path()))
}

/// The folder of the library that it needs: where it was unpacked and not installed, that lies beside it.
fn library(program: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(program.parent()?.join("../../usr/lib")).ok()?;
    folders.flatten().map(|entry| entry.path().join("systemd")).find(|folder| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.map(|file| file.file_name()).any(|name| name.to_string_lossy().starts_with("libsystemd-shared"))
    })
}

#[test]
fn resolved_calls_answers_and_denials_secure() {
    if !have(&["systemd-resolved", "dig"]) {
        return;
    }
    alone("judges::resolved::resolved_calls_answers_and_denials_secure", Network::Pair, || {
        let lab = Lab::open();
        let Some(resolved) = resolved(&lab) else { return };
        for (name, rr_type, verdict) in of_numbers().into_iter().chain(of_static()) {
            resolved.judges(&name, rr_type, verdict);
        }
    });
}

#[test]
fn resolved_refuses_what_a_proxy_changed() {
    if !have(&["systemd-resolved", "dig"]) {
        return;
    }
    alone("judges::resolved::resolved_refuses_what_a_proxy_changed", Network::Pair, || {
        let [number, absent, apex] = of_tampered();
        {
            let lab = Lab::tampered(flip_a_bit);
            let Some(resolved) = resolved(&lab) else { return };
            resolved.judges(&number.0, number.1, Verdict::Bogus);
            resolved.judges(&absent.0, absent.1, Verdict::NoData); // nothing in it was changed
        }
        let lab = Lab::tampered(strip_signatures);
        let Some(resolved) = resolved(&lab) else { return };
        for (name, rr_type) in [number, absent, apex] {
            resolved.judges(&name, rr_type, Verdict::Bogus);
        }
    });
}
