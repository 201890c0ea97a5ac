//! The holder's kit: builds, signs and proves everything that a device must, for every change of a number.
//!
//! The directory may withhold a record, never alter it: what is published is what this kit signed. A registration:
//!
//! ```
//! use callbook::client::holder::{Change, Device, Directory, RecordDraft, opening};
//! use callbook::log::{event::Role, key::{Algorithm, SigningKey}, random::Seeded, vrf};
//! use callbook::number::Number;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let random = Seeded::new([1; 32]); // in earnest: ring::rand::SystemRandom::new()
//! # let server = vrf::SecretKey::generate(&random)?;
//! # let (vrf_key, now_s) = (server.public().as_bytes(), 1_800_000_000);
//! # let (number, server_ephemeral) = (Number::parse("+447700900123")?, [9; 32]);
//! # let ephemeral = callbook::log::possession::x25519_public(&server_ephemeral);
//! # let (_, vrf_proof) = server.label("dir.example.org/map/0", number);
//! # let statement_key = SigningKey::generate(Algorithm::Ed25519, &random)?;
//! # let token = "eyJ0eXAi.eyJpc3Mi.c2ln".to_owned();
//! // Pinned once: the directory's map log and its VRF key. Then the number's label, proved by the directory.
//! let directory = Directory::new("dir.example.org/map/0", vrf_key)?;
//! let label = directory.label(number, &vrf_proof)?;
//!
//! // The device makes its keys, and record R from them.
//! let device = Device::generate(Algorithm::Ed25519, &random)?;
//! let record = RecordDraft::new(number, "acme").sip("sip:alice@acme.example")?.device(&device).build()?;
//!
//! // It signs the event and proves that it holds every key that it publishes.
//! let mut signed = Change::create(label, &record, opening(&random)?, device.control.public(), now_s + 90 * 86_400)
//!     .evidence(&[&token])?
//!     .valid_until(now_s + 3600)
//!     .sign(&directory, &[(Role::NewControl, &device.control)])?;
//! signed.prove(&directory, &device.keys, &ephemeral)?;
//!
//! // The provider adds its signature and submits.
//! signed.cosign(&directory, &statement_key);
//! let body = signed.submission(vec![token]);
//! # assert_eq!(body.possession.len(), 2);
//! # assert!(signed.event.signatures_verify(directory.origin()));
//! # Ok(())
//! # }
//! ```
//!
//! With a [`Seeded`](crate::log::random::Seeded) source everything repeats itself but ES256 signatures, whose nonces
//! the operating system draws.

mod certificate;
mod change;
mod device;
mod keyfile;
mod record;

pub use certificate::{CertificateKey, KEY_FILE_LEN_MAX, openpgp_rdata, smimea_rdata};
pub use change::{Change, Signed};
pub use device::{Device, DeviceKey, Proved, X25519Secret};
pub use keyfile::{KeptKey, KeyFileError, from_text, load, save, to_text};
pub use record::{RecordDraft, URI_LEN_MAX, naptr_rdata, tlsa_digest_rdata, tlsa_rdata};

use crate::log::bytes::Malformed;
use crate::log::label::Label;
use crate::log::random::{NoRandomness, Random};
use crate::log::vrf;
use crate::number::Number;

/// Why a device does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolderError {
    /// What the directory sent, or what was to be signed, is not of its format.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The URI cannot be published in a NAPTR record that every client reads.
    #[error("this URI cannot be published: {0}")]
    Uri(&'static str),
    /// A text file without the block that was looked for, or with a broken one.
    #[error("this file has no whole block that begins with -----BEGIN {0}-----, nor is it binary")]
    Block(&'static str),
    /// A private key where a public one is published.
    #[error("this is a private key: export the public one, and never hand this file to anybody")]
    Secret,
    /// A private key that cannot be used.
    #[error(
        "this is no private key in PKCS#8 of Ed25519, P-256 or RSA, or it is encrypted: openssl pkcs8 -topk8 -nocrypt writes one"
    )]
    PrivateKey,
    /// The change is not complete.
    #[error("{0}")]
    Incomplete(&'static str),
}

/// The map log of a directory as a device pinned it: nobody can show it another label later.
#[derive(Clone)]
pub struct Directory {
    origin: String,
    vrf: vrf::PublicKey,
}

impl Directory {
    /// The map log of that origin, whose leaf 0 names that VRF key (32 bytes).
    pub fn new(origin: &str, vrf_key: &[u8; 32]) -> Result<Self, HolderError> {
        Ok(Self { origin: origin.to_owned(), vrf: vrf::PublicKey::new(vrf_key)? })
    }

    /// The map log's origin, part of everything that is signed.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The label of a number, once the directory's proof (80 bytes) of it is checked.
    pub fn label(&self, number: Number, vrf_proof: &[u8]) -> Result<Label, HolderError> {
        Ok(self.vrf.verify_label(&self.origin, number, vrf_proof)?)
    }
}

/// A random opening of a commitment. Whoever lacks it cannot tell what was committed to; a fresh one for every record.
pub fn opening(random: &dyn Random) -> Result<[u8; 32], HolderError> {
    let mut opening = [0; 32];
    random.fill(&mut opening)?;
    Ok(opening)
}
