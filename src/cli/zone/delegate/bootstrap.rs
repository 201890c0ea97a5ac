//! `zone delegate --bootstrap`: the first DS of a block, found by itself and proved by its name servers' own zones (RFC 9615).

use crate::cli::delegations::records::Known;
use crate::cli::delegations::{self, Look};
use crate::cli::instance;
use crate::cli::report::Failure;
use crate::client::Anchor;
use crate::client::child::Signal;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::wire::RrType;
use crate::zone::delegation::{Delegation, Parts};
use crate::zone::text;

/// The DS of a delegation that is about to be made, as in a master file.
pub(super) fn first_ds(config: &Config, delegation: &Delegation) -> Result<Vec<String>, Failure> {
    let block = &delegation.block;
    let policy = instance::charter_in_force(config)?;
    let before = delegations::read(config)?;
    if before.of(block).is_some_and(|before| !before.ds.is_empty()) {
        return Err(Failure::new(format!(
            "{block} has DS already: look at what it asks for with --check, or give other DS with --ds"
        )));
    }
    let fixed = delegations::fixed(config, &policy, &before)?;
    let parts = Parts::of(delegation, fixed.apex()).map_err(|why| Failure::new(format!("{block}: {why}")))?;
    let names: Vec<String> = parts.servers.iter().map(crate::wire::Name::to_text).collect();
    let look = Look::at(config, &fixed, delegation, &Known::default()).map_err(Failure::new)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ds = runtime
        .block_on(look.first_ds(&names, &signals(config)?, &SystemClock))
        .map_err(|refusal| Failure::new(format!("{block}: {}: {refusal}", refusal.code())))?;
    Ok(ds.iter().map(|rdata| text::rdata_text(RrType::DS, rdata)).collect())
}

fn signals(config: &Config) -> Result<Vec<Signal>, Failure> {
    let read = |signal: &crate::config::Signal| {
        let path = signal.anchor.display();
        let text = std::fs::read_to_string(&signal.anchor)
            .map_err(|e| Failure::new(format!("cannot read the trust anchor {path}: {e}")))?;
        let anchor = Anchor::parse(&text).map_err(|e| Failure::new(format!("{path}: {e}")))?;
        Ok(Signal { anchor, servers: signal.servers.clone() })
    };
    config.delegation.signal.iter().map(read).collect()
}
