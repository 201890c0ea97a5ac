//! The API over TLS, and tokens that open nothing without their client certificate (RFC 8705); curl and openssl judge.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use callbook::api::providers::NewToken;
use callbook::client::provider::{Api, ApiError, Tls, certificate_thumbprint};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme, StreamOwned};
use serde_json::Value;

use crate::dns::streams::authority::Ca;
use crate::peers;
use crate::walk::child::callbook;

/// A directory with the API on a plain and on a TLS port.
struct House {
    child: Child,
    facts: Value,
    dir: PathBuf,
    ca: Ca,
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl House {
    fn open() -> Self {
        Self::with(|_| {})
    }

    /// The same with other settings of the API.
    fn with(change: impl FnOnce(&mut toml::Table)) -> Self {
        let ca = Ca::new();
        let dir = ca.path("house");
        let said = callbook()
            .args(["init", "--apex", "e164.example", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--dir"])
            .arg(&dir)
            .output()
            .expect("the program runs");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        configure(&dir.join("config.toml"), |http| {
            http.insert("tls_listen".into(), vec!["127.0.0.1:0"].into());
            http.insert("tls_cert".into(), ca.path("chain.pem").display().to_string().into());
            http.insert("tls_key".into(), ca.path("key.pem").display().to_string().into());
            change(http);
        });
        let mut child =
            callbook().args(["--json", "serve", "--dir"]).arg(&dir).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        Self { facts: serde_json::from_str(&line).expect("it serves"), child, dir, ca }
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// A command over TLS, with a client certificate and its key if it shows one: exit code and what it said.
    fn run(&self, shown: Option<(&str, &str)>, args: &[&str]) -> (Option<i32>, String) {
        let mut command = callbook();
        command.args(args).args(["--json", "--api", &self.url()]).env("CALLBOOK_CA", self.ca.path("ca.pem"));
        if let Some((chain, key)) = shown {
            command.env("CALLBOOK_CLIENT_CERT", self.file(chain)).env("CALLBOOK_CLIENT_KEY", self.file(key));
        }
        let out = command.output().expect("the program runs");
        (out.status.code(), format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr)))
    }

    /// What `doctor` finds about the tokens of the staff.
    fn finding(&self) -> (Option<bool>, String) {
        let out = callbook().args(["doctor", "--json", "--dir"]).arg(&self.dir).output().expect("the program runs");
        let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let all = said["findings"].as_array().expect("findings");
        let found = all.iter().find(|one| one["check"] == "staff tokens").expect("it looks");
        (found["ok"].as_bool(), found["detail"].as_str().expect("text").to_owned())
    }

    fn url(&self) -> String {
        format!("https://{}", self.facts["http_tls"][0].as_str().expect("an address"))
    }

    fn operator(&self) -> String {
        std::fs::read_to_string(self.dir.join("operator.token")).expect("init wrote it").trim().to_owned()
    }

    /// TLS of a client that believes in the house's own authority.
    fn tls(&self) -> Tls {
        Tls::default().believing(&std::fs::read(self.ca.path("ca.pem")).expect("readable")).expect("PEM")
    }

    fn api(&self, token: &str, tls: &Tls) -> Api {
        Api::secured(&self.url(), token, tls).expect("good settings")
    }
}

fn configure(file: &Path, change: impl FnOnce(&mut toml::Table)) {
    let mut config: toml::Table = std::fs::read_to_string(file).expect("readable").parse().expect("TOML");
    change(config["http"].as_table_mut().expect("a table"));
    std::fs::write(file, config.to_string()).expect("writable");
}

/// A certificate that its owner signed himself: chain and key in PEM.
fn self_made() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["provider.example".into()]).expect("a name").self_signed(&key);
    (certificate.expect("a certificate").pem(), key.serialize_pem())
}

fn with_entrant(house: &House, certificate: Option<String>) -> String {
    let operator = house.api(&house.operator(), &house.tls());
    let wish = NewToken { certificate, ..NewToken::default() };
    operator.add_token("acme", &wish).expect("a token").token
}

fn register_acme(house: &House) {
    let folder = house.dir.join("acme");
    let added = callbook()
        .args(["provider", "add", "acme", "--api", &format!("http://{}", house.facts["http"].as_str().expect("plain"))])
        .arg("--token-file")
        .arg(house.dir.join("operator.token"))
        .arg("--folder")
        .arg(&folder)
        .output()
        .expect("the program runs");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

fn status(outcome: Result<impl std::fmt::Debug, ApiError>) -> u16 {
    match outcome {
        Ok(_) => 200,
        Err(ApiError::Problem(problem)) => problem.status,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_bound_token_opens_with_its_certificate_alone() {
    let house = House::open();
    register_acme(&house);
    let ((chain, key), (other_chain, other_key)) = (self_made(), self_made());
    let bound = with_entrant(&house, certificate_thumbprint(chain.as_bytes()));
    let free = with_entrant(&house, None);
    let with = |chain: &str, key: &str| house.tls().showing(chain.as_bytes(), key.as_bytes()).expect("PEM");
    let prepare = |token: &str, tls: &Tls| status(house.api(token, tls).prepare("+9990000000".parse().unwrap()));

    assert_eq!(prepare(&bound, &with(&chain, &key)), 200);
    assert_eq!(prepare(&bound, &house.tls()), 401, "no certificate");
    assert_eq!(prepare(&bound, &with(&other_chain, &other_key)), 401, "another's certificate");
    assert_eq!(prepare(&free, &house.tls()), 200);
    assert_eq!(prepare(&free, &with(&other_chain, &other_key)), 200, "an unbound token asks for none");
    let plain = format!("http://{}", house.facts["http"].as_str().unwrap());
    let told = Api::at(&plain, &bound).unwrap().prepare("+9990000000".parse().unwrap());
    assert!(told.unwrap_err().to_string().contains("bound to a client certificate"));
    assert!(house.tls().showing(chain.as_bytes(), other_key.as_bytes()).is_err(), "the kit sees it beforehand");

    let listed = house.api(&house.operator(), &house.tls()).tokens("acme").unwrap().tokens;
    let thumbprints: Vec<_> = listed.iter().filter_map(|token| token.certificate.clone()).collect();
    assert_eq!(thumbprints, [certificate_thumbprint(chain.as_bytes()).unwrap()]);
    let wrong = house.api(&house.operator(), &house.tls());
    let wrong = wrong.add_token("acme", &NewToken { certificate: Some("x".into()), ..NewToken::default() });
    assert_eq!(status(wrong.map(|_| ())), 400);
}

/// The operator's people likewise: whoever copies a colleague's token has nothing without the key of the certificate.
#[test]
fn a_bound_token_of_the_staff_opens_with_its_certificate_alone() {
    let house = House::open();
    let ((chain, key), (other_chain, other_key)) = (self_made(), self_made());
    let file = |name: &str| house.file(name);
    for (name, text) in [("c.pem", &chain), ("k.pem", &key), ("other.pem", &other_chain), ("other-key.pem", &other_key)]
    {
        std::fs::write(file(name), text).expect("writable");
    }
    let run = |shown: Option<(&str, &str)>, args: &[&str]| house.run(shown, args);
    let made = callbook().args(["staff", "keygen", &file("ada.key")]).output().expect("the program runs");
    assert!(made.status.success());
    let (code, said) = run(None, &["staff", "key", &file("ada.key"), "--token-file", &file("operator.token")]);
    assert_eq!(code, Some(0), "{said}");
    let token = ["staff", "token", "admin", "--key", &file("ada.key"), "--out"];
    let (code, said) = run(None, &[&token[..], &[&file("bound.token"), "--certificate", &file("c.pem")]].concat());
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(None, &[&token[..], &[&file("none.token"), "--certificate", &file("k.pem")]].concat());
    assert!(code == Some(2) && said.contains("holds no certificate"), "{said}");

    let list = ["staff", "list", "--token-file", &file("bound.token")];
    let (code, said) = run(Some(("c.pem", "k.pem")), &list);
    assert!(code == Some(0) && said.contains("admin"), "{said}");
    for shown in [None, Some(("other.pem", "other-key.pem"))] {
        let (code, said) = run(shown, &list);
        assert!(code == Some(2) && said.contains("bound to a client certificate"), "{shown:?} {said}");
    }
    // What it opens beside reading is closed as well, and the first token is bound to nothing.
    let bound = std::fs::read_to_string(file("bound.token")).expect("written");
    let wish = || NewToken::default();
    assert_eq!(status(house.api(bound.trim(), &house.tls()).add_token("acme", &wish()).map(|_| ())), 401);
    assert_eq!(run(None, &["staff", "list", "--token-file", &file("operator.token")]).0, Some(0));
}

/// An operator may demand it of everybody. Nobody is locked out: a bound token needs a key and a certificate, and no other token.
#[test]
fn a_house_may_demand_bound_tokens_of_all_its_people() {
    let house = House::with(|http| drop(http.insert("staff_certificates".into(), true.into())));
    let (chain, key) = self_made();
    for (name, text) in [("c.pem", &chain), ("k.pem", &key)] {
        std::fs::write(house.file(name), text).expect("writable");
    }
    for person in ["ada.key", "eve.key"] {
        let made = callbook().args(["staff", "keygen", &house.file(person)]).output().expect("the program runs");
        assert!(made.status.success());
    }
    let refused = |shown, args: &[&str]| {
        let (code, said) = house.run(shown, args);
        assert!(code == Some(2) && said.contains("staff_unbound") && said.contains("--certificate"), "{args:?} {said}");
    };
    // The token of the first day sets the first key and nothing else, and that once.
    let (first, ada) = (house.file("operator.token"), house.file("ada.key"));
    refused(None, &["staff", "list", "--token-file", &first]);
    refused(Some(("c.pem", "k.pem")), &["staff", "list", "--token-file", &first]);
    let (code, said) = house.run(None, &["staff", "key", &ada, "--token-file", &first]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = house.run(None, &["staff", "key", &house.file("eve.key"), "--token-file", &first]);
    assert!(code == Some(2) && said.contains("staff_key"), "{said}");
    // Nobody gets a token that is not bound; with a certificate he needs none to get one.
    refused(None, &["staff", "token", "admin", "--key", &ada]);
    let bound = house.file("bound.token");
    let with = ["--certificate", &house.file("c.pem"), "--out", &bound];
    let (code, said) = house.run(None, &[&["staff", "token", "admin", "--key", &ada][..], &with].concat());
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = house.run(Some(("c.pem", "k.pem")), &["staff", "list", "--token-file", &bound]);
    assert_eq!(code, Some(0), "{said}");
    // What is left over from before is found, and taken away.
    let (well, said) = house.finding();
    assert!(well == Some(false) && said.starts_with("2 in force, 1 bound to no"), "{said}");
    let id = said.split(" of admin").next().and_then(|text| text.rsplit(' ').next()).expect("named");
    let (code, told) = house.run(Some(("c.pem", "k.pem")), &["provider", "revoke", id, "--token-file", &bound]);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(house.finding(), (Some(true), "1 in force, 0 bound to no client certificate".to_owned()));
}

/// Shows a certificate and signs with another key.
#[derive(Debug)]
struct Thief(Arc<CertifiedKey>);

impl ResolvesClientCert for Thief {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A certificate is public: without its key the handshake itself fails, and nothing is answered.
#[test]
fn a_certificate_without_its_key_is_worth_nothing() {
    let house = House::open();
    let ((chain, _), (_, other_key)) = (self_made(), self_made());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_slice(other_key.as_bytes()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(house.ca.path("ca.pem")).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Thief(Arc::new(CertifiedKey::new(chain, key)))));
    let address = house.facts["http_tls"][0].as_str().unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let asked = stream.write_all(b"GET /v1/charter HTTP/1.1\r\nhost: directory\r\n\r\n");
    let answered = asked.and_then(|()| stream.read(&mut [0; 64]));
    assert!(answered.is_err(), "{answered:?}");
}

#[test]
fn curl_and_openssl_agree() {
    if peers::program("curl").is_none() || peers::program("openssl").is_none() {
        return;
    }
    let house = House::open();
    register_acme(&house);
    let path = |name: &str| house.ca.path(name).display().to_string();
    let openssl = |args: &[&str]| {
        let out = Command::new("openssl").args(args).output().expect("openssl runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    let (cert, key, der) = (path("own.pem"), path("own.key"), path("own.der"));
    let subject = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=acme"];
    openssl(&[&subject[..], &["-keyout", &key, "-out", &cert]].concat());
    openssl(&["x509", "-in", &cert, "-outform", "DER", "-out", &der]);
    let hash = openssl(&["dgst", "-sha256", "-binary", &der]);
    let thumbprint = certificate_thumbprint(&std::fs::read(&cert).unwrap()).unwrap();
    assert_eq!(thumbprint, data_encoding::BASE64URL_NOPAD.encode(&hash), "openssl computes the same");

    let operator = house.dir.join("operator.token").display().to_string();
    let plain = format!("http://{}", house.facts["http"].as_str().unwrap());
    let token_file = path("bound.token");
    let made = callbook()
        .args(["provider", "token", "acme", "--certificate", &cert, "--out", &token_file, "--api", &plain])
        .args(["--token-file", &operator])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let header = format!("authorization: Bearer {}", std::fs::read_to_string(&token_file).unwrap().trim());
    std::fs::write(path("header"), header).unwrap();

    let url = format!("{}/v1/numbers?limit=1", house.url());
    let curl = |more: &[&str]| {
        let usual = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20", "--cacert"];
        let header = format!("@{}", path("header"));
        let mut command = Command::new("curl");
        command.args(usual).arg(path("ca.pem")).args(["-H", &header]).args(more).arg(&url);
        String::from_utf8(command.output().expect("curl runs").stdout).unwrap()
    };
    assert_eq!(curl(&["--cert", &cert, "--key", &key]), "200");
    assert_eq!(curl(&["--cert", &cert, "--key", &key, "--tlsv1.2", "--tls-max", "1.2"]), "200");
    assert_eq!(curl(&[]), "401");

    // The program's own commands take the same files from the environment.
    let program = |pairs: &[(&str, &str)]| {
        let mut command = callbook();
        command.args(["provider", "numbers", "--json", "--api", &house.url(), "--token-file", &token_file]);
        let out = command.env("CALLBOOK_CA", path("ca.pem")).envs(pairs.iter().copied()).output().expect("it runs");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (show, prove) = (("CALLBOOK_CLIENT_CERT", cert.as_str()), ("CALLBOOK_CLIENT_KEY", key.as_str()));
    assert_eq!(program(&[show, prove]), (Some(0), String::new()));
    assert!(program(&[]).1.contains("bound to a client certificate"));
    assert!(program(&[show]).1.contains("belong together"));
    assert!(program(&[show, ("CALLBOOK_CLIENT_KEY", "/nowhere")]).1.contains("CALLBOOK_CLIENT_KEY=/nowhere"));
}

#[test]
fn a_front_without_its_files_is_refused_with_the_remedy() {
    let house = House::open();
    configure(&house.dir.join("config.toml"), |http| {
        http.remove("tls_key");
    });
    let said = callbook().args(["config", "check", "--dir"]).arg(&house.dir).output().unwrap();
    assert!(!said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("http.tls_key is missing"), "{said:?}");
    configure(&house.dir.join("config.toml"), |http| {
        http.remove("tls_listen");
        http.insert("staff_certificates".into(), true.into());
    });
    let said = callbook().args(["config", "check", "--dir"]).arg(&house.dir).output().unwrap();
    assert!(!said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("none of the staff could come in"), "{said:?}");
}
