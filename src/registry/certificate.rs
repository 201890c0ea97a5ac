//! S/MIME certificates (RFC 8162, RFC 5280, RFC 8550): read by `x509-parser`, held to a strict profile here.
//!
//! The directory says under DNSSEC that the certificate is the number's (usage 3, DANE-EE), so its issuer is not asked. Only a
//! certificate that names itself as issuer has to bear its own signature.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Version};

use crate::log::possession::PublishedKey;
use crate::log::record::RECORD_LEN_MAX;
use crate::log::rsa::RsaScheme;
use crate::registry::keys::{Wrong, published_key};
use crate::registry::refusal;

/// Signature algorithms by object identifier that rest on no broken hash (RFC 4055, RFC 5758, RFC 8410).
const SIGNATURES: [&str; 9] = [
    RSA_SHA256,
    RSA_SHA384,
    RSA_SHA512,
    "1.2.840.113549.1.1.10", // RSASSA-PSS
    ECDSA_SHA256,
    ECDSA_SHA384,
    "1.2.840.10045.4.3.4", // ECDSA with SHA-512
    EDDSA,
    "1.3.101.113", // Ed448
];
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
const RSA_SHA384: &str = "1.2.840.113549.1.1.12";
const RSA_SHA512: &str = "1.2.840.113549.1.1.13";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const EDDSA: &str = "1.3.101.112";
/// Extensions that a certificate for e-mail may have, and whether one may be critical; any other could say anything.
const EXTENSIONS: [(&str, bool); 10] = [
    ("2.5.29.14", false),             // subject key identifier
    ("2.5.29.15", true),              // key usage
    ("2.5.29.17", true),              // subject alternative name
    ("2.5.29.19", true),              // basic constraints
    ("2.5.29.31", false),             // CRL distribution points
    ("2.5.29.32", true),              // certificate policies
    ("2.5.29.35", false),             // authority key identifier
    ("2.5.29.37", true),              // extended key usage
    ("1.3.6.1.5.5.7.1.1", false),     // authority information access
    ("1.2.840.113549.1.9.15", false), // S/MIME capabilities (RFC 8551 2.5.2)
];
/// Attributes of a subject that may repeat the address: common name and e-mail address.
const SUBJECT_ATTRIBUTES: [&str; 2] = ["2.5.4.3", "1.2.840.113549.1.9.1"];
/// The bytes in front of the point in the SubjectPublicKeyInfo of P-256, and of the key in that of Ed25519.
const P256_HEAD_LEN: usize = 26;
const ED25519_HEAD_LEN: usize = 12;

const DER_SEQUENCE: u8 = 0x30;

/// What a certificate is held against.
pub(super) struct Expected<'a> {
    /// The only name that it may have: `+E164@apex`.
    pub(super) mailbox: &'a str,
    /// Unix seconds.
    pub(super) now_s: u64,
    /// By how much the clock of the issuer may be ahead, in seconds.
    pub(super) skew_s: u64,
}

/// The key of a certificate, by its form alone.
pub(super) fn key(der: &[u8]) -> Result<PublishedKey, Wrong> {
    published_key(parse(der)?.public_key().raw)
}

/// Whether a certificate is this number's and nobody else's, for e-mail, and in force.
pub(super) fn check(der: &[u8], expected: &Expected<'_>) -> Result<(), Wrong> {
    let certificate = parse(der)?;
    extensions(&certificate)?;
    names(&certificate, expected.mailbox)?;
    usage(&certificate)?;
    let (now_s, from_s) = (unix(expected.now_s), unix(expected.now_s.saturating_add(expected.skew_s)));
    let validity = certificate.validity();
    if validity.not_before.timestamp() > from_s || validity.not_after.timestamp() <= now_s {
        return Err(Wrong(&refusal::KEY_EXPIRED, "a certificate that is not valid now"));
    }
    signature(&certificate)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Wrong> {
    if der.len() > RECORD_LEN_MAX {
        return Err(form("it is too long"));
    }
    // The one tag that no signature covers and that is not looked at closely below.
    if der.first() != Some(&DER_SEQUENCE) {
        return Err(form("not an X.509 certificate in DER"));
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) if certificate.version() == X509Version::V3 => Ok(certificate),
        Ok(([], _)) => Err(form("a certificate of another version than 3")),
        Ok(_) => Err(form("bytes left over behind the certificate")),
        Err(_) => Err(form("not an X.509 certificate in DER")),
    }
}

const fn form(why: &'static str) -> Wrong {
    Wrong(&refusal::KEY_CERTIFICATE, why)
}

fn unix(time_s: u64) -> i64 {
    i64::try_from(time_s).unwrap_or(i64::MAX)
}

/// Each once, readable, known, and critical only where that can be honoured (RFC 5280 4.2).
fn extensions(certificate: &X509Certificate<'_>) -> Result<(), Wrong> {
    if certificate.issuer_uid.is_some() || certificate.subject_uid.is_some() {
        return Err(Wrong(&refusal::KEY_EXTRA, "a unique identifier beside the names"));
    }
    certificate.extensions_map().map_err(|_| form("an extension that stands there twice"))?;
    for extension in certificate.extensions() {
        let id = extension.oid.to_id_string();
        match EXTENSIONS.iter().find(|(known, _)| *known == id) {
            Some((_, false)) | None if extension.critical => {
                return Err(form("a critical extension that is not known here"));
            }
            None => return Err(Wrong(&refusal::KEY_EXTRA, "an extension that a certificate for e-mail does not need")),
            Some(_) if matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. }) => {
                return Err(form("an extension that cannot be read"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The number's address as the only alternative name (RFC 8550 3, RFC 9598 3: ASCII stands in an rfc822Name), and in the
/// subject nothing else.
fn names(certificate: &X509Certificate<'_>, mailbox: &str) -> Result<(), Wrong> {
    let names = certificate.subject_alternative_name().map_err(|_| form("an extension that cannot be read"))?;
    let names = names.map_or(&[][..], |extension| &extension.value.general_names);
    if !matches!(names, [GeneralName::RFC822Name(name)] if *name == mailbox) {
        return Err(Wrong(&refusal::KEY_NAMES, "the only alternative name is not the number at the apex"));
    }
    for attribute in certificate.subject().iter_attributes() {
        let may_repeat = SUBJECT_ATTRIBUTES.contains(&attribute.attr_type().to_id_string().as_str());
        if !may_repeat || attribute.as_str().ok() != Some(mailbox) {
            return Err(Wrong(&refusal::KEY_NAMES, "the subject says more than the number at the apex"));
        }
    }
    Ok(())
}

/// No authority, and for signatures or encryption of e-mail (RFC 8550 4.4).
fn usage(certificate: &X509Certificate<'_>) -> Result<(), Wrong> {
    const WRONG: Wrong = Wrong(&refusal::KEY_USE, "its key usage is neither signatures nor encryption of e-mail");
    if certificate.is_ca() {
        return Err(Wrong(&refusal::KEY_USE, "the certificate of an authority: add basicConstraints = CA:FALSE"));
    }
    let usage = certificate.key_usage().map_err(|_| form("an extension that cannot be read"))?;
    let serves = usage.is_none_or(|extension| {
        let usage = extension.value;
        let wanted =
            usage.digital_signature() || usage.non_repudiation() || usage.key_encipherment() || usage.key_agreement();
        wanted && !usage.key_cert_sign() && !usage.crl_sign()
    });
    let extended = certificate.extended_key_usage().map_err(|_| form("an extension that cannot be read"))?;
    let for_mail = extended.is_none_or(|extension| extension.value.email_protection || extension.value.any);
    if serves && for_mail { Ok(()) } else { Err(WRONG) }
}

/// No broken hash, and where the certificate is its own issuer its own signature.
fn signature(certificate: &X509Certificate<'_>) -> Result<(), Wrong> {
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return Err(form("it names two signature algorithms"));
    }
    if !SIGNATURES.contains(&algorithm.as_str()) {
        return Err(Wrong(
            &refusal::KEY_SELF_SIGNATURE,
            "its signature rests on MD5, SHA-1 or an algorithm that is not known here",
        ));
    }
    if certificate.issuer().as_raw() != certificate.subject().as_raw() {
        return Ok(());
    }
    let (spki, signed) = (certificate.public_key().raw, certificate.tbs_certificate.as_ref());
    let bytes = &*certificate.signature_value.data;
    let by = |head_len: usize, algorithm: &'static dyn VerificationAlgorithm| {
        spki.get(head_len..).is_some_and(|key| UnparsedPublicKey::new(algorithm, key).verify(signed, bytes).is_ok())
    };
    let good = match (published_key(spki)?, algorithm.as_str()) {
        (PublishedKey::Rsa(key), RSA_SHA256) => key.verify(RsaScheme::Pkcs1Sha256, signed, bytes),
        (PublishedKey::Rsa(key), RSA_SHA384) => key.verify(RsaScheme::Pkcs1Sha384, signed, bytes),
        (PublishedKey::Rsa(key), RSA_SHA512) => key.verify(RsaScheme::Pkcs1Sha512, signed, bytes),
        (PublishedKey::Signing(_), ECDSA_SHA256) => by(P256_HEAD_LEN, &ECDSA_P256_SHA256_ASN1),
        (PublishedKey::Signing(_), ECDSA_SHA384) => by(P256_HEAD_LEN, &ECDSA_P256_SHA384_ASN1),
        (PublishedKey::Signing(_), EDDSA) => by(ED25519_HEAD_LEN, &ED25519),
        _ => false,
    };
    if good {
        Ok(())
    } else {
        Err(Wrong(&refusal::KEY_SELF_SIGNATURE, "it names itself as issuer and does not bear its own signature"))
    }
}
