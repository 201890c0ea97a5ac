//! Registration data as everybody's tools read it (RDAP): the directory's facts in the objects of RFC 9083. Pure: what is
//! asked for is read by [`Query`], what is known of it is handed in, and who may know it was decided before.
//!
//! ```text
//! path --Query::read--> query --(http asks the authority, as whoever shows a token)--> facts --domain, entity, apex--> object
//! ```

mod apex;
mod entity;
mod number;
mod object;
mod query;

pub use crate::rdap::apex::{Apex, ApexKey, Host};
pub use crate::rdap::entity::{FOUND_MAX, found};
pub use crate::rdap::object::{Answer, Object, error, help};
pub use crate::rdap::query::{Pattern, Query, Unread};
