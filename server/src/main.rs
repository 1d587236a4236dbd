//! `reconciliation-server`: the program around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::commands::main()
}
