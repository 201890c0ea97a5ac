//! Makes loom's copies of `src/zone/slot.rs`: one as it is, and mutants in which a part of the proof is missing.
//!
//! The house's own file stays free of this: only the origin of the atomics and the size of a signature are replaced. Each
//! replacement must hit exactly as often as written here, so that a change of the file cannot make a mutant a copy.

use std::{env, fs, path::Path};

const SLOT: &str = "../../src/zone/slot.rs";

/// What loom needs: its own atomics, and signatures of two words, since eight only repeat what two show.
const FOR_LOOM: [(&str, &str); 2] = [
    ("std::sync::atomic", "loom::sync::atomic"),
    ("pub type SignatureBytes = [u8; 64];", "pub type SignatureBytes = [u8; 16];"),
];
const TWO_WORDS: [(&str, &str); 2] =
    [("const WORDS: usize = 9;", "const WORDS: usize = 3;"), ("[0u8; 64]", "[0u8; 16]")];

/// Name, text, what stands there instead.
const MUTANTS: [(&str, &str, &str); 5] = [
    ("without_busy_mark", "compare_exchange(seen, sequence | BUSY,", "compare_exchange(seen, seen,"),
    ("without_busy_look", "if seen & BUSY != 0\n            ||", "if"),
    ("without_second_look", "(self.0[0].load(Ordering::Relaxed) == seen).then_some(signature)", "Some(signature)"),
    ("without_release_fence", "fence(Ordering::Release);", ""),
    ("without_acquire_fence", "fence(Ordering::Acquire);", ""),
];

fn main() {
    println!("cargo::rerun-if-changed={SLOT}");
    println!("cargo::rerun-if-changed=build.rs");
    let source = fs::read_to_string(SLOT).expect("src/zone/slot.rs");
    let (code, _tests) = source.split_once("#[cfg(test)]").expect("unit tests at the end");
    // `include!` takes no inner documentation.
    let code: String = code.lines().filter(|line| !line.starts_with("//!")).map(|line| format!("{line}\n")).collect();
    let code = FOR_LOOM.iter().chain(&TWO_WORDS).fold(code, |code, (from, to)| replace(&code, from, to));
    write("slot", &code);
    for (name, from, to) in MUTANTS {
        write(name, &replace(&code, from, to));
    }
}

fn replace(code: &str, from: &str, to: &str) -> String {
    assert_eq!(code.matches(from).count(), 1, "src/zone/slot.rs has changed: {from:?} must stand in it once");
    code.replace(from, to)
}

fn write(name: &str, code: &str) {
    let out = env::var("OUT_DIR").expect("set by cargo");
    fs::write(Path::new(&out).join(format!("{name}.rs")), code).expect("OUT_DIR can be written");
}
