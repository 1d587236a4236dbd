//! `reconcile completions`.

use std::io;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// What to print completions for.
#[derive(Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments) -> ExitCode {
    clap_complete::generate(
        arguments.shell,
        &mut crate::Cli::command(),
        "reconcile",
        &mut io::stdout(),
    );
    ExitCode::SUCCESS
}
