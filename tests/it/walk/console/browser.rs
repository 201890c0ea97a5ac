//! Chromium behind chromedriver, spoken to by the WebDriver protocol (W3C WebDriver, WebAuthn 11): one process, a fresh profile.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peers;

/// How long a page may take to become what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one window.
pub(super) struct Browser {
    driver: Child,
    base: String,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// A fresh browser with a virtual authenticator; nothing if none is installed, which is said.
    pub(super) fn start() -> Option<Self> {
        let (driver, chromium) = (peers::program("chromedriver")?, peers::program("chromium")?);
        let mut driver = Command::new(driver)
            .args(["--port=0", "--allowed-ips=127.0.0.1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let lines = BufReader::new(driver.stdout.take().expect("piped")).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("started successfully on port ")?.1.trim_end_matches('.').to_owned()))
            .expect("chromedriver says its port");
        let profile = tempfile::tempdir().expect("a folder");
        let args = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut browser =
            Self { driver, base: format!("http://127.0.0.1:{port}"), session: String::new(), _profile: profile };
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"binary": chromium, "args": args},
            "goog:loggingPrefs": {"browser": "ALL"}}}});
        let made = browser.call("POST", "/session", &wanted);
        browser.session = format!("/session/{}", made["sessionId"].as_str().expect("a session"));
        let authenticator = json!({"protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true});
        browser.post("/webauthn/authenticator", &authenticator);
        Some(browser)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.asked(method, path, body).unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }

    /// The answer, or what the driver says is wrong.
    fn asked(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = request.header("content-type", "application/json");
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut answer = agent.run(request.body(body).expect("a request")).expect("chromedriver answers");
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(200_000_000).read_to_string().expect("text");
        let said: Value = serde_json::from_str(&text).expect("JSON");
        if status == 200 { Ok(said["value"].clone()) } else { Err(text.chars().take(600).collect()) }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), body)
    }

    /// A command of Chromium's own protocol.
    pub(super) fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Opens a page and waits until it is loaded.
    pub(super) fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// Where it is, without the origin.
    pub(super) fn path(&self) -> String {
        let url = self.call("GET", &format!("{}/url", self.session), &Value::Null);
        let url = url.as_str().expect("an address").to_owned();
        url.splitn(4, '/').nth(3).map_or_else(String::new, |rest| format!("/{rest}"))
    }

    /// What an expression of the page's is.
    pub(super) fn eval(&self, expression: &str) -> Value {
        self.post("/execute/sync", &json!({"script": format!("return ({expression});"), "args": []}))
    }

    /// Runs a script that answers by its last argument, a function.
    pub(super) fn run(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// What the page says.
    pub(super) fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says that.
    pub(super) fn says(&self, words: &str) {
        let started = Instant::now();
        while !self.text().contains(words) {
            assert!(started.elapsed() < PATIENCE, "{words:?} is not on {}: {}", self.path(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until it is there.
    pub(super) fn arrives(&self, path: &str) {
        let started = Instant::now();
        while self.path() != path {
            assert!(started.elapsed() < PATIENCE, "it is at {}, not at {path}: {}", self.path(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn element(&self, css: &str) -> String {
        let started = Instant::now();
        loop {
            let found = self.post("/elements", &json!({"using": "css selector", "value": css}));
            if let Some(first) = found.as_array().and_then(|all| all.first()?.as_object()?.values().next()?.as_str()) {
                return first.to_owned();
            }
            assert!(started.elapsed() < PATIENCE, "{css} is not on {}: {}", self.path(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks what the selector finds first.
    pub(super) fn click(&self, css: &str) {
        let element = self.element(css);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Clicks the button or link with exactly these words.
    pub(super) fn press(&self, words: &str) {
        let xpath = format!("//*[self::button or self::a or self::summary][normalize-space(.)={words:?}]");
        let started = Instant::now();
        loop {
            let found = self.post("/elements", &json!({"using": "xpath", "value": xpath}));
            if let Some(first) = found.as_array().and_then(|all| all.first()?.as_object()?.values().next()?.as_str()) {
                match self.asked("POST", &format!("{}/element/{first}/click", self.session), &json!({})) {
                    // The page that had it has just gone: the next one may have it too.
                    Err(why) if why.contains("stale element") || why.contains("belong to the document") => continue,
                    clicked => clicked.map(drop).unwrap_or_else(|why| panic!("{words:?}: {why}")),
                }
                return;
            }
            assert!(started.elapsed() < PATIENCE, "no {words:?} on {}: {}", self.path(), self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes into a field, in the place of what it holds.
    pub(super) fn fill(&self, name: &str, text: &str) {
        let element = self.element(&format!("[name={name:?}]"));
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Chooses a value of a list.
    pub(super) fn choose(&self, name: &str, value: &str) {
        self.click(&format!("select[name={name:?}] option[value={value:?}]"));
    }

    /// Presses a key as a person at a keyboard does.
    pub(super) fn key(&self, key: &str) {
        let down_up = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": down_up}]}));
    }

    /// As wide as that, light or dark.
    pub(super) fn looks(&self, width: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false});
        self.cdp("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", features);
    }

    /// A picture of the whole page in target/screens.
    pub(super) fn picture(&self, name: &str) {
        let shot = self.cdp("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        let png = BASE64.decode(shot["data"].as_str().expect("a picture").as_bytes()).expect("base64");
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/screens"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("a picture");
    }

    /// What the browser refused to load or to run since it was asked last.
    pub(super) fn refusals(&self) -> Vec<String> {
        let lines = self.post("/se/log", &json!({"type": "browser"}));
        let said = lines.as_array().expect("a list").iter().filter_map(|line| line["message"].as_str());
        said.filter(|text| text.contains("Content Security Policy") || text.contains("Refused"))
            .map(str::to_owned)
            .collect()
    }

    /// Forgets who is signed in.
    pub(super) fn forget(&self) {
        self.call("DELETE", &format!("{}/cookie", self.session), &Value::Null);
    }

    /// The cookies, as the browser keeps them.
    pub(super) fn cookies(&self) -> Value {
        self.call("GET", &format!("{}/cookie", self.session), &Value::Null)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // Ends the browser itself, also after a test that failed: nothing here may panic then.
            let _ = ureq::delete(format!("{}{}", self.base, self.session)).call();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The accessibility checker axe-core, if `./test` has fetched it.
pub(super) fn axe() -> Option<String> {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers/axe/package/axe.min.js"));
    let found = std::fs::read_to_string(file).ok();
    if found.is_none() {
        peers::not_here("axe-core is not there: ./test gets it from npm");
    }
    found
}
