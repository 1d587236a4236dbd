//! `reconcile run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use crds::matching::OutputFormat;
use engine::{Error, RunRequest, Summary};

use crate::job::{self, JobError};
use crate::progress::Bar;
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
}

/// Runs the job.
pub fn run(arguments: &Arguments) -> ExitCode {
    let (request, out) = match request(arguments) {
        Ok(request) => request,
        Err(error) => return error.report(&arguments.job),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let page = request.spec.formats().contains(&OutputFormat::Html);
    let bar = Arc::new(Bar::new());
    let result = runtime.block_on(engine::run(request, bar.clone()));
    bar.finish();
    match result {
        Ok(summary) => {
            let page = page.then(|| out.join("report.html"));
            report(&summary, arguments.json, &out, page.as_deref())
        }
        Err(Error::Spec(errors)) => JobError::Spec(errors).report(&arguments.job),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn request(arguments: &Arguments) -> Result<(RunRequest, PathBuf), JobError> {
    let spec = job::read(&arguments.job)?;
    let left = job::input(&arguments.job, "left", &spec.left, arguments.left.as_ref())?;
    let right = job::input(
        &arguments.job,
        "right",
        &spec.right,
        arguments.right.as_ref(),
    )?;
    let rates = job::rates(&arguments.job, &spec, arguments.rates.as_ref())?;
    let out_dir = arguments.out.clone().unwrap_or_else(|| {
        let stem = arguments
            .job
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        PathBuf::from(format!("{stem}-out"))
    });
    let model = job::model(&arguments.job, &spec);
    Ok((
        RunRequest {
            spec,
            left,
            right,
            rates,
            out_dir: out_dir.clone(),
            model,
        },
        out_dir,
    ))
}

fn report(summary: &Summary, json: bool, out: &Path, page: Option<&Path>) -> ExitCode {
    if json {
        match serde_json::to_string_pretty(summary) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(FAILED);
            }
        }
    } else {
        print!("{}", table::of(summary, out));
        if let Some(page) = page {
            println!("report in {}", page.display());
        }
    }
    ExitCode::SUCCESS
}
