//! A change in words: the one form in which the feed shows it and webhooks send it, and its cursor.

use data_encoding::HEXLOWER;

use crate::api::changes::Change;
use crate::clock::{rfc3339, unix_s};
use crate::ledger::ChangeRow;
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::event::{Door, Kind};

/// What a change is called that no event made.
const NOTICE: &str = "notice";
/// What it is called when a validation entity is asked for evidence. It is about no number: its label is all zeros.
const AUDIT: &str = "audit";
/// Its number in the ledger; events count from 1.
pub(super) const AUDIT_KIND: u8 = u8::MAX;
/// What it is called when the bulk door of a provider opens, will close, or is closed. It is about no number either.
const BULK_DOOR: &str = "bulk-door";
/// Its number in the ledger.
pub(super) const BULK_DOOR_KIND: u8 = u8::MAX - 1;

/// The place in a cursor.
pub fn cursor_place(text: &str) -> Option<u64> {
    let place = u64::from_be_bytes(from_base64url(text)?.try_into().ok()?);
    (place <= u64::MAX >> 1).then_some(place) // what the ledger can hold
}

/// A place as a cursor: letters, digits, `-` and `_`.
pub fn cursor_text(place: u64) -> String {
    to_base64url(&place.to_be_bytes())
}

/// A change as the API shows it.
pub fn change_shown(row: &ChangeRow) -> Change {
    let changed = &row.changed;
    let (notice_d, ends_s) = changed.notice.unzip();
    Change {
        cursor: cursor_text(row.n),
        kind: change_kind(row).to_owned(),
        door: Door::from_u8(changed.door).and_then(|door| door_of(door, changed.kind)).map(str::to_owned),
        label: changed.label.0.into(),
        number: row.number.map(|number| number.to_string()),
        version: changed.version,
        epoch: changed.epoch,
        time: rfc3339(unix_s(changed.time_ms)),
        event_hash: changed.event.map(|hash| HEXLOWER.encode(&hash)),
        provider_before: changed.before.clone(),
        provider_after: changed.after.clone(),
        requester: changed.requester.clone(),
        notice_d,
        not_after: ends_s.map(rfc3339),
    }
}

/// What sort of change it is: the word in its `kind`.
pub(super) fn change_kind(row: &ChangeRow) -> &'static str {
    match row.changed.kind {
        AUDIT_KIND => AUDIT,
        BULK_DOOR_KIND => BULK_DOOR,
        kind => Kind::from_u8(kind).map_or(NOTICE, Kind::word),
    }
}

/// Every word that a `kind` can be.
pub fn change_kinds() -> Vec<&'static str> {
    (0..=u8::MAX).filter_map(Kind::from_u8).map(Kind::word).chain([AUDIT, BULK_DOOR, NOTICE]).collect()
}

const fn door_of(door: Door, kind: u8) -> Option<&'static str> {
    match door {
        Door::Main if kind == Kind::Request as u8 || kind == Kind::Complete as u8 => Some("recovery"),
        Door::Main => None,
        Door::Code => Some("code"),
        Door::Validation => Some("validation"),
        Door::Direct => Some("direct"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let kinds = change_kinds();
        assert_eq!((kinds.first(), kinds.last()), (Some(&"create"), Some(&"notice")));
        assert_eq!(kinds.iter().collect::<std::collections::BTreeSet<_>>().len(), kinds.len());
    }
}
