//! What the RFCs demand, a folder an RFC, a test a section.

mod opt;
mod rfc1034;
mod rfc1035;
mod rfc2181;
mod rfc2308;
mod rfc3597;
mod rfc4035;
mod rfc4592;
mod rfc5001;
mod rfc5155;
mod rfc6672;
mod rfc6891;
mod rfc7314;
mod rfc7828;
mod rfc7873;
mod rfc8020;
mod rfc8467;
mod rfc8482;
mod rfc8914;
mod rfc9471;
mod rfc9619;
mod zone;
