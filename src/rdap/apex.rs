//! The zone itself as a domain (RFC 9083 5.3), with its servers and its keys; and each server (RFC 9083 5.2).

use std::net::IpAddr;

use data_encoding::{BASE64, HEXUPPER};
use serde_json::{Value, json};

use crate::rdap::object::{Addresses, Event, Object};

/// The zone as it is served now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apex {
    /// Its name.
    pub name: String,
    /// Its servers.
    pub hosts: Vec<Host>,
    /// The keys whose DS the parent has or should have.
    pub keys: Vec<ApexKey>,
    /// Whether the parent has their DS, if somebody has looked.
    pub delegation_signed: Option<bool>,
}

/// A name server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its addresses, as far as the zone has them.
    pub addresses: Vec<IpAddr>,
}

/// A key of the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApexKey {
    /// DNSKEY RDATA (RFC 4034 2.1).
    pub dnskey: Vec<u8>,
    /// DS RDATAs that name it (RFC 4034 5.1).
    pub ds: Vec<Vec<u8>>,
}

impl Object {
    /// The zone; `epoch_ms` is the time of its newest epoch.
    pub fn apex(apex: &Apex, epoch_ms: u64) -> Self {
        let mut object = Self::named("domain", bare(&apex.name));
        object.nameservers = apex.hosts.iter().map(Self::host).collect();
        object.secure_dns = Some(secure_dns(apex));
        object.status.push("active");
        object.events.push(Event::at_ms("last changed", epoch_ms));
        object.remark("Number zone", &["The names below it are those of phone numbers (RFC 6116)."]);
        object
    }

    /// A server of the zone.
    pub fn host(host: &Host) -> Self {
        let mut object = Self::named("nameserver", bare(&host.name));
        object.ip_addresses = Addresses::of(&host.addresses);
        object.status.push("active");
        object
    }
}

impl Apex {
    /// The server of that name, in lower case and without final dot.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| bare(&host.name) == name)
    }
}

fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn secure_dns(apex: &Apex) -> Value {
    let key = |key: &ApexKey| match key.dnskey.as_slice() {
        [f0, f1, protocol, algorithm, public @ ..] => Some(json!({
            "flags": u16::from_be_bytes([*f0, *f1]), "protocol": protocol, "algorithm": algorithm,
            "publicKey": BASE64.encode(public),
        })),
        _ => None,
    };
    let ds = |ds: &Vec<u8>| match ds.as_slice() {
        [t0, t1, algorithm, kind, digest @ ..] => Some(json!({
            "keyTag": u16::from_be_bytes([*t0, *t1]), "algorithm": algorithm, "digestType": kind,
            "digest": HEXUPPER.encode(digest),
        })),
        _ => None,
    };
    let mut said = json!({ "zoneSigned": !apex.keys.is_empty() });
    if let Some(signed) = apex.delegation_signed {
        said["delegationSigned"] = json!(signed);
    }
    let keys: Vec<Value> = apex.keys.iter().filter_map(key).collect();
    let all_ds: Vec<Value> = apex.keys.iter().flat_map(|key| &key.ds).filter_map(ds).collect();
    if !keys.is_empty() {
        said["keyData"] = json!(keys);
    }
    // Of a delegation that is not signed there are none.
    if !all_ds.is_empty() && apex.delegation_signed != Some(false) {
        said["dsData"] = json!(all_ds);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_shows_its_keys_and_says_only_what_is_known_of_its_parent() {
        let key = ApexKey { dnskey: vec![1, 1, 3, 13, 0xff], ds: vec![vec![0, 7, 13, 2, 0xab]] };
        let mut apex = Apex { name: "E164.example.".into(), keys: vec![key], ..Apex::default() };
        let said = secure_dns(&apex);
        assert_eq!(said["keyData"][0], json!({"flags": 257, "protocol": 3, "algorithm": 13, "publicKey": "/w=="}));
        assert_eq!(said["dsData"][0], json!({"keyTag": 7, "algorithm": 13, "digestType": 2, "digest": "AB"}));
        assert_eq!(said.get("delegationSigned"), None);
        apex.delegation_signed = Some(false);
        let said = secure_dns(&apex);
        assert_eq!((&said["delegationSigned"], said.get("dsData")), (&json!(false), None));
        apex.hosts.push(Host { name: "ns1.e164.example.".into(), addresses: vec!["192.0.2.1".parse().unwrap()] });
        let json = serde_json::to_value(Object::apex(&apex, 0).answer()).unwrap();
        assert_eq!(json["ldhName"], "e164.example");
        assert_eq!(json["nameservers"][0]["ipAddresses"], json!({"v4": ["192.0.2.1"]}));
        assert!(apex.host("ns1.e164.example").is_some() && apex.host("ns2.e164.example").is_none());
    }
}
