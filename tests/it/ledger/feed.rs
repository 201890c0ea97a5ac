//! The change feed: who is told what, from when on, for how long; what a release takes back; and lists of numbers.

use callbook::authority::{Actor, ChangesFrom, ChangesPage, Condition, NumbersWanted, Party, Rejection, Scope};
use callbook::client::holder::Change;
use callbook::ledger::{Changed, Disclosed, Ledger, LedgerError};
use callbook::log::event::Kind;
use callbook::log::label::Label;

use crate::ledger::desk::{Desk, START_MS, number};

const DAY_MS: u64 = 86_400_000;

fn desk() -> (tempfile::TempDir, Desk) {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::new(dir.path());
    (dir, desk)
}

fn other(desk: &Desk) -> Actor {
    Actor { party: Party::Provider("zeta".into()), test: false, ..desk.actor.clone() }
}

/// The provider with a token that sees everything of its own.
fn acme(desk: &Desk) -> Actor {
    Actor { test: false, ..desk.actor.clone() }
}

fn feed(desk: &Desk, actor: &Actor, from: ChangesFrom) -> ChangesPage {
    desk.authority.changes(actor, from, 100).unwrap()
}

/// Place, kind, and whether the number is named.
fn told(page: &ChangesPage) -> Vec<(u64, u8, bool)> {
    page.changes.iter().map(|row| (row.n, row.changed.kind, row.number.is_some())).collect()
}

#[test]
fn a_change_is_told_with_its_epoch_to_those_whom_it_concerns() {
    let (_dir, desk) = desk();
    let receipt = desk.submit(&desk.registration(1, "a")).unwrap();
    assert_eq!(told(&feed(&desk, &acme(&desk), ChangesFrom::Oldest)), []);
    desk.authority.turn().unwrap();
    let page = feed(&desk, &acme(&desk), ChangesFrom::Oldest);
    assert_eq!(told(&page), [(1, Kind::Create as u8, true)]);
    let row = &page.changes[0];
    assert_eq!((row.number, row.changed.event, row.changed.epoch), (Some(number(1)), Some(receipt.event_hash), 1));
    assert_eq!((row.changed.before.as_deref(), row.changed.after.as_deref()), (None, Some("acme")));
    desk.clock.advance(1000);
    desk.submit(&desk.update(1, "sip:bob@acme.example")).unwrap();
    desk.authority.turn().unwrap();
    let next = feed(&desk, &acme(&desk), ChangesFrom::After(page.next));
    assert_eq!(told(&next), [(2, Kind::Update as u8, true)]);
    assert_eq!((next.changes[0].changed.version, next.next, next.more), (2, 2, false));
    for (whose, rows) in [(other(&desk), 0), (Actor::operator(), 2)] {
        assert_eq!(feed(&desk, &whose, ChangesFrom::Oldest).changes.len(), rows);
    }
    let one = desk.authority.changes(&acme(&desk), ChangesFrom::Oldest, 1).unwrap();
    assert_eq!((told(&one).len(), one.next, one.more), (1, 1, true));
    assert_eq!(feed(&desk, &acme(&desk), ChangesFrom::Now).next, 2);
    assert_eq!(feed(&desk, &other(&desk), ChangesFrom::Now).next, 0);
}

/// `cursor=now` does not skip what is sealed and not shown yet.
#[test]
fn what_is_not_published_is_not_behind_now() {
    let (_dir, desk) = desk();
    desk.register(1);
    desk.authority.interrupt(|step| match step {
        callbook::authority::Step::BeforeSign => Err(callbook::ledger::LedgerError::Unavailable("a test".into())),
        _ => Ok(()),
    });
    desk.submit(&desk.registration(2, "b")).unwrap();
    assert!(desk.authority.turn().is_err());
    let now = feed(&desk, &acme(&desk), ChangesFrom::Now);
    assert_eq!((now.next, told(&feed(&desk, &acme(&desk), ChangesFrom::Oldest)).len()), (1, 1));
}

#[test]
fn a_release_makes_every_row_of_the_registration_nameless_for_ever() {
    let (_dir, desk) = desk();
    desk.register(1);
    desk.register(2);
    desk.clock.advance(1000);
    desk.authority.holder_event_blocking(&desk.holder(1, Change::release)).unwrap();
    desk.authority.turn().unwrap();
    let page = feed(&desk, &acme(&desk), ChangesFrom::Oldest);
    let (create, release) = (Kind::Create as u8, Kind::Release as u8);
    assert_eq!(told(&page), [(1, create, false), (2, create, true), (3, release, false)]);
    assert_eq!(page.changes[2].changed.after, None);
    assert_eq!(page.changes[2].changed.label, page.changes[0].changed.label, "the label still tells which it was");
}

/// A number that is registered again: the rows of the registration before stay nameless.
#[test]
fn an_earlier_registration_is_not_named_again() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).unwrap();
    let label = Label([7; 32]);
    let changed = |version: u64| Changed {
        epoch: 1,
        time_ms: START_MS,
        label,
        kind: Kind::Create as u8,
        door: 0,
        version,
        event: None,
        before: None,
        after: Some("acme".into()),
        requester: None,
        notice: None,
    };
    let [before, after] = [changed(1), changed(2)];
    let done = ledger.write::<_, LedgerError, _>(move |tx| {
        tx.add_changes([(&before, &["acme".to_owned()][..])])?;
        let disclosed = Disclosed { opening: [1; 32], record: b"R".to_vec() };
        tx.add_personal(&label, number(1), &[0; 80], &disclosed, "acme")?;
        tx.add_changes([(&after, &["acme".to_owned()][..])])
    });
    done.wait_blocking().unwrap();
    for reader in [Some("acme"), None] {
        let rows = ledger.read::<_, LedgerError>(|now| now.changes_after(reader, 0, 1, 10)).unwrap();
        assert_eq!(rows.iter().map(|row| (row.n, row.number)).collect::<Vec<_>>(), [(1, None), (2, Some(number(1)))]);
    }
    let hidden = ledger.read::<_, LedgerError>(|now| now.changes_after(None, 0, 0, 10)).unwrap();
    assert_eq!(hidden, [], "nothing before its epoch");
}

#[test]
fn a_token_for_some_numbers_sees_those() {
    let (_dir, desk) = desk();
    desk.register(1);
    desk.register(2);
    let narrow = Actor { scopes: vec![Scope::parse("read:+999000000002").unwrap()], ..acme(&desk) };
    let page = feed(&desk, &narrow, ChangesFrom::Oldest);
    assert_eq!((page.changes.len(), page.changes[0].number, page.next), (1, Some(number(2)), 2));
    let listed = desk.authority.numbers(&narrow, &NumbersWanted { limit: 10, ..NumbersWanted::default() }).unwrap();
    assert_eq!(listed.numbers.iter().map(|(row, _)| row.number).collect::<Vec<_>>(), [number(2)]);
    let blind = Actor { scopes: vec![Scope::parse("write:+").unwrap()], ..acme(&desk) };
    assert!(matches!(desk.authority.changes(&blind, ChangesFrom::Oldest, 1), Err(Rejection::Forbidden(_))));
    assert!(matches!(desk.authority.numbers(&blind, &NumbersWanted::default()), Err(Rejection::Forbidden(_))));
}

#[test]
fn what_is_too_old_is_forgotten_and_says_so() {
    let (_dir, desk) = desk();
    desk.register(1);
    desk.clock.advance(DAY_MS);
    desk.register(2);
    desk.clock.set(START_MS + 90 * DAY_MS + DAY_MS / 2);
    desk.authority.upkeep().unwrap();
    for actor in [acme(&desk), Actor::operator()] {
        let gone = desk.authority.changes(&actor, ChangesFrom::After(0), 10);
        assert!(matches!(&gone, Err(Rejection::Gone(why)) if why.contains("cursor=now")), "{gone:?}");
        let ahead = desk.authority.changes(&actor, ChangesFrom::After(99), 10);
        assert!(matches!(ahead, Err(Rejection::Gone(_))), "{ahead:?}");
        let kept = feed(&desk, &actor, ChangesFrom::Oldest);
        assert!(told(&kept).starts_with(&[(2, Kind::Create as u8, true)]), "{:?}", told(&kept));
        assert_eq!(
            feed(&desk, &actor, ChangesFrom::After(1)),
            kept,
            "the cursor behind the last forgotten one is good"
        );
    }
}

#[test]
fn a_list_is_paged_and_filtered() {
    let (_dir, desk) = desk();
    let all: Vec<_> = [9, 10, 11, 100, 101].map(|n| desk.registration(n, &format!("list {n}"))).into();
    assert!(desk.authority.submit_many(&desk.actor, &all).iter().all(Result::is_ok));
    let list = |wanted: NumbersWanted| desk.authority.numbers(&desk.actor, &wanted).unwrap();
    let want = NumbersWanted { limit: 10, ..NumbersWanted::default() };
    let numbers =
        |page: &callbook::authority::NumbersPage| page.numbers.iter().map(|(row, _)| row.number).collect::<Vec<_>>();
    assert_eq!(list(NumbersWanted { status: Some(Condition::Pending), ..want.clone() }).numbers.len(), 5);
    desk.authority.turn().unwrap();
    let first = list(NumbersWanted { limit: 2, ..want.clone() });
    assert_eq!((numbers(&first), first.after), (vec![number(9), number(10)], Some(number(10))));
    let rest = list(NumbersWanted { after: first.after, ..want.clone() });
    assert_eq!((numbers(&rest), rest.after), (vec![number(11), number(100), number(101)], None));
    let prefixed = list(NumbersWanted { prefix: "99900000010".into(), ..want.clone() });
    assert_eq!(numbers(&prefixed), [number(100), number(101)]);
    desk.clock.advance(1000);
    desk.authority.holder_event_blocking(&desk.holder(10, Change::suspend)).unwrap();
    desk.authority.holder_event_blocking(&desk.holder(11, Change::release)).unwrap();
    desk.authority.turn().unwrap();
    assert_eq!(numbers(&list(NumbersWanted { status: Some(Condition::Suspended), ..want.clone() })), [number(10)]);
    assert_eq!(list(want.clone()).numbers.len(), 4, "a released number is in no list");
    let ends_s = START_MS / 1000 + 80 * 86_400;
    for (before_s, found) in [(ends_s, 0), (ends_s + 5, 4)] {
        let soon = list(NumbersWanted { expires_before_s: Some(before_s), ..want.clone() });
        assert_eq!(soon.numbers.len(), found, "{before_s}");
    }
    desk.clock.set(START_MS + 81 * DAY_MS);
    assert_eq!(list(NumbersWanted { status: Some(Condition::Lapsed), ..want.clone() }).numbers.len(), 3);
    assert_eq!(desk.authority.numbers(&other(&desk), &want).unwrap().numbers, []);
    assert!(matches!(desk.authority.numbers(&Actor::operator(), &want), Err(Rejection::Forbidden(_))));
}
