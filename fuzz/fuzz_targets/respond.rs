//! Throws packets at the name server; the rules stand in `callbook::nameserver::fuzz`.
#![no_main]

use std::cell::RefCell;

use callbook::nameserver::fuzz::Target;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static TARGET: RefCell<Target> = RefCell::new(Target::new().expect("the zones are right"));
}

fuzz_target!(|input: &[u8]| {
    if let Err(broken) = TARGET.with_borrow_mut(|target| target.packet(input)) {
        panic!("{broken}");
    }
});
