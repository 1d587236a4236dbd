//! `reconcile validate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::job;

/// Which job to check.
#[derive(Args)]
pub struct Arguments {
    /// The job's YAML
    job: PathBuf,
}

/// Prints `ok`, or every mistake with its path.
pub fn run(arguments: &Arguments) -> ExitCode {
    match job::read(&arguments.job) {
        Ok(spec) => {
            let passes = spec.passes.len();
            println!(
                "{}: ok, {passes} {}",
                arguments.job.display(),
                if passes == 1 { "pass" } else { "passes" }
            );
            ExitCode::SUCCESS
        }
        Err(error) => error.report(&arguments.job),
    }
}
