//! DNSSEC: keys and where they lie, what is signed and for how long, denial, trust anchors, the signed export.

pub mod algorithm;
pub mod anchor;
#[cfg(feature = "aws-lc-rs")]
pub mod by_aws_lc;
pub mod by_ring;
pub mod denial;
pub mod difference;
pub mod export;
pub mod key_id;
pub mod keys;
pub mod life;
pub mod offline;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod rrsig;
pub mod signer;
pub mod times;
pub mod version;

pub use algorithm::Algorithm;
pub use key_id::{KeyId, KeyRole};
pub use keys::{KeyError, ZoneKeys};
pub use rrsig::{ToSign, dnskey_rdata, key_tag};
pub use signer::{SignFault, ZoneSigner};
pub use times::{Validity, Window};
pub use version::Version;
