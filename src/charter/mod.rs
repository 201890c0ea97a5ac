//! The charter: the law of the directory, as prose (`charter/charter.md`) and as typed, bounded parameters (`charter/policy.toml`).
//!
//! Every parameter names its clause; a refusal of the registry names both. The files here are the ones that callbook ships; an
//! operator's installation has copies of its own and hands their text to [`Policy::parse`].

mod articles;
mod difference;
mod enumservice;
pub mod numbering;
mod parameters;
mod parse;
mod policy;
pub mod trust;
mod versions;

pub use articles::{POLICY_TEXT, TEXT, clause, clauses, clauses_of};
pub use difference::{Difference, differences};
pub use enumservice::Enumservice;
pub use parameters::{PARAMETERS, Parameter, Parameters};
pub use parse::PolicyError;
pub use policy::{Excluded, Method, MethodClass, NotServed, Policy, Served};
pub use versions::{Unfit, Version, Versions};
