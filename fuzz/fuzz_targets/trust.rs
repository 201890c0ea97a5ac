//! Throws bytes at the parser of trust metadata; the rules stand in `callbook::charter::trust::fuzz`.
#![no_main]

use callbook::charter::trust::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(broken) = fuzz::metadata(input) {
        panic!("{broken}");
    }
});
