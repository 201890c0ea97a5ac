//! python-tuf and our verifier judge the same trust repositories: what one refuses, the other refuses.

mod mutated;
mod ours;
pub(crate) mod repository;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use callbook::charter::trust::{Kept, Untrusted, Update, Wanted};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::peers;

/// The targets that both are asked for.
pub(crate) const ASKED: [&str; 5] =
    ["charter.md", "policy.toml", "providers/register.json", "brake/suspended.json", "nothing.txt"];

/// One state of a repository, as a client meets it.
pub(crate) struct Step {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) now_s: u64,
}

/// What a client says of a step: whether the roles at the top are believed, and of each target its digest, `none`, or `refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) ok: bool,
    pub(crate) targets: BTreeMap<String, String>,
    pub(crate) why: String,
}

impl Verdict {
    /// The same without words.
    pub(crate) fn bare(&self) -> (bool, &BTreeMap<String, String>) {
        (self.ok, &self.targets)
    }
}

/// Steps of one client, written where both judges find them.
pub(crate) struct Scenario {
    pub(crate) name: String,
    root: PathBuf,
    steps: Vec<(PathBuf, u64)>,
}

impl Scenario {
    /// Writes the steps below `dir`; the pinned root is the first step's `1.root.json`.
    pub(crate) fn write(dir: &Path, name: &str, steps: &[Step]) -> Self {
        let pinned = steps.first().and_then(|step| step.files.get("1.root.json")).cloned().unwrap_or_default();
        Self::pinned(dir, name, &pinned, steps)
    }

    /// The same with another pinned root.
    pub(crate) fn pinned(dir: &Path, name: &str, pinned: &[u8], steps: &[Step]) -> Self {
        let folder = dir.join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let write = |(i, step): (usize, &Step)| {
            let at = folder.join(i.to_string());
            repository::write(&at, &step.files);
            (at, step.now_s)
        };
        let steps = steps.iter().enumerate().map(write).collect();
        let root = folder.join("pinned.json");
        fs::write(&root, pinned).expect("a file");
        Self { name: name.to_owned(), root, steps }
    }

    fn as_json(&self) -> Value {
        let step = |(dir, now_s): &(PathBuf, u64)| json!({"dir": dir, "now": now_s, "ask": ASKED});
        json!({"name": self.name, "root": self.root, "steps": self.steps.iter().map(step).collect::<Vec<_>>()})
    }

    /// What our verifier says.
    pub(crate) fn ours(&self) -> Vec<Verdict> {
        let pinned = fs::read(&self.root).expect("the pinned root");
        let mut kept = Kept::default();
        self.steps.iter().map(|(dir, now_s)| ours(&pinned, &mut kept, dir, *now_s)).collect()
    }
}

fn fetch(dir: &Path, wanted: &Wanted) -> Result<Option<Vec<u8>>, Untrusted> {
    Ok(fs::read(dir.join(&wanted.file)).ok())
}

/// One step of our verifier, with what it keeps.
fn ours(pinned: &[u8], kept: &mut Kept, dir: &Path, now_s: u64) -> Verdict {
    let refused = |no: &Untrusted| Verdict { ok: false, targets: BTreeMap::new(), why: no.to_string() };
    let mut update = match Update::begin(pinned, kept.clone(), now_s) {
        Ok(update) => update,
        Err(no) => return refused(&no),
    };
    let walked = update.run(|wanted| fetch(dir, wanted));
    *kept = update.kept().clone();
    if let Err(no) = walked {
        return refused(&no);
    }
    let judge = |path: &str| match update.target(path) {
        Ok(None) => "none".to_owned(),
        Err(_) => "refused".to_owned(),
        Ok(Some((wanted, info))) => match fetch(dir, &wanted).ok().flatten() {
            Some(bytes) if info.check(&bytes, path).is_ok() => HEXLOWER.encode(&callbook::log::sha256(&[&bytes])),
            _ => "refused".to_owned(),
        },
    };
    let targets = ASKED.iter().map(|path| ((*path).to_owned(), judge(path))).collect();
    Verdict { ok: true, targets, why: String::new() }
}

/// Python with python-tuf, and the script.
pub(crate) fn python() -> Option<Command> {
    peers::pypi_python_with("cryptography")?;
    let mut command = Command::new(peers::pypi_python_with("tuf")?);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/trust.py"));
    Some(command)
}

/// What python-tuf says of all of them; None where it is not installed.
pub(crate) fn theirs(dir: &Path, scenarios: &[Scenario]) -> Option<Vec<Vec<Verdict>>> {
    let mut python = python()?;
    let file = dir.join("scenarios.json");
    let all: Vec<Value> = scenarios.iter().map(Scenario::as_json).collect();
    fs::write(&file, json!(all).to_string()).expect("a file");
    let done = python.arg("judge").arg(&file).output().expect("python runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said: Vec<Vec<Value>> = serde_json::from_slice(&done.stdout).expect("verdicts");
    let verdict = |value: Value| Verdict {
        ok: value["ok"].as_bool().expect("a verdict"),
        why: value["why"].as_str().unwrap_or_default().to_owned(),
        targets: serde_json::from_value(value["targets"].clone()).expect("targets"),
    };
    Some(said.into_iter().map(|steps| steps.into_iter().map(verdict).collect()).collect())
}
