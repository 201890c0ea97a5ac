//! Registrations for demos and load: through the real law, with real keys, tokens, proofs and signatures.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ring::rand::SystemRandom;

use crate::authority::{Actor, Authority, Prepared, Rejection, Submission};
use crate::cli::profile::Profile;
use crate::cli::report::Failure;
use crate::client::holder::{self, Change, Device, DeviceKey, RecordDraft};
use crate::client::ve::{self, ValidationToken};
use crate::clock::{Clock, SystemClock};
use crate::log::event::Role;
use crate::log::key::{Algorithm, SigningKey};
use crate::log::record::Prefix;
use crate::log::sha256;
use crate::number::Number;
use crate::registry::possession::Proof;
use crate::registry::refusal::{self, Refusal};

/// Submissions that go to the ledger together.
const CHUNK: usize = 1024;
/// Days that a demo validation by `operator-db` is good for; the charter's maximum for that method is 180.
const VALID_D: u64 = 170;
/// Numbers are `+999` and nine digits.
const SPACE: u64 = 1_000_000_000;
/// Coprime to SPACE, so that counting steps through all numbers without repeating and spreads them over the digit tree.
const STRIDE: u64 = 617_283_951;

/// The i-th synthetic number, in the sandbox range.
pub(crate) fn number(i: u64) -> Number {
    let digits = format!("999{:09}", (i % SPACE) * STRIDE % SPACE);
    Number::from_digits(digits.as_bytes()).expect("twelve digits, the first is 9")
}

/// Builds a registration as device, validation entity and provider would together.
pub(crate) fn registration(
    profile: &Profile,
    apex: &str,
    prepared: &Prepared,
    number: Number,
    uri: &str,
    device: &Device,
) -> Result<Submission, Failure> {
    let random = SystemRandom::new();
    let now_s = SystemClock.now_s();
    let directory = holder::Directory::new(&prepared.origin, &prepared.vrf_key)?;
    let label = directory.label(number, &prepared.proof)?;
    let record = RecordDraft::new(number, &profile.provider).sip(uri)?.device(device).build()?;
    let token = ValidationToken {
        issuer: profile.validation_entity.clone(),
        audience: apex.to_owned(),
        id: ve::token_id(&random)?,
        issued_s: now_s,
        number,
        provider: profile.provider.clone(),
        methods: vec!["operator-db".to_owned()],
        validated_s: now_s,
        expires_s: now_s + VALID_D * 86_400,
        control: device.control.public().thumbprint(),
        evidence: sha256(&[b"demo evidence", number.to_string().as_bytes()]),
        nonce: Some(prepared.nonce.clone()),
    }
    .mint(&profile.validation_key);
    let change =
        Change::create(label, &record, holder::opening(&random)?, device.control.public(), now_s + VALID_D * 86_400);
    // Given back once by this provider's customer: the versions go on.
    let released = prepared.sponsored.iter().map(|told| &told.state);
    let mut signed = released
        .fold(change, Change::after_release)
        .evidence(&[&token])?
        .valid_until(now_s + 3600)
        .sign(&directory, &[(Role::NewControl, &device.control)])?;
    signed.prove(&directory, &device.keys, &prepared.ephemeral)?;
    signed.cosign(&directory, &profile.statement_key);
    let body = signed.submission(vec![token]);
    let proof = |p: crate::api::numbers::Possession| {
        Some(Proof { prefix: Prefix::from_text(&p.prefix)?, spki: p.spki.0, proof: p.proof.0 })
    };
    let possession = body.possession.into_iter().filter_map(proof).collect();
    Ok(Submission {
        number,
        record: Some(body.record.into_bytes()),
        opening: body.opening.0.try_into().ok(),
        event: body.event.0,
        possession,
        validation: body.validation,
        nonce: None,
        code: None,
    })
}

/// Whether a number is not the demo's to register: it is registered, or its holder gave it back lately, or it was somebody
/// else's since.
pub(crate) fn is_anothers(no: &Rejection) -> bool {
    let reasons = [&refusal::EXISTS, &refusal::QUARANTINE, &refusal::TWO_METHODS, &refusal::STATE_STALE];
    let theirs = |no: &Refusal| reasons.iter().any(|reason| no.is(reason));
    matches!(no, Rejection::Refused(all) if all.iter().any(theirs))
}

/// Registers the first `wanted` synthetic numbers that are not registered yet; shows its progress. Gives how many it added.
pub(crate) fn fill(
    authority: &Authority,
    actor: &Actor,
    profile: &Profile,
    apex: &str,
    wanted: u64,
    quiet: bool,
) -> Result<u64, Failure> {
    let done = registered(authority, actor, wanted)?;
    if done >= wanted {
        return Ok(0);
    }
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(wanted) };
    bar.set_style(ProgressStyle::with_template("registering {bar:32} {pos}/{len}  {per_sec}  {eta} left")?);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar.set_position(done);
    let makers = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    std::thread::scope(|scope| -> Result<(), Failure> {
        let mut queues = Vec::new();
        for maker in 0..makers {
            let (send, receive) = sync_channel(1);
            queues.push(receive);
            scope.spawn(move || {
                let mut start = done + maker * CHUNK as u64;
                while start < wanted {
                    let chunk = (start..wanted.min(start + CHUNK as u64))
                        .map(|i| one(authority, actor, profile, apex, i))
                        .collect::<Result<Vec<_>, _>>();
                    if send.send(chunk).is_err() {
                        return; // the receiver gave up
                    }
                    start += makers * CHUNK as u64;
                }
            });
        }
        // The makers take turns, so that chunks arrive in order and a run that is cut off can go on where it stopped.
        for maker in (0..queues.len()).cycle() {
            let Ok(chunk) = queues[maker].recv() else { break };
            let chunk: Vec<Submission> = chunk?;
            let count = chunk.len() as u64;
            for result in authority.submit_many(actor, &chunk) {
                match result {
                    Ok(_) => {}
                    // A run that was cut off inside a chunk has registered some of it already.
                    Err(no) if is_anothers(&no) => {}
                    Err(no) => return Err(no.into()),
                }
            }
            bar.inc(count);
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(wanted - done)
}

fn one(authority: &Authority, actor: &Actor, profile: &Profile, apex: &str, i: u64) -> Result<Submission, Failure> {
    let number = number(i);
    let prepared = authority.prepare_blocking(actor, number)?;
    let random = SystemRandom::new();
    let identity = DeviceKey::Signing(SigningKey::generate(Algorithm::Ed25519, &random)?);
    let device = Device {
        control: SigningKey::generate(Algorithm::Ed25519, &random)?,
        keys: vec![(Prefix::Id, identity)],
        certificates: vec![],
    };
    registration(profile, apex, &prepared, number, &format!("sip:{}@acme.example", &*number.digits()), &device)
}

/// How many of the first `wanted` are there: chunks are submitted in order, so the edge is found by halving.
fn registered(authority: &Authority, actor: &Actor, wanted: u64) -> Result<u64, Failure> {
    let (mut low, mut high) = (0, wanted);
    while low < high {
        let middle = low + (high - low) / 2;
        let there = authority.read(actor, number(middle))?.is_some();
        if there { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_repeat() {
        let seen: std::collections::HashSet<u64> = (0..100_000).map(|i| number(i).as_u64()).collect();
        assert_eq!(seen.len(), 100_000);
        assert!(seen.iter().all(|n| n.to_string().starts_with("999") && n.to_string().len() == 12));
    }
}
