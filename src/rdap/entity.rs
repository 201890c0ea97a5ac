//! Providers and validation entities as entities (RFC 9083 5.1): public, as the register is.

use serde_json::json;

use crate::authority::Accreditation;
use crate::clock::rfc3339;
use crate::rdap::object::{Answer, Event, Object, Remark};
use crate::rdap::query::Pattern;
use crate::registry::standing::ProviderStatus;

/// The most entities that a search answers with (RFC 9083 9: the rest is told to be missing).
pub const FOUND_MAX: usize = 50;
/// The registered type that comes closest to a bound of ours (RFC 9083 10.2.1).
const TRUNCATED: &str = "result set truncated due to unexplainable reasons";

impl Object {
    /// An entry of the register.
    pub fn entity(of: &Accreditation) -> Self {
        let standing = &of.standing;
        let mut object = Self::new("entity");
        object.handle = Some(of.id.clone());
        object.vcard_array = Some(json!([
            "vcard",
            [["version", {}, "text", "4.0"], ["fn", {}, "text", of.name], ["kind", {}, "text", "org"],]
        ]));
        if !of.statement_keys.is_empty() {
            object.roles.push("registrar");
        }
        if !of.validation_keys.is_empty() {
            object.remark("Validation entity", &["It validates who holds a number."]);
        }
        object.status.push(status(standing.status));
        object.events.push(Event::at_ms("last changed", standing.since_ms));
        let mut lines = vec![format!("{} since {}", standing.status.name(), rfc3339(standing.since_ms / 1000))];
        lines.extend(of.clause.iter().map(|clause| format!("clause {clause} of the charter")));
        lines.extend(standing.due_ms.map(|due_ms| format!("until {}", rfc3339(due_ms / 1000))));
        object.remark("Standing", &lines.iter().map(String::as_str).collect::<Vec<_>>());
        object
    }
}

/// The answer to a search.
pub fn found(register: &[Accreditation], pattern: &Pattern) -> Answer {
    let fits = |one: &&Accreditation| pattern.fits(if pattern.by_handle { &one.id } else { &one.name });
    let mut fitting: Vec<&Accreditation> = register.iter().filter(fits).take(FOUND_MAX + 1).collect();
    let mut notices = Vec::new();
    if fitting.len() > FOUND_MAX {
        fitting.truncate(FOUND_MAX);
        let notice = Remark::new("Search policy", &["More entities fit than are shown: search for more of the name."]);
        notices.push(notice.of_kind(TRUNCATED));
    }
    let results: Vec<Object> = fitting.into_iter().map(Object::entity).collect();
    Answer::of(json!({ "entitySearchResults": results }), notices)
}

/// The nearest of the registered values (RFC 9083 10.2.2); the remark beside it says the exact one.
const fn status(status: ProviderStatus) -> &'static str {
    match status {
        ProviderStatus::Applied => "pending create",
        ProviderStatus::Probation
        | ProviderStatus::Accredited
        | ProviderStatus::Warned
        | ProviderStatus::Restricted => "active",
        ProviderStatus::Suspended => "locked",
        ProviderStatus::WindingDown => "pending delete",
        ProviderStatus::Terminated | ProviderStatus::Closed => "inactive",
    }
}
