//! Parquet into typed columns. A declared type is applied value by value, as in CSV.

use super::csv::decimal_type;
use super::value::{self, DEFAULT_DATE_FORMAT, DateFormat};
use super::{Place, Rejected, Slot, Table, slots};
use crate::InputFile;
use crate::error::Error;
use crate::progress::Progress;
use crds::matching::{ColumnType, Dataset};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch,
};
use datafusion::arrow::compute::{
    CastOptions, cast_with_options, concat_batches, filter_record_batch,
};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Field, Float64Type, Int64Type, Schema,
};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::sync::Arc;

/// Casts that cannot represent a value make it null; the caller turns that into a rejection.
const TO_NULL: CastOptions<'static> = CastOptions {
    safe: true,
    format_options: datafusion::arrow::util::display::FormatOptions::new(),
};

pub(super) fn read(
    dataset: &Dataset,
    file: &InputFile,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let wrong = |detail: String| Error::Input {
        file: file.name.clone(),
        detail,
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        wrong(format!(
            "this cannot be read as Parquet ({error}); check the file, or set `format`"
        ))
    };
    let opened = File::open(&file.path).map_err(Error::io(&file.path))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| unreadable(&error))?;
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let names: Vec<String> = builder
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let slots = slots(dataset, file, &names)?;
    let reader = builder
        .with_batch_size(8192)
        .build()
        .map_err(|error| unreadable(&error))?;

    let mut kept = Vec::new();
    let mut places = Vec::new();
    let mut rejected = Vec::new();
    let mut number = 0;
    for batch in reader {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let batch = batch.map_err(|error| unreadable(&error))?;
        let mut reasons: Vec<Option<Rejected>> = vec![None; batch.num_rows()];
        let mut fields = Vec::with_capacity(slots.len());
        let mut arrays = Vec::with_capacity(slots.len());
        for slot in &slots {
            let (array, faults) = convert(batch.column(slot.index), slot).map_err(&wrong)?;
            for (row, reason) in faults {
                reasons[row].get_or_insert_with(|| Rejected {
                    line: 0,
                    column: Some(slot.from.to_owned()),
                    reason,
                });
            }
            fields.push(Field::new(slot.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let good: BooleanArray = reasons
            .iter()
            .map(|reason| Some(reason.is_none()))
            .collect();
        for reason in reasons {
            number += 1;
            match reason {
                None => places.push(Place {
                    number,
                    line: number,
                }),
                Some(reason) => rejected.push(Rejected {
                    line: number,
                    ..reason
                }),
            }
        }
        let typed = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        kept.push(filter_record_batch(&typed, &good)?);
        progress.advance(number, total);
    }
    let Some(first) = kept.first().filter(|_| number > 0) else {
        return Err(wrong(
            "the file has no rows; check that it was written completely".into(),
        ));
    };
    let batch = concat_batches(&first.schema(), &kept)?;
    Ok(Table {
        batch,
        places,
        rejected,
    })
}

/// Rows whose value does not fit, and why.
pub(crate) type Faults = Vec<(usize, String)>;

/// The column in its canonical type; the text of an error is about the column as a whole.
pub(crate) fn convert(array: &ArrayRef, slot: &Slot<'_>) -> Result<(ArrayRef, Faults), String> {
    let cannot = |to: &str| {
        format!(
            "the column `{}` is {} and cannot be read as {to}; change its type in `columns`",
            slot.from,
            array.data_type()
        )
    };
    match slot.data_type {
        None => natural(array).map_err(|()| cannot("any type here")),
        Some(ColumnType::Text) => cast(array, &DataType::Utf8)
            .map(|text| (text, Faults::new()))
            .ok_or_else(|| cannot("text")),
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
        Some(ColumnType::Date) => dates(array, slot.date_format).ok_or_else(|| cannot("date")),
    }
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

/// The column's own type, with the many widths of texts and integers brought to one.
fn natural(array: &ArrayRef) -> Result<(ArrayRef, Faults), ()> {
    use DataType as T;
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
    let mut faults = Faults::new();
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
            let from = u8::try_from(*from).unwrap_or(0);
            let wide = cast(array, &decimal_type(38, from))?;
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
