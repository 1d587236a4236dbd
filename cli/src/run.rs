//! `reconcile run`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use crds::matching::{MatchingSpec, OutputFormat};
use engine::{RunRequest, Summary};
use sources::{Given, Sources};

use crate::job::{self, JobError};
use crate::progress::Bar;
use crate::stdout;
use crate::threads::Threads;
use crate::{FAILED, table};

/// What to run and where to put it.
#[derive(Args)]
pub struct Arguments {
    /// The job's YAML; a uri in it is relative to its folder
    job: PathBuf,
    /// The folder for the outputs [default: ./JOB-out]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Read the left side from this file instead of the job's source
    #[arg(long, value_name = "FILE")]
    left: Option<PathBuf>,
    /// Read the right side from this file instead of the job's source
    #[arg(long, value_name = "FILE")]
    right: Option<PathBuf>,
    /// Read the rates of `fx` from this file instead of the job's source
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    #[command(flatten)]
    threads: Threads,
}

/// Runs the job.
pub fn run(arguments: &Arguments) -> ExitCode {
    let spec = match job::read(&arguments.job) {
        Ok(spec) => spec,
        Err(error) => return error.report(&arguments.job),
    };
    let out = arguments.out.clone().unwrap_or_else(|| {
        let stem = arguments
            .job
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        PathBuf::from(format!("{stem}-out"))
    });
    let page = spec.formats().contains(&OutputFormat::Html);
    let bar = Arc::new(Bar::new());
    let result = job::block_on(arguments.threads, carry_out(arguments, spec, &out, &bar));
    bar.finish();
    match result {
        Ok(summary) => {
            let page = page.then(|| out.join("report.html"));
            report(&summary, arguments.json, &out, page.as_deref())
        }
        Err(error) => error.report(&arguments.job),
    }
}

async fn carry_out(
    arguments: &Arguments,
    spec: MatchingSpec,
    out: &Path,
    bar: &Arc<Bar>,
) -> Result<Summary, JobError> {
    let given = Given {
        left: arguments.left.as_ref(),
        right: arguments.right.as_ref(),
        rates: arguments.rates.as_ref(),
    };
    let sources = Sources::open(&arguments.job, &spec, given, bar.as_ref()).await?;
    let request = RunRequest {
        left: sources.left.clone(),
        right: sources.right.clone(),
        rates: sources.rates.clone(),
        out_dir: out.to_owned(),
        model: job::model(&arguments.job, &spec),
        spec,
    };
    Ok(engine::run(request, bar.clone()).await?)
}

fn report(summary: &Summary, json: bool, out: &Path, page: Option<&Path>) -> ExitCode {
    if !json {
        let mut text = table::of(summary, out);
        if let Some(page) = page {
            let _ = writeln!(text, "report in {}", page.display());
        }
        return stdout::print(&text);
    }
    match serde_json::to_string_pretty(summary) {
        Ok(text) => stdout::print(&(text + "\n")),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}
