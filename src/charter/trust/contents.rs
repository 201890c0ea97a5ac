//! What the targets say: logs, witnesses, directories, the register, and the brake. JSON of one version, unknown names refused.

use serde::{Deserialize, Serialize};

use crate::charter::trust::{Untrusted, Why};
use crate::log::bytes::array_from_base64;
use crate::log::checkpoint::is_log_name;
use crate::log::note::{LineType, VerifierKey};
use crate::log::record::is_provider_id;
use crate::log::vrf;

/// The articles.
pub const CHARTER: &str = "charter.md";
/// The parameters.
pub const POLICY: &str = "policy.toml";
/// The articles of the version that is announced and not in force yet.
pub const COMING_CHARTER: &str = "coming/charter.md";
/// Its parameters.
pub const COMING_POLICY: &str = "coming/policy.toml";
/// The public logs.
pub const LOGS: &str = "logs.json";
/// Who else must have seen a checkpoint.
pub const WITNESSES: &str = "witnesses.json";
/// The directories that are trusted.
pub const DIRECTORIES: &str = "directories.json";
/// The register of providers, signed by its own role.
pub const REGISTER: &str = "providers/register.json";
/// What is suspended, signed by the brake.
pub const SUSPENDED: &str = "brake/suspended.json";

/// The version of all these forms.
const FORMAT: u32 = 1;

/// A target that is read from JSON and checked.
pub trait Content: Serialize + for<'de> Deserialize<'de> {
    /// What is wrong with it, if anything is.
    fn mistake(&self) -> Option<&'static str>;

    /// Reads a target.
    fn read(bytes: &[u8], path: &str) -> Result<Self, Untrusted> {
        let content: Self = serde_json::from_slice(bytes)
            .map_err(|error| Untrusted::new(path, Why::Form, "the members that are documented", error.to_string()))?;
        match content.mistake() {
            None => Ok(content),
            Some(why) => Err(Untrusted::new(path, Why::Form, why, "something else")),
        }
    }

    /// The target's bytes, the same each time.
    fn write(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default(); // texts and integers
        text.push(b'\n');
        text
    }
}

/// A log and the keys that sign it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedLog {
    /// The first line of its checkpoints.
    pub origin: String,
    /// Its keys, as `vkey`s; the first signs now.
    pub vkeys: Vec<String>,
}

impl SignedLog {
    fn is_sound(&self) -> bool {
        let own = |vkey: &String| {
            VerifierKey::parse(vkey)
                .is_ok_and(|key| key.name() == self.origin && key.line_type() == LineType::Signature)
        };
        is_log_name(&self.origin) && (1..=8).contains(&self.vkeys.len()) && self.vkeys.iter().all(own)
    }
}

/// `logs.json`: both logs, the key that places numbers, and the eras that are closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    format: u32,
    /// Decisions about the directory.
    pub gov: SignedLog,
    /// Epochs of this era.
    pub map: SignedLog,
    /// The VRF key of this era, base64.
    pub vrf: String,
    /// The origins of eras that are closed.
    pub eras: Vec<String>,
}

impl Logs {
    /// Of these parts.
    pub fn new(gov: SignedLog, map: SignedLog, vrf: String, eras: Vec<String>) -> Self {
        Self { format: FORMAT, gov, map, vrf, eras }
    }
}

impl Content for Logs {
    fn mistake(&self) -> Option<&'static str> {
        let vrf = array_from_base64(&self.vrf).is_some_and(|key| vrf::PublicKey::new(&key).is_ok());
        let sound = self.gov.is_sound() && self.map.is_sound() && vrf && self.eras.iter().all(|era| is_log_name(era));
        (self.format != FORMAT || !sound).then_some("format 1, logs with their vkeys, a VRF key, origins of eras")
    }
}

/// `witnesses.json`: who must have seen a checkpoint, and who replays every change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnesses {
    format: u32,
    /// Witnesses, as `vkey`s of cosignatures.
    pub witnesses: Vec<String>,
    /// How many of them must have cosigned.
    pub quorum: u32,
    /// Auditors, as `vkey`s of cosignatures.
    pub auditors: Vec<String>,
}

impl Witnesses {
    /// Of these parts.
    pub fn new(witnesses: Vec<String>, quorum: u32, auditors: Vec<String>) -> Self {
        Self { format: FORMAT, witnesses, quorum, auditors }
    }
}

impl Content for Witnesses {
    fn mistake(&self) -> Option<&'static str> {
        let cosigns =
            |vkey: &String| VerifierKey::parse(vkey).is_ok_and(|key| key.line_type() == LineType::Cosignature);
        let all = self.witnesses.iter().chain(&self.auditors).all(cosigns);
        let sound = self.format == FORMAT && all && self.quorum as usize <= self.witnesses.len();
        (!sound).then_some("format 1, vkeys of cosignatures, and a quorum that can be reached")
    }
}

/// A directory that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedDirectory {
    /// The apex of its number zone.
    pub apex: String,
    /// The host in the origins of its logs.
    pub host: String,
}

/// `directories.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directories {
    format: u32,
    /// This one first.
    pub directories: Vec<TrustedDirectory>,
}

impl Directories {
    /// Of these.
    pub fn new(directories: Vec<TrustedDirectory>) -> Self {
        Self { format: FORMAT, directories }
    }
}

impl Content for Directories {
    fn mistake(&self) -> Option<&'static str> {
        let said = |text: &String| !text.is_empty() && text.len() <= 255 && text.bytes().all(|c| c.is_ascii_graphic());
        let sound = self.directories.iter().all(|one| said(&one.apex) && said(&one.host));
        (self.format != FORMAT || !sound).then_some("format 1, directories by apex and host")
    }
}

/// A key of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderKey {
    /// `ed25519` or `es256`.
    pub algorithm: String,
    /// The key, base64.
    pub key: String,
}

/// A provider as the register has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredProvider {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// Where it stands.
    pub status: String,
    /// Keys that sign its submissions.
    pub statement_keys: Vec<ProviderKey>,
    /// Keys that sign validation tokens.
    pub validation_keys: Vec<ProviderKey>,
}

/// `providers/register.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterContent {
    format: u32,
    /// By their ids.
    pub providers: Vec<RegisteredProvider>,
}

impl RegisterContent {
    /// Of these.
    pub fn new(providers: Vec<RegisteredProvider>) -> Self {
        Self { format: FORMAT, providers }
    }
}

impl Content for RegisterContent {
    fn mistake(&self) -> Option<&'static str> {
        let sorted = self.providers.is_sorted_by(|a, b| a.id < b.id);
        let sound = sorted && self.providers.iter().all(|one| is_provider_id(&one.id));
        (self.format != FORMAT || !sound).then_some("format 1, providers in the order of their ids, each once")
    }
}

/// `brake/suspended.json`: what is not to be believed while the brake is set. There is no form that gives anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspended {
    format: u32,
    /// Ids of providers.
    pub providers: Vec<String>,
    /// Keys of logs, as `vkey`s.
    pub log_keys: Vec<String>,
}

impl Suspended {
    /// Of these.
    pub fn new(providers: Vec<String>, log_keys: Vec<String>) -> Self {
        Self { format: FORMAT, providers, log_keys }
    }
}

impl Content for Suspended {
    fn mistake(&self) -> Option<&'static str> {
        let keys = self.log_keys.iter().all(|key| VerifierKey::parse(key).is_ok());
        let sound = keys && self.providers.iter().all(|id| is_provider_id(id));
        (self.format != FORMAT || !sound).then_some("format 1, ids of providers and vkeys of logs to suspend")
    }
}
