//! Rows of texts into Arrow columns of the types that the query has.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use arrow::array::builder::{
    BooleanBuilder, Date32Builder, Float32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use chrono::{NaiveDate, NaiveTime, Timelike};
use crds::matching::Dataset;
use engine::ROW_FAULTS;
use sqlx::postgres::{PgColumn, PgRow};
use sqlx::{Column as _, Row, TypeInfo, ValueRef};

use super::decimals::{Decimals, Digits};

/// What a batch holds at most, so that memory is bounded: 16 MiB of text and 65,536 rows.
const BATCH_BYTES: usize = 16 << 20;
const BATCH_ROWS: usize = 1 << 16;
/// 1970-01-01 in days from the start of the year 1.
const EPOCH: i32 = 719_163;
/// A value that its type cannot hold.
const NO_DATE: &str = "is infinity or too far away for a date";
const NO_NUMBER: &str = "is not a finite number";

/// The columns of a query, filled row by row.
pub struct Columns {
    all: Vec<Column>,
    schema: SchemaRef,
    /// By row, the place of the column that cannot hold its value, and why.
    faults: StringBuilder,
    rows: usize,
    bytes: usize,
}

struct Column {
    name: String,
    kind: Kind,
}

enum Kind {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder, Zone),
    Text(StringBuilder),
    /// A `numeric` whose digits are counted, for its type follows from them.
    Numeric(StringBuilder, Digits),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Zone {
    None,
    Utc,
}

impl Columns {
    /// Empty columns for the result of a prepared query.
    ///
    /// # Errors
    /// When the query gives no columns, or two of one name.
    pub fn of(columns: &[PgColumn], dataset: &Dataset) -> Result<Self, String> {
        if columns.is_empty() {
            return Err("gives no rows at all; write a SELECT statement".into());
        }
        let mut names = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !names.insert(column.name())) {
            return Err(format!(
                "gives the column `{}` twice; give each its own name with AS",
                twice.name()
            ));
        }
        let columns: Vec<Column> = columns
            .iter()
            .map(|column| Column {
                name: column.name().to_owned(),
                kind: Kind::of(column.type_info().name(), is_typed(dataset, column.name())),
            })
            .collect();
        let fields = columns
            .iter()
            .map(|column| Field::new(&column.name, column.kind.data_type(), true));
        let mark = HashMap::from([(ROW_FAULTS.to_owned(), String::new())]);
        let faults = Field::new(ROW_FAULTS, DataType::Utf8, true).with_metadata(mark);
        Ok(Self {
            schema: Arc::new(Schema::new(fields.chain([faults]).collect::<Vec<_>>())),
            all: columns,
            faults: StringBuilder::new(),
            rows: 0,
            bytes: 0,
        })
    }

    /// A writer of batches of these columns.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn writer<W: Write>(&self, to: W) -> Result<StreamWriter<W>, ArrowError> {
        StreamWriter::try_new(to, &self.schema)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When a value is not what PostgreSQL writes for its type.
    pub fn push(&mut self, row: &PgRow) -> Result<(), String> {
        if row.len() != self.all.len() {
            return Err("gives other columns than it had a moment ago; run again".into());
        }
        let mut fault = None;
        for (place, column) in self.all.iter_mut().enumerate() {
            let value = row.try_get_raw(place).map_err(|error| error.to_string())?;
            let text = if value.is_null() {
                None
            } else {
                let text = value.as_str();
                Some(text.map_err(|_| unreadable(&column.name, "text"))?)
            };
            self.bytes += text.map_or(0, str::len);
            match column.kind.push(text) {
                Pushed::Fits => {}
                Pushed::Fault(reason) => fault = fault.or(Some((place, reason))),
                Pushed::Unreadable(what) => return Err(unreadable(&column.name, what)),
            }
        }
        self.faults
            .append_option(fault.map(|(place, reason)| format!("{place} {reason}")));
        self.rows += 1;
        Ok(())
    }

    /// Whether it is time for a batch.
    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// The rows since the last batch.
    ///
    /// # Errors
    /// None that these columns can make.
    pub fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        (self.rows, self.bytes) = (0, 0);
        let columns = self.all.iter_mut().map(|column| column.kind.finish());
        let mut arrays: Vec<ArrayRef> = columns.collect();
        arrays.push(Arc::new(self.faults.finish()));
        RecordBatch::try_new(self.schema.clone(), arrays)
    }

    /// The columns that are to become decimals, with their digits.
    ///
    /// # Errors
    /// When one has more digits than a decimal.
    pub fn decimals(&self) -> Result<Decimals, String> {
        let mut decimals = Decimals::new();
        for (place, column) in self.all.iter().enumerate() {
            if let Kind::Numeric(_, digits) = &column.kind {
                decimals.insert(place, digits.scale(&column.name)?);
            }
        }
        Ok(decimals)
    }
}

/// Whether the job says which type a column of the query has.
fn is_typed(dataset: &Dataset, name: &str) -> bool {
    let mut declared = dataset.columns.iter();
    declared.any(|column| {
        column.from.as_ref().unwrap_or(&column.name) == name && column.data_type.is_some()
    })
}

fn unreadable(column: &str, what: &str) -> String {
    format!(
        "its column `{column}` cannot be read as {what}; convert it in the query, as in {column}::text"
    )
}

/// What became of a value.
enum Pushed {
    Fits,
    /// Its row is rejected for this reason.
    Fault(&'static str),
    /// It is none of this type.
    Unreadable(&'static str),
}

/// What a text means as a value of a type: the value, or that the type cannot hold it.
type Parsed<T> = Option<Result<T, &'static str>>;

impl Kind {
    fn of(sql_type: &str, typed: bool) -> Self {
        match sql_type {
            "BOOL" => Self::Boolean(BooleanBuilder::new()),
            "INT2" | "INT4" | "INT8" | "OID" => Self::Integer(Int64Builder::new()),
            "FLOAT4" => Self::Float32(Float32Builder::new()),
            "FLOAT8" => Self::Float64(Float64Builder::new()),
            "DATE" => Self::Date(Date32Builder::new()),
            "TIMESTAMP" => Self::Timestamp(TimestampMicrosecondBuilder::new(), Zone::None),
            "TIMESTAMPTZ" => Self::Timestamp(
                TimestampMicrosecondBuilder::new().with_timezone("UTC"),
                Zone::Utc,
            ),
            "NUMERIC" if !typed => Self::Numeric(StringBuilder::new(), Digits::default()),
            // Also a number whose type the job declares: the engine reads its digits exactly.
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Boolean(_) => DataType::Boolean,
            Self::Integer(_) => DataType::Int64,
            Self::Float32(_) => DataType::Float32,
            Self::Float64(_) => DataType::Float64,
            Self::Date(_) => DataType::Date32,
            Self::Timestamp(_, zone) => DataType::Timestamp(
                TimeUnit::Microsecond,
                (*zone == Zone::Utc).then(|| "UTC".into()),
            ),
            Self::Text(_) | Self::Numeric(..) => DataType::Utf8,
        }
    }

    fn push(&mut self, text: Option<&str>) -> Pushed {
        match self {
            Self::Boolean(builder) => put(text, boolean, "bool", |v| builder.append_option(v)),
            Self::Integer(builder) => {
                let parse = |text: &str| text.parse().ok().map(Ok);
                put(text, parse, "integer", |v| builder.append_option(v))
            }
            Self::Float32(builder) => {
                let parse = |text: &str| text.parse().ok().map(Ok);
                put(text, parse, "real", |v| builder.append_option(v))
            }
            Self::Float64(builder) => {
                let parse = |text: &str| text.parse().ok().map(Ok);
                put(text, parse, "double", |v| builder.append_option(v))
            }
            Self::Date(builder) => put(text, date, "date", |v| builder.append_option(v)),
            Self::Timestamp(builder, _) => {
                put(text, timestamp, "timestamp", |v| builder.append_option(v))
            }
            Self::Text(builder) => {
                builder.append_option(text);
                Pushed::Fits
            }
            Self::Numeric(builder, digits) => {
                let parse = |text: &str| match text {
                    "NaN" | "Infinity" | "-Infinity" => Some(Err(NO_NUMBER)),
                    text => digits.count(text).then(|| Ok(text.to_owned())),
                };
                put(text, parse, "numeric", |v| builder.append_option(v))
            }
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Float32(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder, _) => Arc::new(builder.finish()),
            Self::Text(builder) | Self::Numeric(builder, _) => Arc::new(builder.finish()),
        }
    }
}

fn put<T>(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Parsed<T>,
    what: &'static str,
    append: impl FnOnce(Option<T>),
) -> Pushed {
    let Some(text) = text else {
        append(None);
        return Pushed::Fits;
    };
    match parse(text) {
        Some(Ok(value)) => {
            append(Some(value));
            Pushed::Fits
        }
        Some(Err(reason)) => {
            append(None);
            Pushed::Fault(reason)
        }
        None => Pushed::Unreadable(what),
    }
}

fn boolean(text: &str) -> Parsed<bool> {
    match text {
        "t" => Some(Ok(true)),
        "f" => Some(Ok(false)),
        _ => None,
    }
}

/// A date in the notation of ISO 8601, perhaps before Christ, in days from 1970-01-01.
fn date(text: &str) -> Parsed<i32> {
    if matches!(text, "infinity" | "-infinity") {
        return Some(Err(NO_DATE));
    }
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    Some(days(text, before_christ)?.ok_or(NO_DATE))
}

/// None where the text is no date, and `Some(None)` where it is one too far away.
#[expect(
    clippy::option_option,
    reason = "no date and no near date must stay apart"
)]
fn days(text: &str, before_christ: bool) -> Option<Option<i32>> {
    let mut parts = text.splitn(3, '-');
    let year: i32 = parts.next()?.parse().ok()?;
    let month: u32 = parts.next()?.parse().ok()?;
    let day: u32 = parts.next()?.parse().ok()?;
    // The year before the year 1 is 1 BC.
    let year = if before_christ { 1 - year } else { year };
    let date = NaiveDate::from_ymd_opt(year, month, day);
    Some(date.map(|date| chrono::Datelike::num_days_from_ce(&date) - EPOCH))
}

/// A timestamp in UTC, in microseconds from 1970-01-01.
fn timestamp(text: &str) -> Parsed<i64> {
    if matches!(text, "infinity" | "-infinity") {
        return Some(Err(NO_DATE));
    }
    let (text, before_christ) = match text.strip_suffix(" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (date, time) = text.split_once(' ')?;
    let time = time.strip_suffix("+00").unwrap_or(time);
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?;
    let Some(days) = days(date, before_christ)? else {
        return Some(Err(NO_DATE));
    };
    let seconds = i64::from(days) * 86_400 + i64::from(time.num_seconds_from_midnight());
    let micros = seconds
        .checked_mul(1_000_000)
        .and_then(|micros| micros.checked_add(i64::from(time.nanosecond() / 1000)));
    Some(micros.ok_or(NO_DATE))
}

#[cfg(test)]
mod tests {
    use super::{NO_DATE, date, timestamp};

    #[test]
    fn dates_are_days_also_before_christ_and_infinity_is_none() {
        assert_eq!(date("1970-01-01"), Some(Ok(0)));
        assert_eq!(date("2026-01-31"), Some(Ok(20_484)));
        assert_eq!(date("0001-01-01"), Some(Ok(-719_162)));
        assert_eq!(date("0001-12-31 BC"), Some(Ok(-719_163)));
        assert_eq!(date("10000-01-01"), Some(Ok(2_932_897)));
        for far in ["infinity", "-infinity", "5874897-12-31"] {
            assert_eq!(date(far), Some(Err(NO_DATE)), "{far}");
        }
        for none in ["", "today", "2026-01", "2026-1x-01"] {
            assert_eq!(date(none), None, "{none}");
        }
    }

    #[test]
    fn timestamps_are_exact_to_the_microsecond() {
        assert_eq!(timestamp("1970-01-01 00:00:00"), Some(Ok(0)));
        assert_eq!(
            timestamp("1970-01-02 00:00:01.5+00"),
            Some(Ok(86_401_500_000))
        );
        assert_eq!(timestamp("1969-12-31 23:59:59.999999"), Some(Ok(-1)));
        assert_eq!(
            timestamp("0001-12-31 00:00:00 BC"),
            Some(Ok(-62_135_683_200_000_000))
        );
        assert_eq!(timestamp("infinity"), Some(Err(NO_DATE)));
        assert_eq!(timestamp("294276-12-31 23:59:59"), Some(Err(NO_DATE)));
        // The session's time zone is UTC; any other offset would be a mistake of the reader.
        assert_eq!(timestamp("2026-01-31 00:00:00+02"), None);
        assert_eq!(timestamp("2026-01-31"), None);
    }
}
