//! Whether a registration that exists would be taken as it is: what a change of the charter asks of it.
//!
//! A registration stays what it is whatever the charter becomes. But it can be renewed only while its number is served, and
//! its record changed only into one that the charter takes.

use crate::log::record::{Prefix, Record};
use crate::log::state::Flags;
use crate::registry::keys::Circumstances;
use crate::registry::refusal::{self, Refusal};
use crate::registry::{examine, keys, naptr};

/// What would be refused of a present record of `octets`, as things are; nothing if it stands.
pub fn refusals(record: &Record, octets: usize, flags: Flags, at: &Circumstances<'_>) -> Vec<Refusal> {
    const AT: &str = "/record";
    let policy = at.policy;
    let mut found: Vec<Refusal> = examine::number(record.number, policy).into_iter().collect();
    if octets as u64 > policy.number_bytes_max {
        found.push(refusal::RECORD_SIZE.at(AT, format!("{octets} octets; at most {}", policy.number_bytes_max)));
    }
    if flags.contains(Flags::PROVIDER_HELD) && !policy.provider_held_allowed {
        found.push(refusal::PROVIDER_HELD.at("/event", "this charter has no provider-held numbers"));
    }
    let addresses: Vec<&[u8]> = record.rdata(Prefix::Naptr).collect();
    found.extend(naptr::check(&addresses, record.number, at.apex, policy, AT));
    found.extend(keys::check(record, at, AT).1);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charter::Policy;
    use crate::log::record::Rr;
    use crate::number::Number;

    #[test]
    fn a_record_stands_until_the_charter_asks_for_something_else() {
        let mut rdata = b"\0\x64\0\x0a\x01u\x07E2U+sip".to_vec();
        let regexp = b"!^.*$!sip:a@b.example!";
        rdata.push(regexp.len() as u8);
        rdata.extend_from_slice(regexp);
        rdata.push(0);
        let record = Record {
            number: Number::parse("+447700900123").unwrap(),
            provider: "acme".into(),
            rr: vec![Rr { prefix: Prefix::Naptr, rdata }],
            revoked: Vec::new(),
        };
        let codes = |flags, policy: &Policy| {
            let at = Circumstances { policy, apex: "e164.example.", now_s: 0 };
            refusals(&record, 100, flags, &at).iter().map(|r| r.code).collect::<Vec<_>>()
        };
        let mut policy = Policy::embedded();
        assert_eq!(codes(Flags::PROVIDER_HELD, &policy), [""; 0]);
        policy.provider_held_allowed = false;
        policy.served.retain(|range| range.sandbox);
        assert_eq!(codes(Flags::NONE, &policy), ["number_not_served"]);
        assert_eq!(codes(Flags::PROVIDER_HELD, &policy), ["number_not_served", "provider_held"]);
        policy.enumservices.clear();
        assert_eq!(codes(Flags::NONE, &policy), ["number_not_served", "naptr_service"]);
    }
}
