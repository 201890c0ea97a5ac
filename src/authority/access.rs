//! Who may do what: bearer tokens, their scopes and their life.
//!
//! A token is `cb_live_` or `cb_test_` and 32 random bytes in base64url. The ledger keeps its SHA-256 only; test tokens
//! reach nothing but the sandbox range.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::authority::error::Rejection;
use crate::ledger::TokenRow;
use crate::log::bytes::to_base64url;
use crate::log::random::{NoRandomness, Random};
use crate::log::{Hash, sha256};
use crate::number::Number;
use crate::registry::acts::{Power, StaffRole};
use crate::registry::refusal;

/// The range that test tokens reach, and that no real number is in (ITU-T E.164: 999 is kept in reserve).
pub const SANDBOX_PREFIX: &str = "999";
/// Days until a token expires when nothing else is said (REGISTRY.md 8).
pub const TOKEN_LIFE_D: u32 = 90;
/// The longest life of a token: nobody remembers what an older one was for.
pub const TOKEN_LIFE_D_MAX: u32 = 365;
/// Scopes of one token; more than a handful say that it wants to be several tokens.
pub const SCOPES_MAX: usize = 32;
/// Last use is kept to the minute: finer would cost a write per request.
const USED_STEP_MS: u64 = 60_000;
/// The token id of the program itself; those of tokens have 12 characters.
const LOCAL: &str = "local";
/// Longer than any token of ours.
const BEARER_LEN_MAX: usize = 128;

/// What a scope allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// See one's own numbers and receipts.
    Read,
    /// Prepare and submit changes.
    Write,
}

/// A verb and the numbers it is good for: `read:+`, `write:+4477`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What it allows.
    pub verb: Verb,
    /// The first digits of the numbers, without `+`; empty for all.
    pub prefix: String,
}

impl Scope {
    /// Reads `read:+PREFIX` or `write:+PREFIX`.
    pub fn parse(text: &str) -> Option<Self> {
        let (verb, prefix) = text.split_once(":+")?;
        let verb = match verb {
            "read" => Verb::Read,
            "write" => Verb::Write,
            _ => return None,
        };
        let digits = prefix.len() <= 15 && prefix.bytes().all(|b| b.is_ascii_digit()) && !prefix.starts_with('0');
        digits.then(|| Self { verb, prefix: prefix.to_owned() })
    }

    fn covers(&self, verb: Verb, number: Option<Number>) -> bool {
        self.verb == verb && number.is_none_or(|number| number.digits().starts_with(&self.prefix))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Read => "read",
            Verb::Write => "write",
        };
        write!(f, "{verb}:+{}", self.prefix)
    }
}

/// On whose behalf somebody acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// The operator's staff or the program on its own directory.
    Operator,
    /// The provider with this id.
    Provider(String),
}

/// A person of the operator's staff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Names the person inside the operator's house.
    pub id: String,
    /// What the person may do.
    pub role: StaffRole,
}

/// Somebody who has shown a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The token's id, for the audit trail.
    pub token_id: String,
    /// On whose behalf.
    pub party: Party,
    /// Of the operator: which person. None is the program itself, run on its own directory.
    pub person: Option<Person>,
    /// What the token allows.
    pub scopes: Vec<Scope>,
    /// Whether it reaches the sandbox only.
    pub test: bool,
    /// SHA-256 of the client certificate to which the token is bound: whoever shows the token must have shown that too.
    pub certificate: Option<Hash>,
}

impl Actor {
    /// The program itself, run by the operator on its own directory.
    pub fn operator() -> Self {
        let scopes = [Verb::Read, Verb::Write].map(|verb| Scope { verb, prefix: String::new() }).to_vec();
        Self {
            token_id: LOCAL.to_owned(),
            party: Party::Operator,
            person: None,
            scopes,
            test: false,
            certificate: None,
        }
    }

    /// Whether the token allows `verb` on this number, or at all when no number is named.
    pub fn may(&self, verb: Verb, number: Option<Number>) -> bool {
        let reaches = !self.test || number.is_none_or(|number| number.digits().starts_with(SANDBOX_PREFIX));
        reaches && self.scopes.iter().any(|scope| scope.covers(verb, number))
    }

    /// The provider on whose behalf it acts.
    pub fn provider(&self) -> Option<&str> {
        match &self.party {
            Party::Operator => None,
            Party::Provider(id) => Some(id),
        }
    }

    /// Whether it may use this power of the operator: the one place where that is decided.
    pub fn demand(&self, power: Power) -> Result<(), Rejection> {
        match (&self.party, &self.person) {
            (Party::Provider(_), _) => Err(Rejection::Forbidden("only the operator may do this".to_owned())),
            (Party::Operator, Some(person)) if !person.role.may(power) => {
                let detail = format!("a person with the role {} may not do this", person.role.name());
                Err(refusal::STAFF_ROLE.at("", detail).into())
            }
            (Party::Operator, _) => Ok(()),
        }
    }

    /// Who owns the idempotency keys that it uses: the party, so that a new token can repeat an old one's request.
    pub(super) fn owner(&self) -> &str {
        self.provider().unwrap_or("") // no provider has an empty id
    }
}

/// A token that was just made; the only time that it is seen.
pub struct Issued {
    /// Names it.
    pub id: String,
    /// The token itself, for `Authorization: Bearer`.
    pub token: String,
    /// From when on it is refused, in milliseconds.
    pub expires_ms: u64,
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

/// Makes a token of a provider or of a person of the staff: what its owner is given, and what is stored.
pub(super) fn issue(
    random: &dyn Random,
    party: (Option<&str>, Option<&str>),
    test: bool,
    scopes: Vec<Scope>,
    now_ms: u64,
    life_d: u32,
) -> Result<(Issued, TokenRow), NoRandomness> {
    let (mut secret, mut id) = ([0; 32], [0; 9]);
    random.fill(&mut secret)?;
    random.fill(&mut id)?;
    let token = format!("{}{}", if test { "cb_test_" } else { "cb_live_" }, to_base64url(&secret));
    let expires_ms = now_ms + u64::from(life_d) * 86_400_000;
    let id = to_base64url(&id);
    let row = TokenRow {
        id: id.clone(),
        hash: sha256(&[token.as_bytes()]),
        provider: party.0.map(str::to_owned),
        staff: party.1.map(str::to_owned),
        test,
        certificate: None,
        scopes: scopes.iter().map(Scope::to_string).collect::<Vec<_>>().join("\n"),
        created_ms: now_ms,
        expires_ms,
        used_ms: None,
        revoked_ms: None,
    };
    Ok((Issued { id, token, expires_ms, scopes }, row))
}

/// The tokens in force, by their hash. Changes go to the ledger first, then here.
#[derive(Default)]
pub(super) struct Tokens(RwLock<HashMap<Hash, Arc<Held>>>);

struct Held {
    actor: Actor,
    expires_ms: u64,
    used_ms: AtomicU64,
    noted_ms: AtomicU64,
}

impl Tokens {
    /// Takes up every token that was not revoked.
    pub(super) fn load(rows: Vec<TokenRow>) -> Self {
        let tokens = Self::default();
        rows.into_iter().filter(|row| row.revoked_ms.is_none()).for_each(|row| tokens.add(row));
        tokens
    }

    pub(super) fn add(&self, row: TokenRow) {
        let used = row.used_ms.unwrap_or(0);
        let party = row.provider.map_or(Party::Operator, Party::Provider);
        // The role comes with each request from the staff list, so that a change of it counts at once.
        let person = row.staff.map(|id| Person { id, role: StaffRole::Viewer });
        let scopes = row.scopes.lines().filter_map(Scope::parse).collect();
        let held = Held {
            actor: Actor { token_id: row.id, party, person, scopes, test: row.test, certificate: row.certificate },
            expires_ms: row.expires_ms,
            used_ms: AtomicU64::new(used),
            noted_ms: AtomicU64::new(used),
        };
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(row.hash, Arc::new(held));
    }

    pub(super) fn remove(&self, id: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, held| held.actor.token_id != id);
    }

    /// Takes every token of a person away.
    pub(super) fn remove_of(&self, person: &str) {
        let theirs = |held: &Held| held.actor.person.as_ref().is_some_and(|of| of.id == person);
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, held| !theirs(held));
    }

    /// Who shows this token; None for whatever is not a token in force.
    pub(super) fn actor(&self, bearer: &str, now_ms: u64) -> Option<Actor> {
        if bearer.len() > BEARER_LEN_MAX {
            return None;
        }
        // The map is searched by a hash of the secret, so the time it takes says nothing about the secret.
        let hash = sha256(&[bearer.as_bytes()]);
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned()?;
        if now_ms >= held.expires_ms {
            return None;
        }
        held.used_ms.store(now_ms - now_ms % USED_STEP_MS, Ordering::Relaxed);
        Some(held.actor.clone())
    }

    /// Whether the token of that id is still good; the program itself needs none.
    pub(super) fn is_in_force(&self, id: &str, now_ms: u64) -> bool {
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        id == LOCAL || tokens.values().any(|held| held.actor.token_id == id && now_ms < held.expires_ms)
    }

    /// Last uses that the ledger does not know yet; they count as noted from here on.
    pub(super) fn take_uses(&self) -> Vec<(String, u64)> {
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = |held: &Arc<Held>| {
            let used = held.used_ms.load(Ordering::Relaxed);
            (held.noted_ms.swap(used, Ordering::Relaxed) != used).then(|| (held.actor.token_id.clone(), used))
        };
        tokens.values().filter_map(fresh).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::random::Seeded;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn scopes(texts: &[&str]) -> Vec<Scope> {
        texts.iter().map(|text| Scope::parse(text).unwrap()).collect()
    }

    fn number(text: &str) -> Option<Number> {
        Some(Number::parse(text).unwrap())
    }

    #[test]
    fn a_token_opens_what_its_scopes_say_until_it_expires() {
        let (issued, row) =
            issue(&Seeded::new([1; 32]), (Some("acme"), None), false, scopes(&["read:+", "write:+44"]), NOW_MS, 90)
                .unwrap();
        let tokens = Tokens::load(vec![row]);
        let actor = tokens.actor(&issued.token, NOW_MS).unwrap();
        assert_eq!(actor.provider(), Some("acme"));
        assert!(actor.may(Verb::Write, number("+447700900123")) && actor.may(Verb::Read, number("+12025550123")));
        assert!(!actor.may(Verb::Write, number("+12025550123")));
        assert!(tokens.actor(&issued.token, issued.expires_ms - 1).is_some());
        assert_eq!(tokens.actor(&issued.token, issued.expires_ms), None);
        assert_eq!(tokens.actor(&format!("{}x", issued.token), NOW_MS), None);
        tokens.remove(&issued.id);
        assert_eq!(tokens.actor(&issued.token, NOW_MS), None);
    }

    #[test]
    fn a_test_token_stays_in_the_sandbox() {
        let (issued, row) =
            issue(&Seeded::new([2; 32]), (Some("acme"), None), true, scopes(&["write:+"]), NOW_MS, 1).unwrap();
        assert!(issued.token.starts_with("cb_test_"));
        let actor = Tokens::load(vec![row]).actor(&issued.token, NOW_MS).unwrap();
        assert!(actor.may(Verb::Write, number("+9991234567")));
        assert!(!actor.may(Verb::Write, number("+447700900123")));
    }

    #[test]
    fn the_stored_row_does_not_hold_the_token() {
        let (issued, row) =
            issue(&Seeded::new([3; 32]), (None, Some("ada")), false, scopes(&["read:+"]), NOW_MS, 90).unwrap();
        assert!(!format!("{row:?}").contains(&issued.token[8..]));
        assert_eq!(row.hash, sha256(&[issued.token.as_bytes()]));
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let (issued, row) =
            issue(&Seeded::new([4; 32]), (None, Some("ada")), false, scopes(&["read:+"]), NOW_MS, 90).unwrap();
        let tokens = Tokens::load(vec![row]);
        assert!(tokens.take_uses().is_empty());
        tokens.actor(&issued.token, NOW_MS + 1);
        tokens.actor(&issued.token, NOW_MS + 2);
        assert_eq!(tokens.take_uses().len(), 1);
        assert!(tokens.take_uses().is_empty());
    }

    #[test]
    fn scopes_are_read_strictly() {
        for wrong in
            ["", "write", "write:", "write:999", "admin:+", "write:+0", "write:+12x", "write:+1234567890123456"]
        {
            assert_eq!(Scope::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Scope::parse("write:+999").unwrap().to_string(), "write:+999");
    }
}
