//! What varies from thread to thread: random numbers, scratch space, recent signatures, counters.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

use super::counters::Counters;
use super::respond::Stop;
use crate::dnssec::keys::Key;
use crate::dnssec::{SignFault, ToSign};
use crate::log::{Hash, sha256};
use crate::wire::RrType;
use crate::zone::slot::SignatureBytes;

/// Recent online signatures that a worker keeps: 100 octets each, so 400 KB a worker.
const RECENT: usize = 4_096;
/// Scratch for one RRset and for its octets to be signed: a number has at most 16 KiB of records (REGISTRY.md 7).
const SCRATCH_OCTETS: usize = 32 * 1_024;
/// Scratch for one NSEC or NSEC3: a name or a hash, and a bitmap.
const NSEC_OCTETS: usize = 512;

/// What happens when a denial needs a new signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signing {
    /// It is made.
    Now,
    /// The answer is put off: [`super::Outcome::Later`].
    PutOff,
    /// It is made, for a query that was put off before.
    Resumed,
}

/// One thread's part of answering. Not shared; make one a thread.
pub struct Worker {
    random: Box<dyn SecureRandom + Send>,
    message: Vec<u8>,
    recent: Box<[Option<Recent>]>,
    signing: Signing,
    slips: u32,
    /// A number's data for the answer at hand.
    pub(super) scratch: Scratch,
    /// The NSEC or NSEC3 of the answer at hand.
    pub(super) nsec: Vec<u8>,
    /// Shared with whoever reports metrics.
    pub(super) counters: Arc<Counters>,
}

/// Room for a number's facts and for RDATAs put together from them.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) facts: Vec<u8>,
    pub(super) rdatas: Vec<u8>,
}

struct Recent {
    message: Hash,
    signature: SignatureBytes,
}

impl Default for Worker {
    /// A worker with the system's random numbers.
    fn default() -> Self {
        Self::new(Box::new(SystemRandom::new()))
    }
}

impl Worker {
    /// A worker with these random numbers.
    pub fn new(random: Box<dyn SecureRandom + Send>) -> Self {
        Self {
            random,
            message: Vec::with_capacity(SCRATCH_OCTETS),
            recent: (0..RECENT).map(|_| None).collect(),
            signing: Signing::Now,
            slips: 0,
            scratch: Scratch { facts: Vec::with_capacity(SCRATCH_OCTETS), rdatas: Vec::with_capacity(SCRATCH_OCTETS) },
            nsec: Vec::with_capacity(NSEC_OCTETS),
            counters: Arc::default(),
        }
    }

    /// This worker's counters, to be read by others.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// How new signatures for denials are dealt with from now on. A receiver with more queries waiting puts them off, so
    /// that a flood of denials costs denials first and positive answers last (DNS.md 7).
    pub fn signing(&mut self, how: Signing) {
        self.signing = how;
    }

    /// Whether the query at hand is looked at for the second time: limits counted it the first time.
    pub(super) fn is_resumed(&self) -> bool {
        self.signing == Signing::Resumed
    }

    /// Counts answers, so that every so many-th over a limit slips through.
    pub(super) fn next_slip(&mut self) -> u32 {
        self.slips = self.slips.wrapping_add(1);
        self.slips
    }

    /// A signature that has a slot beside its RRset.
    pub(super) fn sign(&mut self, key: &Key, set: &ToSign<'_>) -> Result<SignatureBytes, SignFault> {
        set.message(&mut self.message);
        self.counters.signed();
        key.signer.sign(&*self.random, &self.message)
    }

    /// A signature that has none: the same message by the same key gets the one from before, if it is still there.
    pub(super) fn sign_or_recall(&mut self, key: &Key, set: &ToSign<'_>) -> Result<SignatureBytes, Stop> {
        set.message(&mut self.message);
        // The whole message is the key of the cache, so no collision can give one name another's signature.
        let message = sha256(&[key.signer.public_key(), &self.message]);
        let [a, b, ..] = message;
        let place = self.recent.get_mut(usize::from(u16::from_be_bytes([a, b])) % RECENT).ok_or(Stop::Fault)?;
        if let Some(recent) = place.as_ref().filter(|recent| recent.message == message) {
            return Ok(recent.signature);
        }
        if self.signing == Signing::PutOff && matches!(set.rr_type, RrType::NSEC | RrType::NSEC3) {
            return Err(Stop::Later);
        }
        self.counters.signed();
        let signature = key.signer.sign(&*self.random, &self.message)?;
        *place = Some(Recent { message, signature });
        Ok(signature)
    }
}
