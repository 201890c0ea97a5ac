//! Parse and go: everything testable lives in the library.

fn main() -> std::process::ExitCode {
    callbook::cli::main()
}
