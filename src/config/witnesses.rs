//! The policy file of a log: which witnesses its checkpoints go to, and how many must cosign.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Each is asked at every epoch; a client checks as many signatures.
const WITNESSES_MAX: usize = 32;

/// Which witnesses are asked. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessPolicy {
    /// How many must cosign before an epoch is shown: from 1 to the number of witnesses.
    pub quorum: usize,
    /// The witnesses.
    pub witness: Vec<AskedWitness>,
}

/// A witness that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedWitness {
    /// Its key, as its operator publishes it: `name+id+base64`, of type 4.
    pub vkey: String,
    /// Its submission prefix, `https://…` or `http://…`; `/add-checkpoint` is added.
    pub url: String,
}

impl WitnessPolicy {
    /// Reads and checks the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let policy: Self = toml::from_str(&text)
            .map_err(|e| ConfigError::Syntax { path: path.to_owned(), why: e.to_string().trim_end().to_owned() })?;
        let mistakes = policy.mistakes();
        if mistakes.is_empty() { Ok(policy) } else { Err(ConfigError::Values { path: path.to_owned(), mistakes }) }
    }

    fn mistakes(&self) -> Vec<String> {
        let (mut found, count) = (Vec::new(), self.witness.len());
        if !(1..=WITNESSES_MAX).contains(&count) {
            found.push(format!("there are {count} [[witness]]: from 1 to {WITNESSES_MAX}"));
        }
        if !(1..=count).contains(&self.quorum) {
            found.push(format!("quorum = {}: from 1 to the number of witnesses, {count}", self.quorum));
        }
        for (i, witness) in self.witness.iter().enumerate() {
            if !witness.url.starts_with("https://") && !witness.url.starts_with("http://") {
                found.push(format!("url = {:?}: https://… or http://… is needed", witness.url));
            }
            if self.witness.iter().take(i).any(|other| other.vkey == witness.vkey) {
                found.push(format!("vkey = {:?} stands there twice: nobody counts twice", witness.vkey));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witnesses.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            WitnessPolicy::load(&path)
        };
        let one = |vkey: &str, url: &str| format!("[[witness]]\nvkey = \"{vkey}\"\nurl = \"{url}\"\n");
        let good = format!("quorum = 1\n{}{}", one("a", "https://a.example"), one("b", "http://127.0.0.1:1/w"));
        assert_eq!(read(&good).unwrap().witness.len(), 2);
        let bad = format!("quorum = 3\n{}{}", one("a", "ftp://a.example"), one("a", "https://a.example"));
        let why = read(&bad).unwrap_err().to_string();
        assert!(["quorum = 3", "ftp://", "twice"].iter().all(|word| why.contains(word)), "{why}");
        assert!(read("quorum = 0\nwitness = []\n").unwrap_err().to_string().contains("from 1 to"));
        assert!(read("quorum = 1\nwitnesses = []\n").unwrap_err().to_string().contains("witnesses"));
    }
}
