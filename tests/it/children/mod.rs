//! Delegated zones whose keys roll: their parent, the real program, asks them and follows, or refuses and says why. And the
//! other side: the doctor asks the parent.

mod doctor;
mod knot;
mod ours;
mod parent;
mod refused;
mod shaped;
