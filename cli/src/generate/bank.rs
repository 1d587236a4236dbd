//! A ledger (left) and the bank's statement (right).

mod calendar;
mod parameters;
mod payment;
mod rewrite;

use super::Counts;
use super::output::{Error, Folder};
use super::random::{Random, Subject};
use super::shuffle::Shuffle;
pub use parameters::Parameters;
use payment::{Entry, Ledger, Line};

/// Writes about `rows` rows a side. `noise` multiplies the rates of errors.
///
/// # Errors
/// When a file cannot be written.
pub fn write(
    parameters: &Parameters,
    rows: u32,
    seed: u64,
    noise: f64,
    folder: &Folder,
) -> Result<Counts, Error> {
    let ledger = Ledger::new(parameters, rows, seed, noise);
    let sides = Sides::new(&ledger, seed);
    let job = JOB.replace(
        "{splits}",
        if parameters.splits > 0.0 { SPLITS } else { "" },
    );
    folder.job(&job)?;

    let mut left = folder.csv(
        "left.csv",
        &[
            "entry_id",
            "booked",
            "party",
            "reference",
            "memo",
            "amount",
            "currency",
        ],
    )?;
    let mut truth = folder.csv("truth.csv", &["left_key", "right_key"])?;
    let mut true_pairs = 0;
    for row in sides.left.order() {
        let (payment, part) = owner(&sides.left_starts, row);
        let made = ledger.payment(payment, sides.left_starts[payment as usize]);
        let key = left_key(sides.left.position(row));
        for &(_, line) in made.pairs.iter().filter(|(entry, _)| *entry == part) {
            let line = sides.right_starts[payment as usize] + count(line);
            truth.row(&[&key, &right_key(sides.right.position(line))])?;
            true_pairs += 1;
        }
        let Entry {
            booked,
            party,
            reference,
            memo,
            amount,
            currency,
        } = &made.entries[part];
        left.row(&[
            &key,
            &booked.to_string(),
            party,
            reference,
            memo,
            &decimal(*amount),
            *currency,
        ])?;
    }
    left.finish()?;
    truth.finish()?;

    let mut right = folder.csv(
        "right.csv",
        &[
            "line",
            "value_date",
            "party",
            "reference",
            "text",
            "amount",
            "currency",
        ],
    )?;
    for row in sides.right.order() {
        let (payment, part) = owner(&sides.right_starts, row);
        let made = ledger.payment(payment, sides.left_starts[payment as usize]);
        let Line {
            value_date,
            party,
            reference,
            text,
            amount,
            currency,
        } = &made.lines[part];
        right.row(&[
            &right_key(sides.right.position(row)),
            &value_date.to_string(),
            party,
            reference,
            text,
            &decimal(*amount),
            *currency,
        ])?;
    }
    right.finish()?;
    Ok(Counts {
        left: sides.left.len(),
        right: sides.right.len(),
        truth: true_pairs,
    })
}

/// Which rows belong to which payment, and the order of the rows. Rows are numbered by payment.
struct Sides {
    left_starts: Vec<u32>,
    right_starts: Vec<u32>,
    left: Shuffle,
    right: Shuffle,
}

impl Sides {
    fn new(ledger: &Ledger, seed: u64) -> Self {
        let (mut left_starts, mut right_starts) = (Vec::new(), Vec::new());
        let (mut left, mut right) = (0, 0);
        for index in 0..ledger.payments() {
            left_starts.push(left);
            right_starts.push(right);
            let plan = ledger.plan(&mut Random::new(seed, Subject::Payment, u64::from(index)));
            left += count(plan.entries());
            right += count(plan.lines());
        }
        Self {
            left_starts,
            right_starts,
            left: Shuffle::new(left, seed, Subject::LeftOrder),
            right: Shuffle::new(right, seed, Subject::RightOrder),
        }
    }
}

/// The payment that a row belongs to, and which of its rows it is.
fn owner(starts: &[u32], row: u32) -> (u32, usize) {
    let payment = starts.partition_point(|&start| start <= row) - 1;
    (count(payment), (row - starts[payment]) as usize)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn left_key(position: u32) -> String {
    format!("E{:07}", position + 1)
}

fn right_key(position: u32) -> String {
    (position + 1).to_string()
}

fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

/// The passes for payments in parts.
const SPLITS: &str = r#"  # One entry paid in several lines, and several entries paid in one. Sums meet by chance; what the
  # records have in common besides decides.
  - name: instalments
    cardinality: oneToMany
    block: &common
      - [currency, "substr(party, 1, 6)", "near(date, 30)"]
      - ["words(concat(reference, ' ', memo), 20)"]
    sum: {column: amount, abs: "0.05", maxParts: 6}
    compare: &evidence
      - {column: date, date: {minDays: -7, maxDays: 30}, required: true}
      - {column: party, text: {method: jaroWinkler, atLeast: 0.7}}
      - {column: reference, text: {method: levenshtein, atLeast: 0.6}}
      - {column: memo, text: {method: tokenSet, atLeast: 0.5}}
      - {left: reference, right: memo, text: {method: tokenSet, atLeast: 0.5}}
    score: fellegiSunter
    accept: 0.5
  - name: collective
    cardinality: manyToOne
    block: *common
    sum: {column: amount, abs: "0.05", maxParts: 6}
    compare: *evidence
    score: fellegiSunter
    accept: 0.5
"#;

const JOB: &str = r#"# A generated ledger against a generated statement; truth.csv has the true pairs.
#   reconcile run job.yaml
left:
  name: ledger
  source: {uri: left.csv}
  key: [entry_id]
  columns:
    - {name: amount, type: "decimal(18,2)"}
    - {name: date, from: booked, type: date}
    - {name: reference, type: text}
right:
  name: statement
  source: {uri: right.csv}
  key: [line]
  columns:
    - {name: amount, type: "decimal(18,2)"}
    - {name: date, from: value_date, type: date}
    - {name: reference, type: text}
    - {name: memo, from: text}
normalize:
  - {column: party, steps: [nfkc, basicLatin, lowercase, stripPunctuation, collapseWhitespace]}
  - {column: reference, steps: [lowercase, stripPunctuation, collapseWhitespace]}
  - {column: memo, steps: [nfkc, basicLatin, lowercase, stripPunctuation, collapseWhitespace]}
passes:
  # The reference and the amount agree: nothing to discuss.
  - name: exact
    compare:
      - {column: reference, exact: {}}
      - {column: amount, exact: {}}
      - {column: currency, exact: {}}
{splits}  # One of the two agrees; the rest must speak for it.
  - name: fuzzy
    block:
      - [currency, amount]
      - [currency, reference]
      - [currency, "substr(party, 1, 6)", "floor(amount / 50)"]
    score: weighted
    compare:
      - {column: amount, number: {abs: "35.00", percent: "3"}, weight: 4, required: true}
      - {column: date, date: {minDays: -4, maxDays: 21}, weight: 2, required: true}
      - {column: party, text: {method: jaroWinkler, atLeast: 0.8}, weight: 3, nulls: neutral}
      - {column: reference, text: {method: levenshtein, atLeast: 0.7}, weight: 3, nulls: neutral}
      - {column: memo, text: {method: jaroWinkler, atLeast: 0.7}, weight: 1, nulls: neutral}
    accept: 0.75
    review: 0.6
output: {formats: [parquet, csv, html]}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_written_as_decimals() {
        assert_eq!(decimal(5), "0.05");
        assert_eq!(decimal(-1234), "-12.34");
        assert_eq!(decimal(-100_000), "-1000.00");
    }

    #[test]
    fn a_row_finds_its_payment_also_behind_one_without_rows() {
        let starts = [0, 2, 2, 5];
        assert_eq!(owner(&starts, 1), (0, 1));
        assert_eq!(owner(&starts, 2), (2, 0));
        assert_eq!(owner(&starts, 4), (2, 2));
        assert_eq!(owner(&starts, 5), (3, 0));
    }
}
