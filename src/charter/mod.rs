//! The charter: the law of the directory, as prose (`charter/charter.md`) and as typed, bounded parameters (`charter/policy.toml`).
//!
//! Every parameter names its clause; a refusal of the registry names both. The files here are the ones that callbook ships; an
//! operator's installation has copies of its own and hands their text to [`Policy::parse`].

mod articles;
mod enumservice;
mod parameters;
mod parse;
mod policy;

pub use articles::{POLICY_TEXT, TEXT, clause, clauses};
pub use enumservice::Enumservice;
pub use parameters::{PARAMETERS, Parameter, Parameters};
pub use parse::PolicyError;
pub use policy::{Excluded, Method, MethodClass, NotServed, Policy, Served};
