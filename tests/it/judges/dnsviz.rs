//! DNSViz follows every chain of the lab from the root's key to records and denials, and finds no error and no warning.

use std::process::Command;

use serde_json::Value;

use super::lab::{ELSEWHERE, Lab, STATIC_APEX};
use super::namespace::{Network, alone};
use crate::dns::house::{APEX, NUMBERS, enum_name, have, run, text};
use crate::peers;

/// Runs `dnsviz`, and gives it what it looks for where the library is newer than it: the library's version.
const DNSVIZ: &str = "\
import runpy, sys, types, pygraphviz
if not hasattr(pygraphviz, 'release'):
    pygraphviz.release = types.SimpleNamespace(version=pygraphviz.__version__)
sys.argv[0] = 'dnsviz'
runpy.run_path(DNSVIZ, run_name='__main__')
";

/// A tool of dnsviz.
fn dnsviz(tool: &str) -> Option<Command> {
    let (python, program) = (peers::python_with("pygraphviz")?, peers::program("dnsviz")?);
    let mut command = Command::new(python);
    command.arg("-c").arg(DNSVIZ.replace("DNSVIZ", &format!("{program:?}"))).arg(tool);
    Some(command)
}

/// Numbers, keys, prefixes, denials, aliases, wildcards and a delegated country. It cannot write about a zone that is
/// delegated without DS (a KeyError of its own).
fn names() -> Vec<String> {
    let (number, delegated) = (enum_name(NUMBERS[2]), enum_name(ELSEWHERE[0]));
    let mut names = vec![number.clone(), format!("_id.{number}"), enum_name("+447700900999"), delegated];
    names.extend(["4.4", "www", "er", "nothing"].map(|name| format!("{name}.{APEX}")));
    names.extend(["www", "x.wild", "nothing", "b.c", "x.old"].map(|name| format!("{name}.{STATIC_APEX}")));
    names
}

#[test]
fn dnsviz_finds_no_error_and_no_warning() {
    if !have(&["dnsviz"]) || dnsviz("probe").is_none() {
        return;
    }
    alone("judges::dnsviz::dnsviz_finds_no_error_and_no_warning", Network::Loopback, || {
        let lab = Lab::open();
        let Some((mut probe, mut grok)) = dnsviz("probe").zip(dnsviz("grok")) else { return };
        let (asked, judged, key) = (lab.path("probe.json"), lab.path("grok.json"), lab.path("root.key"));
        std::fs::write(&key, &lab.root_key).expect("a file");
        // -A: ask the servers themselves; -E: with and without all of EDNS; the root is told, nothing else.
        probe.args(["-A", "-E", "-4", "-t", "4", "-a", ".", "-x", ".:ns.=192.0.2.1", "-o"]).arg(&asked).args(names());
        let output = run(&mut probe);
        assert!(output.status.success(), "{}", text(&output));
        let output = run(grok.args(["-l", "info", "-t"]).arg(&key).arg("-r").arg(&asked).arg("-o").arg(&judged));
        assert!(output.status.success(), "{}", text(&output));
        let found = std::fs::read_to_string(&judged).expect("a judgement");
        let found: Value = serde_json::from_str(&found).unwrap_or_else(|e| panic!("{e}\n{}", text(&output)));
        let mut verdicts = Verdicts::default();
        verdicts.gather(&found, "");
        assert!(verdicts.faults.is_empty(), "{}", verdicts.faults.join("\n"));
        assert!(verdicts.insecure.is_empty(), "{}", verdicts.insecure.join("\n"));
        assert!(verdicts.secure > 100, "{} of its verdicts are SECURE or VALID", verdicts.secure);
    });
}

/// What stands in a judgement, however deep.
#[derive(Default)]
struct Verdicts {
    secure: usize,
    /// Where something is neither secure nor a plain code.
    insecure: Vec<String>,
    /// Errors and warnings.
    faults: Vec<String>,
}

impl Verdicts {
    fn gather(&mut self, value: &Value, path: &str) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match (name.as_str(), field) {
                        ("errors" | "warnings", Value::Array(all)) => {
                            self.faults.extend(all.iter().map(|one| format!("{path}: {one}")));
                        }
                        ("status", Value::String(status)) => self.status(status, path),
                        _ => self.gather(field, &format!("{path}/{name}")),
                    }
                }
            }
            Value::Array(all) => all.iter().for_each(|one| {
                let id = one["id"].as_str().unwrap_or_default();
                self.gather(one, &format!("{path}/{id}"));
            }),
            _ => {}
        }
    }

    fn status(&mut self, status: &str, path: &str) {
        match status {
            "SECURE" | "VALID" => self.secure += 1,
            "NOERROR" | "NXDOMAIN" => {} // of a name
            _ => self.insecure.push(format!("{path}/ {status}")),
        }
    }
}
