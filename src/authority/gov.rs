//! The gov log: what was decided about the directory itself, and the register of providers that it adds up to.
//!
//! A leaf of type `provider` holds the whole accreditation of one organisation as it stands from then on, keys included:
//! whoever has the log can tell which keys counted at any size of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::charter::{Policy, Version, Versions};
use crate::log::bytes::{Malformed, from_base64, to_base64};
use crate::log::gov::{self, GovLeaf};
use crate::log::key::{Algorithm, PublicKey, Thumbprint};
use crate::log::merkle::Frontier;
use crate::log::note::VerifierKey;
use crate::log::record::is_provider_id;
use crate::log::{Hash, merkle, sha256};
use crate::registry::register::{EntityStatus, Provider, ProviderStatus, Register, ValidationEntity};
use crate::registry::rules::Law;
use crate::registry::terms::Terms;

/// The type of a leaf that accredits, changes or suspends an organisation.
pub(super) const PROVIDER: &str = "provider";
/// The type of a leaf that announces a version of the charter.
pub(super) const CHARTER: &str = "charter";
/// The type of a leaf that says by which numbering metadata numbers are judged from then on.
pub(super) const NUMBERING: &str = "numbering";
/// The type of leaf 0.
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
    /// Whether its commands and tokens are refused for now.
    pub suspended: bool,
    /// Keys that sign its submissions; with any it is a provider.
    pub statement_keys: Vec<PublicKey>,
    /// Keys that sign validation tokens; with any it is a validation entity.
    pub validation_keys: Vec<PublicKey>,
    /// The charter's article that the latest decision rests on.
    pub clause: Option<String>,
}

impl Accreditation {
    fn body(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "status": if self.suspended { "suspended" } else { "accredited" },
            "statement_keys": self.statement_keys.iter().map(key_body).collect::<Vec<_>>(),
            "validation_keys": self.validation_keys.iter().map(key_body).collect::<Vec<_>>(),
            "clause": self.clause,
        })
    }

    fn read(body: &Value) -> Option<Self> {
        let text = |name: &str| body.get(name)?.as_str().map(str::to_owned);
        let keys = |name: &str| body.get(name)?.as_array()?.iter().map(read_key).collect::<Option<Vec<_>>>();
        Some(Self {
            id: text("id").filter(|id| is_provider_id(id))?,
            name: text("name")?,
            suspended: match body.get("status")?.as_str()? {
                "accredited" => false,
                "suspended" => true,
                _ => return None,
            },
            statement_keys: keys("statement_keys")?,
            validation_keys: keys("validation_keys")?,
            clause: text("clause"),
        })
    }
}

/// A public key as gov leaves write it.
pub(super) fn key_body(key: &PublicKey) -> Value {
    let algorithm = match key.algorithm() {
        Algorithm::Ed25519 => "ed25519",
        Algorithm::Es256 => "es256",
    };
    json!({ "algorithm": algorithm, "key": to_base64(key.bytes()) })
}

fn read_key(body: &Value) -> Option<PublicKey> {
    let algorithm = match body.get("algorithm")?.as_str()? {
        "ed25519" => Algorithm::Ed25519,
        "es256" => Algorithm::Es256,
        _ => return None,
    };
    PublicKey::new(algorithm, &from_base64(body.get("key")?.as_str()?)?).ok()
}

/// The leaf that makes an accreditation stand.
pub(super) fn provider_leaf(accreditation: &Accreditation, seq: u64, time_ms: u64) -> GovLeaf {
    GovLeaf { kind: PROVIDER.to_owned(), time_ms, seq, body: accreditation.body() }
}

/// The gov log at one size, and what is in force by it.
#[derive(Clone)]
pub(super) struct InForce {
    log: Frontier,
    leaf_hashes: HashSet<Hash>,
    accreditations: BTreeMap<String, Accreditation>,
    register: Register,
    sequencer: [Thumbprint; 1],
    charter: Versions,
    terms: Vec<(u64, Terms)>,
    texts: BTreeMap<Digests, Arc<Policy>>,
    numbering: String,
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
    let (policy, text) = digests(&version.policy);
    let body = json!({
        "version": version.number,
        "effective": version.effective_ms,
        "policy": to_base64(&policy),
        "text": to_base64(&text),
    });
    GovLeaf { kind: CHARTER.to_owned(), time_ms, seq, body }
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
            register: Register::default(),
            sequencer: [sequencer],
            terms: vec![(0, Terms::of(&policy))],
            charter: Versions::new(policy),
            texts: BTreeMap::new(),
            numbering: String::new(),
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
                let found = Accreditation::read(&read.body).ok_or(Malformed::new("gov", "accreditation"))?;
                self.accreditations.insert(found.id.clone(), found);
            }
            if read.kind == CHARTER {
                self.announce(&read.body).ok_or(Malformed::new("gov", "charter"))?;
            }
            if read.kind == NUMBERING {
                let edition = read.body.get("edition").and_then(Value::as_str);
                edition.ok_or(Malformed::new("gov", "numbering"))?.clone_into(&mut self.numbering);
            }
            self.time_ms = read.time_ms;
            self.log.append(merkle::leaf_hash(leaf.as_bytes()));
            self.leaf_hashes.insert(gov::hash(leaf));
        }
        self.register = register(self.accreditations.values());
        Ok(())
    }

    pub(super) fn size(&self) -> u64 {
        self.log.size()
    }

    pub(super) fn root(&self) -> Hash {
        self.log.root()
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

    /// The charter's versions that are announced.
    pub(super) fn charter(&self) -> &Versions {
        &self.charter
    }

    /// The numbering metadata that was named last; empty before any was.
    pub(super) fn numbering(&self) -> &str {
        &self.numbering
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

    /// What the event rules rest on at a time (Unix milliseconds): of an event, that of its epoch.
    pub(super) fn law_at(&self, time_ms: u64) -> Law<'_> {
        Law {
            register: &self.register,
            sequencer: &self.sequencer,
            gov: &self.leaf_hashes,
            terms: self.terms_at(time_ms),
            carry_until: 0, // the first era carries nothing over
        }
    }
}

fn register<'a>(all: impl Iterator<Item = &'a Accreditation> + Clone) -> Register {
    let providers = all.clone().filter(|a| !a.statement_keys.is_empty()).map(|a| Provider {
        id: a.id.clone(),
        name: a.name.clone(),
        status: if a.suspended { ProviderStatus::Suspended } else { ProviderStatus::Accredited },
        statement_keys: a.statement_keys.clone(),
    });
    let entities = all.filter(|a| !a.validation_keys.is_empty()).map(|a| {
        let status = if a.suspended { EntityStatus::Suspended } else { EntityStatus::Accredited };
        ValidationEntity::new(a.id.clone(), status, a.validation_keys.iter().cloned())
    });
    Register::new(providers, entities, [])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::key::SigningKey;
    use crate::log::note::{LineType, NoteSigner};
    use crate::log::random::Seeded;

    fn key(n: u8, algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm, &Seeded::new([n; 32])).unwrap()
    }

    #[test]
    fn the_register_is_what_the_log_adds_up_to() {
        let signer = NoteSigner::new("example/gov", key(1, Algorithm::Ed25519)).unwrap();
        let vkey = signer.verifier(LineType::Signature);
        let statement = key(2, Algorithm::Es256).public().clone();
        let acme = Accreditation {
            id: "acme".into(),
            name: "Acme Telefonía".into(),
            suspended: false,
            statement_keys: vec![statement.clone()],
            validation_keys: vec![key(3, Algorithm::Ed25519).public().clone()],
            clause: None,
        };
        let sanctioned = Accreditation { suspended: true, clause: Some("7.2".into()), ..acme.clone() };
        let leaf = |a: &Accreditation, seq| provider_leaf(a, seq, 5).sign(&[&signer]).unwrap();

        let mut now = InForce::new(Arc::new(Policy::embedded()), [0; 32]);
        now.append([leaf(&acme, 0).as_str()], &vkey).unwrap();
        assert_eq!(now.accreditation("acme"), Some(&acme));
        assert!(now.register().is_statement_key("acme", &statement));
        assert!(now.register().entity("acme").is_some());
        let before = now.root();
        now.append([leaf(&sanctioned, 1).as_str()], &vkey).unwrap();
        assert_eq!(now.register().provider("acme").unwrap().status, ProviderStatus::Suspended);
        assert_eq!(now.size(), 2);
        assert_ne!(now.root(), before);
        assert!(now.append([leaf(&acme, 7).as_str()], &vkey).is_err(), "a leaf at the wrong index");
    }
}
