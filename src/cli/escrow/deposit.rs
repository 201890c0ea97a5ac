//! `escrow deposit`: the installation's snapshot, or what is different in it, encrypted to the agent.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::backup::{MANIFEST, Manifest, folder, ledger, snapshot};
use crate::cli::escrow::state::{Deposit, Kind, PAGE, State, pages_of, read_pages, write_pages};
use crate::cli::escrow::tar;
use crate::cli::report::Failure;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::seal::age::{Encryptor, Recipient};

/// The form that is written and read.
pub(super) const FORM: &str = "callbook/escrow/v1";
/// The first file of a deposit.
pub(super) const HEADER: &str = "header.json";
/// The ledger's pages that are different, each behind its number in eight octets.
pub(super) const PAGES: &str = "ledger.pages";
const LOCK: &str = "escrow.lock";

/// What a deposit says of itself, in the words of RFC 8909.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) format: String,
    /// Unique among the directory's.
    pub(super) id: String,
    /// The id of the full deposit that a differential one rests on.
    pub(super) prev_id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// How often a deposit of this id was made anew: never, the next one has another id.
    pub(super) resend: u64,
    /// The moment that it holds.
    pub(super) watermark: String,
    pub(super) apex: String,
    /// The digest of the manifest of the full deposit that it rests on.
    pub(super) base_manifest: Option<String>,
    /// How many pages the ledger has; 0 in a full deposit.
    pub(super) ledger_pages: u64,
    /// How many of what: for the agent, who need not open the ledger to see whether a deposit is plausible.
    pub(super) counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counts {
    pub(super) numbers: u64,
    pub(super) events: u64,
    pub(super) map_leaves: u64,
    pub(super) gov_leaves: u64,
    pub(super) files: u64,
}

/// Makes a deposit in the folder of the configuration, also of an installation that works.
pub(crate) fn make(dir: &Path, config: &Config, kind: Kind) -> Result<Deposit, Failure> {
    if config.escrow.recipient.is_empty() {
        return Err(Failure::new(
            "escrow.recipient in config.toml names no agent: put the agent's public key there, age1…",
        ));
    }
    let recipient = Recipient::parse(&config.escrow.recipient)?;
    let data = &config.paths.data;
    let _alone = alone(data)?;
    let mut state = State::read(data)?;
    let base = match (kind, &state.full) {
        (Kind::Full, _) => None,
        (Kind::Diff, Some(full)) => Some((full.clone(), read_pages(data, &full.manifest)?)),
        (Kind::Diff, None) => return Err(Failure::new("a full deposit comes first: --full")),
    };
    let place = Place::create(data)?;
    let (manifest, digest) = snapshot(&place.0, dir, config)?;
    let pages = pages_of(&place.0.join(ledger()))?;
    let seq = state.last().map_or(1, |last| last.seq + 1);
    let header = header(&manifest, seq, kind, base.as_ref().map(|(full, _)| full), pages.len());
    let into = config.escrow.folder_of(dir);
    folder(&into)?;
    let file = file_name(&header, seq);
    let out = into.join(&file);
    if out.exists() {
        return Err(Failure::new(format!("{} is there already, and no deposit replaces another", out.display())));
    }
    let partial = into.join(format!("{file}.partial"));
    let sha256 = written(
        &partial,
        &recipient,
        &place.0,
        &manifest,
        &header,
        base.as_ref().map(|(_, old)| (&old[..], &pages[..])),
    )
    .inspect_err(|_| {
        let _ = fs::remove_file(&partial); // the reason is told
    })?;
    fs::rename(&partial, &out)?;
    File::open(&into)?.sync_all()?;
    let deposit = Deposit { seq, kind, watermark_s: manifest.made_s, file, sha256, manifest: digest };
    match kind {
        Kind::Full => {
            write_pages(data, &deposit.manifest, &pages)?;
            state = State { full: Some(deposit.clone()), diff: None, ..state };
        }
        Kind::Diff => state.diff = Some(deposit.clone()),
    }
    state.write(data)?;
    Ok(deposit)
}

fn header(manifest: &Manifest, seq: u64, kind: Kind, full: Option<&Deposit>, pages: usize) -> Header {
    let heads = &manifest.heads;
    let id = |kind: Kind, seq: u64| format!("{}{}-{seq}", manifest.apex, kind.as_str());
    Header {
        format: FORM.to_owned(),
        id: id(kind, seq),
        prev_id: full.map(|full| id(full.kind, full.seq)),
        kind,
        resend: 0,
        watermark: rfc3339(manifest.made_s),
        apex: manifest.apex.clone(),
        base_manifest: full.map(|full| full.manifest.clone()),
        ledger_pages: if kind == Kind::Diff { pages as u64 } else { 0 },
        counts: Counts {
            numbers: heads.numbers,
            events: heads.events,
            map_leaves: heads.map.0,
            gov_leaves: heads.gov.0,
            files: manifest.files.len() as u64,
        },
    }
}

/// `e164.example_2026-11-28_FULL_S1.age`
fn file_name(header: &Header, seq: u64) -> String {
    let day = header.watermark.split('T').next().unwrap_or_default();
    format!("{}_{day}_{}_S{seq}.age", header.apex.trim_end_matches('.'), header.kind.as_str())
}

/// The digests of the pages of the last full deposit, and of the ledger now.
type Difference<'p> = (&'p [[u8; 32]], &'p [[u8; 32]]);

/// Writes the deposit, durably; gives the digest of what was written.
fn written(
    partial: &Path,
    recipient: &Recipient,
    from: &Path,
    manifest: &Manifest,
    header: &Header,
    difference: Option<Difference<'_>>,
) -> Result<String, Failure> {
    let _ = fs::remove_file(partial); // left by a run that was cut off
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    let out = Digested {
        out: BufWriter::with_capacity(1 << 18, file),
        digest: ring::digest::Context::new(&ring::digest::SHA256),
    };
    let mut archive = tar::Writer::new(Encryptor::new(out, recipient)?, manifest.made_s);
    let text = serde_json::to_vec_pretty(header)?;
    archive.file(HEADER, text.len() as u64, &text[..])?;
    let open = |name: &str| -> Result<(u64, File), Failure> {
        let file = File::open(from.join(name))?;
        Ok((file.metadata()?.len(), file))
    };
    let (size, file) = open(MANIFEST)?;
    archive.file(MANIFEST, size, file)?;
    for entry in &manifest.files {
        let is_ledger = entry.name == ledger();
        let (size, mut file) = open(&entry.name)?;
        match difference.filter(|_| is_ledger) {
            None => archive.file(&entry.name, size, file)?,
            Some((old, new)) => {
                let differ: Vec<usize> = (0..new.len()).filter(|at| old.get(*at) != new.get(*at)).collect();
                let size = (differ.len() * (8 + PAGE)) as u64;
                archive.file(
                    PAGES,
                    size,
                    Pages { file: &mut file, left: differ.into_iter(), held: Vec::new(), at: 0 },
                )?;
            }
        }
    }
    let digested = archive.finish()?.finish()?;
    let file = digested.out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(data_encoding::HEXLOWER.encode(digested.digest.finish().as_ref()))
}

/// Reads the pages that are different, each behind its number.
struct Pages<'a> {
    file: &'a mut File,
    left: std::vec::IntoIter<usize>,
    held: Vec<u8>,
    at: usize,
}

impl Read for Pages<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.held.len() {
            let Some(page) = self.left.next() else { return Ok(0) };
            self.held.clear();
            self.held.extend_from_slice(&(page as u64).to_be_bytes());
            self.held.resize(8 + PAGE, 0);
            self.file.seek(SeekFrom::Start((page * PAGE) as u64))?;
            self.file.read_exact(&mut self.held[8..])?;
            self.at = 0;
        }
        let given = to.len().min(self.held.len() - self.at);
        to[..given].copy_from_slice(&self.held[self.at..self.at + given]);
        self.at += given;
        Ok(given)
    }
}

/// What is written, and the digest of it.
struct Digested<W: Write> {
    out: W,
    digest: ring::digest::Context,
}

impl<W: Write> Write for Digested<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.out.write(octets)?;
        self.digest.update(&octets[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// One deposit at a time: two would be differences from each other.
fn alone(data: &Path) -> Result<File, Failure> {
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(data.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::new("another deposit is being made: wait for it")),
        Err(TryLockError::Error(e)) => Err(e.into()),
    }
}

/// Where the snapshot lies while a deposit is made of it.
struct Place(PathBuf);

impl Place {
    fn create(data: &Path) -> Result<Self, Failure> {
        let path = data.join("escrow.snapshot.partial");
        if path.is_dir() {
            fs::remove_dir_all(&path)?; // left by a run that was cut off
        }
        folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // the next deposit clears it away
    }
}
