//! What is remembered of deposits: the last ones, the pages of the last full one, and the last drill.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::charter::Policy;
use crate::cli::report::Failure;

/// Files in the folder of the ledger.
const FILE: &str = "escrow.json";
const PAGES: &str = "escrow.pages";
/// The octets that the difference is made of; what the ledger's pages are too.
pub(super) const PAGE: usize = 4096;
const DAY_S: u64 = 86_400;
/// A month of the charter, for drills.
const MONTH_S: u64 = 30 * DAY_S;

/// Whether a deposit stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Kind {
    /// It does.
    Full,
    /// It has what is different from the last full one, and rests on that alone.
    Diff,
}

impl Kind {
    /// The word in headers and names of files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Diff => "DIFF",
        }
    }
}

/// A deposit that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deposit {
    /// Counts all deposits of this installation.
    pub(crate) seq: u64,
    /// Which.
    pub(crate) kind: Kind,
    /// The moment that it holds, Unix seconds.
    pub(crate) watermark_s: u64,
    /// The name of its file.
    pub(crate) file: String,
    /// The SHA-256 of its file, in hexadecimal digits.
    pub(crate) sha256: String,
    /// The SHA-256 of the manifest in it.
    pub(crate) manifest: String,
}

/// A drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drill {
    /// When, Unix seconds.
    pub(crate) at_s: u64,
    /// Whether it passed.
    pub(crate) passed: bool,
    /// The moment that was restored, Unix seconds; 0 if none was.
    pub(crate) watermark_s: u64,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// The last full deposit.
    pub(crate) full: Option<Deposit>,
    /// The last differential one, if it came after the full one.
    pub(crate) diff: Option<Deposit>,
    /// The last drill.
    pub(crate) drill: Option<Drill>,
}

impl State {
    /// As it is in the folder of a ledger.
    pub(crate) fn read(data: &Path) -> Result<Self, Failure> {
        let path = data.join(FILE);
        match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(Failure::new(format!("{}: {e}", path.display()))),
            Ok(text) => serde_json::from_slice(&text).map_err(|e| {
                Failure::new(format!("{}: {e}. Move it away; then a full deposit comes next", path.display()))
            }),
        }
    }

    pub(super) fn write(&self, data: &Path) -> Result<(), Failure> {
        replaced(data, FILE, |out| Ok(serde_json::to_writer(out, self)?))
    }

    /// The last deposit.
    pub(crate) fn last(&self) -> Option<&Deposit> {
        self.diff.as_ref().or(self.full.as_ref())
    }

    /// The deposit that comes next, and when it is due by the charter (10.2), Unix seconds.
    pub(crate) fn next(&self, policy: &Policy) -> (Kind, u64) {
        let (Some(full), Some(last)) = (&self.full, self.last()) else { return (Kind::Full, 0) };
        let full_s = full.watermark_s + policy.escrow_full_d * DAY_S;
        let diff_s = last.watermark_s + policy.escrow_diff_d * DAY_S;
        if full_s <= diff_s { (Kind::Full, full_s) } else { (Kind::Diff, diff_s) }
    }

    /// When the next drill is due, Unix seconds: a period after the last one that passed, or after the first deposit that is known.
    pub(crate) fn drill_due_s(&self, policy: &Policy) -> Option<u64> {
        let passed = self.drill.as_ref().filter(|drill| drill.passed).map(|drill| drill.at_s);
        let from_s = passed.or(self.full.as_ref().map(|full| full.watermark_s))?;
        Some(from_s + policy.escrow_drill_months * MONTH_S)
    }
}

/// The digests of the pages of a file, in their order.
pub(super) fn pages_of(path: &Path) -> Result<Vec<[u8; 32]>, Failure> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let (mut page, mut digests) = (vec![0; PAGE], Vec::new());
    loop {
        match file.read_exact(&mut page) {
            Ok(()) => digests.push(digest(&page)),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(digests), // a ledger is whole pages
            Err(e) => return Err(e.into()),
        }
    }
}

pub(super) fn digest(octets: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, octets);
    digest.as_ref().try_into().expect("SHA-256 has 32 octets")
}

/// The pages of the last full deposit, which must be the one with this manifest.
pub(super) fn read_pages(data: &Path, manifest: &str) -> Result<Vec<[u8; 32]>, Failure> {
    let path = data.join(PAGES);
    let stale = || Failure::new(format!("{} is not of the last full deposit: make a full one", path.display()));
    let octets = fs::read(&path).map_err(|e| Failure::new(format!("{}: {e}; make a full one", path.display())))?;
    let (head, pages) = octets.split_at_checked(manifest.len()).ok_or_else(stale)?;
    if head != manifest.as_bytes() || pages.len() % 32 != 0 {
        return Err(stale());
    }
    Ok(pages.as_chunks().0.to_vec())
}

pub(super) fn write_pages(data: &Path, manifest: &str, pages: &[[u8; 32]]) -> Result<(), Failure> {
    replaced(data, PAGES, |out| {
        out.write_all(manifest.as_bytes())?;
        pages.iter().try_for_each(|page| out.write_all(page)).map_err(Failure::from)
    })
}

fn replaced(data: &Path, name: &str, write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> Result<(), Failure> {
    let partial = data.join(format!("{name}.partial"));
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    fs::rename(&partial, data.join(name))?;
    Ok(File::open(data)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_follows_the_charter() {
        let policy = Policy::parse(crate::charter::POLICY_TEXT).unwrap();
        assert_eq!((policy.escrow_full_d, policy.escrow_diff_d, policy.escrow_drill_months), (7, 1, 3));
        let deposit = |kind, day: u64| Deposit {
            seq: 1,
            kind,
            watermark_s: day * DAY_S,
            file: String::new(),
            sha256: String::new(),
            manifest: String::new(),
        };
        let mut state = State::default();
        assert_eq!((state.next(&policy), state.drill_due_s(&policy)), ((Kind::Full, 0), None));
        state.full = Some(deposit(Kind::Full, 100));
        assert_eq!(state.next(&policy), (Kind::Diff, 101 * DAY_S));
        assert_eq!(state.drill_due_s(&policy), Some(190 * DAY_S));
        state.diff = Some(deposit(Kind::Diff, 105));
        assert_eq!(state.next(&policy), (Kind::Diff, 106 * DAY_S));
        state.diff = Some(deposit(Kind::Diff, 106));
        assert_eq!(state.next(&policy), (Kind::Full, 107 * DAY_S), "both are due: the full one");
        state.drill = Some(Drill { at_s: 110 * DAY_S, passed: false, watermark_s: 0 });
        assert_eq!(state.drill_due_s(&policy), Some(190 * DAY_S), "a drill that failed is none");
        state.drill = Some(Drill { at_s: 110 * DAY_S, passed: true, watermark_s: 0 });
        assert_eq!(state.drill_due_s(&policy), Some(200 * DAY_S));
    }
}
