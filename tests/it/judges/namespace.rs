//! A network of one's own: a test runs itself again where there are only addresses that lead nowhere, and port 53 is free.

use std::env;
use std::process::{Command, Stdio};

use crate::peers;

/// Set for the run inside.
const INSIDE: &str = "CALLBOOK_INSIDE";
/// Until then a run inside has ended, or everything in it is killed: a judge takes some ten seconds.
const LIMIT_S: &str = "90";
/// The addresses of the lab. They are nobody's (RFC 5737): validators take loopback addresses for an attack.
pub(super) const ADDRESSES: [&str; 10] = [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.4",
    "192.0.2.5",
    "192.0.2.6",
    "192.0.2.7",
    "192.0.2.53",
    "198.51.100.3",
    "198.51.100.4",
];
/// `lo` has the addresses. With `pair` as its argument they stand on one end of a cable that begins and ends here:
/// some take a machine with nothing but loopback for one without a network.
const SETUP: &str = "\
ip link set lo up || exit 75
device=lo
if [ \"$1\" = pair ]; then
    ip link add here type veth peer name there && ip link set here up && ip link set there up || exit 75
    device=here
fi
shift
for address in $ADDRESSES; do ip addr add \"$address/32\" dev $device || exit 75; done
exec \"$@\"";
/// The exit code of a set-up that this machine does not allow (EX_TEMPFAIL).
const NOT_ALLOWED: i32 = 75;

/// What carries the addresses.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Network {
    Loopback,
    Pair,
}

/// Runs `body` in namespaces of its own (network, mounts, processes): `test` is the name of the calling test, which is run
/// again there, alone. Everything that it started ends with it.
///
/// Skips the test, loudly, where the machine does not allow that.
pub(super) fn alone(test: &str, network: Network, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    if peers::program("ip").is_none() {
        return;
    }
    let Some(mut command) = unshare() else {
        return peers::not_here("no network of one's own can be made here (unshare)");
    };
    let network = if network == Network::Pair { "pair" } else { "loopback" };
    command.args(["sh", "-c", SETUP, "sh", network]).arg(env::current_exe().expect("this program"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(INSIDE, "1").env("ADDRESSES", ADDRESSES.join(" ")).stdin(Stdio::null());
    let output = command.output().expect("timeout runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_ALLOWED) {
        return peers::not_here(&format!("a network of one's own gets no addresses here: {}", said.trim()));
    }
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{test} failed inside ({}):\n{said}", output.status);
}

/// `unshare` as root, or as root of a user namespace; none where neither is allowed.
fn unshare() -> Option<Command> {
    let own = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    [&[][..], &["--user", "--map-root-user"]].into_iter().find_map(|user| {
        let with = |program: &[&str]| {
            let mut command = Command::new("timeout");
            command.args(["-k", "5", LIMIT_S, "unshare"]).args(user).args(own).args(program);
            command
        };
        let trial = with(&["true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        trial.is_ok_and(|status| status.success()).then(|| with(&[]))
    })
}
