//! The number zone as RDAP tells it: servers, keys, and whether the parent knows them.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::cli::keeper;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::dnssec::anchor::{DsDigest, ds_rdata};
use crate::dnssec::{ZoneKeys, life::Life};
use crate::http::ZoneFacts;
use crate::nameserver::View;
use crate::rdap::{Apex, ApexKey, Host};
use crate::wire::{Name, RrType};
use crate::zone::StaticZone;

/// Tells the zone as it is whenever it is asked.
pub(crate) fn told(config: &Config, apex: Name, view: Arc<ArcSwap<View>>) -> ZoneFacts {
    let config = config.clone();
    Arc::new(move || {
        let view = view.load();
        let Some(served) = view.zone(&apex) else { return Apex { name: apex.to_text(), ..Apex::default() } };
        let life = keeper::keeping(&config, &apex).life(SystemClock.now_s()).ok();
        Apex {
            name: apex.to_text(),
            hosts: hosts(served.fixed_data(), &apex),
            keys: served.keys.as_ref().map(|keys| entries(&apex, keys)).unwrap_or_default(),
            delegation_signed: life.as_ref().and_then(delegation_signed),
        }
    })
}

fn hosts(zone: &StaticZone, apex: &Name) -> Vec<Host> {
    let set = zone.node(apex).and_then(|node| node.get(RrType::NS));
    let names = set.into_iter().flat_map(|set| set.iter()).filter_map(Name::from_wire);
    names.map(|name| Host { name: name.to_text(), addresses: zone.addresses(&name) }).collect()
}

fn entries(apex: &Name, keys: &ZoneKeys) -> Vec<ApexKey> {
    let entry = |dnskey: &[u8]| ApexKey {
        dnskey: dnskey.to_vec(),
        ds: [DsDigest::Sha256, DsDigest::Sha384].map(|kind| ds_rdata(apex, dnskey, kind)).to_vec(),
    };
    keys.wanted().iter().map(|key| entry(key.dnskey())).collect()
}

/// Whether the parent was seen with a DS of ours; nothing where nobody has looked.
fn delegation_signed(life: &Life) -> Option<bool> {
    let seen = life.keys.iter().any(|key| key.role.is_entry() && key.ds_seen_s.is_some());
    (seen || life.parent.is_some()).then_some(seen)
}
