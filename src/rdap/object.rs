//! The objects of RFC 9083, as far as this directory has anything to say in them.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::rfc3339;

/// What every answer conforms to (RFC 9083 4.1).
const CONFORMANCE: [&str; 1] = ["rdap_level_0"];

/// A whole answer: an object with what only its outermost one has.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    #[serde(rename = "rdapConformance")]
    conformance: [&'static str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<Remark>,
    #[serde(flatten)]
    body: Value,
}

/// An object class (RFC 9083 5) with the members that any of ours have. What is empty is left out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    pub(super) object_class_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ldh_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vcard_array: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) roles: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) public_ids: Vec<PublicId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nameservers: Vec<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip_addresses: Option<Addresses>,
    #[serde(rename = "secureDNS", skip_serializing_if = "Option::is_none")]
    pub(super) secure_dns: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) entities: Vec<Object>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) status: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<Event>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remarks: Vec<Remark>,
}

/// An identifier from another world (RFC 9083 4.8).
#[derive(Clone, Debug, Serialize)]
pub(super) struct PublicId {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) identifier: String,
}

/// When something happened or will (RFC 9083 4.5).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    event_action: &'static str,
    event_date: String,
}

/// A remark about an object or a notice about an answer (RFC 9083 4.3).
#[derive(Clone, Debug, Serialize)]
pub(super) struct Remark {
    title: &'static str,
    /// One of the registered types (RFC 9083 10.2.1).
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    description: Vec<String>,
}

/// The addresses of a name server (RFC 9083 5.2).
#[derive(Clone, Debug, Serialize)]
pub(super) struct Addresses {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    v4: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    v6: Vec<IpAddr>,
}

impl Object {
    pub(super) fn new(class: &'static str) -> Self {
        Self { object_class_name: class, ..Self::default() }
    }

    /// An object that is known by its name; some clients want a handle of everything.
    pub(super) fn named(class: &'static str, name: String) -> Self {
        Self { handle: Some(name.clone()), ldh_name: Some(name), ..Self::new(class) }
    }

    pub(super) fn remark(&mut self, title: &'static str, lines: &[&str]) {
        self.remarks.push(Remark::new(title, lines));
    }

    /// The answer to a look-up.
    pub fn answer(self) -> Answer {
        Answer::of(serde_json::to_value(self).unwrap_or_default(), Vec::new()) // texts and numbers always serialise
    }
}

impl Answer {
    pub(super) fn of(body: Value, notices: Vec<Remark>) -> Self {
        Self { conformance: CONFORMANCE, notices, body }
    }
}

impl Event {
    pub(super) fn at_ms(action: &'static str, at_ms: u64) -> Self {
        Self::at_s(action, at_ms / 1000)
    }

    pub(super) fn at_s(action: &'static str, at_s: u64) -> Self {
        Self { event_action: action, event_date: rfc3339(at_s) }
    }
}

impl Remark {
    pub(super) fn new(title: &'static str, lines: &[&str]) -> Self {
        Self { title, kind: None, description: lines.iter().map(|line| (*line).to_owned()).collect() }
    }

    /// The same with a registered type, by which programs know it.
    pub(super) fn of_kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }
}

impl Addresses {
    /// None without an address.
    pub(super) fn of(addresses: &[IpAddr]) -> Option<Self> {
        let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv4());
        (!addresses.is_empty()).then_some(Self { v4, v6 })
    }
}

/// The error object (RFC 9083 6).
pub fn error(status: u16, title: &str, description: &[&str]) -> Answer {
    Answer::of(json!({ "errorCode": status, "title": title, "description": description }), Vec::new())
}

/// The answer to `help` (RFC 9083 7).
pub fn help(apex: &str) -> Answer {
    let apex = apex.trim_end_matches('.');
    let asked = [
        &*format!("domain/{apex}: the zone of this directory, its servers and its keys."),
        "domain/NAME, the ENUM name of a number: for its provider and the operator, with their bearer token; for everybody \
         else there is no such object, whatever the number.",
        "nameserver/NAME: a server of the zone. entity/ID: a provider or validation entity. entities?fn=NAME*, \
         entities?handle=ID*: a search of them.",
    ];
    let terms = [
        "Use is bound by the charter in force: GET /v1/charter.",
        "Who asks too often is told when to come again: 429 with Retry-After.",
    ];
    Answer::of(json!({}), vec![Remark::new("What can be asked for", &asked), Remark::new("Terms of use", &terms)])
}
