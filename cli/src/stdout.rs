//! What a command prints on standard output.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use crate::FAILED;

/// Prints a text, the last thing that a command does. Whoever reads it may have seen enough, as in
/// `reconcile explain … | head`; that is no failure.
pub fn print(text: &str) -> ExitCode {
    let mut output = io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: standard output: {error}");
            ExitCode::from(FAILED)
        }
        _ => ExitCode::SUCCESS,
    }
}
