//! Throws files of evidence at their parser and checks; the rules stand in `callbook::log::misbehaviour`.
#![no_main]

use callbook::log::misbehaviour::read_any;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Err(broken) = read_any(text) {
        panic!("{broken}");
    }
});
