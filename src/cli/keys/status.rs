//! `keys status`: where each key is in its life, since when, what is waited for and who must act next.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Opened, ZoneArgs, picture};
use crate::cli::report::{Failure, Report};
use crate::clock::rfc3339;
use crate::dnssec::KeyRole;
use crate::dnssec::keys::Protection;
use crate::dnssec::life::{Actor, KeyLife, State, Wait};

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 86_400;

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    of: ZoneArgs,
    /// Draw the same as a picture into this file, replacing what is there.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub(super) fn run(args: &StatusArgs) -> Result<Report, Failure> {
    let Opened { config, apex, keeping, now_s } = super::open(&args.of)?;
    let apex = apex.to_text();
    let life = keeping.life(now_s)?;
    let waits = life.waits(keeping.policy());
    let strangers = keeping.strangers(&life)?;
    if let Some(file) = &args.svg {
        let svg = picture::timeline(&headline(&waits, &apex), &life.keys, &waits, now_s);
        std::fs::write(file, svg).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
    }
    let mut lines = vec![headline(&waits, &apex), String::new()];
    for key in &life.keys {
        let lies = super::lies(&keeping, &life, key)?;
        lines.push(format!("{:<4} {:>5}  {}, {lies}", key.role.to_string(), key.tag, state_line(key, now_s)));
        let of_key = waits.iter().filter(|wait| wait.key == Some(key.id()));
        lines.extend(of_key.map(|wait| format!("            waits until {}", wait_line(wait, now_s))));
    }
    let of_zone = waits.iter().filter(|wait| wait.key.is_none());
    lines.extend(of_zone.map(|wait| match life.offline {
        Some(_) => format!("\n{}", wait_line(wait, now_s)),
        None => format!("asked for: {}", wait.what),
    }));
    if let Some(seen) = &life.parent {
        lines.push(format!("\nparent, {}:", moment(seen.at_s, now_s)));
        lines.extend(seen.servers.iter().map(|line| format!("  {line}")));
    }
    let mut notes = Vec::new();
    // What was made ahead for an offline KSK waits for its day.
    for id in strangers.iter().filter(|id| life.offline.is_none() || id.role != KeyRole::Zsk) {
        notes.push(match keeping.protection(*id)? {
            Protection::Token => {
                format!("{id} is in the token and nobody uses it: delete it with the maker's own program")
            }
            _ => format!(
                "there is a file of {id} that nobody uses: delete it, or take it in with `callbook keys import`"
            ),
        });
    }
    if let Some(found) = life.algorithm().filter(|found| found.number() != config.dnssec.algorithm) {
        notes.push(format!(
            "dnssec.algorithm is {} and the keys are of algorithm {found}: the keys count; set dnssec.algorithm = {found}",
            config.dnssec.algorithm
        ));
    }
    let mut keys = Vec::new();
    for key in &life.keys {
        let lies = super::lies(&keeping, &life, key)?;
        if lies == Protection::Plain.as_str() && config.dnssec.passphrase_file.is_set() {
            notes.push(format!("{} is not sealed: run callbook keys seal", key.id()));
        }
        keys.push(of_key(key, lies, &waits));
    }
    lines.extend(notes.iter().map(|note| format!("\nnote: {note}")));
    let json = json!({
        "apex": apex,
        "next_actor": next_actor(&waits).as_str(),
        "keys": keys,
        "asked": waits.iter().filter(|wait| wait.key.is_none() && life.offline.is_none()).map(of_wait).collect::<Vec<_>>(),
        "offline": life.offline.map(|offline| json!({"signed_until_s": offline.signed_until_s, "ask": offline.ask})),
        "algorithm_roll_to": life.target.map(crate::dnssec::Algorithm::number),
        "parent": life.parent.as_ref().map(|seen| json!({"at_s": seen.at_s, "servers": seen.servers})),
        "notes": notes,
    });
    Ok(Report::done(lines.join("\n"), json))
}

/// Who must act before anything else goes on: people before time.
fn next_actor(waits: &[Wait]) -> Actor {
    let has = |actor: Actor| waits.iter().any(|wait| wait.who == actor);
    [Actor::Operator, Actor::Parent, Actor::Server].into_iter().find(|actor| has(*actor)).unwrap_or(Actor::Nobody)
}

fn headline(waits: &[Wait], apex: &str) -> String {
    match next_actor(waits) {
        Actor::Operator => format!("{apex}  you must act next"),
        Actor::Parent => format!("{apex}  the parent must act next"),
        Actor::Server => format!("{apex}  the service must run"),
        Actor::Nobody => format!("{apex}  nobody has to act"),
    }
}

fn state_line(key: &KeyLife, now_s: u64) -> String {
    let mut line = format!("{} since {}, algorithm {}", key.state.as_str(), moment(key.since_s, now_s), key.algorithm);
    if key.compromised && key.state != State::Removed {
        line.push_str(", compromised");
    }
    if let (Some(seen_s), State::Submitted) = (key.ds_seen_s, key.state) {
        let by = if key.ds_confirmed { "confirmed" } else { "seen at every server" };
        line.push_str(&format!(", DS {by} {}", moment(seen_s, now_s)));
    }
    line
}

fn wait_line(wait: &Wait, now_s: u64) -> String {
    match (wait.until_s, wait.who) {
        (Some(until_s), _) => format!("{}: {}", moment(until_s, now_s), wait.what),
        (None, Actor::Nobody) => wait.what.clone(),
        (None, who) => format!("{} ({} must act)", wait.what, who.as_str()),
    }
}

/// A time, absolute and as seen from now.
pub(super) fn moment(at_s: u64, now_s: u64) -> String {
    let (apart_s, ago) = (at_s.abs_diff(now_s), at_s <= now_s);
    let (count, unit) = match apart_s {
        s if s < 2 * MINUTE_S => (s, "s"),
        s if s < 2 * HOUR_S => (s / MINUTE_S, "min"),
        s if s < 2 * DAY_S => (s / HOUR_S, "h"),
        s => (s / DAY_S, "d"),
    };
    match ago {
        true => format!("{} ({count} {unit} ago)", rfc3339(at_s)),
        false => format!("{} (in {count} {unit})", rfc3339(at_s)),
    }
}

fn of_wait(wait: &Wait) -> Value {
    json!({"for": wait.what, "until_s": wait.until_s, "actor": wait.who.as_str()})
}

fn of_key(key: &KeyLife, lies: &str, waits: &[Wait]) -> Value {
    json!({
        "role": key.role.to_string(),
        "tag": key.tag,
        "algorithm": key.algorithm.number(),
        "state": key.state.as_str(),
        "protection": lies,
        "since_s": key.since_s,
        "created_s": key.created_s,
        "published_s": key.published_s,
        "ready_s": key.ready_s,
        "activated_s": key.activated_s,
        "retired_s": key.retired_s,
        "removed_s": key.removed_s,
        "ds_seen_s": key.ds_seen_s,
        "ds_confirmed": key.ds_confirmed,
        "compromised": key.compromised,
        "waits": waits.iter().filter(|wait| wait.key == Some(key.id())).map(of_wait).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_from_both_sides() {
        assert_eq!(moment(1_735_689_600, 1_735_689_600 + 90), "2025-01-01T00:00:00Z (90 s ago)");
        assert_eq!(moment(1_735_689_600, 1_735_689_600 - 7_200), "2025-01-01T00:00:00Z (in 2 h)");
        assert_eq!(moment(1_735_689_600, 1_735_689_600 - 3 * DAY_S), "2025-01-01T00:00:00Z (in 3 d)");
    }
}
