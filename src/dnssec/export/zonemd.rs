//! The digest of a whole zone (RFC 8976): scheme SIMPLE, SHA-384, over all records in canonical order.

use ring::digest::{Context, SHA384};

use super::Zonemd;
use crate::wire::RrType;

/// IANA type 63.
pub(super) const ZONEMD: RrType = RrType(63);
const SCHEME_SIMPLE: u8 = 1;
const HASH_SHA384: u8 = 1;

/// Takes the zone's records in wire form as they come.
pub(super) struct Digester(Option<Context>);

impl Digester {
    pub(super) fn new(wanted: Zonemd) -> Self {
        Self(match wanted {
            Zonemd::Without => None,
            Zonemd::Sha384 => Some(Context::new(&SHA384)),
        })
    }

    pub(super) fn take(&mut self, wire: &[u8]) {
        if let Some(context) = &mut self.0 {
            context.update(wire);
        }
    }

    /// The digest, if one was wanted.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        self.0.map(|context| context.finish().as_ref().to_vec())
    }
}

/// ZONEMD RDATA (RFC 8976 2.2) for the zone with this SOA RDATA, whose serial it names.
pub(super) fn rdata(soa: &[u8], digest: &[u8]) -> Vec<u8> {
    let serial = soa.len().checked_sub(20).and_then(|at| soa.get(at..at + 4)).unwrap_or(&[0; 4]);
    [serial, &[SCHEME_SIMPLE, HASH_SHA384], digest].concat()
}
