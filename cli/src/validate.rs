//! `reconcile validate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use engine::Error;

use crate::FAILED;
use crate::job::{self, JobError};
use crate::progress::Bar;

/// Which job to check.
#[derive(Args)]
pub struct Arguments {
    /// The job's YAML
    job: PathBuf,
    /// Open the data too, and print which pairs each pass would compare: its blocks, given or
    /// derived from compare, with their pairs and their largest keys (values of records)
    #[arg(long)]
    plan: bool,
    /// With --plan, read the left side from this file instead of the job's source
    #[arg(long, value_name = "FILE", requires = "plan")]
    left: Option<PathBuf>,
    /// With --plan, read the right side from this file instead of the job's source
    #[arg(long, value_name = "FILE", requires = "plan")]
    right: Option<PathBuf>,
}

/// Prints `ok`, or every mistake with its path; with `--plan` the blocks too.
pub fn run(arguments: &Arguments) -> ExitCode {
    let spec = match job::read(&arguments.job) {
        Ok(spec) => spec,
        Err(error) => return error.report(&arguments.job),
    };
    let passes = spec.passes.len();
    println!(
        "{}: ok, {passes} {}",
        arguments.job.display(),
        if passes == 1 { "pass" } else { "passes" }
    );
    if !arguments.plan {
        return ExitCode::SUCCESS;
    }
    let side = |side, dataset, given: &Option<PathBuf>| {
        job::input(&arguments.job, side, dataset, given.as_ref())
    };
    let sides = side("left", &spec.left, &arguments.left)
        .and_then(|left| Ok((left, side("right", &spec.right, &arguments.right)?)));
    let (left, right) = match sides {
        Ok(sides) => sides,
        Err(error) => return error.report(&arguments.job),
    };
    let bar = Arc::new(Bar::new());
    let planned = tokio::runtime::Runtime::new()
        .map_err(|error| error.to_string())
        .map(|runtime| runtime.block_on(engine::plan_text(spec, left, right, bar.clone())));
    bar.finish();
    let message = match planned {
        Ok(Ok(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Err(Error::Spec(errors))) => return JobError::Spec(errors).report(&arguments.job),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error,
    };
    eprintln!("error: {message}");
    ExitCode::from(FAILED)
}
