//! RSA numbers that are not sound: too small, a bad exponent, small factors, or made by a generator that is known to be broken.

use std::sync::LazyLock;

use crate::log::rsa::RsaPublicKey;

/// Trial division ends here: it finds what no working generator makes, and costs a fraction of a millisecond.
const FACTOR_MAX: u64 = 4096;
/// The smallest exponent (NIST SP 800-56B 6.2: above 2^16).
const EXPONENT_MIN: u64 = 65_537;
/// The largest prime whose powers the broken generator leaves its mark in at every key size (CVE-2017-15361).
const ROCA_PRIME_MAX: u64 = 167;

/// What is wrong with a key, if anything is. `bits_min` is the charter's.
pub(super) fn weakness(key: &RsaPublicKey, bits_min: u64) -> Option<&'static str> {
    let exponent = key.exponent().iter().fold(0u64, |sum, octet| sum << 8 | u64::from(*octet)); // at most five octets
    if key.bits() < bits_min {
        Some("an RSA modulus with fewer bits than rsa_bits_min of the charter")
    } else if exponent < EXPONENT_MIN || exponent.is_multiple_of(2) {
        Some("an RSA exponent that is even or below 65537")
    } else if PRIMES.iter().any(|prime| remainder(key.modulus(), *prime) == 0) {
        Some("an RSA modulus that a small number divides")
    } else if is_of_the_broken_generator(key.modulus()) {
        Some("an RSA modulus of a generator whose keys can be factored (CVE-2017-15361, ROCA)")
    } else {
        None
    }
}

/// The generator's primes are `k * M + (65537^a mod M)` with `M` the product of the first primes: so modulo each of
/// them the modulus is a power of 65537. A sound modulus is that with a probability below 2^-27.
fn is_of_the_broken_generator(modulus: &[u8]) -> bool {
    PRIMES.iter().copied().filter(|prime| (3..=ROCA_PRIME_MAX).contains(prime)).all(|prime| {
        let (rest, generator) = (remainder(modulus, prime), EXPONENT_MIN % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * generator % prime).filter(|next| *next != 1));
        powers.take(ROCA_PRIME_MAX as usize).any(|power| power == rest)
    })
}

/// The primes up to [`FACTOR_MAX`].
static PRIMES: LazyLock<Vec<u64>> = LazyLock::new(|| {
    (2..=FACTOR_MAX).filter(|n| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d))).collect()
});

/// `number`, big-endian, modulo a number below 2^16.
fn remainder(number: &[u8], modulo: u64) -> u64 {
    number.chunks(4).fold(0, |rest, chunk| {
        let chunk_value = chunk.iter().fold(0u64, |sum, octet| sum << 8 | u64::from(*octet));
        ((rest << (8 * chunk.len())) + chunk_value) % modulo
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn key(modulus_hex: &str, exponent: &[u8]) -> RsaPublicKey {
        RsaPublicKey::new(&HEXLOWER.decode(modulus_hex.as_bytes()).unwrap(), exponent).unwrap()
    }

    #[test]
    fn remainders_and_primes() {
        assert_eq!((&PRIMES[..10], PRIMES.len()), (&[2, 3, 5, 7, 11, 13, 17, 19, 23, 29][..], 564));
        assert_eq!(remainder(&[1, 0, 0, 0, 0], 4093), (1 << 32) % 4093);
        assert_eq!(remainder(&[255; 9], 251), ((1u128 << 72) - 1).rem_euclid(251) as u64);
    }

    #[test]
    fn each_weakness_is_found() {
        let e = &[1, 0, 1];
        assert_eq!(weakness(&key(SOUND, e), 3072), None);
        assert!(weakness(&key(SOUND, e), 3073).unwrap().contains("rsa_bits_min"));
        for exponent in [&[3][..], &[1], &[0xff, 0xff], &[1, 0, 0], &[1, 0, 2]] {
            assert!(weakness(&key(SOUND, exponent), 3072).unwrap().contains("exponent"), "{exponent:?}");
        }
        for end in ["0", "2", "4", "6"] {
            let even = format!("{}{end}", &SOUND[..SOUND.len() - 1]);
            assert!(weakness(&key(&even, e), 3072).unwrap().contains("small number"));
        }
        assert!(weakness(&key(DIVIDED, e), 3072).unwrap().contains("small number"));
        assert!(weakness(&key(BROKEN, e), 3072).unwrap().contains("ROCA"));
        assert!(is_of_the_broken_generator(&HEXLOWER.decode(BROKEN_512.as_bytes()).unwrap()));
    }

    /// Two random primes of 1536 bits.
    const SOUND: &str = concat!(
        "c78274531ff251241194118a3716513b135aad4781553afa6512d945abe08c5e55831f4b86320b69bd0bcc2c451129c6d67e",
        "5a1d84249279b8aea3d83b92fad7039676e0b660ab157e663113e33675bc981f00a8320b497b4ab469805fb6bc33b5f044dd",
        "195ff8b5642a3a166fa46fbdfb9defe33f3a2dd86f0dacef78427d0f74a5adec8d30918cd76ac95d62042424f6359cc606a6",
        "cbd775ca2682099cd9eca32ab528b84cf29d03e0915bdd1d2ed7771d6d0116ff17df4f8962db072096cc3664a4561fe778fe",
        "22dafdd0140eee470a5c984d9ae332e99b910e6c3e085f2775c4c21a99f7781af5dcd20d17c33f2390709a717008c352b7cb",
        "32add531e56d266a8d10a9f23fd210357f01bee22a20747c98aa8abe8795bd3c04e0c2e86c3349cb3b8227e18a3f50c1182b",
        "b6ba2dc7a1a139b75f93e1377ce0f5ff254ee177117c01cc8001d578a2f5c6d90d89393c79a22f0383500738ce1c643e9348",
        "7c28a72f4f29bfed2289c63232a4b08870e29312ef51e76549f7880df7e639b6fbd9",
    );
    /// 4093 times two large primes.
    const DIVIDED: &str = concat!(
        "b555996b5597f7d58f9c91f69e34d672e9cfe792031834c0a34671f675743eb77a8c323dbb1989c24fbe0e7ed1def73642b5",
        "2f1e60bd96beecab43e21c50960ea17decd4f59d1dc9e4515a88220d6041fe78ef96f6bdcd7977e70cccf91268f31ef039cd",
        "4ccbfc562b7db6432f5b7aa95af9dc7068eb318dd958078e2a79c175aaf11fd8d253a8d4c62661725e553801a4f5ff1bd22d",
        "210f1db94c6b846bcfcecbedb26cd7bc7f5b487dc517a1aa94d497207382685799aec193cc24e68cb1fabd186373688f21db",
        "b881269b0364adc389291b15364dacb925fb7642f16a150e46dec548c3a40746aa655cb94a9f71c1ea3be4bea9b7347d9257",
        "93495f6b1b3229864ee9bf98f2eb42f5ab03665cdcd390afff15ffa0963af7bfbc30733a44d266beb16b940409a6dedfcd89",
        "ed5b92cf8122abd6813233079a0bc545c44250f4937bf2d3dacde0f20e0716311eea069c87591a4d62e43dd5e2e43b975a4d",
        "5d9e405a1e2c39895a1ef9b589a6a4150bd1e611f5cbb72e0afddee74374d9f84c99",
    );
    /// Two primes of 1536 bits made as the broken generator makes them, with the product of the first 126 primes.
    const BROKEN: &str = concat!(
        "b6453c1aad15a838182d64b740edf15f6bcd2418d82112400b208395a2c02c49ea53df4868002965cf6cbb14ca68ad4edd11",
        "62b8134bc38cb0d3c8703351d432d0351e97a10a7958259dcf6ad16a1708f0390013385fed6f1076e9a10c887b2c52c5a73e",
        "87473017325251ebbd453f8a727f2cb2734cb7b104b654f3c7e377a91722ae4abee46b6970cd3da19458ab72e99dedf4e0d1",
        "ffb66cf8465a8170e50b1d56dafa00de3a7eacd54ec11b8507c37cb7c0d483cc5813ca395ebef400902b748ef045b3ff22e4",
        "2a628304dab6c9d2f0e699760ab65afd660f97ff999007f10b8237a99ae425c9d33de022514ef9e8406d8e98087f4882b0f6",
        "f51f57786e96595239febf5979df8cad97d441d467430e98981eca57bcca8a238a6f0fe0531b7f18dc22eeb806656d5be68e",
        "465d2357e04da6678970f8b78d0d0bf97f19a1bb70622c0c10bb9e2b7d91d4c02a38f118da861b0572f4672baf8518042646",
        "e1a5603af29c9eed911d83168b182b7f8896704a04feb6bce2b5f1e67d9449863df9",
    );
    /// The same at 512 bits, with the first 39 primes.
    const BROKEN_512: &str = concat!(
        "a8443214ef77820cc2a41246c34604171250c036e8a11e0b08a0559814972c366c91dfd44f9b0001839ba553f85dbac5fd13",
        "499761b908804ee612479a2ffccb",
    );
}
