//! One token: found by its label, logged into once, its sessions lent to whoever signs, and opened anew when they are lost.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use super::TokenError;
use super::module;
use super::session::{Access, Trouble};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::seal::Stamp;

/// Sessions at once, however many threads sign: more than cores, fewer than what small tokens have.
const SESSIONS_MAX: usize = 16;
/// How long a signature may wait for a session; a resolver asks again after about as long.
const SESSION_WAIT: Duration = Duration::from_secs(5);
/// Between two attempts to reach a token, in milliseconds: thousands of questions a second may each want one.
const ATTEMPT_MS: u64 = 1_000;

/// A token, perhaps not reached yet.
pub(super) struct Token {
    configured: config::Pkcs11,
    state: Mutex<State>,
    given_back: Condvar,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Which connection it is: sessions and objects of an earlier one are of no use.
    generation: u64,
    idle: Vec<Session>,
    lent: usize,
    /// When it was tried to reach it last, and what came of it.
    attempt: Option<(u64, Result<(), String>)>,
    /// The content of the PIN's file that the token refused.
    refused: Option<Stamp>,
}

struct Connection {
    module: Pkcs11,
    slot: Slot,
    /// Stays open: with the last session a token forgets the login.
    _logged_in: Session,
}

/// A session that goes back to the pool.
struct Lent<'t> {
    token: &'t Token,
    session: Option<Session>,
    generation: u64,
    access: Access,
}

impl Token {
    pub(super) fn new(configured: &config::Pkcs11) -> Self {
        Self { configured: configured.clone(), state: Mutex::default(), given_back: Condvar::new() }
    }

    /// Whether a configuration means this one.
    pub(super) fn is(&self, configured: &config::Pkcs11) -> bool {
        let of = |one: &config::Pkcs11| (one.module.clone(), one.token.clone(), one.pin_file.clone());
        of(&self.configured) == of(configured)
    }

    /// Its label.
    pub(super) fn label(&self) -> &str {
        &self.configured.token
    }

    /// Does something in a session, and if that turns out to be lost, once more in a new one. `work` is told which connection
    /// it is in.
    pub(super) fn with<T>(
        &self,
        access: Access,
        what: &'static str,
        work: impl Fn(&Session, u64) -> Result<T, Trouble>,
    ) -> Result<T, TokenError> {
        let lost = match self.attempt(access, &work) {
            (_, Ok(done)) => return Ok(done),
            (generation, Err(trouble)) if trouble.is_lost() => {
                self.drop_connection(generation);
                trouble
            }
            (_, Err(trouble)) => return Err(trouble.told(self.label(), what)),
        };
        match self.attempt(access, &work) {
            (_, Ok(done)) => Ok(done),
            (_, Err(Trouble::Ours(TokenError::Again(_)))) => Err(lost.told(self.label(), what)),
            (_, Err(trouble)) => Err(trouble.told(self.label(), what)),
        }
    }

    fn attempt<T>(
        &self,
        access: Access,
        work: impl Fn(&Session, u64) -> Result<T, Trouble>,
    ) -> (u64, Result<T, Trouble>) {
        let mut lent = match self.lend(access) {
            Ok(lent) => lent,
            Err((generation, trouble)) => return (generation, Err(trouble)),
        };
        let done = match &lent.session {
            Some(session) => work(session, lent.generation),
            None => Err(Trouble::Library(Error::InvalidValue)),
        };
        if done.is_err() {
            // An operation may still be under way in it.
            drop(lent.session.take());
        }
        (lent.generation, done)
    }

    /// A session, as soon as there is one.
    fn lend(&self, access: Access) -> Result<Lent<'_>, (u64, Trouble)> {
        let mut state = self.locked();
        loop {
            let connected = self.connect(&mut state);
            let generation = state.generation;
            connected.map_err(|error| (generation, error.into()))?;
            let session = match state.open(access) {
                Ok(session) => session,
                Err(trouble) => return Err((generation, trouble)),
            };
            if let Some(session) = session {
                state.lent += 1;
                return Ok(Lent { token: self, session: Some(session), generation, access });
            }
            let (again, waited) =
                self.given_back.wait_timeout(state, SESSION_WAIT).unwrap_or_else(PoisonError::into_inner);
            state = again;
            if waited.timed_out() {
                let why = format!("all {} sessions are in use", state.lent);
                let error = TokenError::Failed { token: self.label().to_owned(), what: "open a session", why };
                return Err((generation, error.into()));
            }
        }
    }

    /// Reaches the token and logs in, unless that is done, or was tried a moment ago.
    fn connect(&self, state: &mut State) -> Result<(), TokenError> {
        if state.connection.is_some() {
            return Ok(());
        }
        let now_ms = SystemClock.now_ms();
        if let Some((at_ms, outcome)) = &state.attempt
            && now_ms.abs_diff(*at_ms) < ATTEMPT_MS
        {
            let lost = || format!("the token {:?} was lost a moment ago; it is tried to be reached anew", self.label());
            return Err(TokenError::Again(outcome.clone().err().unwrap_or_else(lost)));
        }
        let reached = self.reach(state);
        let told = reached.as_ref().map(|_| ()).map_err(ToString::to_string);
        if let (Err(why), true) =
            (&told, state.generation > 0 && state.attempt.as_ref().is_some_and(|(_, o)| *o != told))
        {
            tracing::error!(error = %why, "the token cannot be reached; what it signed before is served as long as it is valid");
        }
        if state.generation > 0 && told.is_ok() {
            tracing::warn!(token = self.label(), "the token was reached anew");
        }
        state.attempt = Some((now_ms, told));
        state.connection = Some(reached?);
        state.generation += 1;
        Ok(())
    }

    fn reach(&self, state: &mut State) -> Result<Connection, TokenError> {
        let module = module::load(&self.configured.module)?;
        let failed = |e: Error| Trouble::Library(e).told(self.label(), "be opened");
        let found = match self.find(&module) {
            Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => {
                module::start(&module, &self.configured.module)?;
                self.find(&module)
            }
            other => other,
        };
        let (slot, info) = found.map_err(failed)??;
        let session = module.open_ro_session(slot).map_err(failed)?;
        self.log_in(state, &session, &info)?;
        Ok(Connection { module, slot, _logged_in: session })
    }

    /// The slot with the token.
    fn find(&self, module: &Pkcs11) -> Result<Result<(Slot, TokenInfo), TokenError>, Error> {
        let mut all: Vec<(Slot, TokenInfo)> = Vec::new();
        for slot in module.get_slots_with_token()? {
            // A slot whose token says nothing is another's trouble.
            all.extend(module.get_token_info(slot).ok().filter(TokenInfo::token_initialized).map(|info| (slot, info)));
        }
        let seen: Vec<String> = all.iter().map(|(_, info)| format!("{:?}", info.label())).collect();
        let mut ours = all.into_iter().filter(|(_, info)| info.label() == self.label());
        Ok(match (ours.next(), ours.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(TokenError::TwoTokens { token: self.label().to_owned() }),
            (None, _) => Err(TokenError::NoToken {
                token: self.label().to_owned(),
                module: self.configured.module.clone(),
                seen: if seen.is_empty() { "none".to_owned() } else { seen.join(", ") },
            }),
        })
    }

    fn log_in(&self, state: &mut State, session: &Session, info: &TokenInfo) -> Result<(), TokenError> {
        if !info.login_required() {
            return Ok(());
        }
        let (token, place) = (self.label().to_owned(), self.configured.pin_file.to_string());
        if info.user_pin_locked() {
            return Err(TokenError::Locked { token });
        }
        if state.refused.is_some() && state.refused == Some(self.configured.pin_file.stamp()?) {
            return Err(TokenError::WrongPin { token, place });
        }
        let (line, stamp) = self.configured.pin_file.read()?;
        if info.user_pin_final_try() {
            return Err(TokenError::LastTry { token, place });
        }
        let pin = RawAuthPin::new(Box::new(line.to_vec())); // cleared when it goes, like the line
        match session.login_with_raw(UserType::User, &pin) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                state.refused = Some(stamp);
                Err(TokenError::WrongPin { token, place })
            }
            Err(Error::Pkcs11(RvError::PinLocked | RvError::PinExpired | RvError::UserPinNotInitialized, _)) => {
                Err(TokenError::Locked { token })
            }
            Err(e) => Err(Trouble::Library(e).told(&token, "be logged into")),
        }
    }

    /// Forgets a connection that is lost, unless another one has taken its place.
    fn drop_connection(&self, generation: u64) {
        let mut state = self.locked();
        if state.generation == generation {
            state.idle.clear();
            state.connection = None;
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A session, if there may be one more now.
    fn open(&mut self, access: Access) -> Result<Option<Session>, Trouble> {
        let Some(Connection { module, slot, .. }) = &self.connection else { return Ok(None) };
        let opened = match access {
            Access::Use if !self.idle.is_empty() => return Ok(self.idle.pop()),
            _ if self.lent >= SESSIONS_MAX => return Ok(None),
            Access::Use => module.open_ro_session(*slot),
            Access::Change => module.open_rw_session(*slot),
        };
        match opened {
            Ok(session) => Ok(Some(session)),
            // The token has fewer than we would take: wait for one of them.
            Err(Error::Pkcs11(RvError::SessionCount, _)) if self.lent > 0 => Ok(None),
            Err(Error::Pkcs11(RvError::SessionCount, _)) if !self.idle.is_empty() => {
                self.idle.clear();
                self.open(access)
            }
            Err(e) => Err(e.into()),
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.token.locked();
        state.lent -= 1;
        if let Some(session) = self.session.take()
            && self.access == Access::Use
            && state.generation == self.generation
            && state.connection.is_some()
        {
            state.idle.push(session);
        }
        drop(state);
        self.token.given_back.notify_one();
    }
}
