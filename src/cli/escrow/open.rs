//! `escrow open|drill`: the agent's side, deposits back to a backup, and whether that can be restored.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::cli::backup::{FILES_MAX, MANIFEST, TempFolder, copied, folder, is_inside, ledger, sha256_hex};
use crate::cli::escrow::deposit::{FORM, HEADER, Header, PAGES};
use crate::cli::escrow::state::{Kind, PAGE};
use crate::cli::escrow::tar;
use crate::cli::report::Failure;
use crate::seal::age::{Decryptor, Identity};

/// A header has some hundred octets.
const HEADER_OCTETS_MAX: u64 = 64 * 1024;

/// Turns a full deposit, and a differential one that rests on it, into a backup in the folder `to`, which must not be there.
/// What is in it was not proven good: that is the work of `backup verify`, or of a drill.
pub(super) fn open(full: &Path, diff: Option<&Path>, identity: &Identity, to: &Path) -> Result<Header, Failure> {
    let above = to.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let work = TempFolder::create(above)?;
    let whole = work.path.join("full");
    let header = taken_out(full, Kind::Full, identity, &whole, &mut |_, _| {
        Err(Failure::new("a full deposit has pages of a difference"))
    })?;
    let Some(diff) = diff else {
        fs::rename(whole, to)?;
        return Ok(header);
    };
    let base = sha256_hex(&fs::read(whole.join(MANIFEST))?);
    // Texts are in both, and those of the difference count; of the full one only the ledger is needed.
    folder(to.join(ledger()).parent().unwrap_or(to))?;
    fs::rename(whole.join(ledger()), to.join(ledger()))?;
    let mut has_pages = false;
    let header = taken_out(diff, Kind::Diff, identity, to, &mut |header, content| {
        if header.base_manifest.as_deref() != Some(&base) {
            let on = header.prev_id.clone().unwrap_or_default();
            return Err(Failure::new(format!(
                "it rests on the full deposit {on}, and the one that was named is another"
            )));
        }
        has_pages = true;
        patched(&to.join(ledger()), header.ledger_pages, content)
    })?;
    match has_pages {
        true => Ok(header),
        false => Err(Failure::new("the differential deposit has no pages of the ledger")),
    }
}

/// Takes the files out of a deposit; `pages` is handed those of a difference.
fn taken_out(
    path: &Path,
    kind: Kind,
    identity: &Identity,
    to: &Path,
    pages: &mut dyn FnMut(&Header, &mut dyn Read) -> Result<(), Failure>,
) -> Result<Header, Failure> {
    let at = |why: Failure| Failure::new(format!("{}: {why}", path.display()));
    let file = File::open(path).map_err(|e| at(e.into()))?;
    let input = Decryptor::new(BufReader::with_capacity(1 << 18, file), identity).map_err(|e| at(e.into()))?;
    unpacked(tar::Reader::new(input), kind, to, pages).map_err(at)
}

fn unpacked<R: Read>(
    mut archive: tar::Reader<R>,
    kind: Kind,
    to: &Path,
    pages: &mut dyn FnMut(&Header, &mut dyn Read) -> Result<(), Failure>,
) -> Result<Header, Failure> {
    let first = archive.next()?.filter(|(name, size)| name == HEADER && *size <= HEADER_OCTETS_MAX);
    let (_, size) = first.ok_or_else(|| Failure::new("it does not begin with a header: it is no deposit"))?;
    let mut text = Vec::new();
    archive.content(size, |content| Ok(content.read_to_end(&mut text)?))?;
    let header: Header = serde_json::from_slice(&text)?;
    if header.format != FORM {
        return Err(Failure::new(format!("it is {}, and this program reads {FORM}", header.format)));
    }
    if header.kind != kind {
        return Err(Failure::new(format!("it is a deposit of type {}, not {}", header.kind.as_str(), kind.as_str())));
    }
    let mut seen = HashSet::new();
    while let Some((name, size)) = archive.next()? {
        if !is_inside(&name) || !seen.insert(name.clone()) || seen.len() > FILES_MAX + 2 {
            return Err(Failure::new(format!("the file {name:?} has no place in a deposit")));
        }
        archive.content(size, |content| match name == PAGES {
            true => pages(&header, content),
            false => copied(content, to, &name).map(drop),
        })?;
    }
    Ok(header)
}

/// Puts other pages into a ledger, which then has so many.
fn patched(path: &Path, count: u64, content: &mut dyn Read) -> Result<(), Failure> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.set_len(count.checked_mul(PAGE as u64).ok_or_else(|| Failure::new("it says an impossible size"))?)?;
    let (mut number, mut page) = ([0; 8], vec![0; PAGE]);
    loop {
        match content.read(&mut number[..1])? {
            0 => break,
            _ => content.read_exact(&mut number[1..])?,
        }
        content.read_exact(&mut page)?;
        let at = u64::from_be_bytes(number);
        if at >= count {
            return Err(Failure::new("a page of the difference lies outside of the ledger"));
        }
        file.seek(SeekFrom::Start(at * PAGE as u64))?;
        file.write_all(&page)?;
    }
    Ok(file.sync_all()?)
}

/// A file with the agent's private key, for its owner alone.
pub(super) fn identity(path: &Path) -> Result<Identity, Failure> {
    use std::os::unix::fs::MetadataExt;
    let at = |why: String| Failure::new(format!("{}: {why}", path.display()));
    let mode = fs::metadata(path).map_err(|e| at(e.to_string()))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(at(format!("it is open to others (mode {mode:o}): run `chmod 600` on it")));
    }
    let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(|e| at(e.to_string()))?);
    Identity::parse(&text).map_err(|e| at(e.to_string()))
}

/// Makes a private key in a new file; gives the public one.
pub(super) fn keygen(path: &Path) -> Result<String, Failure> {
    let identity = Identity::generate()?;
    let public = identity.recipient().to_string();
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    let text = zeroize::Zeroizing::new(format!("# public key: {public}\n{}\n", *identity.to_text()));
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(public)
}
