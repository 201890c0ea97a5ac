//! What the console is handed: where it is, how long sessions last, the keys of the zones, the configuration in force.

use std::sync::Arc;

use crate::authority::{SessionTimes, Site};
use crate::cli::keeper;
use crate::cli::keys::stretches_of;
use crate::cli::report::Failure;
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::config::Config;
use crate::dnssec::life::{Actor, Life, Roll, State, Urgency, Wait};
use crate::http::{Console, KeyRoom, KeyShown, Quarter, Rolled, ZoneKeysShown};
use crate::net::day::{self, Day};
use crate::wire::Name;

const MINUTE_MS: u64 = 60_000;

/// The console, if an origin is configured; port 0 is that on which HTTP is served.
pub(crate) fn open(config: &Config, port: u16, day: Arc<Day>) -> Result<Option<Arc<Console>>, Failure> {
    let settings = &config.console;
    let Some(host) = settings.host() else { return Ok(None) };
    let origin = match settings.origin.strip_suffix(":0") {
        Some(begin) => format!("{begin}:{port}"),
        None => settings.origin.clone(),
    };
    let site = Site { origin, rp_id: host.to_owned() };
    let times = SessionTimes { idle_ms: settings.idle_min * MINUTE_MS, whole_ms: settings.session_h * 60 * MINUTE_MS };
    let zones = std::iter::once(&config.apex)
        .chain(config.zone.iter().filter(|zone| zone.sign).map(|zone| &zone.name))
        .cloned()
        .collect();
    let keys = Arc::new(Keys { config: config.clone(), zones });
    // Files hold what is secret, and the configuration holds their names.
    let settings = toml::to_string(config).map_err(|e| Failure::new(format!("the configuration: {e}")))?;
    let quarters = Arc::new(move || day.quarters().into_iter().map(shown).collect());
    Ok(Some(Arc::new(Console { site, times, keys, quarters, settings })))
}

fn shown(quarter: day::Quarter) -> Quarter {
    let day::Quarter { from_s, answers, found, missed } = quarter;
    Quarter { from_s, answers, found, missed }
}

/// The keys of this installation's zones; what is asked for here the keeper takes up, as from a command.
struct Keys {
    config: Config,
    zones: Vec<String>,
}

impl Keys {
    fn life(&self, zone: &str) -> Result<(Life, Vec<Wait>), String> {
        let apex = Name::from_text(zone).map_err(|e| e.to_string())?;
        let keeping = keeper::keeping(&self.config, &apex);
        let life = keeping.life(SystemClock.now_s()).map_err(|e| e.to_string())?;
        let waits = life.waits(keeping.policy());
        Ok((life, waits))
    }
}

impl KeyRoom for Keys {
    fn zones(&self) -> Vec<ZoneKeysShown> {
        let shown = |zone: &String| match self.life(zone) {
            Ok((life, waits)) => of_zone(zone, &life, &waits, SystemClock.now_s()),
            Err(why) => ZoneKeysShown { zone: zone.clone(), trouble: Some(why), ..ZoneKeysShown::default() },
        };
        self.zones.iter().map(shown).collect()
    }

    fn roll(&self, zone: &str, what: Rolled) -> Result<String, String> {
        if !self.zones.iter().any(|one| one == zone) {
            return Err("there is no such signed zone".to_owned());
        }
        let apex = Name::from_text(zone).map_err(|e| e.to_string())?;
        let (roll, now_s) = (if what == Rolled::Zsk { Roll::Zsk } else { Roll::Ksk }, SystemClock.now_s());
        let mut keeping = keeper::keeping(&self.config, &apex);
        let asked = keeping.change(now_s, |life, _| Ok(life.ask(roll, Urgency::Ordinary, now_s)?));
        asked.map(|()| "asked for".to_owned()).map_err(|e| e.to_string())
    }
}

fn of_zone(zone: &str, life: &Life, waits: &[Wait], now_s: u64) -> ZoneKeysShown {
    let in_words = |wait: &Wait| match (wait.until_s, wait.who) {
        (Some(until_s), _) => format!("{}: {}", rfc3339(until_s), wait.what),
        (None, Actor::Nobody) => wait.what.clone(),
        (None, who) => format!("{} ({} must act)", wait.what, who.as_str()),
    };
    let keys = life.keys.iter().filter(|key| key.state != State::Removed).map(|key| KeyShown {
        name: format!("{} {}", key.role, key.tag),
        algorithm: format!("{} {}", key.algorithm, key.algorithm.mnemonic()),
        state: key.state.as_str().to_owned(),
        since_s: key.since_s,
        stretches: stretches_of(key, now_s),
        waits: waits.iter().filter(|wait| wait.key == Some(key.id())).map(in_words).collect(),
    });
    let next =
        [Actor::Operator, Actor::Parent, Actor::Server].into_iter().find(|who| waits.iter().any(|w| w.who == *who));
    ZoneKeysShown {
        zone: zone.to_owned(),
        next: next.unwrap_or(Actor::Nobody).as_str().to_owned(),
        keys: keys.collect(),
        waits: waits.iter().filter(|wait| wait.key.is_none()).map(in_words).collect(),
        trouble: None,
    }
}
