//! `doctor`: looks for what keeps an installation from working, with a remedy for each finding.

mod webhooks;
mod zones;

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::api::service::Health;
use crate::charter::Policy;
use crate::cli::charter::status;
use crate::cli::report::{Exit, Failure, Report};
use crate::cli::status::BACKUP_KEPT_D;
use crate::cli::{InstallationArgs, init, instance};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;
use crate::{authority, net};

/// How far the clock may be behind the newest epoch before something is wrong with it, in milliseconds.
const CLOCK_BACK_MAX_MS: u64 = 5_000;
const DAY_S: u64 = 86_400;
/// How long the API may take to answer the health question.
const HEALTH_WAIT: Duration = Duration::from_secs(3);

#[derive(Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    of: InstallationArgs,
    /// Where one of our name servers is asked, instead of at the address that the zone or a resolver knows. May be repeated.
    #[arg(long, value_name = "NAME=ADDR")]
    address: Vec<String>,
}

struct Finding {
    what: String,
    outcome: Outcome,
}

/// What came of a look, in words.
enum Outcome {
    Well(String),
    /// What is wrong, and the remedy.
    Bad(String),
    /// Why there was nothing to look at.
    NotLooked(String),
}

impl Outcome {
    fn of(result: Result<String, String>) -> Self {
        result.map_or_else(Self::Bad, Self::Well)
    }

    /// For the terminal, for scripts, and the words.
    fn shown(&self) -> (&'static str, Option<bool>, &str) {
        match self {
            Self::Well(detail) => ("ok ", Some(true), detail),
            Self::Bad(detail) => ("BAD", Some(false), detail),
            Self::NotLooked(detail) => ("-- ", None, detail),
        }
    }
}

pub(crate) fn run(args: &DoctorArgs) -> Result<Report, Failure> {
    let mut findings = Vec::new();
    match Config::load(&args.of.dir) {
        Err(e) => findings.push(Finding { what: "configuration".to_owned(), outcome: Outcome::Bad(e.to_string()) }),
        Ok(config) => {
            let outcome = Outcome::Well(format!("apex {}", config.apex));
            findings.push(Finding { what: "configuration".to_owned(), outcome });
            examine(&args.of.dir, &config, &mut findings);
            if let Err(failure) = zones::examine(&config, &args.address, &mut findings) {
                findings.push(Finding { what: "parent".to_owned(), outcome: Outcome::Bad(failure.to_string()) });
            }
        }
    }
    let well = !findings.iter().any(|finding| matches!(finding.outcome, Outcome::Bad(_)));
    let shown = || findings.iter().map(|finding| (&finding.what, finding.outcome.shown()));
    let lines: Vec<String> = shown().map(|(what, (word, _, detail))| format!("{word}  {what:<14} {detail}")).collect();
    let json: Vec<_> =
        shown().map(|(what, (_, ok, detail))| json!({"check": what, "ok": ok, "detail": detail})).collect();
    let exit = if well { Exit::Done } else { Exit::None };
    Ok(Report { text: lines.join("\n"), json: json!({"well": well, "findings": json}), exit })
}

fn examine(dir: &Path, config: &Config, findings: &mut Vec<Finding>) {
    let mut note = |what: &str, result: Result<String, String>| {
        findings.push(Finding { what: what.to_owned(), outcome: Outcome::of(result) });
    };
    // Without a ledger, which has a line of its own, what the folder says will be in force.
    let charter = instance::charter_in_force(config).or_else(|_| instance::charter_folder(config));
    let charter = charter.map_err(|e| e.to_string());
    let policy = charter.as_ref().ok().cloned();
    note("charter", charter.map(|in_force| charter_said(config, &in_force)));
    if let Some(policy) = policy {
        let zone = instance::zone_parts(config, &policy).map_err(|e| e.to_string());
        let zone = zone.map(|parts| {
            let tags: Vec<String> = parts.keys.wanted().iter().map(|key| key.tag.to_string()).collect();
            format!("{}; the parent should have DS {}", config.zone_file().display(), tags.join(", "))
        });
        note("zone and keys", zone);
    }
    note("trust", status::finding(&config.paths.charter));
    let running = health(config).map(|health| health.healthy);
    note("ledger", ledger(config));
    note("public log", public_log(config));
    if config.log.era > 0 {
        note("eras", eras(config));
    }
    note("suspensions", suspensions(config));
    note("bulk doors", bulk_doors(config));
    note("staff tokens", staff_tokens(config));
    note("webhooks", webhooks::finding(config));
    note("backup", backup(config));
    for address in &config.dns.listen {
        note(
            "DNS",
            match (running.is_some(), UdpSocket::bind(address).and_then(|_| TcpListener::bind(address))) {
                (true, _) => {
                    net::probe::signed_soa(*address, &config.apex).map(|()| format!("{address} gives a signed answer"))
                }
                (false, Ok(_)) => Ok(format!("{address} is free")),
                (false, Err(e)) => {
                    Err(format!("{address}: {e}; another program holds it (`ss -lunp` names it), or set dns.listen"))
                }
            },
        );
    }
    let address = config.http.listen;
    note(
        "API",
        match (running, TcpListener::bind(address)) {
            (Some(true), _) => Ok(format!("http://{address} is healthy")),
            (Some(false), _) => Err(format!("http://{address}/healthz reports trouble: read it, and the log")),
            (None, Ok(_)) => Ok(format!("{address} is free; start with: callbook serve --dir {}", dir.display())),
            (None, Err(e)) => {
                Err(format!("{address}: {e}; another program holds it (`ss -ltnp` names it), or set http.listen"))
            }
        },
    );
}

/// What is to be said of a charter that can be read.
fn charter_said(config: &Config, in_force: &Policy) -> String {
    let is_draft = instance::charter_folder(config).is_ok_and(|folder| folder != *in_force);
    let draft = match is_draft {
        true => ". The one in the folder is another: `callbook charter diff` compares them",
        false => "",
    };
    format!("every parameter is within its bounds{draft}")
}

/// What the running directory of this installation says of itself; None if it does not run.
pub(crate) fn health(config: &Config) -> Option<Health> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(HEALTH_WAIT)).build().into();
    let mut answer = agent.get(format!("http://{}/healthz", config.http.listen)).call().ok()?;
    answer.body_mut().read_json().ok()
}

fn ledger(config: &Config) -> Result<String, String> {
    let (epoch, time_ms) = authority::newest_epoch(&config.paths.data).map_err(|e| e.to_string())?;
    let now_ms = SystemClock.now_ms();
    if now_ms + CLOCK_BACK_MAX_MS < time_ms {
        return Err(format!(
            "the clock is {} s behind the newest epoch: set it right (NTP) before serving",
            (time_ms - now_ms) / 1000
        ));
    }
    Ok(format!("epoch {epoch}, made {} s ago", now_ms.saturating_sub(time_ms) / 1000))
}

/// Whether the ledger is the one that was signed, and whether the signer's keys lie where they should.
fn public_log(config: &Config) -> Result<String, String> {
    let settings = init::settings(config);
    match authority::log_disagreement(&settings).map_err(|e| e.to_string())? {
        Some(why) => return Err(format!("FROZEN: {why}")),
        None if config.log.socket().is_none() => {}
        None => {
            let keys = ["log.key", "gov.key"].map(|name| config.paths.keys.join(name));
            if let Some(copy) = keys.iter().find(|key| key.exists()) {
                return Err(format!(
                    "{} lies here although another process signs (log.signer): whoever has a copy can sign a second story. Delete it",
                    copy.display()
                ));
            }
        }
    }
    Ok("what the ledger says goes on from what was signed".to_owned())
}

/// Keys of closed eras that nobody needs any more are a danger only.
fn eras(config: &Config) -> Result<String, String> {
    let keys = authority::past_keys(&init::settings(config)).map_err(|e| e.to_string())?;
    let shown = |keys: &[(PathBuf, bool)]| {
        keys.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    match keys.first() {
        None => Ok("the VRF keys of eras before are destroyed".to_owned()),
        Some((_, true)) => Ok(format!("{} tell which numbers still rest that were given back before", shown(&keys))),
        Some((_, false)) => Err(format!(
            "{} have no use any more, and whoever finds them can place numbers in the closed log: once no dispute of that time is open, destroy \
             them here and in backups (shred -u)",
            shown(&keys)
        )),
    }
}

/// A suspension ends on its day only if two people sign for that: when they have not, this is the place to say so.
fn suspensions(config: &Config) -> Result<String, String> {
    match authority::overdue(&config.paths.data, SystemClock.now_s()).map_err(|e| e.to_string())? {
        0 => Ok("no number is withheld past the end of its order".to_owned()),
        n => Err(format!(
            "{n} numbers are withheld past the end of their order: approve the prepared act (callbook act list --state open), \
             let two people sign its events (callbook act events, staff sign) and hand them in (callbook act submit)"
        )),
    }
}

/// What is remembered of backups. That there is none keeps nothing from working, and `status` says that one is due.
fn backup(config: &Config) -> Result<String, String> {
    let backups = authority::Backups::read(&config.paths.data);
    let old_s = SystemClock.now_s().saturating_sub(BACKUP_KEPT_D * DAY_S);
    if let Some(old) = backups.made.iter().rfind(|made| made.made_s < old_s && made.path.exists()) {
        return Err(format!(
            "{} is older than {BACKUP_KEPT_D} days: numbers that were given back are still in it. Delete it",
            old.path.display()
        ));
    }
    match backups.verified {
        None => Ok("none was proven good here: callbook backup make, then callbook backup verify --dir".to_owned()),
        Some(verified) => Ok(format!(
            "{} of {} was proven good {}",
            verified.backup.path.display(),
            rfc3339(verified.backup.made_s),
            rfc3339(verified.verified_s)
        )),
    }
}

/// While a bulk door is open, holders of a provider that is gone leave it: how far that is.
/// Tokens of the operator's people that whoever copies them can use; where certificates are demanded they open nothing, and are
/// forgotten keys that would, if the setting were taken back.
fn staff_tokens(config: &Config) -> Result<String, String> {
    let found = authority::staff_tokens(&config.paths.data, SystemClock.now_ms()).map_err(|e| e.to_string())?;
    let unbound: Vec<String> =
        found.iter().filter(|(_, _, bound)| !bound).map(|(id, person, _)| format!("{id} of {person}")).collect();
    let said = format!("{} in force, {} bound to no client certificate", found.len(), unbound.len());
    match config.http.staff_certificates && !unbound.is_empty() {
        true => Err(format!(
            "{said}, which http.staff_certificates demands: {}. They open nothing; `callbook staff token --certificate` makes a bound \
             one, and with that `callbook provider revoke` takes each of these away",
            unbound.join(", ")
        )),
        false => Ok(said),
    }
}

fn bulk_doors(config: &Config) -> Result<String, String> {
    let doors = authority::bulk_doors_ordered(&config.paths.data, SystemClock.now_s()).map_err(|e| e.to_string())?;
    let line = |(provider, until_s, numbers): (String, u64, u64)| {
        format!("that of {provider} until {}, {numbers} numbers are still there", rfc3339(until_s))
    };
    match doors.is_empty() {
        true => Ok("none was opened".to_owned()),
        false => Ok(doors.into_iter().map(line).collect::<Vec<_>>().join("; ")),
    }
}
