//! A tree of zones, from a root down to numbers, each on addresses of its own at port 53; every server of it is ours.
//!
//! ```text
//! .                            192.0.2.1
//! example.                     192.0.2.2
//! e164.example.    numbers     192.0.2.3, 198.51.100.3
//! 6.4.e164.example.  +46       192.0.2.6      delegated with DS
//! 7.e164.example.    +7        192.0.2.7      delegated without, unsigned
//! static.example.              192.0.2.4, 198.51.100.4
//! ```
//!
//! 192.0.2.5 answers for the numbers of e164.example. and for static.example., for those who can ask one server only.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use callbook::clock::SystemClock;
use callbook::config::Dns;
use callbook::dnssec::{ZoneKeys, anchor};
use callbook::nameserver::{Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::wire::Name;
use callbook::zone::{Loader, NumberZone, StaticZone, Ttls};
use ring::rand::SystemRandom;
use tempfile::TempDir;

use crate::dns::house::{APEX, NUMBERS, data, enum_name};
use crate::dns::tamper::Proxy;

pub(super) const STATIC_APEX: &str = "static.example.";
/// A number of the delegated country, and one of the country that is delegated without DS.
pub(super) const ELSEWHERE: [&str; 2] = ["+46700000001", "+74950000001"];

/// Refresh and MINIMUM are what testers want of a zone; the number zone's MINIMUM is the charter's.
const NUMBER_ZONE: &str = "\
$TTL 3600
@       IN SOA ns1 hostmaster 1 14400 3600 1209600 60
@       IN NS  ns1
@       IN NS  ns2
@       IN TXT \"a directory\"
ns1     IN A   192.0.2.3
ns2     IN A   198.51.100.3
www     IN CNAME ns1
deep.er IN TXT \"below an empty non-terminal\"
6.4     IN NS  ns.6.4
ns.6.4  IN A   192.0.2.6
7       IN NS  ns.7
ns.7    IN A   192.0.2.7
";
const STATIC_ZONE: &str = "\
$TTL 3600
@      IN SOA ns1 hostmaster 1 14400 3600 1209600 300
@      IN NS  ns1
@      IN NS  ns2
ns1    IN A   192.0.2.4
ns2    IN A   198.51.100.4
www    IN CNAME ns1
*.wild IN TXT \"any\"
a.b.c  IN TXT \"below empty non-terminals\"
old    IN DNAME new
x.new  IN TXT \"moved\"
";
/// A file for the apex of a zone with one name server there.
const HEAD: &str = "$TTL 3600\n@ IN SOA ns hostmaster 1 14400 3600 1209600 300\n@ IN NS ns\n";

/// The running servers, the root's keys, and a folder for the judge.
pub(super) struct Lab {
    pub(super) dir: TempDir,
    /// The anchor of the root as a DNSKEY record, a line.
    pub(super) root_key: String,
    /// The DS records of the zones that 192.0.2.5 answers for, a line each.
    pub(super) ds: String,
    _servers: Vec<RunningDns>,
    _proxies: Vec<Proxy>,
}

/// A zone with its keys, none if it is unsigned.
struct Zone {
    served: Served,
    /// Its DS records for its parent's file.
    ds: String,
    key: String,
}

impl Lab {
    pub(super) fn open() -> Self {
        Self::with(None)
    }

    /// The same with somebody who changes what the servers of the number zone say.
    pub(super) fn tampered(change: fn(&mut Vec<u8>)) -> Self {
        Self::with(Some(change))
    }

    fn with(change: Option<fn(&mut Vec<u8>)>) -> Self {
        let country = Zone::fixed("6.4.e164.example.", &country_file("192.0.2.6", ELSEWHERE[0]), Keys::Made);
        let unsigned = Zone::fixed("7.e164.example.", &country_file("192.0.2.7", ELSEWHERE[1]), Keys::None);
        let numbers = Zone::numbers(&format!("{NUMBER_ZONE}{}", country.ds));
        let fixed = Zone::fixed(STATIC_APEX, STATIC_ZONE, Keys::Made);
        let delegations = "\
            ns IN A 192.0.2.2\ne164 IN NS ns1.e164\ne164 IN NS ns2.e164\nns1.e164 IN A 192.0.2.3\nns2.e164 IN A 198.51.100.3\n\
            static IN NS ns1.static\nstatic IN NS ns2.static\nns1.static IN A 192.0.2.4\nns2.static IN A 198.51.100.4\n";
        let top = Zone::fixed("example.", &format!("{HEAD}{delegations}{}{}", numbers.ds, fixed.ds), Keys::Made);
        let delegation = "ns IN A 192.0.2.1\nexample IN NS ns.example\nns.example IN A 192.0.2.2\n";
        let root = Zone::fixed(".", &format!("{HEAD}{delegation}{}", top.ds), Keys::Made);
        let both = [&numbers, &fixed].map(|zone| zone.served.clone());
        let mut servers = vec![
            serve(&["192.0.2.1:53"], vec![root.served]),
            serve(&["192.0.2.2:53"], vec![top.served]),
            serve(&["192.0.2.4:53", "198.51.100.4:53"], vec![fixed.served]),
            serve(&["192.0.2.6:53"], vec![country.served]),
            serve(&["192.0.2.7:53"], vec![unsigned.served]),
        ];
        let mut proxies = Vec::new();
        let mut changed = |addresses: &[&str], zones: Vec<Served>| match change {
            None => servers.push(serve(addresses, zones)),
            Some(change) => {
                let server = serve(&["127.0.0.1:0"], zones);
                let at =
                    |address: &&str| Proxy::at(address.parse().expect("an address"), server.addresses()[0], change);
                proxies.extend(addresses.iter().map(at));
                servers.push(server);
            }
        };
        changed(&["192.0.2.3:53", "198.51.100.3:53"], vec![numbers.served]);
        changed(&["192.0.2.5:53"], both.into());
        let dir = tempfile::tempdir().expect("a folder");
        Self { dir, root_key: root.key, ds: numbers.ds + &fixed.ds, _servers: servers, _proxies: proxies }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

enum Keys {
    Made,
    None,
}

impl Zone {
    fn fixed(apex: &str, text: &str, keys: Keys) -> Self {
        let name = Name::from_text(apex).expect("a name");
        let zone = StaticZone::read(text, &name).unwrap_or_else(|mistakes| panic!("{apex}: {mistakes:?}"));
        let Keys::Made = keys else {
            return Self { served: Served::fixed(Arc::new(zone), None), ds: String::new(), key: String::new() };
        };
        Self::signed(&name, |keys| Served::fixed(Arc::new(zone), Some(keys)))
    }

    fn numbers(text: &str) -> Self {
        let name = Name::from_text(APEX).expect("a name");
        let fixed = StaticZone::read_number_zone(text, &name, Ttls::default()).unwrap_or_else(|e| panic!("{e:?}"));
        let mut loader = Loader::default();
        NUMBERS.iter().for_each(|number| loader.push(&data(number)));
        let zone: Arc<NumberZone> = Arc::new(loader.finish(fixed, Ttls::default(), 7).expect("a zone"));
        Self::signed(&name, |keys| Served::numbers(zone, Some(keys)))
    }

    fn signed(apex: &Name, served: impl FnOnce(Arc<ZoneKeys>) -> Served) -> Self {
        let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).expect("keys"));
        let (ds, key) = (anchor::ds_text(apex, &keys), anchor::anchor_key(apex, &keys));
        Self { served: served(keys), ds: ds.trim_end().to_owned() + "\n", key: key.trim_end().to_owned() }
    }
}

/// The file of a country's zone: one name server at `address`, one number.
fn country_file(address: &str, number: &str) -> String {
    let name = enum_name(number);
    format!(
        "{HEAD}ns IN A {address}\n{name} IN NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:{number}@else.example!\" .\n"
    )
}

fn serve(addresses: &[&str], zones: Vec<Served>) -> RunningDns {
    let listen: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().expect("an address")).collect();
    let dns = Dns { listen, ..Dns::default() };
    let running = DnsService::start(Arc::new(ArcSwap::from_pointee(View::new(zones))), &dns, Arc::new(SystemClock));
    running.unwrap_or_else(|e| panic!("{addresses:?}: {e}"))
}
