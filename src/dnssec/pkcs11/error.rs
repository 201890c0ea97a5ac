//! Why keys in a token cannot be used. Each error says what to do; none repeats a PIN, and none makes a key in another's place.

use std::path::PathBuf;

use crate::dnssec::KeyId;
use crate::seal::SealError;

/// Why keys in a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The maker's library is not there, or is none.
    #[error("cannot load the PKCS#11 module {module} ({why}): install it, or set dnssec.pkcs11.module to its path")]
    NoModule {
        /// The library.
        module: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The library does not start.
    #[error(
        "the PKCS#11 module {module} does not start ({why}): look at its own configuration (SoftHSM2: SOFTHSM2_CONF), and that this \
         user may read it"
    )]
    NotStarted {
        /// The library.
        module: PathBuf,
        /// What it says.
        why: String,
    },
    /// No token has this label.
    #[error(
        "no token is called {token:?} (the module {module} sees {seen}): plug it in, let this user have it, or set dnssec.pkcs11.token to \
         its label. No key is made elsewhere"
    )]
    NoToken {
        /// The label.
        token: String,
        /// The library.
        module: PathBuf,
        /// The labels of those that are there.
        seen: String,
    },
    /// Several tokens have this label.
    #[error("several tokens are called {token:?}: give the one with the keys a label of its own")]
    TwoTokens {
        /// The label.
        token: String,
    },
    /// The PIN cannot be read.
    #[error(transparent)]
    Pin(#[from] SealError),
    /// The PIN is another one.
    #[error(
        "the token {token:?} refuses the PIN in {place}: put the right one there. It is not tried again until the file changes, for a \
         token locks after a few wrong ones"
    )]
    WrongPin {
        /// The token.
        token: String,
        /// Where the PIN is from.
        place: String,
    },
    /// One more wrong PIN locks the token.
    #[error(
        "the token {token:?} was given wrong PINs, and one more locks it, so it is not tried: look at the PIN in {place}, and log in once \
         with the maker's own program (or pkcs11-tool --login), which clears that"
    )]
    LastTry {
        /// The token.
        token: String,
        /// Where the PIN is from.
        place: String,
    },
    /// It is locked.
    #[error(
        "the PIN of the token {token:?} is locked or was never set: set it with the maker's own program and the PIN of its security officer"
    )]
    Locked {
        /// The token.
        token: String,
    },
    /// The private key is not there.
    #[error(
        "neither the token {token:?} nor a file holds {label}, the private key of {key}: restore it from the backup. No other key is made \
         in its place"
    )]
    Missing {
        /// The token.
        token: String,
        /// What it is called there.
        label: String,
        /// The key.
        key: KeyId,
    },
    /// The object is not the key that it is called.
    #[error(
        "{label} in the token {token:?} is not the key that its label says ({reason}): restore it from the backup. No other key is made in \
         its place"
    )]
    Unfit {
        /// The token.
        token: String,
        /// What it is called there.
        label: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A key that was made could be read by others.
    #[error(
        "the token {token:?} made a key that could be taken out of it, which was deleted again: use another token, or change its settings"
    )]
    Exposed {
        /// The token.
        token: String,
    },
    /// The token does not do what was asked for.
    #[error(
        "the token {token:?} cannot {what} ({why}): look whether it is there, has room and is of use for such keys"
    )]
    Failed {
        /// The token.
        token: String,
        /// What was tried.
        what: &'static str,
        /// What it says.
        why: String,
    },
    /// It was tried a moment ago.
    #[error("{0}")]
    Again(String),
}
