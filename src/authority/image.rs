//! The image of what is served, kept beside the ledger so that a start answers DNS before it has read a million numbers.
//!
//! ```text
//! start:  image + events since its epoch --> DNS answers --> the ledger is read and compared --> the API opens
//! ```
//! It is derived: without one, or with one that does not fit, the start reads the ledger first. It holds personal data, so
//! it is deleted before an epoch erases somebody's, and made anew later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::authority::Core;
use crate::authority::publish;
use crate::authority::sequencer::GENERATION;
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::log::merkle::leaf_hash;
use crate::zone::image::{self, Point};
use crate::zone::{Change, Loader, NumberData, NumberZone};

/// The file in the folder of the ledger.
const FILE: &str = "served.image";
const PARTIAL: &str = "served.image.partial";
/// More events than this since the image: reading the ledger through is no slower.
const EVENTS_SINCE_MAX: usize = 50_000;
/// An image is made anew when it is so old and anything changed, or when so much changed that it will soon be of no use.
const AGE_MS_MAX: u64 = 3_600_000;
const EVENTS_SINCE_DUE: u64 = EVENTS_SINCE_MAX as u64 / 2;
/// It costs a write of some 100 octets a number: after each try there is a pause, longer than the try by this factor.
const PAUSE_MS_MIN: u64 = 60_000;
const PAUSE_TIMES: u64 = 20;

/// What a start can serve at once.
pub struct Early {
    /// The numbers as of the image.
    pub loader: Loader,
    /// What changed since.
    pub changes: Vec<Change>,
    /// The serial of what was served last.
    pub serial: u32,
}

/// Compares what is served early with the ledger, number by number.
#[derive(Default)]
pub struct Comparison {
    seen: usize,
    different: usize,
    scratch: Vec<u8>,
}

impl Comparison {
    /// One number as the ledger has it.
    pub fn number(&mut self, zone: &NumberZone, data: &NumberData) {
        self.seen += 1;
        self.scratch.clear();
        self.different += usize::from(!zone.table().holds(data, &mut self.scratch));
    }

    /// Whether all numbers were compared and none differs.
    pub fn agrees(&self, zone: &NumberZone) -> bool {
        self.different == 0 && self.seen == zone.table().len()
    }
}

/// The image of a running authority.
pub(super) struct Images {
    folder: PathBuf,
    state: Mutex<State>,
    /// Held while one is written.
    saving: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Counts deletions: an image that was begun before one must not appear after it.
    erasures: u64,
    /// The event that the image reaches to, and when it was made.
    saved: Option<(u64, u64)>,
    /// No other try before this time.
    pause_until_ms: u64,
}

impl Images {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), state: Mutex::default(), saving: Mutex::default() }
    }

    /// Deletes the image, durably: somebody's data in it is about to be erased.
    pub(super) fn discard(&self) -> Result<(), LedgerError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.erasures += 1;
        state.saved = None;
        remove(&self.folder).map_err(|error| LedgerError::Unavailable(format!("{FILE} cannot be deleted: {error}")))
    }

    /// Whether it is time for a new image of what reaches to the event `last_seq`.
    fn is_due(&self, last_seq: u64, now_ms: u64) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |(seq, at_ms): (u64, u64)| {
            let events = last_seq.saturating_sub(seq);
            events > EVENTS_SINCE_DUE || events > 0 && now_ms.saturating_sub(at_ms) >= AGE_MS_MAX
        };
        now_ms >= state.pause_until_ms && state.saved.is_none_or(old)
    }

    fn save(
        &self,
        point: &Point,
        now_ms: u64,
        write: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
    ) -> io::Result<()> {
        let before = self.state.lock().unwrap_or_else(PoisonError::into_inner).erasures;
        let partial = self.folder.join(PARTIAL);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let written = write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !written || state.erasures != before {
            return fs::remove_file(&partial);
        }
        fs::rename(&partial, self.folder.join(FILE))?;
        state.saved = Some((point.last_seq, now_ms));
        File::open(&self.folder)?.sync_all()
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    let mut removed = false;
    for name in [FILE, PARTIAL] {
        match fs::remove_file(folder.join(name)) {
            Ok(()) => removed = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if removed { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Deletes the image of a ledger that it does not agree with.
pub fn discard_image(data: &Path) -> io::Result<()> {
    remove(data)
}

/// What the image and the events since say is served; None if the ledger has to be read through first.
pub(super) fn early(ledger: &Ledger) -> Result<Option<Early>, LedgerError> {
    let Ok(bytes) = fs::read(ledger.dir().join(FILE)) else { return Ok(None) };
    let Some((point, loader)) = image::read(&bytes) else {
        tracing::warn!("the image of what is served is damaged; reading the ledger instead");
        return Ok(None);
    };
    drop(bytes);
    let since = ledger.read(|now| since(now, &point))?;
    Ok(since.map(|(changes, serial)| Early { loader, changes, serial }))
}

/// The changes since `point` and the serial now; None if the image is none of this ledger, or too old.
fn since(now: &Snapshot<'_>, point: &Point) -> Result<Option<(Vec<Change>, u32)>, LedgerError> {
    let known = now.epoch(point.epoch)?.is_some_and(|epoch| leaf_hash(&epoch.leaf) == point.leaf);
    // A sealed epoch is served once it is signed: then the usual start signs it first.
    let Some(newest) = now.newest_epoch()?.filter(|newest| known && newest.note.is_some()) else { return Ok(None) };
    let events = now.events_after(point.last_seq, EVENTS_SINCE_MAX + 1)?;
    if events.len() > EVENTS_SINCE_MAX {
        return Ok(None);
    }
    let mut changes = Vec::new();
    for event in events.iter().filter(|event| event.seq <= newest.last_seq) {
        let (standing, personal) = (now.standing(&event.event.label)?, now.personal(&event.event.label)?);
        // No personal data: released, and that deletes images. So this one is not to be trusted.
        let Some((standing, personal)) = standing.zip(personal) else { return Ok(None) };
        changes.push(publish::change(personal.number, &standing.entry.state, &personal.disclosed.record)?);
    }
    let generation = now.meta(GENERATION)?.and_then(|raw| raw.try_into().ok()).map_or(1, u64::from_be_bytes);
    Ok(Some((changes, publish::serial(generation))))
}

/// When an image is worth its writing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// There is none, or it is old.
    Due,
    /// The process ends: whenever anything changed.
    Last,
}

/// Makes the image anew when that is due, on a thread of its own: epochs go on meanwhile.
pub(super) fn keep_in_background(core: &Arc<Core>) {
    let last_seq = core.line().head.as_ref().map_or(0, |head| head.epoch.last_seq);
    if !core.images.is_due(last_seq, core.now_ms()) || core.images.saving.try_lock().is_err() {
        return;
    }
    let core = Arc::clone(core);
    let thread = std::thread::Builder::new().name("image".into()).spawn(move || core.keep_image(Keep::Due));
    if let Err(error) = thread {
        tracing::warn!(%error, "no thread to keep the image of what is served; trying again later");
    }
}

impl Core {
    /// Makes the image anew when that is worth it.
    pub(super) fn keep_image(&self, keep: Keep) {
        if self.frozen().is_some() {
            return; // what is there may be newer
        }
        let _one_at_a_time = self.images.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let line = self.line();
        let Some(head) = line.head.as_ref().filter(|head| head.epoch.note.is_some() && line.unpublished.is_none())
        else {
            return;
        };
        let point = Point { epoch: head.epoch.n, last_seq: head.epoch.last_seq, leaf: leaf_hash(&head.epoch.leaf) };
        drop(line);
        let now_ms = self.now_ms();
        let saved = self.images.state.lock().unwrap_or_else(PoisonError::into_inner).saved;
        let newer = saved.is_none_or(|(seq, _)| seq != point.last_seq);
        if !(keep == Keep::Last && newer || self.images.is_due(point.last_seq, now_ms)) {
            return;
        }
        let Some(view) = self.view.get() else { return };
        if let Err(error) = self.images.save(&point, now_ms, |out| view.write_image(&point, out)) {
            tracing::warn!(%error, "the image of what is served could not be kept; the next start takes longer");
        }
        let pause_ms = (self.now_ms().saturating_sub(now_ms) * PAUSE_TIMES).max(PAUSE_MS_MIN);
        self.images.state.lock().unwrap_or_else(PoisonError::into_inner).pause_until_ms = now_ms + pause_ms;
    }
}
