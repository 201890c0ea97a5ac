//! Files that are wrong, torn or damaged: nothing changes, and everybody is told.

use std::fs;

use serde_json::Value;

use super::home::{Home, KEY, axfr, callbook, signed};

const TEXT: &str = "@ 60 IN SOA ns h 10 1 1 1 60\n@ IN NS ns\nns IN A 192.0.2.1\nx IN TXT \"one\"\n";

fn allowed() -> String {
    format!("allow_transfer = [{{ key = \"{KEY}\" }}]")
}

fn outcome(answer: &Value) -> (&str, &str) {
    let zone = &answer["zones"][0];
    (zone["outcome"].as_str().unwrap_or_default(), zone["problem"].as_str().unwrap_or_default())
}

#[test]
fn a_file_that_cannot_be_served_changes_nothing_and_is_told() {
    let home = Home::new(&[("a.example.", TEXT, &allowed())], "");
    let service = home.serve();
    let before = axfr(service.address, "a.example", &[&signed()]);
    assert_eq!(before.len(), 4);
    for (text, words) in [
        (&TEXT[..TEXT.len() - 5], "line 4"),
        ("@ 60 IN SOA ns h 11 1 1 1 60\n@ IN NS ns\nx IN CNAME y\nx IN A 192.0.2.1\nother. IN A 192.0.2.1\n", "line 3"),
        ("", "no SOA"),
        (&TEXT.replace("one", "two"), "raise the serial"),
        (&TEXT.replace("one", "two").replace(" 10 ", " 9 "), "RFC 1982"),
        (&TEXT.replace(" 10 ", " 9 "), "RFC 1982"),
    ] {
        fs::write(home.file("a.example."), text).unwrap();
        let (code, answer) = home.run(&["zone", "reload"]);
        let (outcome, problem) = outcome(&answer);
        assert!(code == 1 && outcome == "refused" && problem.contains(words), "{words}: {answer:#}");
        let (code, status) = home.run(&["zone", "status"]);
        assert!(code == 1 && status["zones"][0]["problem"].as_str().is_some_and(|p| p.contains(words)), "{status:#}");
        assert_eq!(axfr(service.address, "a.example", &[&signed()]), before);
        assert_eq!(home.run(&["zone", "diff"]).0, 1, "the same is told beforehand");
    }
    fs::write(home.file("a.example."), TEXT.replace("one", "two").replace(" 10 ", " 9 ")).unwrap();
    let (code, answer) = home.run(&["zone", "reload", "--restart-serial", "A.example"]);
    assert!(code == 0 && answer["zones"][0]["serial"] == 9, "{answer:#}");
    assert_eq!(home.run(&["zone", "status"]).0, 0);
}

#[test]
fn what_would_change_is_shown_and_not_done() {
    let home = Home::new(&[("a.example.", TEXT, &allowed())], "");
    let service = home.serve();
    home.edit("a.example.", |text| text.replace(" 10 ", " 11 ").replace("x IN", "y IN"));
    for args in [&["zone", "diff", "a.example"][..], &["zone", "diff"], &["zone", "reload", "--dry-run"]] {
        let (code, answer) = home.run(args);
        assert_eq!((code, outcome(&answer).0), (0, "changed"), "{answer:#}");
        let lines = |key: &str| {
            answer["zones"][0][key].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(lines("removed")[1..], ["x.a.example. 60 IN TXT \"one\""], "{answer:#}");
        assert_eq!(lines("added")[1..], ["y.a.example. 60 IN TXT \"one\""], "{answer:#}");
        assert!(lines("added")[0].contains(" 11 "));
    }
    assert!(axfr(service.address, "a.example", &[&signed()]).iter().any(|record| record.starts_with("x.a.example")));
    let (code, said) = home.run(&["zone", "diff", "b.example"]);
    assert!(code == 2 && said.to_string().contains("no [[zone]] b.example."), "{said}");
}

#[test]
fn every_mistake_of_a_file_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("zone");
    let check = |text: &str, more: &[&str]| {
        fs::write(&file, text).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_callbook"));
        let output =
            command.args(["--json", "zone", "check"]).arg(&file).args(["--origin", "a.example"]).args(more).output();
        let output = output.unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (code, said) = check(TEXT, &[]);
    assert_eq!((code, &said["right"], &said["serial"]), (Some(0), &Value::Bool(true), &10.into()));
    let (code, said) = check(&format!("{TEXT}x IN CNAME y\n5 IN A 192.0.2.1\nother. IN A 192.0.2.1\n"), &[]);
    let lines = |said: &Value| {
        said["mistakes"].as_array().unwrap().iter().map(|m| m["line"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((code, lines(&said)), (Some(1), vec![5, 7]), "{said:#}");
    assert!(said["mistakes"][0]["remedy"].as_str().unwrap().contains("remove the CNAME"));
    let (code, said) = check(&format!("{TEXT}5 IN A 192.0.2.1\n"), &["--number-zone"]);
    assert_eq!((code, lines(&said)), (Some(1), vec![5]), "{said:#}");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let options = format!("sign = true\nzonemd = true\n{}", allowed());
    let more: String = (0..9).map(|i| format!("n{i} IN A 192.0.2.{i}\n")).collect();
    let home = Home::new(&[("a.example.", &(TEXT.to_owned() + &more), &options)], "");
    let fetch = |service: &super::home::Service| axfr(service.address, "a.example", &[&signed()]);
    let ixfr = |service: &super::home::Service, since: u32| {
        let said = super::home::dig(service.address, &["a.example", &format!("IXFR={since}"), &signed()]);
        (said.contains("XFR size"), service.sent("IXFR"))
    };
    let first = {
        let service = home.serve();
        home.edit("a.example.", |text| text + "y IN TXT \"two\"\n");
        assert_eq!(home.run(&["zone", "reload"]).1["zones"][0]["serial"], 11);
        fetch(&service)
    };
    let service = home.serve();
    assert_eq!(fetch(&service), first, "the same serial and the same signatures");
    assert_eq!(ixfr(&service, 10), (true, 1), "the journal is still there");
    drop(service);
    let folder = home.dir.path().join("data/zones");
    let journal = folder.join("a.example.journal");
    let octets = fs::read(&journal).unwrap();
    fs::write(&journal, &octets[..octets.len() / 2]).unwrap();
    let service = home.serve();
    assert_eq!(fetch(&service), first);
    assert_eq!(ixfr(&service, 10), (true, 0), "without its journal the zone goes whole");
    drop(service);
    // A file with mistakes does not keep a start from serving what was served.
    home.edit("a.example.", |text| text + "y IN CNAME x\n");
    let service = home.serve();
    assert_eq!(fetch(&service), first);
    drop(service);
    // Without that, it does.
    fs::remove_file(folder.join("a.example.version")).unwrap();
    let error = home.serve_with(std::sync::Arc::new(callbook::clock::SystemClock), callbook::config::Dns::default());
    assert!(error.err().unwrap().to_string().contains("line 15"));
}

#[test]
fn a_signed_zone_without_keys_and_an_open_secret_are_refused_with_the_remedy() {
    let home = Home::new(&[("a.example.", TEXT, &format!("sign = true\n{}", allowed()))], "");
    let start = || {
        let clock = std::sync::Arc::new(callbook::clock::SystemClock);
        home.serve_with(clock, callbook::config::Dns::default()).err().map(|e| e.to_string()).unwrap_or_default()
    };
    for file in fs::read_dir(home.dir.path().join("keys")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_some_and(|e| e != "tsig") {
            fs::remove_file(file).unwrap();
        }
    }
    assert!(start().contains("zone keygen"), "{}", start());
    let output = callbook(&["zone", "keygen", "a.example"], home.dir.path());
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("IN DS"));
    assert_eq!(start(), "");
    assert!(!callbook(&["zone", "keygen", "a.example"], home.dir.path()).status.success(), "there are some");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(home.dir.path().join("keys/sec.tsig"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(start().contains("chmod 600") && !start().contains(super::home::SECRET));
}
