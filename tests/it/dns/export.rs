//! The export, judged by three families of other people's tools, and its chain compared with those that they make.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use callbook::clock::{Clock, SystemClock};
use callbook::dnssec::ZoneKeys;
use callbook::dnssec::export::{Contents, Export, Signing, Zonemd};
use callbook::number::Number;
use callbook::wire::Name;
use callbook::zone::{Denial, Loader, NumberData, NumberZone, StaticZone, Ttls};
use ring::rand::SystemRandom;
use tempfile::TempDir;

use super::house::{APEX, House, NUMBERS, ZONE, data, enum_name, have, run, text};

/// A static zone with everything that a chain must take notice of or pass over.
const STATIC: &str = "\
$TTL 3600
@            IN SOA   ns1 hostmaster 5 7200 3600 1209600 900
@            IN NS    ns1
@            IN NS    ns.glued.sub
@            IN MX    10 mail
@            IN CAA   0 issue \"ca.example\"
ns1          IN A     127.0.0.1
ns1          IN AAAA  ::1
mail         IN A     127.0.0.2
*.wild       IN TXT   \"anything\"
old          IN DNAME ns1
glued.sub    IN NS    ns.glued.sub
glued.sub    IN DS    12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
ns.glued.sub IN A     127.0.0.3
plain.sub    IN NS    plain.sub
plain.sub    IN A     127.0.0.4
ns.plain.sub IN AAAA  ::4
a.b.c.d      IN TXT   \"three empty names above\"
x.b.c.d      IN TXT   \"beside it\"
odd\\.dot    IN TXT   \"quote \\\" backslash \\\\ byte \\200\"
";

/// The plain file.
fn plain(zone: Contents<'_>, now_s: u64) -> String {
    let mut out = Vec::new();
    let export = Export { zone, now_s, signing: None, zonemd: Zonemd::Without };
    let said = export.write(&mut out, |_, _| {}).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!((said.records, said.signatures), (text.lines().count() as u64, 0));
    text
}

/// The signed file.
pub(super) fn signed(zone: Contents<'_>, keys: &ZoneKeys, denial: Denial, zonemd: Zonemd) -> String {
    let (mut out, random, mut seen) = (Vec::new(), SystemRandom::new(), (0, 0));
    let signing = Some(Signing { keys, random: &random, denial });
    let export = Export { zone, now_s: SystemClock.now_s(), signing, zonemd };
    let said = export.write(&mut out, |done, total| seen = (done, total)).unwrap();
    let text = String::from_utf8(out).unwrap();
    let signatures = text.lines().filter(|line| line.contains(" IN RRSIG ")).count();
    assert_eq!((said.records, said.signatures), (text.lines().count() as u64, signatures as u64));
    assert!(seen.0 == seen.1 && seen.1 >= said.names, "{seen:?}");
    text
}

/// Numbers of which some begin others, in one dense and one thin part of the tree.
fn many() -> NumberZone {
    let fixed = StaticZone::read_number_zone(ZONE, &Name::from_text(APEX).unwrap(), Ttls::default()).unwrap();
    let mut loader = Loader::default();
    NUMBERS.iter().for_each(|number| loader.push(&data(number)));
    for i in 0..300u64 {
        let digits = format!("4930{}", 1_000_000 + i * i * 7);
        let longer = i % 5 == 0;
        for digits in [Some(digits.clone()), longer.then(|| format!("{digits}{i}"))].into_iter().flatten() {
            let number = Number::from_digits(digits.as_bytes()).unwrap();
            loader.push(&NumberData { number, ..data(NUMBERS[0]) });
        }
    }
    loader.finish(fixed, Ttls::default(), 9).unwrap()
}

fn static_zone() -> StaticZone {
    StaticZone::read(STATIC, &Name::from_text(APEX).unwrap()).unwrap()
}

#[test]
fn the_plain_export_holds_every_record_once_and_in_order() {
    let house = House::open();
    let (zone, now_s) = (Contents::Numbers(&house.zone), SystemClock.now_s());
    let file = plain(zone, now_s);
    assert!(file == plain(zone, now_s));
    assert!(file.starts_with("e164.example. 3600 IN SOA "), "{file}");
    for number in NUMBERS {
        let name = enum_name(number);
        let naptr = format!("\n{name} 300 IN NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:{number}@acme.example!\" .\n");
        assert_eq!(file.matches(&naptr).count(), 1, "{naptr}{file}");
        assert_eq!(file.matches(&format!("\n_keys.{name} 300 IN TXT \"v=cb1; n=2; s=")).count(), 1);
    }
    assert!(file.contains("._openpgpkey.e164.example. 300 IN OPENPGPKEY ") && file.contains(" IN DS "));
    let late = plain(zone, now_s + 91 * 86_400);
    assert!(!late.contains("NAPTR"), "lapsed numbers are not exported");
}

#[test]
fn the_signed_export_is_in_canonical_order_from_end_to_end() {
    let (zone, keys) = (many(), ZoneKeys::in_memory(&SystemRandom::new()).unwrap());
    for denial in [Denial::Nsec, Denial::Nsec3] {
        let file = signed(Contents::Numbers(&zone), &keys, denial, Zonemd::Without);
        let owners: Vec<Name> =
            file.lines().map(|line| Name::from_text(line.split(' ').next().unwrap()).unwrap()).collect();
        assert!(owners.windows(2).all(|pair| pair[0].canonical_cmp(&pair[1]).is_le()), "{file}");
        // The same again but for what signing draws at random.
        let again = signed(Contents::Numbers(&zone), &keys, denial, Zonemd::Without);
        let bare = |file: &str| -> Vec<String> {
            file.lines().filter(|line| !line.contains(" IN RRSIG ")).map(str::to_owned).collect()
        };
        assert!(bare(&file) == bare(&again));
    }
}

/// The three that judge a file: what each says, and whether it is content.
fn judged(path: &Path, anchor: &Path) -> Vec<(&'static str, bool, String)> {
    let ldns = run(Command::new("ldns-verify-zone").args(["-V", "3", "-k"]).arg(anchor).arg(path));
    let bind = run(Command::new("dnssec-verify").args(["-o", APEX]).arg(path));
    let knot = run(Command::new("kzonecheck").args(["-d", "on", "-o", APEX]).arg(path));
    [("ldns-verify-zone", ldns), ("dnssec-verify", bind), ("kzonecheck", knot)]
        .into_iter()
        .map(|(name, output)| (name, output.status.success(), text(&output)))
        .collect()
}

/// A signed file on disk beside the anchor of its keys.
fn written(zone: Contents<'_>, denial: Denial, zonemd: Zonemd) -> (TempDir, String) {
    let keys = ZoneKeys::in_memory(&SystemRandom::new()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = signed(zone, &keys, denial, zonemd);
    std::fs::write(dir.path().join("signed.zone"), &file).unwrap();
    let anchor = callbook::dnssec::anchor::anchor_key(&Name::from_text(APEX).unwrap(), &keys);
    std::fs::write(dir.path().join("anchor.key"), anchor).unwrap();
    (dir, file)
}

#[test]
fn three_families_of_tools_accept_every_signed_export() {
    if !have(&["ldns-verify-zone", "dnssec-verify", "kzonecheck"]) {
        return;
    }
    let (house, many, fixed) = (House::open(), many(), static_zone());
    for zone in [Contents::Numbers(&house.zone), Contents::Numbers(&many), Contents::Fixed(&fixed)] {
        for denial in [Denial::Nsec, Denial::Nsec3] {
            let (dir, file) = written(zone, denial, Zonemd::Sha384);
            for (judge, content, said) in judged(&dir.path().join("signed.zone"), &dir.path().join("anchor.key")) {
                assert!(content, "{judge} on {denial:?}: {said}\n{file}");
            }
        }
    }
}

#[test]
fn a_changed_file_is_noticed() {
    if !have(&["ldns-verify-zone", "dnssec-verify", "kzonecheck"]) {
        return;
    }
    let house = House::open();
    let (dir, file) = written(Contents::Numbers(&house.zone), Denial::Nsec3, Zonemd::Without);
    let (path, anchor) = (dir.path().join("signed.zone"), dir.path().join("anchor.key"));
    let forged = file.replacen("sip:+447700900123@acme", "sip:+447700900123@evil", 1);
    std::fs::write(&path, forged).unwrap();
    for (judge, content, said) in judged(&path, &anchor) {
        assert!(!content, "{judge}: {said}");
    }
    // An NSEC3 record that is missing: the chain is open.
    let lost = file.lines().find(|line| line.contains(" IN NSEC3 ")).unwrap().split(' ').next().unwrap();
    let open: String = file.lines().filter(|line| !line.starts_with(lost)).map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, open).unwrap();
    for (judge, content, said) in judged(&path, &anchor) {
        assert!(!content, "{judge}: {said}");
    }
}

#[test]
fn ldns_recomputes_the_digest() {
    if !have(&["ldns-verify-zone"]) {
        return;
    }
    let zone = many();
    for denial in [Denial::Nsec, Denial::Nsec3] {
        let (dir, file) = written(Contents::Numbers(&zone), denial, Zonemd::Sha384);
        let path = dir.path().join("signed.zone");
        let verify = || run(Command::new("ldns-verify-zone").args(["-Z", "-Z", "-V", "3"]).arg(&path));
        assert!(file.lines().rev().take(2).all(|line| line.starts_with("e164.example. 3600 IN ")), "{file}");
        assert!(verify().status.success(), "{}", text(&verify()));
        // Signatures alone do not notice that unsigned glue was changed; the digest does.
        std::fs::write(
            &path,
            file.replacen("ns.7.e164.example. 3600 IN A 127.0.0.7", "ns.7.e164.example. 3600 IN A 127.0.0.8", 1),
        )
        .unwrap();
        assert!(!verify().status.success(), "{}", text(&verify()));
    }
}

#[test]
fn the_digest_of_a_plain_file_is_the_one_that_ldns_makes() {
    if !have(&["ldns-signzone"]) {
        return;
    }
    let (zone, fixed) = (many(), static_zone());
    for zone in [Contents::Numbers(&zone), Contents::Fixed(&fixed)] {
        let (mut out, now_s, dir) = (Vec::new(), SystemClock.now_s(), tempfile::tempdir().unwrap());
        Export { zone, now_s, signing: None, zonemd: Zonemd::Sha384 }.write(&mut out, |_, _| {}).unwrap();
        let (file, without) = (String::from_utf8(out).unwrap(), plain(zone, now_s));
        let ours = file.strip_prefix(&without).expect("the digest comes last").to_ascii_lowercase();
        std::fs::write(dir.path().join("plain.zone"), without).unwrap();
        let args = ["-Z", "-z", "1:1", "-o", APEX, "-f", "digest.zone", "plain.zone"];
        let made = run(Command::new("ldns-signzone").current_dir(dir.path()).args(args));
        assert!(made.status.success(), "{}", text(&made));
        let theirs = std::fs::read_to_string(dir.path().join("digest.zone")).unwrap();
        let theirs = theirs.lines().find(|line| line.contains("ZONEMD")).unwrap().to_ascii_lowercase();
        assert!(ours.split_whitespace().eq(theirs.split_whitespace()), "{ours}\n{theirs}");
    }
}

/// The NSEC3 records of a file: hash, next hash and types, in one case.
fn chain(file: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(str::to_ascii_uppercase).collect();
        let [owner, _, _, _, parameters_and_next @ ..] = words.get(..9).filter(|words| words[3] == "NSEC3")? else {
            return None;
        };
        let mut types: Vec<&str> = words[9..].iter().map(String::as_str).collect();
        types.sort_unstable();
        Some(format!("{owner} {} {}", parameters_and_next.join(" "), types.join(" ")))
    };
    file.lines().filter(|line| !line.starts_with(';')).filter_map(line).collect()
}

#[test]
fn the_chain_is_the_one_that_other_signers_make() {
    if !have(&["dnssec-keygen", "dnssec-signzone", "ldns-signzone"]) {
        return;
    }
    let (many, fixed) = (many(), static_zone());
    for zone in [Contents::Numbers(&many), Contents::Fixed(&fixed)] {
        let dir = tempfile::tempdir().unwrap();
        let keys = ZoneKeys::in_memory(&SystemRandom::new()).unwrap();
        let ours = chain(&signed(zone, &keys, Denial::Nsec3, Zonemd::Without));
        std::fs::write(dir.path().join("plain.zone"), plain(zone, SystemClock.now_s())).unwrap();
        let in_dir = |program: &str, args: &[&str]| {
            let output = run(Command::new(program).current_dir(dir.path()).args(args));
            assert!(output.status.success(), "{program}: {}", text(&output));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let zsk = in_dir("dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", APEX]);
        let ksk = in_dir("dnssec-keygen", &["-q", "-f", "KSK", "-a", "ECDSAP256SHA256", APEX]);
        in_dir(
            "dnssec-signzone",
            &["-q", "-S", "-3", "-", "-H", "0", "-O", "full", "-o", APEX, "-f", "bind.zone", "plain.zone"],
        );
        in_dir("ldns-signzone", &["-n", "-t", "0", "-o", APEX, "-f", "ldns.zone", "plain.zone", &zsk, &ksk]);
        for theirs in ["bind.zone", "ldns.zone"] {
            let theirs = chain(&std::fs::read_to_string(dir.path().join(theirs)).unwrap());
            let differ: Vec<&String> = ours.symmetric_difference(&theirs).collect();
            assert!(differ.is_empty() && ours.len() > 10, "{differ:#?}");
        }
    }
}
