//! Plain pairs as rows of the output of pairs, for those who ask for all of them.

use crate::error::Error;
use crate::explain;
use crate::outcome::Outcome;
use crate::plan::PassPlan;
use crate::records::{Records, key_texts, sortable};
use crate::report::{PairRows, pair_rows};
use crate::score::Explained;
use crds::matching::{Dataset, MatchingSpec};
use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt32Array, new_null_array};
use datafusion::arrow::compute::{cast, concat_batches, take, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::row::Rows;
use std::sync::Arc;

/// Plain pairs that are written in one go.
const STEP: usize = 8192;

/// The plain pairs of a run.
pub struct Listing<'a> {
    pass: &'a PassPlan,
    left: (&'a Dataset, SchemaRef),
    right: (&'a Dataset, SchemaRef),
    keys: &'a RecordBatch,
    sorted: Rows,
    order: Vec<u32>,
}

impl<'a> Listing<'a> {
    /// `keys` holds the left key's columns of the plain rows, in no order; `lefts` and `rights` are
    /// the other records.
    ///
    /// # Errors
    /// When Arrow cannot order a column's type.
    pub fn new(
        spec: &'a MatchingSpec,
        pass: &'a PassPlan,
        keys: &'a RecordBatch,
        lefts: &Records,
        rights: &Records,
    ) -> Result<Self, Error> {
        let sorted = sortable(keys.columns())?;
        let mut order: Vec<u32> = (0..).take(keys.num_rows()).collect();
        order.sort_unstable_by(|&a, &b| sorted.row(a as usize).cmp(&sorted.row(b as usize)));
        Ok(Self {
            pass,
            left: (&spec.left, lefts.batch.schema()),
            right: (&spec.right, rights.batch.schema()),
            keys,
            sorted,
            order,
        })
    }

    /// Gives the plain pairs and the others by left key, batch after batch, to `write`. `others` are
    /// rows of the output, `rows` their left records among `lefts`, in the order of keys.
    ///
    /// # Errors
    /// When `write` fails, or Arrow cannot write a value of the key.
    pub fn merge(
        &self,
        others: &RecordBatch,
        lefts: &Records,
        rows: &[u32],
        mut write: impl FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let rows = UInt32Array::from(rows.to_vec());
        let columns = self.left.0.key.iter().map(|name| {
            let column = lefts.batch.column(lefts.batch.schema_ref().index_of(name)?);
            take(column, &rows, None)
        });
        let theirs = sortable(&columns.collect::<Result<Vec<_>, _>>()?)?;
        let mut next = 0;
        for step in self.order.chunks(STEP) {
            let plain = self.rows(step)?;
            let first = next;
            // Of the rows of both, which one comes when: the plain ones are numbered first.
            let mut merged: Vec<u32> = Vec::with_capacity(step.len());
            let mut number = plain.num_rows();
            for (place, &row) in (0_u32..).zip(step) {
                let key = self.sorted.row(row as usize);
                while next < theirs.num_rows() && theirs.row(next) < key {
                    merged.push(u32::try_from(number).unwrap_or(u32::MAX));
                    (next, number) = (next + 1, number + 1);
                }
                merged.push(place);
            }
            let both = [plain, others.slice(first, next - first)];
            let both = concat_batches(&others.schema(), &both)?;
            write(&take_record_batch(&both, &UInt32Array::from(merged))?)?;
        }
        write(&others.slice(next, others.num_rows() - next))
    }

    /// Some plain pairs as rows of the output.
    fn rows(&self, rows: &[u32]) -> Result<RecordBatch, Error> {
        let keys = take_record_batch(self.keys, &UInt32Array::from(rows.to_vec()))?;
        // Equal values are written in the type that each side has.
        let side = |schema: &SchemaRef, of: fn(&crate::plan::ComparisonPlan) -> usize| {
            let columns = schema.fields().iter().enumerate().map(|(place, field)| {
                let comparison = self.pass.comparisons.iter().find(|c| of(c) == place);
                let Some(comparison) = comparison else {
                    return Ok(new_null_array(field.data_type(), rows.len()));
                };
                let name = self.left.1.field(comparison.left).name();
                let column: &ArrayRef = keys.column(keys.schema_ref().index_of(name)?);
                Ok(cast(column, field.data_type())?)
            });
            let columns = columns.collect::<Result<Vec<_>, Error>>()?;
            Ok::<_, Error>(RecordBatch::try_new(Arc::clone(schema), columns)?)
        };
        let left = side(&self.left.1, |comparison| comparison.left)?;
        let right = side(&self.right.1, |comparison| comparison.right)?;
        let same = Explained {
            similarities: vec![1.0; self.pass.comparisons.len()],
            learned: None,
            score: 1.0,
            weight: 1.0,
        };
        let reasons = (0..rows.len())
            .map(|row| explain::reason(self.pass, &same, (&left, row), (&right, row), None))
            .collect::<Result<Vec<_>, _>>()?;
        let (left, right) = (
            key_texts(&left, self.left.0)?,
            key_texts(&right, self.right.0)?,
        );
        pair_rows(&PairRows {
            left_keys: left.iter().map(String::as_str).collect(),
            right_keys: right.iter().map(String::as_str).collect(),
            passes: vec![&self.pass.name; rows.len()],
            outcomes: vec![Outcome::Matched.name(); rows.len()],
            scores: vec![1.0; rows.len()],
            reasons: &reasons,
            groups: None,
        })
    }
}
