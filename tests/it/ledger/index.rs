//! The index of published keys: what the check for another holder's key costs, with few keys and with a million.

use std::time::Instant;

use callbook::ledger::{Ledger, LedgerError};
use callbook::log::label::Label;
use callbook::log::sha256;

const FEW: u64 = 10_000;
const MANY: u64 = 1_000_000;
/// Keys in one transaction.
const CHUNK: u64 = 10_000;
/// Checks in one measurement, half of them of keys that are there.
const CHECKS: u64 = 20_000;
/// A hundred times as many keys make the tree a level deeper and no longer fit into a connection's page cache: a few times
/// the cost, never a hundred times.
const RATIO_MAX: f64 = 10.0;

fn name(n: u64) -> [u8; 32] {
    sha256(&[b"key", &n.to_be_bytes()])
}

fn label(n: u64) -> Label {
    Label(sha256(&[b"label", &n.to_be_bytes()]))
}

fn fill(ledger: &Ledger, from: u64, to: u64) {
    for first in (from..to).step_by(CHUNK as usize) {
        let chunk = first..(first + CHUNK).min(to);
        let added = ledger.write_bulk::<_, LedgerError, _>(1, move |tx| {
            chunk.clone().try_for_each(|n| tx.add_published_key(&name(n), &label(n)))
        });
        added.wait_blocking().unwrap();
    }
}

/// Microseconds of one check, and how many of the keys were found with another holder.
fn measured(ledger: &Ledger, keys: u64) -> (f64, u64) {
    ledger
        .read::<_, LedgerError>(|now| {
            let (began, mut found) = (Instant::now(), 0);
            for i in 0..CHECKS {
                // Keys all over the index, and as many that are not in it.
                let n = if i.is_multiple_of(2) { i * 7_919 % keys } else { MANY + i };
                found += u64::from(now.key_published_elsewhere(&name(n), &label(MANY * 2))?.is_some());
            }
            Ok((began.elapsed().as_secs_f64() * 1e6 / CHECKS as f64, found))
        })
        .unwrap()
}

#[test]
fn a_key_is_found_with_its_other_holder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path()).unwrap();
    fill(&ledger, 0, 100);
    let elsewhere = |n: u64, own: u64| {
        ledger.read::<_, LedgerError>(|now| now.key_published_elsewhere(&name(n), &label(own))).unwrap()
    };
    assert_eq!(elsewhere(7, 8), Some(label(7)));
    assert_eq!((elsewhere(7, 7), elsewhere(200, 7)), (None, None));
}

/// `cargo test --test it -- --ignored ledger::index --nocapture`; the figures stand in docs/performance.md.
#[test]
#[ignore = "fills an index of a million keys; run by hand and alone: it reports time"]
fn a_million_keys_cost_what_ten_thousand_cost() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path()).unwrap();
    fill(&ledger, 0, FEW);
    measured(&ledger, FEW); // warms what a running service has warm
    let (few_us, found) = measured(&ledger, FEW);
    assert_eq!(found, CHECKS / 2);
    let began = Instant::now();
    fill(&ledger, FEW, MANY);
    let filled_s = began.elapsed().as_secs_f64();
    let (cold_us, _) = measured(&ledger, MANY);
    let (many_us, found) = measured(&ledger, MANY);
    assert_eq!(found, CHECKS / 2);
    println!(
        "{FEW} keys: {few_us:.1} us a check; {MANY} keys: {many_us:.1} us (the first time {cold_us:.1}); filled in {filled_s:.0} s"
    );
    assert!(many_us < few_us * RATIO_MAX, "{few_us} us with {FEW} keys, {many_us} us with {MANY}");
}
