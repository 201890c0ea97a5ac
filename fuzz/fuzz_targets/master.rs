//! Reads files as zones; the rules stand in `callbook::zone::fuzz`.
#![no_main]

use callbook::zone::fuzz::master;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(broken) = master(input) {
        panic!("{broken}");
    }
});
