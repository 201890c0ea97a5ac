//! The export, judged by ldns and read back by our own reader.

use std::process::Command;

use callbook::clock::{Clock, SystemClock};
use callbook::dnssec::export;
use ring::rand::SystemRandom;

use super::house::{House, NUMBERS, enum_name, have, run, text};

#[test]
fn the_plain_export_holds_every_record_once_and_in_order() {
    let house = House::open();
    let (mut once, mut again) = (Vec::new(), Vec::new());
    let now_s = SystemClock.now_s();
    export::unsigned(&house.zone, now_s, &mut once).unwrap();
    export::unsigned(&house.zone, now_s, &mut again).unwrap();
    assert!(once == again);
    let zone = String::from_utf8(once).unwrap();
    assert!(zone.starts_with("e164.example. 3600 IN SOA "), "{zone}");
    for number in NUMBERS {
        let name = enum_name(number);
        let naptr = format!("\n{name} 300 IN NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:{number}@acme.example!\" .\n");
        assert_eq!(zone.matches(&naptr).count(), 1, "{naptr}{zone}");
        assert_eq!(zone.matches(&format!("\n_keys.{name} 300 IN TXT \"v=cb1; n=2; s=")).count(), 1);
    }
    assert!(zone.contains("._openpgpkey.e164.example. 300 IN OPENPGPKEY ") && zone.contains(" IN DS "));
    let mut late = Vec::new();
    export::unsigned(&house.zone, now_s + 91 * 86_400, &mut late).unwrap();
    assert!(!String::from_utf8(late).unwrap().contains("NAPTR"), "lapsed numbers are not exported");
}

#[test]
fn ldns_verifies_the_signed_export() {
    if !have(&["ldns-verify-zone", "ldns-read-zone"]) {
        return;
    }
    let house = House::open();
    let mut file = Vec::new();
    export::signed(&house.zone, &house.keys, &SystemRandom::new(), SystemClock.now_s(), &mut file).unwrap();
    let path = house.path("signed.zone");
    std::fs::write(&path, &file).unwrap();
    let verified =
        run(Command::new("ldns-verify-zone").args(["-V", "3", "-k"]).arg(house.path("anchor.key")).arg(&path));
    assert!(verified.status.success(), "{}\n{}", text(&verified), String::from_utf8_lossy(&file));
    assert!(text(&verified).contains("Zone is verified and complete"), "{}", text(&verified));
    // One changed octet in a record must be noticed.
    let forged = String::from_utf8(file).unwrap().replacen("sip:+447700900123@acme", "sip:+447700900123@evil", 1);
    std::fs::write(&path, forged).unwrap();
    let verified = run(Command::new("ldns-verify-zone").args(["-V", "3"]).arg(&path));
    assert!(!verified.status.success(), "{}", text(&verified));
}
