//! What an import leaves behind: its progress, by which a later run goes on, and the report, one JSON object a line.
//!
//! Both hold numbers: mode 0600, and nothing of them goes anywhere else.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::report::Failure;
use crate::number::Number;

/// The longest line of progress.
const LINE_OCTETS_MAX: u64 = 512;

/// The numbers that are registered, on the disk as they come.
pub(super) struct Progress {
    file: File,
    done: HashMap<u64, String>,
}

/// One line of progress.
#[derive(Serialize, Deserialize)]
struct Done {
    number: String,
    event: String,
}

impl Progress {
    /// Opens the progress of the report at `report`, made if missing; what was cut off while it was written is forgotten.
    pub(super) fn open(report: &Path) -> Result<Self, Failure> {
        let path = beside(report, "progress");
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let file = file.map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        let (mut done, mut whole, mut input) = (HashMap::new(), 0, BufReader::new(&file));
        loop {
            let mut line = String::new();
            let octets = (&mut input).take(LINE_OCTETS_MAX).read_line(&mut line)?;
            if !line.ends_with('\n') {
                break;
            }
            let number =
                serde_json::from_str(&line).ok().and_then(|d: Done| Some((Number::parse(&d.number).ok()?, d.event)));
            let (number, event) = number.ok_or_else(|| {
                Failure::new(format!(
                    "{} is not the progress of an import: move it away, or name another report",
                    path.display()
                ))
            })?;
            done.insert(number.as_u64(), event);
            whole += octets as u64;
        }
        file.set_len(whole)?;
        Ok(Self { file, done })
    }

    /// The receipt of a number that an earlier run registered.
    pub(super) fn event(&self, number: Number) -> Option<&str> {
        self.done.get(&number.as_u64()).map(String::as_str)
    }

    /// Keeps that a number is registered. A line that is lost in a crash costs a question to the directory, not a second
    /// registration, so it is not awaited.
    pub(super) fn keep(&mut self, number: Number, event: &str) -> io::Result<()> {
        let done = Done { number: number.to_string(), event: event.to_owned() };
        self.file.write_all((serde_json::to_string(&done)? + "\n").as_bytes())
    }

    /// Everything that was kept is on the disk when this returns.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// The report, whole or as it was before.
pub(super) struct ReportFile {
    out: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
}

impl ReportFile {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let partial = beside(path, "partial");
        let _ = fs::remove_file(&partial); // left by a run that was cut off
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
        let file = file.map_err(|e| Failure::new(format!("cannot write {}: {e}", partial.display())))?;
        Ok(Self { out: BufWriter::new(file), partial, path: path.to_owned() })
    }

    pub(super) fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }

    /// Puts it in place.
    pub(super) fn finish(self) -> io::Result<()> {
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_survives_being_cut_off_and_other_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("report");
        let number = |i: u64| Number::from_u64(999_000_000 + i).unwrap();
        let mut progress = Progress::open(&report).unwrap();
        progress.keep(number(1), "aa").unwrap();
        progress.keep(number(2), "bb").unwrap();
        progress.sync().unwrap();
        let path = dir.path().join("report.progress");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 3]).unwrap();
        let mut progress = Progress::open(&report).unwrap();
        assert_eq!((progress.event(number(1)), progress.event(number(2))), (Some("aa"), None));
        progress.keep(number(3), "cc").unwrap();
        assert_eq!(Progress::open(&report).unwrap().event(number(3)), Some("cc"));
        fs::write(&path, "something else\n").unwrap();
        assert!(Progress::open(&report).err().unwrap().to_string().contains("not the progress"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "something else\n");
    }
}
