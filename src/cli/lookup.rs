//! `lookup`: asks DNS for a number, validates the answer, shows endpoints and keys.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER;

use crate::api::proofs::Trust;
use crate::cli::connect::api_at;
use crate::cli::report::{Exit, Failure, Report};
use crate::client;
use crate::client::log::{Named, named};
use crate::client::prove::{LogProof, Pins, Prover, trust_list};
use crate::client::provider::Api;
use crate::client::{Anchor, Class, Directory, Lookup};
use crate::clock::rfc3339;
use crate::log::misbehaviour::Misbehaviour;
use crate::number::Number;

#[derive(Args)]
pub(crate) struct LookupArgs {
    /// The number, in international form: +44 7700 900123
    number: String,
    /// The name server (or resolver) to ask.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:5300")]
    server: SocketAddr,
    /// The trust anchor: a file with the directory's DNSKEY or DS.
    #[arg(long, value_name = "FILE")]
    anchor: PathBuf,
    /// The apex to look below, if it is not the anchor's own name.
    #[arg(long, value_name = "NAME")]
    apex: Option<String>,
    /// Ask the public log too, and hand nothing on unless it says the same as DNS.
    #[arg(long, requires = "api")]
    prove: bool,
    /// The directory's API, for the proof: `https://directory.example`.
    #[arg(long, value_name = "URL", requires = "prove")]
    api: Option<String>,
    /// What to believe of the log, as `GET /v1/log/trust` shows it; without it the directory itself is believed, this once.
    #[arg(long, value_name = "FILE", requires = "prove")]
    trust: Option<PathBuf>,
    /// Remember log and keys in this file, and tell what changed since the last time.
    #[arg(long, value_name = "FILE", requires = "prove")]
    pins: Option<PathBuf>,
    /// Where evidence of misbehaviour is kept; left out, a folder beside the pins, and without pins it is not kept.
    #[arg(long, value_name = "DIR", requires = "prove")]
    evidence: Option<PathBuf>,
    /// Show each step: what was asked, what came, why it is trusted.
    #[arg(long)]
    explain: bool,
}

pub(crate) fn run(args: &LookupArgs) -> Result<Report, Failure> {
    let number = Number::parse(&args.number).map_err(|e| Failure::new(format!("{}: {e}", args.number)))?;
    let text = std::fs::read_to_string(&args.anchor).map_err(|e| {
        Failure::new(format!("cannot read the trust anchor {}: {e}. The operator publishes it; `callbook init` and `demo` write it to anchor.key", args.anchor.display()))
    })?;
    let mut directory = Directory::at(args.server, Anchor::parse(&text)?);
    if let Some(apex) = &args.apex {
        directory = directory.with_apex(apex)?;
    }
    let mut found = match &args.api {
        None => directory.lookup_blocking(number)?,
        Some(api) => proved(&prover(api, args.trust.as_deref())?, &directory, number, args.pins.as_deref())?,
    };
    if !args.explain {
        found.steps.clear();
    }
    let exit = match (&found.status, found.found) {
        (status, _) if status.is_refused() => Exit::Bogus,
        (_, true) => Exit::Done,
        (_, false) => Exit::None,
    };
    let mut json = serde_json::to_value(&found)?;
    let mut text = text_of(&found);
    if let (Some(evidence), Some(folder)) = (&found.evidence, args.evidence_folder()) {
        let path = kept(evidence, &folder)?;
        let shown = path.display();
        let _ = writeln!(text, "  evidence   {shown}: `callbook log evidence {shown}` explains it; show it to others");
        json["evidence"] = serde_json::to_value(&path)?;
    }
    Ok(Report { text, json, exit })
}

impl LookupArgs {
    fn evidence_folder(&self) -> Option<PathBuf> {
        let beside = |pins: &PathBuf| {
            let mut folder = pins.as_os_str().to_owned();
            folder.push(".evidence");
            PathBuf::from(folder)
        };
        self.evidence.clone().or_else(|| self.pins.as_ref().map(beside))
    }
}

/// Keeps evidence in a folder; gives the file.
pub(super) fn kept(evidence: &Misbehaviour, folder: &Path) -> Result<PathBuf, Failure> {
    let kept = client::evidence::keep(evidence, folder);
    kept.map_err(|e| {
        Failure::new(format!("evidence cannot be kept in {}: {e}. It is:\n{}", folder.display(), evidence.write()))
    })
}

/// The look-up with its proof; what it teaches is kept in the file of pins, if there is one.
fn proved(prover: &Prover, directory: &Directory, number: Number, pins: Option<&Path>) -> Result<Lookup, Failure> {
    let mut known = pins.map_or_else(|| Ok(Pins::default()), Pins::load)?;
    let found = prover.lookup_blocking(directory, number, &mut known)?;
    if let Some(path) = pins {
        known.save(path)?;
    }
    Ok(found)
}

/// Asks that API, and believes that trust list, or the directory itself.
fn prover(api: &str, trust: Option<&Path>) -> Result<Prover, Failure> {
    let api = api_named(api)?;
    let Some(path) = trust else { return Ok(Prover::on_first_use(api)?) };
    Ok(Prover::new(api, trust_list(&read_trust(path)?)?))
}

/// The API that somebody means; as for the logs themselves the scheme may be left out.
pub(super) fn api_named(text: &str) -> Result<Api, Failure> {
    match named(text)? {
        Named::Url { base, .. } => api_at(&base, ""),
        Named::Folder(_) => Err(Failure::new(format!("{text} is a folder: a proof comes from the API of a directory"))),
    }
}

/// A trust list as it is written down.
pub(super) fn read_trust(path: &Path) -> Result<Trust, Failure> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|e| Failure::new(format!("cannot read the trust list {}: {e}", path.display())))?;
    serde_json::from_str(&text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}

fn text_of(found: &Lookup) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{}  {}", found.number, found.status);
    if !found.found && !found.status.is_refused() {
        let _ = writeln!(text, "  nothing is published for this number in {}", found.apex);
    }
    for endpoint in &found.endpoints {
        let _ = writeln!(
            text,
            "  {:<10} {}  (order {}, preference {})",
            endpoint.service, endpoint.uri, endpoint.order, endpoint.preference
        );
    }
    for key in &found.keys {
        let fingerprint = HEXLOWER.encode(&key.fingerprint);
        let _ = writeln!(text, "  {:<10} {}  SHA-256 {fingerprint}", key.purpose.word(), key.algorithm);
    }
    if let Some(directory) = &found.directory {
        let holder = match directory.class {
            Class::Holder => "signed by its holder",
            Class::Provider => "held by its provider",
        };
        let _ = writeln!(
            text,
            "  registered until {}, version {}, {}",
            rfc3339(directory.not_after),
            directory.version,
            holder
        );
        for key in &directory.revoked {
            let _ = writeln!(text, "  revoked    {} at {}", key.thumbprint, rfc3339(key.at));
        }
    }
    if let Some(proof) = &found.proof {
        let _ = writeln!(text, "{}", proof_of(proof));
    }
    if let Some(until) = found.valid_until {
        let _ = writeln!(text, "  this answer is valid until {}", rfc3339(until));
    }
    for note in &found.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    for (i, step) in found.steps.iter().enumerate() {
        let _ = writeln!(text, "\n{}.{step}", i + 1);
    }
    text
}

/// What the log said, in words.
fn proof_of(proof: &LogProof) -> String {
    let mut text = format!(
        "  proved     {} in epoch {} of {}, sealed {} s ago",
        proof.standing, proof.epoch, proof.log, proof.age_s
    );
    let meaning = |warning: &str| match warning {
        "stale" => "the epoch is older than ten minutes: is the directory still working?",
        "unconfirmed" => "too few witnesses have seen this checkpoint: others may be shown another one",
        "unaudited" => "no auditor that you trust has replayed the log up to here in the last day",
        "young_control_key" => "the number's control key is younger than seven days: has it changed hands?",
        "control_key_changed" => "the number's control key is another than the last time",
        "identity_key_changed" => "the holder's identity key is another than the last time: compare it with the holder",
        _ => "a recovery or a release of this number is under way",
    };
    if let Some(audited_at) = proof.audited_at {
        let _ = write!(text, "\n  audited    by an auditor that you trust, at {}", rfc3339(audited_at));
    }
    for warning in &proof.warnings {
        let _ = write!(text, "\n  warning    {warning}: {}", meaning(warning));
    }
    if proof.trust_on_first_use {
        let _ = write!(
            text,
            "\n  warning    the keys of the log came from the directory itself: give --trust FILE to check against your own"
        );
    }
    text
}
