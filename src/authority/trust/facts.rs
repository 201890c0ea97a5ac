//! What an installation is, as targets: read from its ledger and its settings, also while the service runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::authority::gov::InForce;
use crate::authority::trust::TrustError;
use crate::authority::witnesses::Witnesses as Asked;
use crate::authority::{OpenError, Settings, charter, signed};
use crate::charter::Policy;
use crate::charter::trust::contents::{
    self, Content, Directories, Logs, ProviderKey, RegisterContent, RegisteredProvider, SignedLog, TrustedDirectory,
    Witnesses,
};
use crate::ledger::{Ledger, LedgerError, Snapshot};
use crate::log::bytes::to_base64;
use crate::log::epoch::ConfigLeaf;
use crate::log::key::{Algorithm, PublicKey};
use crate::log::note::VerifierKey;

/// What there is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustFacts {
    /// Targets at the top, by their names.
    pub top: BTreeMap<String, Vec<u8>>,
    /// The register of providers.
    pub register: RegisterContent,
}

/// Reads an installation at a time. `folder` is the charter of its folder, in force as long as none was announced.
pub fn facts(settings: &Settings, folder: &Policy, now_ms: u64) -> Result<TrustFacts, TrustError> {
    Ok(Ledger::peek::<_, OpenError>(&settings.data, |now| read(now, settings, folder, now_ms))?)
}

fn read(now: &Snapshot<'_>, settings: &Settings, folder: &Policy, now_ms: u64) -> Result<TrustFacts, OpenError> {
    let law = law(now, folder)?;
    let in_force = at_start(now, &law, folder, now_ms)?;
    let mut top = BTreeMap::new();
    let mut charter_of = |policy: &Policy, [text, parameters]: [&str; 2]| {
        top.insert(text.to_owned(), policy.prose().as_bytes().to_vec());
        top.insert(parameters.to_owned(), policy.source().as_bytes().to_vec());
    };
    charter_of(&in_force, [contents::CHARTER, contents::POLICY]);
    if let Some(coming) = law.charter().coming(now_ms).last() {
        charter_of(&coming.policy, [contents::COMING_CHARTER, contents::COMING_POLICY]);
    }
    top.insert(contents::LOGS.to_owned(), logs(now, settings)?.write());
    let (asked, quorum) = Asked::load(&settings.witnesses)?.map_or((Vec::new(), 0), |asked| asked.policy());
    let shown = |keys: &[VerifierKey]| keys.iter().map(ToString::to_string).collect();
    let quorum = u32::try_from(quorum).unwrap_or(u32::MAX);
    top.insert(contents::WITNESSES.to_owned(), Witnesses::new(shown(&asked), quorum, shown(law.auditors())).write());
    let own = TrustedDirectory { apex: settings.apex.clone(), host: settings.host.clone() };
    top.insert(contents::DIRECTORIES.to_owned(), Directories::new(vec![own]).write());
    Ok(TrustFacts { top, register: register(&law) })
}

/// The charter that is in force once the directory has started: that of the folder as long as nobody relies on another. Read
/// before the start, which makes it so.
pub fn charter_at_start(settings: &Settings, folder: &Policy, now_ms: u64) -> Result<Policy, TrustError> {
    let read = |now: &Snapshot<'_>| at_start(now, &law(now, folder)?, folder, now_ms);
    Ok(Ledger::peek::<_, OpenError>(&settings.data, read)?)
}

fn at_start(now: &Snapshot<'_>, law: &InForce, folder: &Policy, now_ms: u64) -> Result<Policy, OpenError> {
    if charter::is_unbound(law) {
        return Ok(folder.clone());
    }
    Ok(charter::read_in_force(now, now_ms)?.unwrap_or_else(|| folder.clone()))
}

/// The gov log as it stands, read without its signatures being looked at: the service looked at them when it started.
fn law(now: &Snapshot<'_>, folder: &Policy) -> Result<InForce, OpenError> {
    let damaged = || LedgerError::Damaged("a leaf of the gov log");
    let key =
        signed::known_keys(now)?.map(|[_, gov]| gov).ok_or(LedgerError::Damaged("the stored keys of the logs"))?;
    let mut law = InForce::new(Arc::new(folder.clone()), [0; 32]);
    charter::texts(now)?.into_iter().for_each(|text| law.know(text));
    let leaves = now.gov_leaves(now.gov_size()?)?;
    let texts = leaves.iter().map(|leaf| std::str::from_utf8(leaf)).collect::<Result<Vec<_>, _>>();
    law.append(texts.map_err(|_| damaged())?, &key).map_err(|_| damaged())?;
    Ok(law)
}

fn logs(now: &Snapshot<'_>, settings: &Settings) -> Result<Logs, OpenError> {
    let keys = signed::known_keys(now)?.ok_or(LedgerError::Damaged("the stored keys of the logs"))?;
    let log = |origin: String| {
        let own = keys.iter().filter(|key| key.name() == origin).map(ToString::to_string);
        SignedLog { vkeys: own.collect(), origin }
    };
    let first = now.epoch(0)?.ok_or(LedgerError::Damaged("the map log has no leaf 0"))?;
    let config = std::str::from_utf8(&first.leaf).ok().and_then(|text| ConfigLeaf::parse(text).ok());
    let config = config.ok_or(LedgerError::Damaged("leaf 0 of the map log"))?;
    let eras = now.eras()?.into_iter().map(|era| era.origin).collect();
    Ok(Logs::new(log(settings.gov_origin()), log(settings.map_origin()), to_base64(&config.vrf), eras))
}

fn register(law: &InForce) -> RegisterContent {
    let keys = |keys: &[PublicKey]| {
        let key = |key: &PublicKey| {
            let algorithm = if key.algorithm() == Algorithm::Ed25519 { "ed25519" } else { "es256" };
            ProviderKey { algorithm: algorithm.to_owned(), key: to_base64(key.bytes()) }
        };
        keys.iter().map(key).collect()
    };
    let all = law.accreditations().map(|one| RegisteredProvider {
        id: one.id.clone(),
        name: one.name.clone(),
        status: one.standing.status.name().to_owned(),
        statement_keys: keys(&one.statement_keys),
        validation_keys: keys(&one.validation_keys),
    });
    RegisterContent::new(all.collect())
}

/// Whether the register has a provider of that id, so that nobody suspends one that there is not.
pub fn register_named(facts: &TrustFacts, id: &str) -> bool {
    facts.register.providers.iter().any(|provider| provider.id == id)
}
