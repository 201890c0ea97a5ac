//! The operator's people: who they are, their keys, and how a person gets a token of his own.
//!
//! Changes of the staff are acts. A token is given to whoever signs with the person's key: so no admin gets another's.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::authority::access::{self, Actor, Issued, Party, Person, Scope, TOKEN_LIFE_D, Verb};
use crate::authority::error::Rejection;
use crate::authority::gov::{self, InForce};
use crate::authority::ruling::Ruling;
use crate::authority::{Authority, Core};
use crate::clock::unix_s;
use crate::ledger::{LedgerError, StaffRow};
use crate::log::Hash;
use crate::log::key::PublicKey;
use crate::log::record::is_provider_id;
use crate::log::staff::{bound_token_proof, token_proof};
use crate::registry::acts::{Power, StaffRole};
use crate::registry::refusal;

/// The id of the first person of an installation.
pub const FIRST_ADMIN: &str = "admin";
/// How far the time in a request for a token may be off, in seconds.
const PROOF_AGE_MAX_S: u64 = 300;

/// The people, by id, as the ledger has them.
pub(super) type People = BTreeMap<String, StaffRow>;

/// What the ledger says, by id.
pub(super) fn people(rows: Vec<StaffRow>) -> People {
    rows.into_iter().map(|row| (row.id.clone(), row)).collect()
}

impl Authority {
    /// Who shows this bearer token; None for whatever is not a token in force.
    pub fn authenticate(&self, bearer: &str) -> Option<Actor> {
        let mut actor = self.core.tokens.actor(bearer, self.core.now_ms())?;
        if actor.party == Party::Operator {
            let person = actor.person.as_mut()?;
            person.role = self.core.person(&person.id)?.role;
        }
        Some(actor)
    }

    /// The operator's people, those who left included. Blocks.
    pub fn staff(&self, actor: &Actor) -> Result<Vec<StaffRow>, Rejection> {
        actor.demand(Power::See)?;
        Ok(self.core.people().values().cloned().collect())
    }

    /// Gives a person without a key the key that he made: the first admin of an installation. Blocks.
    pub fn set_first_key(&self, actor: &Actor, key: &PublicKey) -> Result<(), Rejection> {
        actor.demand(Power::See)?;
        let Some(Person { id, .. }) = &actor.person else {
            return Err(refusal::ACT_PERSON.at("", "the program itself has no key").into());
        };
        self.core.rule(|law| {
            let mut row = self.core.person(id).ok_or(Rejection::NotFound)?;
            if row.key.as_ref() == Some(key) {
                return Ok(Ruling::new(Vec::new(), |_, _| Ok(())));
            }
            if row.key.is_some() {
                let why = "there is a key already; another is set by an act, staff-change";
                return Err(refusal::STAFF_KEY.at("/key", why).into());
            }
            self.core.fresh_key(law, key)?;
            row.key = Some(key.clone());
            let leaves = vec![(gov::STAFF, gov::staff_body(key, row.role, false))];
            Ok(Ruling::new(leaves, move |tx, _| tx.put_staff(&row)))
        })?;
        self.core.reload_staff()
    }

    /// Gives a person a token, on a signature over [`token_proof`] by his key, or over [`bound_token_proof`] if it shall be bound
    /// to a client certificate (RFC 8705). Each time is taken once. Blocks.
    pub fn staff_token(
        &self,
        id: &str,
        at_s: u64,
        signature: &[u8; 64],
        certificate: Option<Hash>,
    ) -> Result<Issued, Rejection> {
        let core = &self.core;
        let (now_ms, life_d) = (core.now_ms(), TOKEN_LIFE_D);
        let issued = core.rule(|_| {
            let no = || Rejection::from(refusal::STAFF_PROOF.at("", "this proves nobody of the staff"));
            let mut row = core.person(id).ok_or_else(no)?;
            let signed = match &certificate {
                Some(certificate) => bound_token_proof(&core.origin, id, at_s, certificate),
                None => token_proof(&core.origin, id, at_s),
            };
            let good = row.key.as_ref().is_some_and(|key| key.verify(&signed, signature));
            if !good || at_s <= row.proof_s || unix_s(now_ms).abs_diff(at_s) > PROOF_AGE_MAX_S {
                return Err(no());
            }
            row.proof_s = at_s;
            let scopes = [Verb::Read, Verb::Write].map(|verb| Scope { verb, prefix: String::new() }).to_vec();
            let (issued, mut token) = access::issue(&core.random, (None, Some(id)), false, scopes, now_ms, life_d)?;
            token.certificate = certificate;
            Ok(Ruling::new(Vec::new(), move |tx, _| {
                tx.put_staff(&row)?;
                tx.add_token(&token)?;
                Ok((issued, token))
            }))
        })?;
        core.tokens.add(issued.1);
        core.reload_staff()?;
        Ok(issued.0)
    }
}

impl Core {
    /// The people, at this moment.
    pub(super) fn people(&self) -> People {
        self.staff.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A person who has not left.
    pub(super) fn person(&self, id: &str) -> Option<StaffRow> {
        let staff = self.staff.read().unwrap_or_else(PoisonError::into_inner);
        staff.get(id).filter(|row| row.ended_ms.is_none()).cloned()
    }

    /// Takes up what the ledger says of the staff. Tokens of whoever left go.
    pub(super) fn reload_staff(&self) -> Result<(), Rejection> {
        let rows = self.ledger.read::<_, LedgerError>(|now| now.staff())?;
        rows.iter().filter(|row| row.ended_ms.is_some()).for_each(|row| self.tokens.remove_of(&row.id));
        *self.staff.write().unwrap_or_else(PoisonError::into_inner) = people(rows);
        self.reload_sessions()
    }

    /// Refuses a key that anybody has: two people with one key would be one hand.
    pub(super) fn fresh_key(&self, law: &InForce, key: &PublicKey) -> Result<(), Rejection> {
        let thumbprint = key.thumbprint();
        let of_staff = self.people().values().any(|row| row.key.as_ref() == Some(key)) || law.is_staff_key(key);
        let of_entity = |a: &gov::Accreditation| a.validation_keys.contains(key);
        if of_staff
            || law.register().is_any_statement_key(&thumbprint)
            || law.accreditations().any(of_entity)
            || crate::registry::keys::is_known(key)
        {
            return Err(refusal::STAFF_KEY.at("/key", "somebody has this key already").into());
        }
        Ok(())
    }

    /// How many people beside `but` could approve an act.
    pub(super) fn other_hands(&self, but: &str) -> usize {
        let could = |row: &&StaffRow| row.ended_ms.is_none() && row.id != but && row.role.may(Power::Act);
        self.people().values().filter(could).count()
    }
}

/// A change of the staff, checked: the leaves that it makes, and the rows.
pub(super) struct StaffMove {
    pub(super) leaves: Vec<(&'static str, serde_json::Value)>,
    pub(super) row: StaffRow,
}

/// What somebody of the staff shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaffWish {
    /// Who.
    pub person: String,
    /// Another role, or the first.
    pub role: Option<StaffRole>,
    /// Another key, or the first.
    pub key: Option<PublicKey>,
}

impl Core {
    /// Somebody joins: with a role and a key.
    pub(super) fn staff_add(&self, law: &InForce, wish: &StaffWish, now_ms: u64) -> Result<StaffMove, Rejection> {
        if !is_provider_id(&wish.person) {
            let why = "an id has 1 to 63 lower-case letters, digits and hyphens";
            return Err(Rejection::Conflict(why.to_owned()));
        }
        if self.people().contains_key(&wish.person) {
            return Err(refusal::STAFF_EXISTS.at("/person", "this id is or was somebody's").into());
        }
        let (Some(role), Some(key)) = (wish.role, wish.key.clone()) else {
            return Err(Rejection::Conflict("a new person needs a role and a key".to_owned()));
        };
        self.fresh_key(law, &key)?;
        let leaves = vec![(gov::STAFF, gov::staff_body(&key, role, false))];
        let row =
            StaffRow { id: wish.person.clone(), role, key: Some(key), added_ms: now_ms, ended_ms: None, proof_s: 0 };
        Ok(StaffMove { leaves, row })
    }

    /// Somebody gets another role or key, or leaves.
    pub(super) fn staff_change(
        &self,
        law: &InForce,
        wish: &StaffWish,
        leaves_at: Option<u64>,
    ) -> Result<StaffMove, Rejection> {
        let Some(old) = self.person(&wish.person) else {
            return Err(refusal::STAFF_UNKNOWN.at("/person", "nobody of the staff has this id").into());
        };
        let role = wish.role.unwrap_or(old.role);
        if old.role == StaffRole::Admin && (leaves_at.is_some() || role != StaffRole::Admin) {
            let admin = |row: &&StaffRow| row.ended_ms.is_none() && row.role == StaffRole::Admin;
            if self.people().values().filter(admin).count() < 2 {
                return Err(refusal::STAFF_LAST_ADMIN.at("/person", "this is the only admin").into());
            }
        }
        if let Some(key) = wish.key.as_ref().filter(|key| old.key.as_ref() != Some(key)) {
            self.fresh_key(law, key)?;
        }
        let key = wish.key.clone().or_else(|| old.key.clone());
        let mut leaves = Vec::new();
        if let Some(before) = &old.key
            && (leaves_at.is_some() || key.as_ref() != Some(before))
        {
            leaves.push((gov::STAFF, gov::staff_body(before, old.role, true)));
        }
        if let Some(key) = key.as_ref().filter(|_| leaves_at.is_none()) {
            leaves.push((gov::STAFF, gov::staff_body(key, role, false)));
        }
        let row = StaffRow { role, key, ended_ms: leaves_at, ..old };
        Ok(StaffMove { leaves, row })
    }
}
