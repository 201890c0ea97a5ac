//! Parse and go: everything testable lives in the library.
fn main() {}
