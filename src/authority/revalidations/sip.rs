//! A code by SIP MESSAGE (RFC 3428) over UDP: one request outside a dialog, sent again as RFC 3261 17.1.2 says, until an answer.
//!
//! The proxy must know this directory by its address: there is no digest authentication here.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;

use crate::authority::revalidations::sender::{CodeSender, NotSent, PATIENCE};
use crate::log::random::Random;
use crate::number::Number;

/// The wait before the second try (T1) and the longest one (T2), RFC 3261 17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// The longest answer that is read.
const ANSWER_LEN_MAX: usize = 8 * 1024;
/// Datagrams looked at for one request: answers that are provisional, and strays.
const DATAGRAMS_MAX: usize = 64;

/// A proxy.
pub(super) struct Sip {
    peer: SocketAddr,
    user: String,
    random: SystemRandom,
}

impl Sip {
    pub(super) fn new(peer: SocketAddr, user: String) -> Self {
        Self { peer, user, random: SystemRandom::new() }
    }

    /// A fresh branch, tag and Call-ID.
    fn token(&self) -> Result<String, NotSent> {
        let mut bytes = [0; 12];
        self.random.fill(&mut bytes).map_err(|_| NotSent::Unreachable)?;
        Ok(HEXLOWER.encode(&bytes))
    }
}

impl CodeSender for Sip {
    fn send(&self, number: Number, text: &str) -> Result<(), NotSent> {
        let any = if self.peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).map_err(|_| NotSent::Unreachable)?;
        socket.connect(self.peer).map_err(|_| NotSent::Unreachable)?; // nobody else's datagrams
        let here = socket.local_addr().map_err(|_| NotSent::Unreachable)?;
        let branch = format!("z9hG4bK{}", self.token()?);
        let (tag, call) = (self.token()?, self.token()?);
        let to = format!("sip:{number}@{};user=phone", self.peer);
        let request = format!(
            "MESSAGE {to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:{}@{here}>;tag={tag}\r\nTo: <{to}>\r\nCall-ID: {call}\r\nCSeq: 1 MESSAGE\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
            self.user,
            text.len()
        );
        exchange(&socket, request.as_bytes(), &branch)
    }
}

/// Sends until a final answer comes.
fn exchange(socket: &UdpSocket, request: &[u8], branch: &str) -> Result<(), NotSent> {
    let (mut wait, mut waited, mut datagrams) = (T1, Duration::ZERO, 0);
    while waited < PATIENCE {
        socket.send(request).map_err(|_| NotSent::Unreachable)?;
        socket.set_read_timeout(Some(wait)).map_err(|_| NotSent::Unreachable)?;
        let mut buffer = [0; ANSWER_LEN_MAX];
        loop {
            match socket.recv(&mut buffer) {
                Ok(length) => match status(buffer.get(..length).unwrap_or_default(), branch) {
                    Some(200..=299) => return Ok(()),
                    Some(no @ 300..) => return Err(NotSent::Refused(u32::from(no))),
                    Some(_) => wait = T2, // provisional: no hurry any more (17.1.2.2)
                    None => {}
                },
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => break,
                Err(_) => return Err(NotSent::Unreachable), // a port that nobody listens at
            }
            datagrams += 1;
            if datagrams >= DATAGRAMS_MAX {
                return Err(NotSent::Protocol);
            }
        }
        waited += wait;
        wait = (wait * 2).min(T2);
    }
    Err(NotSent::Timeout)
}

/// The status of an answer to the request with that branch.
fn status(answer: &[u8], branch: &str) -> Option<u16> {
    let text = std::str::from_utf8(answer).ok()?;
    let status = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
    let is_via = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("via") || name.eq_ignore_ascii_case("v")
    };
    let via = text.lines().take_while(|line| !line.is_empty()).find(is_via)?;
    via.contains(branch).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_to_this_request_counts() {
        let answer =
            |status, branch| format!("SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch={branch}\r\n\r\n");
        assert_eq!(status(answer("200 OK", "z9hG4bKa").as_bytes(), "z9hG4bKa"), Some(200));
        assert_eq!(status(answer("403 No", "z9hG4bKa").as_bytes(), "z9hG4bKa"), Some(403));
        assert_eq!(status(answer("200 OK", "z9hG4bKb").as_bytes(), "z9hG4bKa"), None);
        assert_eq!(status(b"MESSAGE sip:a SIP/2.0\r\nVia: z9hG4bKa\r\n\r\n", "z9hG4bKa"), None);
        assert_eq!(status(&[0xff; 20], "z9hG4bKa"), None);
        assert_eq!(status(b"SIP/2.0 2", "z9hG4bKa"), None);
    }
}
