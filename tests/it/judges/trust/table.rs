//! Each rule by a case that keeps it and one that breaks it: with what is expected, and with what python-tuf says.

use std::collections::BTreeMap;
use std::fs;

use callbook::charter::trust::{Delegation, MetaInfo, Role};
use serde_json::{Value, json};

use super::repository::{DAY_S, NOW_S, Repository, key, role};
use super::{Scenario, Step, ours, python, theirs};

type Files = BTreeMap<String, Vec<u8>>;

/// A case: its name, its steps, and which of them end well.
struct Case {
    name: &'static str,
    steps: Vec<Step>,
    ok: Vec<bool>,
}

fn at(files: Files, now_s: u64) -> Step {
    Step { files, now_s }
}

fn case(name: &'static str, states: Vec<(Files, bool)>) -> Case {
    let (files, ok): (Vec<Files>, Vec<bool>) = states.into_iter().unzip();
    Case { name, steps: files.into_iter().map(|files| at(files, NOW_S)).collect(), ok }
}

fn bent(bend: impl Fn(&mut Repository)) -> Files {
    let mut repository = Repository::first();
    bend(&mut repository);
    repository.files()
}

/// The first repository with one file changed after everything was signed.
fn edited(file: &str, edit: impl Fn(Vec<u8>) -> Vec<u8>) -> Files {
    let mut files = Repository::first().files();
    let bytes = files.remove(file).expect("a file to edit");
    files.insert(file.to_owned(), edit(bytes));
    files
}

fn json_edited(file: &str, edit: impl Fn(&mut Value)) -> Files {
    edited(file, |bytes| {
        let mut value: Value = serde_json::from_slice(&bytes).expect("JSON");
        edit(&mut value);
        serde_json::to_vec(&value).expect("JSON")
    })
}

fn second(bend: impl Fn(&mut Repository)) -> Files {
    bent(|repository| {
        repository.targets.1.version += 1;
        repository.put("charter.md", b"**1.1** Another law.\n");
        repository.turn();
        bend(repository);
    })
}

/// Good repositories, one after another as a directory publishes them.
fn a_life() -> Case {
    let rotated = |repository: &mut Repository| {
        repository.rotate(&[1, 3, 4], |root| {
            let next = role(&mut root.keys, &[1, 4, 5], 2);
            root.roles.insert(callbook::charter::trust::Kind::Root, next);
        });
    };
    let raised = |repository: &mut Repository| {
        rotated(repository);
        repository.rotate(&[1, 4, 5], |root| {
            let next = role(&mut root.keys, &[1, 4, 5], 3);
            root.roles.insert(callbook::charter::trust::Kind::Root, next);
        });
    };
    let braked = |repository: &mut Repository| {
        raised(repository);
        repository.brake(b"{\"suspended\": true}");
    };
    let life = vec![
        (bent(|_| {}), true),
        (second(|_| {}), true),
        (second(|r| (r.turn(), rotated(r)).1), true),
        (second(|r| (r.turn(), r.turn(), raised(r)).2), true),
        (second(|r| (r.turn(), r.turn(), r.turn(), braked(r)).3), true),
        (
            second(|r| {
                (0..4).for_each(|_| r.turn());
                braked(r);
                r.brake.as_mut().expect("set").1.expires_s = NOW_S - 1;
                r.brake.as_mut().expect("set").1.version = 2;
            }),
            true,
        ),
        (
            second(|r| {
                (0..5).for_each(|_| r.turn());
                braked(r);
                r.brake.as_mut().expect("set").1.version = 3;
                r.providers.1.version = 2;
                r.put("providers/register.json", b"{\"providers\": 1}");
            }),
            true,
        ),
    ];
    case("a life: first, new targets, root rotated, threshold raised, brake set, brake over, providers new", life)
}

/// Good repositories.
fn good() -> Vec<Case> {
    vec![
        a_life(),
        case("any two of three", vec![(bent(|r| r.roots[0].1.by = vec![2, 3]), true)]),
        case("all three of three", vec![(bent(|r| r.roots[0].1.by = vec![1, 2, 3]), true)]),
        case("one who may not sign too", vec![(bent(|r| r.targets.1.by = vec![11, 12, 99]), true)]),
        case("the same again", vec![(bent(|_| {}), true), (bent(|_| {}), true)]),
        case(
            "a thief ran ahead with the timestamp; its key was changed",
            vec![
                (bent(|r| r.timestamp.version = 1_000_000), true),
                (bent(|_| {}), false),
                (
                    bent(|r| {
                        r.rotate(&[1, 2], |root| {
                            let next = role(&mut root.keys, &[32], 1);
                            root.roles.insert(callbook::charter::trust::Kind::Timestamp, next);
                        });
                        r.timestamp.by = vec![32];
                    }),
                    true,
                ),
            ],
        ),
        case(
            "a role that is not terminating",
            vec![(bent(|r| r.targets.0.delegations.roles[1].terminating = false), true)],
        ),
        case(
            "an intermediate root that is over",
            vec![(
                bent(|r| {
                    r.roots[0].1.expires_s = NOW_S - DAY_S;
                    r.rotate(&[1, 2], |_| {});
                }),
                true,
            )],
        ),
    ]
}

/// Too old, of each role.
fn bad_by_role() -> Vec<Case> {
    let over = NOW_S - 1;
    vec![
        case("root over", vec![(bent(|r| r.roots[0].1.expires_s = over), false)]),
        case("root over at this very second", vec![(bent(|r| r.roots[0].1.expires_s = NOW_S), false)]),
        case("timestamp over", vec![(bent(|r| r.timestamp.expires_s = over), false)]),
        case("snapshot over", vec![(bent(|r| r.snapshot.expires_s = over), false)]),
        case("targets over", vec![(bent(|r| r.targets.1.expires_s = over), false)]),
        case("providers over", vec![(bent(|r| r.providers.1.expires_s = over), true)]),
        case("timestamp rolled back", vec![(second(|_| {}), true), (bent(|_| {}), false), (second(|_| {}), true)]),
        case(
            "timestamp of the same version with another text",
            vec![(bent(|_| {}), true), (second(|r| r.timestamp.version = 1), true)],
        ),
        case("snapshot rolled back", vec![(second(|_| {}), true), (bent(|r| r.timestamp.version = 9), false)]),
        case(
            "targets rolled back",
            vec![(second(|_| {}), true), (bent(|r| (r.snapshot.version, r.timestamp.version) = (9, 9)), false)],
        ),
        case(
            "providers rolled back",
            vec![
                (bent(|r| r.providers.1.version = 2), true),
                (bent(|r| (r.snapshot.version, r.timestamp.version) = (9, 9)), false),
            ],
        ),
        case(
            "brake taken away",
            vec![
                (bent(|r| r.brake(b"{}")), true),
                (bent(|r| (r.snapshot.version, r.timestamp.version) = (9, 9)), false),
            ],
        ),
        case(
            "root rolled back to what was seen",
            vec![(bent(|r| r.rotate(&[1, 2], |_| {})), true), (bent(|_| {}), true)],
        ),
        case(
            "root that skips a version",
            vec![(
                bent(|r| {
                    r.rotate(&[1, 2], |_| {});
                    r.roots[1].1.version = 3;
                }),
                true,
            )],
        ),
        case(
            "root of a wrong version under the right name",
            vec![(
                {
                    let mut files = bent(|_| {});
                    files.insert("2.root.json".into(), files["1.root.json"].clone());
                    files
                },
                false,
            )],
        ),
    ]
}

/// Too few, or somebody else.
fn signed_by_others() -> Vec<Case> {
    vec![
        case("root below its threshold", vec![(bent(|r| r.roots[0].1.by = vec![1]), false)]),
        case("next root below the threshold of the one before", vec![(bent(|r| r.rotate(&[1], |_| {})), false)]),
        case(
            "next root signed by the one before alone",
            vec![(
                bent(|r| {
                    r.rotate(&[1, 2], |root| {
                        let next = role(&mut root.keys, &[4, 5], 2);
                        root.roles.insert(callbook::charter::trust::Kind::Root, next);
                    });
                }),
                false,
            )],
        ),
        case("targets below their threshold", vec![(bent(|r| r.targets.1.by = vec![11]), false)]),
        case("targets by a key of another role", vec![(bent(|r| r.targets.1.by = vec![11, 21]), false)]),
        case("snapshot by a wrong key", vec![(bent(|r| r.snapshot.by = vec![31]), false)]),
        case("timestamp by a wrong key", vec![(bent(|r| r.timestamp.by = vec![99]), false)]),
        case("timestamp by nobody", vec![(bent(|r| r.timestamp.by.clear()), false)]),
        case("providers by a wrong key", vec![(bent(|r| r.providers.1.by = vec![51]), true)]),
        case(
            "brake by one of two",
            vec![(
                bent(|r| {
                    r.brake(b"{}");
                    r.brake.as_mut().expect("set").1.by = vec![51];
                }),
                true,
            )],
        ),
    ]
}

/// Files that do not belong together, or are not what they seem.
fn bad_by_file() -> Vec<Case> {
    let first = || Repository::first().files();
    let swapped = |name: &str, from: Files| {
        let mut files = second(|_| {});
        let (_, bytes) = from.into_iter().find(|(file, _)| file.ends_with(name)).expect("the file");
        let (file, _) = files.iter().find(|(file, _)| file.ends_with(name)).expect("the file");
        let file = file.clone();
        files.insert(file, bytes);
        files
    };
    let without = |name: &str| {
        let mut files = first();
        files.retain(|file, _| !file.ends_with(name));
        files
    };
    let padded = |file: &str, to: usize| {
        edited(file, |mut bytes| {
            bytes.resize(to, b' ');
            bytes
        })
    };
    vec![
        case("snapshot of another state", vec![(swapped("snapshot.json", first()), false)]),
        case("targets of another state", vec![(swapped("targets.json", first()), false)]),
        case("a target of another state", vec![(swapped(".charter.md", first()), true)]),
        case("no timestamp", vec![(without("timestamp.json"), false)]),
        case("no snapshot", vec![(without("snapshot.json"), false)]),
        case("no targets", vec![(without("1.targets.json"), false)]),
        case("no providers", vec![(without("1.providers.json"), true)]),
        case("no charter", vec![(without("charter.md"), true)]),
        case("a timestamp with space behind it", vec![(padded("timestamp.json", 16 * 1024), true)]),
        case("a timestamp that never ends", vec![(padded("timestamp.json", 16 * 1024 + 1), false)]),
        case(
            "a root that never ends",
            vec![(
                {
                    let mut f = bent(|r| r.rotate(&[1, 2], |_| {}));
                    let mut bytes = f["2.root.json"].clone();
                    bytes.resize(256 * 1024 + 1, b' ');
                    f.insert("2.root.json".into(), bytes);
                    f
                },
                false,
            )],
        ),
        case("a snapshot that is longer than it is said", vec![(padded("1.snapshot.json", 9000), false)]),
        case(
            "a target that is longer than it is said",
            vec![(edited_target("policy.toml", |bytes| bytes.push(b'x')), true)],
        ),
        case(
            "a target that is shorter than it is said",
            vec![(edited_target("policy.toml", |bytes| bytes.truncate(bytes.len() - 1)), true)],
        ),
        case("a target of the same length", vec![(edited_target("policy.toml", |bytes| bytes[0] ^= 1), true)]),
    ]
}

/// Files that say something else than was signed, or nothing.
fn bad_by_text() -> Vec<Case> {
    let first = || Repository::first().files();
    let doubled = json_edited("timestamp.json", |value| {
        let again = value["signatures"][0].clone();
        value["signatures"].as_array_mut().expect("a list").push(again);
    });
    vec![
        case("two signatures by one key", vec![(doubled, false)]),
        case(
            "a signature that is no hexadecimal",
            vec![(json_edited("timestamp.json", |v| v["signatures"][0]["sig"] = json!("zz")), false)],
        ),
        case(
            "a member beside what is signed",
            vec![(json_edited("timestamp.json", |v| v["note"] = json!("hello")), true)],
        ),
        case(
            "a member in what is signed",
            vec![(json_edited("timestamp.json", |v| v["signed"]["note"] = json!("hello")), false)],
        ),
        case(
            "another type",
            vec![(json_edited("timestamp.json", |v| v["signed"]["_type"] = json!("snapshot")), false)],
        ),
        case("not JSON", vec![(edited("timestamp.json", |_| b"hello".to_vec()), false)]),
        case("nothing", vec![(edited("timestamp.json", |_| Vec::new()), false)]),
        case(
            "a snapshot where the timestamp is due",
            vec![(
                {
                    let mut f = first();
                    let s = f["1.snapshot.json"].clone();
                    f.insert("timestamp.json".into(), s);
                    f
                },
                false,
            )],
        ),
    ]
}

fn edited_target(path: &str, edit: impl Fn(&mut Vec<u8>)) -> Files {
    let mut files = Repository::first().files();
    for (_, bytes) in files.iter_mut().filter(|(file, _)| file.ends_with(path)) {
        edit(bytes);
    }
    files
}

/// Mistakes that are signed by those who may.
fn bad_by_those_who_sign() -> Vec<Case> {
    let named = |bend: &dyn Fn(&mut BTreeMap<String, MetaInfo>)| {
        let repository = Repository::first();
        let files = repository.files();
        let mut meta = BTreeMap::new();
        for name in ["targets", "providers"] {
            meta.insert(format!("{name}.json"), MetaInfo::of(1, &files[&format!("1.{name}.json")]));
        }
        bend(&mut meta);
        repository.newest(meta, files)
    };
    let outside = bent(|r| {
        r.providers.0.files.insert("charter2.md".into(), callbook::charter::trust::FileInfo::of(b"x"));
        r.targets.0.files.remove("policy.toml");
        r.providers.0.files.insert("policy.toml".into(), callbook::charter::trust::FileInfo::of(b"mine"));
        r.contents.insert("policy.toml".into(), b"mine".to_vec());
    });
    vec![
        case("a role that signs outside its paths", vec![(outside, true)]),
        case("a role that nobody delegates to", vec![(bent(|r| drop(r.targets.0.delegations.roles.pop())), true)]),
        case("a role that is not in the snapshot", vec![(named(&|meta| drop(meta.remove("providers.json"))), true)]),
        case("targets that are not in the snapshot", vec![(named(&|meta| drop(meta.remove("targets.json"))), false)]),
        case(
            "another version than the snapshot names",
            vec![(named(&|meta| meta.get_mut("targets.json").expect("named").version = 2), false)],
        ),
        case(
            "another length than the snapshot names",
            vec![(named(&|meta| meta.get_mut("targets.json").expect("named").length = Some(7)), false)],
        ),
        case(
            "a digest of an unknown kind",
            vec![(
                named(&|meta| {
                    let info = meta.get_mut("targets.json").expect("named");
                    info.hashes = Some(BTreeMap::from([("sha0".to_owned(), "00".to_owned())]));
                }),
                false,
            )],
        ),
        case(
            "no digest and no length",
            vec![(
                named(&|meta| {
                    let info = meta.get_mut("targets.json").expect("named");
                    (info.hashes, info.length) = (None, None);
                }),
                true,
            )],
        ),
        case(
            "a threshold that nobody can reach",
            vec![(bent(|r| r.targets.0.delegations.roles[1].role.threshold = 2), true)],
        ),
    ]
}

/// The same of what is said of delegated roles.
fn bad_delegations() -> Vec<Case> {
    vec![
        case("a role without keys", vec![(bent(|r| r.targets.0.delegations.roles[1].role.keys.clear()), true)]),
        case("a threshold of nothing", vec![(bent(|r| r.targets.0.delegations.roles[1].role.threshold = 0), false)]),
        case(
            "a key twice in a role",
            vec![(
                bent(|r| {
                    let keys = &mut r.targets.0.delegations.roles[0].role.keys;
                    keys[1] = keys[0].clone();
                }),
                false,
            )],
        ),
        case(
            "a role twice",
            vec![(
                bent(|r| {
                    let again = r.targets.0.delegations.roles[0].clone();
                    r.targets.0.delegations.roles.push(again);
                }),
                false,
            )],
        ),
        case(
            "a delegated role of a name at the top",
            vec![(bent(|r| r.targets.0.delegations.roles[0].name = "snapshot".into()), false)],
        ),
        case("a role that is asked before, and not terminating", vec![(shadowed(false), true)]),
        case("a role that is asked before, and terminating", vec![(shadowed(true), true)]),
    ]
}

/// `brake` may sign for `providers/` too, and stands before it.
fn shadowed(terminating: bool) -> Files {
    bent(|r| {
        r.brake(b"{}");
        let Delegation { paths, terminating: ends, .. } = &mut r.targets.0.delegations.roles[0];
        paths.push("providers/*".to_owned());
        *ends = terminating;
    })
}

#[test]
fn python_tuf_refuses_what_we_refuse_and_believes_what_we_believe() {
    let dir = tempfile::tempdir().unwrap();
    let cases: Vec<Case> = [
        good(),
        bad_by_role(),
        signed_by_others(),
        bad_by_file(),
        bad_by_text(),
        bad_by_those_who_sign(),
        bad_delegations(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let scenarios: Vec<Scenario> =
        cases.iter().map(|case| Scenario::write(dir.path(), case.name, &case.steps)).collect();
    let mut wrong = Vec::new();
    for (case, scenario) in cases.iter().zip(&scenarios) {
        let said = scenario.ours();
        let ok: Vec<bool> = said.iter().map(|verdict| verdict.ok).collect();
        if ok != case.ok {
            wrong.push(format!("{}: expected {:?}, we say {said:?}", case.name, case.ok));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let Some(theirs) = theirs(dir.path(), &scenarios) else { return };
    for (scenario, theirs) in scenarios.iter().zip(&theirs) {
        let ours = scenario.ours();
        let agree = ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.bare() == b.bare());
        if !agree {
            wrong.push(format!("{}:\n  we say   {ours:?}\n  they say {theirs:?}", scenario.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), scenarios.len(), wrong.join("\n"));
}

#[test]
fn what_python_tuf_makes_we_believe() {
    let Some(mut python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let made = python.arg("make").arg(dir.path()).arg(NOW_S.to_string()).output().expect("python runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pinned = fs::read(dir.path().join("1.root.json")).unwrap();
    let verdict = ours(&pinned, &mut callbook::charter::trust::Kept::default(), dir.path(), NOW_S);
    assert!(verdict.ok, "{}", verdict.why);
    let digests = verdict.targets.iter().filter(|(_, said)| said.len() == 64).count();
    assert_eq!((digests, verdict.targets["nothing.txt"].as_str()), (4, "none"), "{verdict:?}");
    let later = ours(&pinned, &mut callbook::charter::trust::Kept::default(), dir.path(), NOW_S + 4 * DAY_S);
    assert!(!later.ok && later.why.contains("1.root.json"), "{}", later.why);
}

/// Where the specification says MUST and python-tuf does not look, we do: an id that is not that of its key, and one key
/// under two names, would let one person count as two.
#[test]
fn we_are_stricter_where_one_could_count_as_two() {
    let dir = tempfile::tempdir().unwrap();
    let mut repository = Repository::first();
    let (first, _) = &mut repository.roots[0];
    first
        .roles
        .insert(callbook::charter::trust::Kind::Root, Role { keys: vec!["aa".into(), "bb".into()], threshold: 2 });
    let mut document: Value = serde_json::from_slice(&repository.files()["1.root.json"]).unwrap();
    let written = json!({"keytype": "ed25519", "scheme": "ed25519",
        "keyval": {"public": data_encoding::HEXLOWER.encode(key(1).public().bytes())}});
    document["signed"]["keys"]["aa"] = written.clone();
    document["signed"]["keys"]["bb"] = written;
    let bytes = callbook::charter::trust::canonical(&document["signed"]).unwrap();
    let sig = data_encoding::HEXLOWER.encode(&key(1).sign(&bytes));
    document["signatures"] = json!([{"keyid": "aa", "sig": sig}, {"keyid": "bb", "sig": sig}]);
    let mut files = repository.files();
    files.insert("1.root.json".into(), document.to_string().into_bytes());
    let scenario = Scenario::write(dir.path(), "one as two", &[at(files, NOW_S)]);
    let ours = scenario.ours();
    assert!(!ours[0].ok && ours[0].why.contains("key id"), "{ours:?}");
    if let Some(theirs) = theirs(dir.path(), &[scenario]) {
        assert!(theirs[0][0].ok, "python-tuf has become stricter: this difference is over: {theirs:?}");
    }
}
