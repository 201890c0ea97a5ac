//! With which token a provider's command goes to which address; and patience with a directory that is away or busy.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::connect::api_at;
use crate::cli::profile::{Profile, read_token};
use crate::cli::report::{Failure, note};
use crate::client::provider::{Api, ApiError};

/// Where the API is if nothing says so.
const API_USUAL: &str = "http://127.0.0.1:8300";
/// Between two tries when the directory does not say when to come again.
const PAUSE_S: u64 = 2;
/// The longest pause: a directory that asks for more is looked at again all the same.
const PAUSE_S_MAX: u64 = 300;

/// A provider's token, and where the API is: both stand in its folder.
#[derive(Args)]
pub(crate) struct AccessArgs {
    /// The provider's folder: its token, and where the API is.
    #[arg(long, value_name = "DIR", env = "CALLBOOK_PROVIDER")]
    provider: Option<PathBuf>,
    /// The API's address, instead of the one in the folder.
    #[arg(long, value_name = "URL", env = "CALLBOOK_API")]
    api: Option<String>,
    /// A file with the bearer token, instead of the one in the folder.
    #[arg(long, value_name = "FILE", env = "CALLBOOK_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl AccessArgs {
    /// The API with the token.
    pub(super) fn open(&self) -> Result<Api, Failure> {
        let Some(folder) = &self.provider else {
            let file = self.token_file.as_ref().ok_or_else(|| {
                Failure::new(
                    "whose token? Name the provider's folder (--provider DIR), or --token-file FILE and --api URL",
                )
            })?;
            return api_at(self.api.as_deref().unwrap_or(API_USUAL), &read_token(file)?);
        };
        let profile = Profile::load(folder)?;
        let token = self.token_file.as_ref().map_or_else(|| profile.token(), |file| read_token(file))?;
        api_at(self.api.as_deref().unwrap_or(&profile.api), &token)
    }
}

/// Asks until there is an answer that is not "later", at most `tries_max` times; says once what it waits for.
pub(super) fn patiently<T>(tries_max: u32, mut ask: impl FnMut() -> Result<T, ApiError>) -> Result<T, ApiError> {
    for tried in 1..tries_max {
        match ask() {
            Err(error) if error.may_pass() => {
                if tried == 1 {
                    note(&format!("waiting: {error}"));
                }
                std::thread::sleep(Duration::from_secs(error.retry_after_s().unwrap_or(PAUSE_S).min(PAUSE_S_MAX)));
            }
            outcome => return outcome,
        }
    }
    ask()
}
