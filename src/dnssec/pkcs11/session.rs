//! What goes wrong inside a session: whether it is lost and may be opened anew, or the token means no.

use cryptoki::error::{Error, RvError};

use super::TokenError;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Looking and signing: lent from the pool.
    Use,
    /// Making, renaming and deleting keys: a session of its own that may write, closed afterwards.
    Change,
}

/// Why something in a session came to nothing.
pub(super) enum Trouble {
    /// What the library says.
    Library(Error),
    /// What we say of it.
    Ours(TokenError),
}

impl Trouble {
    /// Whether the session, the login or the token behind it went away: another session may do.
    pub(super) fn is_lost(&self) -> bool {
        let Self::Library(Error::Pkcs11(code, _)) = self else { return false };
        matches!(
            code,
            RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::UserNotLoggedIn
                | RvError::ObjectHandleInvalid
                | RvError::KeyHandleInvalid
                | RvError::OperationActive
                | RvError::GeneralError // what some libraries say of a token that is far and gone
                | RvError::FunctionFailed
                | RvError::DeviceError
                | RvError::DeviceRemoved
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::SlotIdInvalid
                | RvError::CryptokiNotInitialized
        )
    }

    /// In words, for a token that was to do something.
    pub(super) fn told(self, token: &str, what: &'static str) -> TokenError {
        match self {
            Self::Ours(error) => error,
            Self::Library(error) => TokenError::Failed { token: token.to_owned(), what, why: error.to_string() },
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl From<TokenError> for Trouble {
    fn from(error: TokenError) -> Self {
        Self::Ours(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki::context::Function;

    #[test]
    fn a_lost_session_is_told_from_a_refusal() {
        let is_lost = |code| Trouble::from(Error::Pkcs11(code, Function::Sign)).is_lost();
        assert!(is_lost(RvError::SessionHandleInvalid) && is_lost(RvError::DeviceRemoved));
        assert!(is_lost(RvError::CryptokiNotInitialized) && is_lost(RvError::KeyHandleInvalid));
        assert!(!is_lost(RvError::PinIncorrect) && !is_lost(RvError::PinLocked) && !is_lost(RvError::MechanismInvalid));
        let wrong = TokenError::WrongPin { token: "t".to_owned(), place: "p".to_owned() };
        assert!(!Trouble::from(wrong).is_lost() && !Trouble::from(Error::NotSupported).is_lost());
        let told =
            Trouble::from(Error::Pkcs11(RvError::DeviceMemory, Function::GenerateKeyPair)).told("t", "make a key");
        assert!(told.to_string().contains("cannot make a key"), "{told}");
    }
}
