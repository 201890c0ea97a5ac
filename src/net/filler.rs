//! The thread that signs ahead, in small steps, while those that answer have little to do (DNS.md 4).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::nameserver::filler::{Cursor, fill, sign_apexes};
use crate::nameserver::{Counters, View, Worker};

/// Between two steps. A new SOA has its signature within this, and a step keeps a processor for a tenth of it.
const STEP_MS: u64 = 50;
/// Answers between two steps from which on nothing is signed ahead: 20 000 a second, some tenth of what a core gives.
const BUSY_PER_STEP: u64 = 20_000 * STEP_MS / 1_000;
/// After a walk that found nothing to sign.
const REST_S: u64 = 60;

/// Signs at most `per_s` signatures a second over numbers until `stop` is set; `answering` says how busy the others are.
pub(super) fn run(
    view: Arc<ArcSwap<View>>,
    mut worker: Worker,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    answering: Vec<Arc<Counters>>,
    per_s: u32,
) {
    let per_step = (u64::from(per_s) * STEP_MS).div_ceil(1_000);
    let (mut walked, mut cursor, mut rested_s) = (view.load_full(), Cursor::default(), 0);
    let (mut answered, mut faulty) = (0, false);
    while !stop.load(Ordering::Relaxed) {
        let (now_s, current, total) = (clock.now_s(), view.load_full(), answers(&answering));
        if !Arc::ptr_eq(&walked, &current) {
            (walked, cursor, rested_s) = (current, Cursor::default(), 0);
        }
        let was_faulty = std::mem::replace(&mut faulty, sign_apexes(&walked, &mut worker, now_s).is_err());
        if faulty && !was_faulty {
            tracing::error!("signatures cannot be made: the keys' holder or the random source fails");
        }
        let is_quiet = total - answered < BUSY_PER_STEP;
        if !faulty && is_quiet && per_step > 0 && now_s >= rested_s {
            cursor = fill(&walked, &mut worker, cursor, now_s, per_step as usize); // bounded by the configuration
            rested_s = if cursor.is_idle() { now_s + REST_S } else { 0 };
        }
        answered = total;
        thread::sleep(Duration::from_millis(STEP_MS));
    }
}

fn answers(of: &[Arc<Counters>]) -> u64 {
    of.iter().flat_map(|worker| worker.answers()).map(|cell| cell.count).sum()
}
