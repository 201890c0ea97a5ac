//! Deposits by the running service, when the charter says that one is due, and what the gov log is told of each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::authority::Authority;
use crate::cli::escrow::deposit;
use crate::cli::escrow::state::State;
use crate::cli::report::Failure;
use crate::clock::Clock;
use crate::config::Config;

/// Between two looks whether one is due.
const LOOK: Duration = Duration::from_secs(60);
/// Before a deposit that failed is tried again: each try copies the ledger.
const AGAIN: Duration = Duration::from_secs(3_600);

/// The thread that makes deposits. Stops when dropped, after the deposit at hand.
pub(crate) struct Depositing {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Depositing {
    /// Starts it; without an agent's key there is nothing to do.
    pub(crate) fn start(
        dir: &Path,
        config: &Config,
        authority: &Authority,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        if config.escrow.recipient.is_empty() {
            return Ok(Self { stop: None, thread: None });
        }
        let (stop, stopped) = channel();
        let work = Work {
            dir: dir.to_owned(),
            config: config.clone(),
            authority: authority.clone(),
            clock: Arc::clone(clock),
        };
        let thread = thread::Builder::new().name("escrow".into()).spawn(move || {
            let mut pause = Duration::ZERO;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pause) {
                pause = work.turn().map_or_else(
                    |why| {
                        tracing::error!(%why, "the escrow deposit that is due could not be made; trying again in an hour");
                        AGAIN
                    },
                    |()| LOOK,
                );
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Depositing {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of escrow deposits had panicked");
        }
    }
}

struct Work {
    dir: PathBuf,
    config: Config,
    authority: Authority,
    clock: Arc<dyn Clock>,
}

impl Work {
    fn turn(&self) -> Result<(), Failure> {
        let (kind, due_s) = State::read(&self.config.paths.data)?.next(&self.authority.policy());
        if self.clock.now_s() < due_s || self.authority.vitals().frozen.is_some() {
            return Ok(());
        }
        let made = deposit::make(&self.dir, &self.config, kind)?;
        tracing::info!(seq = made.seq, kind = made.kind.as_str(), "an escrow deposit was made");
        // The deposit stands whether the log takes the leaf or not.
        if let Err(no) = self.authority.tell_deposit(made.seq, made.kind.as_str(), &made.sha256, made.watermark_s) {
            tracing::error!(?no, "the gov log was not told of the escrow deposit");
        }
        Ok(())
    }
}
