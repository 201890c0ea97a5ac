//! A private key in a token, as whoever signs a zone sees it.

use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::object::{ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

use super::TokenError;
use super::objects;
use super::session::{Access, Trouble};
use super::token::Token;
use crate::dnssec::keys::PROOF;
use crate::dnssec::{Algorithm, SignFault, ZoneSigner};
use crate::zone::slot::SignatureBytes;

const SIGN: &str = "sign";

/// One private key of a token, by its label.
pub(super) struct TokenSigner {
    token: Arc<Token>,
    label: String,
    algorithm: Algorithm,
    public: Vec<u8>,
    /// The object, and in which connection.
    object: Mutex<(u64, ObjectHandle)>,
}

impl TokenSigner {
    /// The signer of an object that was found in a connection.
    pub(super) fn new(
        token: &Arc<Token>,
        label: String,
        algorithm: Algorithm,
        public: Vec<u8>,
        object: (u64, ObjectHandle),
    ) -> Self {
        Self { token: Arc::clone(token), label, algorithm, public, object: Mutex::new(object) }
    }

    /// Whether the private half signs, and belongs to the public one.
    pub(super) fn signs(&self, session: &Session, generation: u64) -> Result<bool, Trouble> {
        let signature = self.sign_in(session, generation, PROOF)?;
        let uncompressed = [&[4], &self.public[..]].concat();
        Ok(match self.algorithm {
            Algorithm::EcdsaP256Sha256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &*uncompressed).verify(PROOF, &signature)
            }
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &*self.public).verify(PROOF, &signature),
        }
        .is_ok())
    }

    fn sign_in(&self, session: &Session, generation: u64, message: &[u8]) -> Result<Vec<u8>, Trouble> {
        let object = self.object_in(session, generation)?;
        let signature = match self.algorithm {
            Algorithm::EcdsaP256Sha256 => {
                objects::sign(session, self.algorithm, object, digest(&SHA256, message).as_ref())?
            }
            Algorithm::Ed25519 => objects::sign(session, self.algorithm, object, message)?,
        };
        Ok(signature)
    }

    /// The object in this connection: looked for again when it is another one than last time.
    fn object_in(&self, session: &Session, generation: u64) -> Result<ObjectHandle, Trouble> {
        let (of, object) = *self.object.lock().unwrap_or_else(PoisonError::into_inner);
        if of == generation {
            return Ok(object);
        }
        let found = objects::find(session, ObjectClass::PRIVATE_KEY, &self.label)?;
        let unfit =
            |reason| TokenError::Unfit { token: self.token.label().to_owned(), label: self.label.clone(), reason };
        let object = *found.first().ok_or_else(|| unfit("it is gone"))?;
        *self.object.lock().unwrap_or_else(PoisonError::into_inner) = (generation, object);
        Ok(object)
    }
}

impl ZoneSigner for TokenSigner {
    fn algorithm(&self) -> u8 {
        self.algorithm.number()
    }

    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn sign(&self, _: &dyn SecureRandom, message: &[u8]) -> Result<SignatureBytes, SignFault> {
        let signed =
            self.token.with(Access::Use, SIGN, |session, generation| self.sign_in(session, generation, message));
        signed.map_err(|_| SignFault)?.try_into().map_err(|_| SignFault)
    }
}
