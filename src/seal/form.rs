//! A sealed file, octet by octet: how it is written, read and bounded, and the two algorithms in it.
//!
//! ```text
//! callbook/sealed/v1
//! argon2id m=65536 t=3 p=4 salt=<16 octets> check=<16 octets>
//! chacha20-poly1305 nonce=<12 octets>
//! <sealed octets and tag>
//! ```
//! Octets are in base64. `m` is in KiB, `t` in passes, `p` in lanes (RFC 9106 3.1). The derivation gives 48 octets: the key
//! (RFC 8439 2.8), then `check`, which tells a wrong passphrase from a damaged file. The associated data is the first two
//! lines and the file's name.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::SealError;

/// What every form of a sealed file begins with.
const MARK: &[u8] = b"callbook/sealed/";
const FORM: &str = "callbook/sealed/v1";
const KDF: &str = "argon2id";
const AEAD: &str = "chacha20-poly1305";
const KEY_OCTETS: usize = 32;
const CHECK_OCTETS: usize = 16;
const SALT_OCTETS: usize = 16;
/// A sealed key has some hundred octets; more is another file.
pub(super) const FILE_OCTETS_MAX: u64 = 16 * 1_024;
/// A hostile file must not take the machine's memory or minutes of its time.
const MEMORY_KIB_MAX: u32 = 256 * 1_024;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 16;

/// How much work a derivation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Cost {
    /// The second choice of RFC 9106 4, for machines that have other things to do with their memory.
    pub(super) const ORDINARY: Self = Self { memory_kib: 64 * 1_024, passes: 3, lanes: 4 };

    /// What is out of bounds.
    fn excess(self) -> Option<&'static str> {
        let least_kib = self.lanes.saturating_mul(8); // RFC 9106 3.1
        match self {
            _ if !(1..=LANES_MAX).contains(&self.lanes) => Some("p is from 1 to 16"),
            _ if !(least_kib..=MEMORY_KIB_MAX).contains(&self.memory_kib) => Some("m is from 8 p to 262144"),
            _ if !(1..=PASSES_MAX).contains(&self.passes) => Some("t is from 1 to 10"),
            _ => None,
        }
    }
}

/// What a key is derived with, beside the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kdf {
    cost: Cost,
    salt: [u8; SALT_OCTETS],
}

/// What all files of a folder share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kdf: Kdf,
    pub(super) check: [u8; CHECK_OCTETS],
}

/// A key that was derived.
pub(super) struct Derived {
    pub(super) head: Head,
    key: Zeroizing<[u8; KEY_OCTETS]>,
}

/// A sealed file.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) head: Head,
    nonce: [u8; NONCE_LEN],
    body: Vec<u8>,
}

/// Why a file is none that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Form(&'static str),
    Costly(&'static str),
}

/// Whether this is a sealed file, of any version.
pub fn is_sealed(text: &[u8]) -> bool {
    text.starts_with(MARK)
}

impl Kdf {
    /// With a salt of its own.
    pub(super) fn new(cost: Cost) -> Result<Self, SealError> {
        Ok(Self { cost, salt: random()? })
    }

    /// Takes the memory and the time that it says, and clears the memory.
    pub(super) fn derive(self, passphrase: &[u8]) -> Result<Derived, SealError> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let no_memory = || SealError::Memory { mib: memory_kib / 1_024 };
        let params =
            Params::new(memory_kib, passes, lanes, Some(KEY_OCTETS + CHECK_OCTETS)).map_err(|_| no_memory())?;
        let mut blocks = Zeroizing::new(Vec::<Block>::new());
        blocks.try_reserve_exact(params.block_count()).map_err(|_| no_memory())?;
        blocks.resize(params.block_count(), Block::new());
        let mut out = Zeroizing::new([0; KEY_OCTETS + CHECK_OCTETS]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase, &self.salt, &mut *out, &mut *blocks)
            .map_err(|_| no_memory())?;
        let (mut key, mut check) = (Zeroizing::new([0; KEY_OCTETS]), [0; CHECK_OCTETS]);
        key.copy_from_slice(&out[..KEY_OCTETS]);
        check.copy_from_slice(&out[KEY_OCTETS..]);
        Ok(Derived { head: Head { kdf: self, check }, key })
    }
}

impl Head {
    /// Its line in the file.
    fn line(&self) -> String {
        let Kdf { cost: Cost { memory_kib, passes, lanes }, salt } = &self.kdf;
        let (salt, check) = (BASE64.encode(salt), BASE64.encode(&self.check));
        format!("{KDF} m={memory_kib} t={passes} p={lanes} salt={salt} check={check}")
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut field = |name: &str| words.next()?.strip_prefix(name);
        field(KDF)?;
        let mut number = |name: &str| field(name)?.parse::<u32>().ok();
        let cost = Cost { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
        let (salt, check) = (octets(field("salt=")?)?, octets(field("check=")?)?);
        Some(Self { kdf: Kdf { cost, salt }, check })
    }

    fn associated(&self, name: &str) -> Aad<String> {
        Aad::from(format!("{FORM}\n{}\n{name}", self.line()))
    }
}

impl Derived {
    /// Seals the content of a file of this name.
    pub(super) fn seal(&self, name: &str, plain: &[u8]) -> Result<Sealed, SealError> {
        // Random: a dozen files share a key, a year adds a dozen, and 96 bits do not meet within 2^32 of them.
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + CHACHA20_POLY1305.tag_len()));
        body.extend_from_slice(plain);
        self.aead()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), self.head.associated(name), &mut *body)
            .map_err(|_| SealError::Random)?; // never: some hundred octets are not too many
        Ok(Sealed { head: self.head, nonce, body: std::mem::take(&mut *body) })
    }

    /// What was sealed under this name, if it was and nothing was changed since.
    pub(super) fn open(&self, name: &str, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let mut plain = Zeroizing::new(sealed.body.clone());
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let octets = self.aead().ok()?.open_in_place(nonce, sealed.head.associated(name), &mut plain).ok()?.len();
        plain.truncate(octets);
        Some(plain)
    }

    fn aead(&self) -> Result<LessSafeKey, SealError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &*self.key).map_err(|_| SealError::Random)?; // never: it has 32 octets
        Ok(LessSafeKey::new(key))
    }
}

impl Sealed {
    /// The file.
    pub(super) fn write(&self) -> String {
        let (nonce, body) = (BASE64.encode(&self.nonce), BASE64.encode(&self.body));
        format!("{FORM}\n{}\n{AEAD} nonce={nonce}\n{body}\n", self.head.line())
    }

    /// Reads a file. One way of writing each: a file that is read is the file that would be written.
    pub(super) fn read(text: &[u8]) -> Result<Self, Malformed> {
        if text.len() as u64 > FILE_OCTETS_MAX {
            return Err(Malformed::Form("it is far too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| Malformed::Form("it is not text"))?;
        let mut lines = text.split('\n');
        if lines.next() != Some(FORM) {
            return Err(Malformed::Form("its first line is of no version that this program knows"));
        }
        let head = lines.next().and_then(Head::read).ok_or(Malformed::Form("its second line"))?;
        if let Some(excess) = head.kdf.cost.excess() {
            return Err(Malformed::Costly(excess));
        }
        let nonce = lines.next().and_then(|line| line.strip_prefix(AEAD)?.strip_prefix(" nonce=").and_then(octets));
        let nonce = nonce.ok_or(Malformed::Form("its third line"))?;
        let body = lines.next().and_then(|line| BASE64.decode(line.as_bytes()).ok());
        let sealed = Self { head, nonce, body: body.ok_or(Malformed::Form("its last line"))? };
        if sealed.write() == text { Ok(sealed) } else { Err(Malformed::Form("it is not written as it should be")) }
    }
}

fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut octets = [0; N];
    // From the system and nobody else: with a source that repeats itself a nonce would come twice.
    SystemRandom::new().fill(&mut octets).map_err(|_| SealError::Random)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    #[test]
    fn what_is_sealed_opens_under_its_name_alone() {
        let derived = Kdf::new(CHEAP).unwrap().derive(b"a long passphrase").unwrap();
        let text = derived.seal("log.key", b"secret").unwrap().write();
        assert!(is_sealed(text.as_bytes()) && !text.contains("secret"));
        let sealed = Sealed::read(text.as_bytes()).unwrap();
        assert_eq!(derived.open("log.key", &sealed).unwrap().as_slice(), b"secret");
        assert!(derived.open("gov.key", &sealed).is_none());
        let again = sealed.head.kdf.derive(b"a long passphrase").unwrap();
        assert!(again.head == sealed.head && again.open("log.key", &sealed).is_some());
        let other = sealed.head.kdf.derive(b"a long passphrasE").unwrap();
        assert!(other.head.check != sealed.head.check && other.open("log.key", &sealed).is_none());
        assert_ne!(derived.seal("log.key", b"secret").unwrap().nonce, sealed.nonce);
    }

    #[test]
    fn the_derivation_is_that_of_rfc_9106() {
        // Made by the reference program: printf 'a long passphrase' | argon2 saltsaltsaltsalt -id -k 64 -t 2 -p 2 -l 48 -r
        let kdf = Kdf { cost: Cost { memory_kib: 64, passes: 2, lanes: 2 }, salt: *b"saltsaltsaltsalt" };
        let derived = kdf.derive(b"a long passphrase").unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&[&derived.key[..], &derived.head.check].concat()), REFERENCE);
    }

    const REFERENCE: &str =
        "b04de41fda2db876bfeb5f1c12456d5ef1075e57fe73d571a8a82489f11fa641e9b300c55af13e3c2f78e82ff7366650";

    #[test]
    fn every_changed_octet_is_noticed() {
        let derived = Kdf::new(CHEAP).unwrap().derive(b"a long passphrase").unwrap();
        let good = derived.seal("log.key", b"secret").unwrap().write().into_bytes();
        for i in 0..good.len() {
            for change in [1u8, 0x20, 0x80] {
                let mut text = good.clone();
                text[i] ^= change;
                // Read under the head that it says: a changed head has another check, or is bounded away.
                let opened = Sealed::read(&text).ok().filter(|sealed| sealed.head == derived.head);
                assert!(opened.and_then(|sealed| derived.open("log.key", &sealed)).is_none(), "octet {i} ^ {change}");
            }
            assert!(Sealed::read(&good[..i]).is_err(), "cut at {i}");
        }
        assert!(Sealed::read(&[&good[..], b"\n"].concat()).is_err());
    }

    #[test]
    fn a_hostile_file_takes_neither_memory_nor_time() {
        let derived = Kdf::new(CHEAP).unwrap().derive(b"a long passphrase").unwrap();
        let good = derived.seal("log.key", b"secret").unwrap().write();
        for (change, costly) in [
            ("m=262145 t=1 p=1", true),
            ("m=4294967295 t=1 p=1", true),
            ("m=7 t=1 p=1", true),
            ("m=64 t=0 p=1", true),
            ("m=64 t=11 p=1", true),
            ("m=64 t=1 p=0", true),
            ("m=64 t=1 p=9", true),
            ("m=1024 t=1 p=17", true),
            ("m=64 t=1 p=4294967295", true),
            ("m=4294967296 t=1 p=1", false),
            ("m=-1 t=1 p=1", false),
            ("m=064 t=1 p=1", false),
            ("m=64 p=1 t=1", false),
        ] {
            let text = good.replace("m=64 t=1 p=1", change);
            let malformed = Sealed::read(text.as_bytes()).unwrap_err();
            assert_eq!(matches!(malformed, Malformed::Costly(_)), costly, "{change}: {malformed:?}");
        }
        let long = [good.as_bytes(), &[b'A'; FILE_OCTETS_MAX as usize]].concat();
        assert_eq!(Sealed::read(&long).unwrap_err(), Malformed::Form("it is far too long"));
        let later = good.replace("/v1", "/v2");
        assert!(is_sealed(later.as_bytes()) && Sealed::read(later.as_bytes()).is_err());
        for text in ["", "callbook/sealed/v1", "callbook/sealed/v1\n\n\n\n", "-----BEGIN PRIVATE KEY-----"] {
            assert!(Sealed::read(text.as_bytes()).is_err());
        }
    }
}
