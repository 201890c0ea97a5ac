//! How a query came. Only what changes an answer: its size, whether the address is proved, whether others can read along.

/// A transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// RFC 1035 4.2.1.
    Udp,
    /// RFC 7766.
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over QUIC (RFC 9250).
    Quic,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

impl Transport {
    /// Every transport, in the order of their values.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Quic, Self::Https];

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Https => "https",
        }
    }

    /// Whether one packet is one query: answers are small, and the asker's address proves nothing.
    pub fn is_datagram(self) -> bool {
        self == Self::Udp
    }

    /// Whether others on the path can read along no more than lengths, which padding hides (RFC 8467).
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Quic | Self::Https)
    }
}
