//! The DNS side against judges that are not ours: delv, unbound, ldns, dig, dnspython.

mod house;
mod slots;
mod validate;
