//! The file of a witness: its name, and the logs that it looks after. Commands add to it; people may edit it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// The name of the file in a witness's folder.
pub const WITNESS_FILE: &str = "witness.toml";
/// Far more than there are public logs; each has a file that is held open.
const LOGS_MAX: usize = 512;
/// Ten seconds' worth may come at once.
const REQUESTS_PER_S_MAX: u32 = 100_000;

/// What a witness is told. Unknown keys are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its name in cosignatures: a URL without its scheme, such as `witness.example/w1`. It cannot change later.
    pub name: String,
    /// Requests a second that one address (of IPv6: a /56) may make, ten seconds' worth at once; 0: no limit. Default: 10.
    #[serde(default = "requests_per_s")]
    pub requests_per_s: u32,
    /// The logs that it looks after. One that changes its key stands there twice meanwhile.
    #[serde(default)]
    pub log: Vec<WitnessedLog>,
}

/// A log that a witness looks after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessedLog {
    /// Its name: the first line of its checkpoints.
    pub origin: String,
    /// The key that signs them, as C2SP signed-note writes it: `name+id+base64`.
    pub vkey: String,
}

const fn requests_per_s() -> u32 {
    10
}

impl Witness {
    /// One without logs.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), requests_per_s: requests_per_s(), log: Vec::new() }
    }

    /// Reads and checks the file in `dir`.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        let path: PathBuf = dir.join(WITNESS_FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        let witness: Self = toml::from_str(&text)
            .map_err(|e| ConfigError::Syntax { path: path.clone(), why: e.to_string().trim_end().to_owned() })?;
        let mistakes = witness.mistakes();
        if mistakes.is_empty() { Ok(witness) } else { Err(ConfigError::Values { path, mistakes }) }
    }

    /// The file's text.
    pub fn to_file(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = format!(
            "# A witness of public logs (C2SP tlog-witness); `callbook witness watch` adds a log.\n\n\
             # Its name in cosignatures. It cannot change later.\nname = {}\n\
             # Requests a second from one address, ten seconds' worth at once; 0: no limit.\nrequests_per_s = {}\n",
            quoted(&self.name),
            self.requests_per_s
        );
        for log in &self.log {
            text += &format!("\n[[log]]\norigin = {}\nvkey = {}\n", quoted(&log.origin), quoted(&log.vkey));
        }
        text
    }

    fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.requests_per_s > REQUESTS_PER_S_MAX {
            found.push(format!("requests_per_s = {}: at most {REQUESTS_PER_S_MAX}", self.requests_per_s));
        }
        if self.log.len() > LOGS_MAX {
            found.push(format!("there are {} [[log]]: at most {LOGS_MAX}", self.log.len()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_written_is_the_file_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(WITNESS_FILE);
        let mut witness = Witness::new("witness.example/w1");
        for origin in ["example.com/log", "a \"log\" with\\ signs"] {
            witness
                .log
                .push(WitnessedLog { origin: origin.to_owned(), vkey: "example.com/log+00000000+AA==".to_owned() });
        }
        std::fs::write(&path, witness.to_file()).unwrap();
        assert_eq!(Witness::load(dir.path()).unwrap(), witness);
        std::fs::write(&path, "name = \"a\"\nlogs = []\n").unwrap();
        assert!(Witness::load(dir.path()).unwrap_err().to_string().contains("logs"));
        std::fs::write(&path, "name = \"a\"\nrequests_per_s = 100001\n").unwrap();
        assert!(Witness::load(dir.path()).unwrap_err().to_string().contains("requests_per_s"));
    }
}
