//! The open request of a number as stored bytes: `u8 door ‖ control[32] ‖ u64 time_ms ‖ u8 fast ‖ u64 objected_ms ‖ provider`.
//!
//! `objected_ms` is 0 while nobody objected. Beside it, what can be taken back: `control[32] ‖ u64 time_ms`.

use crate::ledger::error::LedgerError;
use crate::log::bytes::Reader;
use crate::log::event::Door;
use crate::registry::rules::{Request, Taken};

/// The bytes of an open request.
pub(super) fn write(request: &Request) -> Vec<u8> {
    let mut out = vec![request.door as u8];
    out.extend_from_slice(&request.control);
    out.extend_from_slice(&request.time_ms.to_be_bytes());
    out.push(u8::from(request.fast));
    out.extend_from_slice(&request.objected_ms.unwrap_or(0).to_be_bytes());
    out.extend_from_slice(request.provider.as_bytes());
    out
}

/// The open request of these bytes.
pub(super) fn read(raw: &[u8]) -> Result<Request, LedgerError> {
    parse(raw).ok_or(LedgerError::Damaged("an open request that breaks its own form"))
}

/// The bytes of what can be taken back.
pub(super) fn write_taken(taken: &Taken) -> Vec<u8> {
    [&taken.control[..], &taken.time_ms.to_be_bytes()].concat()
}

/// What can be taken back, of these bytes.
pub(super) fn read_taken(raw: &[u8]) -> Result<Taken, LedgerError> {
    let mut r = Reader::new(raw, "taken");
    let read = r.array().and_then(|control| Ok(Taken { control, time_ms: r.u64()? }));
    let whole = read.ok().filter(|_| r.is_empty());
    whole.ok_or(LedgerError::Damaged("what can be taken back breaks its own form"))
}

fn parse(raw: &[u8]) -> Option<Request> {
    /// Everything before the provider's id.
    const HEAD_LEN: usize = 1 + 32 + 8 + 1 + 8;
    let (head, provider) = raw.split_at_checked(HEAD_LEN)?;
    let mut r = Reader::new(head, "request");
    Some(Request {
        door: Door::from_u8(r.u8().ok()?)?,
        control: r.array().ok()?,
        time_ms: r.u64().ok()?,
        fast: r.u8().ok()? == 1,
        objected_ms: Some(r.u64().ok()?).filter(|ms| *ms != 0),
        provider: std::str::from_utf8(provider).ok()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let open = Request {
            door: Door::Direct,
            control: [7; 32],
            provider: "acme".into(),
            time_ms: 1_700_000_000_000,
            fast: true,
            objected_ms: None,
        };
        for request in [open.clone(), Request { objected_ms: Some(5), fast: false, ..open }] {
            assert_eq!(read(&write(&request)).ok(), Some(request));
        }
        assert!(read(&[9; 20]).is_err());
        let taken = Taken { control: [8; 32], time_ms: 1_700_000_000_000 };
        assert_eq!(read_taken(&write_taken(&taken)).ok(), Some(taken));
        assert!(read_taken(&[9; 39]).is_err() && read_taken(&[9; 41]).is_err());
    }
}
