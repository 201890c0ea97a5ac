//! One question to one server: UDP first, TCP when the answer is cut short (RFC 7766), with a limit on every wait.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::rr::Name;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::client::lookup::LookupError;
use crate::client::message::{self, Message};

/// How often a question is sent over UDP before the server counts as silent: one datagram may get lost.
const UDP_TRIES: u32 = 2;
/// Larger than any UDP answer to a question that announces 1232 octets; more than that is read and then refused.
const UDP_BUFFER: usize = 4096;

/// How an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// In one datagram.
    Udp,
    /// Over a connection, because the datagram was cut short.
    Tcp,
}

/// Asks `server` and returns its answer to exactly this question. Each of up to three waits lasts `wait_ms` at most.
pub(crate) async fn ask(
    server: SocketAddr,
    name: &Name,
    rr_type: u16,
    wait_ms: u64,
) -> Result<(Message, Transport), LookupError> {
    let wait = Duration::from_millis(wait_ms);
    let unreachable = |source| LookupError::Unreachable { server, source };
    for _ in 0..UDP_TRIES {
        let id = random_id()?;
        let query = message::question(id, name, rr_type);
        match timeout(wait, over_udp(server, &query, id, name, rr_type)).await {
            Err(_silence) => continue,
            Ok(Err(error)) => return Err(unreachable(error)),
            Ok(Ok(Err(why))) => return Err(LookupError::Malformed { server, asked: asked(name, rr_type), why }),
            Ok(Ok(Ok(answer))) if !answer.truncated => return Ok((answer, Transport::Udp)),
            Ok(Ok(Ok(_truncated))) => {
                return Ok((ask_over_tcp(server, name, rr_type, wait_ms).await?, Transport::Tcp));
            }
        }
    }
    Err(silent(server, name, rr_type, u64::from(UDP_TRIES) * wait_ms))
}

/// The same over TCP alone; waits `wait_ms` at most.
pub(crate) async fn ask_over_tcp(
    server: SocketAddr,
    name: &Name,
    rr_type: u16,
    wait_ms: u64,
) -> Result<Message, LookupError> {
    let id = random_id()?;
    let query = message::question(id, name, rr_type);
    let answer = timeout(Duration::from_millis(wait_ms), over_tcp(server, &query)).await;
    let bytes = answer.map_err(|_| silent(server, name, rr_type, wait_ms))?;
    let bytes = bytes.map_err(|source| LookupError::Unreachable { server, source })?;
    let malformed = |why| LookupError::Malformed { server, asked: asked(name, rr_type), why };
    let answer = message::read(&bytes).map_err(malformed)?;
    match answers(&answer, id, name, rr_type) && !answer.truncated {
        true => Ok(answer),
        false => Err(malformed("it answers another question")),
    }
}

/// The question in words, for errors and steps.
pub(crate) fn asked(name: &Name, rr_type: u16) -> String {
    format!("{} {}", name.to_ascii(), message::type_text(rr_type))
}

fn silent(server: SocketAddr, name: &Name, rr_type: u16, waited_ms: u64) -> LookupError {
    LookupError::Silent { server, asked: asked(name, rr_type), waited_ms }
}

/// Waits for the datagram that answers; others (late, forged, broken) are passed over until the caller's time is up,
/// except that a broken one with the right id is reported. A fresh socket each time makes the port hard to guess.
async fn over_udp(
    server: SocketAddr,
    query: &[u8],
    id: u16,
    name: &Name,
    rr_type: u16,
) -> io::Result<Result<Message, &'static str>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0u8; UDP_BUFFER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let datagram = buffer.get(..length).unwrap_or_default();
        match message::read(datagram) {
            Ok(answer) if answers(&answer, id, name, rr_type) => return Ok(Ok(answer)),
            Err(why) if datagram.starts_with(&id.to_be_bytes()) => return Ok(Err(why)),
            _ => {}
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let mut framed = Vec::with_capacity(query.len() + 2);
    framed.extend_from_slice(&(query.len() as u16).to_be_bytes()); // a question is far below 64 KiB
    framed.extend_from_slice(query);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0u8; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Same id and same question (RFC 5452 4); a refusal may leave the question out.
fn answers(message: &Message, id: u16, name: &Name, rr_type: u16) -> bool {
    message.id == id
        && match &message.question {
            Some((of, kind)) => of == name && *kind == rr_type,
            None => message.rcode != message::NOERROR && message.rcode != message::NXDOMAIN,
        }
}

fn random_id() -> Result<u16, LookupError> {
    let mut id = [0u8; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| LookupError::NoRandomness)?;
    Ok(u16::from_be_bytes(id))
}
