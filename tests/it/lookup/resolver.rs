//! The look-up through a resolver, which itself trusts nobody: unbound in front of the signed zones.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use callbook::client::Trust;

use crate::lookup::packet;
use crate::lookup::world::{Children, World, look_up, now_s};
use crate::peers;
use crate::ports::free_port;

struct Resolver {
    child: Child,
    address: SocketAddr,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unbound(world: &World) -> Option<Resolver> {
    let program = peers::program("unbound")?;
    for _ in 0..5 {
        let address = free_port();
        let (ip, port, folder) = (address.ip(), address.port(), world.path("").display().to_string());
        let upstream = format!("{}@{}", world.address.ip(), world.address.port());
        let config = format!(
            "server:\n interface: {ip}@{port}\n chroot: \"\"\n username: \"\"\n directory: \"{folder}\"\n pidfile: \"\"\n \
             use-syslog: no\n logfile: \"{folder}/unbound.log\"\n do-not-query-localhost: no\n num-threads: 1\n \
             module-config: \"iterator\"\n local-zone: \"example.\" nodefault\n\
             remote-control:\n control-enable: no\nstub-zone:\n name: \"e164.example.\"\n stub-addr: {upstream}\n"
        );
        let file = world.path("unbound.conf");
        std::fs::write(&file, config).expect("written");
        let spawned = Command::new(&program).arg("-d").arg("-c").arg(&file).stderr(Stdio::null()).spawn();
        let resolver = Resolver { child: spawned.expect("unbound starts"), address };
        let probe = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        probe.set_read_timeout(Some(Duration::from_millis(50))).expect("a limit");
        let question = packet::question("e164.example.", 6);
        let answers = |_| {
            let _ = probe.send_to(&question, address);
            probe.recv_from(&mut [0; 2048]).is_ok()
        };
        if (0..200).any(answers) {
            return Some(resolver);
        }
    }
    panic!("unbound does not come up: see its log");
}

#[test]
fn answers_through_a_resolver_are_judged_alike() {
    let Some(world) = World::start(Children::Same) else { return };
    let Some(resolver) = unbound(&world) else { return };
    let directory = world.directory_at(resolver.address);
    for (number, status, endpoints) in
        [("+9995550101", "secure", 2), ("+9995550109", "secure", 0), ("+777123456", "secure", 1)]
    {
        let lookup = look_up(&directory, number, now_s()).unwrap();
        assert_eq!(lookup.status.word(), status, "{number}: {} {:#?}", lookup.status, lookup.steps);
        assert_eq!(lookup.endpoints.len(), endpoints, "{number}");
    }
    let late = look_up(&directory, "+9995550101", now_s() + 400 * 86_400).unwrap();
    assert!(matches!(late.status, Trust::Bogus(_)));
}
