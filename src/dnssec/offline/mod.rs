//! A KSK that is never on a server: what it is to sign for months ahead goes to it as a file, and its signatures come back
//! as one (the key signing request and the signed key response of Knot DNS and of the root's ceremonies).
//!
//! ```text
//! serving node                                    machine with the KSK, without a network
//! plan: ZSKs for months ──> Request ────────────> ceremony: the DNSKEY, CDS and CDNSKEY RRsets of each day,
//!                                                     │     for all nodes together (RFC 8901: a ZSK each)
//! Schedule <── checked: fits what is served <── Response
//!    └──> at each moment: one set of keys, who signs data, and signatures that are there already
//! ```
//!
//! Signatures over the DNSKEY RRset begin at fixed times ([`Window::Dnskey`](super::Window)), so what is to be signed is known
//! ahead. From then on the keys' lives follow the calendar alone: whatever was served before a key's day is in no cache when
//! the next one's comes, however long a server was off between. What needs news (the parent's DS) goes on with the next
//! request.

mod ceremony;
mod error;
mod form;
mod plan;
mod presigned;
mod public_key;
mod request;
mod response;
mod schedule;
mod slots;

pub use ceremony::{Ceremony, Entry, Summary};
pub use error::OfflineError;
pub use plan::{Plan, Planned, Replace, Waits};
pub use public_key::PublicKey;
pub use request::{Request, Served, Shown};
pub use response::{KeySet, Response};
pub use schedule::{Due, Schedule, ScheduleFile};
pub use slots::{SLOT_S, Slots};
