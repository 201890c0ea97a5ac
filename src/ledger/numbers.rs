//! Numbers: the personal data in its one table, and the States that the map commits to.

use rusqlite::{Params, Row};

use crate::ledger::error::LedgerError;
use crate::ledger::recent::Kind;
use crate::ledger::snapshot::{Snapshot, int, uint};
use crate::ledger::transaction::Transaction;
use crate::log::Hash;
use crate::log::label::Label;
use crate::log::map::Leaf;
use crate::log::state::{State, Status};
use crate::number::Number;
use crate::registry::rules::Entry;

/// What opens a commitment: the record R and the random opening that its commitment was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosed {
    /// 32 random bytes, made by the holder's device.
    pub opening: [u8; 32],
    /// R, as it was submitted (TRUST.md 2).
    pub record: Vec<u8>,
}

/// The personal data of a number.
#[derive(Clone, PartialEq, Eq)]
pub struct Personal {
    /// The number.
    pub number: Number,
    /// The VRF proof that its label is its own.
    pub proof: [u8; 80],
    /// What its State commits to; for a number whose CREATE is not sealed yet, what that will commit to.
    pub disclosed: Disclosed,
    /// What an accepted event that is not sealed yet will commit to.
    pub next: Option<Disclosed>,
}

/// The State of a label and what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The State, its sponsor, the time of its epoch, and the open request.
    pub entry: Entry,
    /// Sequence number of the newest sealed event.
    pub event_seq: u64,
    /// Sequence number of the newest sealed event that fixed control key and commitment.
    pub keys_seq: u64,
}

/// What a name server needs of a number.
#[derive(Clone, PartialEq, Eq)]
pub struct Served {
    /// The number.
    pub number: Number,
    /// Its sealed State.
    pub state: State,
    /// R.
    pub record: Vec<u8>,
}

/// Mapped while everything is scanned; SQLite itself goes no further than 2 GB and reads what lies behind that.
const SCAN_MAPPED_BYTES: i64 = 1 << 31;

impl Snapshot<'_> {
    /// The label of a number that is registered or about to be.
    pub fn label_of(&self, number: Number) -> Result<Option<Label>, LedgerError> {
        self.first("SELECT label FROM personal WHERE number = ?1", [int(number.as_u64())], |row| row.get(0).map(Label))
    }

    /// The personal data behind a label.
    pub fn personal(&self, label: &Label) -> Result<Option<Personal>, LedgerError> {
        let row = self.first(
            "SELECT number, proof, opening, record, next_opening, next_record FROM personal WHERE label = ?1",
            [&label.0],
            |row| {
                let next = match (row.get(4)?, row.get(5)?) {
                    (Some(opening), Some(record)) => Some(Disclosed { opening, record }),
                    _ => None,
                };
                let disclosed = Disclosed { opening: row.get(2)?, record: row.get(3)? };
                Ok((uint(row, 0)?, row.get(1)?, disclosed, next))
            },
        )?;
        row.map(|(number, proof, disclosed, next)| Ok(Personal { number: packed(number)?, proof, disclosed, next }))
            .transpose()
    }

    /// The State of a label and what goes with it.
    pub fn standing(&self, label: &Label) -> Result<Option<Standing>, LedgerError> {
        let found = self.first(
            "SELECT state, sponsor, time_ms, request, event_seq, keys_seq, taken FROM states WHERE label = ?1",
            [&label.0],
            |row| Ok((stored_state(row, 0), stored_entry(row)?, uint(row, 4)?, uint(row, 5)?)),
        )?;
        found
            .map(|(state, (provider, time_ms, request, taken), event_seq, keys_seq)| {
                let request = request.map(|raw| super::request::read(&raw)).transpose()?;
                let taken = taken.map(|raw| super::request::read_taken(&raw)).transpose()?;
                Ok(Standing { entry: Entry { state: state?, provider, time_ms, request, taken }, event_seq, keys_seq })
            })
            .transpose()
    }

    /// The map's leaves from the label `first` to `last`, in order: a bucket of the map, or all of it. What a start has compared
    /// with the States is read from their index alone.
    pub fn leaves(&self, first: &Label, last: &Label) -> Result<Vec<Leaf>, LedgerError> {
        let sql = "SELECT label, hash FROM states WHERE label BETWEEN ?1 AND ?2 ORDER BY label";
        self.all(sql, (&first.0, &last.0), |row| Ok((Label(row.get(0)?), row.get(1)?)))
    }

    /// Every State that has personal data, with number and what opens its commitment.
    pub fn each_disclosed(
        &self,
        mut each: impl FnMut(&State, Number, &Disclosed) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let sql = "SELECT state, number, opening, record FROM personal JOIN states USING (label)";
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let disclosed = Disclosed { opening: row.get(2)?, record: row.get(3)? };
            each(&stored_state(row, 0)?, packed(uint(row, 1)?)?, &disclosed)?;
        }
        Ok(())
    }

    /// The whole map and all that is served, in the order in which the numbers came: what a start needs. Labels of released
    /// numbers have a State and nothing to serve; numbers whose CREATE is not sealed yet have neither here.
    pub fn each_number(
        &self,
        mut each: impl FnMut(Leaf, Option<Served>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        // The file is mapped meanwhile: pages need no copying, and what is not in memory comes in larger pieces.
        self.map_file(SCAN_MAPPED_BYTES)?;
        let scanned = self.each_number_in_order(&mut each);
        self.map_file(0)?;
        scanned
    }

    /// How much of the file is mapped into memory instead of being read page by page.
    fn map_file(&self, bytes: i64) -> Result<(), LedgerError> {
        Ok(self.conn.pragma_update(None, "mmap_size", bytes)?)
    }

    fn each_number_in_order(
        &self,
        each: &mut impl FnMut(Leaf, Option<Served>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let sql = "SELECT s.label, s.state, s.hash, p.number, p.record FROM states s LEFT JOIN personal p ON p.label = s.label
                   ORDER BY s.id";
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (label, state) = (Label(row.get(0)?), stored_state(row, 1)?);
            let hash = state.hash();
            if row.get::<_, Hash>(2)? != hash {
                return Err(LedgerError::Damaged("a State that is not the one of its hash"));
            }
            let served = match row.get::<_, Option<i64>>(3)? {
                Some(_) if state.status != Status::Released => {
                    Some(Served { number: packed(uint(row, 3)?)?, state, record: row.get(4)? })
                }
                _ => None,
            };
            each((label, hash), served)?;
        }
        Ok(())
    }

    /// Labels whose `not_after` passed after `from_s` and before `before_s`, oldest first, at most `limit`: their grace is over.
    /// Those of the providers `kept` are passed over.
    pub fn lapsed(&self, from_s: u64, before_s: u64, kept: &[String], limit: usize) -> Result<Vec<Label>, LedgerError> {
        let sql = "SELECT label FROM states WHERE due_s IS NOT NULL AND due_s > ?1 AND due_s <= ?2
                   AND label NOT IN (SELECT label FROM open_events)
                   AND sponsor NOT IN (SELECT value FROM json_each(?3)) ORDER BY due_s LIMIT ?4";
        let kept = serde_json::json!(kept).to_string();
        self.all(sql, (int(from_s), int(before_s), kept, limit as i64), |row| row.get(0).map(Label))
    }

    /// How many numbers are registered or about to be.
    pub fn count_numbers(&self) -> Result<u64, LedgerError> {
        Ok(self.first("SELECT count(*) FROM personal", [], |row| uint(row, 0))?.unwrap_or(0))
    }

    /// How many of the numbers from `first` to `last` are registered or about to be.
    pub fn count_numbers_between(&self, first: u64, last: u64) -> Result<u64, LedgerError> {
        let sql = "SELECT count(*) FROM personal WHERE number BETWEEN ?1 AND ?2";
        Ok(self.first(sql, [int(first), int(last)], |row| uint(row, 0))?.unwrap_or(0))
    }

    /// The label that publishes this key (SHA-256 of it), other than `label` itself.
    pub fn key_published_elsewhere(&self, key: &[u8; 32], label: &Label) -> Result<Option<Label>, LedgerError> {
        let recent = self.recent(Kind::Key, key, |row| row.get(0).map(Label))?;
        if let Some((_, other)) = recent.into_iter().find(|(_, other)| other != label) {
            return Ok(Some(other));
        }
        if !self.may_be_merged(key) {
            return Ok(None);
        }
        self.first("SELECT label FROM published_keys WHERE key = ?1 AND label <> ?2 LIMIT 1", (key, &label.0), |row| {
            row.get(0).map(Label)
        })
    }
}

impl Transaction<'_> {
    /// Writes the personal data of a number that is being created by `sponsor`.
    pub fn add_personal(
        &self,
        label: &Label,
        number: Number,
        proof: &[u8; 80],
        disclosed: &Disclosed,
        sponsor: &str,
    ) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO personal (label, number, proof, opening, record, sponsor, feed_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, (SELECT coalesce(max(seq), 0) FROM changes))",
            (&label.0, int(number.as_u64()), proof, &disclosed.opening, &disclosed.record, sponsor),
        )?;
        Ok(())
    }

    /// Keeps what an accepted event will disclose once it is sealed.
    pub fn set_next(&self, label: &Label, next: &Disclosed) -> Result<(), LedgerError> {
        self.change(
            "UPDATE personal SET next_opening = ?2, next_record = ?3 WHERE label = ?1",
            (&label.0, &next.opening, &next.record),
        )?;
        Ok(())
    }

    /// Puts what was accepted in the place of what it replaces.
    pub fn settle_next(&self, label: &Label) -> Result<(), LedgerError> {
        self.change(
            "UPDATE personal SET opening = next_opening, record = next_record, next_opening = NULL, next_record = NULL
             WHERE label = ?1 AND next_record IS NOT NULL",
            [&label.0],
        )?;
        Ok(())
    }

    /// Deletes the personal data of a released number; the pages are overwritten (`secure_delete`).
    pub fn erase_personal(&self, label: &Label) -> Result<(), LedgerError> {
        self.change("DELETE FROM personal WHERE label = ?1", [&label.0])?;
        Ok(())
    }

    /// Sets the State of a label, which may have had one before.
    pub fn set_standing(&self, label: &Label, standing: &Standing) -> Result<(), LedgerError> {
        // One index leads from a label to its row and to its leaf; it is not unique, so this must be.
        let known = self.change(
            "UPDATE states SET state = ?2, hash = ?3, sponsor = ?4, time_ms = ?5, request = ?6, event_seq = ?7, keys_seq = ?8,
             due_s = ?9, taken = ?10 WHERE label = ?1",
            stored_values(label, standing),
        )?;
        if known == 0 {
            self.add_standing(label, standing)?;
        }
        self.change(
            "UPDATE personal SET sponsor = ?2 WHERE label = ?1 AND sponsor <> ?2",
            (&label.0, &standing.entry.provider),
        )?;
        Ok(())
    }

    /// Sets the first State of a label. Whoever created the number is its sponsor in `personal` already.
    pub fn add_standing(&self, label: &Label, standing: &Standing) -> Result<(), LedgerError> {
        self.change(
            "INSERT INTO states (label, state, hash, sponsor, time_ms, request, event_seq, keys_seq, due_s, taken)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            stored_values(label, standing),
        )?;
        Ok(())
    }

    /// Notes that a label publishes a key.
    pub fn add_published_key(&self, key: &[u8; 32], label: &Label) -> Result<(), LedgerError> {
        self.add_recent(Kind::Key, key, label.0)
    }

    /// Notes that a label no longer publishes a key.
    pub fn remove_published_key(&self, key: &[u8; 32], label: &Label) -> Result<(), LedgerError> {
        for (id, _) in self.recent(Kind::Key, key, |row| row.get(0).map(Label))?.iter().filter(|(_, of)| of == label) {
            self.remove_recent(*id)?;
        }
        self.change("DELETE FROM published_keys WHERE key = ?1 AND label = ?2", (key, &label.0))?;
        Ok(())
    }
}

/// The columns of a State's row after its id.
fn stored_values<'l>(label: &'l Label, standing: &'l Standing) -> impl Params + 'l {
    let entry = &standing.entry;
    let due_s = (entry.state.status != Status::Released).then(|| int(entry.state.not_after));
    (
        &label.0,
        entry.state.write(),
        entry.state.hash(),
        &entry.provider,
        int(entry.time_ms),
        entry.request.as_ref().map(super::request::write),
        int(standing.event_seq),
        int(standing.keys_seq),
        due_s,
        entry.taken.as_ref().map(super::request::write_taken),
    )
}

type StoredEntry = (String, u64, Option<Vec<u8>>, Option<Vec<u8>>);

fn stored_entry(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
    Ok((row.get(1)?, uint(row, 2)?, row.get(3)?, row.get(6)?))
}

fn stored_state(row: &Row<'_>, at: usize) -> Result<State, LedgerError> {
    let raw = row.get_ref(at)?.as_blob().map_err(|_| LedgerError::Damaged("a State is not bytes"))?;
    State::parse(raw).map_err(|_| LedgerError::Damaged("a State that breaks its own form"))
}

fn packed(number: u64) -> Result<Number, LedgerError> {
    Number::from_u64(number).map_err(|_| LedgerError::Damaged("a number that is none"))
}
