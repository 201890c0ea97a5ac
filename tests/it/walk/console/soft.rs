//! A person at the console without a browser: a passkey in software, a cookie, and plain requests.

use callbook::log::key::{Algorithm, PublicKey};
use callbook::log::sha256;
use data_encoding::BASE64URL_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::walk::child::Demo;

/// The origin of a demo's console.
pub(super) fn origin(demo: &Demo) -> String {
    let (_, port) = demo.fact("http").rsplit_once(':').expect("a port");
    format!("http://localhost:{port}")
}

/// An answer with what browsers look at.
pub(super) struct Seen {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) cookie: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) text: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Sends a request as it is; redirects are not followed.
pub(super) fn send(demo: &Demo, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
    let uri = format!("http://{}{path}", demo.fact("http"));
    let mut request = ureq::http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = agent.run(request.body(body.as_bytes().to_vec()).expect("a request")).expect("an answer");
    let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> =
        answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let of = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    Seen {
        status: answer.status().as_u16(),
        location: of("location").unwrap_or_default(),
        cookie: of("set-cookie"),
        text: String::from_utf8_lossy(&answer.body_mut().read_to_vec().expect("a body")).into_owned(),
        headers,
    }
}

/// Fields as a form.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let quoted = |text: &str| -> String {
        text.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    fields.iter().map(|(name, value)| format!("{}={}", quoted(name), quoted(value))).collect::<Vec<_>>().join("&")
}

/// The value behind `before` in a page.
pub(super) fn after<'a>(page: &'a str, before: &str) -> &'a str {
    let rest = page.split_once(before).unwrap_or_else(|| panic!("{before} is not in {page}")).1;
    rest.split('"').next().expect("a value")
}

/// Somebody with a passkey, who may be signed in.
pub(super) struct Soft<'a> {
    pub(super) demo: &'a Demo,
    pair: Ed25519KeyPair,
    credential: Vec<u8>,
    counter: u32,
    /// What the cookie holds; empty when signed out.
    pub(super) secret: String,
}

impl<'a> Soft<'a> {
    /// Registers a passkey by a link and is signed in.
    pub(super) fn by_link(demo: &'a Demo, link: &str, seed: u8) -> Self {
        let mut soft = Self::unknown(demo, seed);
        let seen = soft.register(link);
        assert_eq!((seen.status, &*seen.location), (303, "/console"), "{}", seen.text);
        soft.take(&seen);
        soft
    }

    /// Sends what a browser would after making a passkey from the page of this link.
    pub(super) fn register(&self, link: &str) -> Seen {
        let path = link.split_once("/console").map(|(_, rest)| format!("/console{rest}")).expect("a link");
        let page = send(self.demo, "GET", &path, &[], "");
        assert_eq!(page.status, 200, "{}", page.text);
        let challenge = after(&page.text, "data-challenge=\"").to_owned();
        let secret = path.rsplit('/').next().expect("a secret");
        let made = self.made(&challenge);
        let fields: Vec<(&str, &str)> = made.iter().map(|(name, value)| (*name, &**value)).collect();
        let headers = [("origin", &*origin(self.demo)), ("content-type", "application/x-www-form-urlencoded")];
        send(self.demo, "POST", "/console/link", &headers, &form(&[&[("link", secret)], &fields[..]].concat()))
    }

    /// Registers this one's passkey for `who`, who is signed in.
    pub(super) fn register_as(&self, who: &Self) -> Seen {
        let page = who.get("/console/system/passkeys");
        let made = self.made(after(&page.text, "data-challenge=\""));
        let fields: Vec<(&str, &str)> = made.iter().map(|(name, value)| (*name, &**value)).collect();
        who.post("/console/system/passkeys", &fields)
    }

    /// Somebody with a passkey of that seed who is registered nowhere.
    pub(super) fn unknown(demo: &'a Demo, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a key");
        Self { demo, pair, credential: vec![seed; 16], counter: 0, secret: String::new() }
    }

    /// The passkey's id as pages name it.
    pub(super) fn credential(&self) -> String {
        BASE64URL_NOPAD.encode(&self.credential)
    }

    /// What a script fills in for a new passkey.
    fn made(&self, challenge: &str) -> Vec<(&'static str, String)> {
        let mut authenticator = self.authenticator(0x45);
        authenticator.extend_from_slice(&[0; 16]);
        authenticator.extend_from_slice(&(self.credential.len() as u16).to_be_bytes());
        authenticator.extend_from_slice(&self.credential);
        let key = PublicKey::new(Algorithm::Ed25519, self.pair.public_key().as_ref()).expect("a key").to_spki();
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        vec![
            ("credential", self.credential()),
            ("client", encode(self.client("webauthn.create", challenge).as_bytes())),
            ("authenticator", encode(&authenticator)),
            ("key", encode(&key)),
            ("name", "soft".to_owned()),
        ]
    }

    fn authenticator(&self, flags: u8) -> Vec<u8> {
        [&sha256(&[b"localhost"])[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn client(&self, kind: &str, challenge: &str) -> String {
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{}","crossOrigin":false}}"#, origin(self.demo))
    }

    /// A fresh challenge of the sign-in page.
    pub(super) fn challenge(&self) -> String {
        after(&send(self.demo, "GET", "/console/sign-in", &[], "").text, "data-challenge=\"").to_owned()
    }

    /// Answers a challenge; `cookie` is what the browser had before.
    pub(super) fn answer(&mut self, challenge: &str, cookie: Option<&str>) -> Seen {
        self.counter += 1;
        let (client, authenticator) = (self.client("webauthn.get", challenge), self.authenticator(5));
        let signed = [&authenticator[..], &sha256(&[client.as_bytes()])].concat();
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let fields = [
            ("credential", &*encode(&self.credential)),
            ("client", &encode(client.as_bytes())),
            ("authenticator", &encode(&authenticator)),
            ("signature", &encode(self.pair.sign(&signed).as_ref())),
        ];
        let origin = origin(self.demo);
        let mut headers = vec![("origin", &*origin), ("content-type", "application/x-www-form-urlencoded")];
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        send(self.demo, "POST", "/console/sign-in", &headers, &form(&fields))
    }

    /// Signs in anew.
    pub(super) fn sign_in(&mut self) {
        let challenge = self.challenge();
        let seen = self.answer(&challenge, None);
        assert_eq!((seen.status, &*seen.location), (303, "/console"), "{}", seen.text);
        self.take(&seen);
    }

    fn take(&mut self, seen: &Seen) {
        let cookie = seen.cookie.as_deref().expect("a cookie");
        let pair = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
        self.secret = pair.1.to_owned();
    }

    pub(super) fn cookie(&self) -> String {
        format!("__Host-callbook={}", self.secret)
    }

    /// Reads a page.
    pub(super) fn get(&self, path: &str) -> Seen {
        send(self.demo, "GET", path, &[("cookie", &self.cookie())], "")
    }

    /// The hidden field of this session's forms.
    pub(super) fn token(&self) -> String {
        after(&self.get("/console/numbers").text, "name=\"form\" value=\"").to_owned()
    }

    /// Sends a form from one of our pages.
    pub(super) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let token = self.token();
        self.post_with(path, &[&[("form", &*token)], fields].concat(), &origin(self.demo), "same-origin")
    }

    /// The same with everything that a foreign page would get wrong.
    pub(super) fn post_with(&self, path: &str, fields: &[(&str, &str)], origin: &str, site: &str) -> Seen {
        let cookie = self.cookie();
        let mut headers =
            vec![("cookie", &*cookie), ("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site)];
        if !origin.is_empty() {
            headers.push(("origin", origin));
        }
        send(self.demo, "POST", path, &headers, &form(fields))
    }
}
