//! EDNS compliance: the questions and the verdicts of ISC's tester (`genreport`), over UDP and TCP, of both sorts of zones.
//!
//! Questions are written as the tester documents them, by what `dig` has to be told; verdicts have the tester's words. Two of
//! its tests are left out, which it does not make unless they are named: `icmp` and `dnswkk` (a TSIG key that everybody knows).

use std::net::SocketAddr;

use super::said::Said;
use crate::dns::house::{APEX, House, NUMBERS, have};
use crate::dns::serving::Serving;

/// The default group (EDNS), the full group and the common group.
const QUESTIONS: [(&str, &str); 31] = [
    ("dns", "+noedns +noad +norec SOA"),
    ("aa", "+noedns +noad +norec +aaflag SOA"),
    ("ad", "+noedns +ad +norec SOA"),
    ("cd", "+noedns +noad +norec +cd SOA"),
    ("ra", "+noedns +noad +norec +raflag SOA"),
    ("rd", "+noedns +noad +rec SOA"),
    ("tc", "+noedns +noad +norec +tcflag SOA"),
    ("zflag", "+noedns +noad +norec +zflag SOA"),
    ("opcode", "+noedns +noad +norec +header-only +opcode=15"),
    ("opcodeflg", "+noedns +header-only +opcode=15 +tcflag +rec +raflag +cd +ad +aaflag +zflag"),
    ("type666", "+noedns +noad +norec TYPE666"),
    ("edns", "+edns=0 +nocookie +noad +norec SOA"),
    ("edns1", "+edns=1 +noednsneg +nocookie +noad +norec SOA"),
    ("edns@512", "+edns=0 +nocookie +noad +norec +dnssec +ignore +bufsize=512 DNSKEY"),
    ("ednsopt", "+edns=0 +nocookie +noad +norec +ednsopt=100 SOA"),
    ("edns1opt", "+edns=1 +noednsneg +nocookie +noad +norec +ednsopt=100 SOA"),
    ("do", "+edns=0 +nocookie +noad +norec +dnssec SOA"),
    ("docd", "+edns=0 +nocookie +noad +norec +dnssec +cd SOA"),
    ("edns1do", "+edns=1 +noednsneg +nocookie +noad +norec +dnssec SOA"),
    ("ednsflags", "+edns=0 +nocookie +noad +norec +ednsflags=0x0080 SOA"),
    ("optlist", "+edns=0 +noad +norec +nsid +subnet=0.0.0.0/0 +expire +cookie=0102030405060708 SOA"),
    ("ednsnsid", "+edns=0 +nocookie +noad +norec +nsid SOA"),
    ("ednscookie", "+edns=0 +noad +norec +cookie=0102030405060708 SOA"),
    ("ednsexpire", "+edns=0 +nocookie +noad +norec +expire SOA"),
    ("ednssubnet", "+edns=0 +nocookie +noad +norec +subnet=0.0.0.0/0 SOA"),
    ("edns1nsid", "+edns=1 +noednsneg +nocookie +noad +norec +nsid SOA"),
    ("edns1cookie", "+edns=1 +noednsneg +noad +norec +cookie=0102030405060708 SOA"),
    ("edns1expire", "+edns=1 +noednsneg +nocookie +noad +norec +expire SOA"),
    ("edns1subnet", "+edns=1 +noednsneg +nocookie +noad +norec +subnet=0.0.0.0/0 SOA"),
    ("bind11", "+edns=0 +cookie=0102030405060708 +noad +norec +dnssec SOA"),
    ("dig11", "+edns=0 +cookie=0102030405060708 +ad +rec SOA"),
];

/// What the tester does not ask, by the same rules: versions, flags and options that exist or do not, and cookies.
const MORE_QUESTIONS: [(&str, &str); 17] = [
    ("edns255", "+edns=255 +noednsneg +nocookie +noad +norec SOA"),
    ("edns1flags", "+edns=1 +noednsneg +nocookie +noad +norec +ednsflags=0x0080 SOA"),
    (
        "edns1all",
        "+edns=1 +noednsneg +cookie=0102030405060708 +dnssec +ednsflags=0x0080 +ednsopt=100 +nsid +noad +norec SOA",
    ),
    ("ednsflagsall", "+edns=0 +nocookie +noad +norec +ednsflags=0x3fff SOA"),
    ("doflags", "+edns=0 +nocookie +noad +norec +dnssec +ednsflags=0x3fff SOA"),
    ("doopt", "+edns=0 +nocookie +noad +norec +dnssec +ednsopt=100 SOA"),
    ("docookie", "+edns=0 +cookie=0102030405060708 +noad +norec +dnssec +cd SOA"),
    ("ednsoptlong", "+edns=0 +nocookie +noad +norec +ednsopt=100:00112233445566778899aabbccddeeff SOA"),
    ("ednsopttwice", "+edns=0 +nocookie +noad +norec +ednsopt=100:00 +ednsopt=100:01 SOA"),
    ("ednslocalopt", "+edns=0 +nocookie +noad +norec +ednsopt=65001:beef SOA"),
    ("ednspadding", "+edns=0 +nocookie +noad +norec +padding=128 SOA"),
    ("ednskeepalive", "+edns=0 +nocookie +noad +norec +keepalive SOA"),
    ("ednschain", "+edns=0 +nocookie +noad +norec +ednsopt=13:00 SOA"),
    ("ednskeytag", "+edns=0 +nocookie +noad +norec +ednsopt=14:4f66 SOA"),
    ("ednsreport", "+edns=0 +nocookie +noad +norec +ednsopt=18 SOA"),
    ("badcookie", "+edns=0 +cookie=010203040506070800112233445566778899aabbccddeeff +noad +norec SOA"),
    ("edns@512soa", "+edns=0 +nocookie +noad +norec +dnssec +ignore +bufsize=512 SOA"),
];

/// The types that the tester asks the apex for (`-t`): each is answered, whether there or not.
const TYPES: [&str; 58] = [
    "A",
    "NS",
    "MD",
    "MF",
    "CNAME",
    "SOA",
    "MB",
    "MG",
    "MR",
    "NULL",
    "WKS",
    "PTR",
    "HINFO",
    "MINFO",
    "MX",
    "TXT",
    "RP",
    "AFSDB",
    "X25",
    "ISDN",
    "RT",
    "NSAP",
    "NSAP-PTR",
    "SIG",
    "KEY",
    "PX",
    "GPOS",
    "AAAA",
    "LOC",
    "NXT",
    "SRV",
    "NAPTR",
    "KX",
    "CERT",
    "A6",
    "DNAME",
    "APL",
    "DS",
    "SSHFP",
    "IPSECKEY",
    "RRSIG",
    "NSEC",
    "DNSKEY",
    "DHCID",
    "NSEC3",
    "NSEC3PARAM",
    "TLSA",
    "SMIMEA",
    "HIP",
    "CDS",
    "CDNSKEY",
    "OPENPGPKEY",
    "SPF",
    "NID",
    "L32",
    "L64",
    "LP",
    "TYPE1000",
];
const MORE_TYPES: [&str; 8] = ["EUI48", "EUI64", "URI", "CAA", "AVC", "TYPE259", "DLV", "TYPE666"];

/// Static data with one name whose records fill more than 1232 octets.
const STATIC_APEX: &str = "static.example.";
const STATIC_ZONE: &str = "\
$TTL 3600
@     IN SOA ns1 hostmaster 1 7200 3600 1209600 300
@     IN NS  ns1
ns1   IN A   127.0.0.1
*.any IN TXT \"any\"
";

/// Both sorts of zones, served; each with a name and type whose answer is large.
struct Zones {
    house: House,
    serving: Serving,
    large: [(String, &'static str); 2],
}

impl Zones {
    fn served() -> Self {
        let house = House::open();
        let file = house.path("static.zone");
        let texts = (0..8).map(|i| format!("large IN TXT \"{}\"\n", format!("{i}").repeat(250)));
        std::fs::write(&file, STATIC_ZONE.to_owned() + &texts.collect::<String>()).expect("a file");
        let serving = Serving::start(&file, STATIC_APEX, &[]);
        let hash = callbook::zone::hashes::owner_label(NUMBERS[2].parse().expect("a number"));
        let large = [(format!("{hash}._openpgpkey.{APEX}"), "OPENPGPKEY"), (format!("large.{STATIC_APEX}"), "TXT")];
        Self { house, serving, large }
    }

    fn each(&self) -> [(&'static str, SocketAddr, &(String, &'static str)); 2] {
        let [number, fixed] = &self.large;
        [(APEX, self.house.address, number), (STATIC_APEX, self.serving.address, fixed)]
    }
}

/// What the tester would say of an answer; nothing where it would say `ok`.
fn verdict(asked: &[&str], apex: &str, said: &Said) -> Vec<String> {
    let has = |word: &str| asked.contains(&word);
    let starts = |start: &str| asked.iter().any(|word| word.starts_with(start));
    let (query, edns, version_0) = (!has("+opcode=15"), !has("+noedns"), !has("+edns=1") && !has("+edns=255"));
    let (soa, dnssec) = (has("SOA"), has("+dnssec"));
    let opt_flag = |name: &str| said.opt.as_ref().is_some_and(|opt| opt.flags.iter().any(|flag| flag == name));
    let code = if !query {
        "NOTIMP"
    } else if version_0 {
        "NOERROR"
    } else {
        "BADVERS"
    };
    let ok = said.status == "NOERROR";
    let limit = if has("+bufsize=512") || !edns { 512 } else { 1_232 };
    let rules = [
        (!said.complaints.is_empty() || !said.has("qr"), "malformed"),
        (said.opcode != if query { "QUERY" } else { "RESERVED15" }, "opcode"),
        (said.status != code, said.status.as_str()),
        (!query && said.counts != [0; 4], "non-empty-section"),
        (said.opt.as_ref().is_some_and(|opt| opt.version != "0"), "version-not-zero"),
        (edns && said.opt.is_none(), "noopt"),
        (!edns && said.opt.is_some(), "opt"),
        (soa && ok && !said.answers("SOA"), "nosoa"),
        (soa && !ok && said.answers("SOA"), "soa"),
        (said.option("OPT").is_some(), "echoed"),
        (dnssec && !opt_flag("do"), "nodo"),
        (!dnssec && opt_flag("do"), "do"),
        (dnssec && soa && ok && !said.answers("RRSIG"), "unsigned"),
        (query && version_0 && !said.has("aa"), "noaa"),
        (!query && said.has("aa"), "aa"),
        (said.has("ra"), "ra"),
        (said.has("rd") && !(query && has("+rec")), "rd"),
        (!said.has("rd") && query && has("+rec"), "nord"),
        (said.has("ad"), "ad"),
        (said.has("cd") && !(query && has("+cd")), "cd"),
        (!said.has("cd") && query && has("+cd"), "nocd"),
        (said.has("tc") && !has("+ignore"), "tc"),
        (said.reserved, "z"),
        (said.opt.as_ref().is_some_and(|opt| opt.reserved), "mbz"),
        (said.octets > limit, "toobig"),
        (starts("+cookie=") && version_0 && !said.option("COOKIE").is_some_and(|c| c.ends_with("(good)")), "no-cookie"),
        (!starts("+cookie=") && said.option("COOKIE").is_some(), "cookie-unasked"),
        (said.option("CLIENT-SUBNET").is_some(), "subnet"),
        (said.option("EXPIRE").is_some() != (has("+expire") && version_0), "expire"),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken).map(|(_, word)| word.to_owned());
    broken.map(|word| format!("{apex} {asked:?}: {word}\n{}", said.text)).collect()
}

/// Puts these questions to both zones and prints the tester's line.
fn passes(questions: &[(&str, &str)], transport: &str) {
    let zones = Zones::served();
    let mut broken = Vec::new();
    for (apex, server, _) in zones.each() {
        let mut line = format!("{apex} {transport}");
        for (name, question) in questions {
            let mut asked: Vec<&str> = question.split(' ').collect();
            asked.push(transport);
            if !asked.contains(&"+header-only") {
                asked.push(apex);
            }
            let verdict = verdict(&asked, apex, &Said::ask(server, &asked).remove(0));
            line += &format!(" {name}={}", if verdict.is_empty() { "ok" } else { "BROKEN" });
            broken.extend(verdict);
        }
        println!("{line}");
    }
    assert!(broken.is_empty(), "{} verdicts\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn every_question_of_the_tester_is_answered_as_it_expects() {
    if have(&["dig"]) {
        passes(&QUESTIONS, "+notcp");
    }
}

/// Among them are the tester's `tcp` and `ednstcp`.
#[test]
fn every_question_of_the_tester_is_answered_alike_over_tcp() {
    if have(&["dig"]) {
        passes(&QUESTIONS, "+tcp");
    }
}

#[test]
fn unknown_versions_flags_and_options_change_nothing() {
    if have(&["dig"]) {
        passes(&MORE_QUESTIONS, "+notcp");
        passes(&MORE_QUESTIONS, "+tcp");
    }
}

#[test]
fn every_type_is_answered() {
    if !have(&["dig"]) {
        return;
    }
    let zones = Zones::served();
    for (apex, server, _) in zones.each() {
        for transport in ["+notcp", "+tcp"] {
            let types: Vec<&str> = TYPES.into_iter().chain(MORE_TYPES).collect();
            let mut args = vec!["+noedns", "+noad", "+norec", "+ignore", transport];
            args.extend(types.iter().flat_map(|rr_type| [apex, rr_type]));
            let answers = Said::ask(server, &args);
            assert_eq!(answers.len(), types.len(), "{}", answers[0].text);
            for (rr_type, said) in types.iter().zip(&answers) {
                let mut asked = vec![*rr_type];
                asked.extend(["+noedns", "+noad", "+norec", "+ignore"]);
                assert_eq!(verdict(&asked, apex, said), Vec::<String>::new(), "{rr_type} {transport}");
                let there = ["NS", "SOA", "DNSKEY", "NSEC", "RRSIG"].contains(rr_type);
                assert!(!there || said.answers(rr_type), "{rr_type}\n{}", said.text);
            }
        }
    }
}

/// RFC 7873 5.2.2, RFC 6891 7: an option that cannot be read is a format error, with OPT.
#[test]
fn options_that_cannot_be_read_are_format_errors() {
    if !have(&["dig"]) {
        return;
    }
    let zones = Zones::served();
    for (apex, server, _) in zones.each() {
        for option in ["+ednsopt=10:01", "+ednsopt=10:010203040506070809", "+ednsopt=10"] {
            for transport in ["+notcp", "+tcp"] {
                let asked = ["+edns=0", "+nocookie", "+noad", "+norec", option, transport, apex, "SOA"];
                let said = Said::ask(server, &asked).remove(0);
                let right = said.status == "FORMERR" && said.opt.is_some() && said.answer.is_empty();
                assert!(right && !said.has("ad") && !said.has("ra"), "{option} {transport}\n{}", said.text);
            }
        }
    }
}

/// What does not fit is cut with TC and OPT, for whatever size was said, and comes whole over TCP.
#[test]
fn large_answers_are_truncated_at_every_size() {
    if !have(&["dig"]) {
        return;
    }
    let zones = Zones::served();
    for (_, server, (name, rr_type)) in zones.each() {
        for (edns, limit) in [
            ("+noedns", 512),
            ("+bufsize=256", 512),
            ("+bufsize=512", 512),
            ("+bufsize=1232", 1_232),
            ("+bufsize=4096", 1_232),
            ("+bufsize=65535", 1_232),
        ] {
            for dnssec in ["+dnssec", "+nodnssec"] {
                let dnssec = if edns == "+noedns" { "+nodnssec" } else { dnssec };
                let asked = ["+nocookie", "+norec", "+ignore", dnssec, edns, name, rr_type];
                let said = Said::ask(server, &asked).remove(0);
                let cut = said.has("tc") && said.has("aa") && said.answer.is_empty() && said.octets <= limit;
                let opt = said.opt.is_some() == (edns != "+noedns");
                assert!(cut && opt && said.status == "NOERROR", "{asked:?}\n{}", said.text);
                let said = Said::ask(server, &["+nocookie", "+norec", "+tcp", dnssec, edns, name, rr_type]).remove(0);
                let signed = said.answers("RRSIG") == (dnssec == "+dnssec");
                assert!(!said.has("tc") && said.answers(rr_type) && signed && said.octets > 1_232, "{}", said.text);
            }
        }
    }
}
