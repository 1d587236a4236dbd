//! The values of a column as texts.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

/// The text of one value; empty for a null.
///
/// # Errors
/// Those of [`Texts::of`] and [`Texts::text`].
pub fn text(column: &ArrayRef, row: usize) -> Result<String, ArrowError> {
    Texts::of(column)?.text(row)
}

/// Writes the values of one column. A date or a time that lies beyond every calendar, as a damaged
/// file may hold, is written as the number that it is stored as.
pub struct Texts<'a> {
    formatter: ArrayFormatter<'a>,
    column: &'a ArrayRef,
}

impl<'a> Texts<'a> {
    /// The texts of a column.
    ///
    /// # Errors
    /// When Arrow cannot write the column's type.
    pub fn of(column: &'a ArrayRef) -> Result<Self, ArrowError> {
        const OPTIONS: FormatOptions<'static> = FormatOptions::new();
        Ok(Self {
            formatter: ArrayFormatter::try_new(column, &OPTIONS)?,
            column,
        })
    }

    /// The text of a value; empty for a null.
    ///
    /// # Errors
    /// When Arrow cannot write it, which happens to dates and times alone.
    pub fn text(&self, row: usize) -> Result<String, ArrowError> {
        let mut text = String::new();
        self.write(row, &mut text)?;
        Ok(text)
    }

    /// Adds the text of a value to another.
    ///
    /// # Errors
    /// Those of [`Texts::text`].
    pub fn write(&self, row: usize, text: &mut String) -> Result<(), ArrowError> {
        let before = text.len();
        let Err(error) = self.formatter.value(row).write(text) else {
            return Ok(());
        };
        if !self.column.data_type().is_temporal() {
            return Err(error);
        }
        text.truncate(before);
        let stored = cast(&self.column.slice(row, 1), &DataType::Int64)?;
        text.push_str(&stored.as_primitive::<Int64Type>().value(0).to_string());
        Ok(())
    }
}
