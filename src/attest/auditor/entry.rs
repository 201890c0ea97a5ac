//! What the rules want to know of a label, as bytes: some three hundred of them.
//!
//! `State ‖ lp16(provider) ‖ u64 time ‖ u8 n ‖ n × (u8 door ‖ control[32] ‖ lp16(provider) ‖ u64 time ‖ u8 fast ‖ u64 objected) ‖
//! m × (control[32] ‖ u64 time)`, n <= 1, m <= 1: what can be taken back, and nothing at all if there is nothing.

use crate::log::bytes::{Malformed, Reader, put_lp16};
use crate::log::event::Door;
use crate::log::state::{STATE_LEN, State};
use crate::registry::rules::{Entry, Request, Taken};

const WHAT: &str = "what is kept of a label";

/// Writes it. No objection is time 0.
pub fn write(entry: &Entry) -> Vec<u8> {
    let mut out = entry.state.write().to_vec();
    put_lp16(&mut out, entry.provider.as_bytes());
    out.extend_from_slice(&entry.time_ms.to_be_bytes());
    out.push(u8::from(entry.request.is_some()));
    if let Some(request) = &entry.request {
        out.push(request.door as u8);
        out.extend_from_slice(&request.control);
        put_lp16(&mut out, request.provider.as_bytes());
        out.extend_from_slice(&request.time_ms.to_be_bytes());
        out.push(u8::from(request.fast));
        out.extend_from_slice(&request.objected_ms.unwrap_or(0).to_be_bytes());
    }
    if let Some(taken) = &entry.taken {
        out.extend_from_slice(&taken.control);
        out.extend_from_slice(&taken.time_ms.to_be_bytes());
    }
    out
}

/// Reads it.
pub fn read(raw: &[u8]) -> Result<Entry, Malformed> {
    let mut r = Reader::new(raw, WHAT);
    let (state, provider, time_ms) = (State::parse(r.take(STATE_LEN)?)?, text(&mut r)?, r.u64()?);
    let request = match r.u8()? {
        0 => None,
        _ => Some(Request {
            door: Door::from_u8(r.u8()?).ok_or(Malformed::new(WHAT, "door"))?,
            control: r.array()?,
            provider: text(&mut r)?,
            time_ms: r.u64()?,
            fast: r.u8()? == 1,
            objected_ms: Some(r.u64()?).filter(|time_ms| *time_ms > 0),
        }),
    };
    let taken = match r.is_empty() {
        true => None,
        false => Some(Taken { control: r.array()?, time_ms: r.u64()? }),
    };
    r.end()?;
    Ok(Entry { state, provider, time_ms, request, taken })
}

fn text(r: &mut Reader<'_>) -> Result<String, Malformed> {
    String::from_utf8(r.lp16()?.to_vec()).map_err(|_| Malformed::new(WHAT, "provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::ZERO;
    use crate::log::state::{Flags, Status};

    #[test]
    fn what_is_written_is_read() {
        let state = State {
            status: Status::Active,
            flags: Flags::OBJECTED,
            version: 3,
            since_epoch: 9,
            key_epoch: 2,
            not_after: 1_900_000_000,
            prev: [1; 32],
            control: [2; 32],
            recovery: ZERO,
            pending: [3; 32],
            commitment: [4; 32],
        };
        let request = Request {
            door: Door::Validation,
            control: [5; 32],
            provider: "bell".into(),
            time_ms: 77,
            fast: true,
            objected_ms: Some(88),
        };
        let mut entry = Entry { state, provider: "acme".into(), time_ms: 99, request: Some(request), taken: None };
        for taken in [None, Some(Taken { control: [6; 32], time_ms: 66 })] {
            entry.taken = taken;
            assert_eq!(read(&write(&entry)).as_ref(), Ok(&entry));
        }
        (entry.request, entry.taken) = (None, None);
        let raw = write(&entry);
        assert_eq!(read(&raw).as_ref(), Ok(&entry));
        assert!(read(&raw[..raw.len() - 1]).is_err() && read(&[&raw[..], &[0]].concat()).is_err());
    }
}
