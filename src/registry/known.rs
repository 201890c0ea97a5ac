//! Keys whose private half is printed in a public document: whoever publishes one publishes everybody's key.

/// The 32 bytes that name the point: of Ed25519 and X25519 the key, of P-256 the x coordinate (both signs of y are known).
const KNOWN: &[[u8; 32]] = &[
    hex(b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), // RFC 8032 7.1 test 1, RFC 8037 A.1
    hex(b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"), // RFC 8032 7.1 test 2
    hex(b"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"), // RFC 8032 7.1 test 3
    hex(b"278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e"), // RFC 8032 7.1 test 1024
    hex(b"ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"), // RFC 8032 7.1 test SHA(abc)
    hex(b"19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"), // RFC 8410 10.1
    hex(b"5866666666666666666666666666666666666666666666666666666666666666"), // the base point of edwards25519
    hex(b"0900000000000000000000000000000000000000000000000000000000000000"), // the base point of curve25519
    hex(b"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"), // RFC 7748 6.1 Alice
    hex(b"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"), // RFC 7748 6.1 Bob
    hex(b"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"), // the base point of P-256
    hex(b"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"), // RFC 6979 A.2.5
    hex(b"7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445"), // RFC 7515 A.3
    hex(b"30a0424cd21c2944838a2d75c92b37e76ea20d9f00893a3b4eee8a3c0aafec3e"), // RFC 7517 A.1
];

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
        ] {
            let key = SigningKey::from_bytes(Algorithm::Ed25519, &hex(seed)).unwrap();
            assert!(is_known(key.public().bytes()), "{}", String::from_utf8_lossy(seed));
        }
        let bob = hex(b"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        assert!(is_known(&x25519_public(&bob)));
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
}
