//! What is never written down: no number in metrics, in the log, or in any file beside the ledger and the provider's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use callbook::number::Number;

use super::kit::Kit;
use crate::walk::child::Demo;

const REGISTERED: &str = "+99977312345019";
const FREE: &str = "+99977312345028";

#[test]
fn no_number_is_written_down() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start_in(&home.path().join("demo"), &["--log", "info"]);
    let acme = Kit::acme(&demo);
    let made = acme.registered(REGISTERED);
    for (number, exit) in [(REGISTERED, 0), (FREE, 1)] {
        assert_eq!(demo.lookup(number).1, exit);
        let path = format!("/v1/numbers/{number}");
        demo.http("GET", &path, Some(&acme.token), &[], None);
        demo.http("GET", &format!("{path}/no-such-thing"), None, &[], None).expect_problem(404, "not_found");
    }
    // A refusal that the law must explain without naming the number.
    let again = acme.create(made.number);
    acme.http("PUT", &format!("/v1/numbers/{REGISTERED}"), &[], &again.body).expect_problem(409, "exists");

    let metrics = demo.http("GET", "/metrics", None, &[], None);
    assert_eq!(
        (metrics.status, metrics.media_type.as_str()),
        (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let families = well_formed(&metrics.text);
    assert!(families.contains("callbook_http_requests") && families.contains("callbook_epoch"), "{families:?}");
    let (dir, apex) = (demo.dir().to_owned(), demo.fact("apex").to_owned());
    let token = acme.token.clone();
    let log = demo.stop_and_log();
    assert!(log.lines().count() > 5 && log.contains("/v1/numbers/{number}"), "requests are logged: {log}");

    let forms = [REGISTERED, FREE].map(|text| forms(text, &apex)).concat();
    for (what, text) in [("metrics", &metrics.text), ("the log", &log)] {
        assert!(!forms.iter().any(|form| holds(text.as_bytes(), form)), "{what} hold a number:\n{text}");
        assert!(!text.contains(&token), "{what} hold a token");
    }
    let left_out = ["data", "provider", "demo.json"].map(|name| dir.join(name));
    let mut files = Vec::new();
    below(&dir, &left_out, &mut files);
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let bytes = fs::read(&file).expect("readable");
        assert!(!forms.iter().any(|form| holds(&bytes, form)), "{} holds a number", file.display());
    }
}

/// Ways to write a number: digits, ENUM name, the name on the wire, the packed integer in both byte orders.
fn forms(text: &str, apex: &str) -> Vec<Vec<u8>> {
    let number = Number::parse(text).expect("a number");
    let digits = text.trim_start_matches('+');
    let name = number.enum_name(apex);
    let dotted = name.strip_suffix(apex).expect("below the apex").trim_end_matches('.');
    let wire = digits.bytes().rev().flat_map(|digit| [1, digit]).collect();
    let packed = number.as_u64();
    vec![digits.into(), dotted.as_bytes().into(), wire, packed.to_be_bytes().into(), packed.to_le_bytes().into()]
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

fn below(dir: &Path, left_out: &[PathBuf], files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            _ if left_out.contains(&path) => {}
            true => below(&path, left_out, files),
            false => files.push(path),
        }
    }
}

/// Reads OpenMetrics text: every sample is of a family that was declared, with a number; the last line is `# EOF`.
fn well_formed(text: &str) -> BTreeSet<String> {
    let mut families = BTreeSet::new();
    let lines: Vec<&str> = text.lines().collect();
    let (last, lines) = lines.split_last().expect("lines");
    assert_eq!(*last, "# EOF");
    assert!(text.ends_with('\n'));
    for line in lines {
        if let Some(comment) = line.strip_prefix("# ") {
            let (kind, rest) = comment.split_once(' ').expect("a keyword");
            assert!(["TYPE", "HELP", "UNIT"].contains(&kind), "{line}");
            families.insert(rest.split(' ').next().expect("a name").to_owned());
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok_and(|v| v >= 0.0), "{line}");
        let name = sample.split('{').next().expect("a name");
        assert_eq!(sample.contains('{'), sample.ends_with('}'), "{line}");
        let family =
            ["_total", "_bucket", "_sum", "_count"].iter().find_map(|tail| name.strip_suffix(tail)).unwrap_or(name);
        assert!(families.contains(family) || families.contains(name), "{line} was not declared");
    }
    families
}
