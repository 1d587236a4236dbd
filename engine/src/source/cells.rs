//! Cells, one after the other, become typed columns; a row with a bad cell is set aside.

use super::pieces::Pieces;
use super::slots::Slot;
use super::value::{self, DEFAULT_DATE_FORMAT, DateFormat};
use super::{Place, Rejected, Table, decimal_type};
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crds::matching::ColumnType;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Builder, Decimal128Builder, Int64Builder, StringBuilder,
};
use datafusion::arrow::compute::filter;
use datafusion::arrow::datatypes::DataType;
use std::sync::Arc;

/// Rows in one piece of a column.
const ROWS_PER_PIECE: usize = 1 << 15;
/// Bytes of text from which on a piece has fewer rows.
const BYTES_PER_PIECE: usize = 8 << 20;

/// One value as its file holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'c> {
    /// No value.
    Null,
    /// A text, which may also spell a number or a date.
    Text(&'c str),
    /// A number as it is written in JSON, perhaps with an exponent.
    Number(&'c str),
    /// A binary number, as spreadsheets hold them.
    Float(f64),
    /// A date with a time, as spreadsheets hold them: days since 1970-01-01 and milliseconds.
    Moment(i32, u32),
}

/// Builds a table row by row.
pub struct Cells<'a> {
    file: &'a InputFile,
    nulls: Vec<String>,
    columns: Vec<Column>,
    pieces: Pieces,
    places: Vec<Place>,
    rejected: Vec<Rejected>,
    /// Rows in the open piece, and which of them are bad.
    open: usize,
    bad: Vec<usize>,
    /// Bytes of text in the open piece.
    bytes: usize,
    fault: Option<(Option<usize>, String)>,
    number: u64,
}

struct Column {
    slot: Slot,
    builder: Builder,
    rows: usize,
}

enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Date(Date32Builder, DateFormat),
    Decimal(Decimal128Builder, u8, u8),
}

impl<'a> Cells<'a> {
    /// An empty table with these columns. `nulls` are the texts that mean null.
    ///
    /// # Errors
    /// When a date format is not understood.
    pub fn new(file: &'a InputFile, slots: Vec<Slot>, nulls: Vec<String>) -> Result<Self, Error> {
        let pieces = Pieces::new(slots.iter().map(|slot| slot.name.clone()));
        let columns = slots
            .into_iter()
            .map(|slot| {
                let builder = Builder::of(&slot).map_err(|detail| Error::input(file, detail))?;
                Ok(Column {
                    slot,
                    builder,
                    rows: 0,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            file,
            nulls,
            columns,
            pieces,
            places: Vec::new(),
            rejected: Vec::new(),
            open: 0,
            bad: Vec::new(),
            bytes: 0,
            fault: None,
            number: 0,
        })
    }

    /// Holds no more than there is room for.
    pub fn within(mut self, holding: &Arc<Holding>) -> Self {
        self.pieces.within(holding);
        self
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The place in the file of a column's values.
    pub fn index(&self, column: usize) -> usize {
        self.columns[column].slot.index
    }

    /// Adds a text column that shows up late: it is null so far. Returns its place.
    pub fn add_column(&mut self, slot: Slot) -> usize {
        self.pieces.add_column(slot.name.clone(), &DataType::Utf8);
        let mut builder = StringBuilder::new();
        builder.append_nulls(self.open);
        self.columns.push(Column {
            slot,
            builder: Builder::Text(builder),
            rows: self.open,
        });
        self.columns.len() - 1
    }

    /// Sets the value of a column in the open row.
    pub fn put(&mut self, column: usize, cell: Cell<'_>) {
        if self.fault.is_some() {
            return;
        }
        let nulls = &self.nulls;
        let target = &mut self.columns[column];
        if target.rows > self.open {
            self.fault = Some((Some(column), "occurs twice in the row".into()));
            return;
        }
        if let Cell::Text(text) | Cell::Number(text) = cell {
            self.bytes += text.len();
        }
        match target.builder.push(cell, nulls, target.slot.negate) {
            Ok(()) => target.rows += 1,
            Err(reason) => self.fault = Some((Some(column), reason)),
        }
    }

    /// Rejects the open row because of one column, or of the row as a whole.
    pub fn refuse(&mut self, column: Option<usize>, reason: impl Into<String>) {
        self.fault.get_or_insert_with(|| (column, reason.into()));
    }

    /// Ends the open row, which starts on `line`. Columns without a value are null.
    ///
    /// # Errors
    /// When the table becomes too large.
    pub fn end_row(&mut self, line: u64) -> Result<(), Error> {
        self.number += 1;
        for column in &mut self.columns {
            if column.rows == self.open {
                column.builder.push_null();
                column.rows += 1;
            }
        }
        match self.fault.take() {
            None => self.places.push(Place {
                number: self.number,
                line,
            }),
            Some((column, reason)) => {
                self.bad.push(self.open);
                self.rejected.push(Rejected {
                    line,
                    column: column.map(|column| self.columns[column].slot.from.clone()),
                    reason,
                });
            }
        }
        self.open += 1;
        if self.open == ROWS_PER_PIECE || self.bytes >= BYTES_PER_PIECE {
            self.close_piece()?;
        }
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.number
    }

    fn close_piece(&mut self) -> Result<(), Error> {
        let mut arrays: Vec<ArrayRef> = self
            .columns
            .iter_mut()
            .map(|column| {
                column.rows = 0;
                column.builder.finish()
            })
            .collect();
        if !self.bad.is_empty() {
            let mut good = vec![true; self.open];
            for row in self.bad.drain(..) {
                good[row] = false;
            }
            let good = BooleanArray::from(good);
            for array in &mut arrays {
                *array = filter(array, &good)?;
            }
        }
        (self.open, self.bytes) = (0, 0);
        self.pieces.push(self.file, arrays)
    }

    /// The table.
    ///
    /// # Errors
    /// When it is too large.
    pub fn finish(mut self) -> Result<Table, Error> {
        self.close_piece()?;
        Ok(Table {
            rows: self.pieces.finish()?,
            places: self.places,
            rejected: self.rejected,
        })
    }
}

const NOT_WHOLE: &str = "is no whole number of at most 64 bits";

impl Builder {
    fn of(slot: &Slot) -> Result<Self, String> {
        Ok(match slot.data_type.unwrap_or(ColumnType::Text) {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Date => {
                let notation = slot.date_format.as_deref().unwrap_or(DEFAULT_DATE_FORMAT);
                Self::Date(Date32Builder::new(), DateFormat::new(notation)?)
            }
            ColumnType::Decimal { precision, scale } => {
                let builder =
                    Decimal128Builder::new().with_data_type(decimal_type(precision, scale));
                Self::Decimal(builder, precision, scale)
            }
        })
    }

    fn push_null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Date(builder, _) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
        }
    }

    /// Appends the value in the column's type; appends nothing where it does not fit.
    fn push(&mut self, cell: Cell<'_>, nulls: &[String], negate: bool) -> Result<(), String> {
        let is_null = |text: &str| nulls.iter().any(|null| null == text);
        match (&mut *self, cell) {
            (_, Cell::Null) => self.push_null(),
            (_, Cell::Text(text)) if is_null(text) => self.push_null(),
            (Self::Text(builder), cell) => match cell {
                Cell::Text(text) | Cell::Number(text) => builder.append_value(text),
                other => builder.append_value(written(other)),
            },
            (_, Cell::Text(text)) if is_null(text.trim()) => self.push_null(),
            (Self::Integer(builder), cell) => {
                let integer = match cell {
                    Cell::Text(text) => value::integer(text)?,
                    Cell::Number(text) => whole(value::number(text, 19, 0))?,
                    Cell::Float(float) if float.fract() == 0.0 => {
                        whole(value::decimal_of_float(float, 19, 0))?
                    }
                    _ => return Err(NOT_WHOLE.into()),
                };
                let signed = if negate {
                    integer.checked_neg().ok_or(NOT_WHOLE)?
                } else {
                    integer
                };
                builder.append_value(signed);
            }
            (Self::Decimal(builder, precision, scale), cell) => {
                let digits = match cell {
                    Cell::Text(text) => value::decimal(text, *precision, *scale)?,
                    Cell::Number(text) => value::number(text, *precision, *scale)?,
                    Cell::Float(float) => value::decimal_of_float(float, *precision, *scale)?,
                    _ => return Err("is a date and no number".into()),
                };
                builder.append_value(if negate { -digits } else { digits });
            }
            (Self::Date(builder, format), cell) => match cell {
                Cell::Text(text) | Cell::Number(text) => builder.append_value(format.days(text)?),
                Cell::Moment(days, _) => builder.append_value(days),
                _ => return Err("is a number and no date".into()),
            },
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Date(builder, _) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
        }
    }
}

fn whole(digits: Result<i128, String>) -> Result<i64, String> {
    digits
        .ok()
        .and_then(|digits| i64::try_from(digits).ok())
        .ok_or_else(|| NOT_WHOLE.into())
}

/// A spreadsheet's value as text: the shortest decimal that denotes the number, a date in ISO 8601.
fn written(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(text) | Cell::Number(text) => text.to_owned(),
        // Zero has no sign in a table for people.
        Cell::Float(0.0) => "0".into(),
        Cell::Float(float) => float.to_string(),
        Cell::Moment(days, millis) => value::moment(days, millis),
    }
}
