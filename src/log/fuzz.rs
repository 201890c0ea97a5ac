//! What must hold for everything that is taken for one of the log's formats: the body of a fuzz target, replayed by the tests.
//!
//! The first octet of the input chooses the format, the rest is what came.

use super::addition::Addition;
use super::audit::{self, Credentials};
use super::batch::Batch;
use super::checkpoint::Checkpoint;
use super::epoch::{ConfigLeaf, EpochLeaf};
use super::event::Event;
use super::gov::GovLeaf;
use super::monitor::GrantFile;
use super::note::{Note, VerifierKey};
use super::possession::PublishedKey;
use super::proof::{Extra, Proof};
use super::record::Record;
use super::state::State;
use super::tile::{Tile, read_bundle, write_bundle};

/// A name in a log's own tree is read for a bundle of so many entries.
const BUNDLE_WIDTH: u64 = 2;
const KEY: &str = "dir.example.org/gov+43382a3e+AYE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";

/// What an input was taken for, and what it writes back to.
type Read = Option<Vec<u8>>;
/// A format: its name, and how it is read.
type Format = (&'static str, fn(&[u8]) -> Read);
/// Every format that comes from elsewhere, and what reading it makes.
const FORMATS: [Format; 17] = [
    ("event", |raw| Event::parse(raw).ok().map(|event| event.write())),
    ("record", |raw| Record::parse(raw).ok().map(|record| record.write())),
    ("state", |raw| State::parse(raw).ok().map(|state| state.write().to_vec())),
    ("extra", |raw| Extra::parse(raw).ok().map(|extra| extra.write())),
    ("batch", |raw| Batch::parse(raw).ok().map(|batch| batch.write())),
    ("key", |raw| PublishedKey::from_spki(raw).ok().map(|key| key.to_spki())),
    ("bundle", |raw| read_bundle(raw, BUNDLE_WIDTH).ok().and_then(|entries| write_bundle(&entries))),
    ("batches", batches),
    ("proof", |raw| text(raw, |text| Proof::parse(text).ok().map(|proof| proof.write()))),
    ("epoch leaf", |raw| text(raw, |text| EpochLeaf::parse(text).ok().map(|leaf| leaf.write()))),
    ("configuration leaf", |raw| text(raw, |text| ConfigLeaf::parse(text).ok().map(|leaf| leaf.write()))),
    ("addition", |raw| text(raw, |text| Addition::parse(text).ok().map(|addition| addition.write()))),
    ("grant", |raw| text(raw, |text| GrantFile::parse(text).ok().map(|grant| grant.write()))),
    ("credentials", |raw| text(raw, |text| Credentials::parse(text).map(|credentials| credentials.write()))),
    ("leaf of the governance log", |raw| text(raw, |text| GovLeaf::parse(text).ok().and_then(|leaf| leaf.write()))),
    ("checkpoint", |raw| text(raw, |text| Checkpoint::parse(text).ok().map(|checkpoint| checkpoint.write()))),
    ("tile name", |raw| text(raw, |text| Tile::parse(text).is_ok().then(|| text.to_owned()))),
];

/// Reads one input; says whether it was one of the format that it says, or which rule its reading breaks: what is read writes
/// back to the same octets, so nothing has two spellings.
pub fn format(input: &[u8]) -> Result<bool, &'static str> {
    let Some((&choice, raw)) = input.split_first() else { return Ok(false) };
    opened(raw);
    let read = FORMATS.get(usize::from(choice) % FORMATS.len()).and_then(|(_, read)| read(raw));
    match read {
        None => Ok(false),
        Some(written) if written == raw => Ok(true),
        Some(_) => Err("what is read does not write back to the same octets"),
    }
}

fn text(raw: &[u8], read: impl FnOnce(&str) -> Option<String>) -> Read {
    read(std::str::from_utf8(raw).ok()?).map(String::into_bytes)
}

fn batches(raw: &[u8]) -> Read {
    let first = raw.first_chunk().map_or(0, |epoch| u64::from_be_bytes(*epoch));
    let (mut out, read) = (Vec::new(), audit::read_batches(raw, first).ok()?);
    (first..).zip(read).for_each(|(epoch, batch)| audit::put_batch(&mut out, epoch, batch));
    Some(out)
}

/// A note is only opened, for its signatures may stand in any order.
fn opened(raw: &[u8]) {
    let Ok(text) = std::str::from_utf8(raw) else { return };
    if let Ok(key) = VerifierKey::parse(KEY) {
        let _ = Note::open(text, &[key]);
    }
    let _ = (VerifierKey::parse(text), Checkpoint::parse_any(text));
}
