//! Messages with their length in front (RFC 1035 4.2.2, RFC 7766): pipelined, bounded in memory and in patience.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::limits::Place;
use crate::nameserver::{Peer, Transfer};

/// Octets taken from the peer at once: some hundred queries.
const READ_OCTETS: usize = 8 * 1_024;
/// Answers are sent when so many octets are ready. Nothing more is read until the peer has taken them.
const WRITE_OCTETS: usize = 16 * 1_024;
/// Queries answered before the thread's other connections have their turn: 100 online signatures take 2 ms.
const TURN_QUERIES: usize = 100;

/// How long queries may still come when the server stops: those sent before are read, those on the way too.
pub(super) const LAST_CALL: Duration = Duration::from_millis(100);

/// How a conversation that did not fail ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Nothing more to say: the peer has finished, was idle, sent what is no query, or the server stops.
    Done,
    /// The place is needed for another.
    Cut,
    /// A message was begun and not finished in time, or the answers were not taken.
    Slow,
}

/// Answers what comes on `io` until there is an end. Answers leave in the order of their queries.
pub(super) async fn converse<S>(io: &mut S, peer: Peer, place: &Place, shared: &Shared) -> io::Result<End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut inbox, mut outbox, mut stop) = (Inbox::default(), Vec::new(), shared.stop.clone());
    let (mut last, mut last_call) = (Instant::now(), None);
    loop {
        // Octets that trickle in do not prolong anything: a message has its time from its first octet on.
        let (deadline, late) = match inbox.begun {
            Some(begun) => (begun + shared.patience, End::Slow),
            None => (last_call.unwrap_or(last + shared.idle), End::Done),
        };
        let read = tokio::select! {
            biased;
            read = inbox.read(io) => read?,
            () = place.cut() => return Ok(End::Cut),
            () = sleep_until(deadline) => return Ok(late),
            _ = stop.wait_for(|on| *on), if last_call.is_none() => {
                last_call = Some(Instant::now() + LAST_CALL);
                continue;
            }
        };
        if read == 0 {
            return Ok(End::Done); // also when only the peer's direction is shut: it has all its answers
        }
        while let Some(turn) = answer(&mut inbox, &mut outbox, peer, shared) {
            let sent = tokio::select! {
                sent = timeout(shared.patience, send(io, &outbox)) => sent,
                () = place.cut() => return Ok(End::Cut),
            };
            match sent {
                Ok(sent) => sent?,
                Err(_) => return Ok(End::Slow),
            }
            outbox.clear();
            place.active();
            match turn {
                Turn::More => tokio::task::yield_now().await,
                Turn::Over => break,
                Turn::Broken => return Ok(End::Done),
                Turn::Transfer(mut transfer) => match carry(io, &mut transfer, place, shared).await? {
                    None => {}
                    Some(end) => return Ok(end),
                },
            }
        }
        last = Instant::now();
        inbox.settle(last);
        outbox.shrink_to(WRITE_OCTETS);
    }
}

/// Sends a whole transfer, a message at a time, between which others have their turn.
async fn carry<S: AsyncWrite + Unpin>(
    io: &mut S,
    transfer: &mut Transfer,
    place: &Place,
    shared: &Shared,
) -> io::Result<Option<End>> {
    let mut message = Vec::new();
    loop {
        message.clear();
        // One that cannot go on is cut off, so that nobody takes a part for the whole.
        let Some(more) = shared.responder.next_message(transfer, &mut message) else { return Ok(Some(End::Cut)) };
        let sent = tokio::select! {
            sent = timeout(shared.patience, send(io, &message)) => sent,
            () = place.cut() => return Ok(Some(End::Cut)),
        };
        match sent {
            Ok(sent) => sent?,
            Err(_) => return Ok(Some(End::Slow)),
        }
        place.active();
        if !more {
            return Ok(None);
        }
        tokio::task::yield_now().await;
    }
}

async fn send<S: AsyncWrite + Unpin>(io: &mut S, octets: &[u8]) -> io::Result<()> {
    io.write_all(octets).await?;
    io.flush().await
}

/// What a turn left.
enum Turn {
    /// More whole messages.
    More,
    /// No whole message.
    Over,
    /// A transfer that begins when the answers before it are sent.
    Transfer(Box<Transfer>),
    /// A message that gets no answer: the connection ends after the answers before it (RFC 7766 8).
    Broken,
}

/// Answers whole messages until the outbox is full or the turn is over; `None` when there was nothing to answer.
fn answer(inbox: &mut Inbox, outbox: &mut Vec<u8>, peer: Peer, shared: &Shared) -> Option<Turn> {
    for answered in 0..TURN_QUERIES {
        if outbox.len() >= WRITE_OCTETS {
            return Some(Turn::More);
        }
        let Some(query) = inbox.next() else { return (answered > 0).then_some(Turn::Over) };
        if let Some(transfer) = shared.responder.transfer(peer, query) {
            return Some(Turn::Transfer(Box::new(transfer)));
        }
        let framed = shared.responder.answer(peer, query, |answer| {
            let length = answer.len() as u16; // the out buffer has 65 535 octets
            outbox.extend_from_slice(&length.to_be_bytes());
            outbox.extend_from_slice(answer);
        });
        if framed.is_none() {
            return Some(Turn::Broken);
        }
    }
    Some(Turn::More)
}

/// What has come and is not answered yet.
#[derive(Default)]
struct Inbox {
    octets: Vec<u8>,
    /// Where the first message that is not answered begins.
    at: usize,
    /// When the first octet of a message came that is not whole yet.
    begun: Option<Instant>,
}

impl Inbox {
    /// Reads what is there; 0 at the end. Nothing is lost when the future is dropped.
    async fn read<S: AsyncRead + Unpin>(&mut self, io: &mut S) -> io::Result<usize> {
        // Room comes as octets do: a length alone takes no memory.
        self.octets.reserve(READ_OCTETS);
        io.read_buf(&mut self.octets).await
    }

    /// The next whole message without its length.
    fn next(&mut self) -> Option<&[u8]> {
        let (length, rest) = self.octets.get(self.at..)?.split_first_chunk::<2>()?;
        let message = rest.get(..u16::from_be_bytes(*length).into())?;
        self.at += length.len() + message.len();
        Some(message)
    }

    /// Moves what is left to the front, and starts or ends its time.
    fn settle(&mut self, now: Instant) {
        let answered = std::mem::take(&mut self.at);
        self.octets.drain(..answered);
        match self.octets.is_empty() {
            true => {
                self.begun = None;
                self.octets.shrink_to(READ_OCTETS);
            }
            false if answered > 0 => self.begun = Some(now),
            false => self.begun = self.begun.or(Some(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_from_any_split_of_the_stream() {
        let stream = [&[0, 3][..], b"abc", &[0, 0], &[0, 1], b"d", &[0, 9], b"ef"].concat();
        for size in 1..=stream.len() {
            let (mut inbox, mut found) = (Inbox::default(), Vec::new());
            for part in stream.chunks(size) {
                inbox.octets.extend_from_slice(part);
                while let Some(message) = inbox.next() {
                    found.push(message.to_vec());
                }
                inbox.settle(Instant::now());
            }
            assert_eq!(found, [&b"abc"[..], b"", b"d"]);
            assert_eq!(inbox.octets, [0, 9, b'e', b'f']);
        }
    }

    #[test]
    fn trickling_octets_do_not_prolong_a_message() {
        let mut inbox = Inbox::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        inbox.octets.push(0);
        inbox.settle(now);
        inbox.octets.push(1);
        inbox.settle(later);
        assert_eq!(inbox.begun, Some(now));
        inbox.octets.extend([b'x', 0]);
        assert_eq!(inbox.next(), Some(&b"x"[..]));
        inbox.settle(later);
        assert_eq!(inbox.begun, Some(later), "the next message has its own time");
    }
}
