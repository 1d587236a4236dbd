//! `reconcile validate`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use crds::matching::MatchingSpec;
use engine::TrainRequest;
use sources::{Given, Sources};

use crate::job::{self, JobError};
use crate::progress::Bar;
use crate::stdout;
use crate::threads::Threads;

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
    let noun = if passes == 1 { "pass" } else { "passes" };
    let printed = stdout::print(&format!(
        "{}: ok, {passes} {noun}\n",
        arguments.job.display()
    ));
    if !arguments.plan {
        return printed;
    }
    let bar = Arc::new(Bar::new());
    let planned = job::block_on(Threads::default(), plan(arguments, spec, &bar));
    bar.finish();
    match planned {
        Ok(text) => stdout::print(&text),
        Err(error) => error.report(&arguments.job),
    }
}

async fn plan(
    arguments: &Arguments,
    spec: MatchingSpec,
    bar: &Arc<Bar>,
) -> Result<String, JobError> {
    let given = Given {
        left: arguments.left.as_ref(),
        right: arguments.right.as_ref(),
        rates: None,
    };
    let sources = Sources::open(&arguments.job, &spec, given, bar.as_ref()).await?;
    let request = TrainRequest {
        spec,
        left: sources.left.clone(),
        right: sources.right.clone(),
        rates: sources.rates.clone(),
    };
    Ok(engine::plan_text(request, bar.clone()).await?)
}
