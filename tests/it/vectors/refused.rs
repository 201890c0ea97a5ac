//! What the vectors say must be refused, as far as the formats alone decide it.
//!
//! `proof` entries belong to the proof checker, and most `event` entries break a rule of the law, not of the format:
//! what is left to others is counted here, so that nothing falls between two chairs.

use callbook::log::batch::Batch;
use callbook::log::epoch::EpochLeaf;
use callbook::log::event::Event;
use callbook::log::gov::GovLeaf;
use callbook::log::note::{Note, VerifierKey};
use callbook::log::record::Record;
use serde_json::Value;

use super::{VECTORS, bytes, int, list, text};

fn vkeys(value: &Value) -> Vec<VerifierKey> {
    list(value).iter().map(|vkey| VerifierKey::parse(text(vkey)).unwrap()).collect()
}

/// Reasons for which an event is refused without knowing anything but the event and the log's origin.
fn is_refused_by_form(why: &str) -> bool {
    let form = ["algorithm", "bytes left over", "truncated", "tag", "kind", "signatures out of order", "bad signature"];
    why.starts_with("state: ")
        || form.iter().any(|reason| why.strip_prefix("event: ").is_some_and(|w| w.starts_with(reason)))
}

#[test]
fn whatever_breaks_a_format() {
    let council = vkeys(&VECTORS["gov_log"]["vkeys"]);
    let (mut checked, mut left_to_others) = (0, 0);
    for case in list(&VECTORS["refused"]) {
        let (what, name) = (text(&case["what"]), text(&case["name"]));
        let refused = match what {
            "record" => Record::parse(&bytes(&case["record"])).is_err(),
            "batch" => Batch::parse(&bytes(&case["file"])).is_err(),
            "note" => Note::open(text(&case["text"]), &vkeys(&case["vkeys"])).is_err(),
            "gov leaf" => GovLeaf::open(text(&case["text"]), &council, int(&case["index"])).is_err(),
            "epoch leaf" => EpochLeaf::parse(text(&case["text"])).is_err(),
            "event" if is_refused_by_form(text(&case["why"])) => {
                let event = Event::parse(&bytes(&case["event"]));
                event.is_err() || event.is_ok_and(|event| !event.signatures_verify(text(&case["origin"])))
            }
            "event" => {
                let event = Event::parse(&bytes(&case["event"])).expect("well-formed, only against the law");
                assert!(event.signatures_verify(text(&case["origin"])), "{name}: rightly signed, only against the law");
                left_to_others += 1;
                continue;
            }
            "proof" => {
                left_to_others += 1;
                continue;
            }
            other => panic!("{other}: a kind of input that nobody checks"),
        };
        assert!(refused, "{what}: {name} is accepted");
        checked += 1;
    }
    let all = list(&VECTORS["refused"]).len();
    assert_eq!((checked, left_to_others), (65, all - 65));
}
