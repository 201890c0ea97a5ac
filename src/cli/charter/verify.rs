//! `charter verify`: the trust repository of a directory, checked from a root that is pinned, and the trust list that it makes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::api::proofs::Trust;
use crate::charter::trust::contents::{Logs, Suspended};
use crate::charter::trust::rules::{Believed, Brake};
use crate::charter::trust::{
    Kept, ROOT_BYTES_MAX, ROOTS_MAX, TARGETS_BYTES_MAX, Untrusted, Update, Wanted, Why, is_target_path,
};
use crate::cli::charter::trust::{read_bounded, replace};
use crate::cli::connect::api_at;
use crate::cli::report::{Exit, Failure, Report};
use crate::client::provider::Api;
use crate::clock::{Clock, SystemClock, rfc3339};

/// Where a directory serves its repository.
const SERVED_AT: &str = "/v1/charter/trust";

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// A folder, the address of a directory, or the address of a copy of its repository.
    #[arg(value_name = "URL|DIR")]
    source: String,
    /// The root that is pinned: a file that came another way than the repository.
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// Keep what was seen in this folder: next time nothing older is believed.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Write the trust list here, for `lookup --trust` and `monitor --trust`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Where files are fetched.
enum Source {
    Folder(PathBuf),
    Http(Box<Api>, String),
}

/// Why there is no list: it is not to be believed, or nobody could look.
enum Refused {
    Untrusted(Untrusted),
    Other(Failure),
}

impl From<Untrusted> for Refused {
    fn from(no: Untrusted) -> Self {
        Self::Untrusted(no)
    }
}

impl Source {
    fn of(text: &str) -> Result<Self, Failure> {
        if !text.contains("://") {
            let folder = PathBuf::from(text);
            return match folder.is_dir() {
                true => Ok(Self::Folder(folder)),
                false => Err(Failure::new(format!("{text} is neither a folder nor an address with https://"))),
            };
        }
        let text = text.trim_end_matches('/');
        let host = text.find("://").map_or(0, |at| at + 3);
        let path = text.get(host..).and_then(|rest| rest.find('/')).map(|at| host + at);
        let (base, below) = path.map_or((text, SERVED_AT), |at| text.split_at(at));
        Ok(Self::Http(Box::new(api_at(base, "")?), below.to_owned()))
    }

    fn fetch(&self, wanted: &Wanted) -> Result<Option<Vec<u8>>, Refused> {
        let other = |failure| Refused::Other(failure);
        if !is_target_path(&wanted.file) {
            return Ok(None);
        }
        match self {
            Self::Folder(folder) => {
                let path = folder.join(&wanted.file);
                if !path.is_file() {
                    return Ok(None);
                }
                // One byte more than wanted is enough to tell that there are more.
                let file = fs::File::open(&path).map_err(|e| other(Failure::from(e)))?;
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(
                    &mut std::io::Read::take(file, wanted.bytes_max.saturating_add(1)),
                    &mut bytes,
                )
                .map_err(|e| other(Failure::from(e)))?;
                Ok(Some(bytes))
            }
            Self::Http(api, below) => {
                let max = usize::try_from(wanted.bytes_max.saturating_add(1)).unwrap_or(usize::MAX);
                api.file(&format!("{below}/{}", wanted.file), max).map_err(|e| other(Failure::from(e)))
            }
        }
    }
}

pub(super) fn run(args: &VerifyArgs) -> Result<Report, Failure> {
    let source = Source::of(&args.source)?;
    let pinned = read_bounded(&args.root, ROOT_BYTES_MAX)?;
    let kept = args.state.as_deref().map(|dir| load(dir, &pinned)).transpose()?.unwrap_or_default();
    let now_s = SystemClock.now_s();
    let mut update = match Update::begin(&pinned, kept, now_s) {
        Ok(update) => update,
        Err(no) => return Ok(untrusted(&no)),
    };
    let walked = update.run(|wanted| source.fetch(wanted));
    if let Some(dir) = &args.state {
        save(dir, update.kept())?; // what was seen counts, however it ended
    }
    let believed = walked.and_then(|()| Believed::gather(&update, now_s, |wanted| source.fetch(wanted)));
    match believed {
        Err(Refused::Untrusted(no)) => Ok(untrusted(&no)),
        Err(Refused::Other(failure)) => Err(failure),
        Ok(believed) => told(args, &update, &believed),
    }
}

fn untrusted(no: &Untrusted) -> Report {
    let exit = if no.why == Why::Expired { Exit::None } else { Exit::Bogus };
    let json = json!({"verified": false, "file": no.file, "expected": no.expected, "found": no.found});
    Report { text: format!("NOT TO BE BELIEVED  {no}"), json, exit }
}

fn told(args: &VerifyArgs, update: &Update, believed: &Believed) -> Result<Report, Failure> {
    let versions: Vec<Value> = versions(update);
    let mut lines: Vec<String> = versions
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default();
            format!("{:<10} version {}, until {}", text("role"), one["version"], text("expires"))
        })
        .collect();
    lines.push(format!("targets    {} fetched, each as it was signed", believed.targets));
    lines.push(brake_said(&believed.brake));
    let providers = believed.register.providers.len();
    let hosts: Vec<&str> = believed.directories.directories.iter().map(|one| one.host.as_str()).collect();
    lines.push(format!("providers  {providers} in the register; directories: {}", hosts.join(", ")));
    let mut json = json!({
        "verified": true, "roles": versions, "targets": believed.targets, "providers": providers, "directories": hosts,
        "brake": brake_json(&believed.brake),
    });
    let Some(trust) = trust_list(&believed.logs, believed) else {
        lines.push(
            "the brake suspends the key of a log: no proof under it is to be believed, and no trust list is written"
                .to_owned(),
        );
        json["trust"] = Value::Null;
        return Ok(Report { text: lines.join("\n"), json, exit: Exit::None });
    };
    if let Some(out) = &args.out {
        replace(out, &serde_json::to_vec_pretty(&trust)?)?;
        lines.push(format!("trust list written to {0}: callbook lookup --prove … --trust {0}", out.display()));
    }
    json["trust"] = serde_json::to_value(&trust)?;
    Ok(Report::done(lines.join("\n"), json))
}

fn versions(update: &Update) -> Vec<Value> {
    let (root, _) = update.root();
    let mut all = vec![("root".to_owned(), root)];
    all.extend(update.timestamp().map(|(document, _)| ("timestamp".to_owned(), document)));
    all.extend(update.snapshot().map(|(document, _)| ("snapshot".to_owned(), document)));
    if let Some((document, targets)) = update.targets() {
        all.push(("targets".to_owned(), document));
        for role in &targets.delegations.roles {
            let found = update.delegated(&role.name).and_then(|found| found.as_ref().ok());
            all.extend(found.map(|(document, _)| (role.name.clone(), document)));
        }
    }
    all.iter().map(|(role, document)| json!({"role": role, "version": document.version, "expires": rfc3339(document.expires_s)})).collect()
}

fn suspended_said(suspended: &Suspended) -> String {
    let all: Vec<&str> = suspended.providers.iter().chain(&suspended.log_keys).map(String::as_str).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

fn brake_said(brake: &Brake) -> String {
    match brake {
        Brake::NeverSet => "brake      was never set".to_owned(),
        Brake::Over(no) => format!("brake      is over: {no}"),
        Brake::Set { suspended, until_s } => {
            format!("brake      until {}: suspends {}", rfc3339(*until_s), suspended_said(suspended))
        }
    }
}

fn brake_json(brake: &Brake) -> Value {
    match brake {
        Brake::NeverSet => json!({"state": "never_set"}),
        Brake::Over(_) => json!({"state": "over"}),
        Brake::Set { suspended, until_s } => {
            json!({"state": "set", "until": rfc3339(*until_s), "providers": suspended.providers, "log_keys": suspended.log_keys})
        }
    }
}

/// What callers take; None while the brake suspends a key that it would name.
fn trust_list(logs: &Logs, believed: &Believed) -> Option<Trust> {
    let suspended: &[String] = match &believed.brake {
        Brake::Set { suspended, .. } => &suspended.log_keys,
        _ => &[],
    };
    let key = |vkeys: &[String]| vkeys.iter().find(|vkey| !suspended.contains(vkey)).cloned();
    Some(Trust {
        origin: logs.map.origin.clone(),
        log: key(&logs.map.vkeys)?,
        vrf: logs.vrf.clone(),
        gov: logs.gov.origin.clone(),
        gov_key: key(&logs.gov.vkeys)?,
        witnesses: believed.witnesses.witnesses.clone(),
        quorum: believed.witnesses.quorum,
        auditors: believed.witnesses.auditors.clone(),
        eras: logs.eras.clone(),
    })
}

/// What was seen before, from its folder.
fn load(dir: &Path, pinned: &[u8]) -> Result<Kept, Failure> {
    let mut kept = Kept::default();
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(kept),
        other => other?,
    };
    for entry in entries.take(2 * ROOTS_MAX as usize) {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some(stem) = name.strip_suffix(".json") else { continue };
        let bytes = read_bounded(&path, TARGETS_BYTES_MAX)?;
        match (stem, stem.strip_suffix(".root").and_then(|version| version.parse().ok())) {
            (_, Some(version)) => drop(kept.roots.insert(version, bytes)),
            ("timestamp", _) => kept.timestamp = Some(bytes),
            ("snapshot", _) => kept.snapshot = Some(bytes),
            _ => drop(kept.targets.insert(stem.to_owned(), bytes)),
        }
    }
    let pinned_version = crate::charter::trust::Document::read(pinned, "the pinned root").ok().map(|root| root.version);
    if pinned_version.and_then(|version| kept.roots.get(&version)).is_some_and(|known| known != pinned) {
        return Err(Failure::new(format!(
            "{} holds what was seen under another root: name another folder for this one",
            dir.display()
        )));
    }
    Ok(kept)
}

fn save(dir: &Path, kept: &Kept) -> Result<(), Failure> {
    fs::create_dir_all(dir)?;
    for (version, bytes) in &kept.roots {
        replace(&dir.join(format!("{version}.root.json")), bytes)?;
    }
    let newest = [("timestamp", &kept.timestamp), ("snapshot", &kept.snapshot)];
    for (name, bytes) in newest.into_iter().filter_map(|(name, bytes)| Some((name, bytes.as_ref()?))) {
        replace(&dir.join(format!("{name}.json")), bytes)?;
    }
    for (role, bytes) in &kept.targets {
        replace(&dir.join(format!("{role}.json")), bytes)?;
    }
    Ok(())
}
