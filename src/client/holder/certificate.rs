//! Keys that are published inside something else: OpenPGP keys and certificates, as other programs write them to files.

use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair, RSA_PSS_SHA256, RsaKeyPair};
use zeroize::Zeroizing;

use crate::client::holder::{HolderError, Proved};
use crate::log::key::{Algorithm, SigningKey};
use crate::log::possession::{self, PublishedKey};
use crate::log::record::Prefix;
use crate::log::rsa::RsaPublicKey;

/// The longest file: an RRset has at most 4096 octets, and text is longer than what it stands for.
pub const KEY_FILE_LEN_MAX: u64 = 65_536;
/// PKCS#8 up to the secret (RFC 8410 7; RFC 5958 with RFC 5915, the public key inside), as OpenSSL and ring write it.
const PKCS8_ED25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const PKCS8_ED25519_V2: &[u8] = b"\x30\x51\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const PKCS8_P256: &[u8] =
    b"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
                            \x04\x6d\x30\x6b\x02\x01\x01\x04\x20";

/// A block of armoured text, and what its first line calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// An OpenPGP key (RFC 9580 6).
    OpenPgp,
    /// An X.509 certificate (RFC 7468 5).
    Certificate,
    /// A private key in PKCS#8, not encrypted (RFC 7468 10).
    PrivateKey,
}

impl Block {
    const fn label(self) -> &'static str {
        match self {
            Self::OpenPgp => "PGP PUBLIC KEY BLOCK",
            Self::Certificate => "CERTIFICATE",
            Self::PrivateKey => "PRIVATE KEY",
        }
    }
}

/// The private key of a certificate. It signs one kind of thing here: that the certificate is published.
#[allow(clippy::large_enum_variant)] // a device has a handful of them
pub enum CertificateKey {
    /// Ed25519 or P-256.
    Signing(SigningKey),
    /// RSA, by RSASSA-PSS with SHA-256.
    Rsa(RsaPublicKey, Box<RsaKeyPair>),
}

impl CertificateKey {
    /// The key of a PKCS#8 file, in DER or PEM: Ed25519, P-256 or RSA, not encrypted.
    pub fn from_pkcs8(file: &[u8]) -> Result<Self, HolderError> {
        let der = dearmoured(file, Block::PrivateKey)?;
        let ed25519 = [PKCS8_ED25519, PKCS8_ED25519_V2].map(|head| (head, Algorithm::Ed25519));
        for (head, algorithm) in ed25519.into_iter().chain([(PKCS8_P256, Algorithm::Es256)]) {
            if let Some(secret) = der.strip_prefix(head).and_then(<[u8]>::first_chunk::<32>) {
                return Ok(Self::Signing(SigningKey::from_bytes(algorithm, secret)?));
            }
        }
        let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| HolderError::PrivateKey)?;
        let numbers = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        Ok(Self::Rsa(RsaPublicKey::new(&numbers.n, &numbers.e)?, Box::new(pair)))
    }

    /// The key that the certificate holds.
    pub fn public(&self) -> PublishedKey {
        match self {
            Self::Signing(key) => PublishedKey::Signing(key.public().clone()),
            Self::Rsa(key, _) => PublishedKey::Rsa(key.clone()),
        }
    }

    /// Proves possession for the event with these bytes to be signed.
    pub fn prove(&self, event_tbs: &[u8]) -> Result<Proved, HolderError> {
        let (prefix, spki) = (Prefix::SmimeCert, self.public().to_spki());
        let proof = match self {
            Self::Signing(key) => possession::signature(key, event_tbs, prefix).to_vec(),
            Self::Rsa(key, pair) => {
                let mut signature = vec![0; key.modulus().len()];
                let message = possession::tbs(event_tbs, prefix, &spki);
                let signed = pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), &message, &mut signature);
                signed.map_err(|_| HolderError::NoRandomness(crate::log::random::NoRandomness))?;
                signature
            }
        };
        Ok(Proved { prefix, spki, proof })
    }
}

/// Never the secret.
impl std::fmt::Debug for CertificateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CertificateKey(of {:?})", self.public())
    }
}

/// RDATA of an OPENPGPKEY record (RFC 7929 2): the key in binary. Never a private one.
pub fn openpgp_rdata(file: &[u8]) -> Result<Vec<u8>, HolderError> {
    let key = dearmoured(file, Block::OpenPgp)?;
    // Packet types 5 and 7 (RFC 9580 4.2) are private keys; such a file must not leave the device.
    let tag = key.first().map(|first| if first & 0x40 == 0 { first >> 2 & 0x0f } else { first & 0x3f });
    match tag {
        Some(5 | 7) => Err(HolderError::Secret),
        _ => Ok(key.to_vec()),
    }
}

/// RDATA of an SMIMEA record (RFC 8162 2): usage 3, selector 0, matching type 0, and the certificate in DER.
pub fn smimea_rdata(file: &[u8]) -> Result<Vec<u8>, HolderError> {
    let der = dearmoured(file, Block::Certificate)?;
    Ok([&[3, 0, 0], &der[..]].concat())
}

/// What a file holds: the binary form as it is, or the first block of that kind out of text.
fn dearmoured(file: &[u8], block: Block) -> Result<Zeroizing<Vec<u8>>, HolderError> {
    let (begin, end) = (format!("-----BEGIN {}-----", block.label()), format!("-----END {}-----", block.label()));
    let Some(text) = std::str::from_utf8(file).ok().filter(|text| text.contains("-----BEGIN ")) else {
        return Ok(Zeroizing::new(file.to_vec()));
    };
    let wanted = HolderError::Block(block.label());
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != begin).skip(1).peekable();
    // Headers and the empty line behind them (RFC 9580 6.2); base64 has neither colons nor dashes.
    while lines.next_if(|line| line.is_empty() || line.contains(':')).is_some() {}
    let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
    let mut ended = false;
    for line in lines {
        if line == end {
            ended = true;
            break;
        }
        // A line of "=" and four characters is a checksum, which says nothing that the signatures do not (RFC 9580 6.1).
        if !line.starts_with('=') {
            encoded.push_str(line);
        }
    }
    if !ended || encoded.is_empty() {
        return Err(wanted);
    }
    BASE64.decode(encoded.as_bytes()).map(Zeroizing::new).map_err(|_| wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_the_same_file() {
        let bytes = b"\xc6\x01\x02any bytes";
        let base64 = BASE64.encode(bytes);
        for text in [
            format!(
                "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\n{base64}\n=njUN\n-----END PGP PUBLIC KEY BLOCK-----\n"
            ),
            format!(
                "before\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\n{}\r\n{}\r\n-----END PGP PUBLIC KEY BLOCK-----",
                &base64[..8],
                &base64[8..]
            ),
        ] {
            assert_eq!(openpgp_rdata(text.as_bytes()).unwrap(), bytes, "{text}");
        }
        assert_eq!(openpgp_rdata(bytes).unwrap(), bytes);
        let text = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----");
        assert_eq!(smimea_rdata(text.as_bytes()).unwrap(), [&[3, 0, 0], &bytes[..]].concat());
    }

    #[test]
    fn another_block_and_a_broken_one_are_refused() {
        for text in [
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAA*A\n-----END PGP PUBLIC KEY BLOCK-----",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----",
        ] {
            let told = openpgp_rdata(text.as_bytes()).unwrap_err().to_string();
            assert!(told.contains("PGP PUBLIC KEY BLOCK"), "{told}");
        }
        for secret in [&[0x95, 1][..], &[0x9d], &[0xc5, 1], &[0xc7]] {
            assert_eq!(openpgp_rdata(secret), Err(HolderError::Secret));
        }
        assert!(matches!(CertificateKey::from_pkcs8(b"no key"), Err(HolderError::PrivateKey)));
    }
}
