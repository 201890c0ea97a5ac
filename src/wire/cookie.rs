//! DNS cookies: what a client sends, and the server cookie that all servers of a set agree on (RFC 7873, RFC 9018).

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Octets of a client's part (RFC 7873 4.1).
pub const CLIENT_OCTETS: usize = 8;
/// Octets of our part: version, three reserved, time, hash (RFC 9018 4).
pub const SERVER_OCTETS: usize = 16;
/// A server cookie has 8 to 32 octets, whoever made it (RFC 7873 4.2).
const FOREIGN_OCTETS: std::ops::RangeInclusive<usize> = 8..=32;
/// The one version there is, and what the reserved octets are in cookies of ours (RFC 9018 4.1, 4.2).
const VERSION: u8 = 1;
const RESERVED: [u8; 3] = [0; 3];
/// How long a cookie is good, how far its time may be ahead, and at what age a fresh one is given (RFC 9018 4.3).
const GOOD_S: u32 = 3_600;
const AHEAD_S: u32 = 300;
const FRESH_S: u32 = 1_800;

/// The secret of the servers that share an address: all of them must know it (RFC 9018 3).
pub type Secret = [u8; 16];

/// A cookie as it came. No `Debug`: it marks a client.
#[derive(Clone, Copy)]
pub struct Cookie {
    /// The client's part: repeated in the answer.
    pub client: [u8; CLIENT_OCTETS],
    /// The server's part, if it has the length of one of ours.
    pub server: Option<[u8; SERVER_OCTETS]>,
}

/// Reads the option's value; `None` if its length is impossible (RFC 7873 5.2.2).
pub fn read(value: &[u8]) -> Option<Cookie> {
    let (client, server) = value.split_first_chunk::<CLIENT_OCTETS>()?;
    (server.is_empty() || FOREIGN_OCTETS.contains(&server.len()))
        .then(|| Cookie { client: *client, server: server.try_into().ok() })
}

/// A fresh server cookie for this client.
pub fn make(client: [u8; CLIENT_OCTETS], address: IpAddr, now_s: u64, secret: &Secret) -> [u8; SERVER_OCTETS] {
    let [r1, r2, r3] = RESERVED;
    let [t3, t2, t1, t0] = (now_s as u32).to_be_bytes(); // serial arithmetic, as RFC 9018 4.3 wants it
    let head = [VERSION, r1, r2, r3, t3, t2, t1, t0];
    let mut cookie = [0; SERVER_OCTETS];
    let parts = head.into_iter().chain(hash(client, head, address, secret));
    cookie.iter_mut().zip(parts).for_each(|(into, octet)| *into = octet);
    cookie
}

/// The age in seconds of a server cookie that was made with `secret` for this client and is still good; older than
/// [`is_fresh`] says it should be replaced.
pub fn age_s(cookie: &Cookie, address: IpAddr, now_s: u64, secret: &Secret) -> Option<u32> {
    let server = cookie.server?;
    let (head, hashed) = server.split_first_chunk::<8>()?;
    let [version, _, _, _, time @ ..] = *head;
    let age_s = (now_s as u32).wrapping_sub(u32::from_be_bytes(time));
    let good = age_s <= GOOD_S || age_s.wrapping_neg() <= AHEAD_S;
    // The reserved octets are hashed as they came: another server of the set may use them one day (RFC 9018 4.2).
    let ours = version == VERSION && good && same(hashed, &hash(cookie.client, *head, address, secret));
    ours.then_some(if age_s <= GOOD_S { age_s } else { 0 })
}

/// Whether a cookie of this age is given back as it is.
pub fn is_fresh(age_s: u32) -> bool {
    age_s < FRESH_S
}

fn hash(client: [u8; CLIENT_OCTETS], head: [u8; 8], address: IpAddr, secret: &Secret) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(&client);
    hasher.write(&head);
    match address {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    hasher.finish().to_le_bytes()
}

/// Compares without telling by its time where two hashes differ.
fn same(a: &[u8], b: &[u8; 8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    /// RFC 9018 appendix A.1 to A.3: the servers of one set, a client of theirs, and a renewed cookie.
    #[test]
    fn cookies_are_those_of_rfc_9018() {
        let secret = hex("e5e973e5a6b2a43f48e7dc849e37bfcf");
        let address = "198.51.100.100".parse().unwrap();
        let client = hex("2464c4abcf10c957");
        assert_eq!(make(client, address, 1_559_731_985, &secret), hex("010000005cf79f111f8130c3eee29480"));
        let first = Cookie { client, server: Some(hex("010000005cf79f111f8130c3eee29480")) };
        assert_eq!(age_s(&first, address, 1_559_734_385, &secret), Some(2_400));
        assert_eq!(make(client, address, 1_559_734_385, &secret), hex("010000005cf7a871d4a564a1442aca77"));
        let (client, address) = (hex("fc93fc62807ddb86"), "203.0.113.203".parse().unwrap());
        let reserved = Cookie { client, server: Some(hex("01abcdef5cf78f71a314227b6679ebf5")) };
        assert_eq!(age_s(&reserved, address, 1_559_727_985, &secret), Some(0), "hashed with its reserved octets");
        assert_eq!(make(client, address, 1_559_734_700, &secret), hex("010000005cf7a9acf73a7810aca2381e"));
    }

    /// RFC 9018 appendix A.4: an IPv6 client and a secret that was rolled over.
    #[test]
    fn ipv6_and_another_secret() {
        let address = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let client = hex("22681ab97d52c298");
        let (old, new) = (hex("dd3bdf9344b678b185a6f5cb60fca715"), hex("445536bcd2513298075a5d379663c962"));
        let cookie = Cookie { client, server: Some(hex("010000005cf7c57926556bd0934c72f8")) };
        assert!(age_s(&cookie, address, 1_559_741_961, &old).is_some());
        assert!(age_s(&cookie, address, 1_559_741_961, &new).is_none());
        assert_eq!(make(client, address, 1_559_741_961, &new), hex("010000005cf7c609a6bb79d16625507a"));
    }

    #[test]
    fn a_cookie_is_good_for_its_client_its_time_and_its_secret_only() {
        let (secret, address, now_s) = ([7; 16], "192.0.2.1".parse().unwrap(), 4_294_967_290u64);
        let client = [1; 8];
        let cookie = Cookie { client, server: Some(make(client, address, now_s, &secret)) };
        for (later_s, age) in [(0, Some(0)), (10, Some(10)), (3_600, Some(3_600)), (3_601, None)] {
            assert_eq!(
                age_s(&cookie, address, now_s + later_s, &secret),
                age,
                "{later_s} s later, past the wrap of 2106"
            );
        }
        assert_eq!(age_s(&cookie, address, now_s - 300, &secret), Some(0), "another server's clock may be ahead");
        assert_eq!(age_s(&cookie, address, now_s - 301, &secret), None);
        assert_eq!(age_s(&cookie, "192.0.2.2".parse().unwrap(), now_s, &secret), None);
        assert_eq!(age_s(&Cookie { client: [2; 8], ..cookie }, address, now_s, &secret), None);
        assert_eq!(age_s(&Cookie { server: None, ..cookie }, address, now_s, &secret), None);
        for bit in 0..128 {
            let mut server = cookie.server.unwrap();
            server[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(age_s(&Cookie { server: Some(server), ..cookie }, address, now_s, &secret), None, "bit {bit}");
        }
    }
}
