//! Years of key life: whatever happens, no cache ever holds a mixture that a validator would call bogus.

mod away;
mod ceremony;
mod judge;
mod nodes;
mod program;
mod sealed;
mod served;
mod unbound;
mod world;

pub(crate) use program::{serve_until_ready, serve_while_held};
use world::{Random, Tally, World};

const YEAR_S: u64 = 365 * 86_400;
/// Worlds that every run of the tests goes through, and years in each.
const WORLDS: u64 = 12;
const YEARS: u64 = 10;
/// The seed of every run, unless CALLBOOK_SEED says another; CALLBOOK_WORLDS says how many worlds.
const SEED: u64 = 20_261_127;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn no_mixture_in_any_cache_is_ever_bogus() {
    let (seed, worlds) = (setting("CALLBOOK_SEED", SEED), setting("CALLBOOK_WORLDS", WORLDS));
    let mut total = Tally::default();
    for i in 0..worlds {
        let seed = Random(seed.wrapping_add(i)).next();
        let mut world = World::new(seed);
        if let Err(bogus) = world.live(YEARS * YEAR_S) {
            panic!("world {i} (CALLBOOK_SEED={}): {}", setting("CALLBOOK_SEED", SEED), bogus.0);
        }
        let tally = world.tally;
        for (sum, add) in [
            (&mut total.zsk, tally.zsk),
            (&mut total.ksk, tally.ksk),
            (&mut total.algorithm, tally.algorithm),
            (&mut total.emergencies, tally.emergencies),
            (&mut total.restarts, tally.restarts),
            (&mut total.lost_records, tally.lost_records),
            (&mut total.clock_steps, tally.clock_steps),
        ] {
            *sum += add;
        }
    }
    println!("{} years: {total:?}", worlds * YEARS);
    // Much happens in each world, or the test would show little.
    assert!(total.zsk > 5 * worlds && total.ksk > 5 * worlds && total.algorithm > worlds / 2, "{total:?}");
    assert!(total.emergencies > worlds && total.restarts > 10 * worlds && total.lost_records > 0, "{total:?}");
}

/// Whether some of a few worlds with a wrong belief comes to grief.
fn is_caught(believed: impl Fn(&mut callbook::dnssec::life::Policy)) -> bool {
    (0..20).any(|i| World::deceived(Random(SEED + i).next(), &believed).live(3 * YEAR_S).is_err())
}

#[test]
fn the_judge_sees_every_wait_that_is_too_short() {
    assert!(is_caught(|policy| policy.dnskey_ttl_s /= 10), "DNSKEY TTL");
    assert!(is_caught(|policy| policy.data_ttl_s /= 10), "TTL of data");
    assert!(is_caught(|policy| policy.propagation_s = 0), "propagation");
}
