//! What the operator decides: who is accredited, and who gets which API token.

use crate::authority::access::{self, Actor, Issued, SCOPES_MAX, Scope, TOKEN_LIFE_D_MAX};
use crate::authority::acts::{Subject, Wish};
use crate::authority::error::Rejection;
use crate::authority::gov::{self, Accreditation, InForce, KEYS_MAX, NAME_LEN_MAX};
use crate::authority::ruling::Ruling;
use crate::authority::staff::FIRST_ADMIN;
use crate::authority::{Authority, Core};
use crate::ledger::{LedgerError, TokenRow};
use crate::log::Hash;
use crate::log::key::PublicKey;
use crate::log::record::is_provider_id;
use crate::registry::acts::{ActKind, Power};
use crate::registry::refusal;
use crate::registry::standing::{ProviderStatus, Standing};

/// An organisation that comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrant {
    /// Its id in records, events and tokens: `[a-z0-9][a-z0-9-]{0,62}`.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Where it stands at first.
    pub status: ProviderStatus,
    /// Keys that sign its submissions; with any it is a provider.
    pub statement_keys: Vec<PublicKey>,
    /// Keys that sign validation tokens; with any it is a validation entity.
    pub validation_keys: Vec<PublicKey>,
}

/// A wish for an API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// For which provider; None: for the person who asks.
    pub provider: Option<String>,
    /// What it shall be good for; empty means reading and writing every number.
    pub scopes: Vec<Scope>,
    /// Whether it shall reach the sandbox range only.
    pub test: bool,
    /// Days until it expires.
    pub expires_in_d: u32,
    /// SHA-256 of the client certificate to which it shall be bound (RFC 8705 3); None: it opens by itself.
    pub certificate: Option<Hash>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Names it.
    pub id: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// Whether it reaches the sandbox range only.
    pub test: bool,
    /// From when on it is refused, in milliseconds.
    pub expires_ms: u64,
    /// When it was last used, to the minute.
    pub used_ms: Option<u64>,
    /// SHA-256 of the client certificate to which it is bound.
    pub certificate: Option<Hash>,
}

impl Authority {
    /// The public register: every organisation that was ever accredited, by id.
    pub fn providers(&self) -> Vec<Accreditation> {
        self.core.law().accreditations().cloned().collect()
    }

    /// Enters an organisation. The program itself gives it any status; a person lets it apply or begin its probation, and
    /// everything above is an act. The leaf of the gov log is durable when this returns. Blocks.
    pub fn add_provider(&self, actor: &Actor, new: Entrant) -> Result<Accreditation, Rejection> {
        actor.demand(Power::Act)?;
        let modest = matches!(new.status, ProviderStatus::Applied | ProviderStatus::Probation);
        if actor.person.is_some() && !modest {
            return Err(refusal::ACT_NEEDS_TWO.at("/status", "one person enters applications and probations").into());
        }
        check(&new)?;
        let now_ms = self.core.now_ms();
        self.core.rule(|law| {
            if law.accreditation(&new.id).is_some() {
                return Err(Rejection::Conflict(format!("there is a provider {:?} already", new.id)));
            }
            self.core.usable_keys(law, &new.statement_keys, &new.validation_keys)?;
            let made = Accreditation {
                id: new.id,
                name: new.name,
                standing: Standing::fresh(new.status, &self.core.policy(), now_ms),
                statement_keys: new.statement_keys,
                validation_keys: new.validation_keys,
                lost_keys: Vec::new(),
                clause: None,
            };
            let leaves = vec![(gov::PROVIDER, made.body())];
            Ok(Ruling::new(leaves, move |_, _| Ok(made)))
        })
    }

    /// Stops an organisation at once, or ends that: what one person may do (clause 7.8). `clause` is the charter's article
    /// for it. It is kept as an act. Blocks.
    pub fn set_provider_status(
        &self,
        actor: &Actor,
        id: &str,
        suspended: bool,
        clause: &str,
    ) -> Result<Accreditation, Rejection> {
        actor.demand(Power::Act)?;
        let standing = self.core.law().accreditation(id).ok_or(Rejection::NotFound)?.standing;
        let there = standing.status == ProviderStatus::Suspended;
        let ends_more = !suspended && there && standing.stopped.is_none();
        let raises = !suspended && !there && standing.status != ProviderStatus::Accredited;
        if ends_more || raises {
            return Err(refusal::ACT_NEEDS_TWO.at("/status", "one person ends only an emergency").into());
        }
        if suspended != there {
            let kind = if suspended { ActKind::Emergency } else { ActKind::EndEmergency };
            let subject = Subject::Provider { provider: id.to_owned(), days: 0 };
            let reason = "set by status".to_owned();
            self.request_act(actor, Wish { kind, clause: clause.to_owned(), reason, subject }, None)?;
        }
        self.core.law().accreditation(id).cloned().ok_or(Rejection::NotFound)
    }

    /// Makes an API token; its secret is in the answer and nowhere else. Blocks.
    pub fn add_token(&self, actor: &Actor, wish: NewToken) -> Result<Issued, Rejection> {
        actor.demand(Power::Act)?;
        if let Some(provider) = &wish.provider
            && self.core.law().accreditation(provider).is_none()
        {
            return Err(Rejection::NotFound);
        }
        if wish.scopes.len() > SCOPES_MAX || !(1..=TOKEN_LIFE_D_MAX).contains(&wish.expires_in_d) {
            let why = format!("a token has at most {SCOPES_MAX} scopes and lives 1 to {TOKEN_LIFE_D_MAX} days");
            return Err(Rejection::Conflict(why));
        }
        let scopes = if wish.scopes.is_empty() { Actor::operator().scopes } else { wish.scopes };
        let person = actor.person.as_ref().map_or(FIRST_ADMIN, |person| person.id.as_str());
        let party = (wish.provider.as_deref(), wish.provider.is_none().then_some(person));
        let now_ms = self.core.now_ms();
        let (issued, mut row) = access::issue(&self.core.random, party, wish.test, scopes, now_ms, wish.expires_in_d)?;
        row.certificate = wish.certificate;
        let stored = row.clone();
        let done: Result<(), LedgerError> = self.core.ledger.write(move |tx| tx.add_token(&stored)).wait_blocking();
        done?;
        self.core.tokens.add(row);
        Ok(issued)
    }

    /// The tokens of a provider that are in force. Blocks.
    pub fn tokens(&self, actor: &Actor, provider: Option<&str>) -> Result<Vec<TokenInfo>, Rejection> {
        actor.demand(Power::See)?;
        let now_ms = self.core.now_ms();
        let rows = self.core.ledger.read::<_, LedgerError>(|now| now.tokens())?;
        let theirs =
            |row: &TokenRow| row.provider.as_deref() == provider && row.revoked_ms.is_none() && now_ms < row.expires_ms;
        Ok(rows.into_iter().filter(theirs).map(info).collect())
    }

    /// Revokes a token at once: the operator any, a provider one of its own; alike whether others have such a token or
    /// nobody. Blocks.
    pub fn revoke_token(&self, actor: &Actor, id: &str) -> Result<(), Rejection> {
        let owner = actor.provider().map(str::to_owned);
        if owner.is_none() {
            actor.demand(Power::Act)?;
        }
        let (stored, now_ms) = (id.to_owned(), self.core.now_ms());
        let done = self.core.ledger.write::<_, LedgerError, _>(move |tx| {
            let theirs = owner.is_none_or(|owner| tx.token_owner(&stored).is_ok_and(|of| of.as_ref() == Some(&owner)));
            Ok(theirs && tx.revoke_token(&stored, now_ms)?)
        });
        let was_there = done.wait_blocking()?;
        if was_there {
            self.core.tokens.remove(id);
            Ok(())
        } else {
            Err(Rejection::NotFound)
        }
    }
}

fn info(row: TokenRow) -> TokenInfo {
    TokenInfo {
        id: row.id,
        scopes: row.scopes.lines().filter_map(Scope::parse).collect(),
        test: row.test,
        expires_ms: row.expires_ms,
        used_ms: row.used_ms,
        certificate: row.certificate,
    }
}

fn check(new: &Entrant) -> Result<(), Rejection> {
    let no = |why: &str| Err(Rejection::Conflict(why.to_owned()));
    let (statement, validation) = (new.statement_keys.len(), new.validation_keys.len());
    if !is_provider_id(&new.id) {
        return no("an id has 1 to 63 lower-case letters, digits and hyphens, and does not begin with a hyphen");
    }
    if new.name.is_empty() || new.name.len() > NAME_LEN_MAX || new.name.chars().any(char::is_control) {
        return no("a name has 1 to 200 bytes and no control characters");
    }
    if statement + validation == 0 || statement > KEYS_MAX || validation > KEYS_MAX {
        return no("an organisation has at least one key, and at most 16 of each kind");
    }
    Ok(())
}

impl Core {
    /// Refuses keys that were lost once, and statement keys of others: a key names who speaks.
    pub(super) fn usable_keys(
        &self,
        law: &InForce,
        statement: &[PublicKey],
        validation: &[PublicKey],
    ) -> Result<(), Rejection> {
        let lost = |key: &PublicKey| law.accreditations().any(|a| a.lost_keys.contains(&key.thumbprint()));
        if statement.iter().chain(validation).any(lost) {
            return Err(refusal::KEY_COMPROMISED.at("/validation_keys", "a key was reported as lost").into());
        }
        if statement.iter().chain(validation).any(|key| law.is_staff_key(key)) {
            return Err(refusal::STAFF_KEY.at("/statement_keys", "a key is one of the operator's staff").into());
        }
        Ok(())
    }
}
