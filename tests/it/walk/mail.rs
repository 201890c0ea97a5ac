//! OpenPGP keys of GnuPG and certificates of OpenSSL: registered, found in DNS where mail programs look, and good for encryption.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use callbook::log::record::hash_owner;
use callbook::number::Number;
use data_encoding::{BASE64, HEXUPPER};

use super::child::Demo;
use crate::peers;

const LINE: &str = "+447700900999";
const MAILBOX: &str = "+447700900999@e164.example";
const MESSAGE: &[u8] = b"call me back";

/// A program's output; it must succeed.
fn out(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// GnuPG with a home of its own, whose agent ends with it.
struct Gpg {
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Gpg {
    fn new(program: &Path) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("ours");
        Self { program: program.to_owned(), home }
    }

    fn run<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        command.env("GNUPGHOME", self.home.path()).args(["--batch", "--quiet", "--no-tty", "--passphrase", ""]);
        out(command.args(["--pinentry-mode", "loopback", "--trust-model", "always"]).args(args), input)
    }

    /// The fingerprint of the only key.
    fn fingerprint(&self) -> String {
        let listed = String::from_utf8(self.run(&["--list-keys", "--with-colons"], b"")).expect("text");
        let line = listed.lines().find(|line| line.starts_with("fpr")).expect("a key");
        line.split(':').nth(9).expect("a fingerprint").to_owned()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).status();
    }
}

/// The RDATA that DNS has for the number's hash owner name, as `dig` writes it, without white space.
fn dig(demo: &Demo, program: &Path, label: &str, rr_type: &str) -> String {
    let (ip, port) = demo.fact("dns").rsplit_once(':').expect("an address");
    let name = format!("{}.{label}.{}", hash_owner(Number::parse(LINE).expect("a number")), demo.fact("apex"));
    let args = [&format!("@{ip}"), "-p", port, "+short", "+tcp", &name, rr_type];
    let text = String::from_utf8(out(Command::new(program).args(args), b"")).expect("text");
    text.split_whitespace().collect()
}

fn register(demo: &Demo, more: &[&str], exit: i32) -> String {
    let folder = demo.dir().join("provider");
    let mut args = vec!["number", "register", LINE, "--sip", "sip:me@acme.example", "--provider"];
    args.push(folder.to_str().expect("UTF-8"));
    args.push("--json");
    args.extend(more);
    let done = demo.run(&args);
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(exit), "{said}");
    said
}

#[test]
fn a_key_of_gnupg_is_found_in_dns_and_encrypts() {
    let (Some(program), Some(digger)) = (peers::program("gpg"), peers::program("dig")) else { return };
    let (demo, owner) = (Demo::start(), Gpg::new(&program));
    let user_id = format!("<{MAILBOX}>");
    owner.run(&["--quick-gen-key", &user_id, "ed25519", "cert", "1y"], b"");
    let fingerprint = owner.fingerprint();
    for (algorithm, usage) in [("ed25519", "sign"), ("cv25519", "encr")] {
        owner.run(&["--quick-add-key", &fingerprint, algorithm, usage, "1y"], b"");
    }
    let file = demo.dir().join("key.asc");
    let path = file.to_str().expect("UTF-8");
    let minimal = ["--armor", "--export-options", "export-minimal", "--export"];
    fs::write(&file, owner.run(&minimal, b"")).expect("writable");
    register(&demo, &["--openpgp", path], 0);

    let key = BASE64.decode(dig(&demo, &digger, "_openpgpkey", "OPENPGPKEY").as_bytes()).expect("base64");
    let caller = Gpg::new(&program);
    caller.run(&["--import"], &key);
    assert_eq!(caller.fingerprint(), fingerprint);
    let encrypted = caller.run(&["--recipient", &user_id, "--encrypt"], MESSAGE);
    assert_eq!(owner.run(&["--decrypt"], &encrypted), MESSAGE);

    // A second name, and a private key: refused, the one by the charter, the other before it leaves the machine.
    owner.run(&["--quick-add-uid", &fingerprint, "Alice <alice@example.org>"], b"");
    fs::write(&file, owner.run(&minimal, b"")).expect("writable");
    let told = register(&demo, &["--openpgp", path], 2);
    assert!(told.contains("key_names") && told.contains("4.8"), "{told}");
    fs::write(&file, owner.run(&["--export-secret-keys"], b"")).expect("writable");
    let told = register(&demo, &["--openpgp", path], 2);
    assert!(told.contains("private key") && !told.contains("4.8"), "{told}");
    assert_eq!(
        BASE64.decode(dig(&demo, &digger, "_openpgpkey", "OPENPGPKEY").as_bytes()),
        Ok(key),
        "nothing has changed"
    );
}

#[test]
fn certificates_of_openssl_are_found_in_dns_and_encrypt() {
    let (Some(program), Some(digger)) = (peers::program("openssl"), peers::program("dig")) else { return };
    let demo = Demo::start();
    let openssl = |args: &[&str], input: &[u8]| out(Command::new(&program).args(args), input);
    let file = |name: &str| demo.dir().join(name).to_str().expect("UTF-8").to_owned();
    let (key, certificate, found) = (file("smime.key"), file("smime.pem"), file("found.pem"));
    let request = |ca: &str| {
        let (names, constraint) =
            (format!("subjectAltName=email:{MAILBOX}"), format!("basicConstraints=critical,CA:{ca}"));
        let usage = "keyUsage=critical,digitalSignature,keyEncipherment,keyAgreement";
        let more = [
            "-addext",
            &names,
            "-addext",
            &constraint,
            "-addext",
            usage,
            "-addext",
            "extendedKeyUsage=emailProtection",
        ];
        openssl(
            &[&["req", "-x509", "-new", "-key", &key, "-days", "90", "-subj", "/", "-out", &certificate][..], &more]
                .concat(),
            b"",
        );
    };
    let smime = ["--smime", &certificate, "--smime-key", &key];
    for (i, kind) in [&["RSA", "-pkeyopt", "rsa_keygen_bits:3072"][..], &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]]
        .iter()
        .enumerate()
    {
        openssl(&[&["genpkey", "-out", &key, "-algorithm"], *kind].concat(), b"");
        request("FALSE");
        register(&demo, &smime, 0);
        let rdata = dig(&demo, &digger, "_smimecert", "SMIMEA");
        let der = HEXUPPER.decode(rdata.strip_prefix("300").expect("3 0 0").as_bytes()).expect("hex");
        fs::write(&found, openssl(&["x509", "-inform", "DER"], &der)).expect("writable");
        let checked = openssl(&["x509", "-in", &found, "-noout", "-checkemail", MAILBOX], b"");
        assert!(String::from_utf8_lossy(&checked).contains("does match"), "certificate {i}");
        let encrypted = openssl(&["cms", "-encrypt", "-aes256", "-binary", "-outform", "DER", &found], MESSAGE);
        let decrypted =
            openssl(&["cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", &key, "-recip", &found], &encrypted);
        assert_eq!(decrypted, MESSAGE, "certificate {i}");
    }
    request("TRUE");
    let told = register(&demo, &smime, 2);
    assert!(told.contains("key_use") && told.contains("CA:FALSE"), "{told}");
    // A key that is not the certificate's proves nothing.
    request("FALSE");
    openssl(&["genpkey", "-out", &key, "-algorithm", "ED25519"], b"");
    let told = register(&demo, &smime, 2);
    assert!(told.contains("possession"), "{told}");
    let alone = register(&demo, &["--smime", &certificate], 2);
    assert!(alone.contains("--smime-key"), "{alone}");
}
