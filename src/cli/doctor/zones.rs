//! What the doctor asks about a signed zone from outside: how the parent's servers delegate it, whether its own servers answer,
//! and whether the clock agrees with the times of the parent's signatures.

use std::net::SocketAddr;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::{Finding, Outcome};
use crate::cli::report::Failure;
use crate::cli::{delegations, instance, keeper};
use crate::client::Transport;
use crate::client::child;
use crate::client::inspect::{self, AtParent, AtServer};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;
use crate::dnssec::ZoneKeys;
use crate::dnssec::anchor::{DsDigest, ds_rdata};
use crate::wire::{Name, RrType};
use crate::zone::delegation::{self, DNS_PORT};
use crate::zone::master::text_of;
use crate::zone::{StaticZone, text};

/// How long each answer is waited for.
const WAIT_MS: u64 = 2_000;
/// Signatures that end within so many seconds are no longer renewed by anybody: ours have days left.
const EXPIRES_SOON_S: u64 = 3_600;

/// A signed zone with a parent.
struct Zone {
    apex: Name,
    keys: ZoneKeys,
    parent: Vec<SocketAddr>,
    /// Its name servers, as its own file says.
    ns: Vec<Name>,
    fixed: StaticZone,
}

/// Looks at every signed zone whose parent's servers are configured. `at` says where name servers are asked instead of where
/// the zone says: `NAME=ADDRESS`, as `zone delegate --address` has it.
pub(super) fn examine(config: &Config, at: &[String], findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let given: Vec<(Name, SocketAddr)> =
        at.iter().map(|text| delegation::address(text)).collect::<Result<_, _>>().map_err(Failure::new)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for zone in zones(config)? {
        let name = zone.apex.to_text();
        let now_s = SystemClock.now_s();
        let mut note = |what: String, outcome| findings.push(Finding { what, outcome });
        let answers = parent(&runtime, &zone, now_s);
        for (server, said) in &answers {
            note(format!("{name} parent"), at_parent(&zone, server, said));
        }
        note(format!("{name} clock"), clock(&answers, now_s));
        let servers = servers(&runtime, config, &zone, &given);
        servers.into_iter().for_each(|outcome| note(format!("{name} server"), outcome));
    }
    Ok(())
}

fn zones(config: &Config) -> Result<Vec<Zone>, Failure> {
    let mut zones = Vec::new();
    if !config.dnssec.parent.is_empty() {
        let policy = instance::charter_in_force(config)?;
        let fixed = delegations::fixed(config, &policy, &delegations::read(config)?)?;
        zones.push(Zone::of(config, fixed, &config.dnssec.parent)?);
    }
    for zone in config.zone.iter().filter(|zone| zone.sign && !zone.parent.is_empty()) {
        let text = std::fs::read(&zone.file)
            .map(text_of)
            .map_err(|e| Failure::new(format!("cannot read the zone file {}: {e}", zone.file.display())))?;
        let apex = Name::from_text(&zone.name).map_err(|e| Failure::new(format!("{}: {e}", zone.name)))?;
        let fixed = StaticZone::read(&text, &apex).map_err(|_| {
            Failure::new(format!("{} has mistakes: callbook zone check says which", zone.file.display()))
        })?;
        zones.push(Zone::of(config, fixed, &zone.parent)?);
    }
    Ok(zones)
}

impl Zone {
    fn of(config: &Config, fixed: StaticZone, parent: &[SocketAddr]) -> Result<Self, Failure> {
        let apex = *fixed.apex();
        let (_, keys) = keeper::keeping(config, &apex).load(SystemClock.now_s())?;
        let ns = fixed.node(&apex).and_then(|node| node.get(RrType::NS));
        let ns = ns.into_iter().flat_map(|set| set.iter()).filter_map(Name::from_wire).collect();
        Ok(Self { apex, keys, parent: parent.to_vec(), ns, fixed })
    }

    /// DNSKEY RDATA of all keys that sign its data.
    fn signers(&self) -> Vec<Vec<u8>> {
        self.keys.signers(RrType::SOA).iter().map(|key| key.dnskey().to_vec()).collect()
    }
}

type FromParent = (SocketAddr, Result<AtParent, String>);

/// Asks all servers of the parent, one after the other: there are few, and one that is silent costs seconds.
fn parent(runtime: &Runtime, zone: &Zone, now_s: u64) -> Vec<FromParent> {
    let name = zone.apex.to_text();
    let ask = |server: &SocketAddr| (*server, runtime.block_on(inspect::at_parent(*server, &name, WAIT_MS, now_s)));
    zone.parent.iter().map(ask).collect()
}

/// NS as ours, and DS of our keys.
fn at_parent(zone: &Zone, server: &SocketAddr, said: &Result<AtParent, String>) -> Outcome {
    let said = match said {
        Ok(said) => said,
        Err(why) => return Outcome::Bad(format!("{server}: {why}. Set dnssec.parent to the parent's own servers")),
    };
    let mut wrong = Vec::new();
    let mut ours: Vec<String> = zone.ns.iter().map(|name| name.to_text().to_ascii_lowercase()).collect();
    ours.sort_unstable();
    if said.ns != ours {
        wrong.push(format!(
            "it names the servers {}, the zone's file {}: have the parent changed, or the file",
            listed(&said.ns),
            listed(&ours)
        ));
    }
    let (fitting, problems) = compare_ds(zone, &said.ds);
    wrong.extend(problems);
    match wrong.is_empty() {
        true => Outcome::Well(format!("{server}: {} servers as here, DS {}", ours.len(), listed(&fitting))),
        false => Outcome::Bad(format!("{server}: {}", wrong.join("; "))),
    }
}

/// The tags of the parent's DS that fit keys of ours, and what is wrong with the others.
fn compare_ds(zone: &Zone, ds: &[Vec<u8>]) -> (Vec<String>, Vec<String>) {
    let (mut fitting, mut wrong) = (Vec::new(), Vec::new());
    let digests =
        |dnskey: &[u8]| [DsDigest::Sha256, DsDigest::Sha384].map(|kind| ds_rdata(&zone.apex, dnskey, kind)).to_vec();
    let entries: Vec<(u16, Vec<Vec<u8>>)> = zone.keys.entries().map(|key| (key.tag, digests(key.dnskey()))).collect();
    for rdata in ds {
        let text = text::rdata_text(RrType::DS, rdata);
        let tag = text.split(' ').next().unwrap_or_default().to_owned();
        let same_head = |other: &Vec<u8>| other.get(..4) == rdata.get(..4);
        let of_key = entries.iter().flat_map(|(_, digests)| digests);
        if of_key.clone().any(|other| other == rdata) {
            fitting.push(tag);
        } else if of_key.clone().any(same_head) {
            wrong
                .push(format!("its DS {tag} has another digest than our key {tag}: it was copied wrongly, replace it"));
        } else {
            wrong.push(format!("its DS {tag} is stale, no key of ours in use fits it: have it removed"));
        }
    }
    fitting.dedup();
    if ds.is_empty() {
        wrong.push("it has no DS, so nobody can prove the zone: hand over what `callbook keys ds` prints".to_owned());
    } else if fitting.is_empty() {
        wrong.push(
            "no DS fits, so validators take the zone for bogus: hand over what `callbook keys ds` prints, at once"
                .to_owned(),
        );
    }
    (fitting, wrong)
}

/// The clock lies within the times of the parent's signatures over the DS, if it signs: no other source of time is asked.
fn clock(answers: &[FromParent], now_s: u64) -> Outcome {
    let times: Vec<(SocketAddr, u64, u64)> = answers
        .iter()
        .filter_map(|(server, said)| {
            let (from_s, to_s) = said.as_ref().ok()?.signed_s?;
            Some((*server, from_s, to_s))
        })
        .collect();
    for (server, from_s, to_s) in &times {
        if now_s < *from_s {
            let behind_s = from_s - now_s;
            return Outcome::Bad(format!(
                "the clock is behind by {behind_s} s at least: {server} shows DS signed from {} on. Set it right (NTP)",
                rfc3339(*from_s)
            ));
        }
        if now_s > *to_s {
            return Outcome::Bad(format!(
                "the clock is ahead, or the parent's signatures at {server} are over since {}: look at a clock that is right",
                rfc3339(*to_s)
            ));
        }
    }
    match times.len() {
        0 => Outcome::NotLooked("no signature of the parent to compare the clock with".to_owned()),
        _ => Outcome::Well(format!("{} lies within the times of the parent's signatures", rfc3339(now_s))),
    }
}

fn listed(all: &[String]) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join(" ") }
}

/// Each address of each name server, over UDP and TCP, with one serial.
fn servers(runtime: &Runtime, config: &Config, zone: &Zone, given: &[(Name, SocketAddr)]) -> Vec<Outcome> {
    let (mut outcomes, mut known) = (Vec::new(), Vec::new());
    for name in &zone.ns {
        let mut addresses: Vec<SocketAddr> = given.iter().filter(|(of, _)| of == name).map(|(_, at)| *at).collect();
        if addresses.is_empty() {
            let mut ips = zone.fixed.addresses(name);
            if ips.is_empty() {
                ips = runtime.block_on(child::addresses(&config.delegation.resolver, &name.to_text(), WAIT_MS));
            }
            addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, DNS_PORT)).collect();
        }
        if addresses.is_empty() {
            outcomes.push(Outcome::NotLooked(format!(
                "{}: its address is not known here: set delegation.resolver, or give --address {0}=ADDRESS",
                name.to_text()
            )));
        }
        known.extend(addresses.into_iter().map(|address| (name.to_text(), address)));
    }
    let (first, second) = (soas(runtime, zone, &known), soas(runtime, zone, &known));
    // A change may come in between; who has not even what another had before that does not follow.
    let newest = first.iter().filter_map(|soa| Some(soa.as_ref().ok()?.serial)).reduce(later);
    for ((name, address), soa) in known.iter().zip(second) {
        outcomes.push(match (soa, newest) {
            (Err(why), _) => Outcome::Bad(format!(
                "{name} ({address}): {why}. Let it answer over UDP and TCP, from everywhere, with the zone as it is now"
            )),
            (Ok(soa), Some(newest)) if later(soa.serial, newest) != soa.serial => Outcome::Bad(format!(
                "{name} ({address}) serves serial {}, another server {newest}: it does not follow, look at its transfers and log",
                soa.serial
            )),
            (Ok(soa), _) if soa.expires_s < SystemClock.now_s() + EXPIRES_SOON_S => Outcome::Bad(format!(
                "{name} ({address}): its signatures end at {}, and nobody has renewed them: is the signer running, and its clock right?",
                rfc3339(soa.expires_s)
            )),
            (Ok(soa), _) => Outcome::Well(format!(
                "{name} ({address}): UDP and TCP, serial {}, signed until {}",
                soa.serial,
                rfc3339(soa.expires_s)
            )),
        });
    }
    outcomes
}

/// What each says over UDP and then TCP, all at the same time; the first thing that is wrong.
fn soas(runtime: &Runtime, zone: &Zone, servers: &[(String, SocketAddr)]) -> Vec<Result<AtServer, String>> {
    let (name, keys, now_s) = (zone.apex.to_text(), zone.signers(), SystemClock.now_s());
    let mut found: Vec<Result<AtServer, String>> = servers.iter().map(|_| Err("it was not asked".to_owned())).collect();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for (at, (_, address)) in servers.iter().enumerate() {
            let (name, keys, address) = (name.clone(), keys.clone(), *address);
            tasks.spawn(async move {
                let ask = async |over| inspect::at_server(address, &name, &keys, over, WAIT_MS, now_s).await;
                let udp = ask(Transport::Udp).await.map_err(|why| format!("over UDP: {why}"));
                let tcp = match &udp {
                    Ok(_) => ask(Transport::Tcp).await.map_err(|why| format!("over TCP: {why}")),
                    Err(_) => udp.clone(),
                };
                (at, udp.and(tcp))
            });
        }
        while let Some(done) = tasks.join_next().await {
            let Ok((at, soa)) = done else { continue };
            if let Some(place) = found.get_mut(at) {
                *place = soa;
            }
        }
    });
    found
}

/// The later of two serials (RFC 1982).
fn later(a: u32, b: u32) -> u32 {
    if b.wrapping_sub(a) as i32 > 0 { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(signed_s: Option<(u64, u64)>) -> Vec<FromParent> {
        let said = AtParent { signed_s, ..AtParent::default() };
        vec![(([192, 0, 2, 1], 53).into(), Ok(said)), (([192, 0, 2, 2], 53).into(), Err("it is silent".to_owned()))]
    }

    #[test]
    fn the_clock_is_judged_by_signatures_alone() {
        let times = Some((1_000, 2_000));
        assert!(matches!(clock(&said(times), 1_500), Outcome::Well(_)));
        assert!(matches!(clock(&said(times), 900), Outcome::Bad(why) if why.contains("behind by 100 s")));
        assert!(matches!(clock(&said(times), 2_100), Outcome::Bad(why) if why.contains("ahead")));
        assert!(matches!(clock(&said(None), 1_500), Outcome::NotLooked(_)));
    }

    #[test]
    fn serials_wrap() {
        assert_eq!((later(1, 2), later(2, 1), later(u32::MAX, 3), later(3, u32::MAX)), (2, 2, 3, 3));
    }
}
