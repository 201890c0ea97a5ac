//! The keys of one zone in a token: made, listed, opened, put aside and deleted there.

use std::sync::Arc;

use cryptoki::object::ObjectClass;
use cryptoki::session::Session;

use super::TokenError;
use super::module;
use super::objects::{self, Pair};
use super::session::{Access, Trouble};
use super::signer::TokenSigner;
use super::token::Token;
use crate::config;
use crate::dnssec::keys::files::{key_id, key_name, name_prefix};
use crate::dnssec::keys::{Key, KeyError, KeySource, Protection};
use crate::dnssec::{Algorithm, KeyId, KeyRole, SignFault};
use crate::wire::Name;

/// How often a new key is made again because its tag is taken; a zone has a dozen tags at most of 65 536.
const TAG_TRIES: usize = 8;
/// Before the label of a key that the zone no longer needs.
const ASIDE: &str = "removed ";
/// Before the label of a key that is being made.
const COMING: &str = "coming ";

/// The keys of one zone in a token.
pub struct TokenKeys {
    token: Arc<Token>,
    apex: Name,
}

impl TokenKeys {
    /// The keys of `apex` in the token that is configured. Nothing is looked at before a key is asked for.
    pub fn new(configured: &config::Pkcs11, apex: &Name) -> Self {
        Self { token: module::token(configured), apex: *apex }
    }

    fn one(&self, session: &Session, generation: u64, id: KeyId) -> Result<Key, Trouble> {
        let label = key_name(&self.apex, id);
        let token = || self.token.label().to_owned();
        let unfit = |reason| TokenError::Unfit { token: token(), label: label.clone(), reason };
        let pair = match self.pairs(session, &label)?[..] {
            [] => return Err(TokenError::Missing { token: token(), label, key: id }.into()),
            [(None, _)] => return Err(unfit("its public half is missing").into()),
            [(Some(public), private)] => Pair { public, private },
            _ => return Err(unfit("there are several of that label").into()),
        };
        let key = self.opened(session, generation, &label, id.role, id.algorithm, pair)?;
        match key {
            Some(key) if key.tag == id.tag => Ok(key),
            Some(_) => Err(unfit("the key has another tag").into()),
            None => Err(unfit("it is not of its algorithm, or does not sign").into()),
        }
    }

    /// A key from its objects, which has signed; `None` if it does not.
    fn opened(
        &self,
        session: &Session,
        generation: u64,
        label: &str,
        role: KeyRole,
        algorithm: Algorithm,
        pair: Pair,
    ) -> Result<Option<Key>, Trouble> {
        let Some(public) = objects::public_key(session, pair.public, algorithm)? else { return Ok(None) };
        let signer = TokenSigner::new(&self.token, label.to_owned(), algorithm, public, (generation, pair.private));
        Ok(if signer.signs(session, generation)? { Some(Key::new(role, Arc::new(signer))) } else { None })
    }

    /// Both halves of the keys with a label, of which there should be one at most; the public one may be lost.
    fn pairs(&self, session: &Session, label: &str) -> Result<Vec<Halves>, Trouble> {
        let public = objects::find(session, ObjectClass::PUBLIC_KEY, label)?;
        let private = objects::find(session, ObjectClass::PRIVATE_KEY, label)?;
        Ok(private.into_iter().map(|private| (public.first().copied(), private)).collect())
    }

    /// Makes one key; none if its tags are taken.
    fn make_one(
        &self,
        session: &Session,
        generation: u64,
        (role, algorithm): (KeyRole, Algorithm),
        is_free: &dyn Fn([u16; 2]) -> bool,
    ) -> Result<Option<KeyId>, Trouble> {
        // The record of the zone is held: what is on its way here is of a run that was cut off.
        let coming = format!("{COMING}{}{}", name_prefix(&self.apex), role.as_str());
        self.delete(session, &coming)?;
        let pair = objects::generate(session, algorithm, &coming)?;
        let named = self.name(session, generation, (role, algorithm), pair, is_free);
        if !matches!(named, Ok(Some(_))) {
            session.destroy_object(pair.private)?;
            session.destroy_object(pair.public)?;
        }
        named
    }

    fn name(
        &self,
        session: &Session,
        generation: u64,
        (role, algorithm): (KeyRole, Algorithm),
        pair: Pair,
        is_free: &dyn Fn([u16; 2]) -> bool,
    ) -> Result<Option<KeyId>, Trouble> {
        if !objects::is_kept_inside(session, pair.private)? {
            return Err(TokenError::Exposed { token: self.token.label().to_owned() }.into());
        }
        let made = self.opened(session, generation, "", role, algorithm, pair)?;
        let key = made.ok_or_else(|| TokenError::Failed {
            token: self.token.label().to_owned(),
            what: "make a key that signs",
            why: format!("algorithm {algorithm}"),
        })?;
        if !is_free([key.tag, key.revoked().tag]) {
            return Ok(None);
        }
        objects::rename(session, pair, &key_name(&self.apex, key.id()))?;
        Ok(Some(key.id()))
    }

    fn delete(&self, session: &Session, label: &str) -> Result<(), Trouble> {
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            for object in objects::find(session, class, label)? {
                session.destroy_object(object)?;
            }
        }
        Ok(())
    }
}

/// The public half, if it is there, and the private one.
type Halves = (Option<cryptoki::object::ObjectHandle>, cryptoki::object::ObjectHandle);

impl KeySource for TokenKeys {
    fn make(&self, role: KeyRole, algorithm: Algorithm, is_free: &dyn Fn([u16; 2]) -> bool) -> Result<KeyId, KeyError> {
        for _ in 0..TAG_TRIES {
            let made = self.token.with(Access::Change, "make a key", |session, generation| {
                self.make_one(session, generation, (role, algorithm), is_free)
            });
            if let Some(id) = made? {
                return Ok(id);
            }
        }
        Err(SignFault.into())
    }

    fn open(&self, id: KeyId) -> Result<Key, KeyError> {
        Ok(self.token.with(Access::Use, "open a key", |session, generation| self.one(session, generation, id))?)
    }

    fn list(&self) -> Result<Vec<(KeyId, u64)>, KeyError> {
        let labels = self.token.with(Access::Use, "list its keys", |session, _| Ok(objects::labels(session)?))?;
        let prefix = name_prefix(&self.apex);
        let mut found: Vec<(KeyId, u64)> =
            labels.iter().filter_map(|label| label.strip_prefix(&prefix).and_then(key_id)).map(|id| (id, 0)).collect();
        found.sort_by_key(|(id, _)| (id.role, id.tag));
        found.dedup();
        Ok(found)
    }

    fn protection(&self, id: KeyId) -> Result<Protection, KeyError> {
        let name = key_name(&self.apex, id);
        let is_there = self.token.with(Access::Use, "look for a key", |session, _| {
            for label in [name.clone(), format!("{ASIDE}{name}")] {
                if !objects::find(session, ObjectClass::PRIVATE_KEY, &label)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        Ok(if is_there { Protection::Token } else { Protection::Gone })
    }

    fn set_aside(&self, id: KeyId) -> Result<(), KeyError> {
        let name = key_name(&self.apex, id);
        Ok(self.token.with(Access::Change, "put a key aside", |session, _| {
            for (public, private) in self.pairs(session, &name)? {
                objects::rename(
                    session,
                    Pair { public: public.unwrap_or(private), private },
                    &format!("{ASIDE}{name}"),
                )?;
            }
            Ok(())
        })?)
    }

    fn forget(&self, id: KeyId) -> Result<(), KeyError> {
        let name = key_name(&self.apex, id);
        Ok(self.token.with(Access::Change, "delete a key", |session, _| {
            self.delete(session, &format!("{ASIDE}{name}"))?;
            self.delete(session, &name)
        })?)
    }
}
