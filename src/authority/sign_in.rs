//! How a person of the staff comes into the console: a link once, then passkeys; and the sessions that follow.
//!
//! ```text
//! token of the person -> link (one use, minutes) -> passkey -> session -idle or over, signed out, person left-> nothing
//!                                                     '-<- more passkeys, when signed in
//! ```
//! A link is made for whoever shows the person's own token, which only the person's key gives: so no admin gets another's
//! hand. Who has lost token and key gets another key by an act of two (staff-change), and that ends every sign-in before it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::authority::access::{Actor, Party, Person, Scope, Verb};
use crate::authority::error::Rejection;
use crate::authority::webauthn::{self, Made, Shown, Site};
use crate::authority::{Authority, Core};
use crate::ledger::{DeskRow, LedgerError, PasskeyRow, SessionRow};
use crate::log::bytes::{from_base64url, to_base64url};
use crate::log::label::Label;
use crate::log::random::{NoRandomness, Random};
use crate::log::{Hash, sha256};
use crate::registry::acts::Power;
use crate::registry::refusal;

/// How long a link is good: as long as it takes to carry it from a terminal to a browser.
pub const LINK_LIFE_MS: u64 = 15 * 60_000;
/// How long a challenge waits for its answer.
const CHALLENGE_LIFE_MS: u64 = 5 * 60_000;
/// Bytes of a challenge: eight of its time, eight of randomness, and the seal over both and the person.
const UNSEALED: usize = 16;
/// Passkeys of one person.
const PASSKEYS_MAX: usize = 16;
/// Sessions of one person.
const SESSIONS_MAX: usize = 32;
/// Bytes of what a person calls a passkey.
pub const PASSKEY_NAME_MAX: usize = 60;
/// Last use is kept to the minute: finer would cost a write per request.
const USED_STEP_MS: u64 = 60_000;
/// Longer than any secret of ours.
const SECRET_LEN_MAX: usize = 64;

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimes {
    /// Without a request.
    pub idle_ms: u64,
    /// At the longest.
    pub whole_ms: u64,
}

/// A session that has just begun: the only time that its secret is seen.
pub struct Begun {
    /// For the cookie.
    pub secret: String,
    /// Who.
    pub person: String,
}

/// Who is at the console.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// As which every call is made.
    pub actor: Actor,
    /// The person, with the role of this moment.
    pub person: Person,
    /// The session.
    pub session: String,
}

/// Who asks for a passkey to be registered.
pub enum Registrar {
    /// Who has a link; its secret.
    Link(String),
    /// Who is signed in.
    SignedIn(SignedIn),
}

struct Held {
    row: SessionRow,
    used_ms: AtomicU64,
}

/// Sessions, by the hash of their secret: changes go to the ledger first, then here. And challenges: those that wait are
/// remembered by nobody, for anybody may ask for them; they are sealed, and those that were answered rightly are kept.
pub(super) struct SignIns {
    sessions: RwLock<HashMap<Hash, Arc<Held>>>,
    seal: Key,
    answered: Mutex<HashMap<[u8; 32], u64>>,
}

impl SignIns {
    /// What the ledger says.
    pub(super) fn load(rows: Vec<SessionRow>, random: &dyn Random) -> Result<Self, NoRandomness> {
        let mut seal = [0; 32];
        random.fill(&mut seal)?;
        let seal = Key::new(HMAC_SHA256, &seal);
        let sign_ins = Self { sessions: RwLock::default(), seal, answered: Mutex::default() };
        sign_ins.reload(rows);
        Ok(sign_ins)
    }

    fn reload(&self, rows: Vec<SessionRow>) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *sessions);
        sessions.extend(rows.into_iter().map(|row| {
            let known = before.get(&row.hash).map_or(0, |held| held.used_ms.load(Ordering::Relaxed));
            (row.hash, Arc::new(Held { used_ms: AtomicU64::new(known.max(row.used_ms)), row }))
        }));
    }

    /// A challenge of this moment for a passkey of that person to be made, or (None) for any to sign in.
    fn challenge(&self, person: Option<&str>, now_ms: u64, random: &dyn Random) -> Result<[u8; 32], NoRandomness> {
        let mut challenge = [0; 32];
        let (open, seal) = challenge.split_at_mut(UNSEALED);
        random.fill(open)?;
        open.iter_mut().zip(now_ms.to_be_bytes()).for_each(|(byte, of_time)| *byte = of_time);
        seal.copy_from_slice(&self.sealed(open, person));
        Ok(challenge)
    }

    fn sealed(&self, open: &[u8], person: Option<&str>) -> [u8; 16] {
        let said = person.map_or_else(Vec::new, |person| [b" for ", person.as_bytes()].concat());
        let tag = sign(&self.seal, &[open, &said].concat());
        tag.as_ref().first_chunk().copied().unwrap_or_default() // a tag has 32 bytes
    }

    /// Whether a challenge is ours, for that person, and not too old.
    fn is_ours(&self, challenge: &[u8; 32], person: Option<&str>, now_ms: u64) -> bool {
        let (open, seal) = challenge.split_at(UNSEALED);
        let made_ms = open.first_chunk().map_or(0, |time| u64::from_be_bytes(*time));
        // Whoever tries seals byte by byte learns nothing: each try needs a request, and a seal has 128 bits.
        *seal == self.sealed(open, person) && now_ms.saturating_sub(made_ms) < CHALLENGE_LIFE_MS
    }

    /// Takes a challenge that was answered rightly; false if it was before.
    fn take(&self, challenge: [u8; 32], now_ms: u64) -> bool {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.retain(|_, until_ms| now_ms < *until_ms);
        answered.insert(challenge, now_ms + CHALLENGE_LIFE_MS).is_none()
    }
}

fn nobody() -> Rejection {
    refusal::SIGN_IN.at("", "this signs nobody in").into()
}

impl Authority {
    /// Makes a link by which the person whose token this is registers a passkey; gives its secret, and when it expires. Blocks.
    pub fn sign_in_link(&self, actor: &Actor) -> Result<(String, u64), Rejection> {
        actor.demand(Power::See)?;
        let Some(Person { id, .. }) = actor.person.clone() else {
            return Err(refusal::ACT_PERSON.at("", "the program itself signs in nowhere").into());
        };
        let (secret, now_ms) = (self.core.secret()?, self.core.now_ms());
        let (hash, expires_ms) = (hash_of(&secret), now_ms + LINK_LIFE_MS);
        let line = desk(now_ms, &id, "link-made", None, "");
        let stored = self.core.ledger.write::<_, LedgerError, _>(move |tx| {
            tx.add_sign_in_link(&hash, &id, expires_ms, now_ms)?;
            tx.add_desk(&line)
        });
        stored.wait_blocking()?;
        Ok((secret, expires_ms))
    }

    /// For whom a link is, while it is good and that person is of the staff. Blocks.
    pub fn link_person(&self, secret: &str) -> Result<String, Rejection> {
        if secret.len() > SECRET_LEN_MAX {
            return Err(nobody());
        }
        let (hash, now_ms) = (hash_of(secret), self.core.now_ms());
        let person = self.core.ledger.read::<_, LedgerError>(|now| now.sign_in_link(&hash, now_ms))?;
        person.filter(|person| self.core.person(person).is_some()).ok_or_else(nobody)
    }

    /// A challenge for a passkey of that person to be made, or (None) for any to sign in.
    pub fn challenge(&self, person: Option<String>) -> Result<[u8; 32], Rejection> {
        let (now_ms, random) = (self.core.now_ms(), &self.core.random);
        Ok(self.core.sign_ins.challenge(person.as_deref(), now_ms, random)?)
    }

    /// Registers a passkey; who had a link is signed in by it. Blocks.
    pub fn register_passkey(
        &self,
        by: &Registrar,
        site: &Site,
        times: SessionTimes,
        name: &str,
        made: &Made,
    ) -> Result<Option<Begun>, Rejection> {
        let core = &self.core;
        let (person, link) = match by {
            Registrar::Link(secret) => (self.link_person(secret)?, Some(hash_of(secret))),
            Registrar::SignedIn(who) => (who.person.id.clone(), None),
        };
        let now_ms = core.now_ms();
        let challenge = webauthn::challenge_of(&made.client, "webauthn.create", site).ok_or_else(nobody)?;
        let ours = core.sign_ins.is_ours(&challenge, Some(&person), now_ms);
        let counter = webauthn::made(made, site).filter(|_| ours).ok_or_else(nobody)?;
        let name = match name.trim() {
            "" => "passkey".to_owned(),
            name if name.len() <= PASSKEY_NAME_MAX && !name.chars().any(char::is_control) => name.to_owned(),
            _ => return Err(Rejection::Conflict(format!("a name has at most {PASSKEY_NAME_MAX} bytes"))),
        };
        if !core.sign_ins.take(challenge, now_ms) {
            return Err(nobody());
        }
        let row = PasskeyRow {
            credential: made.credential.clone(),
            person: person.clone(),
            key: made.key.clone(),
            counter,
            name: name.clone(),
            added_ms: now_ms,
            used_ms: None,
        };
        let begun = link.map(|_| core.new_session(&person, times)).transpose()?;
        let session = begun.as_ref().map(|(_, row)| row.clone());
        let line = desk(now_ms, &person, "passkey-added", None, &name);
        let stored = core.ledger.write::<_, Rejection, _>(move |tx| {
            if let Some(hash) = link
                && !tx.use_sign_in_link(&hash)?
            {
                return Err(nobody());
            }
            if tx.passkey(&row.credential)?.is_some() {
                return Err(Rejection::Conflict("this passkey is registered already".to_owned()));
            }
            if tx.passkeys_of(&row.person)?.len() >= PASSKEYS_MAX {
                return Err(Rejection::Conflict(format!("a person has at most {PASSKEYS_MAX} passkeys")));
            }
            tx.put_passkey(&row)?;
            session.iter().try_for_each(|session| tx.add_session(session))?;
            Ok(tx.add_desk(&line)?)
        });
        stored.wait_blocking()?;
        core.reload_sessions()?;
        Ok(begun.map(|(secret, _)| Begun { secret, person }))
    }

    /// Signs in whoever shows a passkey. The session is a new one, whatever the browser had before. Blocks.
    pub fn sign_in(&self, site: &Site, times: SessionTimes, shown: &Shown) -> Result<Begun, Rejection> {
        let core = &self.core;
        let now_ms = core.now_ms();
        let challenge = webauthn::challenge_of(&shown.client, "webauthn.get", site).ok_or_else(nobody)?;
        if !core.sign_ins.is_ours(&challenge, None, now_ms) {
            return Err(nobody());
        }
        let row = core.ledger.read::<_, LedgerError>(|now| now.passkey(&shown.credential))?.ok_or_else(nobody)?;
        core.person(&row.person).ok_or_else(nobody)?;
        let counter = webauthn::shown(shown, &row.key, row.counter, site).ok_or_else(nobody)?;
        if !core.sign_ins.take(challenge, now_ms) {
            return Err(nobody());
        }
        let (secret, session) = core.new_session(&row.person, times)?;
        let (before, stored) = (row.counter, session);
        let used = PasskeyRow { counter, used_ms: Some(now_ms), ..row.clone() };
        let line = desk(now_ms, &row.person, "signed-in", None, &row.name);
        let done = core.ledger.write::<_, Rejection, _>(move |tx| {
            // The same answer twice at once, or a passkey that was removed meanwhile.
            if tx.passkey(&used.credential)?.is_none_or(|now| now.counter != before) {
                return Err(nobody());
            }
            tx.put_passkey(&used)?;
            tx.add_session(&stored)?;
            let theirs: Vec<_> = tx.sessions()?.into_iter().filter(|one| one.person == used.person).collect();
            for old in theirs.iter().take(theirs.len().saturating_sub(SESSIONS_MAX)) {
                tx.end_session(&used.person, &old.id)?;
            }
            Ok(tx.add_desk(&line)?)
        });
        done.wait_blocking()?;
        core.reload_sessions()?;
        Ok(Begun { secret, person: row.person })
    }

    /// Who shows this secret of a session; None when it is over or the person has left.
    pub fn signed_in(&self, secret: &str, times: SessionTimes) -> Option<SignedIn> {
        if secret.len() > SECRET_LEN_MAX {
            return None;
        }
        let (core, now_ms) = (&self.core, self.core.now_ms());
        let hash = hash_of(secret); // searched by hash: the time it takes says nothing about the secret
        let sessions = &core.sign_ins.sessions;
        let held = sessions.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned()?;
        let used_ms = held.used_ms.load(Ordering::Relaxed);
        if now_ms >= held.row.ends_ms || now_ms.saturating_sub(used_ms) >= times.idle_ms {
            return None;
        }
        let row = core.person(&held.row.person)?;
        let step_ms = now_ms - now_ms % USED_STEP_MS;
        if used_ms < step_ms && held.used_ms.swap(now_ms, Ordering::Relaxed) == used_ms {
            // Nobody waits for that: a session that is thought idle too early is signed in again.
            drop(core.ledger.write::<_, LedgerError, _>(move |tx| tx.touch_session(&hash, now_ms)));
        }
        let person = Person { id: row.id, role: row.role };
        let scopes = [Verb::Read, Verb::Write].map(|verb| Scope { verb, prefix: String::new() }).to_vec();
        let actor = Actor {
            token_id: format!("session {}", held.row.id),
            party: Party::Operator,
            person: Some(person.clone()),
            scopes,
            test: false,
            certificate: None,
        };
        Some(SignedIn { actor, person, session: held.row.id.clone() })
    }

    /// Ends a session of one's own: the present one to sign out, or another. Blocks.
    pub fn end_session(&self, who: &SignedIn, id: &str) -> Result<(), Rejection> {
        let (person, id) = (who.person.id.clone(), id.to_owned());
        let ended = self.core.ledger.write::<_, LedgerError, _>(move |tx| tx.end_session(&person, &id));
        let was_there = ended.wait_blocking()?;
        self.core.reload_sessions()?;
        if was_there { Ok(()) } else { Err(Rejection::NotFound) }
    }

    /// One's own sessions that go on, and one's passkeys. Blocks.
    pub fn own_sign_ins(
        &self,
        who: &SignedIn,
        times: SessionTimes,
    ) -> Result<(Vec<SessionRow>, Vec<PasskeyRow>), Rejection> {
        let now_ms = self.core.now_ms();
        let id = &who.person.id;
        Ok(self.core.ledger.read::<_, LedgerError>(|now| {
            let mut sessions = now.sessions()?;
            let goes_on =
                |one: &SessionRow| now_ms < one.ends_ms && now_ms < one.used_ms + times.idle_ms + USED_STEP_MS;
            sessions.retain(|one| one.person == *id && goes_on(one));
            Ok((sessions, now.passkeys_of(id)?))
        })?)
    }

    /// Removes a passkey of one's own, but never the last: that would lock its person out. Blocks.
    pub fn remove_passkey(&self, who: &SignedIn, credential: &str) -> Result<(), Rejection> {
        let credential = from_base64url(credential).ok_or(Rejection::NotFound)?;
        let (person, now_ms) = (who.person.id.clone(), self.core.now_ms());
        let done = self.core.ledger.write::<_, Rejection, _>(move |tx| {
            let mine = tx.passkeys_of(&person)?;
            let found = mine.iter().find(|row| row.credential == credential).ok_or(Rejection::NotFound)?;
            if mine.len() == 1 {
                return Err(Rejection::Conflict("this is your only passkey: add another one first".to_owned()));
            }
            tx.remove_passkey(&person, &credential)?;
            Ok(tx.add_desk(&desk(now_ms, &person, "passkey-removed", None, &found.name))?)
        });
        done.wait_blocking()
    }
}

impl Core {
    fn secret(&self) -> Result<String, Rejection> {
        let mut secret = [0; 32];
        self.random.fill(&mut secret)?;
        Ok(to_base64url(&secret))
    }

    fn new_session(&self, person: &str, times: SessionTimes) -> Result<(String, SessionRow), Rejection> {
        let (secret, now_ms, mut id) = (self.secret()?, self.now_ms(), [0; 9]);
        self.random.fill(&mut id)?;
        let row = SessionRow {
            hash: hash_of(&secret),
            id: to_base64url(&id),
            person: person.to_owned(),
            made_ms: now_ms,
            used_ms: now_ms,
            ends_ms: now_ms + times.whole_ms,
        };
        Ok((secret, row))
    }

    /// Takes up what the ledger says of sessions.
    pub(super) fn reload_sessions(&self) -> Result<(), Rejection> {
        let rows = self.ledger.read::<_, LedgerError>(|now| now.sessions())?;
        self.sign_ins.reload(rows);
        Ok(())
    }
}

/// What is stored of a secret.
fn hash_of(secret: &str) -> Hash {
    sha256(&[secret.as_bytes()])
}

/// A line for the desk's book.
pub(super) fn desk(at_ms: u64, person: &str, what: &str, label: Option<Label>, reason: &str) -> DeskRow {
    DeskRow { seq: 0, at_ms, person: person.to_owned(), what: what.to_owned(), label, reason: reason.to_owned() }
}
