//! The lines of `status`, each from what it is about: the service, the ledger, the keys, the disk, backups and deposits.

use std::path::Path;

use crate::api::service::Health;
use crate::authority::{self, Backup, Backups, Outlook};
use crate::charter::Policy;
use crate::cli::backup::age;
use crate::cli::escrow;
use crate::cli::status::{Row, State};
use crate::cli::{doctor, init, instance, keeper};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::dnssec::life::{Actor, Wait};
use crate::primary;
use crate::primary::status::{EVERY_S, Status};
use crate::wire::Name;

/// An epoch older than this many heartbeats is late, as for `/healthz`.
const HEARTBEATS_MAX: u64 = 3;
/// Changes that wait: more than a few epochs of them is a queue that grows.
const WAITING_MAX: u64 = 10_000;
/// Below this the disk is nearly full: of a hundred, and in octets.
const FREE_PCT_MIN: u64 = 10;
const FREE_MIN: u64 = 1 << 30;
/// A backup that was proven good is due again after this, in days.
const VERIFIED_D: u64 = 8;
/// Backups of personal data are kept no longer (TRUST.md 5), in days.
pub(crate) const BACKUP_KEPT_D: u64 = 35;
const DAY_S: u64 = 86_400;
/// How long a service may take over a write of its status beside the pause between two.
const LATE_S: u64 = 20;

/// Every line, in the order of the screen.
pub(super) fn all(dir: &Path, config: &Config, now_ms: u64) -> Vec<Row> {
    let now_s = now_ms / 1000;
    let health = doctor::health(config);
    let mut rows = vec![service(config, health.as_ref())];
    rows.push(maintenance(config));
    match Outlook::of(&config.paths.data, now_s) {
        Err(e) => rows.push(Row::new("ledger", State::Bad, e.to_string()).next("you: callbook doctor")),
        Ok(outlook) => {
            rows.push(zone(config, &outlook));
            rows.extend(statics(config, now_s));
            rows.push(keys(config, now_s));
            rows.push(log(config, &outlook, now_ms, health.is_some()));
            rows.push(witnesses(config, health.as_ref()));
            rows.push(queue(&outlook));
            rows.push(people(&outlook));
        }
    }
    rows.push(disk(config));
    rows.push(backup(config, now_s));
    match instance::charter_in_force(config) {
        Ok(policy) => rows.extend(deposits(dir, config, &policy, now_s)),
        Err(e) => rows.push(Row::new("charter", State::Bad, e.to_string())),
    }
    rows
}

fn service(config: &Config, health: Option<&Health>) -> Row {
    let at = format!("http://{}", config.http.listen);
    let Some(health) = health else {
        return Row::new("service", State::Bad, format!("nobody answers at {at}: what follows is read from the disk"))
            .next("you: callbook serve, or callbook doctor if it should run");
    };
    let ill: Vec<String> = health
        .checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    match ill.is_empty() {
        true => Row::new("service", State::Well, format!("runs and answers at {at}")),
        false => Row::new("service", State::Bad, ill.join("; ")).next("you: callbook doctor names the remedy"),
    }
}

fn maintenance(config: &Config) -> Row {
    match authority::Maintenance::read(&config.paths.data) {
        None => Row::new("maintenance", State::Unused, "off: changes are taken"),
        Some(on) => {
            let since = rfc3339(on.since_s);
            Row::new("maintenance", State::Due, format!("on since {since}: changes are refused ({})", on.reason))
                .next("you: callbook maintenance off")
        }
    }
}

fn zone(config: &Config, outlook: &Outlook) -> Row {
    Row::new("zone", State::Well, format!("{} serial {}, signed as it is asked for", config.apex, outlook.serial))
}

fn statics(config: &Config, now_s: u64) -> Vec<Row> {
    if config.zone.is_empty() {
        return Vec::new();
    }
    let status = match Status::read(&primary::folder(config)) {
        Ok(Some(status)) => status,
        Ok(None) => return vec![Row::new("static zones", State::Due, "were never served").next("you: callbook serve")],
        Err(e) => return vec![Row::new("static zones", State::Bad, e.to_string())],
    };
    let fresh = now_s.saturating_sub(status.written_at) <= EVERY_S + LATE_S;
    let line = |zone: &primary::status::ZoneStatus| {
        let behind: Vec<&str> = zone.secondaries.iter().filter(|to| !to.current).map(|to| to.to.as_str()).collect();
        let signed = zone.resign_at.map_or(String::new(), |at| format!(", signed anew at {}", rfc3339(at)));
        let head = format!("{} serial {}{signed}", zone.name, zone.serial);
        match (&zone.problem, behind.is_empty()) {
            (Some(why), _) => Row::new("static zone", State::Bad, format!("{head}: the file is not served: {why}"))
                .next("you: mend the file, then callbook zone reload"),
            (None, false) => {
                let cause = format!("{head}; behind: {}", behind.join(", "));
                Row::new("static zone", State::Due, cause).next("those secondaries; callbook zone status says why")
            }
            (None, true) => {
                let all = zone.secondaries.len();
                Row::new("static zone", State::Well, format!("{head}; {all} of {all} secondaries are current"))
            }
        }
    };
    let mut rows: Vec<Row> = status.zones.iter().map(line).collect();
    if !fresh {
        let cause = format!("as of {}: the service does not run, or hangs", rfc3339(status.written_at));
        rows.push(Row::new("static zones", State::Bad, cause).next("you: callbook serve"));
    }
    rows
}

fn keys(config: &Config, now_s: u64) -> Row {
    let Ok(apex) = Name::from_text(&config.apex) else { return Row::new("keys", State::Bad, "the apex is no name") };
    let keeping = keeper::keeping(config, &apex);
    let life = match keeping.life(now_s) {
        Ok(life) => life,
        Err(e) => return Row::new("keys", State::Bad, e.to_string()).next("you: docs/keys.md has a table of faults"),
    };
    let waits = life.waits(keeping.policy());
    let count = life.keys.len();
    let horizon = life.offline.as_ref().and_then(|offline| offline.signed_until_s);
    let horizon = horizon.map_or(String::new(), |until| format!(", signatures over keys end {}", rfc3339(until)));
    let first = |who: Actor| waits.iter().find(|wait| wait.who == who);
    let said = |wait: &Wait| match wait.until_s {
        Some(until) => format!("{} at {}", wait.what, rfc3339(until)),
        None => wait.what.clone(),
    };
    let soonest = waits.iter().filter(|wait| wait.until_s.is_some()).min_by_key(|wait| wait.until_s);
    match (first(Actor::Operator), first(Actor::Parent), soonest.or(waits.first())) {
        (Some(wait), _, _) => Row::new("keys", State::Due, format!("{count} keys{horizon}: {}", said(wait)))
            .next("you: callbook keys status says how"),
        (None, Some(wait), _) => {
            Row::new("keys", State::Well, format!("{count} keys{horizon}: {}", said(wait))).next("the parent zone")
        }
        (None, None, Some(wait)) => {
            Row::new("keys", State::Well, format!("{count} keys{horizon}; next: {}", said(wait)))
        }
        (None, None, None) => Row::new("keys", State::Well, format!("{count} keys{horizon}; nothing is planned")),
    }
}

fn log(config: &Config, outlook: &Outlook, now_ms: u64, runs: bool) -> Row {
    let age_s = now_ms.saturating_sub(outlook.epoch_ms) / 1000;
    let head = format!(
        "era {}, epoch {} made {} ago, gov log of {} leaves",
        config.log.era,
        outlook.epoch,
        age(age_s),
        outlook.gov_leaves
    );
    match authority::log_disagreement(&init::settings(config)) {
        Err(e) => Row::new("log", State::Bad, format!("{head}; the signer: {e}")).next("you: callbook doctor"),
        Ok(Some(why)) => Row::new("log", State::Bad, format!("FROZEN: {why}")).next("you, as it says"),
        Ok(None) if runs && !outlook.signed && age_s > config.publish.heartbeat_s => {
            Row::new("log", State::Bad, format!("{head}, which is not signed")).next("whoever runs the signer")
        }
        Ok(None) if runs && age_s > config.publish.heartbeat_s * HEARTBEATS_MAX => {
            Row::new("log", State::Bad, format!("{head}: no epoch is made any more"))
                .next("you: read the service's log")
        }
        Ok(None) => Row::new("log", State::Well, head),
    }
}

fn witnesses(config: &Config, health: Option<&Health>) -> Row {
    if config.log.witnesses.as_os_str().is_empty() {
        return Row::new("witnesses", State::Unused, "none cosigns (log.witnesses)");
    }
    let said = health.and_then(|health| health.checks.iter().find(|check| check.name == "witnesses"));
    match said {
        None => Row::new("witnesses", State::Unused, "only the running service knows"),
        Some(check) if check.detail.contains("or none is wanted") => {
            Row::new("witnesses", State::Well, "the quorum cosigns")
        }
        Some(check) => Row::new("witnesses", State::Due, check.detail.clone()).next("the witnesses that are away"),
    }
}

fn queue(outlook: &Outlook) -> Row {
    let cause = format!("{} accepted changes wait for an epoch", outlook.waiting);
    match outlook.waiting {
        0..=WAITING_MAX => Row::new("queue", State::Well, cause),
        _ => Row::new("queue", State::Due, cause).next("the service; if it does not become less, read its log"),
    }
}

fn people(outlook: &Outlook) -> Row {
    let cause = format!("{} complaints not looked at, {} overdue suspensions", outlook.complaints, outlook.overdue);
    match (outlook.overdue, outlook.complaints) {
        (0, 0) => Row::new("people", State::Well, cause),
        (0, _) => Row::new("people", State::Due, cause).next("an officer: GET /v1/complaints"),
        _ => Row::new("people", State::Due, cause).next("two of the staff: callbook act list --state open"),
    }
}

fn disk(config: &Config) -> Row {
    let place = &config.paths.data;
    match crate::cli::disk::room(place) {
        Err(e) => Row::new("disk", State::Bad, format!("{}: {e}", place.display())),
        Ok(room) => {
            let pct = room.free.saturating_mul(100) / room.all.max(1);
            let cause = format!("{} MiB free of {} ({pct} %) at {}", room.free >> 20, room.all >> 20, place.display());
            match pct < FREE_PCT_MIN || room.free < FREE_MIN {
                false => Row::new("disk", State::Well, cause),
                true => {
                    Row::new("disk", State::Due, cause).next("you: make room; a full disk stops changes, not look-ups")
                }
            }
        }
    }
}

fn backup(config: &Config, now_s: u64) -> Row {
    let backups = Backups::read(&config.paths.data);
    let made = backups
        .made
        .last()
        .map_or("none made".to_owned(), |last| format!("last made {} ago", age(now_s.saturating_sub(last.made_s))));
    let is_old = |of: &&Backup| now_s.saturating_sub(of.made_s) > BACKUP_KEPT_D * DAY_S && of.path.exists();
    if let Some(old) = backups.made.iter().rfind(is_old) {
        let cause = format!(
            "{} is older than {BACKUP_KEPT_D} days, and numbers that were given back are still in it",
            old.path.display()
        );
        return Row::new("backup", State::Due, cause).next("you: delete it");
    }
    match backups.verified {
        None => Row::new("backup", State::Due, format!("{made}, and none proven good"))
            .next("you: callbook backup make, then callbook backup verify --dir"),
        Some(verified) => {
            let age_s = now_s.saturating_sub(verified.backup.made_s);
            let cause = format!("{made}; the last one proven good holds the state of {} ago", age(age_s));
            match age_s > VERIFIED_D * DAY_S {
                false => Row::new("backup", State::Well, cause),
                true => Row::new("backup", State::Due, cause).next("you: callbook backup verify --dir"),
            }
        }
    }
}

fn deposits(_dir: &Path, config: &Config, policy: &Policy, now_s: u64) -> Vec<Row> {
    if config.escrow.recipient.is_empty() {
        return vec![Row::new("escrow", State::Unused, "no agent (escrow.recipient); the charter wants one (10.2)")];
    }
    let state = match escrow::State::read(&config.paths.data) {
        Ok(state) => state,
        Err(e) => return vec![Row::new("escrow", State::Bad, e.to_string()).next("you, as it says")],
    };
    let (kind, due_s) = state.next(policy);
    let last = state.last().map_or("none made".to_owned(), |last| {
        format!("last {} {} ago", last.kind.as_str(), age(now_s.saturating_sub(last.watermark_s)))
    });
    // The service makes what is due within minutes; an hour later something keeps it from doing so.
    let late = now_s > due_s.saturating_add(3_600);
    let cause = format!("{last}; {} due {}", kind.as_str(), if due_s == 0 { "now".to_owned() } else { rfc3339(due_s) });
    let deposit = match late {
        false => Row::new("escrow", State::Well, cause),
        true => Row::new("escrow", State::Due, cause).next("the service: if it runs, its log says why it did not"),
    };
    let drill = match (state.drill.as_ref().filter(|drill| !drill.passed), state.drill_due_s(policy)) {
        (Some(failed), _) => Row::new("drill", State::Bad, format!("the drill of {} failed", rfc3339(failed.at_s)))
            .next("you: callbook escrow deposit --full, then the agent: callbook escrow drill"),
        (None, None) => Row::new("drill", State::Unused, "due a period after the first deposit"),
        (None, Some(due_s)) if due_s < now_s => Row::new("drill", State::Due, format!("was due {}", rfc3339(due_s)))
            .next("the agent: callbook escrow drill"),
        (None, Some(due_s)) => Row::new("drill", State::Well, format!("due {}", rfc3339(due_s))),
    };
    vec![deposit, drill]
}
