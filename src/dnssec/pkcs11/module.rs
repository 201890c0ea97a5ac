//! The maker's library, loaded and started once in a process, and the tokens that were asked for: zones share them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::TokenError;
use super::token::Token;
use crate::config;

/// Libraries stay loaded: one that is ended takes every session of the process with it.
static MODULES: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());
/// One for each that a configuration names: a login is the process's, not a zone's.
static TOKENS: Mutex<Vec<Arc<Token>>> = Mutex::new(Vec::new());

/// The token that a configuration names. Nothing is loaded before it is used.
pub(super) fn token(configured: &config::Pkcs11) -> Arc<Token> {
    let mut tokens = locked(&TOKENS);
    if let Some(known) = tokens.iter().find(|token| token.is(configured)) {
        return Arc::clone(known);
    }
    let token = Arc::new(Token::new(configured));
    tokens.push(Arc::clone(&token));
    token
}

/// Loads and starts a library, if that was not done before.
pub(super) fn load(path: &Path) -> Result<Pkcs11, TokenError> {
    let mut modules = locked(&MODULES);
    if let Some((_, module)) = modules.iter().find(|(of, _)| of == path) {
        return Ok(module.clone());
    }
    let none = |e: Error| TokenError::NoModule { module: path.to_owned(), why: e.to_string() };
    let module = Pkcs11::new(path).map_err(none)?;
    start(&module, path)?;
    modules.push((path.to_owned(), module.clone()));
    Ok(module)
}

/// Starts a library, at first or because it says that it is not started.
pub(super) fn start(module: &Pkcs11, path: &Path) -> Result<(), TokenError> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(e) => Err(TokenError::NotStarted { module: path.to_owned(), why: e.to_string() }),
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
