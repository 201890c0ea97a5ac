//! The keys on a holder's device: the control key, never published, and those that are.

use zeroize::Zeroizing;

use crate::client::holder::{CertificateKey, HolderError};
use crate::log::bytes::Malformed;
use crate::log::key::{Algorithm, SigningKey};
use crate::log::possession::{self, PublishedKey};
use crate::log::random::{NoRandomness, Random};
use crate::log::record::Prefix;

/// What one device holds.
#[derive(Debug)]
pub struct Device {
    /// Authorises every change of the number.
    pub control: SigningKey,
    /// The private halves of the published keys, and under which prefix each stands.
    pub keys: Vec<(Prefix, DeviceKey)>,
    /// The private keys of the certificates that are published.
    pub certificates: Vec<CertificateKey>,
}

impl Device {
    /// A control key of that algorithm, an Ed25519 identity key and an X25519 key for this device.
    pub fn generate(control: Algorithm, random: &dyn Random) -> Result<Self, NoRandomness> {
        let identity = DeviceKey::Signing(SigningKey::generate(Algorithm::Ed25519, random)?);
        let keys = vec![(Prefix::Id, identity), (Prefix::E2e, DeviceKey::x25519(random)?)];
        Ok(Self { control: SigningKey::generate(control, random)?, keys, certificates: Vec::new() })
    }
}

/// The private half of a published key.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // a device has a handful of them
pub enum DeviceKey {
    /// Signs: `_id`, `_mls`, `_sip-client`.
    Signing(SigningKey),
    /// Agrees: `_e2e`.
    X25519(X25519Secret),
}

/// A secret of X25519; wiped when it goes.
pub struct X25519Secret(pub(super) Zeroizing<[u8; 32]>);

/// Never the secret.
impl std::fmt::Debug for X25519Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("X25519Secret(…)")
    }
}

impl DeviceKey {
    /// A new X25519 key.
    pub fn x25519(random: &dyn Random) -> Result<Self, NoRandomness> {
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(&mut *secret)?;
        Ok(Self::X25519(X25519Secret(secret)))
    }

    /// The X25519 key of these 32 bytes (RFC 7748 5; clamped when it is used).
    pub fn from_x25519_bytes(secret: &[u8; 32]) -> Self {
        Self::X25519(X25519Secret(Zeroizing::new(*secret)))
    }

    /// The key that is published.
    pub fn public(&self) -> PublishedKey {
        match self {
            Self::Signing(key) => PublishedKey::Signing(key.public().clone()),
            Self::X25519(secret) => PublishedKey::X25519(possession::x25519_public(&secret.0)),
        }
    }

    /// Proves possession for the event with these bytes to be signed.
    pub fn prove(&self, event_tbs: &[u8], prefix: Prefix, ephemeral: &[u8; 32]) -> Result<Proved, HolderError> {
        let spki = self.public().to_spki();
        let proof = match self {
            Self::Signing(key) => possession::signature(key, event_tbs, prefix).to_vec(),
            Self::X25519(secret) => {
                let shared = possession::shared_secret(&secret.0, ephemeral);
                let shared = shared.ok_or(Malformed::new("ephemeral", "a point of low order"))?;
                possession::mac(&shared, event_tbs, prefix, &spki).to_vec()
            }
        };
        Ok(Proved { prefix, spki, proof })
    }
}

/// A proof of possession as it is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Where the key is published.
    pub prefix: Prefix,
    /// Its DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// A signature (64 bytes), or for X25519 a MAC (32 bytes).
    pub proof: Vec<u8>,
}
