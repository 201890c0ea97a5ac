//! Webhooks on a clock that is set by hand: order, retries, ends, restarts, and what an owner may do.

use callbook::authority::{
    self, Actor, ChangesFrom, Courier, NewWebhook, Party, Rejection, Scope, UrlMistake, WEBHOOKS_PER_OWNER_MAX,
    WebhookEdit, WebhookState, WebhookView, WebhookWanted, WebhooksHealth,
};
use callbook::client::holder::Change;
use callbook::client::webhook::PublicKey;
use callbook::config;
use callbook::log::random::Seeded;
use callbook::seal::Lock;
use serde_json::json;

use crate::dns::streams::authority::Ca;
use crate::ledger::desk::{Desk, START_MS, number, settings};
use crate::receiver::{Got, Receiver, Reply};

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

struct Home {
    desk: Desk,
    dir: tempfile::TempDir,
}

fn sends(desk: Desk) -> Desk {
    let config = config::Webhooks { loopback: true, ..config::Webhooks::default() };
    desk.authority.webhooks_by(Courier::new(&config).unwrap());
    desk
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { desk: sends(Desk::new(dir.path())), dir }
    }

    /// As after a crash: whatever was not durable is gone.
    fn again(self) -> Self {
        let Self { desk, dir } = self;
        let now_ms = callbook::clock::Clock::now_ms(&*desk.clock);
        drop(desk);
        Self { desk: sends(Desk::open(dir.path(), now_ms).unwrap()), dir }
    }

    /// The provider with a token for everything.
    fn acme(&self) -> Actor {
        Actor { test: false, ..self.desk.actor.clone() }
    }

    fn add(&self, url: &str, kinds: &[&str]) -> String {
        self.add_as(&self.acme(), url, kinds).unwrap().row.id
    }

    fn add_as(&self, actor: &Actor, url: &str, kinds: &[&str]) -> Result<WebhookView, Rejection> {
        let url = self.desk.authority.webhook_url(url).unwrap();
        let kinds = kinds.iter().map(ToString::to_string).collect();
        self.desk.authority.add_webhook(actor, NewWebhook { url, kinds, description: String::new() })
    }

    fn view(&self, id: &str) -> WebhookView {
        self.desk.authority.webhook(&self.acme(), id).unwrap()
    }

    fn edit(&self, id: &str, edit: WebhookEdit) -> Result<WebhookView, Rejection> {
        self.desk.authority.edit_webhook(&self.acme(), id, edit)
    }

    fn want(&self, id: &str, wanted: WebhookWanted) -> Result<WebhookView, Rejection> {
        self.edit(id, WebhookEdit { wanted: Some(wanted), ..WebhookEdit::default() })
    }

    /// Turns until nobody is due.
    fn deliver(&self) -> usize {
        (0..20).map(|_| self.desk.authority.deliver_webhooks().unwrap()).take_while(|turns| *turns > 0).sum()
    }

    fn keys(&self) -> Vec<PublicKey> {
        self.desk.authority.webhook_keys().iter().map(|key| key.parse().unwrap()).collect()
    }

    /// Kind and number of what came, everything verified.
    fn told(&self, got: &[Got]) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let read = |got: &Got| {
            let message = got.verified(&self.keys(), self.desk.now_s()).unwrap();
            assert_eq!((message.kind.as_str(), &json!(message.timestamp)), ("change", &message.data["time"]));
            (text(&message.data["kind"]), text(&message.data["number"]))
        };
        got.iter().map(read).collect()
    }
}

fn created(n: u64) -> (String, String) {
    ("create".to_owned(), number(n).to_string())
}

fn ids(got: &[Got]) -> Vec<&str> {
    got.iter().map(|got| got.header("webhook-id")).collect()
}

/// Every change comes in order; one that is not taken holds up what is behind it and nobody else.
#[test]
fn in_order_and_again_until_taken() {
    let home = Home::new();
    let (flaky, steady) = (Receiver::start(), Receiver::start());
    let id = home.add(&flaky.url(), &[]);
    home.add(&steady.url(), &[]);
    flaky.answer(|_, nth| if (1..=2).contains(&nth) { Reply::Status(500, "") } else { Reply::Status(200, "") });
    (1..=3).for_each(|n| drop(home.desk.register(n)));
    home.deliver();
    assert_eq!(home.told(&flaky.got()), [created(1), created(2)]);
    assert_eq!(home.told(&steady.got()), [created(1), created(2), created(3)]);
    let view = home.view(&id);
    assert_eq!((view.lag, view.row.progress.failures, view.row.progress.place), (2, 1, 1));
    assert_eq!(
        view.row.progress.failed.as_ref().map(|(_, status, why)| (*status, why.as_str())),
        Some((Some(500), "status"))
    );
    home.desk.clock.advance(4_900);
    assert_eq!(home.deliver(), 0, "five seconds first");
    home.desk.clock.advance(1_200);
    home.deliver();
    assert_eq!(home.view(&id).row.progress.failures, 2);
    home.desk.clock.advance(4 * MINUTE_MS);
    assert_eq!(home.deliver(), 0, "then five minutes");
    home.desk.clock.advance(2 * MINUTE_MS);
    home.deliver();
    let got = flaky.got();
    let came: Vec<_> = got.iter().map(|got| got.json()["data"]["number"].clone()).collect();
    assert_eq!(came, [1, 2, 2, 2, 3].map(|n| json!(number(n).to_string())));
    assert_eq!(ids(&got)[1..4], [ids(&got)[1]; 3], "an id stays");
    assert_ne!(got[1].header("webhook-timestamp"), got[3].header("webhook-timestamp"), "each attempt has its time");
    let view = home.view(&id);
    assert_eq!((view.lag, view.row.progress.failures, view.row.progress.failing_ms), (0, 0, None));
    assert_eq!(home.desk.authority.webhook_attempts(&home.acme(), &id).unwrap().len(), 5);
    let vitals = home.desk.authority.webhook_vitals();
    assert_eq!((vitals.taken, vitals.refused), (6, 2));
}

#[test]
fn gone_is_the_end_and_failing_is_after_days() {
    let home = Home::new();
    let (gone, broken) = (Receiver::start(), Receiver::start());
    let (gone_id, broken_id) = (home.add(&gone.url(), &[]), home.add(&broken.url(), &[]));
    gone.answer(|_, _| Reply::Status(410, ""));
    broken.answer(|_, _| Reply::Status(302, "Location: http://127.0.0.1:1/\r\n"));
    home.desk.register(1);
    home.deliver();
    assert_eq!(home.view(&gone_id).row.progress.state, WebhookState::Gone);
    let mut days = 0;
    while home.view(&broken_id).row.progress.state == WebhookState::Active && days < 10 {
        home.desk.clock.advance(DAY_MS);
        home.deliver();
        days += 1;
    }
    let view = home.view(&broken_id);
    assert_eq!((view.row.progress.state, days), (WebhookState::Failed, 5));
    assert_eq!(view.row.progress.failed.as_ref().map(|(_, _, why)| why.as_str()), Some("redirect"));
    assert_eq!((gone.got().len(), broken.got().len()), (1, 6));
    home.desk.clock.advance(DAY_MS);
    assert_eq!(home.deliver(), 0);
    let states = home.desk.authority.webhook_vitals().states;
    assert!(states.contains(&("gone", 1)) && states.contains(&("failed", 1)), "{states:?}");
    // Made active again, it goes on where it was: at once, and with nothing left out.
    broken.answer(|_, _| Reply::Status(204, ""));
    home.want(&broken_id, WebhookWanted::Active).unwrap();
    home.deliver();
    assert_eq!(home.told(&broken.got()[6..]), [created(1)]);
}

#[test]
fn who_asks_for_time_gets_it() {
    let (home, busy) = (Home::new(), Receiver::start());
    home.add(&busy.url(), &[]);
    busy.answer(|_, nth| if nth == 0 { Reply::Status(503, "Retry-After: 120\r\n") } else { Reply::Status(204, "") });
    home.desk.register(1);
    home.deliver();
    home.desk.clock.advance(119_000);
    assert_eq!(home.deliver(), 0);
    home.desk.clock.advance(1_000);
    home.deliver();
    assert_eq!(home.told(&busy.got()), [created(1), created(1)]);
}

/// A new process goes on where the last one was, waits included, and the key is the same.
#[test]
fn a_restart_loses_nothing() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let id = home.add(&receiver.url(), &[]);
    receiver.answer(|_, nth| if nth == 1 { Reply::Status(500, "") } else { Reply::Status(204, "") });
    (1..=3).for_each(|n| drop(home.desk.register(n)));
    home.deliver();
    let (keys, before) = (home.keys(), home.view(&id));
    let home = home.again();
    assert_eq!((home.keys(), home.view(&id)), (keys, before));
    assert_eq!(home.deliver(), 0, "the wait goes on");
    home.desk.register(4);
    home.desk.clock.advance(7_000);
    let home = home.again();
    home.deliver();
    assert_eq!(home.told(&receiver.got()), [created(1), created(2), created(2), created(3), created(4)]);
}

#[test]
fn a_place_that_is_not_kept_is_told_and_mended() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let (id, paused) = (home.add(&receiver.url(), &[]), home.add(&receiver.url(), &[]));
    home.want(&paused, WebhookWanted::Paused).unwrap();
    home.desk.register(1);
    home.desk.clock.advance(91 * DAY_MS);
    home.desk.authority.upkeep().unwrap();
    home.deliver();
    assert_eq!(home.view(&id).row.progress.state, WebhookState::Behind);
    assert_eq!(receiver.got(), []);
    for id in [&id, &paused] {
        let no = home.want(id, WebhookWanted::Active).unwrap_err();
        assert!(matches!(&no, Rejection::Gone(why) if why.contains("redelivery")), "{no:?}");
    }
    let no = home.desk.authority.redeliver(&home.acme(), &id, ChangesFrom::After(0)).unwrap_err();
    assert!(matches!(no, Rejection::Gone(_)), "{no:?}");
    let view = home.desk.authority.redeliver(&home.acme(), &id, ChangesFrom::Now).unwrap();
    assert_eq!((view.row.progress.state, view.lag), (WebhookState::Active, 0));
    home.desk.register(2);
    home.deliver();
    assert_eq!(home.told(&receiver.got()), [created(2)]);
}

#[test]
fn what_is_sent_again_is_what_the_feed_says_now() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let id = home.add(&receiver.url(), &[]);
    (1..=2).for_each(|n| drop(home.desk.register(n)));
    home.deliver();
    home.desk.clock.advance(1000);
    home.desk.authority.holder_event_blocking(&home.desk.holder(1, Change::release)).unwrap();
    home.desk.authority.turn().unwrap();
    let view = home.desk.authority.redeliver(&home.acme(), &id, ChangesFrom::Oldest).unwrap();
    assert_eq!(view.lag, 3);
    home.deliver();
    let got = receiver.got();
    let nameless = |kind: &str| (kind.to_owned(), "-".to_owned());
    assert_eq!(home.told(&got[2..]), [nameless("create"), created(2), nameless("release")]);
    assert_eq!(ids(&got[..2]), ids(&got[2..4]), "the same changes have the same ids");
    let ahead = home.desk.authority.redeliver(&home.acme(), &id, ChangesFrom::After(99)).unwrap_err();
    assert!(matches!(ahead, Rejection::Gone(_)), "{ahead:?}");
    // From a place in the middle; and into the future, which leaves out what waits.
    home.desk.authority.redeliver(&home.acme(), &id, ChangesFrom::After(2)).unwrap();
    home.deliver();
    assert_eq!(home.told(&receiver.got()[5..]), [nameless("release")]);
    home.desk.register(3);
    home.desk.authority.redeliver(&home.acme(), &id, ChangesFrom::Now).unwrap();
    assert_eq!((home.deliver(), receiver.got().len()), (0, 6));
}

#[test]
fn kinds_pauses_and_removal() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let id = home.add(&receiver.url(), &["update", "release"]);
    home.desk.register(1);
    home.desk.clock.advance(1000);
    home.desk.submit(&home.desk.update(1, "sip:bob@acme.example")).unwrap();
    home.desk.authority.turn().unwrap();
    home.deliver();
    assert_eq!(home.told(&receiver.got()), [("update".to_owned(), number(1).to_string())]);
    assert_eq!(home.view(&id).lag, 0, "what is not sent does not wait either");
    home.want(&id, WebhookWanted::Paused).unwrap();
    home.edit(&id, WebhookEdit { kinds: Some(Vec::new()), ..WebhookEdit::default() }).unwrap();
    home.desk.register(2);
    assert_eq!((home.deliver(), home.view(&id).lag), (0, 1));
    home.want(&id, WebhookWanted::Active).unwrap();
    home.deliver();
    assert_eq!(home.told(&receiver.got()[1..]), [created(2)]);
    home.desk.authority.remove_webhook(&home.acme(), &id).unwrap();
    home.desk.register(3);
    assert_eq!(home.deliver(), 0);
    assert!(matches!(home.desk.authority.webhook(&home.acme(), &id), Err(Rejection::NotFound)));
}

/// A test goes out whatever the state, is not part of the feed, and ends a wait when it is taken.
#[test]
fn a_test_tells_how_it_went() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let id = home.add(&receiver.url(), &[]);
    receiver.answer(|_, _| Reply::Status(401, ""));
    home.desk.register(1);
    home.deliver();
    let test = || home.desk.authority.test_webhook(&home.acme(), &id);
    let attempt = test().unwrap();
    assert_eq!((attempt.place, attempt.status, attempt.why.as_deref()), (None, Some(401), Some("status")));
    assert!(matches!(test(), Err(Rejection::TooMany { retry_after_s: 2, .. })));
    assert_eq!((home.view(&id).row.progress.failures, home.deliver()), (1, 0));
    receiver.answer(|_, _| Reply::Status(200, ""));
    home.desk.clock.advance(2_000);
    assert_eq!(test().unwrap().why, None);
    home.deliver();
    let got = receiver.got();
    let message = got[2].verified(&home.keys(), home.desk.now_s()).unwrap();
    assert_eq!((message.kind.as_str(), &message.data), ("test", &json!({ "webhook": id })));
    assert_eq!(home.told(&got[3..]), [created(1)]);
    assert!(ids(&got)[2].starts_with("test_") && ids(&got)[1] != ids(&got)[2]);
}

#[test]
fn an_endpoint_is_its_owners_alone() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let id = home.add(&receiver.url(), &[]);
    let authority = &home.desk.authority;
    let zeta = Actor { party: Party::Provider("zeta".into()), ..home.acme() };
    for other in [zeta.clone(), Actor::operator()] {
        let not_found =
            |result: Result<(), Rejection>| assert!(matches!(result, Err(Rejection::NotFound)), "{result:?}");
        for id in [id.as_str(), "nobody"] {
            not_found(authority.webhook(&other, id).map(drop));
            not_found(authority.edit_webhook(&other, id, WebhookEdit::default()).map(drop));
            not_found(authority.redeliver(&other, id, ChangesFrom::After(99)).map(drop));
            not_found(authority.test_webhook(&other, id).map(drop));
            not_found(authority.webhook_attempts(&other, id).map(drop));
            not_found(authority.remove_webhook(&other, id));
        }
        assert_eq!(authority.webhooks(&other, 0, 10).unwrap(), (vec![], false));
    }
    // A token for some numbers, or for tests, would see what it may not.
    let some =
        Actor { scopes: vec![Scope::parse("read:+999").unwrap(), Scope::parse("write:+999").unwrap()], ..home.acme() };
    let reads = Actor { scopes: vec![Scope::parse("read:+").unwrap()], ..home.acme() };
    for (actor, sees) in [(Actor { test: true, ..home.acme() }, false), (some, false), (reads, true)] {
        assert!(matches!(home.add_as(&actor, &receiver.url(), &[]), Err(Rejection::Forbidden(_))));
        assert_eq!(authority.webhook(&actor, &id).is_ok(), sees);
    }
    for _ in 1..WEBHOOKS_PER_OWNER_MAX {
        home.add(&receiver.url(), &[]);
    }
    assert!(matches!(home.add_as(&home.acme(), &receiver.url(), &[]), Err(Rejection::Conflict(_))));
    let (page, more) = authority.webhooks(&home.acme(), 0, 3).unwrap();
    assert_eq!((page.len(), more), (3, true));
    let (rest, more) = authority.webhooks(&home.acme(), page[2].row.seq, 10).unwrap();
    assert_eq!((rest.len(), more), (WEBHOOKS_PER_OWNER_MAX - 3, false));
}

/// The operator sees whose endpoints take nothing and since when, and of their URLs the hosts alone.
#[test]
fn the_operator_sees_how_everybodys_endpoints_do() {
    let (home, dead) = (Home::new(), Receiver::start());
    let secret = "?key=secret-of-acme";
    let id = home.add(&format!("{}{secret}", dead.url()), &[]);
    home.add_as(&Actor::operator(), &dead.url(), &[]).unwrap();
    let authority = &home.desk.authority;
    let look = || authority.webhooks_health(&Actor::operator(), 0, 10).unwrap().0;
    assert!(look().iter().all(|one| (one.lag, one.oldest_ms) == (0, None)));
    dead.answer(|_, _| Reply::Status(500, ""));
    home.desk.register(1);
    let happened_ms = authority.changes(&home.acme(), ChangesFrom::Oldest, 1).unwrap().changes[0].changed.time_ms;
    home.deliver();
    home.desk.clock.advance(2 * DAY_MS);
    let told = look();
    let seen: Vec<_> =
        told.iter().map(|one| (one.owner.as_deref(), one.lag, one.oldest_ms, one.progress.failures)).collect();
    assert_eq!(seen, [(Some("acme"), 1, Some(happened_ms), 1), (None, 1, Some(happened_ms), 1)]);
    assert!(told[0].host.starts_with("127.0.0.1:") && !format!("{told:?}").contains("secret"), "{told:?}");
    let data = home.dir.path().join("data");
    let all = WebhooksHealth::of(&data).unwrap();
    assert_eq!((all.endpoints, all.active, all.failing, all.paused), (2, 2, 2, 0));
    assert_eq!(all.slowest.unwrap().oldest_ms, Some(happened_ms));
    home.want(&id, WebhookWanted::Paused).unwrap();
    dead.answer(|_, _| Reply::Status(410, ""));
    home.deliver();
    let all = WebhooksHealth::of(&data).unwrap();
    let stopped: Vec<_> = all.stopped.iter().map(|one| (one.owner.as_deref(), one.progress.state)).collect();
    assert_eq!((all.paused, stopped, all.slowest), (1, vec![(None, WebhookState::Gone)], None));
    let page = authority.webhooks_health(&Actor::operator(), 0, 1).unwrap();
    assert_eq!((page.0.len(), page.1), (1, true));
    assert!(matches!(authority.webhooks_health(&home.acme(), 0, 10), Err(Rejection::Forbidden(_))));
}

/// The operator's endpoint gets everything; a provider's what concerns it.
#[test]
fn everybody_gets_his_own_feed() {
    let (home, operator, stranger) = (Home::new(), Receiver::start(), Receiver::start());
    home.add_as(&Actor::operator(), &operator.url(), &[]).unwrap();
    let zeta = Actor { party: Party::Provider("zeta".into()), ..home.acme() };
    home.add_as(&zeta, &stranger.url(), &[]).unwrap();
    home.desk.register(1);
    home.deliver();
    assert_eq!((home.told(&operator.got()), stranger.got()), (vec![created(1)], vec![]));
}

#[test]
fn both_keys_sign_while_they_change() {
    let (home, receiver) = (Home::new(), Receiver::start());
    home.add(&receiver.url(), &[]);
    let old = home.keys();
    let folder = settings(home.dir.path()).keys;
    assert!(authority::rotate_webhook_keys(&folder, &Lock::default(), &Seeded::new([8; 32])).unwrap());
    let home = home.again();
    home.desk.register(1);
    home.deliver();
    let (got, new) = (receiver.got(), home.keys());
    assert_eq!((new.len(), &new[1]), (2, &old[0]));
    for keys in [&old[..], &new[..1], &new[..]] {
        assert!(got[0].verified(keys, START_MS / 1000).is_ok());
    }
    assert!(authority::finish_webhook_keys(&folder).unwrap());
    let home = home.again();
    home.desk.register(2);
    home.deliver();
    let last = &receiver.got()[1];
    assert!(last.verified(&new[..1], START_MS / 1000).is_ok() && last.verified(&old, START_MS / 1000).is_err());
}

/// Over TLS, by an authority that the configuration names; without it, and without the switch, nothing goes out.
#[test]
fn a_certificate_of_an_authority_that_is_named() {
    let (ca, dir) = (Ca::new(), tempfile::tempdir().unwrap());
    let receiver = Receiver::over_tls(ca.dir.path());
    let desk = Desk::new(dir.path());
    assert_eq!(desk.authority.webhook_url(&receiver.url()), Err(UrlMistake::Address), "not on this machine");
    drop(desk);
    for (ca_file, why) in [("".into(), Some("tls")), (ca.path("ca.pem"), None)] {
        let desk = Desk::open(dir.path(), START_MS).unwrap();
        desk.authority.webhooks_by(Courier::new(&config::Webhooks { loopback: true, ca_file }).unwrap());
        let home = Home { desk, dir: tempfile::tempdir().unwrap() };
        let id = home.add(&receiver.url(), &[]);
        let attempt = home.desk.authority.test_webhook(&home.acme(), &id).unwrap();
        assert_eq!(attempt.why.as_deref(), why);
    }
    // What was allowed once is not when the switch is off.
    let home = Home { desk: Desk::open(dir.path(), START_MS).unwrap(), dir: tempfile::tempdir().unwrap() };
    let (all, _) = home.desk.authority.webhooks(&home.acme(), 0, 10).unwrap();
    let attempt = home.desk.authority.test_webhook(&home.acme(), &all[0].row.id).unwrap();
    assert_eq!((attempt.status, attempt.why.as_deref()), (None, Some("url_not_public")));
    assert_eq!(receiver.got().len(), 1);
}
