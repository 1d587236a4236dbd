//! Two lists of customers.

mod parameters;
mod person;
mod record;

use super::Counts;
use super::names::Names;
use super::output::{CsvFile, Error, Folder};
use super::random::{Random, Subject};
use super::shuffle::Shuffle;
use super::typo::Typing;
pub use parameters::Parameters;
use person::Population;
use record::{Clerk, Record};

/// Writes `rows` rows a side. `noise` multiplies the rates of errors.
///
/// The persons from 0 to the overlap are on both sides; the left side's others follow, then the
/// right side's.
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
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the rows"
    )]
    let both = (libm::round(f64::from(rows) * parameters.overlap) as u32).min(rows);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and below twice the rows"
    )]
    let households =
        (f64::from(rows) * (2.0 - parameters.overlap) / parameters.persons_per_household) as usize;
    let population = Population {
        parameters,
        names: Names::new(),
        seed,
        households: households.max(1),
    };
    let left = Shuffle::new(rows, seed, Subject::LeftOrder);
    let right = Shuffle::new(rows, seed, Subject::RightOrder);
    folder.job(JOB)?;

    let clerk = Clerk {
        parameters,
        typing: Typing::default(),
        errors: noise * parameters.left_errors,
        later: false,
    };
    let mut file = folder.csv("left.csv", &HEADER)?;
    let mut truth = folder.csv("truth.csv", &["left_key", "right_key"])?;
    for row in left.order() {
        let key = left_key(left.position(row));
        if row < both {
            truth.row(&[&key, &right_key(right.position(row))])?;
        }
        let mut random = Random::new(seed, Subject::LeftCopy, u64::from(row));
        let record = clerk.record(population.person(row), &population, &mut random);
        put(&mut file, &key, &record)?;
    }
    file.finish()?;
    truth.finish()?;

    let clerk = Clerk {
        errors: noise,
        later: true,
        ..clerk
    };
    let mut file = folder.csv("right.csv", &HEADER)?;
    for row in right.order() {
        let key = right_key(right.position(row));
        let person = if row < both { row } else { row - both + rows };
        let mut random = Random::new(seed, Subject::RightCopy, u64::from(row));
        let record = clerk.record(population.person(person), &population, &mut random);
        put(&mut file, &key, &record)?;
    }
    file.finish()?;
    Ok(Counts {
        left: rows as usize,
        right: rows as usize,
        truth: both as usize,
    })
}

const HEADER: [&str; 9] = [
    "id",
    "given_name",
    "surname",
    "birth_date",
    "street",
    "house_number",
    "town",
    "postcode",
    "phone",
];

fn put(file: &mut CsvFile, key: &str, record: &Record) -> Result<(), Error> {
    file.row(&[
        key,
        &record.given,
        &record.surname,
        &record.birth,
        &record.street,
        &record.house,
        &record.town,
        &record.postcode,
        &record.phone,
    ])
}

fn left_key(position: u32) -> String {
    format!("C{:07}", u64::from(position) + 1)
}

fn right_key(position: u32) -> String {
    (u64::from(position) + 1).to_string()
}

const JOB: &str = r"# Two generated lists of customers; truth.csv has the true pairs.
#   reconcile run job.yaml
left:
  name: customers
  source: {uri: left.csv}
  key: [id]
  columns:
    - {name: birth_date, type: text}
    - {name: house_number, type: text}
    - {name: postcode, type: text}
    - {name: phone, type: text}
right:
  name: prospects
  source: {uri: right.csv}
  key: [id]
  columns:
    - {name: birth_date, type: text}
    - {name: house_number, type: text}
    - {name: postcode, type: text}
    - {name: phone, type: text}
normalize:
  - {column: given_name, steps: [nfkc, lowercase, stripPunctuation, collapseWhitespace]}
  - {column: surname, steps: [nfkc, lowercase, stripPunctuation, collapseWhitespace]}
  - {column: street, steps: [nfkc, lowercase, stripPunctuation, collapseWhitespace]}
  - {column: town, steps: [nfkc, lowercase, stripPunctuation, collapseWhitespace]}
passes:
  - name: persons
    # An error spoils one of these, hardly ever all of them.
    block:
      - [birth_date]
      - [surname, given_name]
      - [postcode, street]
    score: weighted
    compare:
      - {column: given_name, text: {method: jaroWinkler, atLeast: 0.75}, weight: 3, nulls: neutral}
      - {column: surname, text: {method: jaroWinkler, atLeast: 0.75}, weight: 4, nulls: neutral}
      - {column: birth_date, text: {method: levenshtein, atLeast: 0.7}, weight: 4, nulls: neutral}
      - {column: street, text: {method: jaroWinkler, atLeast: 0.75}, weight: 1, nulls: neutral}
      - {column: house_number, text: {method: levenshtein, atLeast: 0.5}, weight: 1, nulls: neutral}
      - {column: town, text: {method: jaroWinkler, atLeast: 0.75}, weight: 1, nulls: neutral}
      - {column: postcode, text: {method: levenshtein, atLeast: 0.5}, weight: 1, nulls: neutral}
      - {column: phone, text: {method: levenshtein, atLeast: 0.8}, weight: 2, nulls: neutral}
    accept: 0.7
    review: 0.6
output: {formats: [parquet, csv, html]}
";
