//! The evidence behind a token that is minted on the command line: a file of yours, or a note in the provider's folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;

use crate::cli::report::Failure;
use crate::clock::rfc3339;
use crate::log::random::Random;
use crate::log::{Hash, sha256};
use crate::number::Number;

/// The folder of notes in the provider's folder: what `provider audit answer` is given.
const FOLDER: &str = "evidence";
/// The longest evidence that the directory takes.
const LEN_MAX: u64 = 45_000;

/// The commitment to a file of yours.
pub(crate) fn committed(file: &Path) -> Result<Hash, Failure> {
    let unread = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
    let length = fs::metadata(file).map_err(unread)?.len();
    if length == 0 || length > LEN_MAX {
        return Err(Failure::new(format!("{}: evidence has 1 to {LEN_MAX} bytes, this has {length}", file.display())));
    }
    Ok(sha256(&[&fs::read(file).map_err(unread)?]))
}

/// The commitment to a note that is made now, durable when this returns; random, so that nobody can guess it.
pub(crate) fn noted(
    what: &str,
    provider: &Path,
    number: Number,
    methods: &[String],
    at_s: u64,
) -> Result<Hash, Failure> {
    let mut salt = [0; 16];
    Random::fill(&SystemRandom::new(), &mut salt)?;
    let (methods, at, salt) = (methods.join("+"), rfc3339(at_s), HEXLOWER.encode(&salt));
    let text = format!("{what}\nnumber {number}\nmethods {methods}\nat {at}\nsalt {salt}\n");
    let evidence = sha256(&[text.as_bytes()]);
    let folder = provider.join(FOLDER);
    let unwritten = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(unwritten)?;
    let path = folder.join(HEXLOWER.encode(&evidence));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritten)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritten)?;
    fs::File::open(&folder).and_then(|dir| dir.sync_all()).map_err(unwritten)?;
    Ok(evidence)
}
