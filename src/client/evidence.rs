//! Evidence of misbehaviour: kept as a file, checked offline, and explained in plain words, with what it does not prove.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hickory_proto::rr::Name;
use serde::Serialize;

use crate::api::proofs::Trust;
use crate::client::anchor::Anchor;
use crate::client::keys::{KeysTxt, keys_txt};
use crate::client::message::{Rr, rr};
use crate::client::signature::{Dnskey, Ds, Rrset, Work, ZoneKeys, is_supported};
use crate::clock::rfc3339;
use crate::log::bytes::{Malformed, to_base64, to_base64url};
use crate::log::misbehaviour::{Held, LEN_MAX, Misbehaviour, SignedRecord, What};
use crate::log::proved::Proved;
use crate::log::sha256;
use crate::log::state::State;
use crate::number::Number;

/// Bytes of the digest in a file's name.
const NAME_BYTES: usize = 8;
/// Zones on the way from a trust anchor down to a number: country, block, and one to spare.
const ZONES_MAX: usize = 4;

/// What evidence amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It contradicts itself under its own signatures: nobody else could have made it.
    Proved,
    /// The directory has to answer, and can if it is honest.
    Question,
}

/// Evidence that holds, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// What it amounts to.
    pub verdict: Verdict,
    /// `checkpoints`, `states`, `names` or `unsigned`.
    pub kind: &'static str,
    /// The log that it is about.
    pub log: String,
    /// The key of that log.
    pub vkey: String,
    /// What was signed, and by whom.
    pub signed: Vec<String>,
    /// What is contradictory in it.
    pub contradiction: String,
    /// What it does not prove.
    pub not_proved: Vec<String>,
}

/// Reads a file of evidence; the error says why it cannot be one.
pub fn read(path: &Path) -> io::Result<Result<Misbehaviour, Malformed>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| Malformed::new("evidence", "not text"));
    Ok(text.and_then(|text| Misbehaviour::parse(&text)))
}

/// Writes evidence into a folder, under a name that says what it is; what is there stays. Only its owner may read it: it can name a number.
pub fn keep(evidence: &Misbehaviour, folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let text = evidence.write();
    let digest = HEXLOWER.encode(&sha256(&[text.as_bytes()])[..NAME_BYTES]);
    let path = folder.join(format!("{}-{digest}.evidence", evidence.kind()));
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && std::fs::read(&path)? == text.as_bytes() => {
            Ok(path)
        }
        file => {
            let mut file = file?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(path)
        }
    }
}

/// Checks evidence, with nothing but what is in it, and explains it. `trust` and `anchor` say whose keys these are; without them the reader
/// has to compare.
///
/// # Errors
/// Why it proves nothing.
pub fn explain(
    evidence: &Misbehaviour,
    trust: Option<&Trust>,
    anchor: Option<&Anchor>,
) -> Result<Explained, Malformed> {
    let vkey = evidence.log.to_string();
    if let Some(trust) = trust {
        let known = trust.log == vkey || trust.gov_key == vkey && evidence.vrf.is_none();
        Malformed::unless(known, "evidence", "signed by another key than your trust list's")?;
        let places = evidence.vrf.is_none_or(|vrf| to_base64(&vrf) == trust.vrf);
        Malformed::unless(places, "evidence", "with another VRF key than your trust list's")?;
    }
    let held = evidence.check()?;
    let mut not_proved = Vec::new();
    if trust.is_none() {
        not_proved.push(format!(
            "that {vkey} is the key of the log {}: compare it with what the operator publishes, or give your own trust list with --trust",
            evidence.log.name()
        ));
    }
    let (verdict, signed, contradiction) = match (&held, &evidence.what) {
        (Held::Names(proved), What::Names { number, seen_s, records, .. }) => {
            let (signed, contradiction) = names(*number, *seen_s, records, proved, anchor, &mut not_proved)?;
            (Verdict::Proved, signed, contradiction)
        }
        (held, _) => held_alone(held, &mut not_proved),
    };
    not_proved.push("who at the operator did it, or why: a stolen key signs as well as its owner".to_owned());
    Ok(Explained {
        verdict,
        kind: evidence.kind(),
        log: evidence.log.name().to_owned(),
        vkey,
        signed,
        contradiction,
        not_proved,
    })
}

/// What needs no DNS.
fn held_alone(held: &Held, not_proved: &mut Vec<String>) -> (Verdict, Vec<String>, String) {
    let state = |(state, epoch, time_ms): &(State, u64, u64)| {
        format!(
            "the log signed epoch {epoch} of {}, in which the number has version {}, State {}, control key {}",
            rfc3339(time_ms / 1000),
            state.version,
            to_base64url(&state.hash()[..16]),
            to_base64url(&state.control)
        )
    };
    match held {
        Held::Checkpoints(both) => {
            let [small, large] = &**both;
            let signed = both.iter().map(|at| {
                format!("the log signed that its first {} leaves have the root {}", at.size, to_base64(&at.root))
            });
            let contradiction = match small.size == large.size {
                true => format!("two roots over the same {} leaves: one log cannot have both", small.size),
                false => format!(
                    "the log of {} leaves does not begin with the one of {} leaves: the past was changed, or there are two logs under one name",
                    large.size, small.size
                ),
            };
            not_proved.push("which of the two is the true one, and who was shown which".to_owned());
            (Verdict::Proved, signed.collect(), contradiction)
        }
        Held::States(both) => {
            let [(old, ..), (new, ..)] = &**both;
            let contradiction = match old.version == new.version {
                true => format!("two States of version {}: one number cannot have both", new.version),
                false => format!("version {} after version {}: a number never goes back", new.version, old.version),
            };
            not_proved.push("which of the two the holder agreed to".to_owned());
            (Verdict::Proved, both.iter().map(state).collect(), contradiction)
        }
        Held::Unsigned(both, broken) => {
            let contradiction = format!("what was shown for it does not lead from the one to the other: {broken}");
            not_proved.push(
                "that there are no other events that do: answers over HTTP are not signed, and whoever made this file may have left some out. \
                 The directory answers by showing them: each epoch of the log commits to its events"
                    .to_owned(),
            );
            (Verdict::Question, both.iter().map(state).collect(), contradiction)
        }
        Held::Names(_) => (Verdict::Question, Vec::new(), String::new()), // never comes here
    }
}

/// A `_keys` record that DNS signed, against what the log signed.
fn names(
    number: Number,
    seen_s: u64,
    records: &[SignedRecord],
    proved: &Proved,
    anchor: Option<&Anchor>,
    not_proved: &mut Vec<String>,
) -> Result<(Vec<String>, String), Malformed> {
    let must = |ok, why| Malformed::unless(ok, "evidence", why);
    let records = Records::read(records)?;
    let (zone, entry, text) = records.keys_of(number, seen_s, anchor)?;
    let there =
        proved.number.as_ref().ok_or(Malformed::new("evidence", "the log proves that the number is not there"))?;
    must(text.version == there.state.version, "DNS and log speak of different versions")?;
    must(text.state_hash[..] != there.hash[..text.state_hash.len()], "DNS and log speak of the same State")?;
    if anchor.is_none() {
        not_proved.push(format!(
            "that {zone} is the directory's zone, signed by its key {entry}: compare that with what the operator publishes, or give its trust \
             anchor with --anchor"
        ));
    }
    let state = to_base64url(&there.hash[..text.state_hash.len()]);
    let signed = vec![
        format!(
            "the zone {zone} signed that version {} of {number} has State {}",
            text.version,
            to_base64url(&text.state_hash)
        ),
        format!(
            "the log signed epoch {}, in which version {} of {number} has State {state}",
            proved.epoch, there.state.version
        ),
    ];
    Ok((
        signed,
        format!("DNS shows another State of version {} than the log: the directory has two faces", text.version),
    ))
}

/// Records with their signatures.
struct Records {
    all: Vec<Rr>,
    work: Work,
}

impl Records {
    fn read(records: &[SignedRecord]) -> Result<Self, Malformed> {
        let read = |record: &SignedRecord| {
            let owner =
                Name::from_ascii(&record.owner).map_err(|_| Malformed::new("evidence", "a name that is none"))?;
            Ok(Rr { owner: owner.to_lowercase(), rr_type: record.rr_type, ttl_s: 0, rdata: record.rdata.clone() })
        };
        Ok(Self { all: records.iter().map(read).collect::<Result<_, _>>()?, work: Work::default() })
    }

    /// The `_keys` record of a number, its signatures good as of `seen_s`; with the zone that signed it, and that zone's entry key.
    fn keys_of(
        &self,
        number: Number,
        seen_s: u64,
        anchor: Option<&Anchor>,
    ) -> Result<(String, String, KeysTxt), Malformed> {
        let none = Malformed::new("evidence", "no signed _keys record of this number");
        let set = Rrset::all(&self.all, rr::TXT).into_iter().find(|set| is_keys_of(&set.owner, number)).ok_or(none)?;
        let signer = set.signatures.first().ok_or(none)?.signer.to_lowercase();
        let (keys, entry) = self.zone(&signer, seen_s, anchor, ZONES_MAX)?;
        let good = set.verify(&keys, seen_s, &self.work);
        let good = good.ok().filter(|proof| proof.wildcard.is_none());
        good.ok_or(Malformed::new("evidence", "the signature of the _keys record is not good"))?;
        Ok((signer.to_ascii(), entry, keys_txt(&set.rdatas).ok_or(none)?))
    }

    /// The keys of a zone: from the anchor down, or without one whatever signs itself.
    fn zone(
        &self,
        zone: &Name,
        seen_s: u64,
        anchor: Option<&Anchor>,
        more: usize,
    ) -> Result<(ZoneKeys, String), Malformed> {
        let bad = Malformed::new("evidence", "the keys of the zone are not signed, or not from the trust anchor down");
        let set = Rrset::of(&self.all, zone, rr::DNSKEY).ok_or(bad)?;
        let keys: Vec<Dnskey> = set.rdatas.iter().filter_map(|rdata| Dnskey::read(rdata)).collect();
        let ds = match anchor {
            Some(anchor) if anchor.zone() != zone => self.delegation(zone, seen_s, anchor, more)?,
            _ => Vec::new(),
        };
        let is_entry = |key: &&Dnskey| match anchor {
            None => true,
            Some(anchor) if anchor.zone() == zone => anchor.holds(key),
            Some(_) => ds.iter().any(|ds| ds.covers(zone, key)),
        };
        let entries = keys.iter().filter(|key| is_supported(key.algorithm)).filter(is_entry).cloned().collect();
        let entry = ZoneKeys { zone: zone.clone(), keys: entries, expires_s: u64::MAX };
        let signed = set.verify(&entry, seen_s, &self.work).map_err(|_| bad)?;
        Ok((ZoneKeys { zone: zone.clone(), keys, expires_s: u64::MAX }, signed.tag.to_string()))
    }

    /// The DS records of a zone, signed by the one above.
    fn delegation(&self, zone: &Name, seen_s: u64, anchor: &Anchor, more: usize) -> Result<Vec<Ds>, Malformed> {
        let bad = Malformed::new("evidence", "the zone is not delegated from the trust anchor down");
        let set = Rrset::of(&self.all, zone, rr::DS).ok_or(bad)?;
        let above = set.signatures.first().ok_or(bad)?.signer.to_lowercase();
        Malformed::unless(above != *zone && above.zone_of(zone) && more > 0, "evidence", bad.why)?;
        let (keys, _) = self.zone(&above, seen_s, Some(anchor), more - 1)?;
        set.verify(&keys, seen_s, &self.work).map_err(|_| bad)?;
        Ok(set.rdatas.iter().filter_map(|rdata| Ds::read(rdata)).collect())
    }
}

/// Whether that is the name of a number's `_keys` record, under whatever apex.
fn is_keys_of(owner: &Name, number: Number) -> bool {
    let below = 1 + number.digits().len();
    let Some(apex) = usize::from(owner.num_labels()).checked_sub(below) else { return false };
    let apex = owner.trim_to(apex).to_ascii();
    owner.to_ascii() == format!("_keys.{}", number.enum_name(&apex))
}
