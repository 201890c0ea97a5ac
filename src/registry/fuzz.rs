//! What must hold for every OpenPGP key and every certificate that can be submitted: the bodies of fuzz targets, replayed by the tests.

use crate::charter::Policy;
use crate::log::possession::PublishedKey;
use crate::log::record::{Prefix, Record, Rr};
use crate::number::Number;
use crate::registry::keys::{self, Circumstances, Published};

/// The number and the apex of the corpus.
const NUMBER: &str = "+447700900123";
const APEX: &str = "e164.example.";
/// When it is, Unix seconds: runs are the same each time.
const NOW_S: u64 = 1_800_000_000;
/// The most keys inside one OpenPGP key: a primary key and seven subkeys.
const KEYS_MAX: usize = 8;

/// What the input turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It cannot be read.
    Unreadable,
    /// It can be read, and is refused.
    Refused,
    /// It would be published.
    Accepted,
}

/// Reads RDATA of OPENPGPKEY as a submission's; says what it is, or which rule its reading breaks.
pub fn openpgp(rdata: &[u8]) -> Result<Verdict, &'static str> {
    published(Prefix::OpenPgpKey, rdata)
}

/// The same of SMIMEA, whose first three octets are usage, selector and matching type.
pub fn certificate(rdata: &[u8]) -> Result<Verdict, &'static str> {
    published(Prefix::SmimeCert, rdata)
}

fn published(prefix: Prefix, rdata: &[u8]) -> Result<Verdict, &'static str> {
    let number = Number::parse(NUMBER).map_err(|_| "the number is none")?;
    let rr = vec![Rr { prefix, rdata: rdata.to_vec() }];
    let record = Record { number, provider: "acme".to_owned(), rr, revoked: Vec::new() };
    let policy = Policy::embedded();
    let (found, refusals) = keys::check(&record, &Circumstances { policy: &policy, apex: APEX, now_s: NOW_S }, "");
    let indexed = keys::published(&record);
    rule(found.is_empty() || found == indexed, "the index has other keys than the check")?;
    rule(indexed.len() <= KEYS_MAX, "it has more keys than it can have")?;
    indexed.iter().try_for_each(has_one_name)?;
    let (accepted, fits) = (refusals.is_empty(), rdata.len() as u64 <= policy.rrset_bytes_max);
    rule(!accepted || fits, "too much is accepted")?;
    rule(!accepted || found == indexed, "what is accepted is not what was found")?;
    Ok(match (indexed.is_empty(), accepted) {
        (true, _) => Verdict::Unreadable,
        (false, false) => Verdict::Refused,
        (false, true) => Verdict::Accepted,
    })
}

/// A key is the same key in whatever it was wrapped.
fn has_one_name(published: &Published) -> Result<(), &'static str> {
    let Some(key) = &published.key else { return Err("a key is named that is not there") };
    let again = PublishedKey::from_spki(&key.to_spki()).map_err(|_| "a key cannot be read again")?;
    rule(again == *key, "a key has two forms")
}

fn rule(holds: bool, broken: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(broken) }
}
