//! The configuration as a commented file: what an operator reads first.

use std::net::SocketAddr;

use crate::config::Config;

impl Config {
    /// The configuration as a commented file, ready to be edited.
    pub fn to_file(&self) -> String {
        let list =
            |addresses: &[SocketAddr]| addresses.iter().map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(", ");
        format!(
            "# callbook configuration; `callbook config check --dir DIR` checks it and shows what is in force.\n\n\
             # The apex of the number zone, and the host name in the origins of the public logs. Neither can change later.\n\
             apex = \"{}\"\nhost = \"{}\"\n\n\
             [dns]\n# Addresses to answer on, UDP and TCP alike.\nlisten = [{}]\n\
             # Addresses for DNS over TLS, QUIC and HTTPS, and their certificate chain and key in PEM.\n\
             tls_listen = [{}]\nquic_listen = [{}]\nhttps_listen = [{}]\ntls_cert = \"{}\"\ntls_key = \"{}\"\n\
             # Threads that answer UDP; 0 means one a processor.\nudp_threads = {}\n\
             # Whether each of these threads stays on one processor: for machines that do little else.\npin_threads = {}\n\
             # Connections at once, in all and from one /32 (IPv4) or /56 (IPv6); the one idle longest gives way.\n\
             connections_max = {}\nconnections_per_prefix_max = {}\n\
             # Seconds without a query until a connection is closed; seconds in which a message must be whole or taken.\n\
             tcp_idle_s = {}\ntcp_patience_s = {}\n\
             # Signatures a second made ahead of the first question while few questions come; 0 makes none over numbers.\nfiller_per_s = {}\n\n\
             [dnssec]\n# The algorithm of the first keys: 13 (ECDSA P-256) or 15 (Ed25519). Later: callbook keys roll --algorithm N\nalgorithm = {}\n\
             # One key for everything instead of a KSK and a ZSK.\ncsk = {}\n\
             # Days until the next ZSK, or the next key that the parent knows, takes over; 0: only when asked for.\n\
             zsk_life_d = {}\nksk_life_d = {}\n\
             # Every server of the parent zone, asked for the DS; without them you confirm with: callbook keys ds --confirm TAG\nparent = [{}]\n\
             # A file of mode 0600, or \"credential:NAME\", whose one line seals the private keys; afterwards: callbook keys seal\npassphrase_file = \"{}\"\n\
             # A token for new keys, by its maker's library, its label and the file of its PIN; holds: \"ksk\", \"all\" or \"none\" of them.\n\
             pkcs11 = {{ module = \"{}\", token = \"{}\", pin_file = \"{}\", holds = \"{}\" }}\n\n\
             [http]\n# Not over a network without TLS: tls_listen with tls_cert and tls_key, or a proxy in front.\nlisten = \"{}\"\n\n\
             [publish]\n# Milliseconds between epochs while there are events; 0 publishes with each commit batch.\nepoch_ms = {}\n\
             # Seconds after which an epoch is made even without events.\nheartbeat_s = {}\n\n\
             [paths]\n# Relative to this file.\nkeys = \"{}\"\nzones = \"{}\"\ncharter = \"{}\"\ndata = \"{}\"\n",
            self.apex,
            self.host,
            list(&self.dns.listen),
            list(&self.dns.tls_listen),
            list(&self.dns.quic_listen),
            list(&self.dns.https_listen),
            self.dns.tls_cert.display(),
            self.dns.tls_key.display(),
            self.dns.udp_threads,
            self.dns.pin_threads,
            self.dns.connections_max,
            self.dns.connections_per_prefix_max,
            self.dns.tcp_idle_s,
            self.dns.tcp_patience_s,
            self.dns.filler_per_s,
            self.dnssec.algorithm,
            self.dnssec.csk,
            self.dnssec.zsk_life_d,
            self.dnssec.ksk_life_d,
            list(&self.dnssec.parent),
            self.dnssec.passphrase_file,
            self.dnssec.pkcs11.module.display(),
            self.dnssec.pkcs11.token,
            self.dnssec.pkcs11.pin_file,
            self.dnssec.pkcs11.holds.as_str(),
            self.http.listen,
            self.publish.epoch_ms,
            self.publish.heartbeat_s,
            self.paths.keys.display(),
            self.paths.zones.display(),
            self.paths.charter.display(),
            self.paths.data.display(),
        )
    }
}
