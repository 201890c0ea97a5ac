//! A child of our own making: keys that are shown, sign and are asked for as a test wants, right or wrong.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use callbook::clock::Clock;
use callbook::config::Dns;
use callbook::dnssec::keys::{KeyFiles, KeySource};
use callbook::dnssec::life::{Publication, Revocation};
use callbook::dnssec::{Algorithm, KeyId, KeyRole, ZoneKeys, anchor};
use callbook::nameserver::{Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::wire::Name;
use callbook::zone::StaticZone;
use ring::rand::SystemRandom;
use tempfile::TempDir;

use super::parent::CHILD;

/// Three keys that sign everything, of which some are there.
pub(super) struct Shaped {
    _folder: TempDir,
    files: KeyFiles,
    pub(super) keys: [KeyId; 3],
}

/// Which keys stand in the DNSKEY RRset and sign, and which CDS name.
pub(super) struct Shape<'a> {
    pub(super) shown: &'a [KeyId],
    pub(super) signs: &'a [KeyId],
    pub(super) wanted: &'a [KeyId],
}

impl Shaped {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = KeyFiles::new(folder.path(), &apex(), Box::new(SystemRandom::new()));
        let keys = [(); 3].map(|()| files.make(KeyRole::Csk, Algorithm::default(), &|_| true).expect("a key"));
        Self { _folder: folder, files, keys }
    }

    fn zone_keys(&self, shape: &Shape<'_>) -> ZoneKeys {
        let publication = Publication {
            dnskeys: shape.shown.iter().map(|id| (*id, Revocation::No)).collect(),
            key_signers: shape.signs.to_vec(),
            cds_signers: shape.signs.to_vec(),
            data_signers: shape.signs[..1].to_vec(),
            cds: shape.wanted.to_vec(),
        };
        ZoneKeys::build(&apex(), &publication, 60, |id| self.files.open(id)).expect("keys")
    }

    /// The DS that the child asks for in this shape, of SHA-256, as in a master file.
    pub(super) fn ds(&self, wanted: &[KeyId]) -> Vec<String> {
        let keys = self.zone_keys(&Shape { shown: &self.keys, signs: &self.keys[..1], wanted });
        let text = anchor::ds_text(&apex(), &keys);
        let fields = text.lines().filter_map(|line| line.split_once(" DS ")).map(|(_, fields)| fields.to_owned());
        fields.collect()
    }

    /// Serves the child in this shape, with signatures as of the clock.
    pub(super) fn serve(&self, shape: &Shape<'_>, clock: Arc<dyn Clock>) -> Running {
        let text =
            "$TTL 60\n@ IN SOA ns host 1 3600 900 1209600 60\n@ IN NS ns\nns IN A 127.0.0.1\n@ IN TXT \"a child\"\n";
        let zone = StaticZone::read(text, &apex()).expect("a right zone");
        let view = View::new(vec![Served::fixed(Arc::new(zone), Some(Arc::new(self.zone_keys(shape))))]);
        let dns = Dns { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..Dns::default() };
        Running(DnsService::start(Arc::new(ArcSwap::from_pointee(view)), &dns, clock).expect("DNS"))
    }
}

pub(super) struct Running(RunningDns);

impl Running {
    pub(super) fn address(&self) -> SocketAddr {
        self.0.addresses()[0]
    }
}

fn apex() -> Name {
    Name::from_text(CHILD).expect("a name")
}
