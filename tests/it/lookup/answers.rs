//! Honest servers: what is there, what is not, and what lies behind a delegation.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callbook::client::{Anchor, AnchorError, Class, Directory, Exit, LookupError, Purpose, Transport, Trust};

use crate::lookup::proxy::Proxy;
use crate::lookup::world::{Children, World, look_up, now_s};

#[test]
fn a_number_with_everything_is_secure() {
    let Some(world) = World::start(Children::Same) else { return };
    let lookup = look_up(&world.directory(), "+999 555 0101", now_s()).unwrap();
    assert_eq!(lookup.status, Trust::Secure, "{:#?}", lookup.steps);
    let uris: Vec<_> = lookup.endpoints.iter().map(|endpoint| endpoint.uri.as_str()).collect();
    assert_eq!(uris, ["sip:alice@acme.example", "mailto:alice@acme.example"]);
    let keys: Vec<_> = lookup.keys.iter().map(|key| (key.purpose, key.algorithm)).collect();
    assert_eq!(keys, [(Purpose::Id, "ed25519"), (Purpose::SipClient, "unknown")]);
    assert_eq!(lookup.keys[0].thumbprint.as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    let directory = lookup.directory.as_ref().unwrap();
    assert_eq!((directory.version, directory.class, directory.not_after), (7, Class::Holder, 4_000_000_000));
    let valid_until = lookup.valid_until.unwrap();
    assert!(valid_until > now_s() && valid_until < now_s() + 40 * 86_400, "ldns signs for four weeks");
    assert!(lookup.steps.iter().all(|step| step.status == "secure"));
    assert_eq!(lookup.steps[0].rr_type, "DNSKEY");
    assert_eq!(lookup.steps[1].rr_type, "NAPTR");
    assert_eq!(Exit::of(&Ok(lookup.clone())), Exit::Found);

    let json = serde_json::to_value(&lookup).unwrap();
    assert_eq!(json["status"], "secure");
    assert_eq!(json["found"], true);
    assert_eq!(json["number"], "+9995550101");
    assert_eq!(json["directory"]["not_after"], "2096-10-02T07:06:40Z");
    assert_eq!(json["keys"][1]["sha256"], "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    assert_eq!(json["endpoints"][0]["service"], "E2U+sip");
}

#[test]
fn what_is_not_there_is_proved() {
    let Some(world) = World::start(Children::Same) else { return };
    for number in ["+9995550109", "+5555555", "+9995550", "+440123455", "+4401234561", "+220123455"] {
        let lookup = look_up(&world.directory(), number, now_s()).unwrap();
        assert_eq!(lookup.status, Trust::Secure, "{number}: {:#?}", lookup.steps);
        assert!(lookup.endpoints.is_empty() && lookup.keys.is_empty() && !lookup.found, "{number}");
        assert!(lookup.valid_until.is_some_and(|until_s| until_s > now_s()), "the proofs expire too");
        assert_eq!(Exit::of(&Ok(lookup)), Exit::None);
    }
}

#[test]
fn a_wildcard_answers_where_nothing_is_closer() {
    let Some(world) = World::start(Children::Same) else { return };
    for (number, uri) in [
        ("+777123456", "sip:any@acme.example"),
        ("+449123456", "sip:wild@acme.example"),
        ("+229123456", "sip:wild@acme.example"),
    ] {
        let lookup = look_up(&world.directory(), number, now_s()).unwrap();
        assert_eq!(lookup.status, Trust::Secure, "{number}: {:#?}", lookup.steps);
        assert_eq!(lookup.endpoints[0].uri, uri);
    }
}

#[test]
fn odd_records_are_left_out_and_an_ended_registration_is_bogus() {
    let Some(world) = World::start(Children::Same) else { return };
    let ended = look_up(&world.directory(), "+9995550102", now_s()).unwrap();
    assert!(matches!(&ended.status, Trust::Bogus(why) if why.contains("2001-09-09T01:46:40Z")), "{}", ended.status);
    assert!(!ended.found && ended.endpoints.is_empty());
    assert!(matches!(look_up(&world.directory(), "+9995550105", now_s()), Err(LookupError::Alias { .. })));
}

#[test]
fn delegated_zones_are_followed() {
    for children in [Children::Same, Children::Apart] {
        let Some(world) = World::start(children) else { return };
        for (number, status) in [
            ("+440123456", "secure"),
            ("+449995555", "secure"),
            ("+220123456", "secure"),
            ("+10123456", "insecure"),
            ("+330123456", "insecure"),
            ("+490123456", "bogus"),
        ] {
            let lookup = look_up(&world.directory(), number, now_s()).unwrap();
            assert_eq!(lookup.status.word(), status, "{number}: {} {:#?}", lookup.status, lookup.steps);
            assert_eq!(lookup.endpoints.len(), usize::from(status != "bogus"), "{number}");
            assert_eq!(lookup.found, status != "bogus");
        }
        let lookup = look_up(&world.directory(), "+10123457", now_s()).unwrap();
        assert!(matches!(lookup.status, Trust::Insecure(_)), "{}", lookup.status);
        assert_eq!(Exit::of(&Ok(lookup)), Exit::None);
    }
}

#[test]
fn time_decides() {
    let Some(world) = World::start(Children::Same) else { return };
    for (at_s, word) in [(now_s() + 400 * 86_400, "expired"), (now_s() - 400 * 86_400, "valid only from")] {
        let lookup = look_up(&world.directory(), "+9995550101", at_s).unwrap();
        assert!(matches!(&lookup.status, Trust::Bogus(why) if why.contains(word)), "{}", lookup.status);
        assert!(lookup.endpoints.is_empty() && lookup.keys.is_empty() && lookup.directory.is_none());
        assert_eq!(Exit::of(&Ok(lookup)).code(), 3);
    }
}

#[test]
fn anchors_decide() {
    let Some(world) = World::start(Children::Same) else { return };
    let key = std::fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("Ke164.example.") && name.ends_with(".key") && {
            std::fs::read_to_string(path).unwrap().contains("257 3 13")
        }
    });
    let dnskey = std::fs::read_to_string(key.unwrap()).unwrap();
    let by_key = Directory::at(world.address, Anchor::parse(&dnskey).unwrap());
    assert_eq!(look_up(&by_key, "+9995550101", now_s()).unwrap().status, Trust::Secure);

    let other = world.anchor_text().replace("13 2 ", "13 2 00");
    let wrong = Directory::at(world.address, Anchor::parse(&other).unwrap());
    let lookup = look_up(&wrong, "+9995550101", now_s()).unwrap();
    assert!(matches!(&lookup.status, Trust::Bogus(why) if why.contains("trust anchor")), "{}", lookup.status);

    let unknown = Anchor::parse("e164.example. DS 1 200 2 abcd").unwrap();
    let lookup = look_up(&Directory::at(world.address, unknown), "+9995550101", now_s()).unwrap();
    assert!(matches!(&lookup.status, Trust::Insecure(_)), "{}", lookup.status);

    // The parent's anchor with the child as apex; an apex elsewhere is refused.
    let child = world.directory().with_apex("4.4.E164.example").unwrap();
    assert_eq!(child.apex(), "4.4.e164.example.");
    assert_eq!(look_up(&child, "+9999999", now_s()).unwrap().status, Trust::Secure);
    assert!(matches!(world.directory().with_apex("e164.arpa."), Err(LookupError::Apex { .. })));
    assert!(matches!(Anchor::parse("nonsense"), Err(AnchorError::Entry(_))));
}

#[test]
fn a_cut_answer_is_asked_again_over_tcp() {
    let Some(world) = World::start(Children::Same) else { return };
    let cut = |_: &[u8], mut answer: Vec<u8>| {
        answer[2] |= 0x02; // TC
        Some(answer)
    };
    let plain = |_: &[u8], answer: Vec<u8>| Some(answer);
    let through = Proxy::start(world.address, Arc::new(plain));
    let lookup = look_up(&world.directory_at(through.address), "+9995550101", now_s()).unwrap();
    assert!(lookup.steps.iter().all(|step| step.transport == Transport::Udp));
    // Over TCP the proxy cuts as well: an answer that stays cut is an error, not half an answer.
    let through = Proxy::start(world.address, Arc::new(cut));
    let error = look_up(&world.directory_at(through.address), "+9995550101", now_s()).unwrap_err();
    assert!(matches!(error, LookupError::Malformed { .. }), "{error}");
    // Cut over UDP only: an answer comes over TCP.
    let cut_udp = move |question: &[u8], answer: Vec<u8>| match thread_is_tcp() {
        true => Some(answer),
        false => cut(question, answer),
    };
    let through = Proxy::start(world.address, Arc::new(cut_udp));
    let lookup = look_up(&world.directory_at(through.address), "+9995550101", now_s()).unwrap();
    assert_eq!(lookup.status, Trust::Secure);
    assert!(lookup.steps.iter().all(|step| step.transport == Transport::Tcp));
}

fn thread_is_tcp() -> bool {
    std::thread::current().name() == Some("tcp")
}

#[test]
fn silence_and_refusal_name_the_server() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let anchor = || Anchor::parse("e164.example. DS 1 13 2 abcd").unwrap();
    let started = Instant::now();
    let error = look_up(&Directory::at(address, anchor()).with_limits(50, 1_000), "+9995550101", 0).unwrap_err();
    assert!(started.elapsed() < Duration::from_millis(900));
    assert!(matches!(&error, LookupError::Silent { waited_ms: 100, .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    let error = look_up(&Directory::at(address, anchor()).with_limits(5_000, 60), "+9995550101", 0).unwrap_err();
    assert!(matches!(&error, LookupError::TooSlow { total_ms: 60, .. }), "{error}");
    drop(silent);
    let error = look_up(&Directory::at(address, anchor()).with_limits(50, 1_000), "+9995550101", 0).unwrap_err();
    assert!(matches!(&error, LookupError::Unreachable { .. } | LookupError::Silent { .. }), "{error}");
    assert_eq!(Exit::of(&Err(error)).code(), 2);

    let Some(world) = World::start(Children::Same) else { return };
    let foreign = Directory::at(world.address, Anchor::parse("e164.test. DS 1 13 2 abcd").unwrap());
    let error = look_up(&foreign, "+9995550101", now_s()).unwrap_err();
    assert!(matches!(&error, LookupError::Refused { reason, .. } if reason.contains("REFUSED")), "{error}");
    // A second server is asked when the first is silent.
    let dead: SocketAddr = address;
    let anchor = Anchor::parse(&world.anchor_text()).unwrap();
    let both = Directory::at(dead, anchor).or_at(world.address).with_limits(50, 5_000);
    assert_eq!(look_up(&both, "+9995550101", now_s()).unwrap().status, Trust::Secure);
}
