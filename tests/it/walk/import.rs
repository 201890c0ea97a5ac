//! An existing ENUM zone is imported through the real program and the real law: whole, in parts, again after a crash.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use callbook::number::Number;
use serde_json::Value;

use super::child::{Demo, callbook};

const ORIGIN: &str = "9.9.9.e164.arpa.";
const HEAD: &str = "$TTL 3600\n@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60\n@ IN NS ns1\nns1 IN A 192.0.2.1\n";

/// The i-th number of these files.
fn number(i: u64) -> Number {
    Number::from_u64(999_700_000 + i).expect("nine digits")
}

fn naptr(number: Number, rest: &str) -> String {
    format!("{} IN NAPTR {rest}\n", number.enum_name("e164.arpa."))
}

fn sip(i: u64) -> String {
    naptr(number(i), &format!("100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:line{i}@old.example!\" ."))
}

/// A file and what an import of it says.
struct Import<'a> {
    demo: &'a Demo,
    file: PathBuf,
}

impl<'a> Import<'a> {
    fn of(demo: &'a Demo, name: &str, text: impl AsRef<[u8]>) -> Self {
        let file = demo.dir().join(name);
        std::fs::write(&file, text).expect("it is written");
        Self { demo, file }
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = callbook();
        command.args(["zone", "import", "--json", "--origin", ORIGIN, "--provider", self.demo.fact("provider_dir")]);
        command.arg(&self.file).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The result's JSON, or the failure's.
    fn run(&self, more: &[&str], exit: i32) -> Value {
        let out: Output = self.command(more).output().expect("it runs");
        let said = if exit == 2 { &out.stderr } else { &out.stdout };
        let json = serde_json::from_slice(said).unwrap_or(Value::Null);
        assert_eq!(out.status.code(), Some(exit), "{json} {}", String::from_utf8_lossy(&out.stderr));
        json
    }

    fn report_path(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(".import.jsonl");
        name.into()
    }

    /// The report's lines about numbers, by number, and the others.
    fn report(&self) -> (BTreeMap<String, Value>, Vec<Value>) {
        let text = std::fs::read_to_string(self.report_path()).expect("a report");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let (numbers, others): (Vec<Value>, Vec<Value>) = lines.partition(|line| line["number"].is_string());
        let count = numbers.len();
        let numbers: BTreeMap<String, Value> =
            numbers.into_iter().map(|line| (line["number"].as_str().unwrap_or_default().to_owned(), line)).collect();
        assert_eq!(numbers.len(), count, "a number stands in the report once");
        (numbers, others)
    }

    fn codes(&self, i: u64) -> Vec<String> {
        let (numbers, _) = self.report();
        let refusals = numbers[&number(i).to_string()]["refusals"].as_array().cloned().unwrap_or_default();
        for refusal in &refusals {
            for field in ["clause", "detail", "remedy"] {
                assert!(refusal[field].as_str().is_some_and(|text| !text.is_empty()), "{refusal}");
            }
        }
        refusals.iter().map(|refusal| refusal["code"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn show(demo: &Demo, number: Number) -> (Value, i32) {
    let out = demo.run(&["number", "show", &number.to_string(), "--provider", demo.fact("provider_dir"), "--json"]);
    (serde_json::from_slice(&out.stdout).unwrap_or(Value::Null), out.status.code().unwrap_or(-1))
}

/// Waits until DNS answers with the number.
fn in_dns(demo: &Demo, number: Number) -> Value {
    for _ in 0..200 {
        let (found, exit) = demo.lookup(&number.to_string());
        if exit == 0 {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50)); // nothing tells of an epoch from outside
    }
    panic!("{number} is not in DNS");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_good_zone_comes_in_provider_held_and_only_once() {
    let demo = Demo::start();
    let mut text = HEAD.to_owned();
    (0..40).for_each(|i| text += &sip(i));
    // A number of two addresses, the second of them far away, and a record twice.
    text += &naptr(number(0), "100 20 \"u\" \"E2U+email:mailto\" \"!^.*$!mailto:zero@old.example!\" .");
    text += &sip(1);
    let import = Import::of(&demo, "good.zone", &text);

    let rehearsed = import.run(&["--dry-run"], 0);
    assert_eq!(
        (&rehearsed["would_register"], &rehearsed["registered"], &rehearsed["left_out"]),
        (&40.into(), &0.into(), &3.into())
    );
    assert_eq!(show(&demo, number(0)).1, 1, "a dry run registers nothing");
    assert!(!demo.dir().join("provider/held.keys").exists(), "a dry run makes no keys");

    let done = import.run(&[], 0);
    assert_eq!((&done["registered"], &done["already"], &done["refused"]), (&40.into(), &0.into(), &0.into()), "{done}");
    let found = in_dns(&demo, number(39));
    assert!(found.to_string().contains("sip:line39@old.example"), "{found}");
    let found = in_dns(&demo, number(0)).to_string();
    assert!(found.contains("sip:line0@old.example") && found.contains("mailto:zero@old.example"), "{found}");
    let (view, _) = show(&demo, number(0));
    assert_eq!((view["class"].as_str(), view["version"].as_u64()), (Some("provider"), Some(1)), "{view}");
    let (numbers, _) = import.report();
    let receipt = numbers[&number(3).to_string()]["event"].as_str().map(str::len);
    assert_eq!(receipt, Some(64));
    for path in [
        import.report_path(),
        demo.dir().join("good.zone.import.jsonl.progress"),
        demo.dir().join("provider/held.keys"),
    ] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }

    // Again, with its progress and without.
    let again = import.run(&[], 0);
    assert_eq!((&again["registered"], &again["already"]), (&0.into(), &40.into()), "{again}");
    std::fs::remove_file(demo.dir().join("good.zone.import.jsonl.progress")).expect("it is there");
    let again = import.run(&[], 0);
    assert_eq!((&again["registered"], &again["already"]), (&0.into(), &40.into()), "{again}");
    assert_eq!(show(&demo, number(0)).0["version"].as_u64(), Some(1));

    // The provider's other commands know the key that was made.
    let of_number = |command: &str| {
        let number = number(5).to_string();
        demo.run(&["number", command, &number, "--provider", demo.fact("provider_dir"), "--json"])
    };
    assert_eq!(of_number("renew").status.code(), Some(0));
    let released = of_number("release");
    assert_eq!(released.status.code(), Some(0), "{}", String::from_utf8_lossy(&released.stderr));
    // What is in the report and the files stays out of the log.
    let log = demo.stop_and_log();
    assert!(!log.contains(&*number(0).digits()) && !log.contains("old.example"), "{log}");
}

#[test]
fn every_kind_of_refused_record_is_told_with_clause_and_remedy() {
    let demo = Demo::start();
    let good = "\"!^.*$!sip:a@old.example!\" .";
    let cases: Vec<(Vec<String>, &[&str])> = vec![
        (vec![format!("10 10 \"u\" \"E2U+sip\" {good}")], &["naptr_order"]),
        (vec![format!("100 7 \"u\" \"E2U+sip\" {good}")], &["naptr_preference"]),
        (vec![format!("100 10 \"U\" \"E2U+sip\" {good}")], &["naptr_flags"]),
        (vec![format!("100 10 \"u\" \"e2u+SIP\" {good}")], &["naptr_service"]),
        (vec!["100 10 \"u\" \"E2U+sip\" \"!^(.*)$!sip:\\\\1@old.example!\" .".to_owned()], &["naptr_regexp"]),
        (vec!["100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a b@old.example!\" .".to_owned()], &["naptr_uri"]),
        (vec!["100 10 \"u\" \"E2U+sip\" \"!^.*$!tel:+1!\" .".to_owned()], &["naptr_scheme"]),
        (vec!["100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@x!\" other.example.".to_owned()], &["naptr_replacement"]),
        (
            vec!["100 10 \"\" \"\" \"\" other.example.".to_owned()],
            &["naptr_flags", "naptr_service", "naptr_regexp", "naptr_replacement"],
        ),
        ((1..=6).map(|i| format!("100 {i}0 \"u\" \"E2U+sip\" \"!^.*$!sip:{i}@x!\" .")).collect(), &["naptr_count"]),
        (
            (1..=3).map(|i| format!("100 {i}0 \"u\" \"E2U+sip\" \"!^.*$!sip:{}@x!\" .", "y".repeat(200))).collect(),
            &["naptr_size"],
        ),
    ];
    let mut text = HEAD.to_owned();
    for (i, (records, _)) in cases.iter().enumerate() {
        records.iter().for_each(|record| text += &naptr(number(i as u64), record));
    }
    // A number that the charter does not serve, below an origin of digits; and one that is good.
    let outside = format!("1.2.3.4.5.6.7.8.{ORIGIN}").replace("9.9.9.e164", "4.3.e164");
    text += &sip(50);
    text += &format!("{outside} NAPTR 100 10 \"u\" \"E2U+sip\" {good}\n");
    let import = Import::of(&demo, "bad.zone", &text);
    let rehearsed = import.run(&["--dry-run"], 1);
    assert_eq!((&rehearsed["refused"], &rehearsed["would_register"]), (&cases.len().into(), &1.into()));
    let done = import.run(&[], 1);
    assert_eq!(
        (&done["refused"], &done["registered"], &done["left_out"]),
        (&cases.len().into(), &1.into(), &4.into()),
        "{done}"
    );
    for (i, (records, codes)) in cases.iter().enumerate() {
        assert_eq!(import.codes(i as u64), *codes, "{records:?}");
    }
    let (numbers, others) = import.report();
    let lines = numbers[&number(10).to_string()]["lines"].as_array().map(Vec::len);
    assert_eq!(lines, Some(3), "the lines of the file are named");
    assert!(
        others.iter().any(|line| line["record"]["reason"] == "outside" && line["record"]["line"].is_u64()),
        "{others:?}"
    );

    // What can be mended is, on demand, and told.
    let mended = import.run(&["--mend"], 1);
    assert_eq!((&mended["registered"], &mended["mended"]), (&4.into(), &4.into()), "{mended}");
    let (numbers, _) = import.report();
    let notes = numbers[&number(3).to_string()]["mended"].to_string();
    assert!(notes.contains("e2u+SIP is now E2U+sip"), "{notes}");
    assert!(in_dns(&demo, number(0)).to_string().contains("sip:a@old.example"));

    // The directory's own refusals: somebody else has that number.
    let taken = Import::of(
        &demo,
        "taken.zone",
        format!(
            "{HEAD}{}",
            naptr(Number::parse("+999000120 0").expect("a number"), &format!("100 10 \"u\" \"E2U+sip\" {good}"))
        ),
    );
    let said = taken.run(&[], 1);
    let (numbers, _) = taken.report();
    let line = numbers.values().next().expect("one number");
    assert_eq!((&said["refused"], line["refusals"][0]["code"].as_str()), (&1.into(), Some("exists")), "{line}");
}

#[test]
fn torn_and_hostile_files_change_nothing_and_say_where() {
    let demo = Demo::start();
    let whole = format!("{HEAD}{}{}", sip(1), sip(2));
    let huge = format!("{whole}x TXT \"{}\"\n{}", "y".repeat(1 << 20), sip(3));
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("torn", whole.as_bytes()[..whole.len() - 20].to_vec(), "line 6: the file ends inside a line"),
        ("brackets", format!("{whole}@ SOA a b ( 1\n 2\n").into_bytes(), "line 7: the file ends inside brackets"),
        ("binary", [whole.as_bytes(), &(0..=255).cycle().take(5_000).collect::<Vec<u8>>()].concat(), "line 7: "),
        ("huge", huge.into_bytes(), "line 7: an entry of more than 256 KiB"),
        ("syntax", format!("{}3 NAPTR 100 ten\n{}", whole, sip(4)).into_bytes(), "line 7: "),
        ("include", format!("{whole}$INCLUDE /etc/hostname\n").into_bytes(), "line 7: $INCLUDE is not supported"),
    ];
    for (name, text, says) in cases {
        let import = Import::of(&demo, name, text);
        let failure = import.run(&[], 2)["error"].as_str().unwrap_or_default().to_owned();
        assert!(failure.contains("nothing was imported") && failure.contains(says), "{name}: {failure}");
        assert!(!import.report_path().exists());
    }
    assert_eq!(show(&demo, number(1)).1, 1);
    let missing = Import { demo: &demo, file: demo.dir().join("absent") };
    assert!(missing.run(&[], 2).to_string().contains("cannot read"));
    let import = Import::of(&demo, "whole", &whole);
    assert!(import.run(&["--method", "rumour"], 2).to_string().contains("it has callback, document"));
    assert!(import.run(&["--days", "200"], 2).to_string().contains("--days 180"));
}

#[test]
fn killed_in_the_middle_it_goes_on_and_registers_nothing_twice() {
    let demo = Demo::start();
    let count = 600u64;
    let mut text = HEAD.to_owned();
    (0..count).for_each(|i| {
        let _ = write!(text, "{}", sip(i));
    });
    let import = Import::of(&demo, "many.zone", &text);
    let progress = demo.dir().join("many.zone.import.jsonl.progress");
    let lines = || std::fs::read_to_string(&progress).map_or(0, |text| text.lines().count() as u64);
    let mut first = import.command(&[]).spawn().expect("it starts");
    while lines() < 20 && first.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill().expect("it runs");
    first.wait().expect("it ends");
    let before = lines();
    assert!((20..count).contains(&before), "killed after {before}");
    // A line that was being written.
    let mut torn = std::fs::read(&progress).expect("it is there");
    torn.truncate(torn.len() - 7);
    std::fs::write(&progress, torn).expect("it is written");
    let done = import.run(&[], 0);
    let (registered, already) = (done["registered"].as_u64().unwrap_or(0), done["already"].as_u64().unwrap_or(0));
    assert_eq!(registered + already, count, "{done}");
    assert!(already >= before - 1 && registered > 0, "{done}");
    let (numbers, _) = import.report();
    assert!(numbers.len() as u64 == count && numbers.values().all(|line| line["outcome"] == "registered"));
    in_dns(&demo, number(count - 1));
    for i in [0, 7, before, count - 1] {
        assert_eq!(show(&demo, number(i)).0["version"].as_u64(), Some(1));
    }

    // The directory goes away: the import stops, says so, and goes on later.
    let rest = Import::of(&demo, "rest.zone", format!("{HEAD}{}", sip(count + 1)));
    let stopped = rest.run(&["--api", "http://127.0.0.1:9"], 2);
    assert!(stopped.to_string().contains("cannot be reached"), "{stopped}");
    assert_eq!(rest.run(&[], 0)["registered"], 1);
}
