//! Signed notes (C2SP signed-note): a text, an empty line, signature lines of Ed25519 (type 1) or cosignatures (type 4).
//!
//! Lines of unknown keys are skipped; one bad signature of a known key refuses the note; a key counts once.

use std::fmt;

use crate::log::bytes::{Malformed, array_from_base64, from_base64, to_base64};
use crate::log::key::{Algorithm, PublicKey, SigningKey};
use crate::log::sha256;

/// The mistake of a note that a known key is said to have signed and has not.
pub const BAD_SIGNATURE: Malformed = Malformed::new("note", "bad signature by a known key");

/// What a signature line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LineType {
    /// Type 1: Ed25519 over the text.
    Signature = 1,
    /// Type 4: Ed25519 over the text and a time (C2SP tlog-cosignature, `cosignature/v1`).
    Cosignature = 4,
}

/// A key that may sign notes, as its `vkey` text names it: `name+id+base64(type ‖ key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    line_type: LineType,
    key: PublicKey,
}

impl VerifierKey {
    /// The key of that name. `None` if the name is empty or holds `+` or white space, or the key is not Ed25519.
    pub fn new(name: &str, line_type: LineType, key: PublicKey) -> Option<Self> {
        let usable = is_key_name(name) && key.algorithm() == Algorithm::Ed25519;
        usable.then(|| Self { name: name.to_owned(), line_type, key })
    }

    /// Reads a `vkey` text; the id in it must be that of the key.
    pub fn parse(vkey: &str) -> Result<Self, Malformed> {
        let bad = |why| Malformed::new("vkey", why);
        let mut fields = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(data)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(bad("form"));
        };
        let [line_type, key @ ..] = array_from_base64::<33>(data).ok_or(bad("base64"))?;
        let line_type = match line_type {
            1 => LineType::Signature,
            4 => LineType::Cosignature,
            _ => return Err(bad("signature type")),
        };
        let key = PublicKey::new(Algorithm::Ed25519, &key)?;
        let vkey = Self::new(name, line_type, key).ok_or(bad("name"))?;
        Malformed::unless(hex(&vkey.id()) == id, "vkey", "id")?;
        Ok(vkey)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which lines it signs.
    pub const fn line_type(&self) -> LineType {
        self.line_type
    }

    /// The key itself.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// `H(name ‖ LF ‖ type ‖ key)[0..4]`.
    pub fn id(&self) -> [u8; 4] {
        key_id(&self.name, self.line_type, self.key.bytes())
    }

    /// Checks what follows the id in a line of this key; gives the time of a cosignature.
    fn check(&self, text: &str, rest: &[u8]) -> Result<Option<u64>, Malformed> {
        let bad = BAD_SIGNATURE;
        let (time_s, signature) = match self.line_type {
            LineType::Signature => (None, rest),
            LineType::Cosignature => {
                let (time, signature) = rest.split_first_chunk().ok_or(bad)?;
                (Some(u64::from_be_bytes(*time)), signature)
            }
        };
        let signature = signature.try_into().map_err(|_| bad)?;
        if self.key.verify(signed_text(text, time_s).as_bytes(), signature) { Ok(time_s) } else { Err(bad) }
    }
}

/// The `vkey` text.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = [&[self.line_type as u8], self.key.bytes()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), to_base64(&data))
    }
}

/// A key with a name, which signs notes.
#[derive(Debug)]
pub struct NoteSigner {
    name: String,
    key: SigningKey,
}

impl NoteSigner {
    /// The signer of that name. `None` if the name is empty or holds `+` or white space, or the key is not Ed25519.
    pub fn new(name: &str, key: SigningKey) -> Option<Self> {
        let usable = is_key_name(name) && key.public().algorithm() == Algorithm::Ed25519;
        usable.then(|| Self { name: name.to_owned(), key })
    }

    /// The key to check its lines of that type.
    pub fn verifier(&self, line_type: LineType) -> VerifierKey {
        VerifierKey { name: self.name.clone(), line_type, key: self.key.public().clone() }
    }

    /// A signature line over `text`, which ends with LF.
    pub fn line(&self, text: &str) -> String {
        self.write_line(text, LineType::Signature, None)
    }

    /// A cosignature line over `text`, which ends with LF, made at `time_s` (Unix seconds).
    pub fn cosign(&self, text: &str, time_s: u64) -> String {
        self.write_line(text, LineType::Cosignature, Some(time_s))
    }

    /// The whole note: `text`, which ends with LF, and this signature.
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.line(text))
    }

    fn write_line(&self, text: &str, line_type: LineType, time_s: Option<u64>) -> String {
        let mut blob = key_id(&self.name, line_type, self.key.public().bytes()).to_vec();
        blob.extend(time_s.iter().flat_map(|time| time.to_be_bytes()));
        blob.extend(self.key.sign(signed_text(text, time_s).as_bytes()));
        format!("— {} {}\n", self.name, to_base64(&blob))
    }
}

/// A note whose known signatures are all good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text that is signed, with its last LF.
    pub text: String,
    /// Who signed: places in the list of keys that was handed in, each once, and a cosignature's time (Unix seconds).
    ///
    /// Of several cosignatures of one key the last one's time stands here.
    pub signed: Vec<(usize, Option<u64>)>,
}

impl Note {
    /// Opens a note. That any known key signed it at all is for the caller to see.
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, Malformed> {
        let form = Malformed::new("note", "form");
        let (text, lines) = note.rsplit_once("\n\n").ok_or(form)?;
        let lines = lines.strip_suffix('\n').ok_or(form)?;
        Malformed::unless(!note.chars().any(|c| c < ' ' && c != '\n'), "note", "form")?;
        let mut opened = Self { text: format!("{text}\n"), signed: Vec::new() };
        for line in lines.split('\n') {
            let (name, blob) = signature_line(line).ok_or(Malformed::new("note", "signature line"))?;
            for (i, key) in keys.iter().enumerate() {
                let Some(rest) = blob.strip_prefix(&key.id()).filter(|_| key.name == name) else { continue };
                let time_s = key.check(&opened.text, rest)?;
                opened.signed.retain(|(other, _)| *other != i);
                opened.signed.push((i, time_s));
            }
        }
        Ok(opened)
    }

    /// Whether key `i` of the list signed; with a cosignature's time if it is one.
    pub fn signed_by(&self, i: usize) -> Option<Option<u64>> {
        self.signed.iter().find(|(key, _)| *key == i).map(|(_, time_s)| *time_s)
    }
}

/// `— name base64`: the name, and the bytes.
fn signature_line(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, blob) = line.strip_prefix("— ")?.split_once(' ')?;
    let blob = from_base64(blob).filter(|blob| !blob.is_empty())?;
    is_key_name(name).then_some((name, blob))
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c == '+' || c.is_whitespace() || c.is_control())
}

fn key_id(name: &str, line_type: LineType, key: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[line_type as u8], key]);
    *hash.first_chunk().expect("a hash has 32 bytes")
}

fn signed_text(text: &str, time_s: Option<u64>) -> String {
    time_s.map_or_else(|| text.to_owned(), |time_s| format!("cosignature/v1\ntime {time_s}\n{text}"))
}

fn hex(id: &[u8; 4]) -> String {
    data_encoding::HEXLOWER.encode(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP signed-note.
    #[test]
    fn opens_the_example_of_the_specification() {
        let note = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1\
                    ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let key = VerifierKey::parse(vkey).unwrap();
        assert_eq!(key.to_string(), vkey);
        let opened = Note::open(note, &[key]).unwrap();
        assert_eq!((opened.text.as_str(), opened.signed_by(0)), ("This is an example message.\n", Some(None)));
        assert!(VerifierKey::parse(&vkey.replace("530d", "530e")).is_err());
    }

    #[test]
    fn a_key_counts_once_and_strangers_not_at_all() {
        let signer = |name, seed| {
            NoteSigner::new(name, SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()).unwrap()
        };
        let (log, witness, stranger) = (signer("log", 1), signer("witness", 2), signer("stranger", 3));
        let keys = [log.verifier(LineType::Signature), witness.verifier(LineType::Cosignature)];
        let text = "a\n\nb\n";
        let note = log.sign(text) + &witness.cosign(text, 5) + &stranger.line(text) + &witness.cosign(text, 6);
        let opened = Note::open(&note, &keys).unwrap();
        assert_eq!(opened.signed, [(0, None), (1, Some(6))]);
        assert!(Note::open(&(note + &witness.cosign("other\n", 7)), &keys).is_err());
        let plain = log.sign(text) + &witness.line(text);
        assert_eq!(Note::open(&plain, &keys).unwrap().signed_by(1), None, "a line of type 1 is no cosignature");
    }
}
