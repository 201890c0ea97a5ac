//! Throws octets at the readers of the log's formats; the rules stand in `callbook::log::fuzz`.
#![no_main]

use callbook::log::fuzz::format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(broken) = format(input) {
        panic!("{broken}");
    }
});
