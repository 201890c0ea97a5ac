//! Parameters of SVCB and HTTPS records (RFC 9460 2.1, 7, A.1; RFC 9461 5, RFC 9540 4).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::data::{Fields, unescaped};

const MANDATORY: u16 = 0;
const NO_DEFAULT_ALPN: u16 = 2;
/// Names of parameters; every other one is `keyN`.
const KEYS: [(&str, u16); 9] = [
    ("mandatory", MANDATORY),
    ("alpn", 1),
    ("no-default-alpn", NO_DEFAULT_ALPN),
    ("port", 3),
    ("ipv4hint", 4),
    ("ech", 5),
    ("ipv6hint", 6),
    ("dohpath", 7),
    ("ohttp", 8),
];

/// All that is left, by ascending key.
pub(super) fn parameters(fields: &mut Fields<'_>) -> Result<(), String> {
    let mut all = BTreeMap::new();
    while let Some(token) = fields.next_if(|_| true) {
        let (name, value) = match token.split_once('=') {
            // A quote begins a token of its own.
            Some((name, "")) => (name, Some(fields.next_if(|next| next.starts_with('"')).unwrap_or(""))),
            Some((name, value)) => (name, Some(value)),
            None => (token, None),
        };
        let key = key(name).ok_or_else(|| format!("{name} is no parameter"))?;
        let value = value.map(unescaped).transpose()?;
        let octets = encoded(key, value.as_deref()).ok_or_else(|| format!("{name} has no such value"))?;
        if all.insert(key, octets).is_some() {
            return Err(format!("{name} stands there twice"));
        }
    }
    let named = all.get(&MANDATORY).map_or(&[][..], |keys| keys.as_chunks::<2>().0);
    if named.iter().any(|key| !all.contains_key(&u16::from_be_bytes(*key))) {
        return Err("a mandatory parameter is missing".to_owned());
    }
    for (key, octets) in &all {
        let length = u16::try_from(octets.len()).map_err(|_| "a value is too long".to_owned())?;
        fields.out.extend([key.to_be_bytes(), length.to_be_bytes()].as_flattened());
        fields.out.extend_from_slice(octets);
    }
    Ok(())
}

fn key(name: &str) -> Option<u16> {
    let known = KEYS.iter().find(|(known, _)| *known == name).map(|(_, key)| *key);
    known.or_else(|| name.strip_prefix("key")?.parse().ok().filter(|key: &u16| name == format!("key{key}")))
}

/// The value's octets; none if the parameter has no such value.
fn encoded(key: u16, value: Option<&[u8]>) -> Option<Vec<u8>> {
    let text = || std::str::from_utf8(value?).ok();
    let filled = |octets: Vec<u8>| Some(octets).filter(|octets| !octets.is_empty());
    match key {
        MANDATORY => {
            let mut keys: Vec<u16> = text()?.split(',').map(self::key).collect::<Option<_>>()?;
            keys.sort_unstable();
            let apart = keys.windows(2).all(|pair| pair[0] != pair[1]) && !keys.contains(&MANDATORY);
            filled(keys.iter().flat_map(|key| key.to_be_bytes()).collect()).filter(|_| apart)
        }
        1 => {
            let mut octets = Vec::new();
            for protocol in list(value?) {
                octets.push(u8::try_from(protocol.len()).ok().filter(|length| *length > 0)?);
                octets.extend(protocol);
            }
            filled(octets)
        }
        NO_DEFAULT_ALPN | 8 => value.is_none_or(<[u8]>::is_empty).then(Vec::new),
        3 => Some(text()?.parse::<u16>().ok()?.to_be_bytes().to_vec()),
        4 => filled(
            text()?
                .split(',')
                .map(|a| Some(a.parse::<Ipv4Addr>().ok()?.octets()))
                .collect::<Option<Vec<_>>>()?
                .concat(),
        ),
        6 => filled(
            text()?
                .split(',')
                .map(|a| Some(a.parse::<Ipv6Addr>().ok()?.octets()))
                .collect::<Option<Vec<_>>>()?
                .concat(),
        ),
        5 => filled(data_encoding::BASE64.decode(value?).ok()?),
        7 => filled(value?.to_vec()),
        _ => Some(value.unwrap_or_default().to_vec()),
    }
}

/// The parts of a list: commas divide it, a backslash takes the meaning of what follows it away (RFC 9460 A.1).
fn list(value: &[u8]) -> Vec<Vec<u8>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], value.iter());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b',' => {
                parts.push(Vec::new());
                continue;
            }
            b'\\' => bytes.next().unwrap_or(byte),
            other => other,
        };
        if let Some(part) = parts.last_mut() {
            part.push(*byte);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use crate::zone::plain::data::encode;

    /// RFC 9460 D.1 to D.3, without priority and target.
    #[test]
    fn the_examples_of_rfc_9460_are_read_and_its_failures_refused() {
        let read = |text: &str| {
            // As the tokens of a line come.
            let text = format!("1 foo.example.com. {text}").replace("=\"", "= \"");
            encode("2nV", &text.split_ascii_whitespace().collect::<Vec<_>>(), ".").map(|octets| octets[19..].to_vec())
        };
        for (text, expected) in [
            ("port=53", &b"\x00\x03\x00\x02\x00\x35"[..]),
            ("key667=hello", b"\x02\x9b\x00\x05hello"),
            ("key667=\"hello\\210qoo\"", b"\x02\x9b\x00\x09hello\xd2qoo"),
            ("ipv6hint=\"2001:db8::1\"", b"\x00\x06\x00\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"),
            ("alpn=\"f\\\\\\\\oo\\\\,bar,h2\"", b"\x00\x01\x00\x0c\x08f\\oo,bar\x02h2"),
            ("alpn=f\\\\\\092oo\\092,bar,h2", b"\x00\x01\x00\x0c\x08f\\oo,bar\x02h2"),
            (
                "alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
                b"\x00\x00\x00\x04\x00\x01\x00\x04\x00\x01\x00\x09\x02h2\x05h3-19\x00\x04\x00\x04\xc0\x00\x02\x01",
            ),
            ("no-default-alpn alpn=h2", b"\x00\x01\x00\x03\x02h2\x00\x02\x00\x00"),
            ("", b""),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "key123=abc key123=def",
            "mandatory",
            "alpn",
            "port",
            "ipv4hint",
            "ipv6hint",
            "no-default-alpn=abc",
            "mandatory=key123",
            "mandatory=mandatory",
            "mandatory=key123,key123 key123=abc",
            "key0123=abc",
            "key65536=x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
