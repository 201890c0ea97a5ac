//! A code by SMPP 3.4: bind_transmitter, one submit_sm, unbind, over a connection of its own. Nothing more of the protocol.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use zeroize::Zeroizing;

use crate::authority::revalidations::sender::{CodeSender, NotSent, PATIENCE};
use crate::number::Number;

/// Command ids (SMPP 3.4, 5.1.2.1); an answer has the highest bit set.
const GENERIC_NACK: u32 = 0x8000_0000;
const BIND_TRANSMITTER: u32 = 0x0000_0002;
const SUBMIT_SM: u32 = 0x0000_0004;
const UNBIND: u32 = 0x0000_0006;
const ENQUIRE_LINK: u32 = 0x0000_0015;
const ANSWER: u32 = 0x8000_0000;
/// The version that is spoken: 3.4.
const VERSION: u8 = 0x34;
/// Numbering plan E.164, type international (5.2.5, 5.2.6).
const INTERNATIONAL: u8 = 1;
const E164: u8 = 1;
/// The longest name and password (5.2.1, 5.2.2), without their NUL.
const SYSTEM_ID_LEN_MAX: usize = 15;
const PASSWORD_LEN_MAX: usize = 8;
/// The longest text of one message (5.2.22).
const TEXT_LEN_MAX: usize = 254;
const HEADER_LEN: usize = 16;
/// The longest answer that is read; theirs have some dozens of bytes.
const PDU_LEN_MAX: usize = 1024;
/// Other PDUs that may come before the answer.
const STRAYS_MAX: usize = 8;

/// A message centre.
pub(super) struct Smpp {
    peer: SocketAddr,
    system_id: String,
    password: Zeroizing<String>,
}

impl Smpp {
    pub(super) fn new(peer: SocketAddr, system_id: String, password: Zeroizing<String>) -> Self {
        Self { peer, system_id, password }
    }
}

impl CodeSender for Smpp {
    fn send(&self, number: Number, text: &str) -> Result<(), NotSent> {
        let too_long = self.system_id.len() > SYSTEM_ID_LEN_MAX || self.password.len() > PASSWORD_LEN_MAX;
        if too_long || text.len() > TEXT_LEN_MAX {
            return Err(NotSent::Protocol);
        }
        let stream = TcpStream::connect_timeout(&self.peer, PATIENCE).map_err(|error| lost(&error))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| lost(&error))?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(|error| lost(&error))?;
        let mut session = Session { stream, sequence: 0 };
        session.ask(BIND_TRANSMITTER, &bind(&self.system_id, &self.password))?;
        session.ask(SUBMIT_SM, &submit(number, text))?;
        // It was taken; whether they say goodbye does not change that.
        let _ = session.ask(UNBIND, &[]);
        Ok(())
    }
}

/// system_id, password, system_type, interface_version, addr_ton, addr_npi, address_range (4.1.1).
fn bind(system_id: &str, password: &str) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(Vec::with_capacity(64));
    text_field(&mut body, system_id);
    text_field(&mut body, password);
    body.extend_from_slice(&[0, VERSION, 0, 0, 0]);
    body
}

/// A message in the default alphabet, which holds ASCII letters and digits where they are (4.4.1).
fn submit(number: Number, text: &str) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(Vec::with_capacity(320));
    body.extend_from_slice(&[0, 0, 0, 0]); // service_type, source: the centre's own
    body.extend_from_slice(&[INTERNATIONAL, E164]);
    text_field(&mut body, &number.digits());
    body.extend_from_slice(&[0, 0, 0]); // esm_class, protocol_id, priority
    body.extend_from_slice(&[0, 0]); // schedule, validity: now, the centre's usual
    body.extend_from_slice(&[0, 0, 0, 0]); // no receipt, no replacing, default alphabet, no canned message
    body.push(u8::try_from(text.len()).unwrap_or(0)); // looked at before
    body.extend_from_slice(text.as_bytes());
    body
}

/// A C octet string.
fn text_field(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

struct Session {
    stream: TcpStream,
    sequence: u32,
}

impl Session {
    /// Sends a request and reads until its answer; what else comes is answered or passed over.
    fn ask(&mut self, command: u32, body: &[u8]) -> Result<(), NotSent> {
        self.sequence += 1;
        self.write(command, self.sequence, body)?;
        for _ in 0..STRAYS_MAX {
            let (id, status, sequence) = self.read()?;
            match id {
                ENQUIRE_LINK => self.write(ENQUIRE_LINK | ANSWER, sequence, &[])?,
                GENERIC_NACK => return Err(NotSent::Refused(status)),
                _ if id == command | ANSWER && sequence == self.sequence => {
                    return if status == 0 { Ok(()) } else { Err(NotSent::Refused(status)) };
                }
                _ => {}
            }
        }
        Err(NotSent::Protocol)
    }

    fn write(&mut self, command: u32, sequence: u32, body: &[u8]) -> Result<(), NotSent> {
        let length = u32::try_from(HEADER_LEN + body.len()).map_err(|_| NotSent::Protocol)?;
        let mut pdu = Zeroizing::new(Vec::with_capacity(HEADER_LEN + body.len()));
        for word in [length, command, 0, sequence] {
            pdu.extend_from_slice(&word.to_be_bytes());
        }
        pdu.extend_from_slice(body);
        self.stream.write_all(&pdu).map_err(|error| lost(&error))
    }

    /// Command, status and sequence of the next PDU; its body is passed over.
    fn read(&mut self) -> Result<(u32, u32, u32), NotSent> {
        let mut header = [0; HEADER_LEN];
        self.stream.read_exact(&mut header).map_err(|error| lost(&error))?;
        let word = |at: usize| header[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let length = usize::try_from(word(0)).unwrap_or(usize::MAX);
        if !(HEADER_LEN..=PDU_LEN_MAX).contains(&length) {
            return Err(NotSent::Protocol);
        }
        let mut body = vec![0; length - HEADER_LEN];
        self.stream.read_exact(&mut body).map_err(|error| lost(&error))?;
        Ok((word(4), word(8), word(12)))
    }
}

fn lost(error: &std::io::Error) -> NotSent {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => NotSent::Timeout,
        _ => NotSent::Unreachable,
    }
}
