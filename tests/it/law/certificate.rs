//! S/MIME certificates, right and wrong in every way that the law knows; certificates of OpenSSL stand in the fuzz corpus.

use callbook::charter::Policy;
use callbook::log::record::{Prefix, Record, Rr};
use callbook::log::sha256;
use callbook::number::Number;
use callbook::registry::keys::{Circumstances, ProvedBy, Published, check};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData,
    SanType, date_time_ymd,
};

use super::openpgp::NOW_S;

pub(super) const MAILBOX: &str = "+447700900123@e164.example";
const APEX: &str = "e164.example.";

/// What is right until a test changes it.
pub(super) fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2036, 1, 1));
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![mail(MAILBOX)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    params
}

fn mail(address: &str) -> SanType {
    SanType::Rfc822Name(address.try_into().unwrap())
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn judged(der: &[u8]) -> (Vec<Published>, Vec<&'static str>) {
    let rr = vec![Rr { prefix: Prefix::SmimeCert, rdata: [&[3, 0, 0], der].concat() }];
    let number = Number::parse("+447700900123").unwrap();
    let record = Record { number, provider: "acme".into(), rr, revoked: vec![] };
    let at = Circumstances { policy: &Policy::embedded(), apex: APEX, now_s: NOW_S };
    let (keys, refusals) = check(&record, &at, "/record");
    (keys, refusals.iter().map(|refusal| refusal.code).collect())
}

#[test]
fn self_signed_and_issued_ones_are_taken_and_named_by_their_key() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut with_subject = params();
        with_subject.distinguished_name = named(MAILBOX);
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut ca = CertificateParams::default();
        (ca.is_ca, ca.distinguished_name) = (IsCa::Ca(BasicConstraints::Unconstrained), named("A village's authority"));
        let issuer = Issuer::from_params(&ca, &ca_key);
        for certificate in [
            params().self_signed(&key).unwrap(),
            with_subject.self_signed(&key).unwrap(),
            params().signed_by(&key, &issuer).unwrap(),
        ] {
            let (keys, codes) = judged(certificate.der());
            assert_eq!((codes, keys.len()), (vec![], 1));
            assert_eq!(keys[0].spki_hash, sha256(&[&key.subject_public_key_info()]));
            assert_eq!((keys[0].proved, keys[0].counts()), (ProvedBy::Proof, true));
        }
    }
}

#[test]
fn each_wrong_certificate_has_its_code() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let extension = |oid: &[u64], critical: bool| {
        let mut made = CustomExtension::from_oid_content(oid, vec![5, 0]);
        made.set_criticality(critical);
        made
    };
    type Change<'a> = Box<dyn Fn(&mut CertificateParams) + 'a>;
    let cases: Vec<(Change<'_>, &str)> = vec![
        (Box::new(|p| p.subject_alt_names = vec![]), "key_names"),
        (Box::new(|p| p.subject_alt_names = vec![mail("+447700900124@e164.example")]), "key_names"),
        (Box::new(|p| p.subject_alt_names.push(mail("alice@example.org"))), "key_names"),
        (Box::new(|p| p.subject_alt_names = vec![SanType::DnsName(MAILBOX.try_into().unwrap())]), "key_names"),
        (Box::new(|p| p.distinguished_name = named("Alice Example")), "key_names"),
        (Box::new(|p| p.distinguished_name.push(DnType::OrganizationName, MAILBOX)), "key_names"),
        (Box::new(|p| p.not_before = date_time_ymd(2027, 2, 1)), "key_expired"),
        (Box::new(|p| p.not_after = date_time_ymd(2027, 1, 1)), "key_expired"),
        (Box::new(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), "key_use"),
        (Box::new(|p| p.key_usages = vec![KeyUsagePurpose::DataEncipherment]), "key_use"),
        (Box::new(|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign)), "key_use"),
        (Box::new(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), "key_use"),
        (Box::new(|p| (p.key_usages, p.extended_key_usages) = (vec![], vec![])), ""),
        (Box::new(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]), ""),
        (Box::new(|p| p.custom_extensions.push(extension(&[2, 5, 29, 9], false))), "key_extra"),
        (Box::new(|p| p.custom_extensions.push(extension(&[2, 5, 29, 9], true))), "key_certificate"),
        (Box::new(|p| p.custom_extensions.push(extension(&[2, 5, 29, 31], true))), "key_certificate"),
        (Box::new(|p| p.custom_extensions.push(extension(&[2, 5, 29, 35], false))), "key_certificate"),
    ];
    for (i, (change, expected)) in cases.iter().enumerate() {
        let mut params = params();
        change(&mut params);
        let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
        assert_eq!(judged(params.self_signed(&key).unwrap().der()).1, expected, "case {i}");
    }
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(judged(params().self_signed(&p384).unwrap().der()).1, ["key_algorithm"]);
    let good = params().self_signed(&key).unwrap().der().to_vec();
    for bad in [&good[1..], &good[..good.len() - 1], &[&good[..], &[0]].concat(), b"-----BEGIN CERTIFICATE-----", &[]] {
        assert_eq!(judged(bad).1, ["key_certificate"]);
    }
}

#[test]
fn who_signs_for_himself_signs_with_this_key() {
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let alike = params();
    let stolen = params().signed_by(&key, &Issuer::from_params(&alike, &other)).unwrap();
    assert_eq!(judged(stolen.der()).1, ["key_self_signature"]);
    let good = params().self_signed(&key).unwrap().der().to_vec();
    assert_eq!(judged(&good).1, [""; 0]);
    // Where issuer and subject differ somebody else issued it, whose signature is not ours to check.
    let (names, signed_end) = {
        let (_, read) = x509_parser::parse_x509_certificate(&good).unwrap();
        let place = |part: &[u8]| {
            let at = part.as_ptr() as usize - good.as_ptr() as usize;
            at..at + part.len()
        };
        let names = [read.issuer().as_raw(), read.subject().as_raw()].map(place);
        (names, place(read.tbs_certificate.as_ref()).end)
    };
    for bit in (0..signed_end * 8).filter(|bit| !names.iter().any(|name| name.contains(&(bit / 8)))) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(judged(&bad).1, [""; 0], "bit {bit} may change");
    }
}
