//! WebAuthn Level 2 without attestation: whether what a browser hands over proves that a passkey was made, or used, for us.
//!
//! The browser says the public key by itself (getPublicKey), so nothing of CBOR is read: of the authenticator's data we need
//! fields at fixed places alone. Without attestation the key of a new passkey is taken on trust in who may register one.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::Value;

use crate::log::bytes::from_base64url;
use crate::log::key::{Algorithm, PublicKey};
use crate::log::rsa::{RsaPublicKey, RsaScheme};
use crate::log::sha256;

/// The longest credential id (WebAuthn 4, credential id).
const CREDENTIAL_LEN_MAX: usize = 1023;
/// Client data are some hundred bytes.
const CLIENT_LEN_MAX: usize = 4096;
/// Authenticator data with a key of 8192 bits and some extensions.
const AUTHENTICATOR_LEN_MAX: usize = 4096;
/// Bits of the flags (WebAuthn 6.1): somebody was there, and was recognised; a credential's data follow.
const PRESENT: u8 = 0x01;
const RECOGNISED: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

/// For whom passkeys are made: what a browser binds them to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The origin of our pages: scheme, host and port.
    pub origin: String,
    /// The relying party's id: the host of that.
    pub rp_id: String,
}

/// What a browser hands over after `navigator.credentials.create`.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// `clientDataJSON`.
    pub client: Vec<u8>,
    /// The authenticator's data.
    pub authenticator: Vec<u8>,
    /// The public key, a SubjectPublicKeyInfo.
    pub key: Vec<u8>,
}

/// The same after `navigator.credentials.get`.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The credential's id.
    pub credential: Vec<u8>,
    /// `clientDataJSON`.
    pub client: Vec<u8>,
    /// The authenticator's data.
    pub authenticator: Vec<u8>,
    /// The signature over both.
    pub signature: Vec<u8>,
}

/// The challenge that client data answer; it must still be one of ours. None if they are no client data of that type, or
/// of another origin, or made inside another page (WebAuthn 7.1 steps 7 to 9, 7.2 steps 11 to 13).
pub(super) fn challenge_of(client: &[u8], kind: &str, site: &Site) -> Option<[u8; 32]> {
    if client.len() > CLIENT_LEN_MAX {
        return None;
    }
    let said: Value = serde_json::from_slice(client).ok()?;
    let is = |name: &str, wanted: &str| said.get(name).and_then(Value::as_str) == Some(wanted);
    let inside = said.get("crossOrigin").is_some_and(|inside| inside != &Value::Bool(false));
    let fits = is("type", kind) && is("origin", &site.origin) && !inside;
    let challenge = from_base64url(said.get("challenge")?.as_str()?)?;
    challenge.try_into().ok().filter(|_| fits)
}

/// The counter of a new passkey, if what was handed over says that it was made for us by somebody who was recognised.
pub(super) fn made(made: &Made, site: &Site) -> Option<u64> {
    let (flags, counter, rest) = authenticator(&made.authenticator, site)?;
    // 16 bytes say the authenticator's model, two how long the id is.
    let length = usize::from(u16::from_be_bytes(rest.get(16..18)?.try_into().ok()?));
    let named = rest.get(18..18 + length)? == made.credential;
    let fits = flags & HAS_CREDENTIAL != 0 && named && (1..=CREDENTIAL_LEN_MAX).contains(&length);
    (fits && Key::read(&made.key).is_some()).then_some(counter)
}

/// The counter that a passkey shows, if the signature is its (WebAuthn 7.2). `before` is the highest that it showed; an
/// authenticator that counts must count on, else there are two of it (7.2 step 21).
pub(super) fn shown(shown: &Shown, key: &[u8], before: u64, site: &Site) -> Option<u64> {
    let (_, counter, _) = authenticator(&shown.authenticator, site)?;
    let signed = [&shown.authenticator[..], &sha256(&[&shown.client])].concat();
    let good = Key::read(key)?.verify(&signed, &shown.signature);
    let counts = counter > before || counter == 0 && before == 0;
    (good && counts).then_some(counter)
}

/// Flags, counter and what follows, if the data are for us and a person was there and was recognised.
fn authenticator<'a>(data: &'a [u8], site: &Site) -> Option<(u8, u64, &'a [u8])> {
    let (for_whom, rest) = data.split_first_chunk::<32>()?;
    let (flags, rest) = rest.split_first()?;
    let (counter, rest) = rest.split_first_chunk::<4>()?;
    let fits = data.len() <= AUTHENTICATOR_LEN_MAX
        && *for_whom == sha256(&[site.rp_id.as_bytes()])
        && flags & PRESENT != 0
        && flags & RECOGNISED != 0;
    fits.then(|| (*flags, u64::from(u32::from_be_bytes(*counter)), rest))
}

/// A public key of one of the three algorithms that we ask for: EdDSA, ES256, RS256.
enum Key {
    Curve(PublicKey),
    Rsa(RsaPublicKey),
}

impl Key {
    fn read(spki: &[u8]) -> Option<Self> {
        let curve = PublicKey::from_spki(spki).ok().map(Self::Curve);
        let rsa = || RsaPublicKey::from_spki(spki).ok().filter(|key| key.bits() >= 2048).map(Self::Rsa);
        curve.or_else(rsa)
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match self {
            // Whoever signs here is asked for a fresh challenge each time: a second form of a signature is worth nothing.
            Self::Curve(key) if key.algorithm() == Algorithm::Ed25519 => by(&ED25519, key.bytes()),
            Self::Curve(key) => {
                let spki = key.to_spki();
                spki.last_chunk::<65>().is_some_and(|point| by(&ECDSA_P256_SHA256_ASN1, point))
            }
            Self::Rsa(key) => key.verify(RsaScheme::Pkcs1Sha256, message, signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::bytes::to_base64url;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    fn site() -> Site {
        Site { origin: "https://desk.example".to_owned(), rp_id: "desk.example".to_owned() }
    }

    fn client(kind: &str, origin: &str, more: &str) -> Vec<u8> {
        let challenge = to_base64url(&[7; 32]);
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#).into_bytes()
    }

    fn data(rp_id: &str, flags: u8, counter: u32) -> Vec<u8> {
        [&sha256(&[rp_id.as_bytes()])[..], &[flags], &counter.to_be_bytes()].concat()
    }

    #[test]
    fn client_data_are_of_our_origin_and_of_no_frame() {
        let of = |client: &[u8]| challenge_of(client, "webauthn.get", &site());
        assert_eq!(of(&client("webauthn.get", "https://desk.example", "")), Some([7; 32]));
        assert_eq!(of(&client("webauthn.get", "https://desk.example", r#","crossOrigin":false"#)), Some([7; 32]));
        for (kind, origin, more) in [
            ("webauthn.create", "https://desk.example", ""),
            ("webauthn.get", "https://desk.example.evil", ""),
            ("webauthn.get", "http://desk.example", ""),
            ("webauthn.get", "https://desk.example", r#","crossOrigin":true"#),
        ] {
            assert_eq!(of(&client(kind, origin, more)), None, "{kind} {origin} {more}");
        }
        assert_eq!(of(b"{}"), None);
        assert_eq!(of(b"\xff"), None);
    }

    #[test]
    fn a_passkey_signs_for_us_with_its_person_recognised_and_counts_on() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
        let key = PublicKey::new(Algorithm::Ed25519, pair.public_key().as_ref()).unwrap().to_spki();
        let sign = |authenticator: Vec<u8>| {
            let client = client("webauthn.get", "https://desk.example", "");
            let signature = pair.sign(&[&authenticator[..], &sha256(&[&client])].concat()).as_ref().to_vec();
            Shown { credential: vec![1], client, authenticator, signature }
        };
        let good = sign(data("desk.example", 5, 9));
        assert_eq!(shown(&good, &key, 8, &site()), Some(9));
        assert_eq!(shown(&good, &key, 9, &site()), None, "it did not count on: a copy");
        assert_eq!(shown(&sign(data("desk.example", 5, 0)), &key, 0, &site()), Some(0), "it does not count");
        assert_eq!(shown(&sign(data("desk.example", 5, 0)), &key, 4, &site()), None);
        assert_eq!(shown(&sign(data("desk.example", 1, 9)), &key, 8, &site()), None, "nobody was recognised");
        assert_eq!(shown(&sign(data("evil.example", 5, 9)), &key, 8, &site()), None, "for somebody else");
        for byte in 0..good.authenticator.len() {
            let mut other = good.clone();
            other.authenticator[byte] ^= 0x80;
            assert_eq!(shown(&other, &key, 0, &site()), None, "byte {byte}");
        }
        let other = Shown { client: client("webauthn.get", "https://desk.example", " "), ..good };
        assert_eq!(shown(&other, &key, 8, &site()), None);
    }

    #[test]
    fn es256_in_der_is_taken() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let compressed = {
            let point = pair.public_key().as_ref();
            [&[2 + (point[64] & 1)], &point[1..33]].concat()
        };
        let key = PublicKey::new(Algorithm::Es256, &compressed).unwrap().to_spki();
        let (client, authenticator) = (client("webauthn.get", "https://desk.example", ""), data("desk.example", 5, 1));
        let message = [&authenticator[..], &sha256(&[&client])].concat();
        let signature = pair.sign(&random, &message).unwrap().as_ref().to_vec();
        let good = Shown { credential: vec![1], client, authenticator, signature };
        assert_eq!(shown(&good, &key, 0, &site()), Some(1));
    }

    #[test]
    fn a_new_passkey_names_itself_in_what_the_authenticator_said() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
        let key = PublicKey::new(Algorithm::Ed25519, pair.public_key().as_ref()).unwrap().to_spki();
        let with = |id: &[u8], flags: u8| {
            [&data("desk.example", flags, 0)[..], &[0; 16], &(id.len() as u16).to_be_bytes(), id, b"cose"].concat()
        };
        let new =
            |authenticator| Made { credential: b"id".to_vec(), client: Vec::new(), authenticator, key: key.clone() };
        assert_eq!(made(&new(with(b"id", 0x45)), &site()), Some(0));
        assert_eq!(made(&new(with(b"other", 0x45)), &site()), None);
        assert_eq!(made(&new(with(b"id", 0x05)), &site()), None, "no credential");
        assert_eq!(made(&new(with(b"id", 0x41)), &site()), None, "nobody was recognised");
        let cut = with(b"id", 0x45);
        assert!((0..cut.len() - 4).all(|length| made(&new(cut[..length].to_vec()), &site()).is_none()));
        assert_eq!(made(&Made { key: b"no key".to_vec(), ..new(with(b"id", 0x45)) }, &site()), None);
    }
}
