//! ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381 5, suite 0x03): a number's label, provable and not to be guessed.
//!
//! Try-and-increment takes a time that depends on the number; only who asked for that number could measure it.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use curve25519_dalek::traits::VartimeMultiscalarMul;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::log::bytes::Malformed;
use crate::log::key::is_canonical_y;
use crate::log::label::{Label, alpha};
use crate::log::random::{NoRandomness, Random};
use crate::number::Number;

/// The length of a proof in bytes: Gamma ‖ c ‖ s.
pub const PROOF_LEN: usize = 80;
/// A proof pi.
pub type Proof = [u8; PROOF_LEN];
/// A VRF output beta; its first half is the label.
pub type Output = [u8; 64];

const SUITE: u8 = 0x03;
const ENCODE_TO_CURVE: u8 = 0x01;
const CHALLENGE: u8 = 0x02;
const PROOF_TO_HASH: u8 = 0x03;
const BACK: u8 = 0x00;

/// The secret key that places numbers; wiped when it goes.
pub struct SecretKey {
    seed: Zeroizing<[u8; 32]>,
    x: Scalar,
    prefix: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

impl SecretKey {
    /// A new key.
    pub fn generate(random: &dyn Random) -> Result<Self, NoRandomness> {
        let mut seed = Zeroizing::new([0; 32]);
        random.fill(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key of an RFC 8032 seed (RFC 9381 5.5: as in Ed25519).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let wide = sha512(&[seed]);
        let (mut x, mut prefix) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        x.copy_from_slice(&wide[..32]);
        prefix.copy_from_slice(&wide[32..]);
        let x = Scalar::from_bytes_mod_order(clamp_integer(*x));
        let point = EdwardsPoint::mul_base(&x);
        let public = PublicKey { bytes: point.compress().to_bytes(), point };
        Self { seed: Zeroizing::new(*seed), x, prefix, public }
    }

    /// What [`SecretKey::from_seed`] takes, to be stored.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public half, which leaf 0 of the map log names.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The proof for `alpha` (RFC 9381 5.1); the same one each time.
    pub fn prove(&self, alpha: &[u8]) -> Proof {
        // `None` would take 256 hash values in a row that are no points: a chance of 2^-256.
        let h = to_curve(&self.public.bytes, alpha).expect("one of 256 hash values is a point");
        let h_bytes = h.compress();
        let gamma = h * self.x;
        let mut k = Scalar::from_bytes_mod_order_wide(&sha512(&[&*self.prefix, h_bytes.as_bytes()]));
        let gamma_bytes = gamma.compress().to_bytes();
        let (u, v) = (EdwardsPoint::mul_base(&k), h * k);
        let c = challenge([
            &self.public.bytes,
            h_bytes.as_bytes(),
            &gamma_bytes,
            u.compress().as_bytes(),
            v.compress().as_bytes(),
        ]);
        let s = k + short_scalar(&c) * self.x;
        k.zeroize();
        let mut pi = [0; PROOF_LEN];
        pi[..32].copy_from_slice(&gamma_bytes);
        pi[32..48].copy_from_slice(&c);
        pi[48..].copy_from_slice(s.as_bytes());
        pi
    }

    /// The label of a number in the map log of that origin, and the proof of it.
    pub fn label(&self, origin: &str, number: Number) -> (Label, Proof) {
        let pi = self.prove(&alpha(origin, number));
        let output = output(&pi).expect("our own proof names a point");
        (first_half(&output), pi)
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.x.zeroize();
    }
}

/// A public key that passed validation (RFC 9381 5.4.5): with a bad one a number could have several labels.
#[derive(Clone, Debug)]
pub struct PublicKey {
    bytes: [u8; 32],
    point: EdwardsPoint,
}

impl PublicKey {
    /// Takes the 32 bytes of a canonical point that is not of small order.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, Malformed> {
        let bad = Malformed::new("vrf", "public key");
        let point = point(bytes).filter(|point| !point.is_small_order()).ok_or(bad)?;
        Ok(Self { bytes: *bytes, point })
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Checks a proof for `alpha` (RFC 9381 5.3) and gives the output that it proves.
    pub fn verify(&self, alpha: &[u8], pi: &[u8]) -> Result<Output, Malformed> {
        let bad = |why| Malformed::new("vrf", why);
        let pi: &Proof = pi.try_into().map_err(|_| bad("length"))?;
        let (gamma_bytes, gamma, c, s) = decode(pi).ok_or(bad("encoding"))?;
        let h = to_curve(&self.bytes, alpha).ok_or(bad("proof"))?;
        let minus_c = -short_scalar(&c);
        let u = EdwardsPoint::vartime_double_scalar_mul_basepoint(&minus_c, &self.point, &s);
        let v = EdwardsPoint::vartime_multiscalar_mul([s, minus_c], [h, gamma]);
        let expected = challenge([
            &self.bytes,
            h.compress().as_bytes(),
            &gamma_bytes,
            u.compress().as_bytes(),
            v.compress().as_bytes(),
        ]);
        if expected == c { Ok(hash_of(&gamma)) } else { Err(bad("proof")) }
    }

    /// Checks that `pi` proves a label of that number in the map log of that origin, and gives the label.
    pub fn verify_label(&self, origin: &str, number: Number, pi: &[u8]) -> Result<Label, Malformed> {
        self.verify(&alpha(origin, number), pi).map(|output| first_half(&output))
    }
}

/// The output of a proof that is already known to be good (RFC 9381 5.2); `None` if it cannot be a proof.
pub fn output(pi: &Proof) -> Option<Output> {
    decode(pi).map(|(_, gamma, _, _)| hash_of(&gamma))
}

fn first_half(output: &Output) -> Label {
    Label(*output.first_chunk().expect("an output has 64 bytes"))
}

/// RFC 9381 5.4.4.
fn decode(pi: &Proof) -> Option<([u8; 32], EdwardsPoint, [u8; 16], Scalar)> {
    let (gamma_bytes, rest) = pi.split_first_chunk::<32>()?;
    let (c, s) = rest.split_first_chunk::<16>()?;
    let gamma = point(gamma_bytes)?;
    let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    Some((*gamma_bytes, gamma, *c, s))
}

/// A point in its one encoding (RFC 8032 5.1.3): y < p, no sign bit on x = 0.
fn point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let sign_of_zero = bytes[31] & 0x80 != 0 && {
        let y_is = |y0: u8, y: u8, y31: u8| bytes[0] == y0 && bytes[1..31].iter().all(|b| *b == y) && bytes[31] == y31;
        y_is(1, 0, 0x80) || y_is(0xec, 0xff, 0xff) // x = 0 at y = 1 and y = -1
    };
    if sign_of_zero || !is_canonical_y(bytes) { None } else { CompressedEdwardsY(*bytes).decompress() }
}

/// RFC 9381 5.4.1.1, try and increment; the salt is the public key.
fn to_curve(public: &[u8; 32], alpha: &[u8]) -> Option<EdwardsPoint> {
    (0..=u8::MAX).find_map(|counter| {
        let hash = sha512(&[&[SUITE, ENCODE_TO_CURVE], public, alpha, &[counter, BACK]]);
        let candidate = point(hash.first_chunk()?)?;
        (!candidate.is_small_order()).then(|| candidate.mul_by_cofactor())
    })
}

/// RFC 9381 5.4.3.
fn challenge(points: [&[u8; 32]; 5]) -> [u8; 16] {
    let [y, h, gamma, u, v] = points;
    let hash = sha512(&[&[SUITE, CHALLENGE], y, h, gamma, u, v, &[BACK]]);
    *hash.first_chunk().expect("SHA-512 gives 64 bytes")
}

/// RFC 9381 5.2 steps 4 to 6.
fn hash_of(gamma: &EdwardsPoint) -> Output {
    *sha512(&[&[SUITE, PROOF_TO_HASH], gamma.mul_by_cofactor().compress().as_bytes(), &[BACK]])
}

fn short_scalar(c: &[u8; 16]) -> Scalar {
    Scalar::from(u128::from_le_bytes(*c))
}

fn sha512(parts: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    let mut out = Zeroizing::new([0; 64]);
    hasher.finalize_into((&mut *out).into());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    /// RFC 9381 B.3, examples 16 to 18: secret key, public key, alpha, pi, beta.
    const RFC_9381_B3: [[&str; 5]; 3] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97\
             27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
            "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff\
             66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2fea45c92a465\
             301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
            "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb\
             5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d8628ee9f9ea3c0\
             e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
            "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45\
             2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
        ],
    ];

    #[test]
    fn equals_rfc_9381_b3() {
        for [seed, public, alpha, pi, beta] in RFC_9381_B3 {
            let (alpha, pi) = (HEXLOWER.decode(alpha.as_bytes()).unwrap(), hex::<80>(pi));
            let key = SecretKey::from_seed(&hex(seed));
            assert_eq!(key.public().as_bytes(), &hex(public));
            assert_eq!(key.prove(&alpha), pi);
            assert_eq!(output(&pi), Some(hex(beta)));
            assert_eq!(PublicKey::new(&hex(public)).unwrap().verify(&alpha, &pi), Ok(hex(beta)));
        }
    }

    #[test]
    fn refuses_every_flipped_bit() {
        let key = SecretKey::from_seed(&[7; 32]);
        let pi = key.prove(b"alpha");
        for bit in 0..PROOF_LEN * 8 {
            let mut other = pi;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(key.public().verify(b"alpha", &other).is_err(), "bit {bit}");
        }
        assert!(key.public().verify(b"alphb", &pi).is_err());
        assert!(key.public().verify(b"alpha", &pi[..79]).is_err());
        assert!(SecretKey::from_seed(&[8; 32]).public().verify(b"alpha", &pi).is_err());
    }

    #[test]
    fn refuses_bad_public_keys() {
        let mut keys = vec![[0; 32], [0xff; 32]];
        keys.push(hex("0100000000000000000000000000000000000000000000000000000000000000")); // the neutral element
        keys.push(hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")); // order 2
        keys.push(hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")); // order 8
        keys.push(hex("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")); // y = p + 3, a point if reduced
        for key in keys {
            assert!(PublicKey::new(&key).is_err(), "{key:02x?}");
        }
    }
}
