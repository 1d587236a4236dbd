//! The lists of a run's outputs, batch after batch.

use super::reasons::Reasons;
use crate::diff::{self, Found};
use crate::error::Error;
use crate::ledger::Pair;
use crate::outcome::Side;
use crate::plan::Plan;
use crate::prepare::Prepared;
use crate::records::{Duplicate, Records};
use crate::score::Scoring;
use crate::source::Rejected;
use crate::values::{Form, Window};
use crds::matching::MatchingSpec;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows of a batch.
const STEP: usize = 8192;
/// How many windows into values stand beside each other while pairs are written.
const WINDOWS: usize = 4;

/// What the outputs of a run are made from.
pub struct Results<'a> {
    /// The job.
    pub spec: &'a MatchingSpec,
    /// Its plan.
    pub plan: &'a Plan,
    /// The left and the right side.
    pub sides: [&'a Prepared; 2],
    /// The pairs, by left key.
    pub pairs: &'a [Pair],
    /// Those of the pairs that the outputs list, by index.
    pub shown: &'a [u32],
    /// What scored the pairs of each pass.
    pub scorings: &'a [Option<Scoring>],
    /// What differs between the records of pairs, in the order of pairs, then of the specification.
    pub found: &'a [Found],
    /// Unmatched records of either side, by key.
    pub unmatched: [Vec<u32>; 2],
    /// The names of both files, for messages.
    pub files: [&'a str; 2],
}

/// Takes rows of pairs and columns of their left records.
pub type KeyedRows<'a> = dyn FnMut(&RecordBatch, &[ArrayRef]) -> Result<(), Error> + 'a;

/// A list of the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Pairs.
    Pairs,
    /// What differs between the records of pairs.
    Differences,
    /// Records in no pair, of the left (0) or the right (1) side.
    Unmatched(usize),
    /// Rows that could not be read or have no key.
    Rejected,
    /// Rows that share a key.
    Duplicates,
}

impl Results<'_> {
    /// How many rows a list has.
    #[must_use]
    pub fn count(&self, list: List) -> usize {
        let both =
            |of: fn(&Records) -> usize| self.sides.map(|side| of(&side.records)).iter().sum();
        match list {
            List::Pairs => self.shown.len(),
            List::Differences => self.found.len(),
            List::Unmatched(side) => self.unmatched[side].len(),
            List::Rejected => both(|records| records.rejected.len()),
            List::Duplicates => both(|records| records.duplicates.len()),
        }
    }

    /// The columns of a list.
    ///
    /// # Errors
    /// Only if Arrow refuses columns of one length.
    pub fn schema(&self, list: List) -> Result<SchemaRef, Error> {
        let rows = match list {
            List::Pairs => pair_rows(&PairRows::default())?,
            List::Differences => self.differences(&[])?,
            List::Unmatched(side) => self.unmatched_rows(side, &[])?,
            List::Rejected => Self::rejected(&[])?,
            List::Duplicates => Self::duplicates(&[])?,
        };
        Ok(rows.schema())
    }

    /// Gives the rows of a list to `write`, batch after batch.
    ///
    /// # Errors
    /// When `write` fails, or values cannot be read back.
    pub fn each(
        &self,
        list: List,
        write: &mut dyn FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match list {
            List::Pairs => self.each_pair(&[], &mut |batch, _| write(batch)),
            List::Differences => {
                let [left, right] = diff::columns(&self.plan.differences);
                let [lefts, rights] = self.sides.map(|side| &side.values);
                let most = lefts.rows_at_a_time(Form::Original, &left);
                let most = most.min(rights.rows_at_a_time(Form::Original, &right)) / 2;
                for part in self.found.chunks(most.max(1)) {
                    let windows = self.windows(part)?;
                    for step in part.chunks(STEP) {
                        write(&self.differences_in(&windows, step)?)?;
                    }
                }
                Ok(())
            }
            List::Unmatched(side) => {
                let values = &self.sides[side].values;
                let most = values.rows_at_a_time(Form::Original, &values.all_columns());
                for part in self.unmatched[side].chunks(most.clamp(1, STEP)) {
                    write(&self.unmatched_rows(side, part)?)?;
                }
                Ok(())
            }
            List::Rejected => {
                let rows: Vec<_> = (self.named_sides())
                    .flat_map(|(side, file, records)| {
                        records.rejected.iter().map(move |row| (side, file, row))
                    })
                    .collect();
                rows.chunks(STEP)
                    .try_for_each(|part| write(&Self::rejected(part)?))
            }
            List::Duplicates => {
                let rows: Vec<_> = (self.named_sides())
                    .flat_map(|(side, file, records)| {
                        records.duplicates.iter().map(move |row| (side, file, row))
                    })
                    .collect();
                rows.chunks(STEP)
                    .try_for_each(|part| write(&Self::duplicates(part)?))
            }
        }
    }

    /// Gives the rows of pairs to `write`, batch after batch, with the original values of some columns
    /// of their left records.
    ///
    /// # Errors
    /// When `write` fails, or values cannot be read back.
    pub fn each_pair(&self, left: &[usize], write: &mut KeyedRows<'_>) -> Result<(), Error> {
        let groups = self.groups();
        let most = Reasons::rows_at_a_time(self, left) / WINDOWS;
        for part in self.shown.chunks(most.max(1)) {
            let reasons = Reasons::of(self, left, part)?;
            for step in part.chunks(STEP) {
                let shown = || step.iter().map(|&pair| &self.pairs[pair as usize]);
                let texts = shown().map(|pair| reasons.reason(pair));
                let texts = texts.collect::<Result<Vec<_>, _>>()?;
                let names = shown().map(|pair| {
                    (groups.get(&pair.group).cloned())
                        .unwrap_or_else(|| group_id(&[self.key(0, pair)], &[self.key(1, pair)]))
                });
                let passes = &self.plan.passes;
                let rows = pair_rows(&PairRows {
                    left_keys: shown().map(|pair| self.key(0, pair)).collect(),
                    right_keys: shown().map(|pair| self.key(1, pair)).collect(),
                    passes: shown()
                        .map(|pair| passes[pair.pass].name.as_str())
                        .collect(),
                    outcomes: shown().map(|pair| pair.outcome.name()).collect(),
                    scores: shown().map(|pair| pair.chosen.edge.score).collect(),
                    reasons: &texts,
                    groups: Some(names.collect()),
                })?;
                let places = shown().map(|pair| reasons.left_place(pair));
                let places = UInt32Array::from_iter_values(places);
                let columns = (left.iter())
                    .map(|&column| take(reasons.left_column(column), &places, None))
                    .collect::<Result<Vec<_>, _>>()?;
                write(&rows, &columns)?;
            }
        }
        Ok(())
    }

    /// The key of a pair's record.
    #[must_use]
    pub fn key(&self, side: usize, pair: &Pair) -> &str {
        let edge = pair.chosen.edge;
        &self.sides[side].records.keys[[edge.left, edge.right][side] as usize]
    }

    /// Some differences as rows.
    ///
    /// # Errors
    /// When values cannot be read back, or Arrow cannot write one.
    pub fn differences(&self, found: &[Found]) -> Result<RecordBatch, Error> {
        self.differences_in(&self.windows(found)?, found)
    }

    /// The original values of the records that differ.
    fn windows(&self, found: &[Found]) -> Result<[Window; 2], Error> {
        let [left, right] = diff::columns(&self.plan.differences);
        let edges = || (found.iter()).map(|found| self.pairs[found.pair as usize].chosen.edge);
        let [lefts, rights] = self.sides.map(|side| &side.values);
        Ok([
            lefts.window(Form::Original, &left, edges().map(|edge| edge.left))?,
            rights.window(Form::Original, &right, edges().map(|edge| edge.right))?,
        ])
    }

    fn differences_in(
        &self,
        [lefts, rights]: &[Window; 2],
        found: &[Found],
    ) -> Result<RecordBatch, Error> {
        let plans = &self.plan.differences;
        let pairs = || found.iter().map(|found| &self.pairs[found.pair as usize]);
        let labels = found
            .iter()
            .map(|found| plans[found.column as usize].label.as_str());
        let values = diff::values(plans, [lefts, rights], self.pairs, found)?;
        batch([
            ("left_key", texts(pairs().map(|pair| self.key(0, pair)))),
            ("right_key", texts(pairs().map(|pair| self.key(1, pair)))),
            ("column", texts(labels)),
            ("left_value", Arc::new(values.left)),
            ("right_value", Arc::new(values.right)),
            ("delta", Arc::new(values.delta)),
        ])
    }

    /// The names of the groups of several pairs, from the keys of all members.
    fn groups(&self) -> HashMap<u32, String> {
        let count = self.pairs.iter().map(|pair| pair.group + 1).max();
        let mut sizes = vec![0_u32; count.unwrap_or(0) as usize];
        for pair in self.pairs {
            sizes[pair.group as usize] += 1;
        }
        let mut members: HashMap<u32, (Vec<u32>, Vec<u32>)> = HashMap::new();
        for pair in self
            .pairs
            .iter()
            .filter(|pair| sizes[pair.group as usize] > 1)
        {
            let (lefts, rights) = members.entry(pair.group).or_default();
            lefts.push(pair.chosen.edge.left);
            rights.push(pair.chosen.edge.right);
        }
        let [left, right] = self.sides;
        let name = |(lefts, rights): (Vec<u32>, Vec<u32>)| {
            group_id(
                &member_keys(lefts, &left.records),
                &member_keys(rights, &right.records),
            )
        };
        members
            .into_iter()
            .map(|(group, ends)| (group, name(ends)))
            .collect()
    }

    /// Some unmatched records: the key, then the canonical columns with their original values. Where a
    /// canonical column is called `key` itself, the first column is `row_key`.
    ///
    /// # Errors
    /// When values cannot be read back.
    pub fn unmatched_rows(&self, side: usize, rows: &[u32]) -> Result<RecordBatch, Error> {
        let Prepared { records, values } = self.sides[side];
        let kept = values.picked(Form::Original, &values.all_columns(), rows)?;
        let taken = kept.schema().column_with_name("key").is_some();
        let name = if taken { "row_key" } else { "key" };
        let mut fields = vec![Arc::new(Field::new(name, DataType::Utf8, false))];
        fields.extend(kept.schema().fields().iter().cloned());
        let mut columns = vec![texts(rows.iter().map(|&row| &records.keys[row as usize]))];
        columns.extend(kept.columns().iter().cloned());
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns,
        )?)
    }

    fn named_sides(&self) -> impl Iterator<Item = (Side, &str, &Records)> {
        let sides = self.sides.into_iter().zip(self.files);
        let sides = [Side::Left, Side::Right].into_iter().zip(sides);
        sides.map(|(side, (prepared, file))| (side, file, &prepared.records))
    }

    fn rejected(rows: &[(Side, &str, &Rejected)]) -> Result<RecordBatch, Error> {
        batch([
            ("side", texts(rows.iter().map(|(side, ..)| side.name()))),
            ("file", texts(rows.iter().map(|(_, file, _)| *file))),
            ("line", lines(rows.iter().map(|(.., row)| row.line))),
            (
                "column",
                Arc::new(
                    rows.iter()
                        .map(|(.., row)| row.column.as_deref())
                        .collect::<StringArray>(),
                ),
            ),
            (
                "reason",
                texts(rows.iter().map(|(.., row)| row.reason.as_str())),
            ),
        ])
    }

    fn duplicates(rows: &[(Side, &str, &Duplicate)]) -> Result<RecordBatch, Error> {
        let reasons: Vec<String> = rows
            .iter()
            .map(|(.., row)| format!("{} rows have this key", row.group))
            .collect();
        batch([
            ("side", texts(rows.iter().map(|(side, ..)| side.name()))),
            ("file", texts(rows.iter().map(|(_, file, _)| *file))),
            ("line", lines(rows.iter().map(|(.., row)| row.line))),
            ("key", texts(rows.iter().map(|(.., row)| row.key.as_str()))),
            ("reason", texts(reasons.iter().map(String::as_str))),
        ])
    }
}

/// Columns of the output of pairs.
#[derive(Default)]
pub struct PairRows<'a> {
    /// The left keys.
    pub left_keys: Vec<&'a str>,
    /// The right keys.
    pub right_keys: Vec<&'a str>,
    /// The passes' names.
    pub passes: Vec<&'a str>,
    /// What became of the pairs.
    pub outcomes: Vec<&'a str>,
    /// Their scores.
    pub scores: Vec<f64>,
    /// Why they are pairs.
    pub reasons: &'a [String],
    /// The names of their groups; none where each pair is a group of its own.
    pub groups: Option<Vec<String>>,
}

/// Pairs as rows of `pairs.parquet`.
///
/// # Errors
/// Only if Arrow refuses columns of one length.
pub fn pair_rows(rows: &PairRows<'_>) -> Result<RecordBatch, Error> {
    let keys = rows.left_keys.iter().zip(&rows.right_keys);
    let groups = rows.groups.clone().unwrap_or_else(|| {
        keys.map(|(left, right)| group_id(&[left], &[right]))
            .collect()
    });
    let column = |values: &[&str]| texts(values.iter().copied());
    batch([
        ("left_key", column(&rows.left_keys)),
        ("right_key", column(&rows.right_keys)),
        ("group_id", texts(groups.iter().map(String::as_str))),
        ("pass", column(&rows.passes)),
        ("outcome", column(&rows.outcomes)),
        ("score", Arc::new(Float64Array::from(rows.scores.clone()))),
        ("reason", texts(rows.reasons.iter().map(String::as_str))),
    ])
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn lines(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, Error> {
    const NULLABLE: [&str; 4] = ["column", "left_value", "right_value", "delta"];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.map(
        |(name, array)| (name, array, NULLABLE.contains(&name)),
    ))?)
}

/// The keys of some records, in the order of keys, each once.
fn member_keys(mut rows: Vec<u32>, records: &Records) -> Vec<&str> {
    rows.sort_unstable();
    rows.dedup();
    rows.iter()
        .map(|&row| &records.keys[row as usize])
        .collect()
}

/// A name for a group of records that depends on their keys alone: 16 bytes of a hash, in hex.
fn group_id(left: &[&str], right: &[&str]) -> String {
    let mut hash = Sha256::new();
    for (side, keys) in [(b'l', left), (b'r', right)] {
        for key in keys {
            hash.update([side]);
            hash.update((key.len() as u64).to_be_bytes());
            hash.update(key.as_bytes());
        }
    }
    hex::encode(&hash.finalize()[..16])
}
