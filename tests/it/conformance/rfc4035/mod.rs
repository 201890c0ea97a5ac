//! RFC 4035: what a server of a signed zone answers.

use callbook::nameserver::Transport;
use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::RecordType as T;

use super::zone::{Said, ask, ask_do, plain, signed};
use crate::dns::ask::{Dnssec, query};

const ZONE: &str = "\
b          IN TXT   \"b\"
d.ent      IN TXT   \"below an empty non-terminal\"
f          IN TXT   \"f\"
f          IN CAA   0 issue \"ca.invalid\"
*.w        IN TXT   \"any\"
m.w        IN A     192.0.2.2
open       IN NS    ns.open
open       IN A     192.0.2.7
ns.open    IN A     192.0.2.8
safe       IN NS    ns.open
safe       IN DS    12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
";
const SOA: [&str; 2] = ["example. SOA", "example. RRSIG SOA"];

fn nsecs(said: &Said) -> Vec<&str> {
    said.authority.iter().map(String::as_str).filter(|line| line.contains(" NSEC ")).collect()
}

/// 2.3: names with data and delegations own an NSEC each, in canonical order and a circle; empty non-terminals and glue
/// own none. A delegation's says NS, and DS if there is one, and nothing of glue.
#[test]
fn section_2_3_the_chain() {
    let mut desk = signed(ZONE);
    let (mut name, mut walked) = ("example.".to_owned(), Vec::new());
    loop {
        let said = ask_do(
            &mut desk,
            &name,
            if name.starts_with("open") || name.starts_with("safe") { T::DS } else { T::NSEC },
        );
        let nsec = said.answer.iter().chain(&said.authority).find(|line| line.contains(" NSEC ")).cloned();
        // A secure delegation is its DS; its NSEC is the parent's to show, at the name before it.
        let Some(nsec) = nsec else { break };
        let next = nsec.split(' ').nth(2).unwrap().to_owned();
        walked.push(nsec);
        if next == "example." {
            break;
        }
        name = next;
    }
    assert_eq!(
        walked,
        [
            "example. NSEC b.example. NS SOA RRSIG NSEC DNSKEY",
            "b.example. NSEC d.ent.example. TXT RRSIG NSEC",
            "d.ent.example. NSEC f.example. TXT RRSIG NSEC",
            "f.example. NSEC ns.example. TXT RRSIG NSEC CAA",
            "ns.example. NSEC open.example. A AAAA RRSIG NSEC",
            "open.example. NSEC safe.example. NS RRSIG NSEC",
        ]
    );
}

/// 3.1: without DO there is no DNSSEC in the answer; in an unsigned zone there is none with it.
#[test]
fn section_3_1_only_who_asks_gets_dnssec() {
    let (mut with, mut without) = (signed(ZONE), plain(ZONE));
    for name in ["b.example.", "no.example.", "x.w.example.", "x.open.example.", "x.safe.example.", "ent.example."] {
        assert_eq!(ask(&mut with, name, T::TXT), ask(&mut without, name, T::TXT), "{name}");
        assert_eq!(ask_do(&mut without, name, T::TXT).parts(), ask(&mut without, name, T::TXT).parts(), "{name}");
    }
    assert!(ask_do(&mut without, "example.", T::DNSKEY).answer.is_empty());
}

/// 3.1.1: every RRset of an answer comes with its signature, beside it.
#[test]
fn section_3_1_1_signatures() {
    let mut desk = signed(ZONE);
    assert_eq!(ask_do(&mut desk, "b.example.", T::TXT).answer, ["b.example. TXT b", "b.example. RRSIG TXT"]);
    assert_eq!(ask_do(&mut desk, "example.", T::DNSKEY).answer.last().unwrap(), "example. RRSIG DNSKEY");
}

/// 3.1.3.1: NODATA is proved by the NSEC of the name; for an empty non-terminal by the one that covers it (RFC 4035 3.1.3.2).
#[test]
fn section_3_1_3_1_no_data() {
    let mut desk = signed(ZONE);
    let said = ask_do(&mut desk, "f.example.", T::MX);
    assert_eq!((said.code, &said.authority[..2]), (Code::NoError, &SOA.map(str::to_owned)[..]));
    assert_eq!(said.authority[2..], ["f.example. NSEC ns.example. TXT RRSIG NSEC CAA", "f.example. RRSIG NSEC"]);
    let ent = ask_do(&mut desk, "ent.example.", T::MX);
    assert_eq!((ent.code, nsecs(&ent)), (Code::NoError, vec!["b.example. NSEC d.ent.example. TXT RRSIG NSEC"]));
}

/// 3.1.3.2: NXDOMAIN is proved by the NSEC that covers the name and the one that covers the wildcard, each once.
#[test]
fn section_3_1_3_2_name_error() {
    let mut desk = signed(ZONE);
    let said = ask_do(&mut desk, "g.example.", T::A);
    assert_eq!(said.code, Code::NXDomain);
    assert_eq!(
        nsecs(&said),
        ["f.example. NSEC ns.example. TXT RRSIG NSEC CAA", "example. NSEC b.example. NS SOA RRSIG NSEC DNSKEY"]
    );
    let both = ask_do(&mut desk, "a.example.", T::A);
    assert_eq!(nsecs(&both), ["example. NSEC b.example. NS SOA RRSIG NSEC DNSKEY"], "one covers both");
    let below = ask_do(&mut desk, "x.m.w.example.", T::A);
    assert_eq!((below.code, nsecs(&below)), (Code::NXDomain, vec!["m.w.example. NSEC example. A RRSIG NSEC"]));
}

/// 3.1.3.3: an expanded wildcard has the signature of the wildcard, and the NSEC that shows that there is no closer name.
#[test]
fn section_3_1_3_3_wildcard_answer() {
    let mut desk = signed(ZONE);
    let message = desk.ask("x.w.example.", T::TXT, Dnssec::Ok);
    let labels = |record: &hickory_proto::rr::Record| match &record.data {
        hickory_proto::rr::RData::DNSSEC(hickory_proto::dnssec::rdata::DNSSECRData::RRSIG(rrsig)) => {
            rrsig.input().num_labels
        }
        _ => 0,
    };
    assert_eq!(message.answers.iter().map(labels).collect::<Vec<_>>(), [0, 2], "labels without the star");
    let signature = |message: &hickory_proto::op::Message| message.answers[1].data.to_string();
    let other = desk.ask("a.b.w.example.", T::TXT, Dnssec::Ok);
    assert_eq!(signature(&message), signature(&other), "one signature serves every expansion");
    let said = ask_do(&mut desk, "x.w.example.", T::TXT);
    assert_eq!(said.answer, ["x.w.example. TXT any", "x.w.example. RRSIG TXT"]);
    assert_eq!(said.authority, ["m.w.example. NSEC example. A RRSIG NSEC", "m.w.example. RRSIG NSEC"]);
    let itself = ask_do(&mut desk, "*.w.example.", T::TXT);
    assert!(itself.authority.is_empty(), "nothing was expanded");
}

/// 3.1.3.4: NODATA from a wildcard: no closer name, and what the wildcard has.
#[test]
fn section_3_1_3_4_wildcard_no_data() {
    let said = ask_do(&mut signed(ZONE), "x.w.example.", T::MX);
    assert_eq!(said.code, Code::NoError);
    assert_eq!(
        nsecs(&said),
        ["m.w.example. NSEC example. A RRSIG NSEC", "*.w.example. NSEC m.w.example. TXT RRSIG NSEC"]
    );
}

/// 3.1.4: a referral has the signed DS, or the NSEC that shows that there is none.
#[test]
fn section_3_1_4_referrals() {
    let mut desk = signed(ZONE);
    let safe = ask_do(&mut desk, "x.safe.example.", T::A);
    assert_eq!((safe.aa, safe.authority.len()), (false, 3));
    assert!(safe.authority[1].starts_with("safe.example. DS 12345") && safe.authority[2] == "safe.example. RRSIG DS");
    let open = ask_do(&mut desk, "x.open.example.", T::A);
    assert_eq!(
        open.authority,
        [
            "open.example. NS ns.open.example.",
            "open.example. NSEC safe.example. NS RRSIG NSEC",
            "open.example. RRSIG NSEC"
        ]
    );
}

/// 3.1.4.1: DS at a cut is this side's to answer, with authority; below the cut and at the apex it is not there.
#[test]
fn section_3_1_4_1_ds() {
    let mut desk = signed(ZONE);
    let there = ask_do(&mut desk, "safe.example.", T::DS);
    assert_eq!((there.aa, there.answer.len(), there.authority.len()), (true, 2, 0));
    let none = ask_do(&mut desk, "open.example.", T::DS);
    assert_eq!((none.aa, nsecs(&none)), (true, vec!["open.example. NSEC safe.example. NS RRSIG NSEC"]));
    assert!(!ask_do(&mut desk, "x.safe.example.", T::DS).aa);
    let apex = ask_do(&mut desk, "example.", T::DS);
    assert_eq!((apex.aa, nsecs(&apex)), (true, vec!["example. NSEC b.example. NS SOA RRSIG NSEC DNSKEY"]));
}

/// 3: CD is copied, which 3.1.6 would rather not have; AD is not set (3.1.6).
#[test]
fn section_3_1_6_ad_and_cd() {
    let mut desk = signed(ZONE);
    let mut asked = query("b.example.", T::TXT, Dnssec::Ok);
    asked[3] = 0x30;
    assert_eq!(desk.raw(&asked, Transport::Udp).unwrap()[3], 0x10);
}

/// RFC 9077 3: an NSEC has the TTL of negative answers, not that of the SOA.
#[test]
fn rfc_9077_section_3_ttl_of_nsec() {
    let message = signed(ZONE).ask("no.example.", T::A, Dnssec::Ok);
    assert!(message.authorities.len() > 3 && message.authorities.iter().all(|record| record.ttl == 900));
}
