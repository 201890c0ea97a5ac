//! The digest of a number zone: the SHA-256 of what `zone export` writes of it, so that `sha256sum` is a judge.

use std::io::{self, Write};

use crate::authority;
use crate::charter::Policy;
use crate::cli::report::Failure;
use crate::cli::{delegations, instance};
use crate::config::Config;
use crate::dnssec::export::{Contents, Export, Zonemd};
use crate::zone::Loader;

/// A digest that is written into.
struct Digest(ring::digest::Context);

impl Write for Digest {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.update(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Of the installation as it is; numbers that are served at `now_s`, Unix seconds. Takes the memory of an export.
pub(super) fn digest(config: &Config, now_s: u64) -> Result<String, Failure> {
    let policy = instance::charter_in_force(config)?;
    let mut loader = Loader::default();
    let (epoch, _) = authority::load_published(&config.paths.data, |data| loader.push(&data))?;
    of(config, &policy, loader, epoch, now_s)
}

/// Of numbers that were read already, as of `epoch`.
pub(super) fn of(config: &Config, policy: &Policy, loader: Loader, epoch: u64, now_s: u64) -> Result<String, Failure> {
    let fixed = delegations::fixed(config, policy, &delegations::read(config)?)?;
    let zone = loader.finish(fixed, instance::ttls(policy), epoch as u32)?; // a generation counter, as on the wire
    let mut digest = Digest(ring::digest::Context::new(&ring::digest::SHA256));
    let export = Export { zone: Contents::Numbers(&zone), now_s, signing: None, zonemd: Zonemd::Without };
    export.write(&mut digest, |_, _| {})?;
    Ok(data_encoding::HEXLOWER.encode(digest.0.finish().as_ref()))
}
