//! Making an installation: its keys, its ledger, and the first leaf of both logs.

use serde_json::{Value, json};

use crate::authority::Settings;
use crate::authority::access::{self, Scope, TOKEN_LIFE_D, Verb};
use crate::authority::error::OpenError;
use crate::authority::found::APEX;
use crate::authority::gov;
use crate::authority::keys::Keys;
use crate::authority::open::state_folder;
use crate::authority::sequencer::{GENERATION, Head, LOG_FRONTIER, write_frontier};
use crate::authority::signed::{self, REMEMBERED};
use crate::authority::staff::FIRST_ADMIN;
use crate::ledger::{EpochRow, Ledger, LedgerError, StaffRow};
use crate::log::bytes::to_base64;
use crate::log::cosigner::Seen;
use crate::log::epoch::ConfigLeaf;
use crate::log::gov::GovLeaf;
use crate::log::merkle::{self, Frontier};
use crate::log::note::VerifierKey;
use crate::log::random::Random;
use crate::registry::acts::StaffRole;
use crate::signer::{Local, Log, LogSigner};

/// Makes an installation: its keys, its ledger, and the first leaf of both logs. Gives the first admin's token; it is not
/// shown again. Refuses if any part is there already, and never overwrites one.
pub fn init(settings: &Settings, now_ms: u64, random: &dyn Random) -> Result<String, OpenError> {
    for dir in [&settings.keys, &settings.data] {
        std::fs::create_dir_all(dir).map_err(|source| OpenError::Io { what: dir.display().to_string(), source })?;
    }
    Keys::create(&settings.keys, random, &settings.lock)?;
    let keys = Keys::open(&settings.keys, &settings.lock, settings.era)?;
    let local = Local::open(&settings.keys, &state_folder(settings), &settings.lock, &settings.origins())?;
    Log::ALL.into_iter().try_for_each(|log| local.adopt(log, Seen::nothing()))?;
    let signer = LogSigner::Local(Box::new(local));
    let ledger = Ledger::create(&settings.data)?;
    let body = era_body(settings, &keys, signer.verifier(Log::Map));
    let leaf = GovLeaf { kind: gov::ERA_OPEN.to_owned(), time_ms: now_ms, seq: 0, body };
    let gov_leaf = signed::sign_leaf(&signer, &leaf)?;
    let config = ConfigLeaf {
        origin: settings.map_origin(),
        vrf: *keys.vrf.public().as_bytes(),
        prev_era: None,
        gov: settings.gov_origin(),
    };
    let leaf = config.write().into_bytes();
    let mut log = Frontier::new();
    log.append(merkle::leaf_hash(&leaf));
    let epoch = EpochRow { n: 0, time_ms: now_ms, leaf, last_seq: 0, gov_size: 1, note: None };
    let (before, path) = (Some(Frontier::new()), None);
    let head = Head { epoch: epoch.clone(), log: log.clone(), before, path, labels: 0, generation: 1 };
    let signed = signed::sign_map(&ledger, &signer, &head, &settings.map_origin())?;
    let scopes = [Verb::Read, Verb::Write].map(|verb| Scope { verb, prefix: String::new() }).to_vec();
    let (issued, token) = access::issue(random, (None, Some(FIRST_ADMIN)), false, scopes, now_ms, TOKEN_LIFE_D)?;
    let (id, role) = (FIRST_ADMIN.to_owned(), StaffRole::Admin);
    let first = StaffRow { id, role, key: None, added_ms: now_ms, ended_ms: None, proof_s: 0 };
    let (apex, keys_known) = (settings.apex.clone(), signed::write_keys(&signer));
    let stored = ledger.write::<_, LedgerError, _>(move |tx| {
        tx.set_meta(APEX, apex.as_bytes())?;
        tx.set_meta(LOG_FRONTIER, &write_frontier(&log))?;
        tx.set_meta(GENERATION, &1u64.to_be_bytes())?;
        tx.add_gov_leaf(0, gov_leaf.as_bytes())?;
        tx.set_meta(REMEMBERED, &keys_known)?;
        tx.seal(&epoch)?;
        tx.sign(0, &signed)?;
        tx.put_staff(&first)?;
        tx.add_token(&token)
    });
    stored.wait_blocking()?;
    Ok(issued.token)
}

/// What leaf 0 of the gov log says, and each leaf that opens another era: the keys that everything else is checked with.
pub(super) fn era_body(settings: &Settings, keys: &Keys, log_key: &VerifierKey) -> Value {
    json!({
        "apex": settings.apex,
        "map": settings.map_origin(),
        "log_key": log_key.to_string(),
        "vrf_key": to_base64(keys.vrf.public().as_bytes()),
        "sequencer_key": gov::key_body(keys.sequencer.public()),
    })
}
