//! Columns that arrive in pieces and are put together at the end.

use crate::InputFile;
use crate::error::Error;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

/// What the 32-bit offsets of an Arrow text column can address.
const MAX_TEXT: usize = i32::MAX as usize;

/// The pieces of each column, in the order of the file.
pub struct Pieces {
    columns: Vec<Column>,
    rows: usize,
}

struct Column {
    name: String,
    pieces: Vec<ArrayRef>,
    text: usize,
}

impl Pieces {
    /// No pieces yet of columns with these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let columns = names.into_iter().map(|name| Column {
            name,
            pieces: Vec::new(),
            text: 0,
        });
        Self {
            columns: columns.collect(),
            rows: 0,
        }
    }

    /// Adds the next rows, one piece a column.
    ///
    /// # Errors
    /// When there are more rows or there is more text than Arrow's offsets can address.
    pub fn push(&mut self, file: &InputFile, arrays: Vec<ArrayRef>) -> Result<(), Error> {
        self.rows += arrays.first().map_or(0, Array::len);
        if u32::try_from(self.rows).is_err() {
            return Err(Error::input(
                file,
                "the file has over 4,294,967,295 rows; split it and run its parts",
            ));
        }
        for (column, array) in self.columns.iter_mut().zip(arrays) {
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
        Ok(())
    }

    /// Adds a column of nulls as long as what is there already.
    pub fn add_column(&mut self, name: String, data_type: &DataType) {
        let rows = self.rows;
        self.columns.push(Column {
            name,
            pieces: vec![datafusion::arrow::array::new_null_array(data_type, rows)],
            text: 0,
        });
    }

    /// One batch. Each column's pieces are freed before the next one's are joined.
    ///
    /// # Errors
    /// When Arrow cannot join them.
    pub fn finish(self) -> Result<RecordBatch, Error> {
        let mut fields = Vec::with_capacity(self.columns.len());
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in self.columns {
            let pieces: Vec<&dyn Array> = column.pieces.iter().map(AsRef::as_ref).collect();
            let array = match pieces.as_slice() {
                [_] => column.pieces[0].clone(),
                pieces => concat(pieces)?,
            };
            fields.push(Field::new(column.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
    }
}
