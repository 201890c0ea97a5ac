//! A demo directory as a child process on free ports, in a directory of its own; ended by its id.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::peers;

/// The program under test.
pub(super) fn callbook() -> Command {
    Command::new(env!("CARGO_BIN_EXE_callbook"))
}

/// Runs the program to its end, which must be this exit code: the JSON it printed (null if it is none), and all that it said.
pub(super) fn ran(args: &[&str], exit: i32) -> (Value, String) {
    let out = callbook().args(args).output().expect("the program runs");
    let (text, why) =
        (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned());
    assert_eq!(out.status.code(), Some(exit), "{args:?}: {text}{why}");
    (serde_json::from_str(&text).unwrap_or(Value::Null), text + &why)
}

/// A path as an argument.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The program on a file system of its own, `mib` MiB in memory, mounted at `disk` in a namespace that ends with it;
/// nothing where the machine does not allow that.
fn in_small_disk(disk: &Path, mib: u32) -> Option<Command> {
    let mount = format!("mount -t tmpfs -o size={mib}m,mode=700 disk \"$0\" && exec \"$@\"");
    [&["--mount"][..], &["--mount", "--user", "--map-root-user"]].into_iter().find_map(|namespaces| {
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", &mount]).arg(disk);
        let mut trial = Command::new("unshare");
        trial.args(command.get_args()).arg("true").stderr(Stdio::null());
        command.arg(callbook().get_program());
        trial.status().is_ok_and(|status| status.success()).then_some(command)
    })
}

/// Octets of its log that are shown when a test fails.
const LOG_TAIL: usize = 4000;

/// A running demo.
pub(super) struct Demo {
    /// What it wrote to demo.json.
    pub(super) facts: Value,
    child: Child,
    dir: PathBuf,
    root: String,
    owned: Option<TempDir>,
    /// Reads along what it logs: a program whose log nobody takes stands still once the pipe is full.
    log: Option<JoinHandle<Vec<u8>>>,
}

/// An HTTP answer: status, headers that matter, body as text and as JSON (null if it is none).
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) location: Option<String>,
    pub(super) link: Option<String>,
    pub(super) media_type: String,
    pub(super) text: String,
    pub(super) json: Value,
}

impl Demo {
    /// Starts a demo in a new directory.
    pub(super) fn start() -> Self {
        let owned = tempfile::tempdir().expect("a temporary directory");
        let dir = owned.path().join("demo");
        let mut demo = Self::start_in(&dir, &[]);
        demo.owned = Some(owned);
        demo
    }

    /// Starts a demo in this directory with further arguments.
    pub(super) fn start_in(dir: &Path, more: &[&str]) -> Self {
        Self::start_by(callbook(), dir, more)
    }

    /// Starts one on a file system of its own, `mib` MiB in memory, beside the folder that it is mounted in; nothing, and loudly,
    /// where the machine does not allow that.
    pub(super) fn on_small_disk(mib: u32) -> Option<(TempDir, Self)> {
        let home = tempfile::tempdir().expect("a temporary directory");
        let disk = home.path().join("disk");
        fs::create_dir(&disk).expect("a new folder");
        let Some(command) = in_small_disk(&disk, mib) else {
            peers::not_here("no file system of one's own can be mounted here (unshare)");
            return None;
        };
        let demo = Self::start_by(command, &disk.join("demo"), &[]);
        Some((home, demo))
    }

    /// The same by a command that ends in the program, such as that of [`in_small_disk`].
    fn start_by(mut command: Command, dir: &Path, more: &[&str]) -> Self {
        let mut child = command
            .args(["demo", "--json", "--dns", "127.0.0.1:0", "--http", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        lines.read_line(&mut line).expect("its output is text");
        let Ok(facts) = serde_json::from_str(&line) else {
            let mut why = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut why);
            panic!("the demo did not start: {line:?} {why}");
        };
        // Files as the child sees them: it may have mounted something that only it can see.
        let root = match command.get_program() == callbook().get_program() {
            true => String::new(),
            false => format!("/proc/{}/root", child.id()),
        };
        let mut stderr = child.stderr.take().expect("piped");
        let log = Some(std::thread::spawn(move || {
            let mut log = Vec::new();
            let _ = stderr.read_to_end(&mut log);
            log
        }));
        Self { facts, child, dir: PathBuf::from(format!("{root}{}", dir.display())), root, owned: None, log }
    }

    /// A text of demo.json.
    pub(super) fn fact(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap_or_else(|| panic!("demo.json has no {name}"))
    }

    /// The first sample number, `+…`.
    pub(super) fn sample(&self, i: usize) -> &str {
        self.facts["sample_numbers"][i].as_str().expect("a sample number")
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash would.
    pub(super) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end and waits.
    pub(super) fn stop(mut self) -> i32 {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(status.success());
        self.child.wait().expect("it ends").code().unwrap_or(-1)
    }

    /// Ends it and gives what it logged.
    pub(super) fn stop_and_log(mut self) -> String {
        let log = self.log.take().expect("read along since the start");
        assert!(self.stop() >= 0, "it ends by itself");
        String::from_utf8(log.join().expect("reading does not panic")).expect("its log is text")
    }

    /// Runs the program with arguments and the demo's surroundings.
    pub(super) fn run(&self, args: &[&str]) -> Output {
        callbook().args(args).output().expect("the program runs")
    }

    /// Looks a number up and gives the JSON and the exit code.
    pub(super) fn lookup(&self, number: &str) -> (Value, i32) {
        self.lookup_at(number, self.fact("dns"))
    }

    /// The same at another server.
    pub(super) fn lookup_at(&self, number: &str, server: &str) -> (Value, i32) {
        let anchor = format!("{}{}", self.root, self.fact("anchor_file"));
        let out = self.run(&["lookup", number, "--server", server, "--anchor", &anchor, "--json"]);
        let json = serde_json::from_slice(&out.stdout).unwrap_or(Value::Null);
        (json, out.status.code().unwrap_or(-1))
    }

    /// One HTTP request. `token` is a bearer token; the body goes as it is.
    pub(super) fn http(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(40)))
            .build()
            .into();
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.fact("http")));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.unwrap_or_default().to_vec()).expect("a request");
        let mut response = agent.run(request).expect("an answer");
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (retry_after, etag) = (header("retry-after"), header("etag"));
        let (location, link) = (header("location"), header("link"));
        let media_type = header("content-type").unwrap_or_default();
        let status = response.status().as_u16();
        let body = response.body_mut().read_to_vec().expect("a body");
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer {
            status,
            retry_after,
            etag,
            location,
            link,
            media_type,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A failure is often explained by what the program said last.
        if let Some(log) = self.log.take().filter(|_| std::thread::panicking()).and_then(|log| log.join().ok()) {
            let tail = log.len().saturating_sub(LOG_TAIL);
            eprintln!("{}", String::from_utf8_lossy(&log[tail..]));
        }
        drop(self.owned.take());
    }
}

impl Answer {
    /// Asserts that this is a problem as RFC 9457 wants it, with this status and code.
    pub(super) fn expect_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", self.json);
        assert_eq!(self.media_type, "application/problem+json");
        assert!(![429, 503].contains(&status) || self.retry_after.is_some(), "when to ask again: {}", self.json);
        assert_eq!(self.json["type"].as_str(), Some(format!("/v1/problems/{code}").as_str()));
        for field in ["title", "detail", "request_id"] {
            assert!(self.json[field].as_str().is_some_and(|t| !t.is_empty()), "{field} is missing: {}", self.json);
        }
        self
    }

    /// The places of all mistakes.
    pub(super) fn pointers(&self) -> Vec<&str> {
        self.json["errors"]
            .as_array()
            .map(|errors| errors.iter().filter_map(|e| e["pointer"].as_str()).collect())
            .unwrap_or_default()
    }
}
