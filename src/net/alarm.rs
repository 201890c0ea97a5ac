//! The alarm on the miss ratio: somebody walks through the numbers, whatever addresses he uses (DNS.md 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::nameserver::Counters;

/// Questions are judged by the minute.
const STEP_S: u64 = 60;
/// In a minute with fewer questions than this, a ratio says nothing.
const QUESTIONS_MIN: u64 = 1_000;
/// How often the thread looks whether it is to stop.
const STOP_LOOK: Duration = Duration::from_millis(100);

/// What a minute of questions for possible numbers looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    /// As before.
    Same,
    /// Too many found nothing, for the first time: so many of a hundred.
    Rang(u64),
    /// No longer.
    Ended,
}

/// Judges minute after minute.
struct Alarm {
    missed_pct_max: u64,
    /// Found and missed by the end of the last minute.
    seen: (u64, u64),
    ringing: bool,
}

impl Alarm {
    fn minute(&mut self, (found, missed): (u64, u64)) -> Turn {
        let (found_now, missed_now) = (found - self.seen.0, missed - self.seen.1);
        self.seen = (found, missed);
        let questions = found_now + missed_now;
        let missed_pct = missed_now * 100 / questions.max(1);
        let rings = questions >= QUESTIONS_MIN && missed_pct > self.missed_pct_max;
        match (std::mem::replace(&mut self.ringing, rings), rings) {
            (false, true) => Turn::Rang(missed_pct),
            (true, false) => Turn::Ended,
            _ => Turn::Same,
        }
    }
}

/// Watches until `stop` is set; `missed_pct_max` of a hundred questions may find nothing.
pub(super) fn run(answering: Vec<Arc<Counters>>, clock: Arc<dyn Clock>, stop: Arc<AtomicBool>, missed_pct_max: u64) {
    let sum = || answering.iter().map(|worker| worker.numbers()).fold((0, 0), |(f, m), (of, om)| (f + of, m + om));
    let mut alarm = Alarm { missed_pct_max, seen: sum(), ringing: false };
    let mut minute = clock.now_s() / STEP_S;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(STOP_LOOK);
        let now = clock.now_s() / STEP_S;
        if std::mem::replace(&mut minute, now) == now {
            continue;
        }
        match alarm.minute(sum()) {
            Turn::Same => {}
            Turn::Rang(missed_pct) => {
                tracing::warn!(missed_pct, "most questions find no number: somebody may be walking through them");
            }
            Turn::Ended => tracing::info!("questions find numbers again as usual"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_once_for_many_questions_that_find_nothing() {
        let mut alarm = Alarm { missed_pct_max: 95, seen: (0, 0), ringing: false };
        for ((found, missed), turn) in [
            ((10, 500), Turn::Same),
            ((100, 1_500), Turn::Same),
            ((110, 2_600), Turn::Rang(99)),
            ((120, 3_700), Turn::Same),
            ((1_120, 3_800), Turn::Ended),
            ((1_120, 4_700), Turn::Same),
            ((1_120, 5_700), Turn::Rang(100)),
        ] {
            assert_eq!(alarm.minute((found, missed)), turn, "{found} found, {missed} missed");
        }
    }
}
