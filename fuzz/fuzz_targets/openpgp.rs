//! Throws OpenPGP keys at the law; the rules stand in `callbook::registry::fuzz`.
#![no_main]

use callbook::registry::fuzz::openpgp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Err(broken) = openpgp(input) {
        panic!("{broken}");
    }
});
