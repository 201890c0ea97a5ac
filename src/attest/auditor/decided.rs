//! What the gov log adds up to, read by the auditor himself: who is a provider with which keys and status, who signs for the
//! operator, which charter holds when. The directory's own reader is `authority::gov`; the two share only the forms of leaves.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::attest::auditor::rule::Rule;
use crate::charter::Policy;
use crate::log::bytes::{array_from_base64, from_base64};
use crate::log::gov::GovLeaf;
use crate::log::key::{Algorithm, PublicKey, Thumbprint};
use crate::log::merkle::{self, Frontier};
use crate::log::note::VerifierKey;
use crate::log::{Hash, sha256};
use crate::registry::acts::StaffRole;
use crate::registry::register::{Provider, ProviderStatus, Register};
use crate::registry::rules::Law;
use crate::registry::terms::Terms;

/// An era, as the gov log opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Era {
    /// The origin of its map log.
    pub map: String,
    /// The key that signs that log.
    pub log_key: VerifierKey,
    /// The key that places numbers.
    pub vrf: [u8; 32],
    /// The last epoch in which numbers of the era before may be carried over; 0 in the first era.
    pub carry_until: u64,
}

/// The gov log up to some size.
#[derive(Clone, Debug)]
pub struct Decided {
    key: VerifierKey,
    log: Frontier,
    hashes: HashSet<Hash>,
    time_ms: u64,
    eras: Vec<Era>,
    sequencer: Vec<Thumbprint>,
    providers: BTreeMap<String, Provider>,
    staff: Vec<(PublicKey, StaffRole)>,
    register: Register,
    /// The periods of texts of the charter by the digest of `policy.toml`.
    texts: HashMap<Hash, Terms>,
    /// When versions take effect, and their periods.
    charter: Vec<(u64, Terms)>,
}

impl Decided {
    /// A gov log without a leaf; its leaves are signed by that key.
    pub fn new(key: VerifierKey) -> Self {
        Self {
            key,
            log: Frontier::new(),
            hashes: HashSet::new(),
            time_ms: 0,
            eras: Vec::new(),
            sequencer: Vec::new(),
            providers: BTreeMap::new(),
            staff: Vec::new(),
            register: Register::default(),
            texts: HashMap::new(),
            charter: Vec::new(),
        }
    }

    /// Gets to know a text of the charter before the leaf that announces it; false if it cannot be read.
    pub fn know(&mut self, policy_toml: &str) -> bool {
        let Ok(policy) = Policy::parse(policy_toml) else { return false };
        self.texts.insert(sha256(&[policy_toml.as_bytes()]), Terms::of(&policy));
        true
    }

    /// The version of the charter that a leaf announces and whose text is not known yet.
    pub fn wants(&self, leaf: &[u8]) -> Option<u64> {
        let leaf = self.open(leaf).ok().filter(|leaf| leaf.kind == "charter")?;
        let known = digest(&leaf.body, "policy").is_some_and(|digest| self.texts.contains_key(&digest));
        leaf.body.get("version")?.as_u64().filter(|_| !known)
    }

    /// Takes the next leaf.
    pub fn append(&mut self, raw: &[u8]) -> Result<(), Rule> {
        let leaf = self.open(raw)?;
        if leaf.time_ms <= self.time_ms && self.size() > 0 {
            return Err(Rule::GovTime);
        }
        let (body, first) = (&leaf.body, self.size() == 0);
        match leaf.kind.as_str() {
            "era-open" => self.era(body).ok_or(Rule::GovEra)?,
            _ if first => return Err(Rule::GovEra),
            "charter" => self.announce(body).ok_or(Rule::GovCharter)?,
            "provider" => self.provider(body).ok_or(Rule::GovForm)?,
            "staff" => self.person(body).ok_or(Rule::GovForm)?,
            _ => {}
        }
        let hash = merkle::leaf_hash(raw);
        self.log.append(hash);
        self.hashes.insert(hash);
        self.time_ms = leaf.time_ms;
        Ok(())
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// The root over them.
    pub fn root(&self) -> Hash {
        self.log.root()
    }

    /// The time of the newest, Unix milliseconds.
    pub const fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The era of that map log.
    pub fn era_of(&self, map: &str) -> Option<&Era> {
        self.eras.iter().find(|era| era.map == map)
    }

    /// The last epoch of the newest era in which numbers may be carried over.
    pub fn carry_until(&self) -> u64 {
        self.eras.last().map_or(0, |era| era.carry_until)
    }

    /// The era of that map log, if leaf `index` of the gov log opens it. The leaf is not appended.
    pub fn opens(&self, raw: &[u8], index: u64, map: &str) -> Option<Era> {
        let text = std::str::from_utf8(raw).ok()?;
        let leaf = GovLeaf::open(text, std::slice::from_ref(&self.key), index).ok()?;
        read_era(&leaf.body).filter(|era| leaf.kind == "era-open" && era.map == map)
    }

    /// The era that was opened last.
    pub fn newest_era(&self) -> Option<&Era> {
        self.eras.last()
    }

    /// What events of an epoch of that time rest on (Unix milliseconds).
    pub fn law_at(&self, time_ms: u64) -> Result<Law<'_>, Rule> {
        let in_force = self.charter.iter().rev().find(|(effective_ms, _)| *effective_ms <= time_ms);
        let (_, terms) = in_force.or(self.charter.first()).ok_or(Rule::GovCharter)?;
        Ok(Law {
            register: &self.register,
            sequencer: &self.sequencer,
            gov: &self.hashes,
            terms,
            carry_until: self.carry_until(),
        })
    }

    fn open(&self, raw: &[u8]) -> Result<GovLeaf, Rule> {
        let text = std::str::from_utf8(raw).map_err(|_| Rule::GovForm)?;
        GovLeaf::open(text, std::slice::from_ref(&self.key), self.size()).map_err(|_| Rule::GovForm)
    }

    fn era(&mut self, body: &Value) -> Option<()> {
        let era = read_era(body)?;
        self.sequencer = vec![key(body.get("sequencer_key")?)?.thumbprint()];
        self.eras.push(era);
        Some(())
    }

    fn announce(&mut self, body: &Value) -> Option<()> {
        let terms = self.texts.get(&digest(body, "policy")?)?.clone();
        let (number, effective_ms) = (body.get("version")?.as_u64()?, body.get("effective")?.as_u64()?);
        let in_order = self.charter.last().is_none_or(|(before_ms, _)| *before_ms <= effective_ms);
        (number == self.charter.len() as u64 + 1 && in_order).then(|| self.charter.push((effective_ms, terms)))
    }

    fn provider(&mut self, body: &Value) -> Option<()> {
        let text = |name: &str| body.get(name)?.as_str();
        let (id, status) = (text("id")?.to_owned(), ProviderStatus::from_name(text("status")?)?);
        let statement_keys = body.get("statement_keys")?.as_array()?.iter().map(key).collect::<Option<Vec<_>>>()?;
        let name = text("name")?.to_owned();
        self.providers.insert(id.clone(), Provider { id, name, status, statement_keys });
        self.enter();
        Some(())
    }

    fn person(&mut self, body: &Value) -> Option<()> {
        let (key, role) = (key(body.get("key")?)?, StaffRole::from_name(body.get("role")?.as_str()?)?);
        self.staff.retain(|(known, _)| *known != key);
        match body.get("status")?.as_str()? {
            "active" => self.staff.push((key, role)),
            "ended" => {}
            _ => return None,
        }
        self.enter();
        Some(())
    }

    fn enter(&mut self) {
        let operators = self.staff.iter().filter(|(_, role)| role.signs()).map(|(key, _)| key.clone());
        self.register = Register::new(self.providers.values().cloned(), [], operators);
    }
}

fn read_era(body: &Value) -> Option<Era> {
    let text = |name: &str| body.get(name)?.as_str();
    let log_key = VerifierKey::parse(text("log_key")?).ok()?;
    let vrf = array_from_base64(text("vrf_key")?)?;
    let carry_until = body.get("carry_until").map_or(Some(0), Value::as_u64)?;
    Some(Era { map: text("map")?.to_owned(), log_key, vrf, carry_until })
}

fn digest(body: &Value, name: &str) -> Option<Hash> {
    array_from_base64(body.get(name)?.as_str()?)
}

fn key(body: &Value) -> Option<PublicKey> {
    let algorithm = match body.get("algorithm")?.as_str()? {
        "ed25519" => Algorithm::Ed25519,
        "es256" => Algorithm::Es256,
        _ => return None,
    };
    PublicKey::new(algorithm, &from_base64(body.get("key")?.as_str()?)?).ok()
}
