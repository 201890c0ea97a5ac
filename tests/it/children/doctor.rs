//! The doctor asks the parent's servers how they delegate us, and our own servers whether they answer.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use arc_swap::ArcSwap;
use callbook::clock::{Clock, FakeClock, SystemClock};
use callbook::config::Dns;
use callbook::dnssec::ZoneKeys;
use callbook::nameserver::{Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::wire::Name;
use callbook::zone::StaticZone;
use ring::rand::SystemRandom;
use serde_json::Value;

use super::parent::{Parent, tag, write};
use crate::lookup::packet::{Packet, RRSIG};
use crate::lookup::proxy::Proxy;

/// The parent's zone: signed, at an address that is known before what it says is.
struct Above {
    keys: Arc<ZoneKeys>,
    view: Arc<ArcSwap<View>>,
    running: RunningDns,
}

impl Above {
    fn start(clock: Arc<dyn Clock>) -> Self {
        let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).expect("keys"));
        let view = Arc::new(ArcSwap::from_pointee(view(&keys, "")));
        let dns = Dns { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..Dns::default() };
        let running = DnsService::start(Arc::clone(&view), &dns, clock).expect("DNS");
        Self { keys, view, running }
    }

    fn says(&self, delegation: &str) {
        self.view.store(Arc::new(view(&self.keys, delegation)));
    }

    fn address(&self) -> SocketAddr {
        self.running.addresses()[0]
    }
}

fn view(keys: &Arc<ZoneKeys>, delegation: &str) -> View {
    let text = format!("$TTL 60\n@ IN SOA ns host 1 3600 900 1209600 60\n@ IN NS ns\nns IN A 127.0.0.1\n{delegation}");
    let zone = StaticZone::read(&text, &Name::from_text("example.").expect("a name")).expect("a right zone");
    View::new(vec![Served::fixed(Arc::new(zone), Some(Arc::clone(keys)))])
}

/// Each finding of a check, as `ok` and the words.
fn found(said: &Value, check: &str) -> Vec<(Option<bool>, String)> {
    let findings = said["findings"].as_array().expect("findings");
    let of_check = findings.iter().filter(|finding| finding["check"] == format!("e164.example. {check}"));
    of_check
        .map(|finding| (finding["ok"].as_bool(), finding["detail"].as_str().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn the_parent_is_asked_and_each_thing_that_is_wrong_has_its_remedy() {
    let above = Above::start(Arc::new(SystemClock));
    let ours = Parent::start_as(|config| config.replace("parent = []", &format!("parent = [\"{}\"]", above.address())));
    let (_, keys) = ours.command(&["keys", "ds"]);
    let ds = keys["ds"][0].as_str().expect("a DS").to_owned();
    let (owner, fields) = ds.split_once(" DS ").expect("a record");
    let fields = fields.to_owned();
    let at = format!("ns1.e164.example={}", ours.dns);
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let silent = format!("ns1.e164.example={}", silent.local_addr().expect("bound"));
    let right = "e164 IN NS ns1.e164\nns1.e164 IN A 127.0.0.1\n";
    let wrong_digest = format!("{} {}", fields.rsplit_once(' ').expect("fields").0, "ab".repeat(32));
    let look = |delegation: &str| {
        above.says(delegation);
        let (code, said) = ours.command(&["doctor", "--address", &at]);
        assert_eq!(code, i32::from(said["well"] == false), "{said}");
        (code, said)
    };
    let (code, said) = look(&format!("{right}{owner} DS {fields}\n"));
    assert_eq!(code, 0, "{said}");
    let tag = tag(&fields);
    let parent = found(&said, "parent");
    assert!(parent.len() == 1 && parent[0].0 == Some(true) && parent[0].1.contains(&format!("DS {tag}")), "{parent:?}");
    let server = found(&said, "server");
    assert!(server.len() == 1 && server[0].0 == Some(true) && server[0].1.contains("UDP and TCP"), "{server:?}");
    assert_eq!(found(&said, "clock")[0].0, Some(true));

    for (delegation, words) in [
        (right.to_owned(), "it has no DS"),
        (format!("{right}{owner} DS {wrong_digest}\n"), "copied wrongly"),
        (format!("{right}{owner} DS {fields}\n{owner} DS 7 13 2 {}\n", "ab".repeat(32)), "DS 7 is stale"),
        (format!("{right}{owner} DS 7 13 2 {}\n", "ab".repeat(32)), "bogus"),
        (format!("e164 IN NS ns9.e164\nns9.e164 IN A 127.0.0.1\n{owner} DS {fields}\n"), "names the servers ns9"),
        (String::new(), "is not delegated"),
    ] {
        let (code, said) = look(&delegation);
        let parent = found(&said, "parent");
        assert!(code == 1 && parent[0].0 == Some(false) && parent[0].1.contains(words), "{words}: {parent:?}");
    }
    above.says(&format!("{right}{owner} DS {fields}\n"));
    let (code, said) = ours.command(&["doctor", "--address", &silent]);
    let server = found(&said, "server");
    assert!(code == 1 && server[0].0 == Some(false) && server[0].1.contains("over UDP"), "{server:?}");
    let bare = Proxy::start(
        ours.dns,
        Arc::new(|_: &[u8], answer: Vec<u8>| Some(Packet::read(&answer).without(RRSIG).write())),
    );
    let (code, said) = ours.command(&["doctor", "--address", &format!("ns1.e164.example={}", bare.address)]);
    assert!(code == 1 && found(&said, "server")[0].1.contains("without EDNS"), "{said}");
}

#[test]
fn a_clock_that_is_wrong_shows_against_the_parents_signatures() {
    for (days, words) in [(40, "behind by"), (-40, "ahead")] {
        let shifted = SystemClock.now_ms().saturating_add_signed(days * 86_400_000);
        let above = Above::start(Arc::new(FakeClock::at(shifted)));
        let ours =
            Parent::start_as(|config| config.replace("parent = []", &format!("parent = [\"{}\"]", above.address())));
        let (_, keys) = ours.command(&["keys", "ds"]);
        above.says(&format!(
            "e164 IN NS ns1.e164\nns1.e164 IN A 127.0.0.1\n{}\n",
            keys["ds"][0].as_str().expect("a DS")
        ));
        let (code, said) = ours.command(&["doctor", "--address", &format!("ns1.e164.example={}", ours.dns)]);
        let clock = found(&said, "clock");
        assert!(code == 1 && clock[0].0 == Some(false) && clock[0].1.contains(words), "{clock:?}");
    }
    // A server that has no address in the zone, and no resolver to say it, is not looked at, and that is said.
    let above = Above::start(Arc::new(SystemClock));
    let ours = Parent::start_as(|config| config.replace("parent = []", &format!("parent = [\"{}\"]", above.address())));
    let file = ours.dir().join("zones/e164.example.zone");
    let text = std::fs::read_to_string(&file).expect("a zone file");
    write(&file, &format!("{text}\n@ IN NS ns.elsewhere.example.\n"));
    let (_, said) = ours.command(&["doctor", "--address", &format!("ns1.e164.example={}", ours.dns)]);
    let server = found(&said, "server");
    assert!(server.iter().any(|(ok, why)| ok.is_none() && why.contains("delegation.resolver")), "{server:?}");
}
