//! A tester that is not ours reads the OpenAPI document and sends what it makes of it: no answer is a fault of ours, and none
//! has a status, a type or a body that the document does not tell; what does not fit it is refused, tokens count.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::peers;
use crate::walk::child::Demo;

/// Requests that are made up for each route and each way of making them up.
const EXAMPLES: &str = "10";
/// All its checks but two. A schema cannot say that a text must be a number, a signature or a token: not all that fits it is
/// taken. And a batch is lines to its schema, where a mistake in one is that item's: whatever comes is taken in.
const CHECKS: &str = "checks.positive_data_acceptance.enabled = false
[[operations]]
include-path = \"/v1/batches\"
checks.negative_data_rejection.enabled = false
";
/// How it writes a batch: as it made it up.
const HOOKS: &str = r#"
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def lines(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
"#;
/// Far more than it takes; then it is ended.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_tester_finds_the_document_true() {
    let Some(tester) = peers::from_pypi("schemathesis") else { return };
    let demo = Demo::start();
    let provider = fs::read_to_string(demo.dir().join("provider/token")).expect("a token");
    for (who, token) in [("nobody", ""), ("a provider", provider.trim()), ("the operator", demo.fact("operator_token"))]
    {
        let home = tempfile::tempdir().expect("a temporary directory");
        // The token goes by file: the command line is for everybody to see.
        let headers = match token {
            "" => String::new(),
            token => format!("headers = {{ Authorization = \"Bearer {token}\" }}\n"),
        };
        fs::write(home.path().join("schemathesis.toml"), format!("hooks = \"hooks\"\n{headers}{CHECKS}"))
            .expect("written");
        fs::write(home.path().join("hooks.py"), HOOKS).expect("written");
        let report = fs::File::create(home.path().join("report")).expect("a file");
        let mut child = Command::new(&tester)
            .args(["run", &format!("http://{}/v1/openapi.json", demo.fact("http"))])
            .args(["--max-examples", EXAMPLES, "--seed", "7", "--phases", "examples,coverage,fuzzing,stateful"])
            .args(["--workers", "2", "--no-color"])
            .current_dir(home.path())
            .env("PYTHONPATH", home.path())
            .stdin(Stdio::null())
            .stdout(report.try_clone().expect("a file"))
            .stderr(report)
            .spawn()
            .expect("it starts");
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().expect("a child") {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => {
                    child.kill().expect("it runs");
                    break child.wait().expect("it ends");
                }
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        let said = fs::read_to_string(home.path().join("report")).expect("a report");
        assert!(status.success(), "as {who}: {said}");
    }
    assert_eq!(demo.http("GET", "/healthz", None, &[], None).status, 200, "it is well afterwards");
}
