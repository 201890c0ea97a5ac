//! Those who watch: whoever looks after logs, ours or others', and says what he has seen. Nothing here belongs to a directory.

pub mod auditor;
pub mod witness;
