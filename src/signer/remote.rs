//! The signer in a process of its own, as the authority sees it: one connection, made again when it breaks.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::log::Hash;
use crate::log::addition::Addition;
use crate::log::checkpoint::Checkpoint;
use crate::log::cosigner::Seen;
use crate::log::note::{Note, VerifierKey};
use crate::signer::frame::{self, Answer, Ask, Held};
use crate::signer::{Log, Origins, SignerError};

/// How long the signer may take for a piece of its answer: it waits for its disk once.
const PATIENCE: Duration = Duration::from_secs(5);

/// A signer behind a socket.
#[derive(Debug)]
pub struct Remote {
    path: PathBuf,
    link: Mutex<Option<UnixStream>>,
    keys: [VerifierKey; 2],
}

impl Remote {
    /// The signer at `path`. It must have the keys that are known; of none known it is asked, and must be there.
    pub fn open(path: &Path, origins: &Origins, known: Option<[VerifierKey; 2]>) -> Result<Self, SignerError> {
        let keys = match known {
            Some(keys) => keys,
            None => match ask(path, &mut None, &Ask::State)? {
                Answer::State(held) => held.map(|held| held.key),
                other => return Err(strange(path, &other)),
            },
        };
        let names = [&origins.map, &origins.gov];
        if let Some((key, name)) = keys.iter().zip(names).find(|(key, name)| key.name() != **name) {
            return Err(away(
                path,
                format!("it signs for {:?}, not for {name:?}: start it with the right --host", key.name()),
            ));
        }
        Ok(Self { path: path.to_owned(), link: Mutex::new(None), keys })
    }

    /// The key to check what is signed of a log.
    pub fn verifier(&self, log: Log) -> &VerifierKey {
        let [map, gov] = &self.keys;
        match log {
            Log::Map => map,
            Log::Gov => gov,
        }
    }

    /// What was signed last of the map log and of the gov log.
    pub fn all_seen(&self) -> Result<[Seen; 2], SignerError> {
        let [map, gov]: [Held; 2] = match self.ask(&Ask::State)? {
            Answer::State(held) => *held,
            other => return Err(strange(&self.path, &other)),
        };
        if [&map.key, &gov.key] != [&self.keys[0], &self.keys[1]] {
            let why =
                "it has other keys than this directory's logs were signed with: restore log.key and gov.key there";
            return Err(away(&self.path, why.to_owned()));
        }
        Ok([map.seen, gov.seen])
    }

    /// Has a head signed.
    pub fn sign(&self, head: &Checkpoint, old: u64, proof: &[Hash]) -> Result<String, SignerError> {
        let text = head.write();
        let line = self.line(&Ask::Head(Addition { old, proof: proof.to_vec(), note: text.clone() }))?;
        self.checked(if head.origin == self.keys[1].name() { Log::Gov } else { Log::Map }, &text, line)
    }

    /// Has a leaf of the gov log signed.
    pub fn sign_leaf(&self, text: &str) -> Result<String, SignerError> {
        let line = self.line(&Ask::Leaf(text.to_owned()))?;
        self.checked(Log::Gov, text, line)
    }

    /// The line, if it is a signature over the text by the key that everybody knows.
    fn checked(&self, log: Log, text: &str, line: String) -> Result<String, SignerError> {
        let note = Note::open(&format!("{text}\n{line}"), std::slice::from_ref(self.verifier(log)));
        match note.is_ok_and(|note| !note.signed.is_empty()) {
            true => Ok(line),
            false => Err(away(&self.path, format!("what it gives is no signature of {}.key", log.key()))),
        }
    }

    fn line(&self, question: &Ask) -> Result<String, SignerError> {
        match self.ask(question)? {
            Answer::Line(line) => Ok(line),
            Answer::Refused(refused) => Err(refused.into()),
            Answer::Unknown(origin) => Err(SignerError::Unknown(origin)),
            Answer::Trouble(why) => Err(away(&self.path, why)),
            Answer::Malformed(why) => Err(away(&self.path, format!("it does not read what it is asked: {why}"))),
            other @ Answer::State(_) => Err(strange(&self.path, &other)),
        }
    }

    fn ask(&self, question: &Ask) -> Result<Answer, SignerError> {
        ask(&self.path, &mut self.link.lock().unwrap_or_else(PoisonError::into_inner), question)
    }
}

/// Asks; once more when a connection from before has broken meanwhile. Nothing that is asked does harm a second time.
fn ask(path: &Path, link: &mut Option<UnixStream>, question: &Ask) -> Result<Answer, SignerError> {
    let failed = |error: io::Error| away(path, error.to_string());
    if let Some(mut stream) = link.take()
        && let Ok(answer) = converse(&mut stream, question)
    {
        *link = Some(stream);
        return read(path, &answer);
    }
    let mut stream = connect(path).map_err(failed)?;
    let answer = converse(&mut stream, question).map_err(failed)?;
    *link = Some(stream);
    read(path, &answer)
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn converse(stream: &mut UnixStream, question: &Ask) -> io::Result<String> {
    frame::send(stream, &question.write())?;
    frame::take(stream)?.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"))
}

fn read(path: &Path, answer: &str) -> Result<Answer, SignerError> {
    Answer::parse(answer).map_err(|error| away(path, format!("it answers in another way: {error}")))
}

fn away(path: &Path, why: String) -> SignerError {
    SignerError::Away { path: path.to_owned(), why }
}

fn strange(path: &Path, answer: &Answer) -> SignerError {
    let why = match answer {
        Answer::Trouble(why) => why.clone(),
        _ => "it answers something else than it was asked".to_owned(),
    };
    away(path, why)
}
