//! The token that holds keys: the maker's library, the token's label, where its PIN is, and which keys are made in it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::seal::Pin;

/// A token has 32 octets for its label (PKCS#11, CK_TOKEN_INFO).
const LABEL_OCTETS_MAX: usize = 32;

/// A PKCS#11 token; none if `module` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pkcs11 {
    /// The maker's library, an absolute path, such as `/usr/lib/softhsm/libsofthsm2.so`. Default: none, keys are files.
    pub module: PathBuf,
    /// The token's label. Default: none.
    pub token: String,
    /// The file whose one line is the token's user PIN, mode 0600, or `credential:NAME`. Default: none.
    pub pin_file: Pin,
    /// Which new keys are made in the token. Default: those that the parent knows.
    pub holds: TokenHolds,
}

/// Which new keys are made in the token; where the others are does not change by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenHolds {
    /// Those that the parent's DS names: KSKs, and CSKs where there is one key for everything. ZSKs are files.
    #[default]
    Ksk,
    /// All of them.
    All,
    /// None: those that are there are used until they have been rolled.
    None,
}

impl TokenHolds {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ksk => "ksk",
            Self::All => "all",
            Self::None => "none",
        }
    }
}

impl std::str::FromStr for TokenHolds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Ksk, Self::All, Self::None].into_iter().find(|holds| holds.as_str() == text);
        found.ok_or_else(|| "ksk, all or none".to_owned())
    }
}

impl Pkcs11 {
    /// Whether there is a token.
    pub fn is_set(&self) -> bool {
        !self.module.as_os_str().is_empty()
    }

    /// What cannot be, a line a mistake.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut need = |ok: bool, text: String| {
            if !ok {
                found.push(text);
            }
        };
        if !self.is_set() {
            let alone = self.token.is_empty() && !self.pin_file.is_set();
            need(alone, "dnssec.pkcs11.module is missing: the path of the token maker's library".to_owned());
            return found;
        }
        need(
            self.module.is_absolute(),
            format!(
                "dnssec.pkcs11.module = {:?}: an absolute path, since what it names runs in this program",
                self.module
            ),
        );
        need(
            (1..=LABEL_OCTETS_MAX).contains(&self.token.len()),
            format!("dnssec.pkcs11.token = {:?}: the token's label, 1 to {LABEL_OCTETS_MAX} octets", self.token),
        );
        need(
            self.pin_file.is_set() && self.pin_file.is_well_formed(),
            format!(
                "dnssec.pkcs11.pin_file = \"{}\": a file of mode 0600 with the token's user PIN, or credential: and the name that the \
                 unit's LoadCredential= has",
                self.pin_file
            ),
        );
        need(
            cfg!(feature = "pkcs11"),
            "dnssec.pkcs11: this callbook was built without the feature pkcs11; take one that has it".to_owned(),
        );
        found
    }

    /// With the PIN's file seen from `dir`.
    pub(super) fn under(&mut self, dir: &Path, credentials: Option<PathBuf>) {
        self.pin_file = std::mem::take(&mut self.pin_file).under(dir, credentials);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_token_is_told() {
        let good = Pkcs11 {
            module: "/usr/lib/softhsm/libsofthsm2.so".into(),
            token: "callbook".to_owned(),
            pin_file: Pin::of("pin"),
            holds: TokenHolds::Ksk,
        };
        assert!(Pkcs11::default().mistakes().is_empty());
        assert_eq!(good.mistakes().len(), usize::from(!cfg!(feature = "pkcs11")));
        for (wrong, word) in [
            (Pkcs11 { module: "libsofthsm2.so".into(), ..good.clone() }, "an absolute path"),
            (Pkcs11 { module: PathBuf::new(), ..good.clone() }, "dnssec.pkcs11.module is missing"),
            (Pkcs11 { token: String::new(), ..good.clone() }, "dnssec.pkcs11.token"),
            (Pkcs11 { token: "x".repeat(33), ..good.clone() }, "1 to 32 octets"),
            (Pkcs11 { pin_file: Pin::default(), ..good.clone() }, "dnssec.pkcs11.pin_file"),
            (Pkcs11 { pin_file: Pin::of("credential:"), ..good.clone() }, "LoadCredential="),
        ] {
            assert!(wrong.mistakes().iter().any(|mistake| mistake.contains(word)), "{word}: {:?}", wrong.mistakes());
        }
        assert_eq!("all".parse(), Ok(TokenHolds::All));
        assert!("zsk".parse::<TokenHolds>().is_err());
    }
}
