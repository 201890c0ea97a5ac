//! `reload`: the running service reads its configuration again, takes up what can change while it works, and says what cannot.
//!
//! ```text
//! SIGHUP, or data/reload.request --> config.toml read and checked --> limits swapped --> data/reload.result: changed, needs a restart
//! ```
//! Nothing is closed and no thread ends, so no query is lost. A configuration with a mistake changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::InstallationArgs;
use crate::cli::report::{Exit, Failure, Report};
use crate::config::{Config, read_cookie_secrets};
use crate::http;
use crate::nameserver::{Guard, View};
use crate::primary::Switch;

const REQUEST: &str = "reload.request";
const RESULT: &str = "reload.result";
/// Between two looks of the service for a request.
const TURN: Duration = Duration::from_millis(250);
/// How long a command waits for the answer.
const WAIT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// What begins a key that can change while the service works.
const LIVE: [&str; 8] = [
    "limits.",
    "http.requests_per_s",
    "http.token_requests_per_s",
    "http.complaints_per_h",
    "http.proofs_per_s",
    "http.exempt",
    "http.proxies",
    "http.staff_certificates",
];

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Outcome {
    /// Of the request.
    id: String,
    /// Why nothing was changed.
    refused: Option<String>,
    /// Keys that are in force now, with their values.
    changed: BTreeMap<String, Value>,
    /// Keys that say something else in the file than what is in force.
    needs_restart: BTreeMap<String, Value>,
}

pub(crate) fn run(args: &InstallationArgs) -> Result<Report, Failure> {
    let data = Config::load(&args.dir)?.paths.data;
    let mut id = [0; 8];
    SystemRandom::new().fill(&mut id).map_err(|_| Failure::new("the system gives no random numbers"))?;
    let id = data_encoding::HEXLOWER.encode(&id);
    std::fs::write(data.join(REQUEST), &id)?;
    for _ in 0..WAIT.as_millis() / LOOK.as_millis() {
        thread::sleep(LOOK);
        let said = std::fs::read(data.join(RESULT)).ok();
        let said = said.and_then(|text| serde_json::from_slice::<Outcome>(&text).ok());
        if let Some(outcome) = said.filter(|outcome| outcome.id == id) {
            return Ok(told(&outcome));
        }
    }
    let _ = std::fs::remove_file(data.join(REQUEST)); // nobody took it
    Err(Failure::new(format!("no service of {} answers: is it running? callbook status says so", args.dir.display())))
}

fn told(outcome: &Outcome) -> Report {
    let mut lines = Vec::new();
    if let Some(why) = &outcome.refused {
        lines.push(format!("nothing was changed: {why}"));
    }
    lines.extend(outcome.changed.iter().map(|(key, value)| format!("in force now: {key} = {value}")));
    lines.extend(outcome.needs_restart.iter().map(|(key, value)| format!("needs a restart: {key} = {value}")));
    if lines.is_empty() {
        lines.push("everything is in force already".to_owned());
    }
    let exit = if outcome.refused.is_some() { Exit::None } else { Exit::Done };
    let json = json!({"changed": outcome.changed, "needs_restart": outcome.needs_restart, "refused": outcome.refused});
    Report { text: lines.join("\n"), json, exit }
}

/// Who reads the configuration again. Stops when dropped.
pub(crate) struct Reloading {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    switch: Switch,
}

impl Reloading {
    /// Starts the thread for the installation in `dir`, whose service runs by `config`.
    pub(crate) fn start(
        dir: &Path,
        config: &Config,
        view: Arc<ArcSwap<View>>,
        limits: Arc<http::Limits>,
    ) -> Result<Self, Failure> {
        let (stop, stopped) = channel();
        let switch = Switch::default();
        let mut work = Work { dir: dir.to_owned(), running: config.clone(), view, limits };
        let asked = switch.clone();
        let thread = thread::Builder::new().name("reload".into()).spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TURN) {
                work.turn(&asked);
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread), switch })
    }

    /// Asks for a reload.
    pub(crate) fn switch(&self) -> Switch {
        self.switch.clone()
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reloads had panicked");
        }
    }
}

struct Work {
    dir: PathBuf,
    running: Config,
    view: Arc<ArcSwap<View>>,
    limits: Arc<http::Limits>,
}

impl Work {
    fn turn(&mut self, asked: &Switch) {
        let request = self.running.paths.data.join(REQUEST);
        let id = std::fs::read_to_string(&request).ok().filter(|_| std::fs::remove_file(&request).is_ok());
        if id.is_none() && !asked.take() {
            return;
        }
        let outcome = match self.reload() {
            Ok(outcome) => outcome,
            Err(why) => Outcome { refused: Some(why.to_string()), ..Outcome::default() },
        };
        match &outcome.refused {
            Some(why) => tracing::error!(%why, "the configuration was not reloaded: nothing was changed"),
            None => tracing::info!(
                changed = outcome.changed.len(),
                needs_restart = outcome.needs_restart.len(),
                "the configuration was reloaded"
            ),
        }
        if let Some(id) = id
            && let Err(error) = self.answer(Outcome { id, ..outcome })
        {
            tracing::error!(%error, "the answer to a reload could not be written");
        }
    }

    fn answer(&self, outcome: Outcome) -> std::io::Result<()> {
        let data = &self.running.paths.data;
        let partial = data.join(format!("{RESULT}.partial"));
        std::fs::write(&partial, serde_json::to_vec(&outcome)?)?;
        std::fs::rename(partial, data.join(RESULT))
    }

    fn reload(&mut self) -> Result<Outcome, Failure> {
        let new = Config::load(&self.dir)?;
        let (before, after) = (flat(&self.running)?, flat(&new)?);
        let differs = after.into_iter().filter(|(key, value)| before.get(key) != Some(value));
        let (changed, needs_restart): (BTreeMap<_, _>, BTreeMap<_, _>) =
            differs.partition(|(key, _)| LIVE.iter().any(|live| key.starts_with(live)));
        if changed.keys().any(|key| key.starts_with("limits.")) {
            // The budgets of all addresses begin anew.
            let secrets = read_cookie_secrets(&self.running.dns.cookie_secrets)?;
            let guard = Arc::new(Guard::new(new.limits.clone(), secrets, &SystemRandom::new())?);
            self.view.rcu(|view| View::clone(view).guarded(Arc::clone(&guard)));
            self.running.limits = new.limits;
        }
        if changed.keys().any(|key| key.starts_with("http.")) {
            let listening = self.running.http.clone();
            let (listen, tls_listen) = (listening.listen, listening.tls_listen);
            let (tls_cert, tls_key) = (listening.tls_cert, listening.tls_key);
            self.running.http = crate::config::Http { listen, tls_listen, tls_cert, tls_key, ..new.http };
            self.limits.replace(self.running.http.clone());
        }
        Ok(Outcome { changed, needs_restart, ..Outcome::default() })
    }
}

/// Every key with its value, `table.key`.
fn flat(config: &Config) -> Result<BTreeMap<String, Value>, Failure> {
    let Value::Object(sections) = serde_json::to_value(config)? else { return Ok(BTreeMap::new()) };
    let mut keys = BTreeMap::new();
    for (section, value) in sections {
        match value {
            Value::Object(values) => {
                keys.extend(values.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)))
            }
            value => drop(keys.insert(section, value)),
        }
    }
    Ok(keys)
}
