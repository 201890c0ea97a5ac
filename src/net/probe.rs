//! Asks a name server for its signed SOA, as anybody would: health means that the job is done, not that a process runs.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// How long one answer may take; loopback needs microseconds.
const WAIT: Duration = Duration::from_secs(1);
/// How often the question is sent before the server counts as silent: UDP may lose one.
const TRIES: usize = 2;
/// Any id will do: the socket is connected, so only the server can answer.
const ID: [u8; 2] = [0xca, 0x11];
/// EDNS OPT: root, type 41, 1232 octets, DO set, no options (RFC 6891 6.1.2, RFC 3225).
const OPT: [u8; 11] = [0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0];
/// QTYPE SOA, QCLASS IN.
const SOA_IN: [u8; 4] = [0, 6, 0, 1];

/// Whether `server` gives an authoritative SOA of `apex` with a signature; else why not, in words.
pub fn signed_soa(server: SocketAddr, apex: &str) -> Result<(), String> {
    let local = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let ask = || -> std::io::Result<Vec<u8>> {
        let socket = UdpSocket::bind(local)?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(WAIT))?;
        socket.send(&question(apex))?;
        let mut answer = vec![0u8; 1500];
        let length = socket.recv(&mut answer)?;
        answer.truncate(length);
        Ok(answer)
    };
    let mut last = String::new();
    for _ in 0..TRIES {
        match ask() {
            Ok(answer) => return judge(&answer),
            Err(e) => last = format!("{server} does not answer: {e}"),
        }
    }
    Err(last)
}

fn question(apex: &str) -> Vec<u8> {
    let mut query = vec![ID[0], ID[1], 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in apex.split('.').filter(|label| !label.is_empty()) {
        query.push(label.len() as u8); // the configuration bounds labels to 63
        query.extend_from_slice(label.as_bytes());
    }
    query.push(0);
    query.extend_from_slice(&SOA_IN);
    query.extend_from_slice(&OPT);
    query
}

fn judge(answer: &[u8]) -> Result<(), String> {
    let [a, b, flags, code, _, _, hi, lo, ..] = answer else { return Err("the answer is cut short".to_owned()) };
    let answers = u16::from_be_bytes([*hi, *lo]);
    match () {
        () if [*a, *b] != ID => Err("the answer is to another question".to_owned()),
        () if code & 0x0f != 0 => Err(format!("the answer has rcode {}", code & 0x0f)),
        () if flags & 0x04 == 0 => Err("the answer is not authoritative".to_owned()),
        () if answers < 2 => Err("the SOA has no signature".to_owned()),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_what_matters() {
        assert_eq!(judge(&[0xca, 0x11, 0x84, 0, 0, 1, 0, 2]), Ok(()));
        for (answer, word) in [
            ([0xca, 0x11, 0x84, 5, 0, 1, 0, 2], "rcode 5"),
            ([0xca, 0x11, 0x80, 0, 0, 1, 0, 2], "authoritative"),
            ([0xca, 0x11, 0x84, 0, 0, 1, 0, 1], "signature"),
            ([0, 0, 0x84, 0, 0, 1, 0, 2], "another question"),
        ] {
            assert!(judge(&answer).is_err_and(|why| why.contains(word)), "{word}");
        }
        assert!(judge(&[1, 2]).is_err());
    }

    #[test]
    fn a_silent_server_is_named() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        assert!(signed_soa(address, "e164.example.").unwrap_err().contains(&address.to_string()));
    }
}
