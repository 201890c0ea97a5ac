//! A provider's folder: where its API is, its keys, its token, and the devices of holders that it keeps for trials.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};

use crate::api::Base64;
use crate::cli::init::write_secret;
use crate::cli::report::Failure;
use crate::client::holder::{self, Device, DeviceKey};
use crate::log::key::{Algorithm, SigningKey};
use crate::log::record::Prefix;
use crate::number::Number;

const FILE_NAME: &str = "provider.toml";
const TOKEN_FILE: &str = "token";
const STATEMENT_KEY_FILE: &str = "statement.key";
const VALIDATION_KEY_FILE: &str = "validation.key";
const HOLDERS: &str = "holders";
const CONTROL_KEY_FILE: &str = "control.key";
/// The private halves of what is published under `_id` and `_e2e`.
const DEVICE_KEY_FILES: [&str; 2] = ["id.key", "e2e.key"];

/// What stands in provider.toml.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    /// The API's address.
    api: String,
    /// The provider's id in the directory.
    provider: String,
    /// The validation entity's id; often the same.
    validation_entity: String,
    /// The pinned map log's origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The pinned VRF key, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vrf_key: Option<String>,
}

/// A provider that can act: everything in its folder, read.
pub(crate) struct Profile {
    /// The API's address.
    pub(crate) api: String,
    /// Its id.
    pub(crate) provider: String,
    /// The id of the validation entity.
    pub(crate) validation_entity: String,
    pinned: Option<(String, String)>,
    /// Signs submissions.
    pub(crate) statement_key: SigningKey,
    /// Signs validation tokens.
    pub(crate) validation_key: SigningKey,
    dir: PathBuf,
}

impl Profile {
    /// Makes a folder with new keys; `token` still has to be written by [`Profile::keep_token`].
    pub(crate) fn make(dir: &Path, api: &str, provider: &str) -> Result<Self, Failure> {
        if dir.join(FILE_NAME).exists() {
            return Err(Failure::new(format!("{} is a provider's folder already; choose another", dir.display())));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let random = SystemRandom::new();
        for file in [STATEMENT_KEY_FILE, VALIDATION_KEY_FILE] {
            holder::save(&dir.join(file), &SigningKey::generate(Algorithm::Ed25519, &random)?)?;
        }
        let facts = Facts {
            api: api.to_owned(),
            provider: provider.to_owned(),
            validation_entity: provider.to_owned(),
            origin: None,
            vrf_key: None,
        };
        fs::write(dir.join(FILE_NAME), toml::to_string(&facts)?)?;
        Self::load(dir)
    }

    /// Reads a folder.
    pub(crate) fn load(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(FILE_NAME);
        let text = fs::read_to_string(&path).map_err(|e| {
            Failure::new(format!(
                "{}: {e}. A provider's folder is made by `callbook provider add ID --folder DIR`; the demo has one",
                path.display()
            ))
        })?;
        let facts: Facts = toml::from_str(&text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        Ok(Self {
            api: facts.api,
            provider: facts.provider,
            validation_entity: facts.validation_entity,
            pinned: facts.origin.zip(facts.vrf_key),
            statement_key: holder::load(&dir.join(STATEMENT_KEY_FILE))?,
            validation_key: holder::load(&dir.join(VALIDATION_KEY_FILE))?,
            dir: dir.to_owned(),
        })
    }

    /// Lets the folder point at another address of the API (the demo may come back on another port).
    pub(crate) fn point_at(&mut self, api: &str) -> Result<(), Failure> {
        api.clone_into(&mut self.api);
        self.save()
    }

    /// Pins the directory that this folder works with: its map log's origin and its VRF key.
    pub(crate) fn pin(&mut self, origin: &str, vrf_key: &[u8]) -> Result<(), Failure> {
        self.pinned = Some((origin.to_owned(), Base64::from(vrf_key).encode()));
        self.save()
    }

    /// The pinned directory.
    pub(crate) fn directory(&self) -> Result<holder::Directory, Failure> {
        let wrong = || {
            Failure::new(format!(
                "{}: origin and vrf_key of the directory are missing or broken; make the folder anew",
                self.dir.join(FILE_NAME).display()
            ))
        };
        let (origin, key) = self.pinned.as_ref().ok_or_else(wrong)?;
        let key: [u8; 32] = Base64::decode(key).ok().and_then(|k| k.0.try_into().ok()).ok_or_else(wrong)?;
        Ok(holder::Directory::new(origin, &key)?)
    }

    fn save(&self) -> Result<(), Failure> {
        let (origin, vrf_key) = self.pinned.clone().unzip();
        let facts = Facts {
            api: self.api.clone(),
            provider: self.provider.clone(),
            validation_entity: self.validation_entity.clone(),
            origin,
            vrf_key,
        };
        fs::write(self.dir.join(FILE_NAME), toml::to_string(&facts)?)?;
        Ok(())
    }

    /// Keeps the token that the operator issued.
    pub(crate) fn keep_token(&self, token: &str) -> Result<(), Failure> {
        write_secret(&self.dir.join(TOKEN_FILE), &format!("{token}\n"))
    }

    /// The token.
    pub(crate) fn token(&self) -> Result<String, Failure> {
        read_token(&self.dir.join(TOKEN_FILE))
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.dir
    }

    /// Whether a token is there.
    pub(crate) fn has_token(&self) -> bool {
        self.dir.join(TOKEN_FILE).exists()
    }

    /// The device of a number's holder, made on first use. In real life it is the holder's phone; here it is a folder.
    pub(crate) fn device(&self, number: Number) -> Result<Device, Failure> {
        device_in(&self.dir.join(HOLDERS).join(&*number.digits()))
    }

    /// The device that shall have the number once a request is completed, made on first use.
    pub(crate) fn next_device(&self, number: Number) -> Result<Device, Failure> {
        device_in(&self.next_dir(number))
    }

    /// The request is completed: from now on that device is the holder's. The one before it is kept beside it.
    pub(crate) fn promote_device(&self, number: Number, now_s: u64) -> Result<(), Failure> {
        let dir = self.dir.join(HOLDERS).join(&*number.digits());
        if dir.exists() {
            fs::rename(&dir, dir.with_extension(format!("before-{now_s}")))?;
        }
        fs::rename(self.next_dir(number), &dir)?;
        Ok(())
    }

    /// Copies a holder's device from another folder, so that later changes of the number find it here.
    pub(crate) fn adopt_device(&self, number: Number, device: &Device) -> Result<(), Failure> {
        let dir = self.dir.join(HOLDERS).join(&*number.digits());
        if dir.join(CONTROL_KEY_FILE).exists() {
            let here = self.device(number)?;
            let same = here.control.public() == device.control.public();
            let why = format!("{} holds another control key for this number: move it away", dir.display());
            return if same { Ok(()) } else { Err(Failure::new(why)) };
        }
        keep_device(&dir, device)
    }

    fn next_dir(&self, number: Number) -> PathBuf {
        self.dir.join(HOLDERS).join(format!("{}.next", &*number.digits()))
    }
}

/// The device in a folder, made if there is none.
fn device_in(dir: &Path) -> Result<Device, Failure> {
    if !dir.join(CONTROL_KEY_FILE).exists() {
        keep_device(dir, &Device::generate(Algorithm::Ed25519, &SystemRandom::new())?)?;
    }
    load_device(dir)
}

/// The device in a folder that must be there.
pub(crate) fn load_device(dir: &Path) -> Result<Device, Failure> {
    let keys: Vec<(Prefix, DeviceKey)> = vec![
        (Prefix::Id, holder::load(&dir.join(DEVICE_KEY_FILES[0]))?),
        (Prefix::E2e, holder::load(&dir.join(DEVICE_KEY_FILES[1]))?),
    ];
    Ok(Device { control: holder::load(&dir.join(CONTROL_KEY_FILE))?, keys, certificates: Vec::new() })
}

fn keep_device(dir: &Path, device: &Device) -> Result<(), Failure> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    for (file, (_, key)) in DEVICE_KEY_FILES.into_iter().zip(&device.keys) {
        if !dir.join(file).exists() {
            holder::save(&dir.join(file), key)?;
        }
    }
    // Last, so that a device that was cut off half-way is made again whole.
    Ok(holder::save(&dir.join(CONTROL_KEY_FILE), &device.control)?)
}

/// Reads a bearer token from its file.
pub(crate) fn read_token(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|e| {
        Failure::new(format!("cannot read the token file {}: {e}. The operator's is written by `callbook init`; a provider's by `callbook provider token`", path.display()))
    })?;
    Ok(text.trim().to_owned())
}
