//! A witness (C2SP tlog-witness): cosigns the heads of logs, each once and each going on from the last, whatever the log says
//! to others.
//!
//! ```text
//! add-checkpoint --> form -> log known -> its signature -> goes on from what was cosigned last -> remember (fdatasync) -> cosign
//! ```

mod http;
mod rates;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use data_encoding::HEXLOWER;

pub use crate::attest::witness::http::router;

use crate::config;
use crate::log::addition::Addition;
use crate::log::bytes::Malformed;
use crate::log::checkpoint::Checkpoint;
use crate::log::cosigner::{Refused, Seen};
use crate::log::key::SigningKey;
use crate::log::note::{BAD_SIGNATURE, LineType, Note, NoteSigner, VerifierKey};
use crate::log::sha256;
use crate::signer::{Memory, MemoryError, ORIGIN_BYTES_MAX};

/// The purpose of a witness's key, and the name of its file.
pub const KEY: &str = "witness";

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The name cannot be that of a key.
    #[error(
        "{0:?} cannot name a witness: a URL without scheme, space and plus sign is needed, such as witness.example/w1"
    )]
    Name(String),
    /// A key of a log cannot be read.
    #[error(
        "the key of the log {origin:?} ({why}): a vkey of type 1 is needed, `name+id+base64`, as the log's operator publishes it"
    )]
    LogKey {
        /// The log.
        origin: String,
        /// What is wrong.
        why: Malformed,
    },
    /// The name of a log cannot be.
    #[error("{0:?} cannot name a log: one line of 1 to {ORIGIN_BYTES_MAX} octets is needed")]
    Origin(String),
    /// Nothing is known of what was cosigned of a log that stands in the file.
    #[error(
        "{path} is missing: it says what was cosigned last of the log {origin:?}. Restore it; of a log that was written into the file by \
         hand it is made by `callbook witness watch --anew`, and so is one that is lost: then the witness may cosign another history"
    )]
    Forgotten {
        /// Where it was looked for.
        path: PathBuf,
        /// The log.
        origin: String,
    },
    /// What was cosigned last is not known for another reason.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// What came of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The cosignature, a line.
    Cosigned(String),
    /// The request makes no sense; why.
    Malformed(Malformed),
    /// The log's key has not signed it.
    NotSigned,
    /// Nobody told this witness to look after that log.
    UnknownLog,
    /// The newest cosigned checkpoint has this size: another than was said, or the same with another root.
    Conflict(u64),
    /// The proof does not show that the log goes on.
    BadProof,
    /// It cannot be remembered, so it is not cosigned.
    Trouble,
}

/// A running witness.
pub struct Witness {
    signer: NoteSigner,
    logs: BTreeMap<String, Watched>,
}

struct Watched {
    keys: Vec<VerifierKey>,
    memory: Mutex<Memory>,
}

/// The file that says what was cosigned last of a log.
pub fn state_file(folder: &Path, origin: &str) -> PathBuf {
    /// Enough that no two logs meet; short enough to read.
    const NAME_OCTETS: usize = 16;
    let hash = sha256(&[origin.as_bytes()]);
    folder.join(format!("{}.state", HEXLOWER.encode(&hash[..NAME_OCTETS])))
}

/// Reads the key of a log.
pub fn log_key(log: &config::WitnessedLog) -> Result<VerifierKey, WitnessError> {
    let bad = |why| WitnessError::LogKey { origin: log.origin.clone(), why };
    let key = VerifierKey::parse(&log.vkey).map_err(bad)?;
    let signs = key.line_type() == LineType::Signature;
    signs.then_some(key).ok_or_else(|| bad(Malformed::new("vkey", "it makes cosignatures")))
}

/// Begins to look after a log: nothing was cosigned of it yet.
pub fn begin(folder: &Path, log: &config::WitnessedLog) -> Result<(), WitnessError> {
    if log.origin.is_empty() || log.origin.len() > ORIGIN_BYTES_MAX || log.origin.contains(char::is_control) {
        return Err(WitnessError::Origin(log.origin.clone()));
    }
    log_key(log)?;
    Memory::create(&state_file(folder, &log.origin), &log.origin, Seen::nothing())?;
    Ok(())
}

impl Witness {
    /// Opens a witness: of every log what was cosigned last must be known, in a file of `folder`.
    pub fn open(told: &config::Witness, key: SigningKey, folder: &Path) -> Result<Self, WitnessError> {
        let signer = NoteSigner::new(&told.name, key).ok_or_else(|| WitnessError::Name(told.name.clone()))?;
        let mut logs: BTreeMap<String, Watched> = BTreeMap::new();
        for log in &told.log {
            let key = log_key(log)?;
            if let Some(watched) = logs.get_mut(&log.origin) {
                watched.keys.push(key);
                continue;
            }
            let memory = match Memory::open(&state_file(folder, &log.origin), &log.origin) {
                Err(MemoryError::Missing { path }) => {
                    return Err(WitnessError::Forgotten { path, origin: log.origin.clone() });
                }
                other => other?,
            };
            logs.insert(log.origin.clone(), Watched { keys: vec![key], memory: Mutex::new(memory) });
        }
        Ok(Self { signer, logs })
    }

    /// The key to check its cosignatures.
    pub fn verifier(&self) -> VerifierKey {
        self.signer.verifier(LineType::Cosignature)
    }

    /// Looks at a checkpoint and cosigns it, if it goes on from the last one; `now_s` is the time (Unix seconds). Blocks for
    /// the disk.
    pub fn add_checkpoint(&self, body: &str, now_s: u64) -> Answer {
        match self.consider(body, now_s) {
            Ok(answer) => answer,
            Err(why) if why == BAD_SIGNATURE => Answer::NotSigned,
            Err(why) => Answer::Malformed(why),
        }
    }

    fn consider(&self, body: &str, now_s: u64) -> Result<Answer, Malformed> {
        let Addition { old, proof, note } = Addition::parse(body)?;
        let (text, _) = note.rsplit_once("\n\n").ok_or(Malformed::new("note", "form"))?;
        let head = Checkpoint::parse_any(&format!("{text}\n"))?;
        let Some(log) = self.logs.get(&head.origin) else { return Ok(Answer::UnknownLog) };
        let opened = Note::open(&note, &log.keys)?;
        if opened.signed.is_empty() {
            return Ok(Answer::NotSigned);
        }
        // From the look at what was cosigned last until the next is remembered nobody else looks.
        let mut memory = log.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Seen::of(&head);
        match memory.seen().admit(old, next, &proof) {
            Ok(()) => {}
            Err(Refused::OldSize) => {
                return Err(Malformed::new("add-checkpoint", "the old size is above the checkpoint's"));
            }
            Err(Refused::Elsewhere(seen)) => return Ok(Answer::Conflict(seen.size)),
            Err(Refused::Fork(seen)) => {
                tracing::error!(origin = %head.origin, size = seen.size, note, "TWO CHECKPOINTS OF ONE SIZE: the log tells two stories. Keep this line, it is the evidence");
                return Ok(Answer::Conflict(seen.size));
            }
            Err(Refused::Proof) => {
                tracing::warn!(origin = %head.origin, size = head.size, old, note, "a checkpoint without a good proof");
                return Ok(Answer::BadProof);
            }
        }
        if *memory.seen() != next
            && let Err(error) = memory.keep(next)
        {
            tracing::error!(%error, "nothing is cosigned");
            return Ok(Answer::Trouble);
        }
        Ok(Answer::Cosigned(self.signer.cosign(&opened.text, now_s)))
    }
}
