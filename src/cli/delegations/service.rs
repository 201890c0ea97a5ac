//! The part of a running service that takes up delegations: requests, and signals to read the files again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::exchange::{self, Request};
use super::{Asked, Changes, Mode, Right, Shown, difference, folder, keep, propose};
use crate::authority::{Authority, FixedError, delegated_and_registered};
use crate::charter::Policy;
use crate::cli::report::Failure;
use crate::config::Config;
use crate::primary::Switch;

/// How often requests are looked for.
const TURN: Duration = Duration::from_millis(100);

/// It runs. Stops when dropped.
pub(crate) struct Delegating {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    reload: Switch,
}

struct Service {
    config: Config,
    policy: Policy,
    authority: Authority,
    shown: Arc<Shown>,
    folder: PathBuf,
    _right: Right,
}

impl Delegating {
    /// Takes up what is asked for from now on, with the right that was taken before the files were read.
    pub(crate) fn start(
        config: &Config,
        authority: &Authority,
        shown: &Arc<Shown>,
        right: Right,
    ) -> Result<Self, Failure> {
        let (stop, stopped) = channel::<()>();
        let reload = Switch::default();
        let service = Service {
            config: config.clone(),
            policy: authority.policy().clone(),
            authority: authority.clone(),
            shown: Arc::clone(shown),
            folder: folder(config),
            _right: right,
        };
        exchange::forget_if_nobody_waits(&service.folder)?;
        let asked = reload.clone();
        let thread = thread::Builder::new().name("delegations".to_owned()).spawn(move || {
            loop {
                service.turn(&asked);
                match stopped.recv_timeout(TURN) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread), reload })
    }

    /// What a signal sets to have the files read again.
    pub(crate) fn switch(&self) -> Switch {
        self.reload.clone()
    }
}

impl Drop for Delegating {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Service {
    fn turn(&self, reload: &Switch) {
        if reload.take()
            && let Err(error) = self.change(&Asked::Reload, Mode::Apply)
        {
            tracing::error!(%error, "the number zone's static part cannot be served as its files say: it stays as it was");
        }
        let Some(Request { id, asked, mode }) = exchange::take(&self.folder) else { return };
        let done = self.change(&asked, mode).map_err(|error| error.to_string());
        let served = self.shown.zone().serial();
        let request = Request { id, asked, mode };
        if let Err(error) = exchange::answer(&self.folder, request, (served, done)) {
            tracing::error!(%error, "the answer to a request for a delegation cannot be written");
        }
    }

    fn change(&self, asked: &Asked, mode: Mode) -> Result<Changes, Failure> {
        let proposal = propose(&self.config, &self.policy, asked)?;
        let changes = difference(self.shown.zone().fixed(), &proposal.fixed);
        let nothing = changes == Changes::default();
        if mode == Mode::DryRun {
            let registered = delegated_and_registered(&self.config.paths.data, &proposal.fixed)?;
            return match registered {
                Some((block, count)) => Err(FixedError::Registered { block, count }.into()),
                None => Ok(changes),
            };
        }
        let kept = || match asked {
            Asked::Reload => Ok(()),
            Asked::Put(_) | Asked::Remove(_) => keep(&self.config, &proposal.delegations),
        };
        if nothing {
            kept()?;
            return Ok(changes);
        }
        let serial = self.authority.replace_fixed(proposal.fixed, || kept().map_err(|failure| failure.to_string()))?;
        let (come, go) = (changes.added.len(), changes.removed.len());
        tracing::info!(serial, come, go, "the static part of the number zone has changed");
        Ok(changes)
    }
}
