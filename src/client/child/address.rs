//! Where a name server can be reached, as a resolver says: used to ask there, and believed in nothing else.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::Name;

use crate::client::exchange;
use crate::client::message::{self, Rr, rr};

/// Addresses of one name that are asked: one of each family. A server that has more serves the same zone at all of them.
const OF_A_FAMILY_MAX: usize = 1;

/// Addresses of the name server `name`, as the first of `resolvers` says that answers; none if nobody does. What an answer
/// says is not proved: whoever forges it can keep a child from being asked, and no more, since all it says is proved.
pub async fn addresses(resolvers: &[SocketAddr], name: &str, wait_ms: u64) -> Vec<IpAddr> {
    let Ok(name) = Name::from_ascii(name) else { return Vec::new() };
    for &resolver in resolvers {
        let mut found = Vec::new();
        for rr_type in [rr::A, rr::AAAA] {
            match exchange::ask(resolver, &name, rr_type, wait_ms).await {
                Ok((answer, _)) if answer.rcode == message::NOERROR => {
                    let of_name = answer.answer.iter().filter(|record| record.owner == name);
                    found.extend(of_name.filter_map(|record| address(record, rr_type)).take(OF_A_FAMILY_MAX));
                }
                _ => break,
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn address(record: &Rr, rr_type: u16) -> Option<IpAddr> {
    match (record.rr_type == rr_type, rr_type) {
        (true, rr::A) => Some(IpAddr::from(<[u8; 4]>::try_from(&*record.rdata).ok()?)),
        (true, rr::AAAA) => Some(IpAddr::from(<[u8; 16]>::try_from(&*record.rdata).ok()?)),
        _ => None,
    }
}
