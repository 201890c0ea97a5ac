//! What the RFCs demand, a folder an RFC, a test a section.

mod opt;
mod rfc5001;
mod rfc6891;
mod rfc7828;
mod rfc7873;
mod rfc8467;
mod rfc8914;
