//! Knot Resolver (`kresd`) comes from the root of the lab, minimises names, and calls every answer of ours secure.

use std::process::Command;

use super::lab::Lab;
use super::namespace::{Network, alone};
use super::resolver::{Resolver, Verdict, of_delegations, of_numbers, of_static, of_tampered};
use crate::dns::house::have;
use crate::dns::tamper::{flip_a_bit, strip_signatures};
use crate::peers;

const ADDRESS: &str = "192.0.2.53:53";

/// A resolver that knows the lab's root and its key, and nothing else. None if it is not installed.
fn kresd(lab: &Lab) -> Option<Resolver> {
    let program = peers::program("kresd")?;
    let (config, dir) = (lab.path("kresd.conf"), lab.path("kresd"));
    std::fs::create_dir(&dir).expect("a folder");
    // hints is loaded first, or it would not know the root; an anchor for the root that is built in is taken away.
    let text = format!(
        "net.listen('192.0.2.53', 53)\nnet.ipv6 = false\ncache.size = 10 * MB\nmodules = {{ 'hints > iterate' }}\n\
         hints.root({{ ['ns.'] = '192.0.2.1' }})\ntrust_anchors.remove('.')\ntrust_anchors.add([[{}]])\n",
        lab.root_key
    );
    std::fs::write(&config, text).expect("a configuration");
    let mut command = Command::new(program);
    command.arg("-n").arg("-c").arg(&config).arg(&dir);
    Some(Resolver::start(command, ADDRESS.parse().expect("an address"), lab.dir.path()))
}

#[test]
fn kresd_calls_answers_and_denials_secure() {
    if !have(&["kresd", "dig"]) {
        return;
    }
    alone("judges::kresd::kresd_calls_answers_and_denials_secure", Network::Loopback, || {
        let lab = Lab::open();
        let Some(kresd) = kresd(&lab) else { return };
        for (name, rr_type, verdict) in of_numbers().into_iter().chain(of_static()).chain(of_delegations()) {
            kresd.judges(&name, rr_type, verdict);
        }
    });
}

#[test]
fn kresd_refuses_what_a_proxy_changed() {
    if !have(&["kresd", "dig"]) {
        return;
    }
    alone("judges::kresd::kresd_refuses_what_a_proxy_changed", Network::Loopback, || {
        let [number, absent, apex] = of_tampered();
        {
            let lab = Lab::tampered(flip_a_bit);
            let Some(kresd) = kresd(&lab) else { return };
            kresd.judges(&number.0, number.1, Verdict::Bogus);
            kresd.judges(&absent.0, absent.1, Verdict::NoData); // nothing in it was changed
        }
        let lab = Lab::tampered(strip_signatures);
        let Some(kresd) = kresd(&lab) else { return };
        for (name, rr_type) in [number, absent, apex] {
            kresd.judges(&name, rr_type, Verdict::Bogus);
        }
    });
}
