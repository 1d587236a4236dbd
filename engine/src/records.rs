//! Records: the rows of one side that take part, each under a key of its own, in the order of keys.
//!
//! From here on a record is its index, and the order of indices is the order of keys. That is what
//! makes every later step independent of the order of the input.

use crate::error::Error;
use crate::outcome::Side;
use crate::source::{Rejected, Table, quoted};
use crate::written::Texts;
use crds::decode::SpecError;
use crds::matching::{Dataset, DuplicatePolicy};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, Rows, SortField};

/// One side's records and the rows that do not take part.
#[derive(Debug)]
pub struct Records {
    /// The rows of the file, whatever became of them.
    pub rows: u64,
    /// The records' canonical columns with their original values, in the order of keys.
    pub batch: RecordBatch,
    /// The records' keys as text, in the same order.
    pub keys: Vec<String>,
    /// The rows that were rejected, in the order of the file.
    pub rejected: Vec<Rejected>,
    /// The rows that share a key with another and are set aside, in the order of keys.
    pub duplicates: Vec<Duplicate>,
}

/// A row whose key another row of its side has too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The line on which the row starts.
    pub line: u64,
    /// The shared key.
    pub key: String,
    /// How many rows have it.
    pub group: usize,
}

impl Records {
    /// Gives every row of a table its key, and sets aside rows without one and duplicates.
    ///
    /// # Errors
    /// When the dataset's `key` names a column that the file lacks.
    pub fn new(
        table: Table,
        dataset: &Dataset,
        policy: DuplicatePolicy,
        side: Side,
    ) -> Result<Self, Error> {
        let rows = table.places.len() as u64 + table.rejected.len() as u64;
        let mut rejected = table.rejected;
        if dataset.key.is_empty() {
            let keys = table.places.iter().map(|place| place.number.to_string());
            return Ok(Self {
                rows,
                keys: keys.collect(),
                batch: table.batch,
                rejected,
                duplicates: Vec::new(),
            });
        }
        let columns = key_columns(&table.batch, dataset, side)?;
        let mut present = Vec::with_capacity(table.places.len());
        for (row, place) in table.places.iter().enumerate() {
            match columns.iter().position(|column| column.is_null(row)) {
                None => present.push(row),
                Some(at) => rejected.push(Rejected {
                    line: place.line,
                    column: Some(dataset.key[at].clone()),
                    reason: "is null and part of the key".into(),
                }),
            }
        }
        let order = sortable(&columns)?;
        present.sort_by(|&a, &b| order.row(a).cmp(&order.row(b)));
        let texts = KeyTexts::of(&columns)?;
        // Built only when a group of duplicates needs a first row.
        let mut whole_rows: Option<Rows> = None;
        let mut kept = Vec::with_capacity(present.len());
        let mut duplicates = Vec::new();
        for group in present.chunk_by(|&a, &b| order.row(a) == order.row(b)) {
            if let [row] = group {
                kept.push(*row);
                continue;
            }
            let mut members = group.to_vec();
            if policy == DuplicatePolicy::First {
                let values = match &whole_rows {
                    Some(rows) => rows,
                    None => whole_rows.insert(sortable(table.batch.columns())?),
                };
                members.sort_by(|&a, &b| values.row(a).cmp(&values.row(b)));
                kept.push(members.remove(0));
            }
            for row in members {
                let line = table.places[row].line;
                if policy == DuplicatePolicy::Reject {
                    rejected.push(Rejected {
                        line,
                        column: Some(dataset.key.join(", ")),
                        reason: format!("{} rows have this key", group.len()),
                    });
                } else {
                    duplicates.push(Duplicate {
                        line,
                        key: texts.text(row)?,
                        group: group.len(),
                    });
                }
            }
        }
        rejected.sort_by_key(|row| row.line);
        duplicates.sort_by(|a, b| (&a.key, a.line).cmp(&(&b.key, b.line)));
        let keys = kept
            .iter()
            .map(|&row| texts.text(row))
            .collect::<Result<_, _>>()?;
        let indices = kept
            .iter()
            .map(|&row| u32::try_from(row))
            .collect::<Result<Vec<u32>, _>>()
            .map_err(|_| Error::Internal("one side has over 4,294,967,295 rows".into()))?;
        let batch = take_record_batch(&table.batch, &UInt32Array::from(indices))?;
        Ok(Self {
            rows,
            batch,
            keys,
            rejected,
            duplicates,
        })
    }
}

impl Records {
    /// The bytes that the records take in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let keys = self
            .keys
            .iter()
            .map(|key| size_of::<String>() + key.capacity());
        (self.batch.get_array_memory_size() + keys.sum::<usize>()) as u64
    }
}

fn key_columns(batch: &RecordBatch, dataset: &Dataset, side: Side) -> Result<Vec<ArrayRef>, Error> {
    let mut errors = Vec::new();
    let mut columns = Vec::new();
    for (index, name) in dataset.key.iter().enumerate() {
        if let Some(column) = batch.column_by_name(name) {
            columns.push(column.clone());
            continue;
        }
        let schema = batch.schema();
        let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        errors.push(SpecError {
            path: format!("{}.key[{index}]", side.name()),
            message: format!("there is no column `{name}`; there are {}", quoted(&names)),
        });
    }
    if errors.is_empty() {
        Ok(columns)
    } else {
        Err(Error::Spec(errors))
    }
}

/// Rows as bytes that sort like the values of their columns, first column first, nulls first.
pub(crate) fn sortable(columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
    let fields = columns
        .iter()
        .map(|column| SortField::new(column.data_type().clone()))
        .collect();
    RowConverter::new(fields)?.convert_columns(columns)
}

/// The records' keys as text.
///
/// # Errors
/// When a column of the key is missing, or Arrow cannot write its type.
pub(crate) fn key_texts(batch: &RecordBatch, dataset: &Dataset) -> Result<Vec<String>, ArrowError> {
    let columns = dataset.key.iter().map(|name| {
        let place = batch.schema_ref().index_of(name)?;
        Ok(batch.column(place).clone())
    });
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    let texts = KeyTexts::of(&columns)?;
    (0..batch.num_rows()).map(|row| texts.text(row)).collect()
}

/// Writes keys: one column as its text, several as a JSON array of their texts.
struct KeyTexts<'a>(Vec<Texts<'a>>);

impl<'a> KeyTexts<'a> {
    fn of(columns: &'a [ArrayRef]) -> Result<Self, ArrowError> {
        let texts = columns.iter().map(Texts::of);
        texts.collect::<Result<_, _>>().map(Self)
    }

    fn text(&self, row: usize) -> Result<String, ArrowError> {
        if let [column] = self.0.as_slice() {
            return column.text(row);
        }
        let parts = self
            .0
            .iter()
            .map(|column| column.text(row))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(serde_json::Value::from(parts).to_string())
    }
}
