//! What must hold for every file that is said to be metadata: the body of a fuzz target, replayed by the tests.

use crate::charter::trust::document::{Document, Kind};
use crate::charter::trust::root::Root;
use crate::charter::trust::snapshot::{Snapshot, Timestamp};
use crate::charter::trust::targets::Targets;
use crate::charter::trust::update::{Kept, Update};

/// When it is, Unix seconds: runs are the same each time.
const NOW_S: u64 = 1_800_000_000;

/// What the input turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It cannot be read.
    Unreadable,
    /// It can be read, and says nothing that can be used.
    Refused,
    /// It is metadata.
    Read(Kind),
}

/// Reads bytes as metadata; says what they are, or which rule their reading breaks.
pub fn metadata(bytes: &[u8]) -> Result<Verdict, &'static str> {
    let rule = |holds: bool, broken| if holds { Ok(()) } else { Err(broken) };
    let begun = Update::begin(bytes, Kept::default(), NOW_S);
    let Ok(document) = Document::read(bytes, "input") else {
        rule(begun.is_err(), "an update begins from what cannot be read")?;
        return Ok(Verdict::Unreadable);
    };
    let again = Document::read(&document.write(), "input").map_err(|_| "what was written cannot be read")?;
    rule(again.digest() == document.digest(), "writing changes what is signed")?;
    rule(again.write() == document.write(), "it is written in two ways")?;
    rule(document.says_the_same(&again), "it does not say what it says")?;
    let (version, expires_s) = (document.version, document.expires_s);
    let typed = match document.kind {
        Kind::Root => Root::of(&document, "input").map(|root| {
            let written = root.write(version, expires_s);
            Root::of(&written, "input").is_ok_and(|again| again == root)
        }),
        Kind::Timestamp => Timestamp::of(&document, "input").map(|timestamp| {
            let written = timestamp.write(version, expires_s);
            Timestamp::of(&written, "input").is_ok_and(|again| again == timestamp)
        }),
        Kind::Snapshot => Snapshot::of(&document, "input").map(|snapshot| {
            let written = snapshot.write(version, expires_s);
            Snapshot::of(&written, "input").is_ok_and(|again| again == snapshot)
        }),
        Kind::Targets => Targets::of(&document, "input").map(|targets| {
            let written = targets.write(version, expires_s);
            Targets::of(&written, "input").is_ok_and(|again| again.files == targets.files)
        }),
    };
    rule(begun.is_err() || document.kind == Kind::Root, "an update begins from what is no root")?;
    match typed {
        Err(_) => Ok(Verdict::Refused),
        Ok(same) => rule(same, "what was read is not what is written").map(|()| Verdict::Read(document.kind)),
    }
}
