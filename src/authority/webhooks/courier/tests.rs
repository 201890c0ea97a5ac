//! Endpoints that mean harm, on this machine: what the courier does with them.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

/// Longer than anything here takes, but for what is to be cut off.
const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(300);

/// Gives out these answers one after the other, the last again and again.
#[derive(Debug)]
struct Names(Mutex<VecDeque<Vec<SocketAddr>>>);

impl Names {
    fn new(answers: &[&[&str]]) -> Box<Self> {
        let answers = answers.iter().map(|answer| answer.iter().map(|address| address.parse().unwrap()).collect());
        Box::new(Self(Mutex::new(answers.collect())))
    }
}

impl Resolver for Names {
    fn resolve(&self, _: &Uri, _: &AgentConfig, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let mut found = self.empty();
        answer.into_iter().flatten().for_each(|address| found.push(address));
        Ok(found)
    }
}

fn here(patience: Duration) -> Courier {
    Courier::with(true, RootCerts::WebPki, Box::new(DefaultResolver::default()), patience)
}

/// Reads one request whole and gives its first line.
fn request(stream: &TcpStream) -> String {
    let (mut lines, mut first, mut length) = (BufReader::new(stream), String::new(), 0);
    lines.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    lines.read_exact(&mut vec![0; length]).unwrap();
    first
}

/// An endpoint that treats its one connection like this.
fn endpoint(treat: impl FnOnce(TcpStream) + Send + 'static) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    (url, thread::spawn(move || treat(listener.accept().unwrap().0)))
}

fn post(courier: &Courier, url: &str) -> Result<Answer, Unsent> {
    courier.post(&courier.read(url).unwrap(), &[("webhook-id", "a".to_owned())], b"{}")
}

#[test]
fn urls_that_lead_elsewhere_are_refused() {
    let strict = Courier::strict();
    for (url, mistake) in [
        ("", UrlMistake::Form),
        ("hooks.example.net", UrlMistake::Form),
        ("/hook", UrlMistake::Form),
        ("https://", UrlMistake::Form),
        ("https://a.example/ b", UrlMistake::Form),
        ("https://a.example/#b", UrlMistake::Form),
        ("https://a.example\\@b.example/", UrlMistake::Form),
        ("https://b\u{fc}cher.example/", UrlMistake::Form),
        ("http://a.example/", UrlMistake::Scheme),
        ("http://127.0.0.1:8080/", UrlMistake::Scheme),
        ("ftp://a.example/", UrlMistake::Scheme),
        ("file:///etc/passwd", UrlMistake::Form),
        ("https://user@a.example/", UrlMistake::UserInfo),
        ("https://user:pass@a.example/", UrlMistake::UserInfo),
        ("https://1.1.1.1@127.0.0.1/", UrlMistake::UserInfo),
        ("https://a.example:80/", UrlMistake::Port),
        ("https://a.example:22/", UrlMistake::Port),
        ("https://a.example:0/", UrlMistake::Port),
        ("https://a.example:/", UrlMistake::Port),
    ] {
        assert_eq!(strict.read(url), Err(mistake), "{url}");
    }
    assert_eq!(strict.read(&format!("https://a.example/{}", "a".repeat(URL_LEN_MAX))), Err(UrlMistake::Form));
    for url in
        ["https://a.example", "https://a.example:8443/x?y=z", "https://[2606:4700::1111]/", "https://1.1.1.1:443/"]
    {
        assert!(strict.read(url).is_ok(), "{url}");
    }
    for url in ["http://127.0.0.1:8080/", "http://localhost/", "https://[::1]:9000/"] {
        assert!(here(LONG).read(url).is_ok(), "{url}");
    }
}

#[test]
fn every_spelling_of_an_address_that_is_not_public_is_refused() {
    let strict = Courier::strict();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
    ] {
        let url = strict.read(&format!("https://{host}:8443/")).unwrap();
        assert_eq!(strict.check(&url), Err(UrlMistake::Address), "{host}");
        assert_eq!(post(&strict, &format!("https://{host}:8443/")), Err(Unsent::Address), "{host}");
    }
    assert_eq!(strict.check(&strict.read("https://1.1.1.1/").unwrap()), Ok(()));
    // What is allowed on this machine is allowed nowhere else.
    for host in ["http://10.0.0.1", "http://1.1.1.1", "https://10.0.0.1"] {
        let here = here(LONG);
        assert_eq!(here.check(&here.read(host).unwrap()), Err(UrlMistake::Address), "{host}");
    }
}

#[test]
fn a_name_that_changes_its_mind_reaches_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (inside, url) = (format!("127.0.0.1:{port}"), format!("https://rebinds.example:{port}/"));
    for answers in [
        vec![vec!["1.1.1.1:443"], vec![inside.as_str()]],
        vec![vec!["1.1.1.1:443"], vec!["1.1.1.1:443", inside.as_str()]],
        vec![vec!["1.1.1.1:443"], vec![]],
    ] {
        let answers: Vec<&[&str]> = answers.iter().map(Vec::as_slice).collect();
        let courier = Courier::with(false, RootCerts::WebPki, Names::new(&answers), LONG);
        assert_eq!(courier.check(&courier.read(&url).unwrap()), Ok(()), "public when it was looked at");
        assert_eq!(post(&courier, &url), Err(Unsent::Address));
    }
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody knocked");
}

#[test]
fn an_answer_is_its_status_and_no_redirect_is_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = elsewhere.local_addr().unwrap();
    for (line, more, status, retry_after_s) in [
        ("204 No Content", String::new(), 204, None),
        ("302 Found", format!("Location: http://{to}/\r\n"), 302, None),
        ("307 Temporary Redirect", format!("Location: http://{to}/\r\n"), 307, None),
        ("308 Permanent Redirect", format!("Location: http://{to}/\r\n"), 308, None),
        ("503 Service Unavailable", "Retry-After: 17\r\n".to_owned(), 503, Some(17)),
        ("429 Too Many Requests", "Retry-After: Fri, 15 Jan 2027 08:00:00 GMT\r\n".to_owned(), 429, None),
    ] {
        let (url, served) = endpoint(move |mut stream| {
            assert_eq!(request(&stream), "POST /hook HTTP/1.1\r\n");
            write!(stream, "HTTP/1.1 {line}\r\nContent-Length: 0\r\n{more}\r\n").unwrap();
        });
        assert_eq!(post(&here(LONG), &url), Ok(Answer { status, retry_after_s }), "{line}");
        served.join().unwrap();
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody was sent there");
}

#[test]
fn who_stalls_is_left() {
    // Reads and says nothing; says half a head; trickles a head for ever.
    for said in ["", "HTTP/1.1 200 OK\r\nX-"] {
        let (url, served) = endpoint(move |mut stream| {
            request(&stream);
            stream.write_all(said.as_bytes()).unwrap();
            let mut left = Vec::new();
            let _until_it_is_closed = stream.read_to_end(&mut left);
        });
        assert_eq!(post(&here(SHORT), &url), Err(Unsent::Timeout), "{said:?}");
        served.join().unwrap();
    }
    let (url, served) = endpoint(|mut stream| {
        request(&stream);
        let mut more = stream.write_all(b"HTTP/1.1 200 OK\r\nX-More: ");
        while more.is_ok() {
            thread::sleep(Duration::from_millis(20));
            more = stream.write_all(b"x");
        }
    });
    assert_eq!(post(&here(SHORT), &url), Err(Unsent::Timeout));
    served.join().unwrap();
}

#[test]
fn a_huge_answer_is_not_read() {
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let (url, served) = endpoint(|mut stream| {
        request(&stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").unwrap();
        while stream.write_all(&[b'x'; 65_536]).is_ok() {
            WRITTEN.fetch_add(65_536, Ordering::Relaxed);
        }
    });
    assert_eq!(post(&here(LONG), &url).map(|answer| answer.status), Ok(200));
    served.join().unwrap();
    let written = WRITTEN.load(Ordering::Relaxed);
    assert!(written < 16 << 20, "{written} octets went into buffers on the way");
    let (url, served) = endpoint(|mut stream| {
        request(&stream);
        let _until_it_is_closed = write!(stream, "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    });
    assert_eq!(post(&here(LONG), &url), Err(Unsent::Protocol));
    served.join().unwrap();
}

#[test]
fn who_speaks_no_http_or_not_at_all_has_a_name_for_it() {
    let (url, served) = endpoint(|mut stream| {
        request(&stream);
        stream.write_all(b"220 mail.example ESMTP\r\n\r\n").unwrap();
    });
    assert_eq!(post(&here(LONG), &url), Err(Unsent::Protocol));
    served.join().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(post(&here(LONG), &format!("http://{closed}/")), Err(Unsent::Connection));
    let (url, served) = endpoint(|mut stream| {
        let mut some = [0; 16];
        let _hello = stream.read(&mut some);
        let _plain = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    assert_eq!(post(&here(LONG), &url.replace("http:", "https:")), Err(Unsent::Tls));
    served.join().unwrap();
}

#[test]
fn a_file_of_authorities_must_hold_some() {
    let dir = tempfile::tempdir().unwrap();
    let courier = |name: &str| Courier::new(&config::Webhooks { loopback: true, ca_file: dir.path().join(name) });
    for (name, content) in [("empty.pem", ""), ("text.pem", "no certificate")] {
        std::fs::write(dir.path().join(name), content).unwrap();
        assert!(courier(name).is_err(), "{name}");
    }
    assert!(courier("missing.pem").is_err());
}

#[test]
fn of_a_url_the_host_alone_is_told() {
    for (url, said) in [
        ("https://hooks.example/T0/secret?key=1", "hooks.example"),
        ("https://user:word@hooks.example:8443/x", "hooks.example:8443"),
        ("https://[2001:db8::1]/x", "[2001:db8::1]"),
        ("/only/a/path?key=1", "?"),
    ] {
        assert_eq!(host_of(url), said, "{url}");
    }
}
