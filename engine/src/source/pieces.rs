//! Columns that arrive in pieces and are put together at the end.

use super::rows::Rows;
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::spill::{Spill, Spilled, weight};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

/// What the 32-bit offsets of an Arrow text column can address.
const MAX_TEXT: usize = i32::MAX as usize;

/// The pieces of each column, in the order of the file: in memory while there is room, else in a
/// file.
pub struct Pieces {
    columns: Vec<Column>,
    rows: usize,
    /// How many pieces there are in memory, and their bytes.
    held: usize,
    bytes: u64,
    holding: Arc<Holding>,
    spill: Option<Spill>,
}

struct Column {
    name: String,
    data_type: Option<DataType>,
    pieces: Vec<ArrayRef>,
    /// How many pieces and rows there were before this column showed up.
    late: (usize, usize),
    text: usize,
}

impl Pieces {
    /// No pieces yet of columns with these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let columns = names.into_iter().map(|name| Column {
            name,
            data_type: None,
            pieces: Vec::new(),
            late: (0, 0),
            text: 0,
        });
        Self {
            columns: columns.collect(),
            rows: 0,
            held: 0,
            bytes: 0,
            holding: Arc::new(Holding::new(u64::MAX)),
            spill: None,
        }
    }

    /// Holds no more than there is room for.
    pub fn within(&mut self, holding: &Arc<Holding>) {
        self.holding = holding.clone();
    }

    /// Adds the next rows, one piece a column.
    ///
    /// # Errors
    /// When there are more rows or there is more text than Arrow's offsets can address, or the rows
    /// cannot be spilled.
    pub fn push(&mut self, file: &InputFile, arrays: Vec<ArrayRef>) -> Result<(), Error> {
        self.rows += arrays.first().map_or(0, Array::len);
        if u32::try_from(self.rows).is_err() {
            return Err(Error::input(
                file,
                "the file has over 4,294,967,295 rows; split it and run its parts",
            ));
        }
        let mut bytes = 0;
        for (column, array) in self.columns.iter_mut().zip(arrays) {
            bytes += weight(&array);
            column
                .data_type
                .get_or_insert_with(|| array.data_type().clone());
            if let Some(texts) = array.as_string_opt::<i32>() {
                let offsets = texts.value_offsets();
                let (first, last) = (offsets.first(), offsets.last());
                let bytes = last.zip(first).map_or(0, |(last, first)| last - first);
                column.text += usize::try_from(bytes).unwrap_or(0);
                if column.text > MAX_TEXT {
                    return Err(Error::input(
                        file,
                        format!(
                            "the column `{}` holds over 2 GiB of text; split the file and run its \
                             parts",
                            column.name
                        ),
                    ));
                }
            }
            column.pieces.push(array);
        }
        self.held += 1;
        self.bytes += bytes;
        if self.holding.take(bytes) && self.spill.is_none() {
            return Ok(());
        }
        self.spill_pieces()
    }

    /// Moves the pieces from memory to the file.
    fn spill_pieces(&mut self) -> Result<(), Error> {
        let mut spill = match self.spill.take() {
            Some(spill) => spill,
            None => Spill::new()?,
        };
        for piece in 0..self.held {
            let mut fields = Vec::new();
            let mut arrays = Vec::new();
            for column in &mut self.columns {
                // A column that showed up later stands after all that were there.
                let Some(at) = piece.checked_sub(column.late.0) else {
                    continue;
                };
                let array = column.pieces[at].clone();
                fields.push(Field::new(&column.name, array.data_type().clone(), true));
                arrays.push(array);
            }
            spill.push(&RecordBatch::try_new(
                Arc::new(Schema::new(fields)),
                arrays,
            )?)?;
        }
        for column in &mut self.columns {
            column.pieces.clear();
            column.late.0 = 0;
        }
        self.holding.give(self.bytes);
        (self.held, self.bytes) = (0, 0);
        self.spill = Some(spill);
        Ok(())
    }

    /// Adds a column that is null in all rows that are there already.
    pub fn add_column(&mut self, name: String, data_type: &DataType) {
        self.columns.push(Column {
            name,
            data_type: Some(data_type.clone()),
            pieces: Vec::new(),
            late: (self.held, self.rows),
            text: 0,
        });
    }

    /// The rows. Of those in memory each column's pieces are freed before the next one's are joined.
    ///
    /// # Errors
    /// When Arrow cannot join them, or the rows cannot be spilled.
    pub fn finish(mut self) -> Result<Rows, Error> {
        if self.spill.is_some() {
            self.spill_pieces()?;
        }
        let fields = |columns: &[Column]| {
            let fields = columns.iter().map(|column| {
                let data_type = column.data_type.clone().unwrap_or(DataType::Null);
                Field::new(&column.name, data_type, true)
            });
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        };
        let schema = fields(&self.columns);
        if let Some(spill) = self.spill {
            return Ok(Rows::Spilled(Spilled::new(spill, schema)));
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for mut column in self.columns {
            if let (Some(data_type), 1..) = (&column.data_type, column.late.1) {
                let nulls = new_null_array(data_type, column.late.1);
                column.pieces.insert(0, nulls);
            }
            let pieces: Vec<&dyn Array> = column.pieces.iter().map(AsRef::as_ref).collect();
            let array = match pieces.as_slice() {
                [_] => column.pieces[0].clone(),
                pieces => concat(pieces)?,
            };
            arrays.push(array);
        }
        Ok(Rows::Held(RecordBatch::try_new(schema, arrays)?))
    }
}
