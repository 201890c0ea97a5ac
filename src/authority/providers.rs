//! What the operator decides: who is accredited, and who gets which API token.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::authority::access::{self, Actor, Issued, Party, SCOPES_MAX, Scope, TOKEN_LIFE_D_MAX};
use crate::authority::error::Rejection;
use crate::authority::gov::{self, Accreditation, InForce, KEYS_MAX, NAME_LEN_MAX};
use crate::authority::{Authority, Core};
use crate::ledger::{LedgerError, TokenRow};
use crate::log::note::LineType;
use crate::log::record::is_provider_id;

/// A wish for an API token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// For which provider; None: for the operator.
    pub provider: Option<String>,
    /// What it shall be good for; empty means reading and writing every number.
    pub scopes: Vec<Scope>,
    /// Whether it shall reach the sandbox range only.
    pub test: bool,
    /// Days until it expires.
    pub expires_in_d: u32,
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
}

impl Authority {
    /// The public register: every organisation that was ever accredited, by id.
    pub fn providers(&self) -> Vec<Accreditation> {
        self.core.law().accreditations().cloned().collect()
    }

    /// Accredits an organisation. The leaf of the gov log is durable when this returns. Blocks.
    pub fn add_provider(&self, actor: &Actor, new: Accreditation) -> Result<Accreditation, Rejection> {
        operator_only(actor)?;
        check(&new)?;
        self.core.resolve(|law| match law.accreditation(&new.id) {
            Some(_) => Err(Rejection::Conflict(format!("there is a provider {:?} already", new.id))),
            None => Ok(new.clone()),
        })
    }

    /// Replaces what the register says of an organisation: status, keys, name. Blocks.
    pub fn change_provider(
        &self,
        actor: &Actor,
        id: &str,
        change: impl FnOnce(&mut Accreditation),
    ) -> Result<Accreditation, Rejection> {
        operator_only(actor)?;
        self.core.resolve(|law| {
            let mut changed = law.accreditation(id).cloned().ok_or(Rejection::NotFound)?;
            change(&mut changed);
            id.clone_into(&mut changed.id);
            check(&changed)?;
            Ok(changed)
        })
    }

    /// Suspends an organisation or lets it work again; `clause` is the charter's article for it. Blocks.
    pub fn set_provider_status(
        &self,
        actor: &Actor,
        id: &str,
        suspended: bool,
        clause: &str,
    ) -> Result<Accreditation, Rejection> {
        self.change_provider(actor, id, |changed| {
            changed.suspended = suspended;
            changed.clause = Some(clause.to_owned());
        })
    }

    /// Makes an API token; its secret is in the answer and nowhere else. Blocks.
    pub fn add_token(&self, actor: &Actor, wish: NewToken) -> Result<Issued, Rejection> {
        operator_only(actor)?;
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
        let provider = wish.provider.as_deref();
        let now_ms = self.core.now_ms();
        let (issued, row) = access::issue(&self.core.random, provider, wish.test, scopes, now_ms, wish.expires_in_d)?;
        let stored = row.clone();
        let done: Result<(), LedgerError> = self.core.ledger.write(move |tx| tx.add_token(&stored)).wait_blocking();
        done?;
        self.core.tokens.add(row);
        Ok(issued)
    }

    /// The tokens of a provider that are in force. Blocks.
    pub fn tokens(&self, actor: &Actor, provider: Option<&str>) -> Result<Vec<TokenInfo>, Rejection> {
        operator_only(actor)?;
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
    }
}

fn operator_only(actor: &Actor) -> Result<(), Rejection> {
    match actor.party {
        Party::Operator => Ok(()),
        Party::Provider(_) => Err(Rejection::Forbidden("only the operator may do this".to_owned())),
    }
}

fn check(new: &Accreditation) -> Result<(), Rejection> {
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
    /// Decides something about an organisation: the leaf becomes durable, then it is in force.
    fn resolve(
        &self,
        decision: impl FnOnce(&InForce) -> Result<Accreditation, Rejection>,
    ) -> Result<Accreditation, Rejection> {
        let _one_at_a_time = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        let law = self.law();
        let decided = decision(&law)?;
        let (seq, time_ms) = (law.size(), self.now_ms().max(law.time_ms() + 1));
        let leaf = gov::provider_leaf(&decided, seq, time_ms)
            .sign(&[&self.gov_signer])
            .ok_or_else(|| Rejection::Conflict("this cannot be written into the public log".to_owned()))?;
        let mut next = InForce::clone(&law);
        let key = self.gov_signer.verifier(LineType::Signature);
        if let Err(error) = next.append([leaf.as_str()], &key) {
            tracing::error!(%error, "a leaf of the gov log that we made cannot be read");
            return Err(Rejection::Fault("the decision could not be written".to_owned()));
        }
        // The writer judges by the size that it finds in the ledger, so the next law must be at hand before it is in force.
        let laws = || self.laws.write().unwrap_or_else(PoisonError::into_inner);
        laws().push(Arc::new(next));
        let done: Result<(), LedgerError> =
            self.ledger.write(move |tx| tx.add_gov_leaf(seq, leaf.as_bytes())).wait_blocking();
        match done {
            Ok(()) => self.gov_size.store(seq + 1, Ordering::Release),
            Err(error) => {
                laws().retain(|law| law.size() <= seq);
                return Err(error.into());
            }
        }
        Ok(decided)
    }
}
