//! Secondaries serve exactly what we serve, and follow changes by NOTIFY and IXFR.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use callbook::clock::{Clock, FakeClock, SystemClock, rfc3339};
use callbook::config::{Config, Dns};
use callbook::nameserver::tsig::split;
use callbook::wire::{Name, RrType};
use callbook::zone::StaticZone;
use callbook::zone::version::soa_serial;

use super::home::{Home, KEY, PATIENCE, SECRET, Service, axfr, dig, signed};
use super::refused::{key, over_tcp, question};
use super::secondaries::{Secondary, ports, told};
use crate::oracle::packet::{Edns, Question, Reply, Rr};
use crate::oracle::servers::KINDS;
use crate::oracle::{compare_answers, zones};
use crate::peers;

/// Questions a zone to each server: those for every name are among them.
const QUESTIONS: usize = 400;
/// Zones that are signed, with a digest; the others are as their files.
const SIGNED: [&str; 5] = ["wild.test.", "dname.test.", "cuts.test.", "types.test.", "stars.test."];
/// Those of them whose names are hashed.
const HASHED: [&str; 3] = ["wild.test.", "cuts.test.", "stars.test."];

#[test]
fn knot_nsd_and_bind_serve_what_we_serve_and_follow() {
    let (all, ports, dir) = (zones::separate(), ports(), tempfile::tempdir().expect("a folder"));
    let options = |apex: &str| {
        let denial = if HASHED.contains(&apex) { "denial = \"nsec3\"\n" } else { "" };
        match SIGNED.contains(&apex) {
            true => format!("sign = true\nzonemd = true\n{denial}{}", told(&ports)),
            false => told(&ports),
        }
    };
    let zones: Vec<(&str, &str, String)> =
        all.iter().map(|zone| (zone.apex, &*zone.text, options(zone.apex))).collect();
    let zones: Vec<(&str, &str, &str)> = zones.iter().map(|(apex, text, options)| (*apex, *text, &**options)).collect();
    let home = Home::new(&zones, "");
    let service = home.serve();
    let names: Vec<&str> = zones.iter().map(|zone| zone.0).collect();
    let start = |(kind, at)| Secondary::start(kind, at, service.address, &names, None, dir.path());
    let running: Vec<Secondary> = KINDS.into_iter().zip(ports).filter_map(start).collect();
    if running.len() < KINDS.len() {
        return;
    }
    home.wait_until_current();
    same_everywhere(&service, &ports, &names);
    verified(&service, dir.path());
    let servers: Vec<SocketAddr> = std::iter::once(service.address).chain(ports).collect();
    compare_answers(&data(&home), &servers, QUESTIONS);

    let before = service.sent("IXFR");
    for name in &names {
        // Also what was there goes and what was not comes, and a whole name.
        home.edit(name, |text| {
            let text = text.replacen(" 1 7200", " 2 7200", 1).replace("ns              IN A     192.0.2.1\n", "");
            // Nothing may stand below a DNAME.
            text + if *name == "bare.dname." {
                "@ IN TXT \"came\"\n"
            } else {
                "new.name IN TXT \"came\"\nns IN A 192.0.2.77\n"
            }
        });
    }
    let (code, told) = home.run(&["zone", "reload"]);
    assert_eq!(code, 0, "{told:#}");
    home.wait_until_current();
    same_everywhere(&service, &ports, &names);
    verified(&service, dir.path());
    compare_answers(&data(&home), &servers, QUESTIONS);
    for address in ports {
        let said = dig(address, &["new.name.cuts.test", "TXT", "+short"]);
        assert_eq!(said.trim(), "\"came\"");
    }
    // Small zones that change in most of their records may come whole; the others come by what changed.
    let steps = service.sent("IXFR") - before;
    assert!(steps >= 3 * (names.len() as u64 - 3), "{steps} of {} came by IXFR", 3 * names.len());
}

/// Every secondary gives the records that we give, all of them.
fn same_everywhere(service: &Service, ports: &[SocketAddr], names: &[&str]) {
    for name in names {
        let ours = axfr(service.address, name, &[&signed()]);
        assert!(ours.len() > 3, "{name}: {ours:?}");
        for (kind, port) in KINDS.iter().zip(ports) {
            let theirs = axfr(*port, name, &[]);
            let only = |a: &[String], b: &[String]| a.iter().filter(|r| !b.contains(r)).cloned().collect::<Vec<_>>();
            assert_eq!((only(&ours, &theirs), only(&theirs, &ours)), (vec![], vec![]), "{kind:?} {name}");
        }
    }
}

/// The signed zones are right in the eyes of ldns, Knot and BIND, digest included.
fn verified(service: &Service, dir: &std::path::Path) {
    for zone in SIGNED {
        let file = dir.join("transferred");
        std::fs::write(&file, axfr(service.address, zone, &[&signed()]).join("\n") + "\n").expect("a file");
        let file = file.to_str().expect("a path");
        for (program, args) in [
            ("ldns-verify-zone", vec!["-ZZ", file]),
            ("dnssec-verify", vec!["-q", "-o", zone, file]),
            ("kzonecheck", vec!["-o", zone, "-d", "on", file]),
        ] {
            // Knot wants glue for a delegation that leads nowhere.
            if (program, zone) == ("kzonecheck", "cuts.test.") {
                continue;
            }
            let Some(program) = peers::program(program) else { continue };
            let output = Command::new(&program).args(&args).output().expect("it runs");
            let said = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "{zone} {program:?}:\n{}", String::from_utf8_lossy(&said));
        }
    }
}

fn data(home: &Home) -> Vec<Arc<StaticZone>> {
    let read = |zone: &callbook::config::Zone| {
        let text = std::fs::read_to_string(&zone.file).expect("a file");
        Arc::new(StaticZone::read(&text, &Name::from_text(&zone.name).expect("a name")).expect("a right file"))
    };
    home.config.zone.iter().map(read).collect()
}

/// A change of the chain is a new version, which secondaries fetch as a step: NSEC goes and NSEC3 comes, and back. A start
/// without a change goes on with the same octets.
#[test]
fn a_change_of_denial_is_a_step() {
    // Large data that stay, so that the step is worth more than the whole.
    let large = format!("\"{}\" ", "x".repeat(200)).repeat(10);
    let text =
        format!("@ 60 IN SOA ns h 10 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\n*.w IN TXT {large}\nb.ent IN NS ns\n");
    let mut home = Home::new(&[("a.example.", &text, &format!("sign = true\nzonemd = true\n{}", told(&[])))], "");
    let dir = tempfile::tempdir().expect("a folder");
    let mut serial = 10;
    for (denial, chain, other) in [("nsec", "NSEC", "NSEC3"), ("nsec3", "NSEC3", "NSEC"), ("nsec", "NSEC", "NSEC3")] {
        let file = home.dir.path().join("config.toml");
        let config = std::fs::read_to_string(&file).expect("a configuration");
        let lines = config.lines().filter(|line| !line.starts_with("denial"));
        let lines = lines.map(|line| line.replace("sign = true", &format!("sign = true\ndenial = \"{denial}\"")));
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).expect("a configuration");
        home.config = Config::load(home.dir.path()).expect("a right configuration");
        let service = home.serve();
        let records = axfr(service.address, "a.example", &[&signed()]);
        let of = |rr_type: &str| records.iter().filter(|line| line.split(' ').nth(3) == Some(rr_type)).count();
        // Apex, ns, *.w, b.ent; hashed also w and ent.
        let links = if denial == "nsec" { 4 } else { 6 };
        assert_eq!(
            (of(chain), of(other), of("NSEC3PARAM")),
            (links, 0, usize::from(denial == "nsec3")),
            "{records:#?}"
        );
        if denial != "nsec" || serial > 10 {
            let since = format!("IXFR={serial}");
            let step = dig(service.address, &["a.example", &since, "+noall", "+answer", &signed()]);
            let has = |rr_type: &str| step.lines().any(|line| line.split_whitespace().nth(3) == Some(rr_type));
            assert!(has("NSEC") && has("NSEC3") && !step.contains("192.0.2.1"), "what changed, and no more:\n{step}");
        }
        let soa = records.iter().find(|line| line.contains(" IN SOA ")).expect("one");
        serial = soa.split(' ').nth(6).and_then(|serial| serial.parse().ok()).expect("a number");
        if let Some(verify) = peers::program("ldns-verify-zone") {
            let file = dir.path().join("transferred");
            std::fs::write(&file, records.join("\n") + "\n").expect("a file");
            let said = Command::new(verify).arg("-ZZ").arg(&file).output().expect("it runs");
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
        drop(service);
        assert_eq!(axfr(home.serve().address, "a.example", &[&signed()]), records, "a start changes nothing");
    }
}

#[test]
fn each_day_a_seventh_of_the_signatures_is_new_and_so_is_the_serial() {
    let names: String = (0..8).map(|i| format!("n{i} IN TXT \"one of many\"\n")).collect();
    let text = format!("@ 60 IN SOA ns h 10 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\n*.w IN TXT \"any\"\n{names}");
    let home = Home::new(&[("a.example.", &text, &format!("sign = true\nzonemd = true\n{}", told(&[])))], "");
    let clock = Arc::new(FakeClock::at(SystemClock.now_ms()));
    let service = home.serve_with(clock.clone(), Dns::default()).expect("it can be served");
    // By our own hand, for dig signs with the real time.
    let fetch = || -> BTreeSet<Rr> {
        let (mut chain, mut asked) = (key(KEY, SECRET), question(RrType::AXFR));
        chain.sign(&mut asked, clock.now_s());
        let answer = over_tcp(service.address, &asked);
        assert!(chain.is_answered_by(&answer, clock.now_s()));
        Reply::read(&split(&answer).expect("a TSIG").plain()).expect("well-formed").answer
    };
    let of = |records: &BTreeSet<Rr>, rr_type: RrType| -> BTreeMap<(String, u16), Vec<u8>> {
        let all = records.iter().filter(|rr| rr.rr_type == rr_type.0);
        all.map(|rr| ((rr.owner.clone(), u16::from_be_bytes([rr.rdata[0], rr.rdata[1]])), rr.rdata.clone())).collect()
    };
    let serial = |records: &BTreeSet<Rr>| of(records, RrType::SOA).values().next().and_then(|soa| soa_serial(soa));
    let before = fetch();
    assert_eq!(serial(&before), Some(10));
    // What is answered here is what was transferred: the same octets.
    let asked = Question {
        qname: Name::from_text("x.w.a.example.").expect("a name").as_wire().to_vec(),
        qtype: RrType::TXT,
        edns: Some(Edns { version: 0, udp_octets: 1_232, dnssec_ok: true }),
        rd: false,
        cd: false,
    };
    let answered = Reply::read(&over_tcp(service.address, &asked.packet(1))).expect("well-formed").answer;
    let old = of(&before, RrType::RRSIG);
    let wildcard = &old[&("*.w.a.example.".to_owned(), RrType::TXT.0)];
    assert_eq!(of(&answered, RrType::RRSIG).values().collect::<Vec<_>>(), [wildcard]);

    let mut last = (old, serial(&before));
    let (mut renewed, mut most) = (0, 0);
    for day in 1..=7 {
        clock.advance(86_400_000);
        let began = Instant::now();
        let after = loop {
            let after = fetch();
            if serial(&after) != last.1 {
                break after;
            }
            assert!(began.elapsed() < PATIENCE, "no new version");
        };
        assert_eq!(serial(&after), Some(10 + day));
        let new = of(&after, RrType::RRSIG);
        assert!(last.0.keys().eq(new.keys()) && new.len() == 27, "the same sets are signed: {:?}", new.keys());
        let is_new = |set: &(String, u16)| last.0[set] != new[set];
        for rr_type in [RrType::SOA, RrType::ZONEMD, RrType::DNSKEY] {
            assert!(is_new(&("a.example.".to_owned(), rr_type.0)), "{rr_type:?}");
        }
        let names = (0..8).map(|i| (format!("n{i}.a.example."), RrType::TXT.0)).filter(is_new).count();
        (renewed, most) = (renewed + names, most.max(names));
        for (set, signature) in &new {
            let until_s = u64::from(u32::from_be_bytes([signature[8], signature[9], signature[10], signature[11]]));
            let of_keys = [RrType::DNSKEY.0, RrType::CDS.0, RrType::CDNSKEY.0].contains(&set.1);
            let least_s = if of_keys { 5 } else { 7 } * 86_400 - 3_600;
            assert!(until_s >= clock.now_s() + least_s, "{set:?}: whoever is cut off goes on for days");
        }
        last = (new, serial(&after));
    }
    assert_eq!(renewed, 8, "each name's turn comes once in seven days");
    assert!(most < 8, "and not all of them come on one day");
}

#[test]
fn a_clock_that_was_days_ahead_or_a_day_behind_loses_nothing() {
    let text = "@ 60 IN SOA ns h 10 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\n";
    let home = Home::new(&[("a.example.", text, "sign = true")], "");
    let right_ms = SystemClock.now_ms();
    let at = |clock: Arc<FakeClock>| home.serve_with(clock, Dns::default()).expect("it can be served");
    // Serial, and whether the signature over the SOA is valid by the right time.
    let seen = |service: &Service| {
        let answer = dig(service.address, &["a.example.", "SOA", "+dnssec", "+noall", "+answer"]);
        let mut lines = answer.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let serial = lines.next().expect("a SOA")[6].parse::<u32>().expect("a serial");
        let (until, from) = lines.next().map(|rrsig| (rrsig[8].clone(), rrsig[9].clone())).expect("its signature");
        let now: String = rfc3339(right_ms / 1_000).chars().filter(char::is_ascii_digit).collect();
        (serial, from <= now && now < until)
    };
    let (before, _) = seen(&at(Arc::new(FakeClock::at(right_ms - 86_400_000))));
    let clock = Arc::new(FakeClock::at(right_ms + 10 * 86_400_000));
    let service = at(clock.clone());
    let (ahead, valid) = seen(&service);
    assert!(ahead > before && !valid, "nobody can know that the clock is wrong");
    home.edit("a.example.", |text| text + "@ IN TXT \"came while the clock was wrong\"\n");
    // The clock is set back while it runs, and the file is read.
    clock.set(right_ms);
    let began = Instant::now();
    let righted = loop {
        clock.advance(500);
        match seen(&service) {
            (serial, true) => break serial,
            _ => assert!(began.elapsed() < PATIENCE, "signatures from a time to come are not replaced"),
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(righted > ahead, "secondaries would not follow a serial that falls: {ahead} {righted}");
    drop(service);
    let service = at(Arc::new(FakeClock::at(right_ms)));
    assert!(seen(&service).0 > righted && seen(&service).1);
    assert!(dig(service.address, &["a.example.", "TXT", "+short"]).contains("came while"));
}
