//! A registration and a delegation of its block at the same time: one of them is refused, whoever comes first.

use std::sync::Barrier;
use std::thread;

use callbook::authority::{FixedError, Rejection};
use callbook::registry::refusal;
use callbook::wire::Name;
use callbook::zone::delegation::{Delegation, Delegations};
use callbook::zone::{StaticZone, Ttls};

use crate::ledger::desk::{Desk, number};

const FILE: &str = "$TTL 60\n@ IN SOA ns host 1 2 3 4 60\n@ IN NS ns\nns IN A 192.0.2.1\n";
/// Races: each takes some milliseconds.
const RACES: u64 = 60;

/// The zone with the n-th number's own block delegated.
fn without(n: u64) -> StaticZone {
    let (block, to) = (format!("+{}", number(n).as_u64()), vec!["ns.example.net".to_owned()]);
    let mut all = Delegations::default();
    all.put(Delegation { block, to, glue: Vec::new(), ds: Vec::new(), address: Vec::new(), changed_s: 0 });
    all.zone(FILE, &Name::from_text("e164.example.").unwrap(), Ttls::default()).unwrap()
}

#[test]
fn of_a_registration_and_a_delegation_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    let (mut registered, mut delegated) = (0, 0);
    for n in 1..=RACES {
        let (submission, fixed, both) = (desk.registration(n, &format!("jti {n}")), without(n), Barrier::new(2));
        let (receipt, replaced) = thread::scope(|scope| {
            let receipt = scope.spawn(|| {
                both.wait();
                desk.submit(&submission)
            });
            both.wait();
            // The first stage of a submission takes a while: sometimes wait that long.
            (0..n % 8).for_each(|_| thread::sleep(std::time::Duration::from_micros(300)));
            let replaced = desk.authority.replace_fixed(fixed, || Ok(()));
            (receipt.join().unwrap(), replaced)
        });
        match (receipt, replaced) {
            (Ok(_), Err(FixedError::Registered { block, count: 1 })) => {
                assert_eq!(block, format!("+{}", number(n).as_u64()));
                registered += 1;
            }
            (Err(Rejection::Refused(why)), Ok(_)) => {
                assert!(why[0].is(&refusal::NUMBER_NOT_SERVED) && why[0].clause == "1.2", "{why:?}");
                delegated += 1;
            }
            other => panic!("both or neither: {other:?}"),
        }
        desk.authority.turn().unwrap();
    }
    println!("{registered} registered, {delegated} delegated");
    assert_eq!(desk.authority.count_numbers().unwrap(), registered);
}

#[test]
fn the_serial_moves_and_what_cannot_be_kept_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    desk.register(1);
    let before = desk.board.serial();
    let unkept = desk.authority.replace_fixed(without(2), || Err("no space".to_owned()));
    assert!(matches!(unkept, Err(FixedError::Unkept(why)) if why == "no space"));
    assert_eq!(desk.board.serial(), before);
    desk.submit(&desk.registration(2, "after")).unwrap();
    desk.authority.turn().unwrap();
    let serial = desk.authority.replace_fixed(without(3), || Ok(())).unwrap();
    assert!(serial > before && desk.board.serial() == serial);
    drop(desk);
    assert!(Desk::open(dir.path(), super::desk::START_MS).unwrap().authority.serial() > serial, "also after a restart");
}
