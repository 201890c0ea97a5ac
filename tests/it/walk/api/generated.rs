//! A client that a stock generator makes from the OpenAPI document: made without a warning, compiled, and used against the demo.

use std::fs;
use std::process::Command;

use crate::peers;
use crate::walk::child::Demo;

/// What the generator is told: bodies of lines are bytes to it, and nothing runs over what it made.
const CONFIG: &str = "post_hooks: []
content_type_overrides:
  application/x-ndjson: application/octet-stream
  application/openmetrics-text: text/plain
";
/// A provider's first calls with what was made; the token comes by file.
const USE: &str = r#"
import sys
from client import AuthenticatedClient, Client
from client.api.batches import get_batch
from client.api.numbers import get_numbers, post_number_prepare
from client.api.providers import get_provider_tokens, get_providers
from client.models import Asked, BatchResult, Problem

base, token = sys.argv[1], open(sys.argv[2]).read().strip()
everybody = get_providers.sync(client=Client(base_url=base))
assert [one.id for one in everybody.providers] == ["acme"], everybody
acme = AuthenticatedClient(base_url=base, token=token)
prepared = post_number_prepare.sync("+447700900123", client=acme, body=Asked(validation=[]))
assert prepared.apex == "e164.example." and len(prepared.nonce) > 10, prepared
page = get_numbers.sync(client=acme, limit=5)
assert len(page.numbers) == 5 and page.next_cursor, page
rest = get_numbers.sync(client=acme, cursor=page.next_cursor)
assert len(rest.numbers) == 15, rest
for no, status in [(get_batch.sync("none", client=acme), 404), (get_provider_tokens.sync("acme", client=acme), 403)]:
    assert isinstance(no, Problem) and no.status == status and no.request_id, no
print("used")
"#;

#[test]
fn a_generated_client_compiles_and_calls() {
    let Some(generator) = peers::from_pypi("openapi-python-client") else { return };
    let Some(python) = peers::pypi_python_with("openapi_python_client") else { return };
    let demo = Demo::start();
    let home = tempfile::tempdir().expect("a temporary directory");
    fs::write(home.path().join("openapi.json"), callbook::http::openapi_document()).expect("written");
    fs::write(home.path().join("config.yaml"), CONFIG).expect("written");
    fs::write(home.path().join("use.py"), USE).expect("written");
    let run = |command: &mut Command| {
        let out = command.current_dir(home.path()).output().expect("it runs");
        let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{said}");
        said
    };
    let make = ["generate", "--path", "openapi.json", "--meta", "none", "--config", "config.yaml", "--fail-on-warning"];
    run(Command::new(generator).args(make).args(["--output-path", "client"]));
    run(Command::new(&python).args(["-m", "compileall", "-q", "client"]));
    let token = demo.dir().join("provider/token");
    let used = run(Command::new(&python).arg("use.py").arg(format!("http://{}", demo.fact("http"))).arg(token));
    assert_eq!(used.trim(), "used");
}
