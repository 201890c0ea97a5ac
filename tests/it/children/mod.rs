//! Delegated zones whose keys roll: their parent, the real program, asks them and follows, or refuses and says why.

mod knot;
mod ours;
mod parent;
mod refused;
mod shaped;
