//! The DNS side against judges that are not ours: delv, unbound, ldns, dig, dnspython.

pub(crate) mod house;
mod slots;
mod validate;
