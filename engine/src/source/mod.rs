//! Reading: a file in, typed canonical columns and rejected rows out.

mod cells;
mod convert;
mod csv;
mod digits;
mod encoding;
mod ipc;
mod json;
mod open;
pub mod options;
pub(crate) mod parquet;
mod pieces;
mod rows;
mod slots;
pub mod value;
mod xlsx;

pub(crate) use convert::convert;
pub(crate) use rows::Rows;
pub(crate) use slots::{Slot, slots};

use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use crds::matching::{Dataset, Format, ReadOptions};
use datafusion::arrow::datatypes::DataType;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The rows of one file under their canonical columns, with their original values.
#[derive(Debug)]
pub struct Table {
    /// The rows that could be read, in the order of the file.
    pub rows: Rows,
    /// Where each of them stands in the file.
    pub places: Vec<Place>,
    /// The rows that could not be read.
    pub rejected: Vec<Rejected>,
}

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row's number, from 1; rejected rows count.
    pub number: u64,
    /// The line on which the row starts, from 1; in Parquet and Arrow, which have no
    /// lines, the row's number.
    pub line: u64,
}

/// A row that takes no part, and why. The reason holds no value, so it can be shown anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The line on which the row starts.
    pub line: u64,
    /// The column, as the file calls it; none where the row as a whole is wrong.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// Marks, among the metadata of an Arrow field, a text column that is none of the table's: where it
/// is not null, its row is rejected. Its values are the place of the column that is to blame, from 0,
/// a space and the reason. So a writer can hand over rows with a value that Arrow has no room for.
pub const ROW_FAULTS: &str = "reconciliation-platform.dev/row-faults";

/// The format of a file: the dataset's, else by the extension of the file's name, before that of a
/// compression. The rows of a query come as Arrow.
#[must_use]
pub fn format_of(dataset: &Dataset, file_name: &str) -> Option<Format> {
    let query = dataset.source.sql.is_some().then_some(Format::Arrow);
    dataset
        .format
        .or_else(|| format_by_name(file_name))
        .or(query)
}

/// Whether the extension of a file's name says which format it has.
#[must_use]
pub fn names_a_format(file_name: &str) -> bool {
    format_by_name(file_name).is_some()
}

fn format_by_name(file_name: &str) -> Option<Format> {
    let (stem, _) = open::compression(file_name);
    let (_, extension) = stem.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "json" => Some(Format::Json),
        "parquet" => Some(Format::Parquet),
        "arrow" | "arrows" | "feather" | "ipc" => Some(Format::Arrow),
        "xlsx" => Some(Format::Xlsx),
        _ => None,
    }
}

/// What to do about a file whose format is not known.
#[must_use]
pub fn no_format(file_name: &str) -> String {
    format!(
        "is required: the extension of `{file_name}` names no format; write csv, tsv, ndjson, json, \
         parquet, arrow or xlsx"
    )
}

/// Reads one dataset, which stands at `path` in the specification. Rows that cannot be read are in
/// [`Table::rejected`]; what finds no room in `holding` goes to a file.
///
/// # Errors
/// When the file cannot be opened, is empty, or lacks a column that the dataset names.
pub fn read(
    dataset: &Dataset,
    file: &InputFile,
    path: &str,
    holding: &Arc<Holding>,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let format = format_of(dataset, &file.name)
        .ok_or_else(|| Error::spec(format!("{path}.format"), no_format(&file.name)))?;
    let mistakes = options::check(dataset, Some(format), path);
    if !mistakes.is_empty() {
        return Err(Error::Spec(mistakes));
    }
    let read = || match format {
        Format::Csv | Format::Tsv => csv::read(dataset, format, file, holding, progress),
        Format::Ndjson | Format::Json => json::read(dataset, format, file, holding, progress),
        Format::Parquet => parquet::read(dataset, file, holding, progress),
        Format::Arrow => ipc::read(dataset, file, holding, progress),
        Format::Xlsx => xlsx::read(dataset, file, holding, progress),
    };
    // A library gives up on files that no writer of their format makes. What it was building is
    // dropped, so nothing half-made is seen.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let detail = "the file is damaged and cannot be read; write it again";
        Err(Error::input(file, detail))
    })
}

/// The texts that mean null.
fn nulls(options: &ReadOptions) -> Vec<String> {
    let nulls = options.null_values.clone();
    nulls.unwrap_or_else(|| vec![String::new()])
}

/// A column's name: a nameless one, and each where there is no header, is `column_N`.
fn column_name(text: &str, place: usize) -> String {
    if text.is_empty() {
        format!("column_{}", place + 1)
    } else {
        text.to_owned()
    }
}

/// The Arrow type of `decimal(precision,scale)`.
pub(crate) fn decimal_type(precision: u8, scale: u8) -> DataType {
    // The decoder bounds a scale by 38, so it fits the signed byte that Arrow uses.
    DataType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
}

/// Names for a message, in backquotes.
pub(crate) fn quoted(names: &[impl AsRef<str>]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}
