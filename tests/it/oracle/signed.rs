//! The same zones signed by ldns for the peers, while we sign our own; and unbound, which must call all of ours secure.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use callbook::dnssec::{ZoneKeys, anchor};
use callbook::wire::RrType;
use callbook::zone::{Denial, StaticZone};
use ring::rand::SystemRandom;

use super::packet::{AA, AD, Edns, Question, Reply};
use super::questions::{Random, questions};
use super::servers::{ask_all, ask_tcp, unbound};
use super::zones::{Zone, separate};
use super::{SEED, serve};
use crate::peers;

/// Signs each zone with a key for keys and one for data; none if ldns is not installed.
pub(super) fn by_ldns(zones: &[Zone], denial: Denial, dir: &Path) -> Option<Vec<Zone>> {
    let (keygen, signzone) = (peers::program("ldns-keygen")?, peers::program("ldns-signzone")?);
    let sign = |(i, zone): (usize, &Zone)| {
        let folder = dir.join(format!("signed-{i}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let key = |flags: &[&str]| {
            let mut command = Command::new(&keygen);
            command.current_dir(&folder).args(["-a", "ECDSAP256SHA256"]).args(flags).arg(zone.apex);
            let output = command.stderr(Stdio::null()).output().expect("ldns-keygen runs");
            String::from_utf8(output.stdout).expect("a file name").trim().to_owned()
        };
        let keys = [key(&["-k"]), key(&[])];
        std::fs::write(folder.join("plain"), format!("$ORIGIN {}\n{}", zone.apex, zone.text)).expect("a zone file");
        let mut command = Command::new(&signzone);
        let chain: &[&str] = match denial {
            Denial::Nsec => &[],
            Denial::Nsec3 => &["-n", "-t", "0"],
        };
        command.current_dir(&folder).args(chain).args(["-o", zone.apex, "-f", "signed", "plain"]).args(keys);
        let output = command.output().expect("ldns-signzone runs");
        assert!(output.status.success(), "{}: {}", zone.apex, String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(folder.join("signed")).expect("a signed zone");
        Zone { apex: zone.apex, text }
    };
    Some(zones.iter().enumerate().map(sign).collect())
}

/// Questions a zone for the validator, which takes longer.
const QUESTIONS: usize = 700;
/// The zone whose wildcards have no data.
const STARS: &str = "stars.test.";

#[test]
fn unbound_calls_every_answer_secure() {
    unbound_believes(Denial::Nsec);
}

#[test]
fn unbound_calls_every_answer_by_hashed_names_secure() {
    unbound_believes(Denial::Nsec3);
}

fn unbound_believes(denial: Denial) {
    // unbound takes a wildcard without data for no wildcard: delv judges that zone.
    let zones: Vec<Zone> = separate().into_iter().filter(|zone| zone.apex != STARS).collect();
    let dir = tempfile::tempdir().expect("a folder");
    let data: Vec<Arc<StaticZone>> = zones.iter().map(|zone| zone.read(denial)).collect();
    let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).expect("keys"));
    let ours = serve(&data, Some(&keys));
    let server = ours.addresses()[0];
    let anchors: String = data.iter().map(|zone| anchor::anchor_key(zone.apex(), &keys)).collect();
    let Some(unbound) = unbound(&zones, server, &anchors, dir.path()) else { return };
    let mut random = Random(SEED);
    let mut sorts = BTreeSet::new();
    for zone in &data {
        let names: Vec<_> = zone.in_order().map(|(name, _)| name).collect();
        let edns = Edns { version: 0, udp_octets: 4_096, dnssec_ok: true };
        let (mut asked, mut answers) = (Vec::new(), Vec::new());
        for question in questions(zone.apex(), &names, QUESTIONS, &mut random) {
            let question = Question { edns: Some(edns), rd: true, cd: false, ..question };
            let ours = Reply::read(&ask_tcp(server, &question)).expect("well-formed");
            // A resolver asks the parent for the DS of an apex, and follows an alias that it knows even for NSEC.
            let alias = Question { qtype: RrType::CNAME, ..question.clone() };
            let aliased = ours.answer.iter().any(|rr| RrType(rr.rr_type) == RrType::CNAME);
            let beyond = match question.qtype {
                RrType::DS => aliased || question.name() == *zone.apex(),
                RrType::NSEC | RrType::NSEC3 => {
                    !Reply::read(&ask_tcp(server, &alias)).expect("well-formed").answer.is_empty()
                }
                RrType::DNAME => aliased, // it takes the DNAME on the way for the one that was asked for
                RrType::ANY | RrType::RRSIG => true,
                _ => false,
            };
            if is_complete(&ours) && !beyond {
                asked.push(question);
                answers.push(ours);
            }
        }
        let judged = ask_all(unbound.address, &asked);
        for ((question, ours), judged) in asked.iter().zip(&answers).zip(&judged) {
            let judged = Reply::read(judged).expect("well-formed");
            let secure = judged.flags & AD != 0 && judged.rcode == ours.rcode;
            assert!(secure, "{question}\n  ours: {ours}  unbound: {judged}");
            sorts.insert((ours.rcode, ours.answer.is_empty(), ours.authority.len()));
        }
    }
    // NXDOMAIN, NODATA and data, each with proofs of several sizes.
    assert!(sorts.len() > 6, "{sorts:?}");
}

#[test]
fn delv_calls_denials_by_a_wildcard_without_data_secure() {
    delv_believes(Denial::Nsec);
}

#[test]
fn delv_calls_denials_by_a_wildcard_without_data_secure_by_hashed_names() {
    delv_believes(Denial::Nsec3);
}

fn delv_believes(denial: Denial) {
    let Some(delv) = peers::program("delv") else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let zone = separate().into_iter().find(|zone| zone.apex == STARS).expect("a zone of stars");
    let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).expect("keys"));
    let ours = serve(&[zone.read(denial)], Some(&keys));
    let (server, anchors) = (ours.addresses()[0], dir.path().join("anchors"));
    std::fs::write(&anchors, anchor::anchor_delv(&zone.name(), &keys)).expect("anchors");
    for (name, qtype) in [("x", "A"), ("x.ent", "TXT"), ("*", "A"), ("ent", "A"), ("*.ent", "A"), ("a.b", "A")] {
        let name = format!("{name}.{STARS}");
        let mut command = Command::new(&delv);
        command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string(), "-a"]).arg(&anchors);
        let output = command.args([format!("+root={STARS}").as_str(), &name, qtype]).output().expect("delv runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("; negative response, fully validated"), "{name} {qtype}\n{said}");
    }
}

/// Whether nobody else has to be asked: no refusal, no referral, no alias at the end that leads out of the zone.
fn is_complete(ours: &Reply) -> bool {
    let soa = ours.authority.iter().any(|rr| RrType(rr.rr_type) == RrType::SOA);
    let alias = |rr_type: u16| matches!(RrType(rr_type), RrType::CNAME | RrType::DNAME | RrType::RRSIG);
    ours.flags & AA != 0 && (soa || ours.answer.iter().any(|rr| !alias(rr.rr_type)))
}

#[test]
fn what_a_signer_put_into_a_file_is_left_out() {
    let records = |zone: &StaticZone| -> Vec<(String, RrType, u32, Vec<u8>)> {
        let sets = zone.in_order().flat_map(|(name, node)| node.rrsets().map(move |set| (name, set)));
        sets.map(|(name, set)| (name.to_text(), set.rr_type, set.ttl_s, set.rdatas.to_vec())).collect()
    };
    for denial in [Denial::Nsec, Denial::Nsec3] {
        let (zones, dir) = (separate(), tempfile::tempdir().expect("a folder"));
        let Some(signed) = by_ldns(&zones, denial, dir.path()) else { return };
        for (zone, signed) in zones.iter().zip(&signed) {
            assert!(StaticZone::read(&signed.text, &zone.name()).is_err(), "{} is signed", zone.apex);
            let bare = StaticZone::read_bare(&signed.text, &zone.name(), Denial::Nsec).expect("what is left is a zone");
            assert_eq!(records(&bare), records(&zone.read(Denial::Nsec)), "{}", zone.apex);
        }
    }
}
