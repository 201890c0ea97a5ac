//! Files for somebody else's key, in the age format (C2SP age-encryption.org/v1): an escrow agent opens them with the stock tool.
//!
//! ```text
//! age-encryption.org/v1
//! -> X25519 <ephemeral share>
//! <file key, wrapped for the recipient>
//! --- <HMAC of all that>
//! <nonce, then chunks of 64 KiB, each ChaCha20-Poly1305, the last one marked>
//! ```
//! One recipient stanza is written and, of a file with several, the first X25519 one that opens is taken. Only this much of
//! the format is here: no passphrases, no plugins, no armour.

use std::io::{self, BufRead, Read, Write};

use curve25519_dalek::MontgomeryPoint;
use data_encoding::BASE64_NOPAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::bech32;

const VERSION: &str = "age-encryption.org/v1";
const STANZA: &str = "-> X25519 ";
const WRAP: &[u8] = b"age-encryption.org/v1/X25519";
const RECIPIENT: &str = "age";
const IDENTITY: &str = "age-secret-key-";
const FILE_KEY: usize = 16;
const TAG: usize = 16;
const CHUNK: usize = 64 * 1024;
/// Lines of a header, and octets of a line: twenty recipients of any kind.
const HEADER_LINES_MAX: usize = 256;
const LINE_OCTETS_MAX: u64 = 1024;

/// Why a file for a key could not be written or opened.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// Not a key in the form of age.
    #[error("this is no {0}: `age-keygen` or `callbook escrow keygen` makes both keys, age1… is the public one")]
    NoKey(&'static str),
    /// A point that gives everybody the same secret.
    #[error("this key is of low order: nothing is encrypted to it")]
    WeakKey,
    /// The file is not of the format.
    #[error("this is no file of age-encryption.org/v1: {0}")]
    Form(&'static str),
    /// For somebody else.
    #[error("it is not encrypted to this key")]
    NotForUs,
    /// Changed or cut since it was made.
    #[error("it was changed or cut after it was made")]
    Damaged,
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whom a file is for: a public key, `age1…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// Who opens it: a private key, `AGE-SECRET-KEY-1…`. It has no `Debug` and is wiped.
pub struct Identity(Zeroizing<[u8; 32]>);

impl Recipient {
    /// Reads `age1…`.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let key = bech32::decode(RECIPIENT, text.trim()).ok_or(AgeError::NoKey("public key"))?;
        if shared(&Zeroizing::new([1; 32]), &key).is_none() {
            return Err(AgeError::WeakKey);
        }
        Ok(Self(key))
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bech32::encode(RECIPIENT, &self.0))
    }
}

impl Identity {
    /// A new one.
    pub fn generate() -> Result<Self, AgeError> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// Reads a file of `age-keygen`: the line that is neither empty nor a comment.
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let lower = Zeroizing::new(line.unwrap_or_default().to_ascii_lowercase());
        bech32::decode(IDENTITY, &lower).map(|key| Self(Zeroizing::new(key))).ok_or(AgeError::NoKey("private key"))
    }

    /// The line of its file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let lower = Zeroizing::new(bech32::encode(IDENTITY, &self.0));
        Zeroizing::new(lower.to_ascii_uppercase())
    }

    /// The public key.
    pub fn recipient(&self) -> Recipient {
        Recipient(MontgomeryPoint::mul_base_clamped(*self.0).to_bytes())
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    Ok(octets)
}

/// The shared secret; None of a point of low order.
fn shared(secret: &Zeroizing<[u8; 32]>, public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let shared = Zeroizing::new(MontgomeryPoint(*public).mul_clamped(**secret).to_bytes());
    (*shared != [0; 32]).then_some(shared)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let extracted = Salt::new(HKDF_SHA256, salt).extract(secret);
    let filled = extracted.expand(&[info], Length(32)).and_then(|okm| okm.fill(&mut *key));
    assert!(filled.is_ok(), "32 octets are not too many for HKDF-SHA256");
    key
}

fn aead(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("it has 32 octets"))
}

/// The key that a file key is wrapped with: for this share, by this recipient.
fn wrapping(shared: &Zeroizing<[u8; 32]>, share: &[u8; 32], recipient: &Recipient) -> LessSafeKey {
    aead(&derive(&**shared, &[&share[..], &recipient.0].concat(), WRAP))
}

fn header_mac(file_key: &[u8], header: &str) -> hmac::Tag {
    let key = derive(file_key, &[], b"header");
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*key), header.as_bytes())
}

/// Counts chunks: eleven octets big-endian, then whether it is the last.
fn chunk_nonce(counter: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}

/// Encrypts what is written into it; [`Encryptor::finish`] writes the end, without which nothing opens.
pub struct Encryptor<W: Write> {
    out: W,
    key: LessSafeKey,
    counter: u64,
    chunk: Vec<u8>,
}

impl<W: Write> Encryptor<W> {
    /// Writes the header.
    pub fn new(mut out: W, recipient: &Recipient) -> Result<Self, AgeError> {
        let file_key = Zeroizing::new(random::<FILE_KEY>()?);
        let ephemeral = Zeroizing::new(random::<32>()?);
        let share = MontgomeryPoint::mul_base_clamped(*ephemeral).to_bytes();
        let secret = shared(&ephemeral, &recipient.0).ok_or(AgeError::WeakKey)?;
        let mut wrapped = file_key.to_vec();
        let zero = Nonce::assume_unique_for_key([0; NONCE_LEN]); // the key is used once
        let sealed = wrapping(&secret, &share, recipient).seal_in_place_append_tag(zero, Aad::empty(), &mut wrapped);
        sealed.map_err(|_| AgeError::Damaged)?; // never: 16 octets are not too many
        let (share, wrapped) = (BASE64_NOPAD.encode(&share), BASE64_NOPAD.encode(&wrapped));
        let header = format!("{VERSION}\n{STANZA}{share}\n{wrapped}\n---");
        let mac = BASE64_NOPAD.encode(header_mac(&*file_key, &header).as_ref());
        let nonce = random::<16>()?;
        writeln!(out, "{header} {mac}")?;
        out.write_all(&nonce)?;
        let key = aead(&derive(&*file_key, &nonce, b"payload"));
        Ok(Self { out, key, counter: 0, chunk: Vec::with_capacity(CHUNK + TAG) })
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = chunk_nonce(self.counter, is_last);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut self.chunk);
        sealed.map_err(|_| io::Error::other("a chunk cannot be sealed"))?; // never: it has 64 KiB
        self.out.write_all(&self.chunk)?;
        self.chunk.clear();
        self.counter += 1;
        Ok(())
    }

    /// Writes the last chunk, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        // A full chunk waits until more comes: the last one must be marked.
        if self.chunk.len() == CHUNK && !octets.is_empty() {
            self.seal(false)?;
        }
        let taken = octets.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&octets[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens what was encrypted; octets come out only after the chunk that they are in was authenticated.
pub struct Decryptor<R: BufRead> {
    input: R,
    key: LessSafeKey,
    counter: u64,
    plain: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: BufRead> Decryptor<R> {
    /// Reads the header.
    pub fn new(mut input: R, identity: &Identity) -> Result<Self, AgeError> {
        let (file_key, header, mac) = read_header(&mut input, identity)?;
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &*derive(&*file_key, &[], b"header")), header.as_bytes(), &mac)
            .map_err(|_| AgeError::Damaged)?;
        let mut nonce = [0; 16];
        input.read_exact(&mut nonce).map_err(|_| AgeError::Damaged)?;
        let key = aead(&derive(&*file_key, &nonce, b"payload"));
        Ok(Self { input, key, counter: 0, plain: Vec::with_capacity(CHUNK + TAG), at: 0, ended: false })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, AgeError::Damaged);
        self.plain.clear();
        self.at = 0;
        (&mut self.input).take((CHUNK + TAG) as u64).read_to_end(&mut self.plain)?;
        self.ended = self.input.fill_buf()?.is_empty();
        let nonce = chunk_nonce(self.counter, self.ended);
        let length = self.key.open_in_place(nonce, Aad::empty(), &mut self.plain).map_err(|_| damaged())?.len();
        self.plain.truncate(length);
        if length == 0 && self.counter > 0 {
            return Err(damaged()); // an empty last chunk stands only where all is empty
        }
        self.counter += 1;
        Ok(())
    }
}

impl<R: BufRead> Read for Decryptor<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.plain.len() && !self.ended {
            self.next_chunk()?;
        }
        let given = to.len().min(self.plain.len() - self.at);
        to[..given].copy_from_slice(&self.plain[self.at..self.at + given]);
        self.at += given;
        Ok(given)
    }
}

type Header = (Zeroizing<[u8; FILE_KEY]>, String, Vec<u8>);

/// The file key, the header up to its `---`, and the code over that.
fn read_header(input: &mut impl BufRead, identity: &Identity) -> Result<Header, AgeError> {
    let (mut header, mut found, mut share) = (String::new(), None, None);
    for n in 0..HEADER_LINES_MAX {
        let mut line = Vec::new();
        input.take(LINE_OCTETS_MAX).read_until(b'\n', &mut line)?;
        let text = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix('\n'));
        let text = text.ok_or(AgeError::Form("its header"))?;
        if n == 0 && text != VERSION {
            return Err(AgeError::Form("its first line"));
        }
        if let Some(mac) = text.strip_prefix("--- ") {
            header.push_str("---");
            let mac = BASE64_NOPAD.decode(mac.as_bytes()).map_err(|_| AgeError::Form("the code over its header"))?;
            return Ok((found.ok_or(AgeError::NotForUs)?, header, mac));
        }
        if let (Some(of), None) = (share.take(), &found) {
            found = unwrap(identity, &of, text);
        }
        let of = text.strip_prefix(STANZA).and_then(|text| BASE64_NOPAD.decode(text.as_bytes()).ok());
        share = of.and_then(|of| <[u8; 32]>::try_from(of).ok());
        header.push_str(text);
        header.push('\n');
    }
    Err(AgeError::Form("its header has no end"))
}

fn unwrap(identity: &Identity, share: &[u8; 32], body: &str) -> Option<Zeroizing<[u8; FILE_KEY]>> {
    let mut wrapped = BASE64_NOPAD.decode(body.as_bytes()).ok().filter(|body| body.len() == FILE_KEY + TAG)?;
    let secret = shared(&identity.0, share)?;
    let zero = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let key = wrapping(&secret, share, &identity.recipient());
    let plain = key.open_in_place(zero, Aad::empty(), &mut wrapped).ok()?;
    Some(Zeroizing::new(<[u8; FILE_KEY]>::try_from(&*plain).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypted(plain: &[u8], recipient: &Recipient) -> Vec<u8> {
        let mut out = Encryptor::new(Vec::new(), recipient).unwrap();
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    fn opened(file: &[u8], identity: &Identity) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        let mut from = Decryptor::new(file, identity).map_err(|e| e.to_string())?;
        from.read_to_end(&mut plain).map_err(|e| e.to_string())?;
        Ok(plain)
    }

    #[test]
    fn what_is_encrypted_opens_for_its_key_alone() {
        let (ours, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let plain: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let file = encrypted(&plain, &ours.recipient());
            assert_eq!(opened(&file, &ours).unwrap(), plain, "{length}");
            assert!(opened(&file, &other).unwrap_err().contains("not encrypted to this key"));
        }
    }

    #[test]
    fn a_changed_or_cut_file_does_not_open() {
        let ours = Identity::generate().unwrap();
        let file = encrypted(&vec![7; 2 * CHUNK + 100], &ours.recipient());
        let chunk = CHUNK + TAG;
        for cut in [file.len() - 1, file.len() - 100 - TAG, file.len() - 100 - TAG - chunk, 100, 10] {
            assert!(opened(&file[..cut], &ours).is_err(), "cut at {cut}");
        }
        for at in (0..250).chain([file.len() / 2, file.len() - 1]) {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &ours).is_err(), "octet {at}");
        }
        assert!(opened(&[&file[..], b"x"].concat(), &ours).is_err());
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let ours = Identity::generate().unwrap();
        let text = format!("# a comment\n{}\n", *ours.to_text());
        let again = Identity::parse(&text).unwrap();
        assert_eq!(again.recipient(), ours.recipient());
        assert_eq!(Recipient::parse(&ours.recipient().to_string()).unwrap(), ours.recipient());
        assert!(Recipient::parse(&ours.to_text()).is_err() && Identity::parse("age1xyz").is_err());
        assert!(matches!(Recipient::parse(&Recipient([0; 32]).to_string()), Err(AgeError::WeakKey)));
    }
}
