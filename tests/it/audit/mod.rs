//! Two auditors, ours and one that is not, over logs that are forged and logs that are not.

mod agree;
mod forged;
pub(crate) mod town;
