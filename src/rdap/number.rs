//! A number as a domain (RFC 9083 5.3): what its provider and the operator are told. No holder, no record, no key of his.

use serde_json::json;

use crate::authority::{Accreditation, Condition, Registration};
use crate::log::event::Door;
use crate::rdap::object::{Event, Object, PublicId};

impl Object {
    /// A registration; `provider` is its entry in the register.
    pub fn number(of: &Registration, provider: Option<&Accreditation>, apex: &str) -> Self {
        let mut object = Self::named("domain", of.number.enum_name(apex.trim_end_matches('.')));
        object.public_ids.push(PublicId { kind: "E.164 number", identifier: of.number.to_string() });
        // A name inside the signed zone: nothing is delegated to it.
        object.secure_dns = Some(json!({ "zoneSigned": true, "delegationSigned": false }));
        object.entities.extend(provider.map(Self::entity));
        object.status = statuses(of);
        object.events.extend(of.created_ms.map(|at_ms| Event::at_ms("registration", at_ms)));
        object.events.extend(of.changed_ms.map(|at_ms| Event::at_ms("last changed", at_ms)));
        object.events.extend(of.not_after_s.map(|at_s| Event::at_s("expiration", at_s)));
        if of.held {
            let lines = [
                "The provider keeps the control key of this number, and no keys of its holder are published (charter 2.6).",
            ];
            object.remark("Provider-held", &lines);
        }
        if of.condition == Condition::Lapsed {
            object.remark("Lapsed", &["It was not renewed in time and is not published."]);
        }
        object
    }
}

/// The registered values (RFC 9083 10.2.2, RFC 8056) that come closest.
fn statuses(of: &Registration) -> Vec<&'static str> {
    let pending = match of.pending {
        Some(Door::Code | Door::Validation) => Some("pending transfer"),
        Some(Door::Main) => Some("pending update"),
        Some(Door::Direct) => Some("pending delete"), // the notice of a release
        None => None,
    };
    let stands = match of.condition {
        Condition::Pending => "pending create",
        Condition::Active | Condition::Contested | Condition::Recovering => "active",
        Condition::Lapsed | Condition::Released => "inactive",
        Condition::Suspended if of.withheld => "server hold",
        Condition::Suspended => "client hold",
    };
    [stands].into_iter().chain(pending).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;

    #[test]
    fn what_stands_in_a_number() {
        let mut of = Registration {
            number: Number::parse("+447700900123").unwrap(),
            provider: "acme".into(),
            condition: Condition::Suspended,
            held: true,
            withheld: false,
            created_ms: Some(1_800_000_000_000),
            changed_ms: None,
            not_after_s: Some(1_800_000_100),
            pending: Some(Door::Code),
        };
        let json = serde_json::to_value(Object::number(&of, None, "e164.example.").answer()).unwrap();
        assert_eq!(json["ldhName"], "3.2.1.0.0.9.0.0.7.7.4.4.e164.example");
        assert_eq!(json["publicIds"][0]["identifier"], "+447700900123");
        assert_eq!(json["status"], json!(["client hold", "pending transfer"]));
        assert_eq!(json["events"][1], json!({"eventAction": "expiration", "eventDate": "2027-01-15T08:01:40Z"}));
        assert_eq!(json["remarks"][0]["title"], "Provider-held");
        (of.withheld, of.pending) = (true, Some(Door::Direct));
        assert_eq!(statuses(&of), ["server hold", "pending delete"]);
        of.condition = Condition::Lapsed;
        assert_eq!(statuses(&of), ["inactive", "pending delete"]);
    }
}
