//! Plain pairs as rows of the output of pairs, for those who ask for all of them.

use crate::error::Error;
use crate::explain;
use crate::outcome::Outcome;
use crate::plan::PassPlan;
use crate::prepare::Prepared;
use crate::records::{key_texts, sortable};
use crate::report::{PairRows, pair_rows};
use crate::score::Explained;
use crds::matching::{Dataset, MatchingSpec};
use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt32Array, new_null_array};
use datafusion::arrow::compute::{cast, concat_batches, take_record_batch};
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
    /// The places of the left key's columns among the records' columns.
    left_key: Vec<usize>,
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
        [lefts, rights]: [&Prepared; 2],
    ) -> Result<Self, Error> {
        let sorted = sortable(keys.columns())?;
        let mut order: Vec<u32> = (0..).take(keys.num_rows()).collect();
        order.sort_unstable_by(|&a, &b| sorted.row(a as usize).cmp(&sorted.row(b as usize)));
        let left = lefts.values.schema();
        let key = spec.left.key.iter().map(|name| left.index_of(name));
        Ok(Self {
            pass,
            left_key: key.collect::<Result<_, _>>()?,
            left: (&spec.left, left),
            right: (&spec.right, rights.values.schema()),
            keys,
            sorted,
            order,
        })
    }

    /// The places of the left key's columns.
    #[must_use]
    pub fn left_key(&self) -> &[usize] {
        &self.left_key
    }

    /// Begins to list the plain pairs among others.
    #[must_use]
    pub fn merging(&self) -> Merging<'_> {
        Merging {
            listing: self,
            next: 0,
        }
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

/// The plain pairs on their way into the list of all.
pub struct Merging<'a> {
    listing: &'a Listing<'a>,
    /// The first plain pair that is not written yet.
    next: usize,
}

impl Merging<'_> {
    /// Gives more of the others to `write`, by left key, and the plain pairs before them. `others` are
    /// rows of the output, `keys` the columns of their left keys.
    ///
    /// # Errors
    /// When `write` fails, or Arrow cannot write a value of the key.
    pub fn add(
        &mut self,
        others: &RecordBatch,
        keys: &[ArrayRef],
        write: &mut dyn FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let theirs = sortable(keys)?;
        let (order, sorted) = (&self.listing.order, &self.listing.sorted);
        let mut first = 0;
        while first < others.num_rows() {
            // So many plain pairs at most, and the others among and right after them.
            let plain = &order[self.next..(self.next + STEP).min(order.len())];
            let mut taken = 0;
            let mut next = first;
            // Of the rows of both, which one comes when: the plain ones are numbered first.
            let mut merged: Vec<(bool, usize)> = Vec::new();
            while next < others.num_rows() {
                let key = theirs.row(next);
                while taken < plain.len() && sorted.row(plain[taken] as usize) < key {
                    merged.push((true, taken));
                    taken += 1;
                }
                if taken == plain.len() && self.next + taken < order.len() {
                    break;
                }
                merged.push((false, next - first));
                next += 1;
            }
            let both = [
                self.listing.rows(&plain[..taken])?,
                others.slice(first, next - first),
            ];
            let both = concat_batches(&others.schema(), &both)?;
            let merged = merged.into_iter().map(|(is_plain, place)| {
                let place = if is_plain { place } else { taken + place };
                u32::try_from(place).unwrap_or(u32::MAX)
            });
            let merged = UInt32Array::from_iter_values(merged);
            write(&take_record_batch(&both, &merged)?)?;
            self.next += taken;
            first = next;
        }
        Ok(())
    }

    /// Gives the plain pairs that are left.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn finish(
        self,
        write: &mut dyn FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for step in self.listing.order[self.next..].chunks(STEP) {
            write(&self.listing.rows(step)?)?;
        }
        Ok(())
    }
}
