//! What one server of a parent zone says about a child: its DS RRset, unvalidated, with authority or not at all.

use std::net::SocketAddr;

use hickory_proto::rr::Name;

use crate::client::exchange;
use crate::client::message::{self, rr};

/// More DS records than any delegation has; the rest of such an answer is not looked at.
const DS_MAX: usize = 64;

/// A DS RRset as a server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DsRrset {
    /// RDATA of each record (RFC 4034 5.1): tag, algorithm, digest type, digest.
    pub rdatas: Vec<Vec<u8>>,
    /// The TTL in seconds; 0 if there is no DS.
    pub ttl_s: u32,
}

/// Asks `server` for the DS RRset of `zone`, waiting `wait_ms` for each of up to three answers. The error says in words
/// why there is nothing to go by: silence, a code, an answer without authority.
pub async fn ds_at(server: SocketAddr, zone: &str, wait_ms: u64) -> Result<DsRrset, String> {
    let name = Name::from_ascii(zone).map_err(|_| format!("{zone} is no domain name"))?;
    let (answer, _) = exchange::ask(server, &name, rr::DS, wait_ms).await.map_err(|error| error.to_string())?;
    if answer.rcode != message::NOERROR {
        return Err(format!(
            "it answers with code {}: it does not serve the parent zone, or not this name",
            answer.rcode
        ));
    }
    if !answer.authoritative {
        return Err("it does not answer with authority: name the parent zone's own servers".to_owned());
    }
    let of_zone = answer.answer.iter().filter(|record| record.rr_type == rr::DS && record.owner == name);
    let ttl_s = of_zone.clone().map(|record| record.ttl_s).max().unwrap_or(0);
    Ok(DsRrset { rdatas: of_zone.take(DS_MAX).map(|record| record.rdata.clone()).collect(), ttl_s })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    /// A server that answers one question with these flags, this code and these DS records.
    fn server(flags: u8, rcode: u8, tags: &'static [u16]) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut query = [0; 512];
            let (_, asker) = socket.recv_from(&mut query).unwrap();
            let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
            let mut answer = [&query[..2], &[0x80 | flags, rcode, 0, 1, 0, tags.len() as u8, 0, 0, 0, 0]].concat();
            answer.extend_from_slice(&query[12..end]);
            for tag in tags {
                answer.extend_from_slice(&[0xc0, 12, 0, 43, 0, 1, 0, 0, 0x0e, 0x10, 0, 8]);
                answer.extend_from_slice(&[&tag.to_be_bytes()[..], &[13, 2, 1, 2, 3, 4]].concat());
            }
            socket.send_to(&answer, asker).unwrap();
        });
        address
    }

    fn ask(server: SocketAddr) -> Result<DsRrset, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ds_at(server, "e164.example.", 200))
    }

    #[test]
    fn authority_is_what_counts() {
        let there = ask(server(0x04, 0, &[7, 8])).unwrap();
        assert_eq!((there.rdatas.len(), there.ttl_s), (2, 3_600));
        assert_eq!(there.rdatas[0], [0, 7, 13, 2, 1, 2, 3, 4]);
        assert_eq!(ask(server(0x04, 0, &[])).unwrap(), DsRrset::default());
        assert!(ask(server(0, 0, &[7])).unwrap_err().contains("authority"));
        assert!(ask(server(0x04, 5, &[])).unwrap_err().contains("code 5"));
    }

    #[test]
    fn silence_is_told() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(ask(silent.local_addr().unwrap()).unwrap_err().contains("answer"));
    }
}
