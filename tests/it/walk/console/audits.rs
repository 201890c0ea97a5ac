//! A month is audited in a browser: drawn, looked into, judged, published, by a person who has the pages and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::browser::{Browser, axe};
use super::looks::seen;
use super::soft::origin;
use crate::walk::child::Demo;

/// Numbers of the month: more than are drawn at least.
const NUMBERS: usize = 22;
/// An epoch is made each minute at the latest.
const PATIENCE: Duration = Duration::from_secs(150);
/// From any day into a month that is over.
const BACK_MS: i64 = 32 * 86_400_000;

#[test]
fn an_audit_is_run_from_the_console_alone() {
    let Some(browser) = Browser::start() else { return };
    let axe = axe();
    let owned = tempfile::tempdir().expect("a folder");
    let dir = owned.path().join("demo");
    let demo = Demo::start_in(&dir, &[]);
    let provider = dir.join("provider").display().to_string();
    let register = |demo: &Demo, n: usize| {
        let number = format!("+99900777{n:02}");
        let args = ["number", "register", &number, "--sip", "sip:x@acme.example", "--provider", &provider];
        assert!(demo.run(&args).status.success(), "{number}");
    };
    (0..NUMBERS).for_each(|n| register(&demo, n));
    demo.stop();
    let month = a_month_ago(&dir);
    let demo = Demo::start_in(&dir, &[]);
    let here = origin(&demo);

    browser.go(demo.fact("console_link"));
    browser.says("Welcome, admin");
    browser.press("Register a passkey");
    browser.says("What needs a person");
    browser.go(&format!("{here}/console/audits"));
    browser.says("Close a month now");
    seen(&browser, &axe, "audits");
    browser.fill("period", &month);
    browser.press("Close it");
    browser.says(&format!("Audit of {month}"));
    register(&demo, NUMBERS); // so that the next epoch need not be waited for
    until_drawn(&browser, &format!("{here}/console/audits/{month}"));
    seen(&browser, &axe, "audit-drawn");

    let api = format!("http://{}", demo.fact("http"));
    let token = dir.join("provider/token").display().to_string();
    let evidence = dir.join("provider/evidence").display().to_string();
    let answered =
        demo.run(&["provider", "audit", "answer", &evidence, "--api", &api, "--token-file", &token, "--json"]);
    assert!(answered.status.success(), "{}", String::from_utf8_lossy(&answered.stderr));
    browser.go(&format!("{here}/console/audits/{month}?state=answered"));
    browser.click("table.cards a[href*='audit-items']");
    browser.says("what the token committed to");
    browser.choose("finding", "forged");
    browser.press("Put it down");
    browser.says("failed: forged");
    seen(&browser, &axe, "audit-item");
    judge_the_rest(&demo, &dir, &month);
    browser.go(&format!("{here}/console/audits/{month}"));
    browser.says("Publish the counts");
    seen(&browser, &axe, "audit-judged");
    browser.press("Publish the counts");
    browser.says(&format!("Audit of {month}\npublished"));
    browser.forget();
}

/// The directory closes and draws by itself too, and a draw waits for a head of the log that is newer than the close: whoever is early
/// is told so.
fn until_drawn(browser: &Browser, page: &str) {
    let started = Instant::now();
    loop {
        browser.go(page);
        let text = browser.text();
        if text.contains("Evidence is to be judged") {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "it is not drawn: {text}");
        if text.contains("The beacon's round") {
            browser.press("Draw");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Puts what was validated into a month that is over, and forgets the samples, of which nobody kept evidence.
fn a_month_ago(dir: &Path) -> String {
    let ledger = rusqlite::Connection::open(dir.join("data/ledger.sqlite")).expect("the ledger");
    let kept = "DELETE FROM audit_tokens WHERE at_ms < (SELECT min(at_ms) FROM \
                (SELECT at_ms FROM audit_tokens ORDER BY at_ms DESC LIMIT ?1))";
    ledger.execute(kept, [NUMBERS as i64]).expect("a table of ours");
    ledger.execute("UPDATE audit_tokens SET at_ms = at_ms - ?1", [BACK_MS]).expect("a table of ours");
    let month = "SELECT strftime('%Y-%m', max(at_ms) / 1000, 'unixepoch') FROM audit_tokens";
    let one = "DELETE FROM audit_tokens WHERE strftime('%Y-%m', at_ms / 1000, 'unixepoch') != ?1";
    let month: String = ledger.query_row(month, [], |row| row.get(0)).expect("a month");
    ledger.execute(one, [&month]).expect("a table of ours");
    month
}

fn judge_the_rest(demo: &Demo, dir: &Path, month: &str) {
    let (api, token) = (format!("http://{}", demo.fact("http")), dir.join("operator.token").display().to_string());
    let with = ["--api", &*api, "--token-file", &*token, "--json"];
    let run = |args: &[&str]| -> Value {
        let out = demo.run(&[args, &with].concat());
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).expect("JSON")
    };
    let items = run(&["audit", "items", month, "--state", "answered"]);
    for item in items["items"].as_array().expect("a list") {
        run(&["audit", "judge", item["id"].as_str().expect("an id"), "pass"]);
    }
}
