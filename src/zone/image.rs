//! The table of numbers as one piece of bytes: what a start serves first, before the ledger was read through.
//!
//! ```text
//! "callbook image 2" ‖ u64 epoch ‖ u64 last_seq ‖ leaf hash[32] ‖ u64 count ‖ entry* ‖ SHA-256 of all before it
//! entry = u64 number ‖ u8 slots ‖ u32 octets ‖ facts
//! ```
//! Derived from the ledger and thrown away with any doubt; no other version is ever read.

use std::io::{self, Write};

use ring::digest::{Context, SHA256};

use super::numbers::Loader;
use super::shard::Table;
use crate::log::Hash;
use crate::number::Number;

const MAGIC: &[u8; 16] = b"callbook image 2";

/// Which epoch of the log an image is at, or a little behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Point {
    /// The epoch's number.
    pub epoch: u64,
    /// The newest event that it or an earlier one covers.
    pub last_seq: u64,
    /// The hash of its leaf: the number of another log's epoch means nothing.
    pub leaf: Hash,
}

/// Writes all numbers of `table`. Numbers that change meanwhile are written as they were or as they are.
pub fn write(table: &Table, point: &Point, out: &mut dyn Write) -> io::Result<()> {
    let mut hashed = Hashed { out, context: Context::new(&SHA256) };
    let mut count = 0u64;
    table.each_packed(|_, _, _| {
        count += 1;
        Ok::<_, io::Error>(())
    })?;
    hashed.put(MAGIC)?;
    hashed.put(&point.epoch.to_be_bytes())?;
    hashed.put(&point.last_seq.to_be_bytes())?;
    hashed.put(&point.leaf)?;
    hashed.put(&count.to_be_bytes())?;
    let mut written = 0;
    table.each_packed(|number, facts, slots| {
        written += 1;
        hashed.put(&number.to_be_bytes())?;
        hashed.put(&[slots as u8])?; // a number has five at most
        hashed.put(&(facts.len() as u32).to_be_bytes())?;
        hashed.put(facts)
    })?;
    if written != count {
        return Err(io::Error::other("numbers came or went while the image was written"));
    }
    let Hashed { out, context } = hashed;
    out.write_all(context.finish().as_ref())
}

/// Reads an image; `None` if any octet of it is not as it was written.
pub fn read(image: &[u8]) -> Option<(Point, Loader)> {
    let (body, hash) = image.split_last_chunk::<32>()?;
    if ring::digest::digest(&SHA256, body).as_ref() != hash {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let point = Point { epoch: word(&mut rest)?, last_seq: word(&mut rest)?, leaf: take(&mut rest)? };
    let count = usize::try_from(word(&mut rest)?).ok()?;
    let mut loader = Loader::default();
    while !rest.is_empty() {
        let number = Number::from_u64(word(&mut rest)?).ok()?;
        let [slots] = take(&mut rest)?;
        let octets = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
        let (facts, after) = rest.split_at_checked(octets)?;
        rest = after;
        loader.push_packed(number, facts, slots.into());
    }
    (loader.len() == count).then_some((point, loader))
}

fn word(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

/// Writes and hashes what it writes.
struct Hashed<'w> {
    out: &'w mut dyn Write,
    context: Context,
}

impl Hashed<'_> {
    fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.context.update(octets);
        self.out.write_all(octets)
    }
}
