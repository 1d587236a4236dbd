//! `reconcile explain`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use crds::matching::MatchingSpec;
use engine::{ExplainRequest, Explanation, PassAnswer, RecordAnswer, Rival};
use sources::{Given, Sources};

use crate::FAILED;
use crate::job::{self, JobError};
use crate::progress::Bar;
use crate::stdout;
use crate::threads::Threads;

/// The widest bar, in characters.
const WIDEST: f64 = 20.0;

const EXAMPLES: &str = "\
Examples:
  reconcile explain job.yaml --left L1 --right B7
  reconcile explain job.yaml --left '[\"4711\",\"2024-01-31\"]' --right B7 --json

A key is written as in pairs.csv: a composite one as a JSON array, and the row's
number, from 1, where the side has no key. The job runs as always, and writes
nothing. For every pass, the answer shows which blocks hold, what each
comparison adds to the score, and which other pairs stood against this one:

  ledger L1 and bank B7 are not a pair: passes[0] `exact`: the block [ccy]
  differs: EUR against USD

Exit codes: 0 explained, whether a pair or not; 1 the run failed; 2 the job is
wrong, or a key is unknown.";

/// Which records to explain.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The job's YAML; a uri in it is relative to its folder
    job: PathBuf,
    /// The key of the left record
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    left: String,
    /// The key of the right record
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    right: String,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Read the left side from this file instead of the job's source
    #[arg(long, value_name = "FILE")]
    left_file: Option<PathBuf>,
    /// Read the right side from this file instead of the job's source
    #[arg(long, value_name = "FILE")]
    right_file: Option<PathBuf>,
    #[command(flatten)]
    threads: Threads,
}

/// Runs the job and tells why two of its records are a pair, or why not.
pub fn run(arguments: &Arguments) -> ExitCode {
    let spec = match job::read(&arguments.job) {
        Ok(spec) => spec,
        Err(error) => return error.report(&arguments.job),
    };
    let bar = Arc::new(Bar::new());
    let result = job::block_on(arguments.threads, explain(arguments, spec, &bar));
    bar.finish();
    match result {
        Ok(explanation) if arguments.json => match serde_json::to_string_pretty(&explanation) {
            Ok(text) => stdout::print(&(text + "\n")),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(FAILED)
            }
        },
        Ok(explanation) => stdout::print(&page(&explanation)),
        Err(error) => error.report(&arguments.job),
    }
}

async fn explain(
    arguments: &Arguments,
    spec: MatchingSpec,
    bar: &Arc<Bar>,
) -> Result<Explanation, JobError> {
    let given = Given {
        left: arguments.left_file.as_ref(),
        right: arguments.right_file.as_ref(),
        rates: None,
    };
    let sources = Sources::open(&arguments.job, &spec, given, bar.as_ref()).await?;
    let request = ExplainRequest {
        left: sources.left.clone(),
        right: sources.right.clone(),
        rates: sources.rates.clone(),
        model: job::model(&arguments.job, &spec),
        spec,
        left_key: arguments.left.clone(),
        right_key: arguments.right.clone(),
    };
    Ok(engine::explain(request, bar.clone()).await?)
}

/// The answer for people.
fn page(explanation: &Explanation) -> String {
    let mut text = format!("{}\n\n", explanation.verdict);
    for (side, record) in [("left", &explanation.left), ("right", &explanation.right)] {
        let _ = record_lines(&mut text, side, record);
    }
    for one in &explanation.differences {
        let _ = writeln!(
            text,
            "differs: {} – {}: {}: {} against {}",
            one.left_key,
            one.right_key,
            one.column,
            shown(one.left.as_ref()),
            shown(one.right.as_ref())
        );
    }
    for pass in &explanation.passes {
        let _ = pass_lines(&mut text, pass);
    }
    text
}

fn record_lines(text: &mut String, side: &str, record: &RecordAnswer) -> std::fmt::Result {
    write!(text, "{side} {}: {}", record.key, record.outcome)?;
    if let Some(pass) = &record.pass {
        write!(text, " with {} by `{pass}`", record.partners.join(", "))?;
    }
    text.push('\n');
    let names = record.values.iter().map(|value| value.column.as_str());
    let width = widest(names);
    for value in &record.values {
        let column = padded(&value.column, width);
        write!(text, "  {column}  {}", shown(value.original.as_ref()))?;
        if let Some(normalized) = &value.normalized {
            write!(text, "  → {}", clean(normalized))?;
        }
        text.push('\n');
    }
    text.push('\n');
    Ok(())
}

fn pass_lines(text: &mut String, pass: &PassAnswer) -> std::fmt::Result {
    writeln!(text, "\n{} `{}`: {}", pass.path, pass.name, pass.detail)?;
    for block in &pass.blocks {
        match &block.failed {
            None => writeln!(text, "  block {}: holds", block.block)?,
            Some(failed) => writeln!(
                text,
                "  block {}: {}: {} against {}",
                block.block,
                failed.entry,
                shown(failed.left.as_ref()),
                shown(failed.right.as_ref())
            )?,
        }
    }
    if !pass.comparisons.is_empty() {
        waterfall(text, pass)?;
    }
    for (side, rivals) in [("left", &pass.left_rivals), ("right", &pass.right_rivals)] {
        rival_lines(text, side, rivals)?;
    }
    Ok(())
}

/// A row for each comparison, with its contribution as a bar.
fn waterfall(text: &mut String, pass: &PassAnswer) -> std::fmt::Result {
    let rows: Vec<[String; 5]> = (pass.comparisons.iter())
        .map(|one| {
            let similarity = one
                .similarity
                .map_or("neutral".into(), |s| format!("{s:.2}"));
            let mark = match (one.holds, one.required) {
                (true, _) => "",
                (false, true) => "fails, required",
                (false, false) => "fails",
            };
            [
                one.column.clone(),
                shown(one.left.as_ref()),
                shown(one.right.as_ref()),
                similarity,
                mark.to_owned(),
            ]
        })
        .collect();
    let header = ["column", "left", "right", "similarity", ""].map(str::to_owned);
    let lines = || std::iter::once(&header).chain(&rows);
    let widths: [usize; 5] = std::array::from_fn(|at| widest(lines().map(|row| row[at].as_str())));
    let line = |row: &[String; 5]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| padded(cell, width));
        cells.collect::<Vec<_>>().join("  ")
    };
    let parts = pass.comparisons.iter().map(|one| one.contribution);
    let largest = parts
        .chain(pass.prior)
        .chain(pass.rivals)
        .map(f64::abs)
        .fold(0.0, f64::max);
    writeln!(text, "  {}  contribution", line(&header))?;
    for (row, one) in rows.iter().zip(&pass.comparisons) {
        let part = one.contribution;
        write!(text, "  {}  {part:>+8.2} {}", line(row), bar(part, largest))?;
        if let Some(frequency) = one.frequency.filter(|bits| *bits != 0.0) {
            write!(text, " ({frequency:+.2} by frequency)")?;
        }
        text.push('\n');
    }
    let blank: [String; 5] = std::array::from_fn(|_| String::new());
    // What is nothing is no line: most pairs look like no rivals.
    let rivals = pass.rivals.filter(|bits| *bits <= -0.005);
    for (name, bits) in [("prior", pass.prior), ("rivals", rivals)] {
        if let Some(bits) = bits {
            let mut row = blank.clone();
            row[0] = name.into();
            let bar = bar(bits, largest);
            writeln!(text, "  {}  {bits:>+8.2} {bar}", line(&row))?;
        }
    }
    if let Some(weight) = pass.weight {
        let mut row = blank;
        row[0] = "weight".into();
        writeln!(text, "  {}  {weight:>+8.2} bits", line(&row))?;
    }
    if let Some(score) = pass.score {
        write!(text, "  score {score:.4}, accept {}", pass.accept)?;
        if pass.review < pass.accept {
            write!(text, ", review {}", pass.review)?;
        }
        if pass.margin > 0.0 {
            write!(text, ", margin {}", pass.margin)?;
        }
        text.push('\n');
    }
    Ok(())
}

fn rival_lines(text: &mut String, side: &str, rivals: &[Rival]) -> std::fmt::Result {
    for rival in rivals {
        write!(
            text,
            "  the {side} record's pair with {}: {:.4}",
            clean(&rival.key),
            rival.score
        )?;
        if let Some(weight) = rival.weight {
            write!(text, ", {weight:+.2} bits")?;
        }
        if let Some(chosen) = &rival.chosen {
            write!(text, ", {chosen}")?;
        }
        text.push('\n');
    }
    Ok(())
}

/// A part of the largest as blocks, in eighths; with a minus before what speaks against the pair.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most eight times the widest bar"
)]
fn bar(part: f64, largest: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if largest <= 0.0 {
        return String::new();
    }
    let eighths = (part.abs() / largest * WIDEST * 8.0).round() as usize;
    let sign = if part < 0.0 { "−" } else { "" };
    format!("{sign}{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn shown(value: Option<&String>) -> String {
    value.map_or_else(|| "null".into(), |value| clean(value))
}

/// A value on one line, with nothing that a terminal obeys.
fn clean(value: &str) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    value.chars().map(plain).collect()
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts
        .map(|text| text.chars().count())
        .max()
        .unwrap_or_default()
}

fn padded(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}
