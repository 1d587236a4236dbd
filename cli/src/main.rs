//! `reconcile`: the engine on a laptop, with the same language and the same outputs as on Kubernetes.

mod completions;
mod explain;
mod generate;
mod job;
mod profile;
mod progress;
mod run;
mod stdout;
mod table;
mod threads;
mod train;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Reconcile two datasets: every record of both sides ends in exactly one explained outcome.
#[derive(Parser)]
#[command(name = "reconcile", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  reconcile profile ledger.csv                what a file holds, and how to declare it
  reconcile validate job.yaml                 check a job; opens no data
  reconcile validate job.yaml --plan          and say which pairs it would compare; opens the data
  reconcile run job.yaml                      run it; results in ./job-out
  reconcile run job.yaml --out results --json
  reconcile run job.yaml --left a.csv --right b.csv
                                              a job of a cluster over files of this machine
  reconcile explain job.yaml --left L1 --right B7
                                              why two records are a pair, or why not
  reconcile train job.yaml --out model.json   learn the weights of score: fellegiSunter

A job is the matching language alone (left, right, passes, …) or a whole
ReconciliationJob as it is applied to Kubernetes.

Exit codes: 0 done, 1 the run failed, 2 the job is wrong.";

#[derive(Subcommand)]
enum Command {
    /// Run a job and write its outputs
    Run(run::Arguments),
    /// Tell why two records are a pair, or why they are not
    Explain(explain::Arguments),
    /// Learn the weights of a job's fellegiSunter passes without matching, and show them
    Train(train::Arguments),
    /// Check a job without opening its data (unless --plan), and report every mistake with its path
    Validate(validate::Arguments),
    /// Write test data whose true pairs are known, of any size
    Generate(generate::Arguments),
    /// Look at a file: types, nulls, distinct values, duplicates, ranges and patterns of its columns
    Profile(profile::Arguments),
    /// Print a completion script for a shell, such as: source <(reconcile completions bash)
    Completions(completions::Arguments),
}

/// The run failed.
const FAILED: u8 = 1;
/// The job is wrong.
const WRONG: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}
