//! What the parent does not take: each time with its reason, and the DS stay as they are.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use callbook::clock::{Clock, FakeClock, SystemClock};
use callbook::wire::RrType;

use super::parent::{Parent, ask, tag, until};
use super::shaped::{Shape, Shaped};
use crate::lookup::packet::{Packet, RRSIG, asked_type};
use crate::lookup::proxy::Proxy;

const CDS: u16 = 59;
const DAY_MS: u64 = 86_400_000;

fn now() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Answers to questions for CDS come changed, all others as they are.
fn changing_cds(server: SocketAddr, change: fn(Packet) -> Packet) -> Proxy {
    Proxy::start(
        server,
        Arc::new(move |question: &[u8], answer: Vec<u8>| match asked_type(question) {
            CDS => Some(change(Packet::read(&answer)).write()),
            _ => Some(answer),
        }),
    )
}

#[test]
fn unsigned_cds_and_servers_that_disagree_or_are_silent_change_nothing() {
    let (parent, child) = (Parent::start("poll_s = 0"), Shaped::new());
    let [old, new, _] = child.keys;
    let rolling = child.serve(&Shape { shown: &[old, new], signs: &[old, new], wanted: &[new] }, now());
    let (at, before) = (rolling.address(), child.ds(&[old]));
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let bare = changing_cds(at, |packet| packet.without(RRSIG));
    let none = changing_cds(at, |packet| packet.without(CDS));
    let behind = child.serve(&Shape { shown: &[old, new], signs: &[old, new], wanted: &[old] }, now());
    let foreign = Shaped::new();
    let other = foreign.serve(&Shape { shown: &foreign.keys, signs: &foreign.keys, wanted: &foreign.keys[..1] }, now());
    for (addresses, code) in [
        (vec![bare.address], "not_proved"),
        (vec![at, none.address], "disagreement"),
        (vec![at, behind.address()], "disagreement"),
        (vec![at, silent.local_addr().expect("bound")], "no_answer"),
        (vec![other.address()], "chain_broken"),
    ] {
        parent.delegate(&before, &addresses);
        assert_eq!(parent.refusal(), code);
        assert_eq!(parent.check(&["--take"]).0, 1, "nor is it taken");
        assert_eq!(parent.listed()["ds"].as_array().map(Vec::len), Some(2), "SHA-256 and SHA-384 of the old key");
    }
    // All well, and nothing is changed until somebody says so.
    parent.delegate(&before, &[at, at]);
    let (code, said) = parent.check(&[]);
    assert_eq!((code, said["verdict"].as_str(), said["taken"].as_bool()), (0, Some("take"), Some(false)), "{said}");
    assert_eq!(said["servers"][1]["cds"][0].as_u64(), Some(u64::from(new.tag)), "{said}");
    assert_eq!(parent.ds_tags(), [old.tag; 2]);
    let (code, said) = parent.check(&["--take"]);
    assert_eq!((code, said["taken"].as_bool()), (0, Some(true)), "{said}");
    assert_eq!(parent.ds_tags(), [new.tag], "served at once");
    assert_eq!(parent.check(&[]).1["verdict"].as_str(), Some("same"));
    let changed = &parent.listed()["child"]["changed"];
    assert_eq!(changed["to"].as_array().map(Vec::len), Some(1), "{changed}");
}

#[test]
fn a_ds_that_would_break_the_chain_is_not_taken() {
    let (parent, child) = (Parent::start("poll_s = 0"), Shaped::new());
    let [old, new, _] = child.keys;
    for shape in [
        Shape { shown: &[old], signs: &[old], wanted: &[new] },
        Shape { shown: &[old, new], signs: &[old], wanted: &[new] },
    ] {
        let early = child.serve(&shape, now());
        parent.delegate(&child.ds(&[old]), &[early.address()]);
        assert_eq!(parent.refusal(), "would_break");
    }
    assert_eq!(parent.ds_tags(), [old.tag; 2]);
}

#[test]
fn older_cds_do_not_come_back() {
    let (parent, child) = (Parent::start("poll_s = 0"), Shaped::new());
    let [old, new, next] = child.keys;
    let rolling = child.serve(&Shape { shown: &[old, new], signs: &[old, new], wanted: &[new] }, now());
    let rolled_back = Shape { shown: &[old, new], signs: &[old, new], wanted: &[old] };
    let replay = child.serve(&rolled_back, now());
    let yesterday = Arc::new(FakeClock::at(SystemClock.now_ms() - 2 * DAY_MS));
    let earlier = child.serve(&rolled_back, yesterday);
    let further = child.serve(&Shape { shown: &[new, next], signs: &[new, next], wanted: &[next] }, now());
    // The address is the operator's word and changes nothing about what was taken before.
    let point_at = |server: SocketAddr, ds: &[String]| parent.delegate(ds, &[server]);
    point_at(rolling.address(), &child.ds(&[old]));
    assert_eq!(parent.check(&["--take"]).0, 0);
    let taken = child.ds(&[new]);
    for (server, what) in [(replay.address(), "signed in the same second"), (earlier.address(), "signed days before")] {
        point_at(server, &taken);
        assert_eq!(parent.refusal(), "replayed", "{what}");
    }
    point_at(further.address(), &taken);
    assert_eq!(parent.check(&["--take"]).0, 0, "the next roll in the same slot of signatures is no replay");
    assert_eq!(parent.ds_tags(), [next.tag]);
    // A block that was taken back and is delegated anew begins anew.
    assert_eq!(parent.run(&["+33", "--remove"]).0, 0);
    point_at(replay.address(), &taken);
    assert_eq!(parent.check(&[]).1["verdict"].as_str(), Some("take"));
}

#[test]
fn the_service_polls_by_itself_remembers_why_not_and_answers_meanwhile() {
    let (parent, child) = (Parent::start("poll_s = 1"), Shaped::new());
    let [old, new, _] = child.keys;
    let early = child.serve(&Shape { shown: &[old, new], signs: &[old], wanted: &[new] }, now());
    parent.delegate(&child.ds(&[old]), &[early.address()]);
    let refused = |code: &str| parent.listed()["child"]["refused"]["code"].as_str() == Some(code);
    until("the refusal", || refused("would_break"));
    // A child that never says a word holds nothing up.
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    parent.delegate(&child.ds(&[old]), &[silent.local_addr().expect("bound")]);
    let mut heard = [0; 512];
    silent.recv_from(&mut heard).expect("the child is asked");
    let begun = Instant::now();
    assert_eq!(parent.ds_tags(), [old.tag; 2]);
    assert!(ask(parent.dns, super::parent::APEX, RrType::SOA).rcode == 0 && begun.elapsed().as_millis() < 500);
    let rolling = child.serve(&Shape { shown: &[old, new], signs: &[old, new], wanted: &[new] }, now());
    parent.delegate(&child.ds(&[old]), &[rolling.address()]);
    until("the new DS", || parent.ds_tags() == [new.tag]);
    until("a look afterwards", || parent.listed()["child"]["found"] == "same");
    let listed = parent.listed();
    let from = listed["child"]["changed"]["from"][0].as_str().expect("a DS");
    assert_eq!((tag(from), refused("no_answer") || refused("would_break")), (old.tag, true), "{listed}");
}

#[test]
fn what_cannot_be_asked_is_told() {
    let parent = Parent::start("poll_s = 0");
    let ds = format!("7 13 2 {}", "ab".repeat(32));
    let elsewhere = ["+33", "--to", "ns.example.net", "--ds", &ds];
    assert_eq!(parent.run(&elsewhere).0, 0);
    assert_eq!(parent.refusal(), "no_address");
    let (code, said) = parent.run(&["--check", "+34"]);
    assert!(code == 2 && said["error"].as_str().is_some_and(|why| why.contains("not delegated by command")), "{said}");
    assert_eq!(parent.run(&["+33", "--to", "ns.example.net", "--insecure"]).0, 0);
    let (code, said) = parent.check(&[]);
    assert!(code == 2 && said["error"].as_str().is_some_and(|why| why.contains("--ds")), "{said}");
    let (code, said) = parent.run(&["+33", "--to", "ns.example.net", "--insecure", "--address", "x.example=::1"]);
    assert!(code == 2 && said["error"].as_str().is_some_and(|why| why.contains("no name server")), "{said}");
}
