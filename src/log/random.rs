//! Where random bytes come from: the machine, or a seed that gives the same bytes every time.

use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use crate::log::sha256;

/// A source of unpredictable bytes, handed in by the caller so that tests can repeat themselves.
pub trait Random {
    /// Fills `out`, or says that there is no randomness to be had.
    fn fill(&self, out: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The operating system gave no random bytes: stop, never go on with weak ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

impl Random for ring::rand::SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoRandomness> {
        SecureRandom::fill(self, out).map_err(|_| NoRandomness)
    }
}

/// The same bytes for the same seed, each block drawn once: for tests and for synthetic registrations.
///
/// Block i is `H("callbook/seeded/v1\0" ‖ seed ‖ u64 i)`; whoever knows the seed knows every byte.
pub struct Seeded {
    seed: Zeroizing<[u8; 32]>,
    next: std::cell::Cell<u64>,
}

impl Seeded {
    /// A source that starts anew at `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), next: std::cell::Cell::new(0) }
    }
}

impl Random for Seeded {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoRandomness> {
        for chunk in out.chunks_mut(32) {
            let i = self.next.get();
            self.next.set(i + 1);
            let block = sha256(&[b"callbook/seeded/v1\0", &*self.seed, &i.to_be_bytes()]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}
