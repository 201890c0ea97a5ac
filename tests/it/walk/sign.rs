//! `zone sign`: any master file signed by the real program, and what it says when it cannot.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::child::callbook;
use crate::peers;

const ZONE: &str = "$TTL 3600\n@ IN SOA ns1 h 1 7200 3600 1209600 60\n@ IN NS ns1\nns1 IN A 192.0.2.1\na.b.c IN TXT \"deep\"\n\
                    *.w IN TXT \"wild\"\nsub IN NS ns1\n";

/// Runs `zone sign` in `dir`; the JSON that it prints, or of its failure.
fn sign(dir: &Path, more: &[&str], exit: i32) -> Value {
    let mut command = callbook();
    command.current_dir(dir).args(["zone", "sign", "plain.zone", "--origin", "static.example", "--json"]).args(more);
    let out = command.output().expect("it runs");
    let said = if exit == 0 { &out.stdout } else { &out.stderr };
    assert_eq!(out.status.code(), Some(exit), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(said).expect("JSON")
}

#[test]
fn a_master_file_is_signed_with_keys_that_stay() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("plain.zone"), ZONE).expect("it is written");
    let missing = sign(dir.path(), &["--keys", "none", "--out", "signed.zone"], 2).to_string();
    assert!(missing.contains("none"), "{missing}");
    std::fs::create_dir(dir.path().join("empty")).expect("it is made");
    let missing = sign(dir.path(), &["--keys", "empty", "--out", "signed.zone"], 2).to_string();
    assert!(missing.contains("--new-keys makes them here"), "{missing}");
    let made = sign(dir.path(), &["--keys", "keys", "--new-keys", "--zonemd", "--out", "signed.zone"], 0);
    assert_eq!((made["denial"].as_str(), made["names"].as_u64()), (Some("nsec3"), Some(5)), "{made}");
    let first = std::fs::read_to_string(dir.path().join("signed.zone")).expect("it is there");
    sign(dir.path(), &["--keys", "keys", "--new-keys", "--out", "signed.zone"], 2);
    let again = sign(dir.path(), &["--keys", "keys", "--nsec", "--zonemd", "--out", "signed.zone"], 0);
    assert_eq!(again["denial"].as_str(), Some("nsec"), "{again}");
    let path = dir.path().join("signed.zone");
    let second = std::fs::read_to_string(&path).expect("it is there");
    let keys = |file: &str| file.lines().filter(|l| l.contains(" IN DNSKEY ")).map(str::to_owned).collect::<Vec<_>>();
    assert!(keys(&first) == keys(&second) && keys(&first).len() == 2);
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    if let Some(verify) = peers::program("ldns-verify-zone") {
        for file in [first, second] {
            std::fs::write(&path, file).expect("it is written");
            let said = Command::new(&verify).args(["-ZZ", "-V", "3"]).arg(&path).output().expect("it runs");
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
    }
}

#[test]
fn what_cannot_be_signed_leaves_what_was_there() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (plain, signed) = (dir.path().join("plain.zone"), dir.path().join("signed.zone"));
    std::fs::write(&plain, format!("{ZONE}b A 192.0.2\n")).expect("it is written");
    std::fs::write(&signed, "as it was").expect("it is written");
    let broken = sign(dir.path(), &["--keys", "keys", "--new-keys", "--out", "signed.zone"], 2).to_string();
    assert!(broken.contains("line 8"), "{broken}");
    assert!(!dir.path().join("keys").exists(), "no keys for a file that cannot be signed");
    std::fs::write(&plain, ZONE).expect("it is written");
    let nowhere = sign(dir.path(), &["--keys", "keys", "--new-keys", "--out", "absent/signed.zone"], 2).to_string();
    assert!(nowhere.contains("cannot write absent/signed.zone.partial"), "{nowhere}");
    assert_eq!(std::fs::read_to_string(&signed).expect("it is there"), "as it was");
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).expect("a folder").map(|e| e.expect("a file").file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");
}
