//! The exceptions of a run, read from its outputs before they are published.
//!
//! Each outcome keeps its first rows in the order of the outputs, up to a bound, and counts all of
//! them. A group that a person decides is kept whole or not at all.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;

use crate::db::exceptions::{Exception, Exceptions, Outcome};

/// Longer texts are cut, so that a row of the table stays small whatever a file holds.
const MAX_TEXT: usize = 4000;

/// Why the outputs could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The file system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A file that is none of the engine's.
    #[error("{0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A column that is none of the engine's.
    #[error("{0}")]
    Arrow(#[from] ArrowError),
}

/// Reads the exceptions of the outputs in a directory.
///
/// # Errors
/// When an output cannot be read.
pub(super) fn collect(directory: &Path, bound: usize) -> Result<Exceptions, Error> {
    let mut found = Exceptions::default();
    let pairs = Pairs::read(&directory.join("pairs.parquet"), bound)?;
    let groups = pairs.whole_groups();
    found.reviews = i32::try_from(groups.len()).unwrap_or(i32::MAX);
    let Pairs {
        review, differing, ..
    } = pairs;
    found.counts.review.found = review.found;
    found.counts.differing.found = differing.found;
    let kept = |row: &Exception| row.group_id.as_ref().is_some_and(|id| groups.contains(id));
    add(&mut found, review.rows.into_iter().filter(kept));
    add(&mut found, differing.rows);
    for (name, outcome) in [
        ("duplicates.parquet", Outcome::Duplicate),
        ("rejected.parquet", Outcome::Rejected),
    ] {
        let rows = set_aside(&directory.join(name), outcome, bound)?;
        found.counts.of(outcome).found = rows.found;
        add(&mut found, rows.rows);
    }
    for side in ["left", "right"] {
        let path = directory.join(format!("unmatched_{side}.parquet"));
        let left = bound - usize::try_from(found.counts.unmatched.kept).unwrap_or(bound);
        let rows = unmatched(&path, side, left)?;
        found.counts.unmatched.found += rows.found;
        add(&mut found, rows.rows);
    }
    Ok(found)
}

fn add(found: &mut Exceptions, rows: impl IntoIterator<Item = Exception>) {
    for mut row in rows {
        found.counts.of(row.outcome).kept += 1;
        row.number = i32::try_from(found.rows.len() + 1).unwrap_or(i32::MAX);
        found.rows.push(row);
    }
}

/// The first rows of an outcome, and how many there are.
#[derive(Default)]
struct First {
    rows: Vec<Exception>,
    found: u64,
}

impl First {
    /// Counts a row, and keeps it while there is room.
    fn push(&mut self, bound: usize, row: impl FnOnce() -> Exception) -> bool {
        self.found += 1;
        let room = self.rows.len() < bound;
        if room {
            self.rows.push(row());
        }
        room
    }
}

#[derive(Default)]
struct Pairs {
    review: First,
    differing: First,
    /// The groups of review pairs that are kept, and whether all their pairs are.
    groups: HashMap<String, bool>,
}

impl Pairs {
    fn read(path: &Path, bound: usize) -> Result<Self, Error> {
        let mut pairs = Self::default();
        for batch in batches(path, None)? {
            let batch = batch?;
            let review = PairColumns::of(&with_outcome(&batch, Outcome::Review)?)?;
            for row in 0..review.score.len() {
                let kept = pairs
                    .review
                    .push(bound, || review.row(row, Outcome::Review));
                let group = review.group[row].clone().unwrap_or_default();
                if kept {
                    pairs.groups.entry(group).or_insert(true);
                } else if let Some(whole) = pairs.groups.get_mut(&group) {
                    *whole = false;
                }
            }
            let differing = PairColumns::of(&with_outcome(&batch, Outcome::Differing)?)?;
            for row in 0..differing.score.len() {
                pairs
                    .differing
                    .push(bound, || differing.row(row, Outcome::Differing));
            }
        }
        Ok(pairs)
    }

    fn whole_groups(&self) -> HashSet<String> {
        let whole = self.groups.iter().filter(|(_, whole)| **whole);
        whole.map(|(id, _)| id.clone()).collect()
    }
}

/// The rows of a batch of pairs that have an outcome.
fn with_outcome(batch: &RecordBatch, outcome: Outcome) -> Result<RecordBatch, Error> {
    let outcomes = column(batch, "outcome", &DataType::Utf8)?;
    let wanted = outcomes.as_string::<i32>().iter();
    let wanted: BooleanArray = wanted
        .map(|it| Some(it == Some(outcome.as_str())))
        .collect();
    Ok(filter_record_batch(batch, &wanted)?)
}

struct PairColumns {
    left: Vec<Option<String>>,
    right: Vec<Option<String>>,
    group: Vec<Option<String>>,
    pass: Vec<Option<String>>,
    reason: Vec<Option<String>>,
    score: Vec<Option<f64>>,
}

impl PairColumns {
    fn of(batch: &RecordBatch) -> Result<Self, Error> {
        let scores = column(batch, "score", &DataType::Float64)?;
        Ok(Self {
            left: texts(batch, "left_key")?,
            right: texts(batch, "right_key")?,
            group: texts(batch, "group_id")?,
            pass: texts(batch, "pass")?,
            reason: texts(batch, "reason")?,
            score: scores.as_primitive::<Float64Type>().iter().collect(),
        })
    }

    fn row(&self, row: usize, outcome: Outcome) -> Exception {
        Exception {
            number: 0,
            outcome,
            side: None,
            left_key: Some(self.left[row].clone().unwrap_or_default()),
            right_key: Some(self.right[row].clone().unwrap_or_default()),
            group_id: Some(self.group[row].clone().unwrap_or_default()),
            pass: Some(self.pass[row].clone().unwrap_or_default()),
            score: Some(self.score[row].unwrap_or_default()),
            line: None,
            source_column: None,
            reason: self.reason[row].clone().unwrap_or_default(),
        }
    }
}

/// A row of one side.
fn of_side(outcome: Outcome, side: Option<String>, key: Option<String>) -> Exception {
    let (left_key, right_key) = match side.as_deref() {
        Some("left") => (key, None),
        _ => (None, key),
    };
    Exception {
        number: 0,
        outcome,
        side,
        left_key,
        right_key,
        group_id: None,
        pass: None,
        score: None,
        line: None,
        source_column: None,
        reason: String::new(),
    }
}

/// Rows that take no part: rejected ones and duplicates.
fn set_aside(path: &Path, outcome: Outcome, bound: usize) -> Result<First, Error> {
    let mut first = First::default();
    for batch in batches(path, None)? {
        let batch = batch?;
        let (sides, reasons) = (texts(&batch, "side")?, texts(&batch, "reason")?);
        let lines = column(&batch, "line", &DataType::Int64)?;
        let lines = lines.as_primitive::<Int64Type>();
        let optional = |name: &str| match batch.column_by_name(name) {
            Some(_) => texts(&batch, name),
            None => Ok(vec![None; batch.num_rows()]),
        };
        let (keys, columns) = (optional("key")?, optional("column")?);
        for row in 0..batch.num_rows() {
            first.push(bound, || Exception {
                line: lines.is_valid(row).then(|| lines.value(row)),
                source_column: columns[row].clone(),
                reason: reasons[row].clone().unwrap_or_default(),
                ..of_side(outcome, sides[row].clone(), keys[row].clone())
            });
        }
    }
    Ok(first)
}

/// Records without a counterpart. Their key is the first column, whatever it is called.
fn unmatched(path: &Path, side: &str, bound: usize) -> Result<First, Error> {
    let mut first = First::default();
    for batch in batches(path, Some(0))? {
        let batch = batch?;
        let keys = cast(batch.column(0), &DataType::Utf8)?;
        for key in keys.as_string::<i32>() {
            first.push(bound, || Exception {
                reason: "no record of the other side was paired with it".into(),
                ..of_side(Outcome::Unmatched, Some(side.into()), key.map(storable))
            });
        }
    }
    Ok(first)
}

fn batches(
    path: &Path,
    only: Option<usize>,
) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, Error> {
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    if let Some(column) = only {
        let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
        builder = builder.with_projection(mask);
    }
    Ok(builder.with_batch_size(8192).build()?)
}

fn column(batch: &RecordBatch, name: &str, kind: &DataType) -> Result<ArrayRef, Error> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
    Ok(cast(column, kind)?)
}

fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<Option<String>>, Error> {
    let column = column(batch, name, &DataType::Utf8)?;
    let texts = column.as_string::<i32>().iter();
    Ok(texts.map(|text| text.map(storable)).collect())
}

/// A bounded text without NUL, which PostgreSQL's text cannot hold.
pub(super) fn storable(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\0' { '\u{fffd}' } else { c })
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Pairs, storable};
    use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use std::fs::File;
    use std::path::Path;
    use std::sync::Arc;

    fn write(path: &Path, groups: &[&str]) {
        let texts =
            |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; groups.len()])) };
        let columns = [
            ("left_key", texts("l")),
            ("right_key", texts("r")),
            ("group_id", Arc::new(StringArray::from(groups.to_vec()))),
            ("pass", texts("p")),
            ("outcome", texts("review")),
            ("reason", texts("why")),
            (
                "score",
                Arc::new(Float64Array::from(vec![0.5; groups.len()])),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let file = File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn a_group_that_does_not_fit_is_not_kept_in_part() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pairs.parquet");
        write(&path, &["a", "b", "a", "b", "c"]);
        let kept = |bound| {
            let pairs = Pairs::read(&path, bound).unwrap();
            let mut groups: Vec<String> = pairs.whole_groups().into_iter().collect();
            groups.sort();
            (pairs.review.found, groups.concat())
        };
        assert_eq!(kept(5), (5, "abc".into()));
        assert_eq!(kept(4), (5, "ab".into()));
        assert_eq!(kept(3), (5, "a".into()));
        assert_eq!(kept(2), (5, String::new()));
    }

    #[test]
    fn texts_are_cut_and_without_nul() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert_eq!(storable(&"é".repeat(5000)).chars().count(), 4000);
    }
}
