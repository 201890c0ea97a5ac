//! What a ledger says of itself: how far both logs go, and whether all of it agrees, without any private key.

use std::path::Path;
use std::sync::Arc;

use crate::authority::Settings;
use crate::authority::error::OpenError;
use crate::authority::found::{Found, agree, check_note};
use crate::authority::keys::Ours;
use crate::authority::sequencer::Head;
use crate::authority::signed::{self, root_of};
use crate::charter::Policy;
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::log::cosigner::Seen;
use crate::log::note::VerifierKey;
use crate::log::record::{self, Record};
use crate::log::state::Status;
use crate::signer::Log;
use crate::zone::NumberData;

/// How far a ledger goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The map log as it is sealed.
    pub map: Seen,
    /// The gov log.
    pub gov: Seen,
    /// The newest epoch's time, in milliseconds.
    pub epoch_ms: u64,
    /// The newest signed checkpoint of the map log, which may be one epoch behind what is sealed.
    pub note: String,
    /// The keys that both logs are checked with, as the ledger knows them: of the map log, of the gov log.
    pub keys: [VerifierKey; 2],
    /// The newest event that was accepted.
    pub events: u64,
    /// Numbers that are registered or about to be.
    pub numbers: u64,
}

/// How far the ledger in `data` goes, also while another process works in it. Cheap: nothing is added up but the gov log.
pub fn heads(data: &Path) -> Result<Heads, OpenError> {
    Ledger::peek(data, |now| {
        let head = Head::load(now)?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
        let gov_size = now.gov_size()?;
        let gov = Seen { size: gov_size, root: root_of(now, Log::Gov, 0..gov_size)? };
        Ok(said(now, &head, gov)?)
    })
}

/// Opens the ledger in the folder of `settings`, which nobody else has open, and compares everything that a start compares
/// but for the private keys and the signer: pages, leaves, tiles, notes, gov log, map. What is to be served goes to `each`.
pub fn examine(settings: &Settings, policy: Policy, mut each: impl FnMut(NumberData)) -> Result<Heads, OpenError> {
    let ledger = Ledger::open(&settings.data)?;
    Ledger::check_pages(&settings.data)?;
    let keys = ledger.read::<_, LedgerError>(signed::known_keys)?;
    let [map_key, gov_key] = keys.ok_or(LedgerError::Damaged("the keys of the logs are not known"))?;
    // No event is judged here, so nobody asks which key releases what lapsed.
    let (ours, policy) = (Ours { vrf: None, sequencer: [0; 32] }, Arc::new(policy));
    let found = ledger.read(|now| Found::read(now, settings, &policy, &ours, &gov_key, &mut each))?;
    check_note(&ledger, &found.head, settings, &map_key)?;
    ledger.read(check_records)?;
    let law = found.laws.last().ok_or(LedgerError::Damaged("the gov log has no leaf"))?;
    let gov = Seen { size: law.size(), root: law.root() };
    let sized = ledger.read::<_, LedgerError>(|now| now.gov_size())?;
    agree(sized == gov.size, || ("the gov log has more leaves than were read".to_owned(), "Take another backup"))?;
    Ok(ledger.read::<_, LedgerError>(|now| said(now, &found.head, gov))?)
}

/// Every record is the one that its State commits to, and of its number. A start does not look: whoever can write the ledger
/// there can do worse; a backup has lain elsewhere.
fn check_records(now: &Snapshot<'_>) -> Result<(), OpenError> {
    let mut wrong = 0u64;
    now.each_disclosed(|state, number, disclosed| {
        let of_number = Record::parse(&disclosed.record).is_ok_and(|record| record.number == number);
        let committed = record::commitment(&disclosed.opening, &disclosed.record) == state.commitment;
        wrong += u64::from(state.status != Status::Released && !(of_number && committed));
        Ok(())
    })?;
    agree(wrong == 0, || (format!("{wrong} records are not those that their States commit to"), "Take another backup"))
}

fn said(now: &Snapshot<'_>, head: &Head, gov: Seen) -> Result<Heads, LedgerError> {
    let note = match &head.epoch.note {
        Some(note) => Some(note.clone()),
        None => now.epoch(head.epoch.n.saturating_sub(1))?.and_then(|epoch| epoch.note),
    };
    Ok(Heads {
        map: Seen { size: head.log.size(), root: head.log.root() },
        gov,
        epoch_ms: head.epoch.time_ms,
        note: note.unwrap_or_default(),
        keys: signed::known_keys(now)?.ok_or(LedgerError::Damaged("the keys of the logs are not known"))?,
        events: now.newest_event()?,
        numbers: now.count_numbers()?,
    })
}
