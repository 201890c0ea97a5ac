//! Who is accredited: providers, validation entities and operators with their keys, as immutable data that the law is handed.

use std::collections::{BTreeMap, HashSet};

use crate::log::bytes::to_base64url;
use crate::log::key::{PublicKey, Thumbprint};
use crate::registry::bulk::BulkDoor;
pub use crate::registry::standing::ProviderStatus;

/// The register of one moment. Lookups are by id; keys are compared as keys.
#[derive(Clone, Debug, Default)]
pub struct Register {
    providers: BTreeMap<String, Provider>,
    entities: BTreeMap<String, ValidationEntity>,
    operators: Vec<PublicKey>,
    statement_thumbprints: HashSet<Thumbprint>,
    probation: HashSet<String>,
    bulk_doors: BTreeMap<String, BulkDoor>,
}

/// An accredited company or association that submits registrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its id: `[a-z0-9][a-z0-9-]{0,62}`.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What it may submit. It never decides whether records are published (clause 7.2).
    pub status: ProviderStatus,
    /// The keys with which it signs events (role 2).
    pub statement_keys: Vec<PublicKey>,
}

/// Who proves that a person controls a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationEntity {
    /// Its id, the `iss` of its tokens.
    pub id: String,
    /// Whether its tokens are taken.
    pub status: EntityStatus,
    token_keys: BTreeMap<String, PublicKey>,
}

/// Whether the tokens of a validation entity are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityStatus {
    /// In good standing.
    Accredited,
    /// None of its tokens is taken.
    Suspended,
}

impl Register {
    /// A register of these; of two with one id the later stands.
    pub fn new(
        providers: impl IntoIterator<Item = Provider>,
        entities: impl IntoIterator<Item = ValidationEntity>,
        operators: impl IntoIterator<Item = PublicKey>,
    ) -> Self {
        let providers: BTreeMap<_, _> = providers.into_iter().map(|provider| (provider.id.clone(), provider)).collect();
        let entities = entities.into_iter().map(|entity| (entity.id.clone(), entity)).collect();
        let keys = providers.values().flat_map(|provider| &provider.statement_keys);
        let statement_thumbprints = keys.map(PublicKey::thumbprint).collect();
        let operators = operators.into_iter().collect();
        let (probation, bulk_doors) = (HashSet::new(), BTreeMap::new());
        Self { providers, entities, operators, statement_thumbprints, probation, bulk_doors }
    }

    /// The same with these providers on probation: their quota is a smaller one (clause 7.6).
    #[must_use]
    pub fn on_probation<'a>(mut self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        self.probation = ids.into_iter().map(str::to_owned).collect();
        self
    }

    /// The same with these bulk doors, by provider (clause 6.9): of those that serve nobody any more.
    #[must_use]
    pub fn with_bulk_doors(mut self, doors: impl IntoIterator<Item = (String, BulkDoor)>) -> Self {
        self.bulk_doors = doors.into_iter().collect();
        self
    }

    /// The newest bulk door of a provider, open or closed; `None` once the provider works again.
    pub fn bulk_door(&self, provider: &str) -> Option<&BulkDoor> {
        self.bulk_doors.get(provider)
    }

    /// Every bulk door with its provider, by id.
    pub fn bulk_doors(&self) -> impl Iterator<Item = (&str, &BulkDoor)> {
        self.bulk_doors.iter().map(|(provider, door)| (provider.as_str(), door))
    }

    /// Whether a provider has not been accredited yet.
    pub fn is_on_probation(&self, provider: &str) -> bool {
        self.probation.contains(provider)
    }

    /// The provider of that id.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.get(id)
    }

    /// Every provider, by id.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.values()
    }

    /// The validation entity of that id.
    pub fn entity(&self, id: &str) -> Option<&ValidationEntity> {
        self.entities.get(id)
    }

    /// Every validation entity, by id.
    pub fn entities(&self) -> impl Iterator<Item = &ValidationEntity> {
        self.entities.values()
    }

    /// Whether this is a statement key of that provider.
    pub fn is_statement_key(&self, provider: &str, key: &PublicKey) -> bool {
        self.provider(provider).is_some_and(|provider| provider.statement_keys.contains(key))
    }

    /// Whether this names a statement key of any provider.
    pub fn is_any_statement_key(&self, thumbprint: &Thumbprint) -> bool {
        self.statement_thumbprints.contains(thumbprint)
    }

    /// Whether this is the key of a member of the operator's staff.
    pub fn is_operator_key(&self, key: &PublicKey) -> bool {
        self.operators.contains(key)
    }
}

impl ValidationEntity {
    /// An entity with these token keys.
    pub fn new(id: impl Into<String>, status: EntityStatus, token_keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let token_keys = token_keys.into_iter().map(|key| (kid(&key), key)).collect();
        Self { id: id.into(), status, token_keys }
    }

    /// The token key of that `kid`.
    pub fn token_key(&self, kid: &str) -> Option<&PublicKey> {
        self.token_keys.get(kid)
    }

    /// Its token keys by `kid`.
    pub fn token_keys(&self) -> impl Iterator<Item = (&str, &PublicKey)> {
        self.token_keys.iter().map(|(kid, key)| (kid.as_str(), key))
    }
}

/// The `kid` of a token key: base64url of its RFC 7638 thumbprint.
pub fn kid(key: &PublicKey) -> String {
    to_base64url(&key.thumbprint())
}
