//! The signer in this process: both keys, and what was signed last with each.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::log::checkpoint::Checkpoint;
use crate::log::cosigner::Seen;
use crate::log::gov::GovLeaf;
use crate::log::key::SigningKey;
use crate::log::note::{LineType, NoteSigner, VerifierKey};
use crate::log::{Hash, bytes::Malformed};
use crate::seal::Lock;
use crate::signer::key_file::{self, KeyError};
use crate::signer::memory::{Memory, MemoryError};
use crate::signer::{Log, Origins, SignerError};

/// The keys of both logs with their memories.
#[derive(Debug)]
pub struct Local {
    map: Pen,
    gov: Pen,
}

/// The key of one log.
#[derive(Debug)]
struct Pen {
    signer: NoteSigner,
    verifier: VerifierKey,
    origin: String,
    path: PathBuf,
    /// None: nothing is known of what was signed, and nothing is signed.
    memory: Mutex<Option<Memory>>,
}

impl Local {
    /// Reads the keys in `keys`, and what was signed last in `state` if it is there.
    pub fn open(keys: &Path, state: &Path, lock: &Lock, origins: &Origins) -> Result<Self, SignerError> {
        let pen = |log: Log| {
            Pen::open(key_file::signing(keys, log.key(), lock)?, origins.state_file(log, state), origins.of(log))
        };
        Ok(Self { map: pen(Log::Map)?, gov: pen(Log::Gov)? })
    }

    fn pen(&self, log: Log) -> &Pen {
        match log {
            Log::Map => &self.map,
            Log::Gov => &self.gov,
        }
    }

    /// The key to check what is signed of a log.
    pub fn verifier(&self, log: Log) -> &VerifierKey {
        &self.pen(log).verifier
    }

    /// Whether it is known of both logs what was signed last.
    pub fn remembers(&self) -> bool {
        [&self.map, &self.gov].iter().all(|pen| pen.memory().is_some())
    }

    /// What was signed last.
    pub fn seen(&self, log: Log) -> Result<Seen, SignerError> {
        let pen = self.pen(log);
        pen.memory().as_ref().map(|memory| *memory.seen()).ok_or_else(|| pen.missing())
    }

    /// Takes it on trust what was signed last of a log of which nothing is known; durable when this returns.
    pub fn adopt(&self, log: Log, seen: Seen) -> Result<(), SignerError> {
        let pen = self.pen(log);
        let mut memory = pen.memory();
        if memory.is_none() {
            *memory = Some(Memory::create(&pen.path, &pen.origin, seen)?);
        }
        Ok(())
    }

    /// Signs a head of the log that it names, if it goes on from the last one; remembered before the line is given out.
    pub fn sign(&self, head: &Checkpoint, old: u64, proof: &[Hash]) -> Result<String, SignerError> {
        let pen = [&self.map, &self.gov].into_iter().find(|pen| pen.origin == head.origin);
        let pen = pen.ok_or_else(|| SignerError::Unknown(head.origin.clone()))?;
        let mut memory = pen.memory();
        let memory = memory.as_mut().ok_or_else(|| pen.missing())?;
        let next = Seen::of(head);
        memory.seen().admit(old, next, proof)?;
        if *memory.seen() != next {
            memory.keep(next)?;
        }
        Ok(pen.signer.line(&head.write()))
    }

    /// Signs a leaf of the gov log. Nothing but such a leaf has its form, so this key says nothing else.
    pub fn sign_leaf(&self, text: &str) -> Result<String, SignerError> {
        GovLeaf::parse(text)?;
        Ok(self.gov.signer.line(text))
    }
}

impl Pen {
    fn open(key: SigningKey, path: PathBuf, origin: &str) -> Result<Self, SignerError> {
        let bad = Malformed::new("the name of a log", "the host must be a host name");
        let signer = NoteSigner::new(origin, key).ok_or(bad)?;
        let memory = match Memory::open(&path, origin) {
            Err(MemoryError::Missing { .. }) => None,
            other => Some(other?),
        };
        let verifier = signer.verifier(LineType::Signature);
        Ok(Self { signer, verifier, origin: origin.to_owned(), path, memory: Mutex::new(memory) })
    }

    fn memory(&self) -> MutexGuard<'_, Option<Memory>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self) -> SignerError {
        MemoryError::Missing { path: self.path.clone() }.into()
    }
}

impl From<KeyError> for SignerError {
    fn from(error: KeyError) -> Self {
        Self::Key(Box::new(error))
    }
}
