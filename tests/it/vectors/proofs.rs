//! Proofs for callers: what must be accepted and with which verdict, what must be refused, and every bit of both.

use callbook::log::bytes::from_base64;
use callbook::log::note::VerifierKey;
use callbook::log::proof::{Extra, Proof};
use callbook::log::proved::{self, Proved, Seen, Standing, Warning};
use callbook::log::trust::TrustList;
use callbook::log::{Hash, vrf};
use callbook::number::Number;
use serde_json::{Value, json};

use super::{VECTORS, array, bytes, hashes, int, list, number, text};

fn vkeys(value: &Value) -> Vec<VerifierKey> {
    list(value).iter().map(|vkey| VerifierKey::parse(text(vkey)).unwrap()).collect()
}

/// None if the list holds a key that is none.
fn trust_of(value: &Value) -> Option<TrustList> {
    Some(TrustList {
        origin: text(&value["origin"]).to_owned(),
        log: VerifierKey::parse(text(&value["log"])).unwrap(),
        witnesses: vkeys(&value["witnesses"]),
        quorum: int(&value["quorum"]) as usize,
        auditors: vkeys(&value["auditors"]),
        vrf: vrf::PublicKey::new(&array(&value["vrf"])).ok()?,
        eras: list(&value["eras"]).iter().map(|era| text(era).to_owned()).collect(),
    })
}

/// A case: the trust list of its own or that of all.
struct Case<'a> {
    text: &'a str,
    number: Number,
    trust: TrustList,
    now_ms: u64,
    seen: Option<(u64, Hash)>,
    since: Vec<Hash>,
}

impl<'a> Case<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        let trust = if value["trust"].is_null() { &VECTORS["trust"] } else { &value["trust"] };
        let seen = value["last"].as_array().map(|last| (int(&last[0]), array(&last[1])));
        let since = if value["since"].is_null() { Vec::new() } else { hashes(&value["since"]) };
        Some(Self {
            text: text(&value["text"]),
            number: number(&value["number"]),
            trust: trust_of(trust)?,
            now_ms: int(&value["now_ms"]),
            seen,
            since,
        })
    }

    fn check(&self, text: &str) -> Option<Proved> {
        let proof = Proof::parse(text).ok()?;
        assert_eq!(proof.write(), text, "what is parsed is written back");
        let seen = self.seen.as_ref().map(|(size, root)| Seen { size: *size, root, since: &self.since });
        proved::check(&proof, self.number, &self.trust, self.now_ms, seen).ok()
    }
}

fn verdict_of(proved: &Proved) -> Value {
    let warnings: Vec<_> = proved.warnings.iter().map(|warning| warning.word()).collect();
    let mut verdict = json!({"status": proved.standing.word(), "epoch": proved.epoch, "warnings": warnings});
    let hex = |hash: &Hash| data_encoding::HEXLOWER.encode(hash);
    if let Some(number) = &proved.number {
        let state = &number.state;
        verdict["version"] = json!(state.version);
        verdict["since_epoch"] = json!(state.since_epoch);
        verdict["key_epoch"] = json!(state.key_epoch);
        verdict["S"] = json!(hex(&number.hash));
        verdict["control"] = json!(hex(&state.control));
        if let Some(record) = &number.record {
            verdict["record"] = json!(String::from_utf8(record.write()).unwrap());
            verdict["keys_txt"] = json!(state.keys_txt(record));
        }
    }
    verdict
}

#[test]
fn accepted_with_its_verdict() {
    for value in list(&VECTORS["proofs"]) {
        let case = Case::of(value).unwrap();
        case.trust.check().unwrap();
        let proved = case.check(case.text).unwrap_or_else(|| panic!("{} is refused", value["name"]));
        assert_eq!(verdict_of(&proved), value["verdict"], "{}", value["name"]);
        let extra = Proof::parse(case.text).unwrap().extra;
        assert_eq!(Extra::parse(&bytes(&value["extra"])).unwrap(), extra);
    }
    assert!(list(&VECTORS["proofs"]).len() >= 23);
}

#[test]
fn refused() {
    let cases = list(&VECTORS["refused"]).iter().filter(|case| text(&case["what"]) == "proof");
    let mut refused = 0;
    for value in cases {
        let accepted = Case::of(value).is_some_and(|case| case.check(case.text).is_some());
        assert!(!accepted, "{} is accepted ({})", value["name"], value["why"]);
        refused += 1;
    }
    assert_eq!(refused, 68);
}

/// Every bit of the text, in one proof of each outcome. Only a name or an id that no longer is a witness's makes a proof that
/// is merely unconfirmed.
#[test]
fn every_flipped_bit_is_refused() {
    let chosen = ["active", "active, holder P-256", "released", "absent", "suspended by the holder"];
    for value in list(&VECTORS["proofs"]).iter().filter(|value| chosen.contains(&text(&value["name"]))) {
        let case = Case::of(value).unwrap();
        let whole = case.check(case.text).unwrap();
        let cosignatures = cosignatures_from(case.text);
        let mut flipped = case.text.as_bytes().to_vec();
        for at in 0..flipped.len() {
            for bit in 0..8 {
                flipped[at] ^= 1 << bit;
                if let Ok(text) = std::str::from_utf8(&flipped)
                    && let Some(proved) = case.check(text)
                {
                    assert!(at >= cosignatures, "{}: bit {bit} of byte {at}", value["name"]);
                    assert!(proved.warnings.contains(&Warning::Unconfirmed));
                    assert_eq!((&proved.number, proved.standing), (&whole.number, whole.standing));
                }
                flipped[at] ^= 1 << bit;
            }
        }
    }
}

/// Where the signature line of the log ends.
fn cosignatures_from(text: &str) -> usize {
    let note = text.find("\n\n— ").or_else(|| text.rfind("\n\n")).unwrap() + 2;
    note + text[note..].find('\n').unwrap() + 1
}

#[test]
fn every_truncated_proof_is_refused_or_unconfirmed() {
    for value in list(&VECTORS["proofs"]) {
        let case = Case::of(value).unwrap();
        let cosignatures = cosignatures_from(case.text);
        for length in (0..case.text.len()).filter(|length| case.text.is_char_boundary(*length)) {
            let Some(proved) = case.check(&case.text[..length]) else { continue };
            assert!(length >= cosignatures, "{}: {length} bytes of it", value["name"]);
            let line_ends = case.text[..length].ends_with('\n');
            assert!(line_ends, "only whole signature lines can be left out");
            let weaker = proved.warnings.iter().any(|w| matches!(w, Warning::Unconfirmed | Warning::Unaudited));
            assert!(weaker, "{}: {length} bytes of it", value["name"]);
        }
        let extra = bytes(&value["extra"]);
        assert!((0..extra.len()).all(|length| Extra::parse(&extra[..length]).is_err()));
        assert!(Extra::parse(&[&extra[..], &[0]].concat()).is_err());
    }
}

/// A log that is asked about another number, by a caller of another directory, or much later, proves nothing.
#[test]
fn a_proof_is_for_its_number_its_log_and_its_time() {
    let value = &list(&VECTORS["proofs"])[0];
    let mut case = Case::of(value).unwrap();
    assert_eq!(case.check(case.text).map(|proved| proved.standing), Some(Standing::Active));
    case.number = Number::parse("+4315551234568").unwrap();
    assert_eq!(case.check(case.text), None);
    let mut case = Case::of(value).unwrap();
    case.trust.origin = "dir.example.org/map/other".to_owned();
    assert_eq!(case.check(case.text), None);
    let mut case = Case::of(value).unwrap();
    case.now_ms += 2 * proved::TOO_OLD_MS;
    assert_eq!(case.check(case.text), None);
    let whole = Proof::parse(Case::of(value).unwrap().text).unwrap();
    assert!(from_base64(&whole.write()).is_none());
}

#[test]
fn trust_lists_that_mean_nothing_are_refused() {
    type Spoil = fn(&mut TrustList);
    let spoiled: [(&str, Spoil); 5] = [
        ("quorum", |trust| trust.quorum = trust.witnesses.len() + 1),
        ("origin", |trust| trust.origin = "two words".to_owned()),
        ("another log's key", |trust| trust.origin.push('x')),
        ("a witness twice", |trust| trust.witnesses = vec![trust.witnesses[0].clone(); 2]),
        ("a witness without times", |trust| trust.witnesses[0] = trust.log.clone()),
    ];
    for (what, spoil) in spoiled {
        let mut trust = trust_of(&VECTORS["trust"]).unwrap();
        trust.check().unwrap();
        spoil(&mut trust);
        assert!(trust.check().is_err(), "{what}");
    }
}
