//! `reconcile train`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use crds::matching::MatchingSpec;
use engine::{Error, Model, PassModel, TrainRequest};
use sources::{Given, Sources};

use crate::job::{self, JobError};
use crate::progress::Bar;
use crate::stdout;
use crate::threads::Threads;

/// What to train and where to put it.
#[derive(Args)]
pub struct Arguments {
    /// The job's YAML; a uri in it is relative to its folder
    job: PathBuf,
    /// The file for the model, as `model: {uri}` names it
    #[arg(long, value_name = "FILE", default_value = "model.json")]
    out: PathBuf,
    /// Read the left side from this file instead of the job's source
    #[arg(long, value_name = "FILE")]
    left: Option<PathBuf>,
    /// Read the right side from this file instead of the job's source
    #[arg(long, value_name = "FILE")]
    right: Option<PathBuf>,
    #[command(flatten)]
    threads: Threads,
}

/// Trains the job's passes on all of their records.
pub fn run(arguments: &Arguments) -> ExitCode {
    let spec = match job::read(&arguments.job) {
        Ok(spec) => spec,
        Err(error) => return error.report(&arguments.job),
    };
    let bar = Arc::new(Bar::new());
    let result = job::block_on(arguments.threads, train(arguments, spec, &bar));
    bar.finish();
    match result {
        Ok(model) => {
            let place = arguments.out.display();
            stdout::print(&format!("{}model in {place}\n", table(&model)))
        }
        Err(error) => error.report(&arguments.job),
    }
}

async fn train(
    arguments: &Arguments,
    spec: MatchingSpec,
    bar: &Arc<Bar>,
) -> Result<Model, JobError> {
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
    let model = engine::train(request, bar.clone()).await?;
    let text = model.text()?;
    std::fs::write(&arguments.out, text).map_err(|source| Error::Io {
        path: arguments.out.clone(),
        source,
    })?;
    Ok(model)
}

/// m, u and the weight of each level, from the highest to the lowest.
fn table(model: &Model) -> String {
    let mut text = String::new();
    for pass in &model.passes {
        let _ = pass_table(&mut text, pass);
    }
    text
}

fn pass_table(text: &mut String, pass: &PassModel) -> std::fmt::Result {
    let training = &pass.training;
    let odds = (pass.prior / (1.0 - pass.prior)).log2();
    writeln!(
        text,
        "{}: prior {:.3e} (weight {odds:+.2}), from {} candidates and {} random pairs of \
         {} × {} records, {} in {} steps",
        pass.name,
        pass.prior,
        training.candidates,
        training.random_pairs,
        training.left_records,
        training.right_records,
        if training.converged {
            "converged"
        } else {
            "not converged"
        },
        training.iterations,
    )?;
    if pass.rivals > 0.0 {
        writeln!(
            text,
            "  {:.3e} rivals for every other pair: they look like matches, and a record of theirs \
             has a better partner",
            pass.rivals
        )?;
    }
    let longest = pass
        .comparisons
        .iter()
        .map(|c| c.columns.chars().count())
        .max();
    let width = longest.unwrap_or_default().max("columns".len());
    writeln!(
        text,
        "  {:<width$} {:>10} {:>12} {:>12} {:>8}{}",
        "columns",
        "similarity",
        "m",
        "u",
        "weight",
        if pass.rivals > 0.0 {
            "     r, among rivals"
        } else {
            ""
        }
    )?;
    for comparison in &pass.comparisons {
        for (index, level) in comparison.levels.iter().enumerate().rev() {
            let from = if index == 0 {
                "below".to_owned()
            } else {
                format!("≥ {}", level.from)
            };
            write!(
                text,
                "  {:<width$} {from:>10} {:>12.6} {:>12.3e} {:>+8.2}",
                comparison.columns, level.m, level.u, level.weight
            )?;
            if let Some(r) = level.r {
                write!(text, " {r:>12.6}")?;
            }
            text.push('\n');
        }
    }
    text.push('\n');
    Ok(())
}
