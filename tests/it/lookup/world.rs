//! Zones signed and served by programs that are not ours: ldns signs, NSD answers.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use callbook::client::{Anchor, Directory, Lookup, LookupError};
use callbook::number::Number;
use tempfile::TempDir;

use crate::peers;
use crate::ports::free_port;

/// What the parent says about its numbers; children are added by [`World::start`].
const PARENT: &str = r#"
$ORIGIN e164.example.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
1.0.1.0.5.5.5.9.9.9 NAPTR 100 20 "u" "E2U+email:mailto" "!^.*$!mailto:alice@acme.example!" .
1.0.1.0.5.5.5.9.9.9 NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:alice@acme.example!" .
_id.1.0.1.0.5.5.5.9.9.9 TLSA 3 1 0 302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
_sip-client.1.0.1.0.5.5.5.9.9.9 TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
_keys.1.0.1.0.5.5.5.9.9.9 TXT "v=cb1; n=7; s=CQkJCQkJCQkJCQkJCQkJCQ; c=h; e=4000000000"
2.0.1.0.5.5.5.9.9.9 NAPTR 100 10 "u" "E2U+sip" "/^\\+999(.*)$/sip:\\1@ACME.example/" .
2.0.1.0.5.5.5.9.9.9 NAPTR 100 20 "" "" "" Other.EXAMPLE.
_keys.2.0.1.0.5.5.5.9.9.9 TXT "v=cb1; n=1; s=CQkJCQkJCQkJCQkJCQkJCQ; c=p; e=1000000000"
*.7.7.7 NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:any@acme.example!" .
5.0.1.0.5.5.5.9.9.9 CNAME 1.0.1.0.5.5.5.9.9.9
"#;

/// The delegated zones: apex below `e164.example.`, algorithm of its keys, options for the signer, whether DS is given.
const CHILDREN: [(&str, Option<&str>, &[&str], Ds); 5] = [
    ("4.4", Some("ED25519"), &["-n", "-s", "abcd", "-t", "5"], Ds::Given),
    ("2.2", Some("RSASHA256"), &[], Ds::Given),
    ("1", None, &[], Ds::Absent),
    ("3.3", None, &[], Ds::Unknown),
    ("9.4", None, &[], Ds::Given),
];

#[derive(Clone, Copy, PartialEq)]
enum Ds {
    Given,
    Absent,
    /// Of an algorithm that nobody knows.
    Unknown,
}

/// Who serves the delegated zones.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Children {
    /// The parent's server: answers come without referrals, as from a resolver.
    Same,
    /// A server of their own, which the parent refers to.
    Apart,
}

/// Running servers; dropped, they stop.
pub(crate) struct World {
    folder: Arc<TempDir>,
    servers: Vec<Child>,
    pub(crate) address: SocketAddr,
}

impl World {
    /// Nothing if a program is missing (and that is allowed).
    pub(crate) fn start(children: Children) -> Option<Self> {
        for program in ["nsd", "ldns-keygen", "ldns-signzone"] {
            peers::program(program)?;
        }
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let mut parent = PARENT.to_owned();
        let mut apexes = vec![];
        for (label, algorithm, options, ds) in CHILDREN {
            let apex = format!("{label}.e164.example.");
            let ns = format!("{label} NS ns.{label}\nns.{label} A 127.0.0.2\n");
            parent.push_str(&ns);
            let text = child(&apex);
            fs::write(folder.path().join(format!("{apex}zone")), &text).expect("written");
            let digest = sign(folder.path(), &apex, algorithm.unwrap_or("ED25519"), options);
            match ds {
                Ds::Given => parent.push_str(&digest),
                Ds::Unknown => parent.push_str(&format!("{label} DS 1 200 2 {}\n", "ab".repeat(32))),
                Ds::Absent => {}
            }
            if algorithm.is_none() {
                fs::write(folder.path().join(format!("{apex}zone.signed")), &text).expect("written");
            }
            apexes.push(apex);
        }
        fs::write(folder.path().join("e164.example.zone"), parent).expect("written");
        let anchor = sign(folder.path(), "e164.example.", "ECDSAP256SHA256", &[]);
        fs::write(folder.path().join("anchor"), anchor).expect("written");

        for _ in 0..5 {
            let port = free_port().port();
            let (first, second) = match children {
                Children::Same => ([vec!["e164.example.".to_owned()], apexes.clone()].concat(), vec![]),
                Children::Apart => (vec!["e164.example.".to_owned()], apexes.clone()),
            };
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let mut servers = vec![nsd(folder.path(), address, &first)];
            if children == Children::Apart {
                servers.push(nsd(folder.path(), ([127, 0, 0, 2], port).into(), &second));
            }
            let mut world = Self { folder: Arc::clone(&folder), servers, address };
            if world.is_up(children) {
                return Some(world);
            }
        }
        panic!("NSD does not come up: see its log");
    }

    /// The anchor as DS lines, as the signer wrote it.
    pub(crate) fn anchor_text(&self) -> String {
        fs::read_to_string(self.folder.path().join("anchor")).expect("written above")
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn directory(&self) -> Directory {
        self.directory_at(self.address)
    }

    /// The directory as reached through `server`.
    pub(crate) fn directory_at(&self, server: SocketAddr) -> Directory {
        let anchor = Anchor::parse(&self.anchor_text()).expect("made by ldns");
        Directory::at(server, anchor).with_referral_port(self.address.port())
    }

    fn is_up(&mut self, children: Children) -> bool {
        let probe = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        probe.set_read_timeout(Some(Duration::from_millis(50))).expect("a limit");
        let second = SocketAddr::from(([127, 0, 0, 2], self.address.port()));
        let servers = if children == Children::Apart { vec![self.address, second] } else { vec![self.address] };
        servers.into_iter().all(|server| {
            (0..200).any(|_| {
                let question = b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01";
                let _ = probe.send_to(question, server);
                probe.recv_from(&mut [0; 512]).is_ok_and(|(_, from)| from == server)
            })
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // NSD's own children stop with it on TERM, not on KILL.
            let _ = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }
}

/// Looks up and waits; `now_s` is the time at which signatures are judged.
pub(crate) fn look_up(directory: &Directory, number: &str, now_s: u64) -> Result<Lookup, LookupError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(directory.lookup_at(Number::parse(number).expect("a number"), now_s))
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Number 0123456 below the child, and a wildcard.
fn child(apex: &str) -> String {
    format!(
        "$ORIGIN {apex}\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.2\n\
         6.5.4.3.2.1.0 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:child@acme.example!\" .\n\
         *.9 NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:wild@acme.example!\" .\n"
    )
}

/// Makes a KSK and a ZSK, signs `<apex>zone` into `<apex>zone.signed`, and returns the DS lines.
fn sign(folder: &Path, apex: &str, algorithm: &str, options: &[&str]) -> String {
    let keygen = |flags: &[&str]| {
        let mut arguments = vec!["-a", algorithm, "-b", "2048", "-r", "/dev/urandom"];
        arguments.extend(flags);
        arguments.push(apex);
        let made = Command::new("ldns-keygen").args(arguments).current_dir(folder).output().expect("ldns-keygen runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).expect("a file name").trim().to_owned()
    };
    let (ksk, zsk) = (keygen(&["-k"]), keygen(&[]));
    let file = format!("{apex}zone");
    let mut arguments = options.to_vec();
    arguments.extend(["-o", apex, file.as_str(), ksk.as_str(), zsk.as_str()]);
    let signed =
        Command::new("ldns-signzone").args(arguments).current_dir(folder).output().expect("ldns-signzone runs");
    assert!(signed.status.success(), "{apex}: {}", String::from_utf8_lossy(&signed.stderr));
    let key = format!("{ksk}.key");
    let ds =
        Command::new("ldns-key2ds").args(["-n", "-2", &key]).current_dir(folder).output().expect("ldns-key2ds runs");
    assert!(ds.status.success());
    String::from_utf8(ds.stdout).expect("a DS line")
}

fn nsd(folder: &Path, address: SocketAddr, apexes: &[String]) -> Child {
    let own = folder.join(address.to_string());
    fs::create_dir_all(&own).expect("a folder");
    let (folder, own) = (folder.display(), own.display());
    let mut config = format!(
        "server:\n ip-address: {}@{}\n zonesdir: \"{folder}\"\n pidfile: \"{own}/pid\"\n xfrdfile: \"{own}/xfrd\"\n \
         zonelistfile: \"{own}/list\"\n xfrdir: \"{own}\"\n logfile: \"{own}/log\"\n username: \"\"\n server-count: 1\n \
         database: \"\"\nremote-control:\n control-enable: no\n",
        address.ip(),
        address.port()
    );
    for apex in apexes {
        config.push_str(&format!("zone:\n name: \"{apex}\"\n zonefile: \"{apex}zone.signed\"\n"));
    }
    let file = format!("{own}/conf");
    fs::write(&file, config).expect("written");
    let nsd = peers::program("nsd").expect("found before");
    let quiet = Command::new(nsd).args(["-d", "-c", &file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    quiet.expect("NSD starts")
}
