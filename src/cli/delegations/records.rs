//! What is known of each child beside its delegation: when it was looked at, what was taken from it, what was refused.
//!
//! A small file a block, written by whoever has the right to change delegations.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::folder;
use crate::cli::report::Failure;
use crate::client::child::{Delete, Refusal, Rules, Verdict};
use crate::config::Config;
use crate::primary::disk::{self, Durable};
use crate::wire::Name;
use crate::zone::delegation;

/// The folder of these files inside that of requests.
const FOLDER: &str = "children";
/// DS sets that are remembered of one second of signing: a child changes its keys once a day at most.
const REPLACED_MAX: usize = 16;

/// What is known of one child. Times are Unix seconds, 0 for never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// When it was asked last.
    pub(crate) checked_s: u64,
    /// What came of it: `same`, `nothing`, `taken`, or why nothing was taken.
    pub(crate) found: String,
    /// The last change of its DS that it asked for.
    pub(crate) changed: Option<Changed>,
    /// The last time that nothing was taken although it asked, or might have.
    pub(crate) refused: Option<Refused>,
    /// From when on the newest CDS are signed that were taken, or found to be in place.
    inception_s: u64,
    /// DS sets that gave way to those of other keys signed at that second.
    replaced: Vec<Vec<String>>,
}

/// A change of a child's DS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) at_s: u64,
    /// The DS before and after, as in a master file.
    pub(crate) from: Vec<String>,
    pub(crate) to: Vec<String>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) at_s: u64,
    /// A stable word.
    pub(crate) code: String,
    /// What, why, and what to do.
    pub(crate) reason: String,
}

impl Known {
    /// The rules for what the child `name` asks for now.
    pub(crate) fn rules(&self, config: &Config, name: &Name) -> Rules {
        let set = |texts: &Vec<String>| {
            let mut rdatas: Vec<Vec<u8>> = texts.iter().filter_map(|text| delegation::ds(text, name).ok()).collect();
            rdatas.sort_unstable();
            rdatas
        };
        let delete = if config.delegation.accept_delete { Delete::Taken } else { Delete::Refused };
        Rules { delete, inception_s: self.inception_s, replaced: self.replaced.iter().map(set).collect() }
    }

    /// Notes that it was asked and nothing has to be done, or may be.
    pub(super) fn checked(&mut self, at_s: u64, verdict: &Result<Verdict, Refusal>) {
        match verdict {
            Ok(Verdict::Take { .. }) => {}
            Ok(Verdict::Nothing) => (self.checked_s, self.found) = (at_s, "nothing".to_owned()),
            Ok(Verdict::Same { inception_s }) => {
                (self.checked_s, self.found) = (at_s, "same".to_owned());
                self.signed_from(*inception_s);
            }
            Err(refusal) => self.refused(at_s, refusal.code(), refusal.to_string()),
        }
    }

    /// Notes that it was refused.
    pub(super) fn refused(&mut self, at_s: u64, code: &str, reason: String) {
        (self.checked_s, self.found) = (at_s, code.to_owned());
        self.refused = Some(Refused { at_s, code: code.to_owned(), reason });
    }

    /// Notes that its DS were changed.
    pub(super) fn took(&mut self, at_s: u64, from: Vec<String>, to: Vec<String>, inception_s: u64) {
        (self.checked_s, self.found) = (at_s, "taken".to_owned());
        self.signed_from(inception_s);
        if keys(&from) != keys(&to) && self.replaced.len() < REPLACED_MAX {
            self.replaced.push(from.clone());
        }
        self.changed = Some(Changed { at_s, from, to });
    }

    fn signed_from(&mut self, inception_s: u64) {
        if inception_s > self.inception_s {
            self.inception_s = inception_s;
            self.replaced.clear();
        }
    }
}

/// Tag and algorithm of each key that DS name.
fn keys(ds: &[String]) -> BTreeSet<Vec<&str>> {
    ds.iter().map(|text| text.split_whitespace().take(2).collect()).collect()
}

/// What is known of a block's child; nothing if it was never looked at. `block` is `+` and digits.
pub(crate) fn read(config: &Config, block: &str) -> Result<Known, Failure> {
    let path = path(config, block);
    let Some(octets) = disk::read(&path)? else { return Ok(Known::default()) };
    serde_json::from_slice(&octets).map_err(|error| {
        Failure::new(format!(
            "{}: {error}. Restore it from the backup, or remove it: then older CDS may be taken once",
            path.display()
        ))
    })
}

/// Keeps it; `durable` where it says what was taken.
pub(super) fn keep(config: &Config, block: &str, known: &Known, durable: Durable) -> Result<(), Failure> {
    disk::make_folder(&folder(config).join(FOLDER))?;
    let text = serde_json::to_vec(known)?;
    Ok(disk::replace(&path(config, block), durable, |out| out.write_all(&text))?)
}

/// Forgets a block that came back.
pub(super) fn forget(config: &Config, block: &str) {
    let _ = std::fs::remove_file(path(config, block)); // there may be none
}

fn path(config: &Config, block: &str) -> PathBuf {
    folder(config).join(FOLDER).join(format!("{block}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gave_way_in_the_same_second_is_remembered_until_a_later_one() {
        let config = Config::new("e164.example", "directory.example");
        let name = Name::from_text("3.3.e164.example.").unwrap();
        let ds = |tag: u16| vec![format!("{tag} 13 2 {}", "AB".repeat(32))];
        let mut known = Known::default();
        known.took(100, ds(1), ds(2), 50);
        known.took(200, ds(2), ds(3), 50);
        known.took(250, [ds(3), ds(3)].concat(), ds(3), 50);
        let rules = known.rules(&config, &name);
        assert_eq!((rules.inception_s, rules.replaced.len(), rules.delete), (50, 2, Delete::Refused));
        assert_eq!(rules.replaced[1][0][..4], [0, 2, 13, 2]);
        known.checked(300, &Ok(Verdict::Same { inception_s: 50 }));
        assert_eq!(known.rules(&config, &name), rules, "nothing new");
        known.checked(400, &Ok(Verdict::Same { inception_s: 40 }));
        assert_eq!(known.rules(&config, &name), rules, "nor older");
        known.checked(500, &Ok(Verdict::Same { inception_s: 60 }));
        assert_eq!((known.rules(&config, &name).inception_s, known.replaced.len()), (60, 0));
        known.checked(600, &Err(Refusal::DeleteNotAllowed));
        assert_eq!((known.checked_s, known.found.as_str()), (600, "delete_not_allowed"));
        assert!(known.refused.is_some_and(|refused| refused.reason.contains("accept_delete")));
        assert_eq!(known.changed.map(|changed| (changed.at_s, changed.to)), Some((250, ds(3))));
    }
}
