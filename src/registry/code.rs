//! Transfer codes: a secret that the present provider gives the holder, for door 2 (clause 6.2). Only its hash is kept.

use zeroize::Zeroizing;

use crate::log::bytes::to_base64url;
use crate::log::label::Label;
use crate::log::random::{NoRandomness, Random};
use crate::log::{Hash, sha256};

/// What a code begins with, so that people and scanners know it when they see it.
pub const PREFIX: &str = "cbt_";
/// The longest code: the prefix and 256 bits in base64url.
pub const CODE_LEN_MAX: usize = PREFIX.len() + 43;

/// A transfer code; wiped when it goes, and never shown by accident.
#[derive(Clone)]
pub struct TransferCode(Zeroizing<String>);

/// Never the code.
impl std::fmt::Debug for TransferCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TransferCode(…)")
    }
}

impl TransferCode {
    /// A new code of `bits` random bits (128 to 256, rounded up to whole bytes).
    pub fn generate(bits: u64, random: &dyn Random) -> Result<Self, NoRandomness> {
        let len = usize::try_from(bits.div_ceil(8)).map_or(32, |len| len.clamp(16, 32));
        let mut secret = Zeroizing::new([0; 32]);
        let (secret, _) = secret.split_at_mut(len);
        random.fill(secret)?;
        Ok(Self(Zeroizing::new([PREFIX, &to_base64url(secret)].concat())))
    }

    /// What somebody sends as a code, right or wrong; `None` if it is longer than any code.
    pub fn from_text(text: &str) -> Option<Self> {
        (text.len() <= CODE_LEN_MAX).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The code as text, for the one who asked for it.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is kept of it: a hash for this number alone, from which nobody can make the code.
    pub fn hash(&self, label: &Label) -> Hash {
        sha256(&[b"callbook/transfer-code/v1\0", label.as_bytes(), self.0.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::random::Seeded;

    #[test]
    fn a_code_is_as_strong_as_the_charter_says_and_good_for_one_number() {
        let random = Seeded::new([1; 32]);
        for (bits, len) in [(128, 22), (129, 23), (256, 43), (9999, 43), (0, 22)] {
            let code = TransferCode::generate(bits, &random).unwrap();
            assert_eq!(code.text().len(), PREFIX.len() + len, "{bits}");
            assert!(code.text().starts_with(PREFIX) && code.text().len() <= CODE_LEN_MAX);
            assert!(!format!("{code:?}").contains(code.text()));
            assert_ne!(code.hash(&Label([1; 32])), code.hash(&Label([2; 32])));
            let sent = TransferCode::from_text(code.text()).unwrap();
            assert_eq!(sent.hash(&Label([1; 32])), code.hash(&Label([1; 32])));
        }
        assert!(TransferCode::from_text(&"x".repeat(CODE_LEN_MAX + 1)).is_none());
    }
}
