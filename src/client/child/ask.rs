//! Asks every server of a child for DNSKEY, CDS and CDNSKEY, all at the same time, and keeps no more than is judged.

use std::net::SocketAddr;

use hickory_proto::rr::Name;
use tokio::task::JoinSet;

use super::{Child, Server};
use crate::client::exchange;
use crate::client::message::{self, Message, rr};
use crate::client::signature::{Dnskey, Rrset};

/// Keys of a zone; one that rolls its algorithm with stand-by keys has eight.
const DNSKEYS_MAX: usize = 32;
/// CDS and CDNSKEY of a zone: as many as there may be DS of a delegation.
const WANTED_MAX: usize = 8;

/// What one server says.
#[derive(Clone, Debug)]
pub struct Said {
    /// Which.
    pub server: Server,
    /// What, or in words why there is nothing to go by.
    pub answers: Result<Answers, String>,
}

/// The three record sets as one server has them, not yet proved.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub(super) dnskey: Option<Rrset>,
    pub(super) cds: Option<Rrset>,
    pub(super) cdnskey: Option<Rrset>,
}

impl Answers {
    /// RDATA of each CDS, in order; none if there are none.
    pub fn cds(&self) -> &[Vec<u8>] {
        rdatas(&self.cds)
    }

    /// RDATA of each CDNSKEY, in order.
    pub fn cdnskey(&self) -> &[Vec<u8>] {
        rdatas(&self.cdnskey)
    }

    /// RDATA of each DNSKEY, in order.
    pub fn dnskey(&self) -> &[Vec<u8>] {
        rdatas(&self.dnskey)
    }

    /// The tag of each DNSKEY that may sign.
    pub fn dnskey_tags(&self) -> Vec<u16> {
        tags(self.dnskey())
    }

    /// The tag of each CDNSKEY; the one that asks for deletion has none.
    pub fn cdnskey_tags(&self) -> Vec<u16> {
        tags(self.cdnskey())
    }
}

fn tags(rdatas: &[Vec<u8>]) -> Vec<u16> {
    rdatas.iter().filter_map(|rdata| Some(Dnskey::read(rdata)?.tag)).collect()
}

fn rdatas(set: &Option<Rrset>) -> &[Vec<u8>] {
    set.as_ref().map_or(&[], |set| &set.rdatas)
}

/// Asks all servers of `child`, waiting `wait_ms` for each of up to three answers to a question, and gives what they say in
/// their order. A silent server takes twice `wait_ms`, the slowest nine times. The error says why the child's name is none.
pub async fn ask(child: &Child, wait_ms: u64) -> Result<Vec<Said>, String> {
    let zone = Name::from_ascii(&child.zone).map_err(|_| format!("{} is no domain name", child.zone))?;
    let mut tasks = JoinSet::new();
    for (at, server) in child.servers.iter().enumerate() {
        let (zone, address) = (zone.clone(), server.address);
        tasks.spawn(async move { (at, ask_one(address, &zone, wait_ms).await) });
    }
    let not_yet = |server: &Server| Said { server: server.clone(), answers: Err("it was not asked".to_owned()) };
    let mut said: Vec<Said> = child.servers.iter().map(not_yet).collect();
    while let Some(done) = tasks.join_next().await {
        let (at, answers) = done.map_err(|error| error.to_string())?;
        if let Some(said) = said.get_mut(at) {
            said.answers = answers;
        }
    }
    Ok(said)
}

/// One question after the other, so that a child with many servers does not use up our sockets.
async fn ask_one(server: SocketAddr, zone: &Name, wait_ms: u64) -> Result<Answers, String> {
    let of = async |rr_type| {
        let (answer, _) = exchange::ask(server, zone, rr_type, wait_ms).await.map_err(|error| error.to_string())?;
        read(&answer, zone, rr_type)
    };
    Ok(Answers { dnskey: of(rr::DNSKEY).await?, cds: of(rr::CDS).await?, cdnskey: of(rr::CDNSKEY).await? })
}

/// The set of one type at the apex, if the answer is one with authority and not larger than any honest one.
fn read(answer: &Message, zone: &Name, rr_type: u16) -> Result<Option<Rrset>, String> {
    let what = message::type_text(rr_type);
    if answer.rcode != message::NOERROR {
        return Err(format!("asked for {what} it answers with code {}: it does not serve the zone", answer.rcode));
    }
    if !answer.authoritative {
        return Err(format!("asked for {what} it does not answer with authority: it does not serve the zone itself"));
    }
    let max = if rr_type == rr::DNSKEY { DNSKEYS_MAX } else { WANTED_MAX };
    let count = answer.answer.iter().filter(|record| record.rr_type == rr_type).count();
    if count > max {
        return Err(format!("it has {count} {what} records, and more than {max} are not looked at"));
    }
    Ok(Rrset::of(&answer.answer, zone, rr_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::message::Rr;

    fn answer(rcode: u16, authoritative: bool, records: usize) -> Message {
        let zone = Name::from_ascii("3.3.e164.example.").unwrap();
        let record = |n: usize| Rr { owner: zone.clone(), rr_type: rr::CDS, ttl_s: 60, rdata: vec![n as u8] };
        Message {
            id: 1,
            authoritative,
            truncated: false,
            rcode,
            question: None,
            answer: (0..records).map(record).collect(),
            authority: vec![],
            additional: vec![],
            udp_octets: None,
            extended_errors: vec![],
        }
    }

    #[test]
    fn only_authority_and_honest_sizes_count() {
        let zone = Name::from_ascii("3.3.e164.example.").unwrap();
        assert_eq!(read(&answer(0, true, 2), &zone, rr::CDS).unwrap().unwrap().rdatas.len(), 2);
        assert!(read(&answer(0, true, 0), &zone, rr::CDS).unwrap().is_none());
        for (answer, why) in [
            (answer(5, true, 0), "code 5"),
            (answer(0, false, 1), "authority"),
            (answer(0, true, 9), "9 CDS records"),
            (answer(0, true, 60_000), "60000 CDS records"),
        ] {
            let said = read(&answer, &zone, rr::CDS).err().unwrap();
            assert!(said.contains(why), "{said}");
        }
    }
}
