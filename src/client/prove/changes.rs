//! What became of a number, in words: each change, who signed it, what waits, and what the holder can do.

use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;
use crate::log::ZERO;
use crate::log::bytes::to_base64url;
use crate::log::event::{Door, Event, Kind, Role};
use crate::log::key::Thumbprint;
use crate::log::state::{Flags, State};

/// One change of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The version that it made.
    pub version: u64,
    /// `create`, `update`, `transfer`, `request`, `complete`, `veto`, `suspend`, `resume`, `release`, `renew`, `object` or `carry`.
    pub kind: &'static str,
    /// The epoch that published it.
    pub epoch: u64,
    /// When that was sealed, RFC 3339.
    pub at: String,
    /// Who signed it.
    pub signed_by: Vec<Signer>,
    /// Whether the watched control key signed it, so that it is the holder's own doing.
    pub own: bool,
    /// Whether the holder should look at once: somebody else asks for the number, has it, or withholds it.
    pub alarm: bool,
    /// All of it in a sentence.
    pub told: String,
}

/// Who signed a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// `control`, `provider`, `new_control`, `staff`, `recovery` or `sequencer`.
    pub role: &'static str,
    /// The thumbprint of the key, base64url.
    pub key: String,
    /// The provider's id, if it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// What was asked for and waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The door: 0 recovery with the same provider, 2 with a transfer code, 3 by fresh validation, 9 a provider's notice of release.
    pub door: u8,
    /// When it was published, Unix seconds.
    pub asked_s: u64,
    /// The provider that asks.
    pub provider: String,
    /// The control key that it asks for, base64url; empty for a notice.
    pub control: String,
    /// Whether the recovery key signed it, which makes the wait shorter.
    pub fast: bool,
    /// When it can be completed at the earliest by the charter in force, Unix seconds; None if the charter could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_s: Option<u64>,
    /// What the holder can do.
    #[serde(default)]
    pub remedy: String,
}

impl Changed {
    /// That event, published at `at_s`; `own` is the key on whose behalf is watched.
    pub(super) fn of(event: &Event, before: Option<&State>, at_s: u64, own: &Thumbprint) -> Self {
        let by_own = event.signatures.iter().any(|signature| {
            let controls = matches!(signature.role, Role::Control | Role::NewControl | Role::Recovery);
            controls && signature.key.thumbprint() == *own
        });
        let took_away = before.is_some_and(|before| before.control == *own) && event.state.control != *own;
        let alarming = matches!(event.kind, Kind::Request | Kind::Complete | Kind::Suspend | Kind::Release);
        Self {
            version: event.state.version,
            kind: event.kind.word(),
            epoch: event.state.since_epoch,
            at: rfc3339(at_s),
            signed_by: event
                .signatures
                .iter()
                .map(|signature| signer(event, signature.role, &signature.key.thumbprint()))
                .collect(),
            own: by_own,
            alarm: !by_own && (alarming || took_away),
            told: told(event, before, by_own),
        }
    }
}

impl Pending {
    /// The request of that event, published at `asked_s`; None unless it is one.
    pub(super) fn of(event: &Event, asked_s: u64) -> Option<Self> {
        let new_control = event.signature(Role::NewControl).map(|signature| signature.key.thumbprint());
        (event.kind == Kind::Request).then(|| Self {
            door: event.door as u8,
            asked_s,
            provider: event.provider.clone(),
            control: new_control.map(|key| to_base64url(&key)).unwrap_or_default(),
            fast: event.signature(Role::Recovery).is_some(),
            opens_s: None,
            remedy: String::new(),
        })
    }

    /// The same with what the charter and the State say about it.
    pub(super) fn explained(mut self, state: &State, policy_toml: Option<&str>) -> Self {
        let wait_s = policy_toml.and_then(|policy| {
            let (name, unit_s) = self.wait(state.flags);
            parameter(policy, name)?.checked_mul(unit_s)
        });
        self.opens_s = wait_s.and_then(|wait_s| self.asked_s.checked_add(wait_s));
        let claim = self.door == Door::Validation as u8;
        self.remedy = match (state.flags.contains(Flags::PROVIDER_HELD), claim) {
            (true, _) => "the provider keeps this number's key: tell it at once".to_owned(),
            (false, true) if state.flags.contains(Flags::OBJECTED) => {
                "you have objected: a second validation or two of the operator's staff decide; prove your claim to the provider".to_owned()
            }
            (false, true) => "if it is not you, object with the control key: callbook number object".to_owned(),
            (false, false) => "if it is not you, stop it with the control key: callbook number veto".to_owned(),
        };
        self
    }

    /// The charter's parameter for how long it waits, and its unit in seconds.
    const fn wait(&self, flags: Flags) -> (&'static str, u64) {
        const DAY_S: u64 = 86_400;
        match Door::from_u8(self.door) {
            Some(Door::Direct) => ("provider_release_notice_d", DAY_S),
            _ if flags.contains(Flags::LOCK) => ("recovery_locked_d", DAY_S),
            Some(Door::Validation) if flags.contains(Flags::PROVIDER_HELD) => ("held_claim_d", DAY_S),
            _ if self.fast => ("recovery_fast_h", 3600),
            Some(Door::Code) => ("transfer_code_delay_d", DAY_S),
            Some(Door::Validation) => ("objection_d", DAY_S),
            _ => ("recovery_cooldown_d", DAY_S),
        }
    }

    /// In a sentence.
    pub fn told(&self) -> String {
        let what = match Door::from_u8(self.door) {
            Some(Door::Direct) => {
                format!("the provider {} gives notice that it will release the number", self.provider)
            }
            Some(Door::Code) => format!("{} asks for the number with a transfer code", self.provider),
            Some(Door::Validation) => format!("{} claims the number by fresh validation", self.provider),
            _ => format!("{} asks for a new control key", self.provider),
        };
        let opens = self.opens_s.map_or_else(String::new, |at| format!(", and can have it from {} on", rfc3339(at)));
        format!("{what}, since {}{opens}: {}", rfc3339(self.asked_s), self.remedy)
    }
}

/// A whole number out of a charter's `policy.toml`, one parameter a line: `name = { article = "6.4", value = 7 }`.
fn parameter(policy_toml: &str, name: &str) -> Option<u64> {
    let line = policy_toml.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))?;
    let value = line.split("value").nth(1)?.trim_start().strip_prefix('=')?.trim_start();
    let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    value.get(..digits)?.parse().ok()
}

fn signer(event: &Event, role: Role, key: &Thumbprint) -> Signer {
    let role_word = match role {
        Role::Control => "control",
        Role::Provider => "provider",
        Role::NewControl => "new_control",
        Role::Operator => "staff",
        Role::Recovery => "recovery",
        Role::Sequencer => "sequencer",
    };
    let provider = (role == Role::Provider).then(|| event.provider.clone());
    Signer { role: role_word, key: to_base64url(key), provider }
}

/// What it did, and at whose word.
fn told(event: &Event, before: Option<&State>, by_own: bool) -> String {
    let (new, by_operator) = (&event.state, event.signature(Role::Operator).is_some());
    let rotates = before.is_some_and(|before| before.control != new.control);
    let what = match (event.kind, event.door) {
        (Kind::Create, _) => "the number was registered".to_owned(),
        (Kind::Update, _) if rotates => "the control key was changed".to_owned(),
        (Kind::Update, _) => {
            match before.map(|before| (before.commitment != new.commitment, before.recovery != new.recovery)) {
                Some((false, true)) => "the recovery key was changed",
                Some((false, false)) => "the lock was changed",
                _ => "the record was changed",
            }
            .to_owned()
        }
        (Kind::Transfer, Door::Validation) => {
            format!("the control key of before took the number back, by the provider {}", event.provider)
        }
        (Kind::Transfer, _) => format!("the number went to the provider {}", event.provider),
        (Kind::Request, Door::Direct) => "the provider gave notice of release".to_owned(),
        (Kind::Request, Door::Code) => format!("{} asked for the number with a transfer code", event.provider),
        (Kind::Request, Door::Validation) => format!("{} claimed the number by fresh validation", event.provider),
        (Kind::Request, Door::Main) => "a new control key was asked for".to_owned(),
        (Kind::Complete, _) => format!("the number has a new control key, by the provider {}", event.provider),
        (Kind::Veto, _) => "what waited was stopped".to_owned(),
        (Kind::Suspend, _) => "the number was withheld".to_owned(),
        (Kind::Resume, _) => "the number is published again".to_owned(),
        (Kind::Release, _) => "the number was given back".to_owned(),
        (Kind::Renew, _) => format!("the registration was extended to {}", rfc3339(new.not_after)),
        (Kind::Object, _) => "a claim was objected to".to_owned(),
        (Kind::Carry, _) => "the number was carried over into a new era of the log".to_owned(),
    };
    let has = |role| event.signature(role).is_some();
    let by = match () {
        () if by_own => "signed by your key".to_owned(),
        () if by_operator => "ordered by two of the operator's staff".to_owned(),
        () if has(Role::Control) => "signed by the control key of that time".to_owned(),
        () if has(Role::NewControl) => format!("signed by another key, {}", key_of(event, Role::NewControl)),
        () if has(Role::Provider) => format!("signed by the provider {} alone", event.provider),
        () => "signed by the directory alone".to_owned(),
    };
    let taken = event.kind == Kind::Complete && event.door != Door::Main && !by_own && !by_operator;
    let back = if taken {
        ": if it was yours, the key before takes it back for a while, callbook number take-back"
    } else {
        ""
    };
    format!("{what}, {by}{back}")
}

fn key_of(event: &Event, role: Role) -> String {
    to_base64url(&event.signature(role).map_or(ZERO, |signature| signature.key.thumbprint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_the_charters() {
        let policy = include_str!("../../../charter/policy.toml");
        assert_eq!(parameter(policy, "recovery_cooldown_d"), Some(7));
        assert_eq!(parameter(policy, "recovery_fast_h"), Some(24));
        assert_eq!(parameter(policy, "recovery"), None);
        assert_eq!(parameter("recovery_cooldown_d = \"7\"", "recovery_cooldown_d"), None);
        let pending = |door: Door, fast| Pending {
            door: door as u8,
            asked_s: 1000,
            provider: "acme".into(),
            control: String::new(),
            fast,
            opens_s: None,
            remedy: String::new(),
        };
        let waits = |pending: Pending, flags| (pending.wait(flags).0, parameter(policy, pending.wait(flags).0));
        for (door, fast, flags, expected) in [
            (Door::Main, false, Flags::NONE, ("recovery_cooldown_d", Some(7))),
            (Door::Main, true, Flags::NONE, ("recovery_fast_h", Some(24))),
            (Door::Main, true, Flags::LOCK, ("recovery_locked_d", Some(30))),
            (Door::Code, false, Flags::NONE, ("transfer_code_delay_d", Some(5))),
            (Door::Validation, false, Flags::NONE, ("objection_d", Some(7))),
            (Door::Validation, false, Flags::PROVIDER_HELD, ("held_claim_d", Some(5))),
            (Door::Direct, false, Flags::LOCK, ("provider_release_notice_d", Some(7))),
        ] {
            assert_eq!(waits(pending(door, fast), flags), expected, "{door:?}");
        }
    }
}
