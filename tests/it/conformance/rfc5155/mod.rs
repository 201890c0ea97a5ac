//! RFC 5155: denial by hashed names, what the chain holds and which of it an answer shows.

use data_encoding::BASE32_DNSSEC;
use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::{Name, RecordType as T};

use super::zone::{Said, ask, ask_do, hashed, plain};

const ZONE: &str = "\
a          IN CNAME gone
b          IN TXT   \"b\"
d.ent      IN TXT   \"below an empty non-terminal\"
*.w        IN TXT   \"any\"
m.w        IN A     192.0.2.2
*.to       IN CNAME nothing.here
*.star.ent IN MX    10 ns
open       IN NS    ns.open
open       IN A     192.0.2.7
ns.open    IN A     192.0.2.8
safe       IN NS    ns.open
safe       IN DS    12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
moved      IN DNAME w
";
/// Every name that owns an NSEC3, with the types that it tells.
const CHAIN: [(&str, &str); 16] = [
    ("example.", "NS SOA RRSIG DNSKEY NSEC3PARAM"),
    ("a.example.", "CNAME RRSIG"),
    ("b.example.", "TXT RRSIG"),
    ("ent.example.", ""),
    ("d.ent.example.", "TXT RRSIG"),
    ("star.ent.example.", ""),
    ("*.star.ent.example.", "MX RRSIG"),
    ("moved.example.", "DNAME RRSIG"),
    ("ns.example.", "A AAAA RRSIG"),
    ("open.example.", "NS"),
    ("safe.example.", "NS DS RRSIG"),
    ("to.example.", ""),
    ("*.to.example.", "CNAME RRSIG"),
    ("w.example.", ""),
    ("*.w.example.", "TXT RRSIG"),
    ("m.w.example.", "A RRSIG"),
];

/// By somebody else's hand: hickory's.
fn hash(name: &str) -> String {
    let digest = Nsec3HashAlgorithm::SHA1.hash(&[], &Name::from_ascii(name).unwrap(), 0).unwrap();
    BASE32_DNSSEC.encode(digest.as_ref())
}

/// The NSEC3 records of an answer: owner's hash, next hash, types.
fn links(said: &Said) -> Vec<(String, String, String)> {
    let mut links: Vec<_> = said.authority.iter().filter_map(|line| link(line)).collect();
    links.sort();
    let signed =
        |(owner, ..): &(String, String, String)| said.authority.contains(&format!("{owner}.example. RRSIG NSEC3"));
    assert!(links.iter().all(signed), "each has its signature: {:?}", said.authority);
    links
}

fn link(line: &str) -> Option<(String, String, String)> {
    let (owner, data) = line.split_once(".example. NSEC3 ")?;
    let words: Vec<&str> = data.split(' ').collect();
    assert_eq!(words[..4], ["1", "0", "0", "-"], "RFC 9276 3.1");
    Some((owner.to_owned(), words[4].to_ascii_lowercase(), words[5..].join(" ")))
}

/// Asserts that an answer has exactly the NSEC3 records that match and that cover these names.
fn proved(said: &Said, matched: &[&str], covered: &[&str]) {
    let all = links(said);
    let is_over = |(owner, next, _): &(String, String, String), hash: &String| match owner < next {
        true => owner < hash && hash < next,
        false => owner < hash || hash < next,
    };
    let mut used = vec![false; all.len()];
    for name in matched {
        let at = all.iter().position(|(owner, ..)| *owner == hash(name)).unwrap_or_else(|| panic!("{name}: {all:?}"));
        let types = CHAIN.iter().find(|(known, _)| known == name).map(|(_, types)| *types);
        assert_eq!((Some(&*all[at].2), used[at]), (types, false), "{name}");
        used[at] = true;
    }
    for name in covered {
        let at = all.iter().position(|link| is_over(link, &hash(name))).unwrap_or_else(|| panic!("{name}: {all:?}"));
        used[at] = true;
    }
    assert!(used.iter().all(|used| *used), "nothing that is not needed: {all:?}");
}

/// 3.1, 7.1: the chain is a circle through the hashes of all names that the zone speaks for, empty non-terminals included,
/// glue not; NSEC3 tells the types, and RRSIG where anything is signed; NSEC3PARAM is at the apex.
#[test]
fn section_7_1_the_chain() {
    let mut desk = hashed(ZONE);
    let mut found = std::collections::BTreeMap::new();
    for i in 0..400 {
        for (owner, next, types) in links(&ask_do(&mut desk, &format!("x{i}.example."), T::A)) {
            found.insert(owner, (next, types));
        }
    }
    let mut expected: Vec<(String, &str)> = CHAIN.iter().map(|(name, types)| (hash(name), *types)).collect();
    expected.sort();
    assert_eq!(found.len(), expected.len());
    for (i, (owner, types)) in expected.iter().enumerate() {
        let next = &expected[(i + 1) % expected.len()].0;
        assert_eq!(found.get(owner), Some(&(next.clone(), (*types).to_owned())));
    }
    let param = ask_do(&mut desk, "example.", T::NSEC3PARAM);
    assert_eq!(param.answer, ["example. NSEC3PARAM 1 0 0 -", "example. RRSIG NSEC3PARAM"]);
    assert_eq!(desk.ask("example.", T::NSEC3PARAM, crate::dns::ask::Dnssec::Ok).answers[0].ttl, 900);
}

/// 3: an NSEC3 has the TTL of negative answers (RFC 9077 3).
#[test]
fn section_3_ttl() {
    let message = hashed(ZONE).ask("no.example.", T::A, crate::dns::ask::Dnssec::Ok);
    assert!(message.authorities.len() > 5 && message.authorities.iter().all(|record| record.ttl == 900));
}

/// 7.2: without DO nothing of this is in the answer; in an unsigned zone there is nothing of it with DO.
#[test]
fn section_7_2_only_who_asks_gets_proofs() {
    let (mut with, mut without) = (hashed(ZONE), plain(ZONE));
    for name in [
        "b.example.",
        "no.example.",
        "x.w.example.",
        "x.open.example.",
        "x.safe.example.",
        "ent.example.",
        "x.to.example.",
    ] {
        for qtype in [T::TXT, T::A, T::DS] {
            assert_eq!(ask(&mut with, name, qtype), ask(&mut without, name, qtype), "{name}");
        }
    }
}

/// 7.2.1, 7.2.2: NXDOMAIN shows the closest encloser, that the next closer name is not there, and no wildcard either.
#[test]
fn section_7_2_2_name_error() {
    let mut desk = hashed(ZONE);
    for (name, encloser, next, wildcard) in [
        ("no.example.", "example.", "no.example.", "*.example."),
        ("c.b.a.no.example.", "example.", "no.example.", "*.example."),
        ("x.b.example.", "b.example.", "x.b.example.", "*.b.example."),
        ("y.x.ent.example.", "ent.example.", "x.ent.example.", "*.ent.example."),
        ("x.m.w.example.", "m.w.example.", "x.m.w.example.", "*.m.w.example."),
    ] {
        let said = ask_do(&mut desk, name, T::A);
        assert_eq!((said.code, said.aa, said.answer.len()), (Code::NXDomain, true, 0), "{name}");
        assert_eq!(said.authority[..2], ["example. SOA", "example. RRSIG SOA"]);
        proved(&said, &[encloser], &[next, wildcard]);
    }
}

/// 7.2.3: NODATA shows the types of the name; an empty non-terminal has none.
#[test]
fn section_7_2_3_no_data() {
    let mut desk = hashed(ZONE);
    for name in ["example.", "b.example.", "ent.example.", "w.example.", "*.w.example.", "d.ent.example."] {
        for qtype in [T::PTR, T::NSEC, T::NSEC3] {
            let said = ask_do(&mut desk, name, qtype);
            assert_eq!((said.code, said.aa, said.answer.len()), (Code::NoError, true, 0), "{name}");
            proved(&said, &[name], &[]);
        }
    }
}

/// 7.2.4: there is no opt-out, so NODATA for DS is as any other: at a cut, at the apex and anywhere else.
#[test]
fn section_7_2_4_no_ds() {
    let mut desk = hashed(ZONE);
    for name in ["open.example.", "example.", "b.example.", "ent.example."] {
        let said = ask_do(&mut desk, name, T::DS);
        assert_eq!((said.code, said.aa, said.answer.len()), (Code::NoError, true, 0), "{name}");
        proved(&said, &[name], &[]);
    }
}

/// 7.2.5: NODATA from a wildcard shows the closest encloser, that nothing is closer, and the types of the wildcard.
#[test]
fn section_7_2_5_wildcard_no_data() {
    let mut desk = hashed(ZONE);
    for (name, next) in [("x.w.example.", "x.w.example."), ("z.y.x.w.example.", "x.w.example.")] {
        let said = ask_do(&mut desk, name, T::MX);
        assert_eq!((said.code, said.answer.len()), (Code::NoError, 0));
        proved(&said, &["w.example.", "*.w.example."], &[next]);
    }
}

/// 7.2.6: an expanded wildcard shows that nothing is closer; asked for by its own name it shows nothing.
#[test]
fn section_7_2_6_wildcard_answer() {
    let mut desk = hashed(ZONE);
    for (name, next) in [("x.w.example.", "x.w.example."), ("z.y.x.w.example.", "x.w.example.")] {
        let said = ask_do(&mut desk, name, T::TXT);
        assert_eq!(said.answer, [format!("{name} TXT any"), format!("{name} RRSIG TXT")]);
        assert_eq!(said.authority.len(), 2);
        let [(owner, after, _)] = &links(&said)[..] else { panic!("one NSEC3: {:?}", said.authority) };
        let hash = hash(next);
        assert!(if owner < after { *owner < hash && hash < *after } else { *owner < hash || hash < *after });
    }
    assert!(ask_do(&mut desk, "*.w.example.", T::TXT).authority.is_empty(), "nothing was expanded");
}

/// 7.2.6 and 7.2.2 together: an alias from a wildcard to a name that is not there is proved at both names, each NSEC3 once.
#[test]
fn section_7_2_an_alias_from_a_wildcard_to_nothing() {
    let mut desk = hashed(ZONE);
    let said = ask_do(&mut desk, "x.to.example.", T::A);
    assert_eq!((said.code, said.answer[0].as_str()), (Code::NXDomain, "x.to.example. CNAME nothing.here.example."));
    proved(&said, &["example."], &["x.to.example.", "here.example.", "*.example."]);
    let direct = ask_do(&mut desk, "a.example.", T::A);
    assert_eq!(direct.code, Code::NXDomain);
    proved(&direct, &["example."], &["gone.example.", "*.example."]);
    let moved = ask_do(&mut desk, "x.moved.example.", T::MX);
    assert_eq!((moved.code, moved.answer[0].as_str()), (Code::NoError, "moved.example. DNAME w.example."));
    proved(&moved, &["w.example.", "*.w.example."], &["x.w.example."]);
}

/// 7.2.7: a referral to a zone without DS shows the types of the cut; one with DS shows the DS.
#[test]
fn section_7_2_7_referrals() {
    let mut desk = hashed(ZONE);
    for name in ["open.example.", "x.open.example.", "ns.open.example."] {
        let said = ask_do(&mut desk, name, T::A);
        assert_eq!((said.aa, said.authority[0].as_str()), (false, "open.example. NS ns.open.example."));
        proved(&said, &["open.example."], &[]);
    }
    let safe = ask_do(&mut desk, "x.safe.example.", T::A);
    assert_eq!((safe.aa, safe.authority.len()), (false, 3));
    assert!(safe.authority[1].starts_with("safe.example. DS ") && safe.authority[2] == "safe.example. RRSIG DS");
    let there = ask_do(&mut desk, "safe.example.", T::DS);
    assert_eq!((there.aa, there.answer.len(), there.authority.len()), (true, 2, 0));
}

/// 7.2.8: a name that is only the owner of an NSEC3 is not there, whatever is asked, and is denied like any other; one that
/// is also a name of the zone is that name.
#[test]
fn section_7_2_8_owners_of_nsec3_are_no_names() {
    let mut desk = hashed(ZONE);
    let owner = format!("{}.example.", hash("b.example."));
    for qtype in [T::NSEC3, T::A, T::RRSIG, T::ANY] {
        let said = ask_do(&mut desk, &owner, qtype);
        assert_eq!((said.code, said.answer.len()), (Code::NXDomain, 0), "{qtype}");
        proved(&said, &["example."], &[&owner, "*.example."]);
    }
    let below = ask_do(&mut desk, &format!("x.{owner}"), T::A);
    proved(&below, &["example."], &[&owner, "*.example."]);
    let mut both = hashed(&format!("{ZONE}{} IN TXT \"a name\"\n", hash("b.example.")));
    assert_eq!(ask_do(&mut both, &owner, T::TXT).answer[0], format!("{owner} TXT a name"));
    let said = ask_do(&mut both, &owner, T::NSEC3);
    assert_eq!((said.code, said.answer.len(), links(&said)[0].0.clone()), (Code::NoError, 0, hash(&owner)));
}

/// 7.2.8, RFC 8482 4.1 and 7: RRSIG and ANY are answered with one RRset, where there is one.
#[test]
fn section_7_2_8_rrsig_and_any() {
    let mut desk = hashed(ZONE);
    assert_eq!(ask_do(&mut desk, "b.example.", T::RRSIG).answer, ["b.example. RRSIG TXT"]);
    assert_eq!(ask_do(&mut desk, "b.example.", T::ANY).answer, ["b.example. TXT b", "b.example. RRSIG TXT"]);
    let none = ask_do(&mut desk, "ent.example.", T::RRSIG);
    assert_eq!(none.answer.len(), 0);
    proved(&none, &["ent.example."], &[]);
    let star = ask_do(&mut desk, "x.w.example.", T::RRSIG);
    assert_eq!((star.answer, star.authority.len()), (vec!["x.w.example. RRSIG TXT".to_owned()], 2));
}
