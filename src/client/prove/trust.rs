//! A trust list as it is written down, and as it is used.

use crate::api::proofs::Trust;
use crate::log::bytes::{Malformed, array_from_base64};
use crate::log::note::VerifierKey;
use crate::log::trust::TrustList;
use crate::log::vrf;

/// A trust list that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the trust list cannot be used: {0}. It is a JSON object such as `GET /v1/log/trust` shows")]
pub struct TrustError(#[from] Malformed);

/// Reads a trust list and checks that it means something.
pub fn trust_list(written: &Trust) -> Result<TrustList, TrustError> {
    let keys = |texts: &[String]| texts.iter().map(|text| VerifierKey::parse(text)).collect::<Result<Vec<_>, _>>();
    let vrf = array_from_base64(&written.vrf).ok_or(Malformed::new("vrf", "base64"))?;
    let list = TrustList {
        origin: written.origin.clone(),
        log: VerifierKey::parse(&written.log)?,
        witnesses: keys(&written.witnesses)?,
        quorum: usize::try_from(written.quorum).unwrap_or(usize::MAX),
        auditors: keys(&written.auditors)?,
        vrf: vrf::PublicKey::new(&vrf)?,
        eras: written.eras.clone(),
    };
    list.check()?;
    Ok(list)
}
