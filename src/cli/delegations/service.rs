//! The part of a running service that takes up delegations: requests, signals to read the files again, and what children ask
//! for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::exchange::{self, Request};
use super::look::Looked;
use super::poller::Poller;
use super::{Asked, Changes, Mode, Rekey, Right, Shown, difference, folder, keep, propose, read, records, settle};
use crate::authority::{Authority, FixedError, delegated_and_registered};
use crate::charter::Policy;
use crate::cli::report::Failure;
use crate::config::Config;
use crate::primary::Switch;
use crate::primary::disk::Durable;
use crate::zone::delegation::Delegations;

/// How often requests are looked for.
const TURN: Duration = Duration::from_millis(100);
/// Looks at children that are taken up in one turn: requests of people come in between.
const LOOKED_A_TURN: usize = 8;

/// It runs. Stops when dropped.
pub(crate) struct Delegating {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    reload: Switch,
    /// Nothing if no children are to be asked.
    _poller: Option<Poller>,
}

struct Service {
    config: Config,
    policy: Policy,
    authority: Authority,
    shown: Arc<Shown>,
    folder: PathBuf,
    /// What is delegated by command, as it was kept last: the poller goes by it.
    delegations: Arc<ArcSwap<Delegations>>,
    looked: Receiver<Looked>,
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
        let delegations = Arc::new(ArcSwap::from_pointee(read(config)?));
        let (found, looked) = sync_channel(LOOKED_A_TURN);
        let service = Service {
            config: config.clone(),
            policy: Arc::unwrap_or_clone(authority.policy()),
            authority: authority.clone(),
            shown: Arc::clone(shown),
            folder: folder(config),
            delegations: Arc::clone(&delegations),
            looked,
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
        let poller = match config.delegation.poll_s {
            0 => None,
            _ => Some(Poller::start(config, shown, &delegations, found)?),
        };
        Ok(Self { stop: Some(stop), thread: Some(thread), reload, _poller: poller })
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
        for looked in self.looked.try_iter().take(LOOKED_A_TURN) {
            if let Err(error) = self.take_up(&looked) {
                let block = &looked.was.block;
                tracing::error!(block, %error, "what was found out about a delegated block cannot be kept");
            }
        }
        let Some(Request { id, asked, mode }) = exchange::take(&self.folder) else { return };
        let done = self.change(&asked, mode).map_err(|error| error.to_string());
        let served = self.shown.zone().serial();
        let request = Request { id, asked, mode };
        if let Err(error) = exchange::answer(&self.folder, request, (served, done)) {
            tracing::error!(%error, "the answer to a request for a delegation cannot be written");
        }
    }

    /// Does what a child asks for, or notes why not.
    fn take_up(&self, looked: &Looked) -> Result<(), Failure> {
        let (config, block) = (&self.config, &looked.was.block);
        if self.delegations.load().of(block) != Some(&looked.was) {
            return Ok(()); // it is another delegation by now, or none
        }
        let mut known = records::read(config, block)?;
        let before = known.found.clone();
        match Rekey::of(looked).map(|rekey| self.change(&Asked::Rekey(rekey), Mode::Apply)) {
            Some(Ok(_)) => return Ok(()), // kept with the change
            Some(Err(failure)) => known.refused(looked.at_s, "not_taken", failure.to_string()),
            None => known.checked(looked.at_s, &looked.verdict),
        }
        if let Some(refused) =
            known.refused.as_ref().filter(|refused| refused.code == known.found && before != known.found)
        {
            tracing::warn!(
                block,
                code = refused.code,
                why = refused.reason,
                "the DS of a delegated block stay as they are"
            );
        }
        records::keep(config, block, &known, Durable::No)
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
            Asked::Put(_) | Asked::Remove(_) | Asked::Rekey(_) => keep(&self.config, &proposal.delegations),
        };
        if nothing {
            kept()?;
        } else {
            let serial =
                self.authority.replace_fixed(proposal.fixed, || kept().map_err(|failure| failure.to_string()))?;
            let (come, go) = (changes.added.len(), changes.removed.len());
            tracing::info!(serial, come, go, "the static part of the number zone has changed");
        }
        self.delegations.store(Arc::new(proposal.delegations));
        settle(&self.config, asked);
        Ok(changes)
    }
}
