//! Registers numbers through the directory's API, several at a time; stops as a whole when going on cannot help.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ring::rand::SystemRandom;
use serde::Serialize;

use crate::cli::evidence;
use crate::cli::profile::Profile;
use crate::cli::report::Failure;
use crate::client::holder::{Directory, RecordDraft};
use crate::client::provider::{Api, ApiError};
use crate::client::register::{Finding, RegisterError, Registrar, Validation};
use crate::clock::{Clock, SystemClock};
use crate::log::key::SigningKey;
use crate::log::record::Prefix;
use crate::number::Number;

/// Requests under way at once: what keeps a directory busy; it takes no more from one provider in less time.
pub(super) const WORKERS: usize = 16;
/// How long an overloaded directory is waited for, and how often, before the import stops: five minutes.
const PAUSE_S: u64 = 5;
const PAUSES_MAX: u32 = 60;
/// Between two looks at a number whose event is not published yet; an epoch takes a second.
const EPOCH_S: u64 = 1;

/// A number to be registered, with everything that its registration takes.
pub(super) struct Task {
    pub(super) number: Number,
    pub(super) rdatas: Vec<Vec<u8>>,
    pub(super) control: SigningKey,
    /// Not of the registration: comes back with the outcome.
    pub(super) lines: Vec<u32>,
    pub(super) mended: Vec<String>,
}

/// What became of it.
pub(super) enum Outcome {
    /// It is registered; by this run unless `already`.
    Registered { event: String, already: bool },
    /// The directory refuses it.
    Refused(Vec<Mistake>),
    /// Nothing is known about it: the import stops.
    Stopped(String),
}

/// One thing that is wrong, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Mistake {
    pub(super) code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clause: Option<String>,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// Everything that a provider registers with.
pub(super) struct Office<'a> {
    pub(super) profile: &'a Profile,
    pub(super) api: Api,
    pub(super) directory: Directory,
    pub(super) methods: &'a [String],
    pub(super) days: u64,
}

/// The directory's apex; asking for it is asking to prepare `number`, which registers nothing.
pub(super) fn apex(office: &Office<'_>, number: Number) -> Result<String, Failure> {
    let prepared = office.api.prepare(number)?;
    let pinned = office.directory.origin();
    if prepared.origin != pinned {
        let found = prepared.origin;
        return Err(RegisterError::OtherLog { found, pinned: pinned.to_owned() }.into());
    }
    Ok(prepared.apex)
}

/// Hands the tasks of `make` to the workers and each outcome to `take`, in any order. After the first
/// [`Outcome::Stopped`] nothing more is submitted.
pub(super) fn run(
    office: &Office<'_>,
    make: impl FnOnce(&SyncSender<Task>) -> Result<(), Failure> + Send,
    mut take: impl FnMut(Task, Outcome) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (tasks, todo) = sync_channel::<Task>(2 * WORKERS);
    let (outcomes, done) = sync_channel(2 * WORKERS);
    let (todo, stopped) = (Mutex::new(todo), AtomicBool::new(false));
    thread::scope(|scope| {
        let (todo, stopped) = (&todo, &stopped);
        for _ in 0..WORKERS {
            let outcomes = outcomes.clone();
            scope.spawn(move || work(office, todo, stopped, &outcomes));
        }
        drop(outcomes);
        let maker = scope.spawn(move || {
            let made = make(&tasks);
            drop(tasks);
            made
        });
        let mut taken = Ok(());
        for (task, outcome) in done {
            if matches!(outcome, Outcome::Stopped(_)) {
                stopped.store(true, Ordering::Relaxed);
            }
            if taken.is_ok() {
                taken = take(task, outcome);
                stopped.fetch_or(taken.is_err(), Ordering::Relaxed);
            }
        }
        let made = maker.join().unwrap_or_else(|_| Err(Failure::new("preparing the registrations broke off")));
        taken.and(made)
    })
}

fn work(
    office: &Office<'_>,
    todo: &Mutex<Receiver<Task>>,
    stopped: &AtomicBool,
    outcomes: &SyncSender<(Task, Outcome)>,
) {
    loop {
        let task = match todo.lock() {
            Ok(todo) => todo.recv(),
            Err(_) => return, // another worker panicked, and the scope hands that on
        };
        let Ok(task) = task else { return };
        // What still waits is taken and dropped, so that the maker comes to its end.
        if !stopped.load(Ordering::Relaxed) {
            let outcome = register(office, &task, stopped);
            if outcomes.send((task, outcome)).is_err() {
                return;
            }
        }
    }
}

fn register(office: &Office<'_>, task: &Task, stopped: &AtomicBool) -> Outcome {
    let profile = office.profile;
    let random = SystemRandom::new();
    let registrar = Registrar {
        api: &office.api,
        directory: &office.directory,
        provider: &profile.provider,
        statement_key: &profile.statement_key,
        validation: Validation { issuer: &profile.validation_entity, key: &profile.validation_key },
        random: &random,
    };
    let what = "imported from a zone file";
    let noted = evidence::noted(what, profile.folder(), task.number, office.methods, SystemClock.now_s());
    let evidence = match noted {
        Ok(evidence) => evidence,
        Err(failure) => return Outcome::Stopped(failure.to_string()),
    };
    for _ in 0..PAUSES_MAX {
        let now_s = SystemClock.now_s();
        let finding = Finding {
            methods: office.methods.to_vec(),
            validated_s: now_s,
            not_after_s: now_s + office.days * 86_400,
            evidence,
        };
        let empty = RecordDraft::new(task.number, &profile.provider);
        let draft = task.rdatas.iter().fold(empty, |draft, rdata| draft.rr(Prefix::Naptr, rdata.clone()));
        match registrar.register_held(task.number, draft, &task.control, &finding) {
            Ok(Some(done)) => return Outcome::Registered { event: done.receipt.event_hash, already: false },
            Ok(None) => return Outcome::Registered { event: String::new(), already: true },
            Err(_) if stopped.load(Ordering::Relaxed) => break,
            Err(RegisterError::Api(no)) if is_busy(&no) => thread::sleep(Duration::from_secs(PAUSE_S)),
            // A run that was cut off has submitted it: once its epoch is published, the key tells whose it is.
            Err(RegisterError::Api(no)) if waits_for_its_epoch(office, task, &no) => {
                thread::sleep(Duration::from_secs(EPOCH_S));
            }
            Err(no) => return refused(no),
        }
    }
    Outcome::Stopped("the directory asked to wait, again and again".to_owned())
}

/// Whether the directory asks to come back later, for another reason than a quota of the day.
fn is_busy(no: &ApiError) -> bool {
    matches!(no, ApiError::Problem(problem) if matches!(problem.status, 429 | 503) && !is_quota(&problem.code))
}

fn is_quota(code: &str) -> bool {
    code.starts_with("quota_")
}

/// Whether there is a first event of this provider that is not published: nobody else is shown it.
fn waits_for_its_epoch(office: &Office<'_>, task: &Task, no: &ApiError) -> bool {
    matches!(no.code(), Some("exists" | "event_pending"))
        && office.api.number(task.number).is_ok_and(|view| view.is_some())
}

fn refused(no: RegisterError) -> Outcome {
    match no {
        RegisterError::Api(ApiError::Problem(problem)) => {
            let stops = matches!(problem.status, 401 | 403 | 429) || problem.status >= 500;
            if stops || is_quota(&problem.code) {
                return Outcome::Stopped(ApiError::Problem(problem).to_string());
            }
            let mistake = |code: &str, clause, detail: &str, remedy| Mistake {
                code: code.to_owned(),
                clause,
                detail: detail.to_owned(),
                remedy,
            };
            let mut mistakes: Vec<Mistake> = problem
                .errors
                .iter()
                .map(|e| mistake(&e.code, e.clause.clone(), &e.detail, e.remedy.clone()))
                .collect();
            if mistakes.is_empty() {
                mistakes.push(mistake(&problem.code, problem.clause.clone(), &problem.detail, problem.remedy.clone()));
            }
            Outcome::Refused(mistakes)
        }
        RegisterError::OtherKey => Outcome::Refused(vec![Mistake {
            code: "exists".to_owned(),
            clause: None,
            detail: RegisterError::OtherKey.to_string(),
            remedy: Some("Its holder changes the record, or releases the number.".to_owned()),
        }]),
        other => Outcome::Stopped(other.to_string()),
    }
}
