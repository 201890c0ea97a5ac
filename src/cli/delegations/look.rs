//! One look at a delegated zone: where its servers are, what they say, and what is made of it. Changes nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::client::child::{self, Child, Refusal, Rules, Said, Server, Signal, Verdict};
use crate::clock::Clock;
use crate::config::Config;
use crate::wire::{Name, RrType};
use crate::zone::StaticZone;
use crate::zone::delegation::{DNS_PORT, Delegation, Parts};
use crate::zone::text::rdata_text;

use super::records::Known;

/// How long each answer is waited for.
const WAIT_MS: u64 = 2_000;
/// How long all of it may take: servers that answer as slowly as they may, and a resolver before.
const TOTAL: Duration = Duration::from_secs(60);
/// Addresses of one server that are asked, where this zone has them: two families, and one to spare.
const OF_A_SERVER_MAX: usize = 3;

/// What is about to be asked.
pub(crate) struct Look {
    was: Delegation,
    child: Child,
    /// Servers whose addresses nobody here knows.
    elsewhere: Vec<String>,
    resolver: Vec<SocketAddr>,
    rules: Rules,
}

/// What came of it.
pub(crate) struct Looked {
    /// The delegation as it was then.
    pub(crate) was: Delegation,
    /// The DS in place, each as a master file has it, whatever way they were given.
    pub(crate) ds: Vec<String>,
    /// When, Unix seconds.
    pub(crate) at_s: u64,
    /// What every server said.
    pub(crate) said: Vec<Said>,
    pub(crate) verdict: Result<Verdict, Refusal>,
}

impl Look {
    /// Prepares a look. `fixed` is the static part of the number zone, which may know where servers are. The error says what is
    /// wrong with the delegation.
    pub(crate) fn at(config: &Config, fixed: &StaticZone, was: &Delegation, known: &Known) -> Result<Self, String> {
        let parts = Parts::of(was, fixed.apex())?;
        let (mut servers, mut elsewhere) = (Vec::new(), Vec::new());
        for name in &parts.servers {
            let found = known_addresses(&parts, fixed, name);
            if found.is_empty() {
                elsewhere.push(name.to_text());
            }
            servers.extend(found.into_iter().map(|address| Server { name: name.to_text(), address }));
        }
        let rules = known.rules(config, &parts.name);
        let child = Child { zone: parts.name.to_text(), ds: parts.ds, servers };
        Ok(Self { was: was.clone(), child, elsewhere, resolver: config.delegation.resolver.clone(), rules })
    }

    /// Looks. Takes a minute at most.
    pub(crate) async fn look(mut self, clock: &dyn Clock) -> Looked {
        let asked = tokio::time::timeout(TOTAL, self.ask()).await;
        let asked = asked.unwrap_or_else(|_| Err(too_slow(&self.child.zone)));
        let at_s = clock.now_s();
        let (said, verdict) = match asked {
            Ok(said) => {
                let verdict = child::judge(&self.child, &said, &self.rules, at_s);
                (said, verdict)
            }
            Err(refusal) => (Vec::new(), Err(refusal)),
        };
        let ds = self.child.ds.iter().map(|rdata| rdata_text(RrType::DS, rdata)).collect();
        Looked { was: self.was, ds, at_s, said, verdict }
    }

    /// Finds the first DS of a child that has none, vouched for by the zones of its name servers `names`.
    pub(crate) async fn first_ds(
        mut self,
        names: &[String],
        signals: &[Signal],
        clock: &dyn Clock,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        let found = tokio::time::timeout(TOTAL, async {
            let said = self.ask().await?;
            child::first_ds(&self.child, names, &said, signals, WAIT_MS, clock.now_s()).await
        });
        found.await.unwrap_or_else(|_| Err(too_slow(&self.child.zone)))
    }

    async fn ask(&mut self) -> Result<Vec<Said>, Refusal> {
        self.find_others().await?;
        child::ask(&self.child, WAIT_MS).await.map_err(Refusal::Malformed)
    }

    /// Asks the resolver where the others are.
    async fn find_others(&mut self) -> Result<(), Refusal> {
        for name in &self.elsewhere {
            let found = child::addresses(&self.resolver, name, WAIT_MS).await;
            if found.is_empty() {
                return Err(Refusal::NoAddress(name.clone()));
            }
            let server = |ip| Server { name: name.clone(), address: SocketAddr::new(ip, DNS_PORT) };
            self.child.servers.extend(found.into_iter().map(server));
        }
        Ok(())
    }
}

fn too_slow(zone: &str) -> Refusal {
    Refusal::Silent { server: zone.to_owned(), why: format!("not all was said within {} s", TOTAL.as_secs()) }
}

/// Where a server is: as the operator says, else by its glue, else by the records of the zone itself.
fn known_addresses(parts: &Parts, fixed: &StaticZone, name: &Name) -> Vec<SocketAddr> {
    let given: Vec<SocketAddr> = parts.addresses.iter().filter(|(of, _)| of == name).map(|(_, at)| *at).collect();
    if !given.is_empty() {
        return given;
    }
    let mut ips: Vec<IpAddr> = parts.glue.iter().filter(|(of, _)| of == name).map(|(_, ip)| *ip).collect();
    if ips.is_empty() {
        ips = fixed.addresses(name);
        ips.truncate(OF_A_SERVER_MAX);
    }
    ips.into_iter().map(|ip| SocketAddr::new(ip, DNS_PORT)).collect()
}
