//! Where commands meet the API: with the roots and the client certificate that the environment names, if it names any.

use std::path::PathBuf;

use crate::cli::ApiArgs;
use crate::cli::profile::read_token;
use crate::cli::report::Failure;
use crate::client::provider::{Api, Tls};

/// Roots in PEM to believe in instead of the public ones.
const CA: &str = "CALLBOOK_CA";
/// The client certificate to show, in PEM, and its private key.
const CLIENT: [&str; 2] = ["CALLBOOK_CLIENT_CERT", "CALLBOOK_CLIENT_KEY"];

/// The API at `base` with a token, or an empty one for what is public.
pub(crate) fn api_at(base: &str, token: &str) -> Result<Api, Failure> {
    let mut tls = Tls::default();
    if let Some(roots) = named(CA)? {
        tls = tls.believing(&roots)?;
    }
    match CLIENT.map(named) {
        [Ok(None), Ok(None)] => {}
        [Ok(Some(chain)), Ok(Some(key))] => tls = tls.showing(&chain, &zeroize::Zeroizing::new(key))?,
        [Err(failure), _] | [_, Err(failure)] => return Err(failure),
        _ => return Err(Failure::new(format!("{} and {} belong together: set both or none", CLIENT[0], CLIENT[1]))),
    }
    Ok(Api::secured(base, token, &tls)?)
}

impl ApiArgs {
    /// The API with the token in the file.
    pub(crate) fn open(&self) -> Result<Api, Failure> {
        api_at(&self.api, &read_token(&self.token_file)?)
    }
}

/// The file that a variable names, read.
#[allow(clippy::disallowed_methods)] // the command line is where the environment is read
fn named(variable: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) => Err(Failure::new(format!("{variable}={}: {error}", path.display()))),
    }
}
