//! The number map: how long it takes to build from a scan, what it takes in memory, what an epoch of 1 000 events costs it,
//! and how many ways to a label are found and checked in a second.
//!
//! `cargo bench --bench map -- [--smoke] [--leaves N]...`
//!
//! The leaves stand in one sorted array in place of the ledger, so that only the map is measured.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::convert::Infallible;
use std::time::{Duration, Instant};

use callbook::log::label::Label;
use callbook::log::map::{Leaf, MapTop};
use callbook::log::{Hash, sha256};

/// Events of an epoch.
const EVENTS: usize = 1000;
/// Ways that are found and checked.
const WAYS: usize = 10_000;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = args.windows(2).filter(|pair| pair[0] == "--leaves").filter_map(|pair| pair[1].parse().ok());
    let mut sizes: Vec<usize> = given.collect();
    if sizes.is_empty() {
        sizes = if args.iter().any(|a| a == "--smoke") { vec![10_000] } else { vec![1_000_000, 10_000_000] };
    }
    sizes.into_iter().for_each(measure);
}

fn measure(count: usize) {
    let mut leaves = leaves(count);
    let bits = MapTop::bits_for(count as u64);
    let began = Instant::now();
    let Ok(mut top) = MapTop::build(bits, leaves.iter().copied().map(Ok::<_, Infallible>));
    let built = began.elapsed();
    let began = Instant::now();
    for n in 0..EVENTS {
        let at = n * (count / EVENTS);
        leaves[at].1 = sha256(&[b"changed", &n.to_be_bytes()]);
        let bucket = top.bucket_of(&leaves[at].0);
        let (first, last) = top.bucket_range(bucket);
        top.update(bucket, between(&leaves, first, last));
    }
    let epoch = began.elapsed();
    top.show();

    let root = top.root();
    let labels: Vec<Label> = (0..WAYS).map(|n| leaves[n * (count / WAYS).max(1) % count].0).collect();
    let began = Instant::now();
    let ways = labels.iter().map(|label| {
        let Ok(path) = top.path(label, |first, last| Ok::<_, Infallible>(between(&leaves, first, last).to_vec()));
        path
    });
    let ways: Vec<_> = ways.collect();
    let found = began.elapsed();
    let began = Instant::now();
    labels.iter().zip(&ways).for_each(|(label, way)| way.check(&root, label).expect("its own way"));
    let checked = began.elapsed();
    let siblings = ways.iter().map(|way| way.siblings.len()).sum::<usize>() as f64 / WAYS as f64;
    println!(
        "{count:>10} leaves   built in {:.2} s   {:.0} MB   an epoch of {EVENTS} events {:.1} ms   way found {:.1} us, checked {:.1} us, {siblings:.1} siblings",
        built.as_secs_f64(),
        top.memory_bytes() as f64 / 1e6,
        epoch.as_secs_f64() * 1e3,
        each_us(found),
        each_us(checked),
    );
}

fn each_us(all: Duration) -> f64 {
    all.as_secs_f64() * 1e6 / WAYS as f64
}

/// Leaves at pseudorandom labels, in order.
fn leaves(count: usize) -> Vec<Leaf> {
    let hash = |tag: u8, n: usize| -> Hash { sha256(&[&[tag], &n.to_be_bytes()]) };
    let mut leaves: Vec<Leaf> = (0..count).map(|n| (Label(hash(0, n)), hash(1, n))).collect();
    leaves.sort_unstable_by_key(|leaf| leaf.0);
    leaves
}

fn between(leaves: &[Leaf], first: Label, last: Label) -> &[Leaf] {
    let from = leaves.partition_point(|leaf| leaf.0 < first);
    let to = leaves.partition_point(|leaf| leaf.0 <= last);
    &leaves[from..to]
}
