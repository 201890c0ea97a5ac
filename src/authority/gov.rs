//! The gov log: what was decided about the directory itself, and the register of providers that it adds up to.
//!
//! A leaf of type `provider` holds the whole accreditation of one organisation as it stands from then on, keys included:
//! whoever has the log can tell which keys counted at any size of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::authority::receipt::JudgedBy;
use crate::charter::{Policy, Version, Versions};
use crate::log::bytes::{Malformed, from_base64, from_base64url, to_base64, to_base64url};
use crate::log::gov::{self, GovLeaf};
use crate::log::key::{Algorithm, PublicKey, Thumbprint};
use crate::log::merkle::Frontier;
use crate::log::note::VerifierKey;
use crate::log::record::is_provider_id;
use crate::log::{Hash, merkle, sha256};
use crate::registry::acts::StaffRole;
use crate::registry::bulk::{self, BulkDoor};
use crate::registry::register::{EntityStatus, Provider, Register, ValidationEntity};
use crate::registry::rules::Law;
use crate::registry::standing::{ProviderStatus, Standing, Stood};
use crate::registry::terms::Terms;

/// The type of a leaf that accredits, changes or suspends an organisation.
pub(super) const PROVIDER: &str = "provider";
/// The type of a leaf that announces a version of the charter.
pub(super) const CHARTER: &str = "charter";
/// The type of a leaf that says by which numbering metadata numbers are judged from then on.
pub(super) const NUMBERING: &str = "numbering";
/// The type of a leaf by which a key of the staff counts, or counts no more. It names no person.
pub(super) const STAFF: &str = "staff";
/// The type of a leaf that orders something about numbers; events name it as their evidence.
pub(super) const ORDER: &str = "order";
/// The type of a leaf that opens the bulk door of a provider.
pub(super) const BULK_DOOR: &str = "bulk-door";
/// The type of a leaf that tells that something did not go as the directory promises.
pub(super) const INCIDENT: &str = "incident";
/// The type of a leaf that tells of an escrow deposit.
pub(super) const ESCROW: &str = "escrow";
/// The type of a leaf by which an auditor is admitted, or is none any more.
pub(super) const AUDITOR: &str = "auditor";
/// The type of a leaf that tells of a published version of the trust repository.
pub(super) const TRUST: &str = "trust";
/// The type of leaf 0, and of a leaf that closes the map log for ever and opens the next.
pub(super) const ERA_OPEN: &str = "era-open";
/// Keys of one kind that an organisation may hold at a time: a few machines, and the next keys during a roll.
pub const KEYS_MAX: usize = 16;
/// Bytes of a name for people.
pub const NAME_LEN_MAX: usize = 200;

/// What the directory says of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accreditation {
    /// Its id in records, events and tokens: `[a-z0-9][a-z0-9-]{0,62}`.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Where it stands, which gates its commands and tokens.
    pub standing: Standing,
    /// Keys that sign its submissions; with any it is a provider.
    pub statement_keys: Vec<PublicKey>,
    /// Keys that sign validation tokens; with any it is a validation entity.
    pub validation_keys: Vec<PublicKey>,
    /// Thumbprints of validation keys that were lost; they never come back.
    pub lost_keys: Vec<Thumbprint>,
    /// The charter's article that the latest decision rests on.
    pub clause: Option<String>,
}

impl Accreditation {
    /// The body of its leaf.
    pub(super) fn body(&self) -> Value {
        let stood = |stood: Option<Stood>| stood.map(|s| json!({ "status": s.status.name(), "due": s.due_ms }));
        json!({
            "id": self.id,
            "name": self.name,
            "status": self.standing.status.name(),
            "since": self.standing.since_ms,
            "due": self.standing.due_ms,
            "probation": self.standing.probation_ms,
            "before": stood(self.standing.before),
            "stopped": stood(self.standing.stopped),
            "unconfirmed": self.standing.unconfirmed_ms,
            "statement_keys": self.statement_keys.iter().map(key_body).collect::<Vec<_>>(),
            "validation_keys": self.validation_keys.iter().map(key_body).collect::<Vec<_>>(),
            "lost_keys": self.lost_keys.iter().map(|key| to_base64url(key)).collect::<Vec<_>>(),
            "clause": self.clause,
        })
    }

    /// Reads a leaf made at `time_ms`. Leaves from before there were probations and terms say only `accredited` or
    /// `suspended`; an accreditation of those days runs from its leaf on.
    fn read(body: &Value, time_ms: u64, policy: &Policy) -> Option<Self> {
        let text = |name: &str| body.get(name)?.as_str().map(str::to_owned);
        let keys = |name: &str| body.get(name)?.as_array()?.iter().map(read_key).collect::<Option<Vec<_>>>();
        let status = ProviderStatus::from_name(body.get("status")?.as_str()?)?;
        let standing = match body.get("since") {
            None => Standing::fresh(status, policy, time_ms),
            Some(since) => Standing {
                status,
                since_ms: since.as_u64()?,
                due_ms: optional(body, "due")?,
                probation_ms: optional(body, "probation")?,
                before: read_stood(body, "before")?,
                stopped: read_stood(body, "stopped")?,
                unconfirmed_ms: optional(body, "unconfirmed")?,
            },
        };
        let lost = |key: &Value| from_base64url(key.as_str()?)?.try_into().ok();
        let lost_keys = match body.get("lost_keys") {
            None => Vec::new(),
            Some(keys) => keys.as_array()?.iter().map(lost).collect::<Option<_>>()?,
        };
        Some(Self {
            id: text("id").filter(|id| is_provider_id(id))?,
            name: text("name")?,
            standing,
            statement_keys: keys("statement_keys")?,
            validation_keys: keys("validation_keys")?,
            lost_keys,
            clause: text("clause"),
        })
    }
}

/// A time that may be null or missing: `Some(None)` then.
fn optional(body: &Value, name: &str) -> Option<Option<u64>> {
    match body.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_u64().map(Some),
    }
}

fn read_stood(body: &Value, name: &str) -> Option<Option<Stood>> {
    match body.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(value) => {
            let status = ProviderStatus::from_name(value.get("status")?.as_str()?)?;
            Some(Some(Stood { status, due_ms: optional(value, "due")? }))
        }
    }
}

/// The body of the leaf by which a key of the operator's staff counts from now on, or counts no more. It names no person.
pub(super) fn staff_body(key: &PublicKey, role: StaffRole, ended: bool) -> Value {
    let status = if ended { "ended" } else { "active" };
    json!({ "role": role.name(), "key": key_body(key), "status": status })
}

fn read_staff(body: &Value) -> Option<(PublicKey, Option<StaffRole>)> {
    let role = StaffRole::from_name(body.get("role")?.as_str()?)?;
    let active = match body.get("status")?.as_str()? {
        "active" => true,
        "ended" => false,
        _ => return None,
    };
    Some((read_key(body.get("key")?)?, active.then_some(role)))
}

/// The body of the leaf that opens a provider's bulk door, by an act.
pub(super) fn bulk_body(provider: &str, door: &BulkDoor, clause: &str, act: &str) -> Value {
    json!({ "provider": provider, "clause": clause, "opened": door.opened_ms, "until": door.until_ms, "act": act })
}

fn read_bulk(body: &Value) -> Option<(String, BulkDoor)> {
    let time = |name: &str| body.get(name)?.as_u64();
    let door = BulkDoor { opened_ms: time("opened")?, until_ms: time("until")? };
    Some((body.get("provider")?.as_str().filter(|id| is_provider_id(id))?.to_owned(), door))
}

/// The body of the leaf by which an auditor is admitted or ended, by an act.
pub(super) fn auditor_body(key: &VerifierKey, ended: bool, clause: &str, act: &str) -> Value {
    let status = if ended { "ended" } else { "active" };
    json!({ "vkey": key.to_string(), "status": status, "clause": clause, "act": act })
}

fn read_auditor(body: &Value) -> Option<(VerifierKey, bool)> {
    let active = match body.get("status")?.as_str()? {
        "active" => true,
        "ended" => false,
        _ => return None,
    };
    Some((VerifierKey::parse(body.get("vkey")?.as_str()?).ok()?, active))
}

fn read_trust(body: &Value) -> Option<(String, u64)> {
    Some((body.get("role")?.as_str()?.to_owned(), body.get("version")?.as_u64()?))
}

/// A public key as gov leaves write it.
pub(super) fn key_body(key: &PublicKey) -> Value {
    let algorithm = match key.algorithm() {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Es256 => "es256",
    };
    json!({ "algorithm": algorithm, "key": to_base64(key.bytes()) })
}

/// Reads what [`key_body`] wrote.
pub(super) fn read_key(body: &Value) -> Option<PublicKey> {
    let algorithm = match body.get("algorithm")?.as_str()? {
        "ed25519" => Algorithm::Ed25519,
        "es256" => Algorithm::Es256,
        _ => return None,
    };
    PublicKey::new(algorithm, &from_base64(body.get("key")?.as_str()?)?).ok()
}

/// A leaf that is about to be signed.
pub(super) fn leaf(kind: &str, body: Value, seq: u64, time_ms: u64) -> GovLeaf {
    GovLeaf { kind: kind.to_owned(), time_ms, seq, body }
}

/// The gov log at one size, and what is in force by it.
#[derive(Clone)]
pub(super) struct InForce {
    log: Frontier,
    leaf_hashes: HashSet<Hash>,
    accreditations: BTreeMap<String, Accreditation>,
    staff: BTreeMap<PublicKey, StaffRole>,
    bulk_doors: BTreeMap<String, BulkDoor>,
    auditors: Vec<VerifierKey>,
    register: Register,
    sequencer: [Thumbprint; 1],
    charter: Versions,
    terms: Vec<(u64, Terms)>,
    texts: BTreeMap<Digests, Arc<Policy>>,
    /// Each edition of the numbering metadata with the index of the leaf that named it.
    numbering: Vec<(u64, String)>,
    /// The newest version of each role of the trust repository that was told.
    trust: BTreeMap<String, u64>,
    /// The last epoch of the present era in which numbers may be carried over.
    carry_until: u64,
    time_ms: u64,
}

/// A version of the charter by its contents: SHA-256 of `policy.toml` and of `charter.md`.
pub(super) type Digests = (Hash, Hash);

/// The digests of a policy and its articles.
pub(super) fn digests(policy: &Policy) -> Digests {
    (sha256(&[policy.source().as_bytes()]), sha256(&[policy.prose().as_bytes()]))
}

/// The leaf that announces a version of the charter.
pub(super) fn charter_leaf(version: &Version, seq: u64, time_ms: u64) -> GovLeaf {
    leaf(CHARTER, charter_body(version), seq, time_ms)
}

/// What it says.
pub(super) fn charter_body(version: &Version) -> Value {
    let (policy, text) = digests(&version.policy);
    json!({
        "version": version.number,
        "effective": version.effective_ms,
        "policy": to_base64(&policy),
        "text": to_base64(&text),
    })
}

/// The leaf that names the numbering metadata in use.
pub(super) fn numbering_leaf(edition: &str, seq: u64, time_ms: u64) -> GovLeaf {
    GovLeaf { kind: NUMBERING.to_owned(), time_ms, seq, body: json!({ "edition": edition }) }
}

impl InForce {
    /// The log without a leaf.
    pub(super) fn new(policy: Arc<Policy>, sequencer: Thumbprint) -> Self {
        Self {
            log: Frontier::new(),
            leaf_hashes: HashSet::new(),
            accreditations: BTreeMap::new(),
            staff: BTreeMap::new(),
            bulk_doors: BTreeMap::new(),
            auditors: Vec::new(),
            register: Register::default(),
            sequencer: [sequencer],
            terms: vec![(0, Terms::of(&policy))],
            charter: Versions::new(policy),
            texts: BTreeMap::new(),
            numbering: Vec::new(),
            trust: BTreeMap::new(),
            carry_until: 0, // the first era carries nothing over
            time_ms: 0,
        }
    }

    /// Gets to know the text of a version before the leaf that announces it.
    pub(super) fn know(&mut self, policy: Arc<Policy>) {
        self.texts.insert(digests(&policy), policy);
    }

    /// Appends leaves; each must be signed by `key` and have a sound form.
    pub(super) fn append<'l>(
        &mut self,
        leaves: impl IntoIterator<Item = &'l str>,
        key: &VerifierKey,
    ) -> Result<(), Malformed> {
        for leaf in leaves {
            let read = GovLeaf::open(leaf, std::slice::from_ref(key), self.size())?;
            if read.kind == PROVIDER {
                let found = Accreditation::read(&read.body, read.time_ms, self.policy_at(read.time_ms));
                let found = found.ok_or(Malformed::new("gov", "accreditation"))?;
                self.accreditations.insert(found.id.clone(), found);
            } else if read.kind == STAFF {
                match read_staff(&read.body).ok_or(Malformed::new("gov", "staff"))? {
                    (key, Some(role)) => {
                        self.staff.insert(key, role);
                    }
                    (key, None) => {
                        self.staff.remove(&key);
                    }
                }
            }
            if read.kind == ERA_OPEN {
                self.carry_until = optional(&read.body, "carry_until").flatten().unwrap_or(0);
            }
            if read.kind == BULK_DOOR {
                let (provider, door) = read_bulk(&read.body).ok_or(Malformed::new("gov", "bulk door"))?;
                self.bulk_doors.insert(provider, door);
            }
            if read.kind == AUDITOR {
                let (key, active) = read_auditor(&read.body).ok_or(Malformed::new("gov", "auditor"))?;
                self.auditors.retain(|known| *known != key);
                self.auditors.extend(active.then_some(key));
            }
            if read.kind == CHARTER {
                self.announce(&read.body).ok_or(Malformed::new("gov", "charter"))?;
            }
            if read.kind == NUMBERING {
                let edition = read.body.get("edition").and_then(Value::as_str);
                let edition = edition.ok_or(Malformed::new("gov", "numbering"))?;
                self.numbering.push((self.size(), edition.to_owned()));
            }
            if read.kind == TRUST {
                let (role, version) = read_trust(&read.body).ok_or(Malformed::new("gov", "trust"))?;
                self.trust.insert(role, version);
            }
            self.time_ms = read.time_ms;
            self.log.append(merkle::leaf_hash(leaf.as_bytes()));
            self.leaf_hashes.insert(gov::hash(leaf));
        }
        let operators = self.staff.iter().filter(|(_, role)| role.signs()).map(|(key, _)| key.clone());
        let gone = |id: &String| self.accreditations.get(id).is_some_and(|a| bulk::is_gone(&a.standing));
        let doors = self.bulk_doors.iter().filter(|(id, _)| gone(id)).map(|(id, door)| (id.clone(), *door));
        self.register = register(self.accreditations.values(), operators).with_bulk_doors(doors);
        Ok(())
    }

    pub(super) fn size(&self) -> u64 {
        self.log.size()
    }

    pub(super) fn root(&self) -> Hash {
        self.log.root()
    }

    /// The tree over all leaves.
    pub(super) fn tree(&self) -> &Frontier {
        &self.log
    }

    /// The time of the newest leaf.
    pub(super) fn time_ms(&self) -> u64 {
        self.time_ms
    }

    fn announce(&mut self, body: &Value) -> Option<()> {
        let digest = |name: &str| <Hash>::try_from(from_base64(body.get(name)?.as_str()?)?).ok();
        let policy = self.texts.get(&(digest("policy")?, digest("text")?))?.clone();
        let (number, effective_ms) = (body.get("version")?.as_u64()?, body.get("effective")?.as_u64()?);
        self.terms.push((number, Terms::of(&policy)));
        self.charter.announce(Version { number, effective_ms, policy }).ok()
    }

    /// The newest version of a role of the trust repository that the log tells of; 0: none.
    pub(super) fn trust_version(&self, role: &str) -> u64 {
        self.trust.get(role).copied().unwrap_or(0)
    }

    /// The charter's versions that are announced.
    pub(super) fn charter(&self) -> &Versions {
        &self.charter
    }

    /// The numbering metadata that was named last; empty before any was.
    pub(super) fn numbering(&self) -> &str {
        self.numbering.last().map_or("", |(_, edition)| edition)
    }

    /// By what an event was judged that came at `time_ms`, when the log had `size` leaves. No version takes effect before it
    /// is announced, so the time alone tells the charter's.
    pub(super) fn judged_by(&self, size: u64, time_ms: u64) -> JudgedBy {
        let named = self.numbering.iter().rev().find(|(index, _)| *index < size);
        JudgedBy {
            charter_version: self.charter.at(time_ms).number,
            numbering: named.map_or_else(String::new, |(_, edition)| edition.clone()),
        }
    }

    /// The charter's parameters at a time (Unix milliseconds).
    pub(super) fn policy_at(&self, time_ms: u64) -> &Arc<Policy> {
        &self.charter.at(time_ms).policy
    }

    /// The charter's periods at a time.
    pub(super) fn terms_at(&self, time_ms: u64) -> &Terms {
        let number = self.charter.at(time_ms).number;
        let found = self.terms.iter().find(|(n, _)| *n == number).or(self.terms.first());
        found.map(|(_, terms)| terms).expect("there is always a first version")
    }

    pub(super) fn register(&self) -> &Register {
        &self.register
    }

    pub(super) fn accreditation(&self, id: &str) -> Option<&Accreditation> {
        self.accreditations.get(id)
    }

    pub(super) fn accreditations(&self) -> impl Iterator<Item = &Accreditation> {
        self.accreditations.values()
    }

    /// Every bulk door that was ordered last for a provider, those that are closed included.
    pub(super) fn ordered_bulk_doors(&self) -> impl Iterator<Item = (&str, &BulkDoor)> {
        self.bulk_doors.iter().map(|(provider, door)| (provider.as_str(), door))
    }

    /// The auditors that are admitted, by the keys of their cosignatures.
    pub(super) fn auditors(&self) -> &[VerifierKey] {
        &self.auditors
    }

    /// Whether a key is one of the operator's staff, whatever the role.
    pub(super) fn is_staff_key(&self, key: &PublicKey) -> bool {
        self.staff.contains_key(key)
    }

    /// What the event rules rest on at a time (Unix milliseconds): of an event, that of its epoch.
    pub(super) fn law_at(&self, time_ms: u64) -> Law<'_> {
        Law {
            register: &self.register,
            sequencer: &self.sequencer,
            gov: &self.leaf_hashes,
            terms: self.terms_at(time_ms),
            carry_until: self.carry_until,
        }
    }
}

fn register<'a>(
    all: impl Iterator<Item = &'a Accreditation> + Clone,
    operators: impl Iterator<Item = PublicKey>,
) -> Register {
    let providers = all.clone().filter(|a| !a.statement_keys.is_empty()).map(|a| Provider {
        id: a.id.clone(),
        name: a.name.clone(),
        status: a.standing.status,
        statement_keys: a.statement_keys.clone(),
    });
    let entities = all.clone().filter(|a| !a.validation_keys.is_empty()).map(|a| {
        let status = if a.standing.status.validates() { EntityStatus::Accredited } else { EntityStatus::Suspended };
        ValidationEntity::new(a.id.clone(), status, a.validation_keys.iter().cloned())
    });
    let probation = all.filter(|a| a.standing.probation_ms.is_some()).map(|a| a.id.as_str());
    Register::new(providers, entities, operators).on_probation(probation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::SigningKey;
    use crate::log::note::{LineType, NoteSigner};
    use crate::log::random::Seeded;
    use crate::registry::standing::Step;

    fn key(n: u8, algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm, &Seeded::new([n; 32])).unwrap()
    }

    #[test]
    fn the_register_is_what_the_log_adds_up_to() {
        let signer = NoteSigner::new("example/gov", key(1, Algorithm::Ed25519)).unwrap();
        let vkey = signer.verifier(LineType::Signature);
        let statement = key(2, Algorithm::Es256).public().clone();
        let policy = Policy::embedded();
        let acme = Accreditation {
            id: "acme".into(),
            name: "Acme Telefonía".into(),
            standing: Standing::fresh(ProviderStatus::Accredited, &policy, 5),
            statement_keys: vec![statement.clone()],
            validation_keys: vec![key(3, Algorithm::Ed25519).public().clone()],
            lost_keys: vec![[9; 32]],
            clause: None,
        };
        let stopped = acme.standing.step(Step::Emergency, &policy, 6).unwrap();
        let stopped = Standing { unconfirmed_ms: Some(4), ..stopped };
        let sanctioned = Accreditation { standing: stopped, clause: Some("7.2".into()), ..acme.clone() };
        let leaf = |kind: &str, body, seq| leaf(kind, body, seq, 5).sign(&[&signer]).unwrap();
        let provider = |a: &Accreditation, seq| leaf(PROVIDER, a.body(), seq);

        let mut now = InForce::new(Arc::new(policy), [0; 32]);
        now.append([provider(&acme, 0).as_str()], &vkey).unwrap();
        assert_eq!(now.accreditation("acme"), Some(&acme));
        assert!(now.register().is_statement_key("acme", &statement));
        assert!(now.register().entity("acme").is_some());
        let before = now.root();
        now.append([provider(&sanctioned, 1).as_str()], &vkey).unwrap();
        assert_eq!(now.accreditation("acme"), Some(&sanctioned));
        assert_eq!(now.register().provider("acme").unwrap().status, ProviderStatus::Suspended);
        assert_eq!(now.size(), 2);
        assert_ne!(now.root(), before);
        assert!(now.append([provider(&acme, 7).as_str()], &vkey).is_err(), "a leaf at the wrong index");

        let officer = key(4, Algorithm::Es256).public().clone();
        let viewer = key(5, Algorithm::Ed25519).public().clone();
        now.append([leaf(STAFF, staff_body(&officer, StaffRole::Officer, false), 2).as_str()], &vkey).unwrap();
        now.append([leaf(STAFF, staff_body(&viewer, StaffRole::Viewer, false), 3).as_str()], &vkey).unwrap();
        assert!(now.register().is_operator_key(&officer) && !now.register().is_operator_key(&viewer));
        now.append([leaf(STAFF, staff_body(&officer, StaffRole::Officer, true), 4).as_str()], &vkey).unwrap();
        assert!(!now.register().is_operator_key(&officer));
    }

    #[test]
    fn leaves_of_the_first_days_are_read() {
        let policy = Policy::embedded();
        let body = json!({ "id": "old", "name": "Old", "status": "accredited", "statement_keys": [], "validation_keys": [], "clause": null });
        let old = Accreditation::read(&body, 7, &policy).unwrap();
        assert_eq!(old.standing, Standing::fresh(ProviderStatus::Accredited, &policy, 7));
        assert!(old.standing.due_ms.is_some() && old.lost_keys.is_empty());
        let mut suspended = body.clone();
        suspended["status"] = json!("suspended");
        let suspended = Accreditation::read(&suspended, 7, &policy).unwrap();
        assert_eq!((suspended.standing.status, suspended.standing.due_ms), (ProviderStatus::Suspended, None));
        assert_eq!(Accreditation::read(&json!({ "id": "x" }), 7, &policy), None);
    }
}
