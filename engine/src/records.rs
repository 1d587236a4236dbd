//! Records: the rows of one side that take part, each under a key of its own, in the order of keys.
//!
//! From here on a record is its index, and the order of indices is the order of keys. That is what
//! makes every later step independent of the order of the input.

use crate::error::Error;
use crate::keys::Keys;
use crate::memory::Room;
use crate::outcome::Side;
use crate::source::{Rejected, Rows, Table, quoted};
use crate::written::Texts;
use crds::decode::SpecError;
use crds::matching::{Dataset, DuplicatePolicy};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, Rows as ByteRows, SortField};

/// One side's records and the rows that do not take part. The records' values are in
/// [`crate::values`].
#[derive(Debug)]
pub struct Records {
    /// The rows of the file, whatever became of them.
    pub rows: u64,
    /// The records' keys as text, in their order.
    pub keys: Keys,
    /// The rows that were rejected, in the order of the file.
    pub rejected: Vec<Rejected>,
    /// The rows that share a key with another and are set aside, in the order of keys.
    pub duplicates: Vec<Duplicate>,
}

/// Which rows of a table are records, in the order of keys; none where all are, as they stand.
pub type Order = Option<Vec<u32>>;

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
    /// Gives every row of a table its key, and sets aside rows without one and duplicates. Also
    /// returns the table's rows, and which of them are the records.
    ///
    /// # Errors
    /// When the dataset's `key` names a column that the file lacks.
    pub fn new(
        table: Table,
        dataset: &Dataset,
        policy: DuplicatePolicy,
        side: Side,
        room: Room,
    ) -> Result<(Self, Rows, Order), Error> {
        let Table {
            rows: values,
            places,
            mut rejected,
        } = table;
        let rows = places.len() as u64 + rejected.len() as u64;
        if dataset.key.is_empty() {
            let mut keys = Keys::default();
            for place in &places {
                keys.push(&place.number.to_string());
            }
            let records = Self {
                rows,
                keys,
                rejected,
                duplicates: Vec::new(),
            };
            return Ok((records, values, None));
        }
        let columns = key_columns(&values, dataset, side)?;
        let mut present = Vec::with_capacity(places.len());
        for (row, place) in (0_u32..).zip(&places) {
            match columns
                .iter()
                .position(|column| column.is_null(row as usize))
            {
                None => present.push(row),
                Some(at) => rejected.push(Rejected {
                    line: place.line,
                    column: Some(dataset.key[at].clone()),
                    reason: "is null and part of the key".into(),
                }),
            }
        }
        let texts = KeyTexts::of(&columns)?;
        let order = sortable(&columns)?;
        let key = |row: u32| order.row(row as usize);
        present.sort_by(|&a, &b| key(a).cmp(&key(b)));
        let mut kept = Vec::with_capacity(present.len());
        let mut shared: Vec<&[u32]> = Vec::new();
        for group in present.chunk_by(|&a, &b| key(a) == key(b)) {
            match group {
                [row] => kept.push(*row),
                group => shared.push(group),
            }
        }
        let firsts = match policy {
            DuplicatePolicy::First => firsts(&values, &shared, room)?,
            DuplicatePolicy::Report | DuplicatePolicy::Reject => Vec::new(),
        };
        let mut duplicates = Vec::new();
        for (at, group) in shared.iter().enumerate() {
            let first = firsts.get(at).copied();
            for &row in group.iter().filter(|&&row| Some(row) != first) {
                let line = places[row as usize].line;
                if policy == DuplicatePolicy::Reject {
                    rejected.push(Rejected {
                        line,
                        column: Some(dataset.key.join(", ")),
                        reason: format!("{} rows have this key", group.len()),
                    });
                } else {
                    duplicates.push(Duplicate {
                        line,
                        key: texts.text(row as usize)?,
                        group: group.len(),
                    });
                }
            }
        }
        if !firsts.is_empty() {
            kept.extend(firsts);
            kept.sort_by(|&a, &b| key(a).cmp(&key(b)));
        }
        drop(order);
        rejected.sort_by_key(|row| row.line);
        duplicates.sort_by(|a, b| (&a.key, a.line).cmp(&(&b.key, b.line)));
        let mut keys = Keys::default();
        for &row in &kept {
            keys.push(&texts.text(row as usize)?);
        }
        let records = Self {
            rows,
            keys,
            rejected,
            duplicates,
        };
        Ok((records, values, Some(kept)))
    }
}

/// The first row of each group in the order of all values.
fn firsts(rows: &Rows, groups: &[&[u32]], room: Room) -> Result<Vec<u32>, Error> {
    let mut firsts = Vec::with_capacity(groups.len());
    let mut first_of =
        |group: &[u32], values: &ByteRows, places: &mut dyn Iterator<Item = usize>| {
            let members = group.iter().zip(places);
            let first = members.min_by(|a, b| values.row(a.1).cmp(&values.row(b.1)));
            firsts.extend(first.map(|(row, _)| *row));
        };
    match rows {
        Rows::Held(batch) => {
            if groups.is_empty() {
                return Ok(firsts);
            }
            let values = sortable(batch.columns())?;
            for group in groups {
                let mut places = group.iter().map(|&row| row as usize);
                first_of(group, &values, &mut places);
            }
        }
        Rows::Spilled(spilled) => {
            let all: Vec<usize> = (0..spilled.schema().fields().len()).collect();
            let most = room.rows(spilled.weight(&all).saturating_mul(2), spilled.len());
            let mut rest = groups;
            while !rest.is_empty() {
                let mut members = 0;
                let count = rest.iter().position(|group| {
                    members += group.len();
                    members > most
                });
                let (some, others) = rest.split_at(count.unwrap_or(rest.len()).max(1));
                rest = others;
                let batch = spilled.gather(&some.concat(), &all)?;
                let values = sortable(batch.columns())?;
                let mut places = 0..batch.num_rows();
                for group in some {
                    first_of(group, &values, &mut places.by_ref().take(group.len()));
                }
            }
        }
    }
    Ok(firsts)
}

/// The columns of the key of all rows.
fn key_columns(rows: &Rows, dataset: &Dataset, side: Side) -> Result<Vec<ArrayRef>, Error> {
    let schema = rows.schema();
    let mut errors = Vec::new();
    let mut places = Vec::new();
    for (index, name) in dataset.key.iter().enumerate() {
        if let Ok(place) = schema.index_of(name) {
            places.push(place);
            continue;
        }
        let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
        errors.push(SpecError {
            path: format!("{}.key[{index}]", side.name()),
            message: format!("there is no column `{name}`; there are {}", quoted(&names)),
        });
    }
    if !errors.is_empty() {
        return Err(Error::Spec(errors));
    }
    Ok(match rows {
        Rows::Held(batch) => places.iter().map(|&at| batch.column(at).clone()).collect(),
        Rows::Spilled(spilled) => spilled.whole(&places)?.columns().to_vec(),
    })
}

/// Rows as bytes that sort like the values of their columns, first column first, nulls first.
pub(crate) fn sortable(columns: &[ArrayRef]) -> Result<ByteRows, ArrowError> {
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
