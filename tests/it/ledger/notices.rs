//! Notices before the end of a registration: each once, in order, right after a long standstill, none for what was renewed.

use callbook::authority::{Actor, ChangesFrom};
use callbook::number::Number;

use crate::ledger::desk::{Desk, START_MS, number};

const DAY_MS: u64 = 86_400_000;
/// Registrations of the desk end so long after they begin.
const LIFE_D: u64 = 80;

/// Notices so far, in their order: days and number.
fn notices(desk: &Desk) -> Vec<(u64, Number)> {
    let acme = Actor { test: false, ..desk.actor.clone() };
    let page = desk.authority.changes(&acme, ChangesFrom::Oldest, 1000).unwrap();
    let told = page.changes.iter().filter(|row| row.changed.kind == 0);
    told.map(|row| (row.changed.notice.expect("of a notice").0, row.number.expect("not released"))).collect()
}

/// Three registrations, an hour apart.
fn desk(dir: &std::path::Path) -> Desk {
    let desk = Desk::new(dir);
    desk.authority.upkeep().unwrap();
    for n in 1..=3 {
        desk.register(n);
        desk.clock.advance(DAY_MS / 24);
    }
    desk
}

#[test]
fn each_is_given_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let desk = desk(dir.path());
    let look = |day: f64| {
        desk.clock.set(START_MS + (day * DAY_MS as f64) as u64);
        desk.authority.upkeep().unwrap();
        desk.authority.upkeep().unwrap();
        desk.authority.turn().unwrap();
    };
    look(LIFE_D as f64 - 30.01);
    assert_eq!(notices(&desk), []);
    look(LIFE_D as f64 - 30.0 + 0.05); // an hour and a bit: two of three
    assert_eq!(notices(&desk), [(30, number(1)), (30, number(2))]);
    look(LIFE_D as f64 - 29.0);
    let mut so_far = vec![(30, number(1)), (30, number(2)), (30, number(3))];
    assert_eq!(notices(&desk), so_far);
    desk.submit(&desk.renewal(2, "again")).unwrap();
    look(LIFE_D as f64 - 14.0);
    so_far.extend([(15, number(1)), (15, number(3))]);
    assert_eq!(notices(&desk), so_far, "none for what was renewed");
    look(LIFE_D as f64 - 2.0);
    so_far.extend([(3, number(1)), (3, number(3))]);
    assert_eq!(notices(&desk), so_far);
    look(LIFE_D as f64 - 29.0 + LIFE_D as f64 - 29.9);
    assert_eq!(notices(&desk), [so_far, vec![(30, number(2))]].concat(), "and its own before its new end");
}

#[test]
fn after_weeks_of_standstill_the_last_that_fell_due_is_given() {
    let dir = tempfile::tempdir().unwrap();
    drop(desk(dir.path()));
    let desk = Desk::open(dir.path(), START_MS + (LIFE_D - 10) * DAY_MS).unwrap();
    desk.submit(&desk.renewal(2, "just in time")).unwrap();
    desk.authority.upkeep().unwrap();
    desk.authority.turn().unwrap();
    assert_eq!(notices(&desk), [(15, number(1)), (15, number(3))], "not for a renewal that waits for its epoch either");
    drop(desk);
    // Past the end: late rather than never.
    let desk = Desk::open(dir.path(), START_MS + (LIFE_D + 1) * DAY_MS).unwrap();
    desk.authority.upkeep().unwrap();
    assert_eq!(notices(&desk)[2..], [(3, number(1)), (3, number(3))]);
    desk.authority.upkeep().unwrap();
    assert_eq!(notices(&desk).len(), 4);
}
