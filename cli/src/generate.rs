//! `reconcile generate`: test data whose true pairs are known.
//!
//! Every row is drawn from a stream of its own that follows from the seed and the row's subject, so
//! a row can be made again at any time: the files are written in random order without being kept in
//! memory. What stays there is the order itself, about 12 bytes a row.

mod bank;
mod names;
mod output;
mod persons;
mod random;
mod shuffle;
mod typo;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Subcommand};

use crate::{FAILED, stdout};
use output::Folder;

/// What to generate.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    dataset: Dataset,
}

const EXAMPLES: &str = "\
Each writes into a folder:
  left.csv, right.csv   the two sides, in random order, with unrelated keys
  truth.csv             left_key,right_key: the true pairs; a group has one row per member pair
  job.yaml              a job over them to start from

Examples:
  reconcile generate bank --rows 50000 --seed 1 --out bank
  reconcile run bank/job.yaml
  reconcile generate bank --rows 50000 --seed 1 --splits 0.2 --out splits
                                              a fifth of the payments in several parts
  reconcile generate persons --rows 1000000 --seed 1 --noise 2 --out persons
                                              every error twice as often

The same command with the same seed writes the same bytes on every machine. The rates of errors are
those of real data as far as it is known; what they are and why is documented at the generators'
`Parameters` (cli/src/generate/*/parameters.rs).";

#[derive(Subcommand)]
enum Dataset {
    /// A ledger and the bank's statement: lags, fees, rewritten texts, missing and double rows
    Bank(BankArguments),
    /// Two lists of customers: typing errors, nicknames, moves, missing values, strangers
    Persons(PersonsArguments),
}

#[derive(Args)]
struct Common {
    /// Rows on each side; about that many for bank, exactly for persons
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    rows: u32,
    /// The seed: another one gives other data of the same kind
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder to write into; it is made when it is not there, and nothing in it is overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Multiplies the rate of every error: 0 is clean data, 1 as in life
    #[arg(
        long,
        value_name = "FACTOR",
        default_value = "1",
        allow_negative_numbers = true
    )]
    noise: Noise,
}

#[derive(Args)]
struct BankArguments {
    #[command(flatten)]
    common: Common,
    /// The share of payments that are one ledger entry paid in 2 to 6 statement lines, or several
    /// entries paid in one line (half of each)
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0",
        allow_negative_numbers = true
    )]
    splits: Share,
}

#[derive(Args)]
struct PersonsArguments {
    #[command(flatten)]
    common: Common,
}

/// Writes the data.
pub fn run(arguments: &Arguments) -> ExitCode {
    let written = match &arguments.dataset {
        Dataset::Bank(arguments) => {
            let parameters = bank::Parameters {
                splits: arguments.splits.0,
                ..bank::Parameters::default()
            };
            write(&arguments.common, |folder, common| {
                bank::write(
                    &parameters,
                    common.rows,
                    common.seed,
                    common.noise.0,
                    folder,
                )
            })
        }
        Dataset::Persons(arguments) => write(&arguments.common, |folder, common| {
            let parameters = persons::Parameters::default();
            persons::write(
                &parameters,
                common.rows,
                common.seed,
                common.noise.0,
                folder,
            )
        }),
    };
    match written {
        Ok(counts) => stdout::print(&format!("{counts}\n")),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(FAILED)
        }
    }
}

/// Rows written, by file.
#[derive(Debug, PartialEq)]
struct Counts {
    left: usize,
    right: usize,
    truth: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "left.csv {} rows, right.csv {} rows, truth.csv {} true pairs",
            self.left, self.right, self.truth
        )
    }
}

fn write(
    common: &Common,
    generator: impl Fn(&Folder, &Common) -> Result<Counts, output::Error>,
) -> Result<Counts, output::Error> {
    let folder = Folder::create(&common.out)?;
    let counts = generator(&folder, common)?;
    folder.publish()?;
    Ok(counts)
}

/// A factor from 0 to 10.
#[derive(Clone, Copy, Debug)]
struct Noise(f64);

impl FromStr for Noise {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        within(text, 10.0).map(Self)
    }
}

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug)]
struct Share(f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        within(text, 1.0).map(Self)
    }
}

fn within(text: &str, highest: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=highest).contains(&number) => Ok(number),
        _ => Err(format!("give a number from 0 to {highest}")),
    }
}
