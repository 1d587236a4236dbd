//! Typed columns into canonical ones, a column at a time; a declared type is applied value by value.

use super::digits;
use super::pieces::Pieces;
use super::slots::Slot;
use super::value::{self, DEFAULT_DATE_FORMAT, DateFormat};
use super::{Place, Rejected, Table, decimal_type};
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::written::Texts;
use crds::matching::ColumnType;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch,
    StringArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options, filter};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Int64Type, IntervalUnit,
};
use datafusion::arrow::error::ArrowError;
use std::sync::Arc;

/// Casts that cannot represent a value make it null; the caller turns that into a rejection.
const TO_NULL: CastOptions<'static> = CastOptions {
    safe: true,
    format_options: datafusion::arrow::util::display::FormatOptions::new(),
};

/// A row of a batch that its writer could not represent, the place of the column to blame, and why.
pub type RowFault = (usize, usize, String);

/// Builds a table from batches of typed columns.
pub struct Converter<'a> {
    file: &'a InputFile,
    slots: Vec<Slot>,
    pieces: Pieces,
    places: Vec<Place>,
    rejected: Vec<Rejected>,
    number: u64,
}

impl<'a> Converter<'a> {
    /// An empty table with these columns.
    pub fn new(file: &'a InputFile, slots: Vec<Slot>) -> Self {
        Self {
            pieces: Pieces::new(slots.iter().map(|slot| slot.name.clone())),
            file,
            slots,
            places: Vec::new(),
            rejected: Vec::new(),
            number: 0,
        }
    }

    /// Holds no more than there is room for.
    pub fn within(mut self, holding: &Arc<Holding>) -> Self {
        self.pieces.within(holding);
        self
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.number
    }

    /// Adds the rows of a batch; those with a value that does not fit are set aside, and those in
    /// `written`.
    ///
    /// # Errors
    /// When a column as a whole cannot have its declared type, or the table becomes too large.
    pub fn push(&mut self, batch: &RecordBatch, written: Vec<RowFault>) -> Result<(), Error> {
        let mut bad: Vec<(usize, usize, String)> = Vec::new();
        for (row, place, reason) in written {
            let column = self.slots.iter().position(|slot| slot.index == place);
            bad.push((row, column.unwrap_or_default(), reason));
        }
        let mut arrays = Vec::with_capacity(self.slots.len());
        for (column, slot) in self.slots.iter().enumerate() {
            let converted = convert(batch.column(slot.index), slot);
            let (mut array, mut faults) =
                converted.map_err(|detail| Error::input(self.file, detail))?;
            if slot.negate {
                array = negated(&array, &mut faults).ok_or_else(|| {
                    let detail = format!(
                        "the column `{}` is {} and has no sign to turn round; declare its type as \
                         integer or decimal(p,s)",
                        slot.from,
                        array.data_type()
                    );
                    Error::input(self.file, detail)
                })?;
            }
            bad.extend(
                faults
                    .into_iter()
                    .map(|(row, reason)| (row, column, reason)),
            );
            arrays.push(array);
        }
        // The first column with a fault is the one that is named.
        bad.sort_by_key(|&(row, column, _)| (row, column));
        bad.dedup_by_key(|&mut (row, ..)| row);
        if !bad.is_empty() {
            let mut good = vec![true; batch.num_rows()];
            for (row, ..) in &bad {
                good[*row] = false;
            }
            let good = BooleanArray::from(good);
            for array in &mut arrays {
                *array = filter(array, &good)?;
            }
        }
        let mut bad = bad.into_iter().peekable();
        for row in 0..batch.num_rows() {
            self.number += 1;
            match bad.next_if(|&(at, ..)| at == row) {
                None => self.places.push(Place {
                    number: self.number,
                    line: self.number,
                }),
                Some((_, column, reason)) => self.rejected.push(Rejected {
                    line: self.number,
                    column: Some(self.slots[column].from.clone()),
                    reason,
                }),
            }
        }
        self.pieces.push(self.file, arrays)
    }

    /// The table.
    ///
    /// # Errors
    /// When there is no row.
    pub fn finish(self) -> Result<Table, Error> {
        if self.number == 0 {
            return Err(Error::input(
                self.file,
                "the file has no rows; check that it was written completely",
            ));
        }
        Ok(Table {
            rows: self.pieces.finish()?,
            places: self.places,
            rejected: self.rejected,
        })
    }
}

/// Rows whose value does not fit, and why.
pub type Faults = Vec<(usize, String)>;

/// The column in its canonical type; the text of an error is about the column as a whole.
///
/// # Errors
/// When the column cannot be read as the slot's type.
pub fn convert(array: &ArrayRef, slot: &Slot) -> Result<(ArrayRef, Faults), String> {
    let cannot = |to: &str| {
        format!(
            "the column `{}` is {} and cannot be read as {to}; change its type in `columns`",
            slot.from,
            array.data_type()
        )
    };
    match slot.data_type {
        None => natural(array).map_err(|()| cannot("any type here")),
        // What a cast makes null is a value all the same.
        Some(ColumnType::Text) => {
            let (array, faults) = if digits::of(array.data_type()).is_some() {
                natural(array).map_err(|()| cannot("text"))?
            } else {
                (array.clone(), Faults::new())
            };
            cast(&array, &DataType::Utf8)
                .filter(|text| text.null_count() == array.logical_null_count())
                .or_else(|| shown(&array).ok())
                .map(|text| (text, faults))
                .ok_or_else(|| cannot("text"))
        }
        Some(ColumnType::Integer) => {
            let (digits, faults) = exact(array, 38, 0, false).ok_or_else(|| cannot("integer"))?;
            let mut faults = faults;
            let integers: Int64Array = digits
                .iter()
                .enumerate()
                .map(|(row, digits)| {
                    let integer = digits.map(i64::try_from);
                    if let Some(Err(_)) = integer {
                        faults.push((row, "is no whole number of at most 64 bits".into()));
                    }
                    integer.and_then(Result::ok)
                })
                .collect();
            Ok((Arc::new(integers), faults))
        }
        Some(ColumnType::Decimal { precision, scale }) => {
            let to = String::from(ColumnType::Decimal { precision, scale });
            let (digits, faults) =
                exact(array, precision, scale, true).ok_or_else(|| cannot(&to))?;
            let typed = digits.with_data_type(decimal_type(precision, scale));
            Ok((Arc::new(typed), faults))
        }
        Some(ColumnType::Date) => {
            dates(array, slot.date_format.as_deref()).ok_or_else(|| cannot("date"))
        }
    }
}

/// The column with its signs turned round; none when it is no column of exact numbers.
fn negated(array: &ArrayRef, faults: &mut Faults) -> Option<ArrayRef> {
    if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
        for (row, value) in integers.iter().enumerate() {
            if value == Some(i64::MIN) {
                faults.push((row, "is no whole number of at most 64 bits".into()));
            }
        }
        return Some(Arc::new(integers.unary::<_, Int64Type>(i64::wrapping_neg)));
    }
    let decimals = array.as_primitive_opt::<Decimal128Type>()?;
    let negated = decimals.unary::<_, Decimal128Type>(i128::wrapping_neg);
    Some(Arc::new(negated.with_data_type(array.data_type().clone())))
}

fn cast(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    cast_with_options(array, to, &TO_NULL).ok()
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// Whether outputs can hold columns of a type.
fn is_writable(data_type: &DataType) -> bool {
    use DataType as T;
    match data_type {
        T::Union(..) | T::Interval(IntervalUnit::MonthDayNano) => false,
        T::Struct(fields) => {
            !fields.is_empty() && fields.iter().all(|field| is_writable(field.data_type()))
        }
        T::List(field)
        | T::LargeList(field)
        | T::ListView(field)
        | T::LargeListView(field)
        | T::FixedSizeList(field, _)
        | T::Map(field, _)
        | T::RunEndEncoded(_, field) => is_writable(field.data_type()),
        T::Dictionary(_, value) => is_writable(value),
        other => digits::is_writable(other),
    }
}

/// The values as they are shown to people.
fn shown(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let written = Texts::of(array)?;
    let texts = (0..array.len()).map(|row| {
        let text = (!array.is_null(row)).then(|| written.text(row));
        text.transpose()
    });
    Ok(Arc::new(texts.collect::<Result<StringArray, _>>()?))
}

/// The column's own type, with the many widths of texts and integers brought to one. What outputs
/// cannot hold becomes text.
fn natural(array: &ArrayRef) -> Result<(ArrayRef, Faults), ()> {
    use DataType as T;
    if let Some((_, scale)) = digits::of(array.data_type())
        && (scale < 0 || !digits::is_writable(array.data_type()))
    {
        // A negative scale stands for zeros before the point.
        let scale = u8::try_from(scale).unwrap_or(0);
        let (digits, faults) = exact(array, 38, scale, false).ok_or(())?;
        let data_type = decimal_type(38, scale);
        return Ok((Arc::new(digits.with_data_type(data_type)), faults));
    }
    if !is_writable(array.data_type()) {
        return Ok((shown(array).map_err(drop)?, Faults::new()));
    }
    let to = match array.data_type() {
        text if is_text(text) => T::Utf8,
        T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32 => T::Int64,
        T::UInt64 => T::Decimal128(20, 0),
        T::Decimal32(precision, scale) | T::Decimal64(precision, scale) => {
            T::Decimal128(*precision, *scale)
        }
        T::Dictionary(_, value) => value.as_ref().clone(),
        other => other.clone(),
    };
    let mut faults = digits::too_many(array);
    if to.is_floating() {
        let floats = cast(array, &T::Float64).ok_or(())?;
        for (row, value) in floats.as_primitive::<Float64Type>().iter().enumerate() {
            if value.is_some_and(|value| !value.is_finite()) {
                faults.push((row, "is not a finite number".into()));
            }
        }
    }
    Ok((cast(array, &to).ok_or(())?, faults))
}

/// A numeric or text column as digits at `scale`; none when it is neither. A fraction of a binary
/// number is rounded where `rounds`, else it is a fault.
fn exact(
    array: &ArrayRef,
    precision: u8,
    scale: u8,
    rounds: bool,
) -> Option<(Decimal128Array, Faults)> {
    use DataType as T;
    let mut faults = Faults::new();
    let mut note = |row: usize, value: Option<Result<i128, String>>| match value {
        Some(Err(reason)) => {
            faults.push((row, reason));
            None
        }
        other => other.and_then(Result::ok),
    };
    let digits: Decimal128Array = match array.data_type() {
        text if is_text(text) => {
            let texts = cast(array, &T::Utf8)?;
            let texts = texts.as_string::<i32>();
            (texts.iter().enumerate())
                .map(|(row, text)| {
                    note(row, text.map(|text| value::decimal(text, precision, scale)))
                })
                .collect()
        }
        float if float.is_floating() => {
            let floats = cast(array, &T::Float64)?;
            let digits = |value: f64| {
                if rounds || value.fract() == 0.0 || !value.is_finite() {
                    value::decimal_of_float(value, precision, scale)
                } else {
                    Err("is no whole number".to_owned())
                }
            };
            (floats.as_primitive::<Float64Type>().iter().enumerate())
                .map(|(row, value)| note(row, value.map(digits)))
                .collect()
        }
        T::UInt64 => {
            let wide = cast(array, &T::Decimal128(20, 0))?;
            (wide.as_primitive::<Decimal128Type>().iter().enumerate())
                .map(|(row, digits)| {
                    note(row, digits.map(|d| value::rescale(d, 0, precision, scale)))
                })
                .collect()
        }
        integer if integer.is_integer() => {
            let wide = cast(array, &T::Int64)?;
            (wide.as_primitive::<Int64Type>().iter().enumerate())
                .map(|(row, digits)| {
                    note(
                        row,
                        digits.map(|d| value::rescale(i128::from(d), 0, precision, scale)),
                    )
                })
                .collect()
        }
        T::Decimal32(_, from)
        | T::Decimal64(_, from)
        | T::Decimal128(_, from)
        | T::Decimal256(_, from) => {
            // A negative scale stands for zeros before the point; a cast writes them out.
            let from = u8::try_from(*from).unwrap_or(0);
            if from > 38 {
                return None;
            }
            let wide = cast(array, &decimal_type(38, from))?;
            if from == scale
                && let T::Decimal32(held, 0..) | T::Decimal64(held, 0..) | T::Decimal128(held, 0..) =
                    array.data_type()
                && *held <= precision
                && digits::too_many(array).is_empty()
            {
                return Some((wide.as_primitive::<Decimal128Type>().clone(), faults));
            }
            let wide = wide.as_primitive::<Decimal128Type>();
            (0..array.len())
                .map(|row| {
                    let value = (!array.is_null(row)).then(|| {
                        if wide.is_null(row) {
                            return Err("has more than 38 digits".to_owned());
                        }
                        value::rescale(wide.value(row), from, precision, scale)
                    });
                    note(row, value)
                })
                .collect()
        }
        _ => return None,
    };
    Some((digits, faults))
}

/// A column of dates, timestamps (their calendar date in UTC) or texts as dates.
fn dates(array: &ArrayRef, notation: Option<&str>) -> Option<(ArrayRef, Faults)> {
    let mut faults = Faults::new();
    if is_text(array.data_type()) {
        let format = DateFormat::new(notation.unwrap_or(DEFAULT_DATE_FORMAT)).ok()?;
        let texts = cast(array, &DataType::Utf8)?;
        let days: Date32Array = (texts.as_string::<i32>().iter().enumerate())
            .map(|(row, text)| match format.days(text?) {
                Ok(days) => Some(days),
                Err(reason) => {
                    faults.push((row, reason));
                    None
                }
            })
            .collect();
        return Some((Arc::new(days), faults));
    }
    if !matches!(
        array.data_type(),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
    ) {
        return None;
    }
    let days = cast(array, &DataType::Date32)?;
    for row in 0..array.len() {
        if !array.is_null(row) && days.is_null(row) {
            faults.push((row, "is no date".into()));
        }
    }
    Some((days, faults))
}
