//! An auditor over a directory that runs: admitted by an act, every epoch replayed, cosigned, and shown with proofs.

use std::sync::Arc;

use callbook::api::service::Check;
use callbook::attest::auditor::{Auditor, FollowError, Store};
use callbook::authority::{Actor, Leaves, NewToken, Rejection, Subject};
use callbook::client::holder::Change;
use callbook::client::log::Place;
use callbook::client::provider::Api as Client;
use callbook::http::{self, Api};
use callbook::log::audit::{Credentials, read_batches, request};
use callbook::log::audited::{self, Audit};
use callbook::log::batch::Batch;
use callbook::log::epoch::EpochLeaf;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::note::{LineType, NoteSigner, VerifierKey};
use callbook::log::trust::TrustList;
use callbook::net;
use callbook::registry::acts::ActKind;
use callbook::telemetry::Metrics;
use tempfile::TempDir;

use crate::audit::town::{dump, second_opinion};
use crate::ledger::desk::{Desk, let_go, number};
use crate::ledger::staff::{key_of, wish};

const DAY_MS: u64 = 86_400_000;
pub(super) const NAME: &str = "auditor.example";

pub(super) fn key() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[77; 32]).unwrap()
}

pub(super) fn vkey() -> VerifierKey {
    NoteSigner::new(NAME, key()).unwrap().verifier(LineType::Cosignature)
}

/// A directory with its API on a port, and a folder for an auditor.
pub(super) struct Town {
    pub(super) desk: Desk,
    /// The only person of the operator: one hand is enough then.
    admin: Actor,
    base: String,
    stop: tokio::sync::watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
    pub(super) home: Arc<TempDir>,
    dir: Arc<TempDir>,
}

impl Town {
    pub(super) fn new() -> Self {
        let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Store::create(home.path()).unwrap();
        let desk = Desk::new(dir.path());
        let wish = NewToken { provider: None, scopes: Vec::new(), test: false, expires_in_d: 90, certificate: None };
        let token = desk.authority.add_token(&Actor::operator(), wish).unwrap().token;
        let admin = desk.authority.authenticate(&token).unwrap();
        desk.authority.set_first_key(&admin, key_of("admin").public()).unwrap();
        Self::serving(desk, admin, Arc::new(dir), Arc::new(home))
    }

    /// Stops it, does something to its folder, and starts it again a second later.
    pub(super) fn after(self, work: impl FnOnce(&std::path::Path, u64)) -> Self {
        let (admin, dir, home) = (self.admin.clone(), self.dir.clone(), self.home.clone());
        let now_ms = self.now_ms();
        drop(self);
        let_go(dir.path());
        work(dir.path(), now_ms);
        let desk = Desk::open(dir.path(), now_ms + 1000).unwrap();
        Self::serving(desk, admin, dir, home)
    }

    fn serving(desk: Desk, admin: Actor, dir: Arc<TempDir>, home: Arc<TempDir>) -> Self {
        let api = Api {
            authority: desk.authority.clone(),
            clock: desk.clock.clone(),
            random: Arc::new(ring::rand::SystemRandom::new()),
            metrics: Metrics::new(Vec::new()),
            console: None,
            dns_probe: Arc::new(|| Check { name: "dns".into(), ok: true, detail: "not asked".into() }),
            apex: "e164.example.".into(),
            zone: Arc::new(callbook::rdap::Apex::default),
            limits: Arc::new(http::Limits::new(callbook::config::Http::default(), [9; 16])),
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = net::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        runtime.spawn(net::http::serve(vec![net::http::Front::plain(listener)], http::router(api), stopped));
        Self { desk, admin, base, stop, _runtime: runtime, home, dir }
    }

    pub(super) fn turn(&self) {
        self.desk.clock.advance(1000);
        self.desk.authority.turn().unwrap();
    }

    /// Numbers that are registered, changed, suspended, given back and registered anew, with heartbeats in between.
    pub(super) fn live(&self) {
        let holder = |n: u64, change: fn(callbook::log::label::Label, &callbook::log::state::State) -> Change| {
            self.desk.authority.holder_event_blocking(&self.desk.holder(n, change)).unwrap();
            self.turn();
        };
        for n in 1..=5 {
            self.desk.register(n);
            self.turn();
        }
        self.desk.submit(&self.desk.update(1, "sip:other@acme.example")).unwrap();
        self.desk.submit(&self.desk.update(2, "sip:two@acme.example")).unwrap();
        self.turn();
        holder(2, Change::suspend);
        holder(3, Change::release);
        holder(2, Change::resume);
        self.desk.submit(&self.desk.notice(4)).unwrap();
        self.turn();
        self.desk.clock.advance(31 * DAY_MS);
        self.turn();
        self.desk.register(6);
        self.turn();
        self.desk.clock.advance(61_000);
        self.turn();
    }

    pub(super) fn admit(&self, kind: ActKind, key: VerifierKey) -> Result<String, Rejection> {
        let act = self.desk.authority.request_act(&self.admin, wish(kind, Subject::Auditor(key)), None)?;
        Ok(act.row.state)
    }

    pub(super) fn client(&self) -> Client {
        Client::at(&self.base, "").unwrap()
    }

    pub(super) fn auditor(&self) -> Result<Auditor, FollowError> {
        Auditor::open(self.home.path(), NAME, key(), self.client(), None, self.desk.clock.clone())
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.desk.now_s() * 1000
    }

    fn get(&self, path: &str, credentials: Option<&Credentials>) -> (u16, Vec<u8>) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut asked = agent.get(format!("{}{path}", self.base));
        if let Some(credentials) = credentials {
            asked = asked.header("audit-signature", credentials.write());
        }
        let mut answer = asked.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
    }

    fn credentials(&self, path: &str, at_s: u64, by: &SigningKey) -> Credentials {
        let signature = by.sign(&request(self.desk.authority.origin(), NAME, at_s, path));
        Credentials { name: NAME.into(), at_s, signature }
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

#[test]
fn batches_are_for_admitted_auditors_alone() {
    let town = Town::new();
    town.live();
    let (path, now_s) = ("/v1/audit/batches/1", town.desk.now_s());
    let good = |at_s| town.credentials(path, at_s, &key());
    assert_eq!(town.get(path, Some(&good(now_s))).0, 401, "not admitted yet");
    assert_eq!(town.admit(ActKind::AuditorAdmit, vkey()).unwrap(), "done");
    assert!(town.admit(ActKind::AuditorAdmit, vkey()).is_err(), "admitted already");
    let of_a_log = NoteSigner::new("x.example", key()).unwrap().verifier(LineType::Signature);
    assert!(town.admit(ActKind::AuditorAdmit, of_a_log).is_err(), "a key that makes no cosignatures");

    let (status, batch) = town.get(path, Some(&good(now_s)));
    assert_eq!(status, 200);
    assert_eq!(Batch::parse(&batch).unwrap().events().len(), 1);
    assert_eq!(town.get(path, None).0, 401);
    assert_eq!(town.get(path, Some(&good(now_s - 301))).0, 401, "an old signature");
    assert_eq!(town.get(path, Some(&good(now_s + 301))).0, 401, "one from the future");
    let other = SigningKey::from_bytes(Algorithm::Ed25519, &[78; 32]).unwrap();
    assert_eq!(town.get(path, Some(&town.credentials(path, now_s, &other))).0, 401, "another key");
    assert_eq!(town.get("/v1/audit/batches/2", Some(&good(now_s))).0, 401, "signed for another path");
    for nothing in ["/v1/audit/batches/0", "/v1/audit/batches/999", "/v1/audit/batches/x"] {
        assert_eq!(town.get(nothing, Some(&town.credentials(nothing, now_s, &key()))).0, 404, "{nothing}");
    }
    let wrong = "/v1/audit/batches?from=0";
    assert_eq!(town.get(wrong, Some(&town.credentials(wrong, now_s, &key()))).0, 400);

    assert_eq!(town.admit(ActKind::AuditorEnd, vkey()).unwrap(), "done");
    assert_eq!(town.get(path, Some(&good(now_s))).0, 401, "no auditor any more");
    assert!(matches!(town.admit(ActKind::AuditorEnd, vkey()), Err(Rejection::NotFound)));
}

/// One by one and in one answer: each batch is the one that its leaf commits to.
#[test]
fn a_batch_is_what_its_epoch_commits_to() {
    let town = Town::new();
    town.live();
    // A number that somebody else had: its control key changes twice.
    town.desk.clock.advance(92 * DAY_MS);
    town.turn();
    town.desk.submit(&town.desk.registration_after_release(3, "again")).unwrap();
    town.turn();
    let authority = &town.desk.authority;
    let (last, all) = (authority.published_epoch(), authority.audit_batches(Leaves::Map, 1).unwrap());
    let all = read_batches(&all, 1).unwrap();
    assert_eq!(all.len() as u64, last);
    let log = Place::Http(town.client(), String::new()).logs().unwrap().remove(1);
    let head = log.head(&[authority.log_keys().map]).unwrap();
    for (n, batch) in (1..=last).zip(all) {
        let (leaf, _) = log.leaf(&head, n).unwrap();
        assert_eq!(authority.audit_batch(Leaves::Map, n).unwrap(), batch);
        assert_eq!(Batch::parse(batch).unwrap().root(), EpochLeaf::parse(&leaf).unwrap().batch, "epoch {n}");
    }
    assert_eq!(authority.audit_batches(Leaves::Map, last + 1).unwrap(), Vec::<u8>::new());
}

#[test]
fn an_auditor_replays_cosigns_and_goes_on() {
    let town = Town::new();
    town.live();
    assert_eq!(town.admit(ActKind::AuditorAdmit, vkey()).unwrap(), "done");
    town.turn();
    let mut auditor = town.auditor().unwrap();
    let round = auditor.round(&mut |_, _| {}).unwrap();
    assert_eq!((round.size, round.epochs), (town.desk.authority.published_epoch() + 1, round.size));
    assert!(round.events >= 12, "{round:?}");
    assert!(town.auditor().is_ok_and(|again| again.origin() == "dir.example/map/0"));
    drop(auditor);

    // The next process goes on from there.
    town.desk.submit(&town.desk.update(1, "sip:third@acme.example")).unwrap();
    town.turn();
    let mut auditor = town.auditor().unwrap();
    let next = auditor.round(&mut |_, _| {}).unwrap();
    assert_eq!((next.epochs, next.events, next.size), (1, 1, round.size + 1));
    assert_eq!(auditor.round(&mut |_, _| {}).unwrap().epochs, 0);

    // Callers see it beside their proofs.
    let authority = &town.desk.authority;
    let trust = TrustList {
        origin: authority.origin().to_owned(),
        log: authority.log_keys().map,
        witnesses: Vec::new(),
        quorum: 0,
        auditors: vec![vkey()],
        vrf: callbook::log::vrf::PublicKey::new(&authority.vrf_key()).unwrap(),
        eras: Vec::new(),
    };
    town.desk.clock.advance(61_000);
    town.turn();
    let answer = town.client().proof_and_audit(number(1), &[NAME.to_owned()]).unwrap();
    let proof = callbook::log::proof::Proof::parse(&answer.proof).unwrap();
    let now_ms = town.now_ms();
    let mut proved = callbook::log::proved::check(&proof, number(1), &trust, now_ms, None).unwrap();
    let said = answer.auditor.unwrap();
    let hashes: Vec<_> =
        said.consistency.iter().map(|hash| callbook::log::bytes::array_from_base64(hash).unwrap()).collect();
    assert_eq!(hashes.is_empty(), proved.checkpoint.size == next.size, "an epoch has come since");
    let audit = Audit { checkpoint: &said.checkpoint, consistency: &hashes };
    let time_s = audited::check(audit, &proved.checkpoint, proved.epoch_ms, &trust, now_ms).unwrap();
    assert!(proved.warnings.iter().any(|warning| warning.word() == "unaudited"));
    proved.add_audit(time_s.unwrap());
    assert!(proved.warnings.iter().all(|warning| warning.word() != "unaudited"));
    assert_eq!(town.client().proof_and_audit(number(1), &["other.example".into()]).unwrap().auditor, None);

    // A cosignature of somebody who is not admitted is not taken, nor one over another log.
    let stranger = NoteSigner::new("stranger.example", key()).unwrap();
    let (text, _) = round.checkpoint.split_once("\n\n").unwrap();
    let note = format!("{text}\n\n{}", stranger.cosign(&format!("{text}\n"), now_ms / 1000));
    assert!(town.client().audited(note).is_err());
    assert_eq!(
        town.client().audited(round.checkpoint.clone()).unwrap().size,
        next.size,
        "an older one changes nothing"
    );
}

/// The second auditor has nothing to say against it either.
#[test]
fn the_second_auditor_agrees_about_a_directory_that_runs() {
    let town = Town::new();
    town.live();
    let logs = Place::Http(town.client(), String::new()).logs().unwrap();
    let keys = town.desk.authority.log_keys();
    let leaves = |i: usize, key: VerifierKey| -> Vec<Vec<u8>> {
        let head = logs[i].head(&[key]).unwrap();
        (0..head.checkpoint.size).map(|n| logs[i].leaf(&head, n).unwrap().0.into_bytes()).collect()
    };
    let (gov, map) = (leaves(0, keys.gov.clone()), leaves(1, keys.map));
    let batches: Vec<_> =
        (1..map.len() as u64).map(|n| town.desk.authority.audit_batch(Leaves::Map, n).unwrap()).collect();
    let log = dump(&keys.gov.to_string(), town.desk.authority.origin(), &gov, &map, &batches, &[]);
    let Some(said) = second_opinion(&[log]) else { return };
    assert_eq!(said, [None]);
}

/// What the auditor has is not what the directory says now: that is an alarm, and its evidence is whole.
#[test]
fn a_map_that_no_event_explains_is_an_alarm() {
    let town = Town::new();
    town.live();
    town.admit(ActKind::AuditorAdmit, vkey()).unwrap();
    let first = town.auditor().unwrap().round(&mut |_, _| {}).unwrap();
    // As if the directory had another State of one number than its events led to.
    let file = town.home.path().join("auditor.sqlite");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.execute("UPDATE labels SET s = zeroblob(32) WHERE label = (SELECT min(label) FROM labels)", []).unwrap();
    conn.close().unwrap();
    town.desk.clock.advance(61_000);
    town.turn();
    let mut auditor = town.auditor().unwrap();
    for _ in 0..2 {
        let Err(FollowError::Broken(alarm)) = auditor.round(&mut |_, _| {}) else { panic!("no alarm") };
        assert_eq!(
            (alarm.rule.as_str(), alarm.place.as_str()),
            ("epoch: map root", format!("epoch {}", first.size).as_str())
        );
        let leaf = callbook::log::bytes::from_base64(&alarm.leaf).unwrap();
        assert_eq!(EpochLeaf::parse(std::str::from_utf8(&leaf).unwrap()).unwrap().epoch, first.size);
        assert!(alarm.checkpoint.starts_with("dir.example/map/0\n"));
        assert!(alarm.told().get("batch").is_none(), "what goes over the network holds no label");
        alarm.raise(town.home.path()).unwrap();
        let standing = callbook::attest::auditor::alarm::Alarm::standing(town.home.path()).unwrap();
        assert_eq!(standing.as_ref(), Some(&*alarm));
    }
}
