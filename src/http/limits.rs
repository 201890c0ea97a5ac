//! How often somebody may ask: buckets by address and by token, bounded in memory, forgotten with the process.
//!
//! A bucket is one word, the *theoretical arrival time* of the generic cell rate algorithm: who keeps to the rate finds it
//! in the past, a burst moves it ahead, and no timer refills anything. The place of a bucket is chosen by a keyed hash, so
//! that nobody can aim at another's; two who share one are slowed down together, which with so many is rare.

use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use axum::extract::ConnectInfo;
use axum::http::header::AUTHORIZATION;
use axum::http::{Extensions, HeaderMap};
use data_encoding::BASE64;
use siphasher::sip::SipHasher24;

use crate::config;
use crate::config::ranges::shortened;
use crate::log::{Hash, sha256};

/// Buckets in all: 512 KiB, and thousands of busy clients rarely share one.
const BUCKETS: usize = 1 << 16;
/// Seconds' worth of requests that may come at once: a page with its parts, a burst of registrations.
const BURST_S: u64 = 10;
/// Hours' worth of complaints that may come at once.
const COMPLAINTS_BURST_H: u64 = 1;
/// Sign-ins a minute from one address, and as many at once: a house full of people in the morning, and no flood.
const SIGN_INS_PER_MIN: u64 = 30;
/// So many files of a log count as one request: they are small, cost a look into the file, and a log has many of them.
const LOG_FILES: u32 = 10;
/// Networks of this length are one IPv6 client: what a home or an office is given.
const IPV6_LENGTH: u8 = 56;
const US_PER_S: u64 = 1_000_000;

/// The buckets and the rates.
pub struct Limits {
    words: Box<[AtomicU64]>,
    secret: [u8; 16],
    settings: ArcSwap<config::Http>,
}

/// What is counted.
#[derive(Clone, Copy)]
enum Sort {
    Address,
    Token,
    Complaint,
    Proof,
    LogFile,
    Monitor,
    SignIn,
}

impl Limits {
    /// Full buckets; `secret` must be random.
    pub fn new(settings: config::Http, secret: [u8; 16]) -> Self {
        Self {
            words: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            secret,
            settings: ArcSwap::from_pointee(settings),
        }
    }

    /// Other rates from now on; what was asked before is not forgotten.
    pub fn replace(&self, settings: config::Http) {
        self.settings.store(Arc::new(settings));
    }

    /// Counts a request; if it is one too many, the seconds after which the next one passes.
    pub(crate) fn request(&self, headers: &HeaderMap, extensions: &Extensions, now_ms: u64) -> Result<(), u32> {
        let of = |per_s: u32| (US_PER_S.checked_div(u64::from(per_s)), BURST_S * US_PER_S);
        if let Some(address) = self.client(headers, extensions) {
            self.take(Sort::Address, &address, of(self.settings.load().requests_per_s), now_ms)?;
        }
        match headers.get(AUTHORIZATION) {
            Some(token) => {
                self.take(Sort::Token, token.as_bytes(), of(self.settings.load().token_requests_per_s), now_ms)
            }
            None => Ok(()),
        }
    }

    /// Counts a file of a log in the same way; a token makes no difference there.
    pub(crate) fn log_file(&self, headers: &HeaderMap, extensions: &Extensions, now_ms: u64) -> Result<(), u32> {
        let Some(address) = self.client(headers, extensions) else { return Ok(()) };
        let step_us = US_PER_S.checked_div(u64::from(self.settings.load().requests_per_s.saturating_mul(LOG_FILES)));
        self.take(Sort::LogFile, &address, (step_us, BURST_S * US_PER_S), now_ms)
    }

    /// Counts a complaint in the same way.
    pub(crate) fn complaint(&self, headers: &HeaderMap, extensions: &Extensions, now_ms: u64) -> Result<(), u32> {
        let Some(address) = self.client(headers, extensions) else { return Ok(()) };
        let hour_us = 3600 * US_PER_S;
        let step_us = hour_us.checked_div(u64::from(self.settings.load().complaints_per_h));
        self.take(Sort::Complaint, &address, (step_us, COMPLAINTS_BURST_H * hour_us), now_ms)
    }

    /// Counts a proof in the same way, before it is known whether there is such a number.
    pub(crate) fn proof(&self, headers: &HeaderMap, extensions: &Extensions, now_ms: u64) -> Result<(), u32> {
        let Some(address) = self.client(headers, extensions) else { return Ok(()) };
        let step_us = US_PER_S.checked_div(u64::from(self.settings.load().proofs_per_s));
        self.take(Sort::Proof, &address, (step_us, BURST_S * US_PER_S), now_ms)
    }

    /// Counts a holder's question about its own number, at the rate of proofs and in a bucket of its own.
    pub(crate) fn monitor(&self, headers: &HeaderMap, extensions: &Extensions, now_ms: u64) -> Result<(), u32> {
        let Some(address) = self.client(headers, extensions) else { return Ok(()) };
        let step_us = US_PER_S.checked_div(u64::from(self.settings.load().proofs_per_s));
        self.take(Sort::Monitor, &address, (step_us, BURST_S * US_PER_S), now_ms)
    }

    /// Counts what somebody sends to sign in or to register a passkey by a link.
    pub(crate) fn sign_in(&self, headers: &HeaderMap, extensions: &Extensions, now_ms: u64) -> Result<(), u32> {
        let Some(address) = self.client(headers, extensions) else { return Ok(()) };
        let minute_us = 60 * US_PER_S;
        self.take(Sort::SignIn, &address, (Some(minute_us / SIGN_INS_PER_MIN), minute_us), now_ms)
    }

    /// The network that asks, unless it is exempt or unknown (a test without a connection).
    fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<Vec<u8>> {
        let mut address = peer(extensions)?;
        if self.is_proxy(address) {
            // The last entry is what the proxy itself has seen; those before it are hearsay.
            let said = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
            let last =
                said.and_then(|text| text.rsplit(',').next()).and_then(|text| text.trim().parse::<IpAddr>().ok());
            address = last.map_or(address, |address| address.to_canonical());
        }
        if self.settings.load().exempt.iter().any(|range| range.contains(address)) {
            return None;
        }
        Some(match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            v6 @ IpAddr::V6(_) => shortened(v6, IPV6_LENGTH).to_string().into_bytes(),
        })
    }

    /// The SHA-256 of the certificate that the client has shown: to us, or to a proxy that tells us (RFC 9440).
    pub(crate) fn client_certificate(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<Hash> {
        if let Some(ConnectInfo(shown)) = extensions.get::<ConnectInfo<Arc<[u8]>>>() {
            return Some(sha256(&[shown]));
        }
        if !self.is_proxy(peer(extensions)?) {
            return None; // anybody may write a header
        }
        let said = headers.get("client-cert")?.to_str().ok()?.trim();
        let der = said.strip_prefix(':')?.strip_suffix(':')?;
        Some(sha256(&[&BASE64.decode(der.as_bytes()).ok()?]))
    }

    /// Whether a token of the operator's people opens nothing unless it is bound to a certificate.
    pub(crate) fn wants_bound_staff(&self) -> bool {
        self.settings.load().staff_certificates
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.settings.load().proxies.iter().any(|range| range.contains(address))
    }

    /// Takes one token out of a bucket that gains one each `step_us` and holds `burst_us` worth; no step means no limit.
    fn take(&self, sort: Sort, who: &[u8], (step_us, burst_us): (Option<u64>, u64), now_ms: u64) -> Result<(), u32> {
        let Some(step_us) = step_us else { return Ok(()) };
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write_u8(sort as u8);
        hasher.write(who);
        let Some(word) = self.words.get(hasher.finish() as usize % BUCKETS) else { return Ok(()) };
        let now_us = now_ms * 1000;
        let next = |seen_us: u64| {
            let next_us = seen_us.max(now_us) + step_us;
            (next_us <= now_us + burst_us.max(step_us)).then_some(next_us)
        };
        match word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(seen_us) => {
                let wait_us = (seen_us + step_us).saturating_sub(now_us + burst_us.max(step_us));
                Err(u32::try_from(wait_us.div_ceil(US_PER_S)).unwrap_or(u32::MAX).max(1))
            }
        }
    }
}

/// Who is at the other end of the connection.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    fn from(address: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(address.parse().unwrap(), 1)));
        extensions
    }

    fn limits(change: impl FnOnce(&mut config::Http)) -> Limits {
        let mut settings = config::Http { requests_per_s: 2, token_requests_per_s: 1, ..config::Http::default() };
        change(&mut settings);
        Limits::new(settings, [7; 16])
    }

    fn passed(limits: &Limits, headers: &HeaderMap, address: &str, now_ms: u64) -> usize {
        (0..100).take_while(|_| limits.request(headers, &from(address), now_ms).is_ok()).count()
    }

    #[test]
    fn an_address_has_its_burst_and_then_its_rate() {
        let (limits, none) = (limits(|_| ()), HeaderMap::new());
        assert_eq!(passed(&limits, &none, "192.0.2.1", NOW_MS), 20);
        assert_eq!(limits.request(&none, &from("192.0.2.1"), NOW_MS), Err(1));
        assert_eq!(passed(&limits, &none, "192.0.2.2", NOW_MS), 20, "another address");
        assert_eq!(passed(&limits, &none, "192.0.2.1", NOW_MS + 1000), 2);
        assert_eq!(passed(&limits, &none, "2001:db8::1", NOW_MS), 20);
        assert_eq!(passed(&limits, &none, "2001:db8:0:ff::1", NOW_MS), 0, "the same home");
        assert_eq!(passed(&limits, &none, "127.0.0.9", NOW_MS), 100, "exempt");
    }

    #[test]
    fn a_token_has_its_own_rate_wherever_it_is_shown() {
        let (limits, mut headers) = (limits(|_| ()), HeaderMap::new());
        headers.insert(AUTHORIZATION, "Bearer a".parse().unwrap());
        assert_eq!(passed(&limits, &headers, "127.0.0.1", NOW_MS), 10);
        headers.insert(AUTHORIZATION, "Bearer b".parse().unwrap());
        assert_eq!(passed(&limits, &headers, "127.0.0.1", NOW_MS), 10);
    }

    #[test]
    fn only_a_known_proxy_is_believed() {
        let limits = limits(|settings| settings.proxies = vec!["192.0.2.0/24".parse().unwrap()]);
        let said = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", text.parse().unwrap());
            headers
        };
        assert_eq!(passed(&limits, &said("198.51.100.1"), "192.0.2.9", NOW_MS), 20);
        assert_eq!(passed(&limits, &said("203.0.113.7, 198.51.100.2"), "192.0.2.9", NOW_MS), 20);
        assert_eq!(passed(&limits, &said("198.51.100.2"), "192.0.2.9", NOW_MS), 0, "the last entry counts");
        assert_eq!(passed(&limits, &said("198.51.100.3"), "203.0.113.1", NOW_MS), 20);
        assert_eq!(passed(&limits, &said("198.51.100.4"), "203.0.113.1", NOW_MS), 0, "anybody may write a header");
    }

    #[test]
    fn complaints_are_counted_by_the_hour() {
        let (limits, none) = (limits(|settings| settings.complaints_per_h = 3), HeaderMap::new());
        let complain = |now_ms| limits.complaint(&none, &from("192.0.2.1"), now_ms);
        assert_eq!((0..10).take_while(|_| complain(NOW_MS).is_ok()).count(), 3);
        assert_eq!(complain(NOW_MS), Err(1200));
        assert_eq!(complain(NOW_MS + 1_200_000), Ok(()));
    }

    #[test]
    fn proofs_have_a_budget_of_their_own() {
        let (limits, none) = (limits(|settings| settings.proofs_per_s = 3), HeaderMap::new());
        let prove = |now_ms| limits.proof(&none, &from("192.0.2.1"), now_ms);
        assert_eq!((0..100).take_while(|_| prove(NOW_MS).is_ok()).count(), 30);
        assert_eq!(prove(NOW_MS), Err(1));
        assert_eq!((0..100).take_while(|_| prove(NOW_MS + 1000).is_ok()).count(), 3);
        assert_eq!(limits.request(&none, &from("192.0.2.1"), NOW_MS), Ok(()), "not the same bucket");
    }

    #[test]
    fn sign_ins_are_counted_by_the_minute() {
        let (limits, none) = (limits(|_| ()), HeaderMap::new());
        let knock = |now_ms| limits.sign_in(&none, &from("192.0.2.1"), now_ms);
        assert_eq!((0..100).take_while(|_| knock(NOW_MS).is_ok()).count(), 30);
        assert_eq!(knock(NOW_MS), Err(2));
        assert_eq!(knock(NOW_MS + 2000), Ok(()));
    }

    #[test]
    fn files_of_a_log_are_counted_apart_and_generously() {
        let (limits, none) = (limits(|_| ()), HeaderMap::new());
        let read = |now_ms| limits.log_file(&none, &from("192.0.2.1"), now_ms);
        assert_eq!((0..1000).take_while(|_| read(NOW_MS).is_ok()).count(), 200);
        assert_eq!(read(NOW_MS), Err(1));
        assert_eq!(passed(&limits, &none, "192.0.2.1", NOW_MS), 20, "other requests are not held up");
    }

    #[test]
    fn no_rate_means_no_limit() {
        let limits = limits(|settings| settings.requests_per_s = 0);
        assert_eq!(passed(&limits, &HeaderMap::new(), "192.0.2.1", NOW_MS), 100);
    }

    #[test]
    fn a_certificate_is_taken_from_the_connection_or_from_a_proxy() {
        let limits = limits(|settings| settings.proxies = vec!["192.0.2.0/24".parse().unwrap()]);
        let said = HeaderMap::from_iter([("client-cert".parse().unwrap(), ":AQID:".parse().unwrap())]);
        assert_eq!(limits.client_certificate(&said, &from("192.0.2.9")), Some(sha256(&[&[1, 2, 3]])));
        assert_eq!(limits.client_certificate(&said, &from("198.51.100.1")), None, "no proxy of ours");
        for broken in ["AQID", ":AQID", ":AQI:", "::x:"] {
            let said = HeaderMap::from_iter([("client-cert".parse().unwrap(), broken.parse().unwrap())]);
            assert_eq!(limits.client_certificate(&said, &from("192.0.2.9")), None, "{broken}");
        }
        let mut shown = from("192.0.2.9");
        shown.insert(ConnectInfo(Arc::<[u8]>::from([9])));
        assert_eq!(limits.client_certificate(&said, &shown), Some(sha256(&[&[9]])), "what was shown to us counts");
    }
}
