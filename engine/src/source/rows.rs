//! The rows of a table, held in memory or in a file.

use crate::error::Error;
use crate::spill::Spilled;
use datafusion::arrow::array::{BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;

/// Rows that are judged at once.
const ROWS_PER_STEP: usize = 1 << 16;

/// The values of rows, in the order of the file.
#[derive(Debug)]
pub enum Rows {
    /// In memory.
    Held(RecordBatch),
    /// In a file.
    Spilled(Spilled),
}

impl Rows {
    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Held(batch) => batch.schema(),
            Self::Spilled(spilled) => spilled.schema().clone(),
        }
    }

    /// All rows in memory.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn whole(self) -> Result<RecordBatch, Error> {
        match self {
            Self::Held(batch) => Ok(batch),
            Self::Spilled(spilled) => {
                let columns: Vec<usize> = (0..spilled.schema().fields().len()).collect();
                spilled.whole(&columns)
            }
        }
    }

    /// The same rows under some of their columns, by place.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn project(self, columns: &[usize]) -> Result<Self, Error> {
        Ok(match self {
            Self::Held(batch) => Self::Held(batch.project(columns)?),
            Self::Spilled(spilled) => Self::Spilled(spilled.project(columns)?),
        })
    }

    /// The rows for which `judge` holds, and which of all rows they are. It gets some rows and the
    /// number of the first one.
    ///
    /// # Errors
    /// When `judge` fails, or rows cannot be read or written.
    pub fn filtered(
        self,
        mut judge: impl FnMut(&RecordBatch, usize) -> Result<Vec<bool>, Error>,
    ) -> Result<(Self, Vec<bool>), Error> {
        let mut kept = Vec::new();
        let rows = match self {
            Self::Held(batch) => {
                let rows = batch.num_rows();
                for first in (0..rows).step_by(ROWS_PER_STEP) {
                    let part = batch.slice(first, ROWS_PER_STEP.min(rows - first));
                    kept.extend(judge(&part, first)?);
                }
                let mask = BooleanArray::from(kept.clone());
                Self::Held(filter_record_batch(&batch, &mask)?)
            }
            Self::Spilled(spilled) => Self::Spilled(spilled.changed(|batch, first| {
                let judged = judge(&batch, first)?;
                kept.extend_from_slice(&judged);
                Ok(filter_record_batch(&batch, &BooleanArray::from(judged))?)
            })?),
        };
        Ok((rows, kept))
    }
}
