//! Looks for numbers and labels in whatever a program left behind, in every form in which it may have written them.

use std::collections::{HashMap, HashSet};

use callbook::number::Number;
use callbook::zone::hashes::owner_label;
use data_encoding::{BASE64, BASE64URL, Encoding, HEXLOWER, HEXUPPER};

/// So many digits in a row give a number away; those of its prefixes and of packets cut in the middle of a name do too.
const WINDOW_DIGITS: usize = 8;
/// Digits of the country code that all numbers here share.
const CODE_DIGITS: usize = 3;
/// Needles are found by their first octets, so that a file is read once however many there are.
const HEAD_OCTETS: usize = 4;

/// What is looked for: its octets, and how they came about.
pub(super) struct Traces(HashMap<[u8; HEAD_OCTETS], Vec<(String, Vec<u8>)>>);

impl Traces {
    /// Every form of these numbers (`+…`, of a country code of three digits) and labels.
    pub(super) fn of(numbers: &[&str], labels: &[&str]) -> Self {
        let mut all: HashSet<Vec<u8>> = HashSet::new();
        let mut traces = Self(HashMap::new());
        let written = numbers.iter().flat_map(|number| written(number));
        for (what, octets) in written.chain(labels.iter().map(|label| ("label", label.as_bytes().to_vec()))) {
            for (form, needle) in forms(&octets) {
                if all.insert(needle.clone()) {
                    let head = needle[..HEAD_OCTETS].try_into().expect("four octets");
                    traces.0.entry(head).or_default().push((format!("{what}, {form}"), needle));
                }
            }
        }
        traces
    }

    /// The first trace in these octets: what it is, and what stands around it.
    pub(super) fn found_in(&self, octets: &[u8]) -> Option<String> {
        octets.windows(HEAD_OCTETS).enumerate().find_map(|(at, head)| {
            let needles = self.0.get(head)?;
            let (what, needle) = needles.iter().find(|(_, needle)| octets[at..].starts_with(needle))?;
            let around = &octets[at.saturating_sub(200)..octets.len().min(at + needle.len() + 100)];
            Some(format!("{what}, in: {}", around.escape_ascii()))
        })
    }
}

/// How a number is written before it is encoded: digits and labels in both directions, on the wire, packed, hashed.
fn written(number: &str) -> Vec<(&'static str, Vec<u8>)> {
    let parsed = Number::parse(number).expect("a number");
    let digits: Vec<u8> = number.trim_start_matches('+').into();
    let hash = owner_label(parsed);
    let mut all = vec![
        ("packed", parsed.as_u64().to_be_bytes().to_vec()),
        ("packed the other way", parsed.as_u64().to_le_bytes().to_vec()),
        ("packed, in decimal", parsed.as_u64().to_string().into()),
        ("hash", HEXLOWER.decode(hash.as_bytes()).expect("hexadecimal")),
        ("hash label", hash.into()),
    ];
    for window in digits[CODE_DIGITS..].windows(WINDOW_DIGITS) {
        let reversed: Vec<u8> = window.iter().rev().copied().collect();
        let dotted = |digits: &[u8]| digits.iter().flat_map(|digit| [b'.', *digit]).skip(1).collect::<Vec<u8>>();
        all.push(("dotted", dotted(window)));
        all.push(("dotted, reversed", dotted(&reversed)));
        all.push(("on the wire", reversed.iter().flat_map(|digit| [1, *digit]).collect()));
        all.push(("reversed", reversed));
        all.push(("digits", window.to_vec()));
    }
    all
}

/// The octets as they are and in every encoding that logs, dumps and URLs know.
fn forms(octets: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let each = |f: &dyn Fn(u8) -> String, between: &str| {
        octets.iter().map(|octet| f(*octet)).collect::<Vec<_>>().join(between).into_bytes()
    };
    let escaped = |escape: &dyn Fn(u8) -> String| {
        each(&|octet| if octet.is_ascii_graphic() { char::from(octet).into() } else { escape(octet) }, "")
    };
    let mut all = vec![
        ("as it is", octets.to_vec()),
        ("hexadecimal", HEXLOWER.encode(octets).into()),
        ("HEXADECIMAL", HEXUPPER.encode(octets).into()),
        ("a hexadecimal dump", each(&|octet| format!("{octet:02x}"), " ")),
        ("a list, hexadecimal", each(&|octet| format!("{octet:x}"), ", ")),
        ("a list, hexadecimal, two digits", each(&|octet| format!("{octet:02x}"), ", ")),
        ("a list", each(&|octet| octet.to_string(), ", ")),
        ("a list for machines", each(&|octet| octet.to_string(), ",")),
        ("for a URL", escaped(&|octet| format!("%{octet:02X}"))),
        ("for a URL, every octet", each(&|octet| format!("%{octet:02X}"), "")),
        ("with \\x01", escaped(&|octet| format!("\\x{octet:02x}"))),
        ("with \\u{1}", escaped(&|octet| format!("\\u{{{octet:x}}}"))),
        ("with \\u0001", escaped(&|octet| format!("\\u{octet:04x}"))),
        ("with \\001", escaped(&|octet| format!("\\{octet:03}"))),
    ];
    for escapes in all.clone().iter().filter(|(_, form)| form.contains(&b'\\')) {
        let twice = String::from_utf8_lossy(&escapes.1).replace('\\', "\\\\");
        all.push((escapes.0, twice.into_bytes()));
    }
    for before in 0..3 {
        all.push(("base64", in_the_middle(&BASE64, before, octets)));
        all.push(("base64url", in_the_middle(&BASE64URL, before, octets)));
    }
    all
}

/// The characters that these octets alone decide, so many octets (modulo 3) after the beginning.
fn in_the_middle(encoding: &Encoding, before: usize, octets: &[u8]) -> Vec<u8> {
    let text = encoding.encode(&[&vec![0; before], octets].concat());
    text.as_bytes()[(before * 8).div_ceil(6)..(before + octets.len()) * 8 / 6].to_vec()
}

#[test]
fn every_form_is_found_and_nothing_else() {
    const NUMBER: &str = "+999739158264057";
    let (traces, other) =
        (Traces::of(&[NUMBER], &["quetzalcoatl"]), Traces::of(&["+999140625773918"], &["tezcatlipoca"]));
    let number = Number::parse(NUMBER).unwrap();
    let packet = crate::dns::ask::query(
        &number.enum_name("e164.example."),
        hickory_proto::rr::RecordType::NAPTR,
        crate::dns::ask::Dnssec::Ok,
    );
    let text = String::from_utf8(packet[12..40].to_vec()).unwrap();
    let mut planted: Vec<Vec<u8>> = [
        NUMBER.to_owned(),
        NUMBER[1..13].to_owned(),
        "750462851937999".to_owned(),
        number.enum_name(""),
        format!("the label qUETZALCOATL, no: quetzalcoatl in {NUMBER:?}"),
        HEXLOWER.encode(&packet),
        HEXUPPER.encode(&packet),
        format!("{packet:?}"),
        format!("{packet:x?}"),
        format!("{packet:02x?}"),
        serde_json::to_string(&packet).unwrap(),
        packet.escape_ascii().to_string(),
        format!("{:?}", packet.escape_ascii().to_string()),
        format!("{text:?}"),
        serde_json::to_string(&text).unwrap(),
        serde_json::to_string(&format!("{text:?}")).unwrap(),
        packet.iter().map(|octet| format!("%{octet:02X}")).collect(),
        text.replace('\x01', "%01"),
        text.replace('\x01', "\\001"),
        packet.iter().map(|octet| format!("{octet:02x} ")).collect(),
        owner_label(number),
        number.as_u64().to_string(),
    ]
    .map(String::into_bytes)
    .to_vec();
    planted.extend([packet.clone(), packet[..12 + 17].to_vec()]);
    planted.extend([number.as_u64().to_be_bytes().to_vec(), number.as_u64().to_le_bytes().to_vec()]);
    for before in 0..3 {
        for whole in [&packet, &packet[..12 + 17].to_vec(), &b"quetzalcoatl".to_vec()] {
            let shifted = [&vec![0x9a; before][..], whole, &[0xe7]].concat();
            planted.extend([BASE64.encode(&shifted).into_bytes(), BASE64URL.encode(&shifted).into_bytes()]);
        }
    }
    for octets in planted {
        let within = [&[0xfe; 300][..], &octets, &[0xfe; 300]].concat();
        assert!(traces.found_in(&within).is_some(), "not found: {}", octets.escape_ascii());
        assert_eq!(other.found_in(&within), None);
        assert_eq!(traces.found_in(&within[..300]), None);
    }
}
