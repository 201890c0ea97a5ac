//! DNS over connections: what peers may do, and what a slow, idle or hostile one cannot do to others.

pub(crate) mod authority;
mod frames;
mod https;
pub(crate) mod quic;
mod tcp;
mod tls;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use socket2::{Domain, Socket, Type};

use super::ask::{Dnssec, query};
use super::house::{NUMBERS, enum_name};

/// Longer than anything that is waited for here takes; a test that reaches it has failed.
const WAIT: Duration = Duration::from_secs(20);

/// A question for a number's NAPTR, with this id.
pub(crate) fn question(id: u16) -> Vec<u8> {
    let mut packet = query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok);
    packet[..2].copy_from_slice(&id.to_be_bytes());
    packet
}

/// A message with its length in front.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// The next answer, without its length.
pub(crate) fn answer(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Asks one question and expects its signed answer.
fn ask(stream: &mut (impl Read + Write), id: u16) {
    stream.write_all(&framed(&question(id))).unwrap();
    judge(&answer(stream).unwrap(), id);
}

/// Whether this is the signed answer to [`question`].
pub(crate) fn judge(answer: &[u8], id: u16) {
    let message = Message::from_vec(answer).unwrap();
    assert_eq!(message.metadata.id, id);
    assert!(message.answers.iter().any(|rr| rr.record_type() == RecordType::NAPTR));
    assert!(message.answers.iter().any(|rr| rr.record_type() == RecordType::RRSIG));
}

/// A connection from 127.0.`third`.`last`, so that one machine can be many peers.
pub(crate) fn connect_from(third: u8, last: u8, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, third, last], 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    patient(socket.into())
}

fn connect(to: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(to).unwrap())
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.set_write_timeout(Some(WAIT)).unwrap();
    stream
}

/// Whether the peer has closed or reset the connection, in whatever way, within [`WAIT`].
fn is_closed(stream: &mut impl Read) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(octets) => octets == 0,
        Err(e) => !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
    }
}
