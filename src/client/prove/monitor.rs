//! Watching a number: every change since the last time, each checked, and the newest State proved (TRUST.md 3).
//!
//! What is shown must lead from the State that is pinned to the one that the log commits to, event by event, each signed as its kind asks
//! for. So a change that the holder did not make is seen at the next look, however late, and a State without its event is caught.

use serde::Serialize;

use crate::api::monitor::{MonitorAsked, MonitorGrant};
use crate::api::providers::Key;
use crate::client::prove::changes::{Changed, Pending};
use crate::client::prove::pins::{PinnedLog, PinnedNumber, Pins};
use crate::client::prove::said::young;
use crate::client::prove::{ProveError, Prover, Refused};
use crate::clock::{Clock, SystemClock, rfc3339};
use crate::log::ZERO;
use crate::log::bytes::{Malformed, array_from_base64, to_base64, to_base64url};
use crate::log::event::Event;
use crate::log::key::{Algorithm, PublicKey, SigningKey, Thumbprint};
use crate::log::label::Label;
use crate::log::misbehaviour::{Misbehaviour, What};
use crate::log::monitor::{self, Grant, GrantFile};
use crate::log::proof::Proof;
use crate::log::proved::{self, Proved};
use crate::log::state::State;
use crate::log::succession::{self, Where};
use crate::number::Number;

/// Pages of one look: more changes than any number has.
const PAGES_MAX: usize = 400;
/// Changes that are told with their time, the newest: each may cost a file of the log.
const TOLD_MAX: usize = 64;

/// What is watched.
#[derive(Clone, Debug)]
pub enum Subject {
    /// One's own number.
    Number(Number),
    /// A label that its holder has given leave for.
    Granted(Box<GrantFile>),
}

/// A question about a number.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What is watched.
    pub subject: &'a Subject,
    /// The control key, or the watcher's.
    pub key: &'a SigningKey,
    /// An event that was accepted, by its hash as submitted, and the latest epoch that was promised for it: it must be there by then.
    pub promised: Option<([u8; 32], u64)>,
}

/// What came of it.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // there is one at a time
pub enum Watched {
    /// All of it holds.
    Seen(Monitored),
    /// Something does not: the directory, or the way to it, is not to be trusted.
    Refused(Refused),
}

/// What became of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Monitored {
    /// The number, if the watcher knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Its label, base64.
    pub label: String,
    /// The origin of the log.
    pub log: String,
    /// `active`, `lapsed`, `suspended` or `released`.
    pub standing: &'static str,
    /// The newest version.
    pub version: u64,
    /// The epoch that was proved.
    pub epoch: u64,
    /// When that was sealed, RFC 3339.
    pub sealed_at: String,
    /// What is new since the last time, oldest first; on first use everything, of a long past the newest 64.
    pub changes: Vec<Changed>,
    /// How many changes came before those.
    pub earlier_changes: usize,
    /// What waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// The control key's thumbprint, base64url, if the number has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Whether that is the key on whose behalf is watched.
    pub own: bool,
    /// Since when it has that key, RFC 3339; absent: since before this era of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_since: Option<String>,
    /// What weakens the proof and what a holder should know, as in a look-up.
    pub warnings: Vec<&'static str>,
    /// Nothing was pinned: what was shown the first time is believed from now on.
    pub first_use: bool,
    /// The keys of the log came from the directory itself.
    pub trust_on_first_use: bool,
}

impl Monitored {
    /// Whether anything is new since the last time.
    pub fn has_changed(&self) -> bool {
        !self.first_use && !self.changes.is_empty()
    }

    /// Whether the holder should look at once.
    pub fn alarms(&self) -> bool {
        !self.own || self.changes.iter().any(|change| change.alarm) || self.pending.is_some()
    }
}

/// What the directory answered, page by page.
struct Answer {
    proof: String,
    events: Vec<Vec<u8>>,
}

impl Prover {
    /// Asks what became of a number since `pins`, and makes every check. What is to be remembered is put into `pins`, unless something is
    /// refused.
    ///
    /// # Errors
    /// If nobody can be asked, or this key sees no such number.
    pub fn watch_blocking(&self, question: Question<'_>, pins: &mut Pins) -> Result<Watched, ProveError> {
        let label = match self.label(question.subject, pins)? {
            Ok(label) => label,
            Err(refused) => return Ok(Watched::Refused(refused)),
        };
        let pinned = pins.watched.get(&to_base64(label.as_bytes())).cloned();
        let before = pinned.as_ref().and_then(PinnedNumber::state);
        let known = before.as_ref().filter(|_| question.promised.is_none());
        let answer = self.ask(question, label, known.map_or(1, |state| state.version))?;
        let checked = self.checked(&answer.proof, pins, |proof, now_ms, seen| {
            proved::check_label(proof, label, &self.trust, now_ms, seen)
        })?;
        let with_evidence = |refused: Refused| {
            let evidence = refused.evidence.clone().or_else(|| self.contradiction(label, pinned.as_ref(), &answer));
            Ok(Watched::Refused(Refused { evidence, ..refused }))
        };
        let (proved, proof) = match checked {
            Ok(checked) => checked,
            Err(refused) => return with_evidence(refused),
        };
        let events = match self.chain(label, before.as_ref(), &proved, &answer) {
            Ok(events) => events,
            Err(why) => return with_evidence(format!("what was shown does not hold: {why}").into()),
        };
        if let Some(why) = dropped(question, &proved, &events) {
            return Ok(Watched::Refused(why.into()));
        }
        let new: Vec<&Event> = match &before {
            Some(before) => events.iter().filter(|event| event.state.version > before.version).collect(),
            None => events.iter().collect(),
        };
        self.told(question, Seen { label, pinned, before, proved, proof, new }, pins)
    }

    /// Where the number is: as pinned, as granted, or as the directory proves.
    fn label(&self, subject: &Subject, pins: &Pins) -> Result<Result<Label, Refused>, ProveError> {
        let number = match subject {
            Subject::Granted(file) if file.origin == self.trust.origin => return Ok(Ok(file.label)),
            Subject::Granted(file) => {
                let (granted, now) = (&file.origin, &self.trust.origin);
                return Err(ProveError::NotThere(format!(
                    "the leave is for the log {granted}, and the directory's is {now}: ask the holder for a new one"
                )));
            }
            Subject::Number(number) => *number,
        };
        let (name, origin) = (number.to_string(), &self.trust.origin);
        let pinned = pins.watched.iter().filter(|(_, watched)| watched.number.as_ref() == Some(&name));
        let pinned: Vec<(&String, &PinnedNumber)> = pinned.collect();
        let known = pinned.iter().find(|(_, watched)| watched.log == *origin);
        if let Some(label) = known.and_then(|(label, _)| array_from_base64(label)) {
            return Ok(Ok(Label(label)));
        }
        if let Some((_, before)) = pinned.first().filter(|_| self.first_use) {
            return Ok(Err(Refused::from(format!(
                "the directory now says that its log is {origin}, and it was {}: that can be a new era of the log, or another log that \
                 nobody has seen. Give a trust list of your own, with --trust",
                before.log
            ))));
        }
        let (proved, _) = match self.prove(number, pins)? {
            Ok(proved) => proved,
            Err(refused) => return Ok(Err(refused)),
        };
        let none =
            || ProveError::NotThere(format!("{number} is not registered in {}, and that is proved", self.trust.origin));
        Ok(Ok(proved.number.ok_or_else(none)?.label))
    }

    /// Every page; the proof is that of the last one.
    fn ask(&self, question: Question<'_>, label: Label, from_version: u64) -> Result<Answer, ProveError> {
        let (mut events, mut from) = (Vec::new(), from_version);
        for _ in 0..PAGES_MAX {
            let answer = self.api.monitor(&asked(question, &self.trust.origin, label, from))?;
            from += answer.events.len() as u64;
            let ends = !answer.more || answer.events.is_empty();
            events.extend(answer.events.into_iter().map(|event| event.0));
            if ends {
                return Ok(Answer { proof: answer.proof, events });
            }
        }
        Err(ProveError::NotThere("the directory shows more changes than any number has".to_owned()))
    }

    /// The events, if each follows from the one before, one makes the State that is known, and the last makes the one that is proved.
    fn chain(
        &self,
        label: Label,
        known: Option<&State>,
        proved: &Proved,
        answer: &Answer,
    ) -> Result<Vec<Event>, Malformed> {
        let must = |ok, why| Malformed::unless(ok, "event", why);
        let number =
            proved.number.as_ref().ok_or(Malformed::new("map", "the number has left the map, which no number does"))?;
        let at = Where { origin: &self.trust.origin, eras: &self.trust.eras, label: &label };
        let mut events: Vec<Event> = Vec::with_capacity(answer.events.len());
        for raw in &answer.events {
            let event = Event::parse(raw)?;
            if known.is_none_or(|known| event.state.version > known.version) || events.is_empty() {
                succession::check(&event, events.last().map(|event| &event.state), at)?;
            }
            events.push(event);
        }
        if let Some(known) = known {
            let same = events.iter().find(|event| event.state.version == known.version);
            must(same.is_some_and(|event| event.state == *known), "the State that was seen before was another one")?;
        }
        must(
            events.last().is_some_and(|event| event.state == number.state),
            "none that was shown makes the State that is proved",
        )?;
        Ok(events)
    }

    /// What proves to others that the log contradicts what it signed before, if anything does.
    fn contradiction(&self, label: Label, pinned: Option<&PinnedNumber>, answer: &Answer) -> Option<Box<Misbehaviour>> {
        let before = pinned?;
        let version = before.state()?.version;
        let proofs = Box::new([before.proof.clone(), answer.proof.clone()]);
        let states = What::States { label, proofs: proofs.clone() };
        let is_newer = |raw: &&Vec<u8>| Event::parse(raw).map_or(true, |event| event.state.version > version);
        let events = answer.events.iter().filter(is_newer).cloned().collect();
        self.evidence(states).or_else(|| self.evidence(What::Unsigned { label, proofs, events }))
    }

    /// All of it in words; and it is remembered.
    fn told(&self, question: Question<'_>, seen: Seen<'_>, pins: &mut Pins) -> Result<Watched, ProveError> {
        let Seen { label, pinned, before, proved, proof, new } = seen;
        let told = &new[new.len().saturating_sub(TOLD_MAX)..];
        let epochs: Vec<u64> = told.iter().map(|event| event.state.since_epoch).collect();
        let (times, key_since_s) = match (self.times_s(&proved, &epochs)?, self.key_since_s(&proved)?) {
            (Ok(times), Ok(key_since_s)) => (times, key_since_s),
            (Err(refused), _) | (_, Err(refused)) => return Ok(Watched::Refused(refused)),
        };
        let own = question.own();
        let earlier = new.len() - told.len();
        let states = before.iter().chain(new.iter().map(|event| &event.state));
        let befores: Vec<Option<&State>> = if before.is_some() {
            states.map(Some).collect()
        } else {
            std::iter::once(None).chain(states.map(Some)).collect()
        };
        let befores = befores.iter().skip(earlier);
        let changes: Vec<Changed> = told
            .iter()
            .zip(befores)
            .zip(&times)
            .map(|((event, before), at_s)| Changed::of(event, *before, *at_s, &own))
            .collect();
        let Some(number) = &proved.number else { return Ok(Watched::Refused(absent())) };
        let asked = told.iter().zip(&times).rev().find_map(|(event, at_s)| Pending::of(event, *at_s));
        let waits = number.state.pending != ZERO;
        let request = asked.or(pinned.and_then(|pinned| pinned.request)).filter(|_| waits);
        let name = question.number().map(|number| number.to_string());
        let log = PinnedLog {
            size: proved.checkpoint.size,
            root: to_base64(&proved.checkpoint.root),
            checkpoint: proof.checkpoint.clone(),
        };
        let pin = PinnedNumber {
            log: self.trust.origin.clone(),
            number: name.clone(),
            state: to_base64(&number.state.write()),
            proof: proof.write(),
            request: request.clone(),
        };
        let policy =
            if request.is_some() { self.api.charter().ok().map(|charter| charter.in_force.policy_toml) } else { None };
        let now_s = SystemClock.now_s();
        let mut warnings: Vec<&str> = proved.warnings.iter().map(|warning| warning.word()).collect();
        warnings.extend(young(key_since_s, now_s).then_some("young_control_key"));
        let monitored = Monitored {
            number: name,
            label: to_base64(label.as_bytes()),
            log: self.trust.origin.clone(),
            standing: proved.standing.word(),
            version: number.state.version,
            epoch: proved.epoch,
            sealed_at: rfc3339(proved.epoch_ms / 1000),
            changes,
            earlier_changes: earlier,
            pending: request.map(|request| request.explained(&number.state, policy.as_deref())),
            control: (number.state.control != ZERO).then(|| to_base64url(&number.state.control)),
            own: number.state.control == own,
            control_since: key_since_s.map(rfc3339),
            warnings,
            first_use: before.is_none(),
            trust_on_first_use: self.first_use,
        };
        pins.logs.insert(self.trust.origin.clone(), log);
        pins.watched.insert(to_base64(label.as_bytes()), pin);
        Ok(Watched::Seen(monitored))
    }

    /// Leave for a watcher's key to see what becomes of a number, until `until_s` (Unix seconds), given by its control key.
    ///
    /// # Errors
    /// If the number is not there, is another's, or its proof does not hold.
    pub fn grant_blocking(
        &self,
        number: Number,
        by: &SigningKey,
        watcher: Thumbprint,
        until_s: u64,
    ) -> Result<Result<GrantFile, Refused>, ProveError> {
        let (proved, _) = match self.prove(number, &Pins::default())? {
            Ok(proved) => proved,
            Err(refused) => return Ok(Err(refused)),
        };
        let origin = self.trust.origin.clone();
        let there = proved.number.filter(|there| there.state.control == by.public().thumbprint());
        let none = || ProveError::NotThere(format!("{number} is not registered in {origin} with this control key"));
        let label = there.ok_or_else(none)?.label;
        let grant = Grant::give(&origin, &label, &watcher, until_s, by);
        Ok(Ok(GrantFile { origin, label, watcher, grant }))
    }
}

/// What was shown and holds.
struct Seen<'a> {
    label: Label,
    pinned: Option<PinnedNumber>,
    before: Option<State>,
    proved: Proved,
    proof: Proof,
    new: Vec<&'a Event>,
}

impl Question<'_> {
    /// The control key on whose behalf is asked.
    fn own(&self) -> Thumbprint {
        match self.subject {
            Subject::Number(_) => self.key.public().thumbprint(),
            Subject::Granted(file) => file.grant.by.thumbprint(),
        }
    }

    const fn number(&self) -> Option<Number> {
        match self.subject {
            Subject::Number(number) => Some(*number),
            Subject::Granted(_) => None,
        }
    }
}

fn absent() -> Refused {
    "the number has left the map, which no number does".to_owned().into()
}

/// What was promised and is not there, in words.
fn dropped(question: Question<'_>, proved: &Proved, events: &[Event]) -> Option<String> {
    let (hash, epoch) = question.promised?;
    let is_due = proved.epoch >= epoch && !events.iter().any(|event| event.hash() == hash);
    is_due.then(|| {
        format!(
            "the directory accepted a change and promised it for epoch {epoch} at the latest; epoch {} is published, and it is not there",
            proved.epoch
        )
    })
}

/// The question, signed now.
fn asked(question: Question<'_>, origin: &str, label: Label, from_version: u64) -> MonitorAsked {
    let key = question.key;
    let at_s = SystemClock.now_s();
    let signature = key.sign(&monitor::tbs(origin, &label, from_version, at_s));
    let grant = match question.subject {
        Subject::Number(_) => None,
        Subject::Granted(file) => Some(MonitorGrant {
            until_s: u32::try_from(file.grant.until_s).unwrap_or(u32::MAX),
            by: shown(&file.grant.by),
            signature: file.grant.signature.into(),
        }),
    };
    MonitorAsked {
        label: label.as_bytes().into(),
        from_version: u32::try_from(from_version).unwrap_or(u32::MAX),
        at_s: u32::try_from(at_s).unwrap_or(u32::MAX),
        key: shown(key.public()),
        signature: signature.into(),
        grant,
    }
}

fn shown(key: &PublicKey) -> Key {
    let algorithm = match key.algorithm() {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Es256 => "es256",
    };
    Key { algorithm: algorithm.to_owned(), key: key.bytes().into(), thumbprint: None }
}
