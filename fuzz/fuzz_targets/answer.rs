//! Throws packets at those who ask; the rules stand in `callbook::client::fuzz`.
#![no_main]

use callbook::client::fuzz::answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(broken) = answer(input) {
        panic!("{broken}");
    }
});
