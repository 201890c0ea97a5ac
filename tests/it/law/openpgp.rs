//! OpenPGP keys made by hand, right and wrong in every way that the law knows; keys of other programs stand in the fuzz corpus.

use callbook::charter::Policy;
use callbook::log::key::{Algorithm, PublicKey, SigningKey};
use callbook::log::possession::{PublishedKey, x25519_public};
use callbook::log::record::{Prefix, Record, Rr};
use callbook::log::sha256;
use callbook::number::Number;
use callbook::registry::keys::{Circumstances, ProvedBy, Published, check, published};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

const USER_ID: &str = "<+447700900123@e164.example>";
const APEX: &str = "e164.example.";
pub(super) const NOW_S: u64 = 1_800_000_000;
const MADE_S: u32 = 1_790_000_000;

/// A key in the making: what is right until a test changes it.
#[derive(Clone)]
pub(super) struct Recipe {
    pub(super) version: u8,
    pub(super) user_id: String,
    pub(super) primary: SigningKey32,
    pub(super) signing: Option<SigningKey32>,
    pub(super) encryption: Option<[u8; 32]>,
    /// Algorithms 22 and 18 instead of 27 and 25.
    legacy: bool,
    hash: u8,
    key_made_s: u32,
    signed_s: u32,
    primary_flags: Vec<u8>,
    signing_flags: u8,
    encryption_flags: u8,
    back: Back,
    /// Further subpackets of the certification.
    said: Vec<(u8, Vec<u8>)>,
    /// Further subpackets of the encryption subkey's binding.
    said_of_subkey: Vec<(u8, Vec<u8>)>,
    certification: u8,
    direct: bool,
    issuer: Issuer,
}

#[derive(Clone, Copy, PartialEq)]
enum Back {
    Good,
    Missing,
    ByThePrimary,
}

#[derive(Clone, Copy, PartialEq)]
enum Issuer {
    Named,
    Unnamed,
    SomebodyElse,
}

/// Algorithm and secret, so that a recipe can be copied.
pub(super) type SigningKey32 = (Algorithm, [u8; 32]);

impl Recipe {
    pub(super) fn new(version: u8) -> Self {
        Self {
            version,
            user_id: USER_ID.to_owned(),
            primary: (Algorithm::Ed25519, [71; 32]),
            signing: Some((Algorithm::Ed25519, [72; 32])),
            encryption: Some([73; 32]),
            legacy: version == 4,
            hash: 8,
            key_made_s: MADE_S,
            signed_s: MADE_S + 10,
            primary_flags: vec![0x01],
            signing_flags: 0x02,
            encryption_flags: 0x0c,
            back: Back::Good,
            said: Vec::new(),
            said_of_subkey: Vec::new(),
            certification: 0x13,
            direct: version == 6,
            issuer: Issuer::Named,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The whole transferable public key.
    pub(super) fn build(&self) -> Vec<u8> {
        let primary = self.key(self.signing_material(&self.primary));
        let framed = self.framed(&primary);
        let mut out = packet(6, &primary);
        if self.direct {
            let said = vec![(27, self.primary_flags.clone())];
            out.extend(packet(2, &self.signature(0x1f, &self.primary, said, None, &framed)));
        }
        out.extend(packet(13, self.user_id.as_bytes()));
        let user_id = [&[0xb4][..], &(self.user_id.len() as u32).to_be_bytes(), self.user_id.as_bytes()].concat();
        let mut said = self.said.clone();
        if self.version == 4 {
            said.push((27, self.primary_flags.clone()));
        }
        let named = [&framed[..], &user_id].concat();
        out.extend(packet(2, &self.signature(self.certification, &self.primary, said, None, &named)));
        if let Some(signing) = &self.signing {
            let subkey = self.key(self.signing_material(signing));
            let both = [&framed[..], &self.framed(&subkey)].concat();
            let back = match self.back {
                Back::Good => Some(self.signature(0x19, signing, vec![], None, &both)),
                Back::Missing => None,
                Back::ByThePrimary => Some(self.signature(0x19, &self.primary, vec![], None, &both)),
            };
            let flags = vec![(27, vec![self.signing_flags])];
            out.extend(packet(14, &subkey));
            out.extend(packet(2, &self.signature(0x18, &self.primary, flags, back, &both)));
        }
        if let Some(secret) = &self.encryption {
            let subkey = self.key(self.encryption_material(&x25519_public(secret)));
            let both = [&framed[..], &self.framed(&subkey)].concat();
            let mut said = self.said_of_subkey.clone();
            said.push((27, vec![self.encryption_flags]));
            out.extend(packet(14, &subkey));
            out.extend(packet(2, &self.signature(0x18, &self.primary, said, None, &both)));
        }
        out
    }

    fn signing_material(&self, key: &SigningKey32) -> (u8, Vec<u8>) {
        let public = signing_key(key).public().clone();
        match (key.0, self.legacy) {
            (Algorithm::Ed25519, false) => (27, public.bytes().to_vec()),
            (Algorithm::Ed25519, true) => {
                let point = [&[0x40], public.bytes()].concat();
                (22, [&[9][..], b"\x2b\x06\x01\x04\x01\xda\x47\x0f\x01", &integer(&point)].concat())
            }
            (Algorithm::Es256, _) => {
                let point = public.to_spki()[26..].to_vec();
                (19, [&[8][..], b"\x2a\x86\x48\xce\x3d\x03\x01\x07", &integer(&point)].concat())
            }
        }
    }

    fn encryption_material(&self, public: &[u8; 32]) -> (u8, Vec<u8>) {
        if !self.legacy {
            return (25, public.to_vec());
        }
        let point = integer(&[&[0x40], &public[..]].concat());
        (18, [&[10][..], b"\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01", &point, &[3, 1, 8, 7]].concat())
    }

    fn key(&self, (algorithm, material): (u8, Vec<u8>)) -> Vec<u8> {
        let mut body = vec![self.version];
        body.extend(self.key_made_s.to_be_bytes());
        body.push(algorithm);
        if self.version == 6 {
            body.extend((material.len() as u32).to_be_bytes());
        }
        [body, material].concat()
    }

    fn framed(&self, body: &[u8]) -> Vec<u8> {
        match self.version {
            6 => [&[0x9b][..], &(body.len() as u32).to_be_bytes(), body].concat(),
            _ => [&[0x99][..], &(body.len() as u16).to_be_bytes(), body].concat(),
        }
    }

    fn signature(
        &self,
        kind: u8,
        signer: &SigningKey32,
        mut said: Vec<(u8, Vec<u8>)>,
        embedded: Option<Vec<u8>>,
        data: &[u8],
    ) -> Vec<u8> {
        let framed = self.framed(&self.key(self.signing_material(signer)));
        let hash = if self.version == 6 { &SHA256 } else { &SHA1_FOR_LEGACY_USE_ONLY };
        let mut fingerprint = digest(hash, &framed).as_ref().to_vec();
        let key_id = if self.version == 6 { fingerprint[..8].to_vec() } else { fingerprint[12..].to_vec() };
        if self.issuer == Issuer::SomebodyElse {
            fingerprint[0] ^= 1;
        }
        if self.issuer != Issuer::Unnamed {
            said.push((33, [&[self.version][..], &fingerprint].concat()));
        }
        said.push((2, self.signed_s.to_be_bytes().to_vec()));
        let mut unsaid = vec![(16, key_id)];
        unsaid.extend(embedded.map(|body| (32, body)));
        let algorithm = match signer.0 {
            Algorithm::Es256 => 19,
            Algorithm::Ed25519 if self.legacy => 22,
            Algorithm::Ed25519 => 27,
        };
        let area = |subpackets: &[(u8, Vec<u8>)]| {
            let bytes: Vec<u8> = subpackets
                .iter()
                .flat_map(|(t, data)| [length(data.len() + 1), vec![*t], data.clone()].concat())
                .collect();
            match self.version {
                6 => [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat(),
                _ => [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat(),
            }
        };
        let head = [&[self.version, kind, algorithm, self.hash][..], &area(&said)].concat();
        let salt = if self.version == 6 { vec![5; 16] } else { vec![] };
        let end = [&[self.version, 0xff][..], &(head.len() as u32).to_be_bytes()].concat();
        let signed = [&salt, data, &head, &end].concat();
        let hashed = digest(&SHA256, &signed).as_ref().to_vec();
        let key = signing_key(signer);
        let bytes = if signer.0 == Algorithm::Ed25519 { key.sign(&hashed) } else { key.sign(&signed) };
        let value = match algorithm {
            27 => bytes.to_vec(),
            _ => [integer(&bytes[..32]), integer(&bytes[32..])].concat(),
        };
        let salt = if self.version == 6 { [vec![salt.len() as u8], salt].concat() } else { vec![] };
        [head, area(&unsaid), hashed[..2].to_vec(), salt, value].concat()
    }
}

fn signing_key((algorithm, secret): &SigningKey32) -> SigningKey {
    SigningKey::from_bytes(*algorithm, secret).unwrap()
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | tag][..], &length(body.len()), body].concat()
}

fn length(len: usize) -> Vec<u8> {
    match len {
        0..192 => vec![len as u8],
        _ => vec![192 + ((len - 192) >> 8) as u8, (len - 192) as u8],
    }
}

fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    let number = &number[zeros..];
    let bits = number.len() * 8 - number[0].leading_zeros() as usize;
    [&(bits as u16).to_be_bytes()[..], number].concat()
}

fn record(rdata: Vec<u8>) -> Record {
    let rr = vec![Rr { prefix: Prefix::OpenPgpKey, rdata }];
    Record { number: Number::parse("+447700900123").unwrap(), provider: "acme".into(), rr, revoked: vec![] }
}

fn judged(rdata: Vec<u8>) -> (Vec<Published>, Vec<&'static str>) {
    let at = Circumstances { policy: &Policy::embedded(), apex: APEX, now_s: NOW_S };
    let (keys, refusals) = check(&record(rdata), &at, "/record");
    (keys, refusals.iter().map(|refusal| refusal.code).collect())
}

fn name(key: &PublishedKey) -> [u8; 32] {
    sha256(&[&key.to_spki()])
}

#[test]
fn both_versions_and_all_curves_are_taken_and_named_by_their_keys() {
    let p256 = (Algorithm::Es256, [74; 32]);
    for recipe in [
        Recipe::new(4),
        Recipe::new(6),
        Recipe::new(4).with(|r| r.legacy = false),
        Recipe::new(4).with(|r| r.primary = p256),
        Recipe::new(6).with(|r| (r.primary, r.signing) = (p256, Some((Algorithm::Es256, [75; 32])))),
        Recipe::new(4).with(|r| (r.signing, r.encryption) = (None, None)),
        Recipe::new(4).with(|r| r.direct = true),
        Recipe::new(4).with(|r| r.certification = 0x10),
        Recipe::new(4).with(|r| r.primary_flags = vec![0x03, 0]),
        Recipe::new(4)
            .with(|r| r.said = vec![(9, 20_000_000u32.to_be_bytes().to_vec()), (3, vec![0; 4]), (23, vec![0x80])]),
    ] {
        let rdata = recipe.build();
        let (keys, codes) = judged(rdata.clone());
        assert_eq!(codes, [""; 0]);
        let primary = PublishedKey::Signing(signing_key(&recipe.primary).public().clone());
        assert_eq!((keys[0].spki_hash, keys[0].proved), (name(&primary), ProvedBy::Itself));
        assert_eq!(keys.len(), 1 + usize::from(recipe.signing.is_some()) + usize::from(recipe.encryption.is_some()));
        if let Some(secret) = recipe.encryption {
            let subkey = PublishedKey::X25519(x25519_public(&secret));
            assert_eq!((keys[2].spki_hash, keys[2].proved), (name(&subkey), ProvedBy::Nothing));
            assert_eq!((keys[1].counts(), keys[2].counts()), (true, false));
        }
        assert_eq!(published(&record(rdata)), keys, "the index reads what was checked");
    }
}

#[test]
fn each_wrong_key_has_its_code() {
    let seconds = |n: u32| n.to_be_bytes().to_vec();
    let salt = |name: &str| [&[0, 0, 0, 0, 0, name.len() as u8, 0, 32], name.as_bytes(), &[7; 32]].concat();
    type Change<'a> = Box<dyn Fn(&mut Recipe) + 'a>;
    let said = |number: u8, data: Vec<u8>| -> Change<'_> { Box::new(move |r| r.said.push((number, data.clone()))) };
    let cases: Vec<(Change<'_>, &str)> = vec![
        (Box::new(|r| r.user_id = "<+447700900124@e164.example>".into()), "key_names"),
        (Box::new(|r| r.user_id = "Alice <+447700900123@e164.example>".into()), "key_names"),
        (Box::new(|r| r.user_id = "+447700900123@e164.example".into()), "key_names"),
        (Box::new(|r| r.user_id = "<+447700900123@e164.example.>".into()), "key_names"),
        (Box::new(|r| r.hash = 2), "key_self_signature"),
        (Box::new(|r| r.hash = 11), "key_self_signature"),
        (Box::new(|r| r.hash = 9), "key_self_signature"),
        (Box::new(|r| r.key_made_s = NOW_S as u32 + 100), "key_expired"),
        (Box::new(|r| r.signed_s = NOW_S as u32 + 100), "key_expired"),
        (Box::new(|r| r.signed_s = MADE_S - 1), "key_expired"),
        (said(9, seconds(10_000_000)), "key_expired"),
        (said(3, seconds(100)), "key_expired"),
        (Box::new(move |r| r.said_of_subkey.push((9, 10_000_000u32.to_be_bytes().to_vec()))), "key_expired"),
        (Box::new(|r| r.primary_flags = vec![0x02]), "key_use"),
        (Box::new(|r| r.primary_flags = vec![0x11]), "key_use"),
        (Box::new(|r| r.primary_flags = vec![0x05]), "key_use"),
        (Box::new(|r| r.primary_flags = vec![]), "key_use"),
        (Box::new(|r| r.primary_flags = vec![1, 4]), "key_use"),
        (Box::new(|r| r.signing_flags = 0x20), "key_use"),
        (Box::new(|r| r.signing_flags = 0x0c), "key_use"),
        (Box::new(|r| r.encryption_flags = 0x02), "key_use"),
        (Box::new(|r| r.encryption_flags = 0x8c), "key_use"),
        (Box::new(|r| r.back = Back::Missing), "key_self_signature"),
        (Box::new(|r| r.back = Back::ByThePrimary), "key_extra"),
        (Box::new(|r| r.issuer = Issuer::Unnamed), "key_self_signature"),
        (Box::new(|r| r.issuer = Issuer::SomebodyElse), "key_extra"),
        (Box::new(|r| r.certification = 0x30), "key_expired"),
        (Box::new(|r| r.certification = 0x16), "key_extra"),
        (Box::new(|r| r.primary.1 = [0; 32]), ""),
        (said(4, vec![0]), "key_self_signature"),
        (said(4, vec![1]), ""),
        (said(20, salt("salt@notations.sequoia-pgp.org")), ""),
        (said(20, salt("name@notations.sequoia-pgp.org")), "key_extra"),
        (said(24, b"https://keys.example".to_vec()), "key_extra"),
        (said(28, b"alice".to_vec()), "key_extra"),
        (said(0x80 | 101, vec![1]), "key_self_signature"),
        (said(101, vec![1]), "key_extra"),
        (said(32, vec![4, 0x10, 27, 8]), "key_extra"),
        (said(2, seconds(MADE_S)), "key_openpgp"),
    ];
    for version in [4, 6] {
        for (i, (change, expected)) in cases.iter().enumerate() {
            // The salt of version 6 has its hash's length, and what is said of the key stands elsewhere.
            if version == 6 && matches!(i, 6 | 10 | 11) {
                continue;
            }
            let (_, codes) = judged(Recipe::new(version).with(|r| change(r)).build());
            let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
            assert_eq!(codes, expected, "version {version}, case {i}");
        }
    }
    let without = judged(Recipe::new(6).with(|r| r.direct = false).build()).1;
    assert_eq!(without, ["key_self_signature"], "a key of version 6 says its flags in a direct key signature");
    let known = judged(Recipe::new(4).with(|r| r.primary.1 = KNOWN_SECRET).build()).1;
    assert_eq!(known, ["key_known"]);
}

/// RFC 9580 A.4.
const KNOWN_SECRET: [u8; 32] = *b"\x19\x72\x81\x7b\x12\xbe\x70\x7e\x8d\x5f\x58\x6c\xe6\x13\x61\x20\x1d\x34\x4e\xb2\x66\xa2\xc8\x2f\xde\x68\x35\x76\x2b\x65\xb0\xb7";

#[test]
fn what_does_not_belong_in_it_is_named() {
    let good = Recipe::new(4).build();
    let with = |more: Vec<u8>| judged([good.clone(), more].concat()).1;
    let revocation = [&[4, 0x20, 22, 8][..], &[0; 40]].concat();
    for (more, expected) in [
        (packet(13, b"Alice <alice@example.org>"), "key_names"),
        (packet(17, &[1; 30]), "key_names"),
        (packet(2, &revocation), "key_expired"),
        (packet(2, &[4, 0x13, 22, 8, 0, 0]), "key_extra"),
        (packet(12, &[1]), "key_extra"),
        (packet(21, &[0; 9]), "key_extra"),
        (packet(7, &[4; 40]), "key_kind"),
        (good.clone(), "key_extra"),
        (vec![0xc0], "key_openpgp"),
        (vec![0], "key_openpgp"),
    ] {
        assert_eq!(with(more), [expected]);
    }
    let secret = packet(5, &[4; 40]);
    assert_eq!(judged(secret).1, ["key_kind"]);
    for version in [3, 5] {
        let mut old = good.clone();
        old[2] = version;
        assert_eq!(judged(old).1, ["key_kind"]);
    }
    assert_eq!(judged(b"-----BEGIN PGP PUBLIC KEY BLOCK-----".to_vec()).1, ["key_openpgp"]);
}

#[test]
fn algorithms_and_weak_keys_are_told_apart() {
    let head = |algorithm: u8| [&[4][..], &MADE_S.to_be_bytes(), &[algorithm]].concat();
    let primary = |algorithm: u8, material: Vec<u8>| judged(packet(6, &[head(algorithm), material].concat())).1;
    for algorithm in [2, 3, 16, 17, 20, 26, 28, 99] {
        assert_eq!(primary(algorithm, vec![0; 64]), ["key_algorithm"], "{algorithm}");
    }
    assert_eq!(primary(27, vec![0; 32]), ["key_weak"]);
    assert_eq!(primary(25, vec![0; 32]), ["key_weak"]);
    let p384 = [&[5][..], b"\x2b\x81\x04\x00\x22", &integer(&[4; 97])].concat();
    assert_eq!(primary(19, p384), ["key_algorithm"]);
    let off_curve = [&[8][..], b"\x2a\x86\x48\xce\x3d\x03\x01\x07", &integer(&[4; 65])].concat();
    assert_eq!(primary(19, off_curve), ["key_weak"]);
    let sha1 = [&[10][..], b"\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01", &integer(&[0x40; 33]), &[3, 1, 2, 7]].concat();
    assert_eq!(primary(18, sha1), ["key_algorithm"]);
    // Read to its end, an RSA key of 2048 bits is refused before anything else about it is looked at.
    let mut small = vec![255; 256];
    small[255] = 253;
    let key = [head(1), integer(&small), integer(&[1, 0, 1])].concat();
    let rest = Recipe::new(4).build();
    let user_id = rest.windows(2).position(|two| two == [0xcd, USER_ID.len() as u8]).unwrap();
    assert_eq!(judged([packet(6, &key), rest[user_id..].to_vec()].concat()).1, ["key_weak"]);
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    for version in [4, 6] {
        let good = Recipe::new(version).build();
        assert_eq!(judged(good.clone()).1, [""; 0]);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(judged(bad).1, [""; 0], "version {version}: bit {bit} may change");
        }
        for end in 0..good.len() {
            let codes = judged(good[..end].to_vec()).1;
            // Without its last subkeys it is still a whole key.
            assert!(!codes.is_empty() || good[end] == 0xce, "version {version}: cut at {end}");
        }
    }
}

/// The primary key's public half.
pub(super) fn primary(recipe: &Recipe) -> PublicKey {
    signing_key(&recipe.primary).public().clone()
}
