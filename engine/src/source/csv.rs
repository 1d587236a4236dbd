//! CSV (RFC 4180, UTF-8) into typed columns, row by row: a bad row is set aside, the next is read.
//!
//! An empty line is no row. A byte-order mark is dropped. White space belongs to a text and is
//! dropped around the values of other types.

use super::lines::noting;
use super::value::{self, DEFAULT_DATE_FORMAT, DateFormat};
use super::{Place, Rejected, Slot, Table, slots};
use crate::InputFile;
use crate::error::Error;
use crate::progress::Progress;
use crds::matching::{ColumnType, Dataset};
use csv::{ByteRecord, Reader, ReaderBuilder};
use datafusion::arrow::array::{
    ArrayRef, Date32Builder, Decimal128Builder, Int64Builder, RecordBatch, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// Rows between two looks at whether the run was cancelled.
const ROWS_PER_STEP: u64 = 8192;

pub(super) fn read(
    dataset: &Dataset,
    file: &InputFile,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let options = dataset.options.clone().unwrap_or_default();
    let delimiter = options
        .delimiter
        .as_ref()
        .and_then(|text| text.bytes().next())
        .unwrap_or(b',');
    let nulls = options.null_values.unwrap_or_else(|| vec![String::new()]);
    let opened = File::open(&file.path).map_err(Error::io(&file.path))?;
    let size = opened.metadata().map_err(Error::io(&file.path))?.len();
    let (noted, mut lines) = noting(opened);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(1 << 18)
        .from_reader(noted);
    let wrong = |detail: &str| Error::Input {
        file: file.name.clone(),
        detail: detail.into(),
    };

    let mut record = ByteRecord::new();
    if !next(&mut reader, &mut record, file)? {
        return Err(wrong("the file is empty; it needs a header and rows"));
    }
    let named = options.header.unwrap_or(true);
    let present = header(&record, named).ok_or_else(|| {
        wrong("the header is not UTF-8 text; save the file as UTF-8 and run again")
    })?;
    let slots = slots(dataset, file, &present)?;
    let mut columns = slots
        .iter()
        .map(|slot| Cells::of(slot, file))
        .collect::<Result<Vec<_>, _>>()?;
    if named && !next(&mut reader, &mut record, file)? {
        return Err(wrong(
            "the file has a header and no rows; check that it was written completely",
        ));
    }

    let mut places = Vec::new();
    let mut rejected = Vec::new();
    let mut row = Vec::with_capacity(slots.len());
    let mut number = 0;
    loop {
        number += 1;
        let byte = record.position().map_or(0, csv::Position::byte);
        let line = lines.at(byte);
        if number % ROWS_PER_STEP == 0 {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            progress.advance(byte, size);
        }
        match cells(&record, present.len(), &slots, &columns, &nulls, &mut row) {
            Ok(()) => {
                for (column, cell) in columns.iter_mut().zip(row.drain(..)) {
                    column.push(cell);
                }
                places.push(Place { number, line });
            }
            Err((column, reason)) => rejected.push(Rejected {
                line,
                column,
                reason,
            }),
        }
        row = recycle(row);
        if !next(&mut reader, &mut record, file)? {
            break;
        }
    }
    if let Some(at) = columns.iter().position(Cells::is_full) {
        return Err(wrong(&format!(
            "the column `{}` holds over 2 GiB of text; split the file and run its parts",
            slots[at].from
        )));
    }
    let fields: Vec<Field> = slots
        .iter()
        .zip(&columns)
        .map(|(slot, column)| Field::new(slot.name, column.data_type(), true))
        .collect();
    let arrays: Vec<ArrayRef> = columns.into_iter().map(Cells::finish).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    Ok(Table {
        batch,
        places,
        rejected,
    })
}

/// Empties the buffer and frees it of the record's lifetime, so that its memory serves every row.
fn recycle<'b>(mut row: Vec<Cell<'_>>) -> Vec<Cell<'b>> {
    row.clear();
    row.into_iter().map(|_| Cell::Null).collect()
}

fn next<R: Read>(
    reader: &mut Reader<R>,
    record: &mut ByteRecord,
    file: &InputFile,
) -> Result<bool, Error> {
    reader.read_byte_record(record).map_err(|error| {
        let detail = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => Error::Io {
                path: file.path.clone(),
                source,
            },
            _ => Error::Input {
                file: file.name.clone(),
                detail,
            },
        }
    })
}

/// The columns' names; a nameless column, and each where there is no header, is `column_N`.
fn header(record: &ByteRecord, named: bool) -> Option<Vec<String>> {
    record
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let text = std::str::from_utf8(field).ok().filter(|_| named)?;
            let text = if index == 0 {
                text.trim_start_matches('\u{feff}')
            } else {
                text
            };
            Some(text)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        })
        .enumerate()
        .map(|(index, name)| match name {
            Some(name) => Some(name),
            None if named && std::str::from_utf8(&record[index]).is_err() => None,
            None => Some(format!("column_{}", index + 1)),
        })
        .collect()
}

/// The typed cells of one row in `row`, or the column and the reason why it is rejected.
fn cells<'r>(
    record: &'r ByteRecord,
    width: usize,
    slots: &[Slot<'_>],
    columns: &[Cells],
    nulls: &[String],
    row: &mut Vec<Cell<'r>>,
) -> Result<(), (Option<String>, String)> {
    if record.len() != width {
        return Err((
            None,
            format!(
                "has {} fields where the file has {width} columns",
                record.len()
            ),
        ));
    }
    row.clear();
    for (slot, column) in slots.iter().zip(columns) {
        let because = |reason: String| (Some(slot.from.to_owned()), reason);
        let text = std::str::from_utf8(&record[slot.index])
            .map_err(|_| because("is not UTF-8 text".into()))?;
        row.push(column.parse(text, nulls).map_err(because)?);
    }
    Ok(())
}

/// One parsed value.
enum Cell<'r> {
    Null,
    Text(&'r str),
    Integer(i64),
    Date(i32),
    Decimal(i128),
}

/// A column that is being built.
enum Cells {
    Text {
        builder: StringBuilder,
        bytes: usize,
    },
    Integer(Int64Builder),
    Date(Date32Builder, DateFormat),
    Decimal(Decimal128Builder, u8, u8),
}

impl Cells {
    fn of(slot: &Slot<'_>, file: &InputFile) -> Result<Self, Error> {
        Ok(match slot.data_type.unwrap_or(ColumnType::Text) {
            ColumnType::Text => Self::Text {
                builder: StringBuilder::new(),
                bytes: 0,
            },
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Date => {
                let notation = slot.date_format.unwrap_or(DEFAULT_DATE_FORMAT);
                let format = DateFormat::new(notation).map_err(|detail| Error::Input {
                    file: file.name.clone(),
                    detail,
                })?;
                Self::Date(Date32Builder::new(), format)
            }
            ColumnType::Decimal { precision, scale } => {
                let builder =
                    Decimal128Builder::new().with_data_type(decimal_type(precision, scale));
                Self::Decimal(builder, precision, scale)
            }
        })
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Text { .. } => DataType::Utf8,
            Self::Integer(_) => DataType::Int64,
            Self::Date(..) => DataType::Date32,
            Self::Decimal(_, precision, scale) => decimal_type(*precision, *scale),
        }
    }

    fn parse<'r>(&self, text: &'r str, nulls: &[String]) -> Result<Cell<'r>, String> {
        let is_null = |text: &str| nulls.iter().any(|null| null == text);
        if is_null(text) {
            return Ok(Cell::Null);
        }
        match self {
            Self::Text { .. } => Ok(Cell::Text(text)),
            _ if is_null(text.trim()) => Ok(Cell::Null),
            Self::Integer(_) => value::integer(text).map(Cell::Integer),
            Self::Date(_, format) => format.days(text).map(Cell::Date),
            Self::Decimal(_, precision, scale) => {
                value::decimal(text, *precision, *scale).map(Cell::Decimal)
            }
        }
    }

    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Text { builder, bytes }, Cell::Text(text)) => {
                *bytes += text.len();
                // A column past Arrow's 2 GiB is reported after reading; until then it stays small.
                builder.append_value(if *bytes > MAX_TEXT { "" } else { text });
            }
            (Self::Text { builder, .. }, _) => builder.append_null(),
            (Self::Integer(builder), Cell::Integer(value)) => builder.append_value(value),
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Date(builder, _), Cell::Date(value)) => builder.append_value(value),
            (Self::Date(builder, _), _) => builder.append_null(),
            (Self::Decimal(builder, ..), Cell::Decimal(value)) => builder.append_value(value),
            (Self::Decimal(builder, ..), _) => builder.append_null(),
        }
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Text { bytes, .. } if *bytes > MAX_TEXT)
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text { mut builder, .. } => Arc::new(builder.finish()),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder, _) => Arc::new(builder.finish()),
            Self::Decimal(mut builder, ..) => Arc::new(builder.finish()),
        }
    }
}

/// What the 32-bit offsets of an Arrow text column can address.
const MAX_TEXT: usize = i32::MAX as usize;

pub(super) fn decimal_type(precision: u8, scale: u8) -> DataType {
    // The decoder bounds a scale by 38, so it fits the signed byte that Arrow uses.
    DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
}
