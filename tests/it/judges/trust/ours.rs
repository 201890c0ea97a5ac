//! What the charter adds to the rules of TUF: needed targets, folders of roles, two weeks of brake. No other client knows these.

use std::collections::BTreeMap;

use callbook::charter::trust::contents::{
    Content, Directories, Logs, RegisterContent, SignedLog, Suspended, TrustedDirectory, Witnesses,
};
use callbook::charter::trust::rules::{self, BRAKE_LIFE_D_MAX, Believed, Brake};
use callbook::charter::trust::{Delegation, FileInfo, Kept, Untrusted, Update, Wanted, Why};
use callbook::log::bytes::to_base64;
use callbook::log::note::{LineType, NoteSigner};
use callbook::log::random::Seeded;
use callbook::log::vrf;

use super::repository::{DAY_S, NOW_S, Repository, key};

fn whole() -> Repository {
    let mut repository = Repository::first();
    let log = |origin: &str| {
        let signer = NoteSigner::new(origin, key(61)).unwrap();
        SignedLog { origin: origin.to_owned(), vkeys: vec![signer.verifier(LineType::Signature).to_string()] }
    };
    let vrf = vrf::SecretKey::generate(&Seeded::new([7; 32])).unwrap();
    let vrf = to_base64(vrf.public().as_bytes());
    let logs = Logs::new(log("dir.example/gov"), log("dir.example/map/0"), vrf, Vec::new());
    let own = TrustedDirectory { apex: "e164.example.".into(), host: "dir.example".into() };
    repository.put("logs.json", &logs.write());
    repository.put("witnesses.json", &Witnesses::new(Vec::new(), 0, Vec::new()).write());
    repository.put("directories.json", &Directories::new(vec![own]).write());
    repository.put("providers/register.json", &RegisterContent::new(Vec::new()).write());
    repository
}

fn braked(expires_s: u64) -> Repository {
    let mut repository = whole();
    repository.brake(&Suspended::new(vec!["acme".into()], Vec::new()).write());
    repository.brake.as_mut().unwrap().1.expires_s = expires_s;
    repository
}

fn walked(files: &BTreeMap<String, Vec<u8>>) -> Result<Update, Untrusted> {
    let mut update = Update::begin(&files["1.root.json"], Kept::default(), NOW_S)?;
    update.run(|wanted: &Wanted| Ok::<_, Untrusted>(files.get(&wanted.file).cloned()))?;
    Ok(update)
}

fn believed(repository: &Repository) -> Result<Believed, Untrusted> {
    let files = repository.files();
    let update = walked(&files)?;
    Believed::gather(&update, NOW_S, |wanted| Ok::<_, Untrusted>(files.get(&wanted.file).cloned()))
}

fn refused(bend: impl Fn(&mut Repository)) -> Untrusted {
    let mut repository = braked(NOW_S + DAY_S);
    bend(&mut repository);
    believed(&repository).expect_err("it breaks a rule")
}

#[test]
fn a_brake_holds_for_two_weeks_at_most_and_then_is_over() {
    assert_eq!(believed(&whole()).unwrap().brake, Brake::NeverSet);
    let set = believed(&braked(NOW_S + BRAKE_LIFE_D_MAX * DAY_S)).unwrap();
    assert!(matches!(set.brake, Brake::Set { suspended, .. } if suspended.providers == ["acme"]));
    let over = believed(&braked(NOW_S)).unwrap();
    assert!(matches!(over.brake, Brake::Over(no) if no.why == Why::Expired));
    let long = believed(&braked(NOW_S + (BRAKE_LIFE_D_MAX + 1) * DAY_S)).unwrap_err();
    assert_eq!((long.why, long.file.as_str()), (Why::Rule, "1.brake.json"), "{long}");
}

#[test]
fn a_brake_gives_nothing() {
    let gives = refused(|r| {
        r.put("brake/suspended.json", br#"{"format": 1, "providers": [], "log_keys": [], "trusted": ["eve"]}"#)
    });
    assert_eq!((gives.why, gives.file.as_str()), (Why::Form, "brake/suspended.json"), "{gives}");
    let unsigned = refused(|r| r.brake.as_mut().unwrap().1.by = vec![51]);
    assert_eq!(
        (unsigned.why, unsigned.file.as_str()),
        (Why::Signatures, "1.brake.json"),
        "one of two is no brake: {unsigned}"
    );
    let elsewhere = refused(|r| drop(r.brake.as_mut().unwrap().0.files.remove("brake/suspended.json")));
    assert_eq!(elsewhere.why, Why::Rule, "{elsewhere}");
}

#[test]
fn every_role_keeps_to_its_folder_and_every_target_is_needed() {
    for path in ["charter.md", "policy.toml", "logs.json", "witnesses.json", "directories.json"] {
        let no = refused(|r| drop(r.targets.0.files.remove(path)));
        assert_eq!((no.why, no.expected.as_str()), (Why::Rule, path), "{no}");
    }
    let wide = refused(|r| r.targets.0.delegations.roles[0].paths = vec!["*".into()]);
    assert_eq!(wide.why, Why::Rule, "{wide}");
    let unknown = refused(|r| {
        let Delegation { role, .. } = r.targets.0.delegations.roles[0].clone();
        let name = "friends".to_owned();
        r.targets.0.delegations.roles.push(Delegation {
            name,
            role,
            paths: vec!["friends/*".into()],
            terminating: true,
        });
    });
    assert_eq!((unknown.why, unknown.found.as_str()), (Why::Rule, "friends"), "{unknown}");
    let over = refused(|r| r.providers.1.expires_s = NOW_S);
    assert_eq!((over.why, over.file.as_str()), (Why::Expired, "1.providers.json"), "{over}");
    // Clients pass over what a role signs outside its folder; a publication with it is refused.
    let mut outside = whole();
    outside.providers.0.files.insert("policy.toml".into(), FileInfo::of(b"mine"));
    assert!(believed(&outside).is_ok());
    let no = rules::stays_within(&walked(&outside.files()).unwrap()).unwrap_err();
    assert_eq!((no.why, no.found.as_str()), (Why::Rule, "policy.toml"), "{no}");
    assert!(rules::stays_within(&walked(&whole().files()).unwrap()).is_ok());
}

#[test]
fn a_refusal_names_the_file_what_was_expected_and_what_was_found() {
    let no = refused(|r| r.timestamp.expires_s = NOW_S - 60);
    let said = no.to_string();
    assert!(
        ["timestamp.json", "2027-01-15T08:00:00Z", "2027-01-15T07:59:00Z"].iter().all(|word| said.contains(word)),
        "{said}"
    );
    let no = refused(|r| r.roots[0].1.by = vec![2]).to_string();
    assert!(no.contains("by 2 keys") && no.contains("found 1; missing"), "{no}");
}
