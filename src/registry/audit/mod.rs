//! Audits of what validation entities promised (clause 7.5): whom to look at, drawn so that anybody can draw again, and what
//! the findings say. Not the auditors of the log, who replay events: these look behind the tokens.
//!
//! ```text
//! tokens of a month -> population (strata, commitments) -hash in the gov log-> seed (a head after that, a beacon) -> draw
//! findings of the drawn -> rate by strata -> Wilson's bounds -> a sanction proposed, or none
//! ```
//! Integers only, so that two programs agree. `docs/audits.md` has it byte by byte, `tests/judges/draw.py` in another language.

pub mod draw;
pub mod period;
pub mod population;
pub mod seed;
pub mod verdict;
pub mod verify;
pub mod wilson;
