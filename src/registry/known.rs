//! Keys whose private half is printed in a public document: whoever publishes one publishes everybody's key.

/// The 32 bytes that name the point: of Ed25519 and X25519 the key, of P-256 the x coordinate (both signs of y are known).
const KNOWN: &[[u8; 32]] = &[
    hex(b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), // RFC 8032 7.1 test 1, RFC 8037 A.1
    hex(b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"), // RFC 8032 7.1 test 2
    hex(b"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"), // RFC 8032 7.1 test 3
    hex(b"278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e"), // RFC 8032 7.1 test 1024
    hex(b"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"), // RFC 8032 7.1 test SHA(abc)
    hex(b"19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"), // RFC 8410 10.1
    hex(b"c2ce80322cde61c84d844d60ef919ce79daeae7f1ee4075d23f200a692f7c8ad"), // RFC 9216 7 Carlos
    hex(b"2e6831ccd320c89d7535184dcfd6ca612a5f0f21666d506c8cf6c57da0143c74"), // RFC 9216 7 Carlos, encryption
    hex(b"b2da1de186468a0d8ebb3ee0ae34b9e7ad0887752598a4f96016c3a27fce6fae"), // RFC 9216 7 Dana
    hex(b"3f098994bdd916ed4053197934e4a87c80733a1280d62f8010992e43ee3b2406"), // RFC 9580 A.1
    hex(b"f94da7bb48d60a61e567706a6587d0331999bb9d891a08242ead84543df895a3"), // RFC 9580 A.4, the primary key
    hex(b"8693248367f9e5015db922f8f48095dda784987f2d5985b12fbad16caf5e4435"), // RFC 9580 A.4, the subkey
    hex(b"ae35b0937140ab28856c504a4f84f35dc541a8f4c1de09b3942fd46fb3b5bb5d"), // draft-bre-openpgp-samples-01 Alice
    hex(b"42ff0621adab493ce0a9b5c2a430d8322291562b42b32db4df1dec13df9ebe22"), // draft-bre-openpgp-samples-01 Alice, the subkey
    hex(b"5866666666666666666666666666666666666666666666666666666666666666"), // the base point of edwards25519
    hex(b"0900000000000000000000000000000000000000000000000000000000000000"), // the base point of curve25519
    hex(b"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"), // RFC 7748 6.1 Alice
    hex(b"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"), // RFC 7748 6.1 Bob
    hex(b"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"), // the base point of P-256
    hex(b"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"), // RFC 6979 A.2.5
    hex(b"7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445"), // RFC 7515 A.3
    hex(b"30a0424cd21c2944838a2d75c92b37e76ea20d9f00893a3b4eee8a3c0aafec3e"), // RFC 7517 A.1
];

/// RSA keys of at least 3072 bits: SHA-256 of the SubjectPublicKeyInfo. Shorter ones are refused as such.
const KNOWN_RSA: &[[u8; 32]] = &[
    hex(b"0f8144c789af89fee06f0ded808672bd805c951e048992d3f8cae1c378b243d6"), // draft-bre-openpgp-samples-01 Bob
    hex(b"9866fc20a5320de9f7698c990c318f04a600b7107465c56f7685d8b750b90ef0"), // draft-bre-openpgp-samples-01 Bob, the subkey
];

/// Whether the private half of the RSA key with this SHA-256 of its SubjectPublicKeyInfo is public knowledge.
pub(super) fn is_known_rsa(spki_hash: &[u8; 32]) -> bool {
    KNOWN_RSA.contains(spki_hash)
}

/// Whether the private half of the key with these bytes (Ed25519, X25519: the key; P-256: x) is public knowledge.
pub(super) fn is_known(coordinate: &[u8]) -> bool {
    KNOWN.iter().any(|known| known == coordinate)
}

const fn hex(text: &[u8; 64]) -> [u8; 32] {
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

const fn digit(c: u8) -> u8 {
    match c {
        b'0'..=b'9' => c - b'0',
        _ => c - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::bytes::from_base64url;
    use crate::log::key::{Algorithm, SigningKey};
    use crate::log::possession::{shared_secret, x25519_public};
    use crate::log::rsa::RsaPublicKey;
    use crate::log::sha256;

    /// The private halves, as the documents print them.
    #[test]
    fn the_list_is_what_the_documents_print() {
        for seed in [
            b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            b"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            b"f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
            b"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            b"d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
            b"1a8b1ff05ded48e18bf50166c664ab023ea70003d78d9e41f5758a91d850f8d2",
            b"1972817b12be707e8d5f586ce61361201d344eb266a2c82fde6835762b65b0b7",
            b"5705e5ba97318e2f1ef31c7f40b140d44dbda98206063337743f7ba527601fbd",
        ] {
            let key = SigningKey::from_bytes(Algorithm::Ed25519, &hex(seed)).unwrap();
            assert!(is_known(key.public().bytes()), "{}", String::from_utf8_lossy(seed));
        }
        let bob = hex(b"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        assert!(is_known(&x25519_public(&bob)));
        let subkey = hex(b"4d600a4f794d44775c57a26e0feefed558e9afffd6ad0d582d57fb2ba2dcedb8"); // RFC 9580 A.4
        assert!(is_known(&x25519_public(&subkey)));
        let mut subkey = hex(b"7ff114f1ba535eeb853baafb4ee0984bda15829fc5107ab20018896e93313a50"); // Alice, big-endian
        subkey.reverse();
        assert!(is_known(&x25519_public(&subkey)));
        let alice = hex(b"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let shared = hex(b"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"); // RFC 7748 6.1
        assert!(is_known(&alice) && shared_secret(&bob, &alice).is_some_and(|secret| *secret == shared));
        let mut scalars = vec![hex(b"c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")];
        scalars.push(hex(b"0000000000000000000000000000000000000000000000000000000000000001"));
        for d in ["jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI", "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"] {
            scalars.push(from_base64url(d).unwrap().try_into().unwrap());
        }
        for scalar in scalars {
            let key = SigningKey::from_bytes(Algorithm::Es256, &scalar).unwrap();
            assert!(is_known(&key.public().bytes()[1..]));
        }
    }

    /// The prime factors, as the document prints them.
    #[test]
    fn the_rsa_keys_are_products_of_printed_primes() {
        let factors: [(&str, &str); 2] = [
            (
                concat!(
                    "d4b8673f6d3c59a7fa3e441227a932afcca6635c9587d54113f83a7d10d803ea64a8a9f0f707c7d90868df2b0003e3a6",
                    "54e5fc1e5760f8f73466cd1ee6909abdbd049fc8852ef4c0d10d842d1e6b2ee7bdb83eda16e28553f55d71d758f56c3f",
                    "be8e24e69fed546a7b17c4580859fdad28c859b7efbd98b5ab94f1f9a92865b81afb8a90e1663307fa1b757e920a68ba",
                    "06775c43541d8c209053a829631d0c75d54445b229f7ed925c3c8b869c634b2cfe446b198bff5402c853e2dc4fe3e319",
                ),
                concat!(
                    "df2b766ab56fa1dbf78c47190036a389a714a33322cefc55cd5b1cd30d8796b4735888094ec2541910f3b275916dcbd2",
                    "15cf33454022140868d0fe7372870eda752814937f815c4c7f33224f618d0162e84bc4b61cadf43d9eb85a54ac51263d",
                    "b94951e3d804ac8b01894595b8082deec38d0e6317ca12f34299eaff571337920f2aa867fd294cc9d5d55d02f8f2c761",
                    "f3ea3636a960b2450e88323587c9de370b8af78f1a2860a502627b2d450c9bfe009229a86f792123a34ec289732bf3c5",
                ),
            ),
            (
                concat!(
                    "e974e2931ceb49dc950ac74ad656c0c7eb0aba88a57f1535526398e5ccdfa9b8e12cb241752dfc67f49b098a10153b7c",
                    "8db29e91be42adc8d9456b368254ab43026923a21eb45cdc5c351aab8029f07696e07473fabff86f658e7865a263cfa2",
                    "f67bcba73449182f10edf1c980c863e01f65e02fb8221c8a7d8ebb10692dfcd609d8c0d5fac04d5a122920b58f759ea2",
                    "63c0f9626c5f5abd2c9842832d12a33fd548d38c1d8a743fcc8ad2b97cfd15a6fb97a4d61979d9b2ab850e33076488d3",
                ),
                concat!(
                    "eadf98e793d289602eb4cc4f91fdec29f76316e4d77b971cdbbf65465935ef2cf90b6e2df52528026d2c452eb4ddf74e",
                    "5590639db6155d26d7b4be6fcd312626f7c99549b5e56eaeb8791d258700cfb3821400bc27ac83908b5dad9d34c9130a",
                    "664a80206f7c32d9b996e31709f0088eaefcd84e63d7a02ae51f480fe37bf457693f26e55c4b60cc70a905ca029cc3f3",
                    "b7efd2d2cf955204be312c69ff7ddad14415234f706d65fe3a5de40557c3a90ab9ff3952426d611d71d8c9100eba98d5",
                ),
            ),
        ];
        for (p, q) in factors {
            let bytes = |hex: &str| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            let key = RsaPublicKey::new(&product(&bytes(p), &bytes(q)), &[1, 0, 1]).unwrap();
            assert!(is_known_rsa(&sha256(&[&key.to_spki()])));
        }
    }

    /// Long multiplication, big-endian.
    fn product(a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut out = vec![0u8; a.len() + b.len()];
        for (i, x) in a.iter().rev().enumerate() {
            let mut carry = 0u32;
            for (j, y) in b.iter().rev().chain(&[0]).enumerate() {
                let at = out.len() - 1 - i - j;
                let sum = u32::from(out[at]) + u32::from(*x) * u32::from(*y) + carry;
                (out[at], carry) = (sum as u8, sum >> 8);
            }
        }
        out
    }
}
