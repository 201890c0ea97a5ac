//! The life of a zone's keys: from the facts, the policy, what the parent shows and the time follow what is served, what
//! is to be done, and who must act next. Pure, but for `record` and `keeping`: no clock, no file, no random number.
//!
//! ```text
//! facts (keys, dates, what was asked for) ─┐
//! policy (lives, TTLs, safety) ────────────┼──> step ──> facts', keys to be made, files to be deleted
//! sighting (what the parent's servers say) ┤              │
//! now ─────────────────────────────────────┘              ├──> publication (DNSKEY, CDS, who signs what)
//!                                                         └──> waits (for what, until when, who must act)
//! ```
//!
//! Terms and intervals are those of RFC 7583, the rolls those of RFC 6781 4.1: pre-publication for a ZSK, two KSKs and
//! their signatures for a KSK, the conservative way for an algorithm. What holds it together is one rule: whatever set of
//! DS, DNSKEY and signatures may lie in a cache at one time has to fit together. `tests/it/keylife` lets years go by and
//! looks at all of them.

mod algorithm_roll;
mod asks;
mod ceremony;
mod facts;
mod follow;
mod keeping;
mod policy;
mod publication;
mod recognition;
mod record;
mod sighting;
mod step;
mod tracks;
mod waits;

pub use asks::Refused;
pub use ceremony::{Accepted, Wanted};
pub use facts::{Ask, KeyLife, Life, Roll, State, TwoAlgorithms, Urgency};
pub use follow::Offline;
pub use keeping::{Keeping, Turned};
pub use policy::{ADD_HOLD_DOWN_S, ParentNews, Pinned, Policy, REVOKED_S, SAFETY_S, Structure};
pub use publication::{Publication, Revocation};
pub use record::RecordFile;
pub use sighting::{DsSet, Seen, ServerSaid, Sighting};
pub use step::{Change, ClockTrust, Step};
pub use waits::{Actor, Wait};
