//! The trust repository beside a directory: signed anew in time, told once a version, in trouble without stopping anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use callbook::authority::{self, Proposal, Subject, TrustError, TrustStore, TrustWish};
use callbook::charter::trust::plan::Plan;
use callbook::charter::trust::{Document, Kept, Update};
use callbook::charter::{POLICY_TEXT, Policy, TEXT};
use callbook::ledger::{Ledger, LedgerError, OpenError};
use callbook::log::bytes::to_base64;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::registry::acts::ActKind;
use callbook::seal::Lock;
use serde_json::Value;

use super::desk::{Desk, START_MS, settings};
use super::staff::{two_people, wish};

const DAY_S: u64 = 86_400;

fn holder() -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[77; 32]).unwrap()
}

/// Drafts, signs as the one holder, publishes.
fn publish(dir: &Path, store: &TrustStore, now_s: u64) -> Result<authority::Published, TrustError> {
    let facts = authority::facts(&settings(dir), &Policy::embedded(), now_s * 1000).unwrap();
    for one in authority::draft(store, &settings(dir), &facts, &TrustWish::default(), now_s)? {
        let mut document = Document::read(&fs::read(&one.file).unwrap(), one.role).unwrap();
        document.sign(&holder());
        fs::write(&one.file, document.write()).unwrap();
    }
    authority::publish_trust(store, &dir.join("keys"), &Lock::default(), &[], now_s)
}

/// A directory of one provider with a repository of one holder.
fn begun(dir: &Path) -> (Desk, TrustStore) {
    let desk = Desk::new(dir);
    let charter = dir.join("charter");
    fs::create_dir_all(&charter).unwrap();
    let key = format!("ed25519:{}", to_base64(holder().public().bytes()));
    fs::write(charter.join("trust.toml"), Plan::of_one("Ana", &key)).unwrap();
    let store = TrustStore::at(&charter);
    publish(dir, &store, desk.now_s()).unwrap();
    (desk, store)
}

/// What the gov log tells: versions by role.
fn told(dir: &Path) -> BTreeMap<String, Vec<u64>> {
    let leaves = Ledger::peek::<_, PeekError>(&dir.join("data"), |now| Ok(now.gov_leaves(1000)?)).unwrap();
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for leaf in leaves {
        let text = String::from_utf8(leaf).unwrap();
        let json: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        if json["type"] == "trust" {
            let body = &json["body"];
            let role = body["role"].as_str().unwrap().to_owned();
            all.entry(role).or_default().push(body["version"].as_u64().unwrap());
        }
    }
    all
}

#[derive(Debug)]
#[expect(dead_code, reason = "shown when a test fails")]
enum PeekError {
    Open(OpenError),
    Ledger(LedgerError),
}

impl From<OpenError> for PeekError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<LedgerError> for PeekError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// A client that begins now believes what is published.
fn is_believed(store: &TrustStore, now_s: u64) -> bool {
    store.walk(now_s).is_ok_and(|update: Update| update.targets().is_some())
}

#[test]
fn what_is_newest_is_signed_anew_in_time_and_each_version_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, store) = begun(dir.path());
    desk.authority.keep_trust(store.clone());
    let first = |roles: &[(&str, &[u64])]| -> BTreeMap<String, Vec<u64>> {
        roles.iter().map(|(role, versions)| ((*role).to_owned(), versions.to_vec())).collect()
    };
    let one: &[u64] = &[1];
    let begun = [("root", one), ("targets", one), ("providers", one), ("snapshot", one), ("timestamp", one)];
    assert_eq!(told(dir.path()), first(&begun));
    // Twenty days pass, and the service looks each half day.
    for half in 1..=40 {
        desk.clock.set(START_MS + half * 43_200_000);
        desk.authority.upkeep().unwrap();
        assert!(is_believed(&store, desk.now_s()), "after {half} half days");
    }
    let now = told(dir.path());
    assert_eq!(now["root"], [1]);
    let is_gapless = |versions: &[u64]| versions.iter().zip(1..).all(|(version, n)| *version == n);
    assert!(now["timestamp"].len() >= 13 && is_gapless(&now["timestamp"]), "{now:?}");
    assert!((3..=6).contains(&now["snapshot"].len()) && is_gapless(&now["snapshot"]), "{now:?}");
    assert_eq!(desk.authority.trust_vitals().trouble, None);
    assert!(desk.authority.trust_vitals().expires["timestamp"] > desk.now_s());
    // What is published while the service stands is told when it looks next; again it is not told twice.
    desk.authority.upkeep().unwrap();
    assert_eq!(told(dir.path()), now);
    assert!(matches!(publish(dir.path(), &store, desk.now_s()), Err(TrustError::Refused(_))), "nothing has changed");
}

#[test]
fn without_its_key_the_directory_goes_on_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, store) = begun(dir.path());
    desk.authority.keep_trust(store.clone());
    let key = dir.path().join("keys/trust-timestamp.key");
    let aside = dir.path().join("aside.key");
    fs::rename(&key, &aside).unwrap();
    desk.clock.set(START_MS + 3 * DAY_S * 1000);
    desk.authority.upkeep().unwrap();
    let trouble = desk.authority.trust_vitals().trouble.expect("it cannot sign");
    assert!(trouble.contains("trust-timestamp.key"), "{trouble}");
    assert!(!is_believed(&store, desk.now_s()) && is_believed(&store, desk.now_s() - 2 * DAY_S));
    desk.register(1); // the directory works
    // Another key than the one that the root names signs nothing.
    let other = SigningKey::from_bytes(Algorithm::Ed25519, &[78; 32]).unwrap();
    fs::write(&key, format!("callbook/key/v1 trust-timestamp {}\n", to_base64(&*other.to_bytes()))).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    desk.authority.upkeep().unwrap();
    let trouble = desk.authority.trust_vitals().trouble.expect("it must not sign");
    assert!(trouble.contains("does not name"), "{trouble}");
    // `draft` makes a root that names it, if it is to be the new one; here the old one comes back.
    fs::rename(&aside, &key).unwrap();
    desk.authority.upkeep().unwrap();
    assert_eq!(desk.authority.trust_vitals().trouble, None);
    assert!(is_believed(&store, desk.now_s()));
}

#[test]
fn a_lost_online_key_is_replaced_by_a_root_and_a_client_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, store) = begun(dir.path());
    let pinned = store.file("1.root.json", 1 << 20).unwrap().unwrap();
    let mut client = Update::begin(&pinned, Kept::default(), desk.now_s()).unwrap();
    client.run(|wanted| store.fetch(wanted)).unwrap();
    for name in ["trust-timestamp.key", "trust-snapshot.key"] {
        fs::remove_file(dir.path().join("keys").join(name)).unwrap();
    }
    let done = publish(dir.path(), &store, desk.now_s() + 60).unwrap();
    assert_eq!(done.roles, [("root", 2)]);
    let mut again = Update::begin(&pinned, client.kept().clone(), desk.now_s() + 60).unwrap();
    again.run(|wanted| store.fetch(wanted)).unwrap();
    assert_eq!((again.root().0.version, again.timestamp().unwrap().0.version), (2, 2));
}

#[test]
fn an_older_copy_that_was_restored_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, store) = begun(dir.path());
    desk.authority.keep_trust(store.clone());
    let (folder, copy) = (store.published(), dir.path().join("copy"));
    let copied = std::process::Command::new("cp").arg("-r").args([&folder, &copy]).status().unwrap();
    assert!(copied.success());
    desk.clock.set(START_MS + 86_400_000 + 1000);
    desk.authority.upkeep().unwrap();
    assert_eq!(told(dir.path())["timestamp"], [1, 2]);
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&copy, &folder).unwrap();
    desk.authority.upkeep().unwrap();
    let trouble = desk.authority.trust_vitals().trouble.expect("it is older");
    assert!(trouble.contains("timestamp version 2") && trouble.contains("older copy"), "{trouble}");
}

/// Providers come and go: the register is drafted anew, and nothing else.
#[test]
fn what_changes_is_drafted_and_what_does_not_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, store) = begun(dir.path());
    let bravo = authority::Entrant { id: "bravo".into(), name: "Bravo".into(), ..super::desk::acme() };
    let bravo = authority::Entrant {
        statement_keys: vec![SigningKey::from_bytes(Algorithm::Ed25519, &[31; 32]).unwrap().public().clone()],
        validation_keys: Vec::new(),
        ..bravo
    };
    desk.authority.add_provider(&authority::Actor::operator(), bravo).unwrap();
    let done = publish(dir.path(), &store, desk.now_s()).unwrap();
    assert_eq!(done.roles, [("providers", 2)]);
    // Of an unsigned draft nothing is published.
    let facts = authority::facts(&settings(dir.path()), &Policy::embedded(), desk.now_s() * 1000).unwrap();
    let wish = TrustWish { renew: vec!["root".into()], ..TrustWish::default() };
    authority::draft(&store, &settings(dir.path()), &facts, &wish, desk.now_s()).unwrap();
    let before = store.walk(0).unwrap().timestamp().unwrap().0.version;
    let no = authority::publish_trust(&store, &dir.path().join("keys"), &Lock::default(), &[], desk.now_s());
    assert!(matches!(&no, Err(TrustError::Refused(why)) if why.contains("0 of 1") && why.contains("Ana")), "{no:?}");
    assert_eq!(store.walk(0).unwrap().timestamp().unwrap().0.version, before);
}

/// A version that is announced is signed ahead, so that the day on which it takes effect stops nothing.
#[test]
fn the_charter_that_is_coming_is_signed_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let (desk, store) = begun(dir.path());
    let other = |prefix: &str| {
        let text = POLICY_TEXT.replace("prefix = \"+999\"", &format!("prefix = \"{prefix}\""));
        Policy::parse(&text).unwrap().beside(TEXT)
    };
    let (next, never) = (other("+998"), other("+997"));
    let (ada, ben) = two_people(&desk);
    let proposal = Proposal { policy: Arc::new(next.clone()), effective_ms: None };
    let wished = wish(ActKind::Charter, Subject::Charter(proposal));
    let act = desk.authority.request_act(&ada, wished, None).unwrap();
    let early = publish(dir.path(), &store, desk.now_s());
    let nothing = |why: &TrustError| why.to_string().contains("there is no draft");
    assert!(early.as_ref().is_err_and(nothing), "what one person wants is not signed ahead: {early:?}");
    desk.authority.approve_act(&ben, &act.row.id).unwrap();
    let no = authority::check_start(&store, &next, desk.now_s()).unwrap_err().to_string();
    assert!(no.contains("1.targets.json"), "not signed yet: {no}");
    assert_eq!(publish(dir.path(), &store, desk.now_s()).unwrap().roles, [("targets", 2)]);
    for policy in [&Policy::embedded(), &next] {
        authority::check_start(&store, policy, desk.now_s()).unwrap();
    }
    assert!(authority::check_start(&store, &never, desk.now_s()).is_err());
    // Later it is the one in force, and nothing is coming.
    let later_s = desk.now_s() + 61 * DAY_S;
    desk.clock.set(later_s * 1000);
    assert_eq!(publish(dir.path(), &store, later_s).unwrap().roles, [("targets", 3), ("providers", 2)]);
    authority::check_start(&store, &next, later_s).unwrap();
    assert!(authority::check_start(&store, &Policy::embedded(), later_s).is_err());
}
