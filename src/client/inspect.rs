//! A zone seen from outside, for its operator: how a server of its parent delegates it, and how a server of its own answers.

use std::net::SocketAddr;

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::client::exchange::{self, Transport};
use crate::client::message::{self, Message, rr};
use crate::client::signature::{Dnskey, Rrset, Work, ZoneKeys};

/// Servers that a parent names for a zone; more are not looked at.
const NS_MAX: usize = 64;
/// Octets of an SOA behind its two names (RFC 1035 3.3.13), and of the serial, which comes first.
const SOA_TAIL: usize = 20;

/// A delegation as one server of the parent has it. Nothing in it is proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtParent {
    /// The zone's name servers, in lower case with the final dot, in order.
    pub ns: Vec<String>,
    /// RDATA of each DS.
    pub ds: Vec<Vec<u8>>,
    /// From when to when the DS are signed, Unix seconds; none if the parent does not sign.
    pub signed_s: Option<(u64, u64)>,
}

/// A zone as one of its servers answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtServer {
    /// The serial in its SOA.
    pub serial: u32,
    /// When the SOA's signature expires, Unix seconds.
    pub expires_s: u64,
}

/// Asks `server`, one of the parent's, how it delegates `zone`; each of up to six waits lasts `wait_ms` at most.
pub async fn at_parent(server: SocketAddr, zone: &str, wait_ms: u64, now_s: u64) -> Result<AtParent, String> {
    let name = Name::from_ascii(zone).map_err(|_| format!("{zone} is no domain name"))?;
    let ask = async |rr_type| {
        let (answer, _) = exchange::ask(server, &name, rr_type, wait_ms).await.map_err(|error| error.to_string())?;
        match answer.rcode {
            message::NOERROR => Ok(answer),
            message::NXDOMAIN => Err("it says that there is no such name: the zone is not delegated".to_owned()),
            code => Err(format!("it answers with code {code}: it does not serve the parent zone")),
        }
    };
    let referral: Message = ask(rr::NS).await?;
    // The parent refers; a server of both zones answers itself.
    let ns = referral.authority.iter().chain(&referral.answer);
    let ns = ns.filter(|record| record.rr_type == rr::NS && record.owner == name).take(NS_MAX);
    let mut ns: Vec<String> = ns.filter_map(|record| text_name(&record.rdata)).collect();
    ns.sort_unstable();
    ns.dedup();
    let ds: Message = ask(rr::DS).await?;
    if !ds.authoritative {
        return Err("it does not answer for the DS with authority: name the parent zone's own servers".to_owned());
    }
    let set = Rrset::of(&ds.answer, &name, rr::DS);
    let signed_s = set.as_ref().and_then(|set| set.times(now_s));
    Ok(AtParent { ns, ds: set.map(|set| set.rdatas).unwrap_or_default(), signed_s })
}

/// Asks `server`, one of the zone's own, for its SOA over one transport. It must answer with authority and EDNS, and with a
/// signature by one of `keys` (DNSKEY RDATA) that is valid at `now_s`; the error says what is wrong.
pub async fn at_server(
    server: SocketAddr,
    zone: &str,
    keys: &[Vec<u8>],
    over: Transport,
    wait_ms: u64,
    now_s: u64,
) -> Result<AtServer, String> {
    let name = Name::from_ascii(zone).map_err(|_| format!("{zone} is no domain name"))?;
    let answer = match over {
        Transport::Tcp => exchange::ask_over_tcp(server, &name, rr::SOA, wait_ms).await,
        Transport::Udp => exchange::ask(server, &name, rr::SOA, wait_ms).await.map(|(answer, _)| answer),
    };
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.rcode != message::NOERROR {
        return Err(format!("it answers with code {}: it does not serve the zone", answer.rcode));
    }
    if !answer.authoritative {
        return Err(
            "it answers without authority: it does not serve the zone, or something stands before it".to_owned()
        );
    }
    if answer.udp_octets.is_none() {
        return Err(
            "it answers without EDNS, and so without signatures: something stands before it that removes it".to_owned()
        );
    }
    let set = Rrset::of(&answer.answer, &name, rr::SOA).ok_or("it gives no SOA")?;
    let keys = keys.iter().filter_map(|rdata| Dnskey::read(rdata)).collect();
    let keys = ZoneKeys { zone: name, keys, expires_s: u64::MAX };
    let proof = set.verify(&keys, now_s, &Work::default()).map_err(|flaw| format!("its SOA: {flaw}"))?;
    let serial =
        set.rdatas.first().and_then(|rdata| rdata.get(rdata.len().checked_sub(SOA_TAIL)?..)?.first_chunk::<4>());
    let serial = serial.ok_or("its SOA is cut short")?;
    Ok(AtServer { serial: u32::from_be_bytes(*serial), expires_s: proof.expires_s })
}

fn text_name(wire: &[u8]) -> Option<String> {
    let name = Name::read(&mut BinDecoder::new(wire)).ok()?;
    Some(name.to_lowercase().to_ascii())
}
