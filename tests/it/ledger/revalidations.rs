//! Codes to drawn numbers: sent by each adapter to a peer that is not ours, answered by the holder's device, and by nobody else.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use callbook::authority::{CODE_LIFE_MS, CodeSender, Courier, NotSent, Rejection, SenderError, sender_at};
use callbook::config;
use callbook::log::key::SigningKey;
use callbook::log::revalidation;
use callbook::number::Number;
use zeroize::Zeroizing;

use crate::ledger::audits::{MONTH, small, to_the_draw};
use crate::ledger::desk::{device, number};
use crate::ledger::staff::House;
use crate::peers;
use crate::ports::free_port;
use crate::receiver::{Got, Receiver, Reply};

const DAY_MS: u64 = 86_400_000;

/// Keeps what it is told to send.
#[derive(Default)]
struct Kept(Mutex<Vec<(Number, String)>>);

impl CodeSender for Kept {
    fn send(&self, number: Number, text: &str) -> Result<(), NotSent> {
        self.0.lock().unwrap().push((number, text.to_owned()));
        Ok(())
    }
}

/// The code in a text: its first word.
fn code_in(text: &str) -> String {
    let code = text.split(' ').next().unwrap();
    assert!(code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
    code.to_owned()
}

fn courier() -> Courier {
    Courier::new(&config::Webhooks { loopback: true, ..config::Webhooks::default() }).unwrap()
}

fn sender(address: &str, secret: &str) -> Arc<dyn CodeSender> {
    sender_at(address, Zeroizing::new(secret.to_owned()), courier()).unwrap()
}

struct World {
    house: House,
    kept: Arc<Kept>,
    items: Vec<String>,
}

impl World {
    fn new() -> Self {
        let (house, _acme) = small(30, |_| true);
        to_the_draw(&house.desk);
        let kept = Arc::new(Kept::default());
        house.desk.authority.send_codes_by(kept.clone());
        let items = house.desk.authority.audit_items(&house.ada, MONTH, (None, None), "", 500).unwrap().items;
        Self { house, kept, items: items.into_iter().map(|item| item.id).collect() }
    }

    /// Sends a code for an item; the number that it went to and the code.
    fn send(&self, item: &str) -> (Number, String) {
        let row = self.house.desk.authority.revalidate(&self.house.ada, item).unwrap();
        assert_eq!(row.state, "sent");
        let (number, text) = self.kept.0.lock().unwrap().last().cloned().unwrap();
        (number, code_in(&text))
    }

    fn answer(&self, to: Number, code: &str, key: &SigningKey) -> Result<(), Rejection> {
        let authority = &self.house.desk.authority;
        let signature = key.sign(&revalidation::tbs(authority.origin(), to, code));
        authority.answer_code(to, code, key.public(), &signature)
    }

    fn states(&self, item: &str) -> Vec<String> {
        let rows = self.house.desk.authority.revalidations(&self.house.ada, item).unwrap();
        rows.into_iter().map(|row| row.state).collect()
    }
}

fn holder(of: Number) -> SigningKey {
    device(of.as_u64() - number(0).as_u64()).control
}

fn nothing(answer: Result<(), Rejection>) {
    assert!(matches!(answer, Err(Rejection::NotFound)), "{answer:?}");
}

#[test]
fn the_line_and_the_key_together_confirm() {
    let world = World::new();
    let item = &world.items[0];
    let (to, code) = world.send(item);
    let other = if code == "00000000" { "00000001" } else { "00000000" };
    // Whatever is wrong, the answer is the same.
    nothing(world.answer(to, &code, &holder(number(999))));
    nothing(world.answer(number(999), &code, &holder(number(999))));
    nothing(world.answer(to, other, &holder(to)));
    let authority = &world.house.desk.authority;
    nothing(authority.answer_code(to, &code, holder(to).public(), &[1; 64]));
    world.answer(to, &code, &holder(to)).unwrap();
    nothing(world.answer(to, &code, &holder(to)));
    assert_eq!(world.states(item), ["confirmed"]);
    // The code is in no file.
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let raw = std::fs::read(world.house.dir.path().join("data").join(name)).unwrap();
        assert!(!raw.windows(8).any(|window| window == code.as_bytes()), "the code is in {name}");
    }
}

#[test]
fn a_code_is_guessed_five_times_expires_and_is_rare() {
    let world = World::new();
    let [first, second, third] = [&world.items[0], &world.items[1], &world.items[2]];
    let (to, code) = world.send(first);
    let wrong = |n: u64| format!("{:08}", (code.parse::<u64>().unwrap() + n) % 100_000_000);
    (1..=9).for_each(|n| nothing(world.answer(to, &wrong(n), &holder(number(998)))));
    (1..=5).for_each(|n| nothing(world.answer(to, &wrong(n), &holder(to))));
    nothing(world.answer(to, &code, &holder(to)));
    assert_eq!(world.states(first), ["wrong"], "a stranger's guesses do not count, the holder's do");

    let (to, code) = world.send(second);
    world.house.desk.clock.advance(CODE_LIFE_MS);
    nothing(world.answer(to, &code, &holder(to)));
    world.house.desk.authority.upkeep().unwrap();
    assert_eq!(world.states(second), ["expired"]);
    world.send(second);
    let again = world.house.desk.authority.revalidate(&world.house.ada, second);
    assert!(matches!(again, Err(Rejection::TooMany { .. })), "{again:?}");
    world.house.desk.clock.advance(8 * DAY_MS);
    world.send(second);

    let ben = &world.house.ben;
    assert!(world.house.desk.authority.revalidate(ben, third).is_ok(), "officers audit, too");
    let actor = world.house.desk.actor.clone();
    assert!(matches!(world.house.desk.authority.revalidate(&actor, third), Err(Rejection::Forbidden(_))));
    assert!(matches!(world.house.desk.authority.revalidate(ben, "nothing"), Err(Rejection::NotFound)));
}

#[test]
fn a_hook_gets_one_post_and_its_no_is_heard() {
    let receiver = Receiver::start();
    let hook = sender(&receiver.url(), "s3cret");
    let first = |got: &Got| got.json()["text"] != "again";
    receiver.answer(move |got, _| Reply::Status(if first(got) { 204 } else { 403 }, ""));
    assert_eq!(hook.send(number(1), "12345678 is the code"), Ok(()));
    assert_eq!(hook.send(number(1), "again"), Err(NotSent::Refused(403)));
    let got = receiver.got();
    assert_eq!(got[0].header("authorization"), "Bearer s3cret");
    assert_eq!(got[0].json(), serde_json::json!({"to": number(1).to_string(), "text": "12345678 is the code"}));
    let nobody = sender(&format!("http://{}/x", free_port()), "");
    assert_eq!(nobody.send(number(1), "x"), Err(NotSent::Unreachable));
    for wrong in ["", "ftp://a", "smpp://a", "smpp://a b@127.0.0.1:1", "sip:a@host", "smpp://@127.0.0.1:1"] {
        let made = sender_at(wrong, Zeroizing::default(), courier());
        assert!(matches!(made, Err(SenderError::Form)), "{wrong}");
    }
    let strict = Courier::new(&config::Webhooks::default()).unwrap();
    let plain = sender_at("http://127.0.0.1:9000/x", Zeroizing::default(), strict);
    assert!(matches!(plain, Err(SenderError::Url(_))), "only https, as webhooks");
}

/// A peer that runs until the test ends.
struct Peer(Child, BufReader<ChildStdout>);

impl Peer {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self(child, out)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_message_centre_takes_it_by_smpp() {
    let Some(python) = peers::pypi_python_with("smpp.pdu") else { return };
    let port = free_port();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/smsc.py");
    let mut peer = Peer::start(Command::new(python).arg(script).arg(port.port().to_string()).args(["dir", "pass"]));
    assert_eq!(peer.line(), "ready");
    let smpp = sender(&format!("smpp://dir@{port}"), "pass");
    assert_eq!(smpp.send(number(7), "12345678 is the code of e164.example"), Ok(()));
    let said: serde_json::Value = serde_json::from_str(&peer.line()).unwrap();
    let to = number(7).to_string().trim_start_matches('+').to_owned();
    let expected = serde_json::json!({"to": to, "ton": "INTERNATIONAL", "npi": "ISDN", "text": "12345678 is the code of e164.example"});
    assert_eq!(said, expected);
    // ESME_RINVPASWD
    assert_eq!(sender(&format!("smpp://dir@{port}"), "wrong").send(number(7), "x"), Err(NotSent::Refused(14)));
    assert_eq!(smpp.send(number(8), "once more"), Ok(()));
}

#[test]
fn a_message_centre_that_makes_no_sense_is_left() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = listener.local_addr().unwrap();
    let answers: [&[u8]; 3] =
        [&[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0xff; 16], b"HTTP/1.1 400 Bad Request\r\n\r\n"];
    let serving = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, answer).unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let smpp = sender(&format!("smpp://dir@{peer}"), "pass");
    for _ in answers {
        assert_eq!(smpp.send(number(1), "x"), Err(NotSent::Protocol));
    }
    serving.join().unwrap();
    let long = sender(&format!("smpp://dir@{peer}"), "a password that is too long");
    assert_eq!(long.send(number(1), "x"), Err(NotSent::Protocol));
}

/// A user agent that answers one MESSAGE: first that it is trying, then this.
fn sip_scenario(status: &str) -> String {
    let answer = |status: &str| {
        format!(
            "<send><![CDATA[\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]\n[last_Call-ID:]\n[last_CSeq:]\n\
             Content-Length: 0\n\n]]></send>\n"
        )
    };
    format!(
        "<?xml version=\"1.0\"?>\n<scenario name=\"message\">\n<recv request=\"MESSAGE\">\n<action>\n\
         <ereg regexp=\"^12345678 is the code$\" search_in=\"body\" check_it=\"true\" assign_to=\"1\"/>\n</action></recv>\n\
         {}{}<Reference variables=\"1\"/>\n</scenario>\n",
        answer("100 Trying"),
        answer(status)
    )
}

/// Waits until somebody has the UDP port. A look at the system's table disturbs nobody, as taking the port for a moment would.
fn until_bound(port: u16) -> bool {
    let taken = format!(":{port:04X} ");
    let bound = || std::fs::read_to_string("/proc/net/udp").unwrap().lines().any(|line| line.contains(&taken));
    (0..500).any(|_| {
        bound() || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            false
        }
    })
}

#[test]
fn a_sip_user_agent_takes_it_by_message() {
    let Some(sipp) = peers::program("sipp") else { return };
    let dir = tempfile::tempdir().unwrap();
    for (status, expected) in [("200 OK", Ok(())), ("403 Forbidden", Err(NotSent::Refused(403)))] {
        let (port, scenario) = (free_port(), dir.path().join("message.xml"));
        std::fs::write(&scenario, sip_scenario(status)).unwrap();
        let mut command = Command::new(&sipp);
        command.arg("-sf").arg(&scenario).args(["-i", "127.0.0.1", "-p", &port.port().to_string(), "-m", "1"]);
        command.args(["-nostdin", "-timeout", "20", "-trace_err"]).current_dir(dir.path());
        let mut peer = command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
        assert!(until_bound(port.port()), "sipp does not listen");
        let sip = sender(&format!("sip:dir@{port}"), "");
        assert_eq!(sip.send(number(7), "12345678 is the code"), expected);
        let ended = peer.wait().unwrap();
        let told: String = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        assert!(ended.success(), "sipp did not like the request: {told}");
    }
}

#[test]
fn a_silent_proxy_is_asked_again_and_given_up() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let sip = sender(&format!("sip:dir@{}", silent.local_addr().unwrap()), "");
    assert_eq!(sip.send(number(7), "x"), Err(NotSent::Timeout));
    silent.set_nonblocking(true).unwrap();
    let mut requests = Vec::new();
    let mut buffer = [0; 2048];
    while let Ok(length) = silent.recv(&mut buffer) {
        requests.push(buffer[..length].to_vec());
    }
    assert!(requests.len() >= 4, "{}", requests.len());
    assert!(requests.iter().all(|request| *request == requests[0]), "the same request each time");
}
