//! The control keys that a provider keeps for numbers whose holders have no device: one file, one line a number, mode 0600.
//!
//! Each number has a random key of its own (clause 2.6 of the charter). Lines are only ever added, and are on the disk
//! before anything is submitted with their key; of a line that was cut off while it was written, nothing was submitted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use zeroize::Zeroizing;

use crate::cli::report::Failure;
use crate::client::holder::{from_text, to_text};
use crate::log::key::{Algorithm, SigningKey};
use crate::number::Number;

/// The file in the provider's folder.
pub(crate) const FILE_NAME: &str = "held.keys";
/// The longest line: a number, a blank, a key.
const LINE_OCTETS_MAX: u64 = 256;

/// The keys, open for more. One process at a time.
pub(crate) struct HeldKeys {
    file: File,
    path: PathBuf,
    keys: HashMap<u64, Zeroizing<String>>,
}

impl HeldKeys {
    /// Opens the file in `folder`, made if missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE_NAME);
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        file.try_lock().map_err(|_| {
            Failure::new(format!(
                "{} is in use: another import works with this folder; wait for its end",
                path.display()
            ))
        })?;
        closed_to_others(&file, &path)?;
        let (keys, whole) = read(&file, &path)?;
        file.set_len(whole)?; // a line that was cut off
        Ok(Self { file, path, keys })
    }

    /// The key of each number, new ones where there are none: durable when this returns.
    pub(crate) fn of(&mut self, numbers: &[Number]) -> Result<Vec<SigningKey>, Failure> {
        let (random, mut lines) = (SystemRandom::new(), Zeroizing::new(String::new()));
        for number in numbers {
            if let Entry::Vacant(place) = self.keys.entry(number.as_u64()) {
                let text = to_text(&SigningKey::generate(Algorithm::Ed25519, &random)?);
                *lines += &Zeroizing::new(format!("{number} {}\n", *text));
                place.insert(text);
            }
        }
        if !lines.is_empty() {
            self.file.write_all(lines.as_bytes())?;
            self.file.sync_all()?;
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        }
        let key = |number: &Number| self.keys.get(&number.as_u64()).map_or("", |text| text.as_str());
        numbers.iter().map(|number| Ok(from_text(key(number))?)).collect()
    }
}

/// The key that a provider keeps for a number, if it keeps one.
pub(crate) fn find(folder: &Path, number: Number) -> Result<Option<SigningKey>, Failure> {
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let file = File::open(&path)?;
    closed_to_others(&file, &path)?;
    let (mut keys, _) = read(&file, &path)?;
    Ok(keys.remove(&number.as_u64()).map(|text| from_text(&text)).transpose()?)
}

/// Every key, and how many octets of whole lines there are.
fn read(file: &File, path: &Path) -> Result<(HashMap<u64, Zeroizing<String>>, u64), Failure> {
    let (mut input, mut keys, mut whole, mut count) = (BufReader::new(file), HashMap::new(), 0, 0);
    loop {
        let mut line = Zeroizing::new(String::with_capacity(LINE_OCTETS_MAX as usize));
        let octets = (&mut input).take(LINE_OCTETS_MAX).read_line(&mut line)?;
        if !line.ends_with('\n') && octets < LINE_OCTETS_MAX as usize {
            return Ok((keys, whole));
        }
        count += 1;
        let parts = line.strip_suffix('\n').and_then(|line| line.split_once(' '));
        let number = parts.and_then(|(number, _)| Number::parse(number).ok());
        let (Some((_, key)), Some(number)) = (parts, number) else {
            let why = format!("{}: line {count} is no number and its key: restore it from the backup", path.display());
            return Err(Failure::new(why));
        };
        // The first line of a number counts: a later one was never used.
        keys.entry(number.as_u64()).or_insert_with(|| Zeroizing::new(key.to_owned()));
        whole += octets as u64;
    }
}

fn closed_to_others(file: &File, path: &Path) -> Result<(), Failure> {
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::new(format!("{0} is open to other users; close it with: chmod 600 {0}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn numbers(last: u64) -> Vec<Number> {
        (0..=last).map(|i| Number::from_u64(999_000_000 + i).unwrap()).collect()
    }

    #[test]
    fn keys_stay_and_each_number_has_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let public = |keys: Vec<SigningKey>| keys.iter().map(|key| key.public().thumbprint()).collect::<Vec<_>>();
        let first = public(HeldKeys::open(dir.path()).unwrap().of(&numbers(3)).unwrap());
        let path = dir.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Cut off in the middle of a line: that line goes, its number gets another key.
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        let mut held = HeldKeys::open(dir.path()).unwrap();
        let again = public(held.of(&numbers(5)).unwrap());
        assert_eq!(again[..3], first[..3]);
        assert!(again[3] != first[3] && again.iter().collect::<std::collections::HashSet<_>>().len() == 6);
        assert!(HeldKeys::open(dir.path()).err().unwrap().to_string().contains("in use"));
        drop(held);
        let found = find(dir.path(), numbers(5)[4]).unwrap().unwrap();
        assert_eq!(found.public().thumbprint(), again[4]);
        assert!(find(dir.path(), Number::from_u64(999_000_099).unwrap()).unwrap().is_none());
    }

    #[test]
    fn open_and_broken_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        HeldKeys::open(dir.path()).unwrap().of(&numbers(1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(HeldKeys::open(dir.path()).err().unwrap().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("rubbish\n{text}")).unwrap();
        assert!(HeldKeys::open(dir.path()).err().unwrap().to_string().contains("line 1"));
    }
}
