//! How a command has a running service change what is delegated: a request in a file, and the answer in another.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::{Asked, Changes, Mode, Right, folder};
use crate::cli::report::Failure;
use crate::config::Config;
use crate::primary::PrimaryError;
use crate::primary::disk::{self, Durable};

const REQUEST: &str = "change.request";
const RESULT: &str = "change.result";
/// Held by the command that asks: two at once would take each other's answers.
const TURN: &str = "turn";
/// How often an answer is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// After so many looks it is tried whether there is a service at all.
const LOOKS_PER_TRIAL: u128 = 10;
/// How long a service may take: it reads two files, and a service that is starting reads its ledger first.
const WAIT: Duration = Duration::from_secs(300);

/// A request.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) asked: Asked,
    pub(super) mode: Mode,
}

/// What a service made of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    id: String,
    /// The serial that is served now.
    pub(crate) serial: u32,
    /// What was changed, or would be.
    pub(crate) changes: Changes,
    /// Why it was refused; then nothing was changed.
    pub(crate) problem: Option<String>,
}

/// Asks the running service and waits for its answer; `None` if it was no service that had the right, but a command that is
/// over, or a service that has stopped.
pub(crate) fn ask(config: &Config, asked: &Asked, mode: Mode) -> Result<Option<Answer>, Failure> {
    let folder = folder(config);
    let turn = turn_file(&folder)?;
    turn.lock()?;
    let mut id = [0; 8];
    SystemRandom::new().fill(&mut id).map_err(|_| Failure::new("the system gives no random numbers"))?;
    let request = Request { id: data_encoding::HEXLOWER.encode(&id), asked: asked.clone(), mode };
    write(&folder.join(REQUEST), &request)?;
    for look in 1..=WAIT.as_millis() / LOOK.as_millis() {
        std::thread::sleep(LOOK);
        let octets = disk::read(&folder.join(RESULT))?;
        let answer = octets.and_then(|octets| serde_json::from_slice::<Answer>(&octets).ok());
        if let Some(answer) = answer.filter(|answer| answer.id == request.id) {
            return Ok(Some(answer));
        }
        if look % LOOKS_PER_TRIAL == 0 && Right::take(config)?.is_some() {
            let _ = std::fs::remove_file(folder.join(REQUEST)); // nobody takes it
            return Ok(None);
        }
    }
    let _ = std::fs::remove_file(folder.join(REQUEST)); // nobody took it
    Err(Failure::new("the service that runs here does not answer: look at its log, and whether it hangs"))
}

/// Removes a request whose command was ended before it was answered: nobody expects it to be done later.
pub(super) fn forget_if_nobody_waits(folder: &Path) -> Result<(), Failure> {
    if turn_file(folder)?.try_lock().is_ok() {
        let _ = std::fs::remove_file(folder.join(REQUEST)); // there was none
    }
    Ok(())
}

fn turn_file(folder: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(folder.join(TURN))
}

/// Takes the request, if there is one.
pub(super) fn take(folder: &Path) -> Option<Request> {
    let path = folder.join(REQUEST);
    let octets = disk::read(&path).ok().flatten()?;
    std::fs::remove_file(&path).ok()?;
    serde_json::from_slice(&octets).ok()
}

/// Answers it: the serial and what changed, or why not.
pub(super) fn answer(
    folder: &Path,
    request: Request,
    (serial, done): (u32, Result<Changes, String>),
) -> Result<(), PrimaryError> {
    let (changes, problem) = match done {
        Ok(changes) => (changes, None),
        Err(why) => (Changes::default(), Some(why)),
    };
    write(&folder.join(RESULT), &Answer { id: request.id, serial, changes, problem })
}

fn write(path: &Path, what: &impl Serialize) -> Result<(), PrimaryError> {
    let text = serde_json::to_vec(what).unwrap_or_default(); // plain data
    disk::replace(path, Durable::No, |out| out.write_all(&text))
}
