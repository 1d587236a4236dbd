//! Reading: a file in, typed canonical columns and rejected rows out.

mod csv;
mod lines;
pub(crate) mod parquet;
pub mod value;

use crate::error::Error;
use crate::progress::Progress;
use crate::{InputFile, outcome::Side};
use crds::matching::{Column, ColumnType, Dataset, Format};
use datafusion::arrow::array::RecordBatch;
use std::collections::HashSet;

/// The rows of one file under their canonical columns, with their original values.
#[derive(Debug)]
pub struct Table {
    /// The rows that could be read, in the order of the file.
    pub batch: RecordBatch,
    /// Where each row of `batch` stands in the file.
    pub places: Vec<Place>,
    /// The rows that could not be read.
    pub rejected: Vec<Rejected>,
}

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The row's number, from 1; rejected rows count.
    pub number: u64,
    /// The line on which the row starts, from 1; in Parquet, which has no lines, the row's number.
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

/// The format of a file: the dataset's, else by the extension of the file's name.
#[must_use]
pub fn format_of(dataset: &Dataset, file_name: &str) -> Option<Format> {
    dataset.format.or_else(|| {
        let (_, extension) = file_name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    })
}

/// Reads one side. Rows that cannot be read are in [`Table::rejected`].
///
/// # Errors
/// When the file cannot be opened, is empty, or lacks a column that the dataset names.
pub fn read(
    dataset: &Dataset,
    file: &InputFile,
    side: Side,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let format = format_of(dataset, &file.name).ok_or_else(|| {
        Error::spec(
            format!("{}.format", side.name()),
            format!(
                "is required: the extension of `{}` names no format; write csv or parquet",
                file.name
            ),
        )
    })?;
    match format {
        Format::Csv => csv::read(dataset, file, progress),
        Format::Parquet => parquet::read(dataset, file, progress),
        _ => Err(Error::spec(
            format!("{}.format", side.name()),
            "is not supported by this version",
        )),
    }
}

/// A canonical column and the column of the file that it is made from.
pub(crate) struct Slot<'a> {
    /// The canonical name.
    pub(crate) name: &'a str,
    /// The column's name in the file.
    pub(crate) from: &'a str,
    /// The column's place in the file.
    pub(crate) index: usize,
    /// The declared type.
    pub(crate) data_type: Option<ColumnType>,
    /// How a date is written, in strftime notation.
    date_format: Option<&'a str>,
}

/// The canonical columns: the declared ones in their order, then the file's others in theirs.
pub(crate) fn slots<'a>(
    dataset: &'a Dataset,
    file: &InputFile,
    present: &'a [String],
) -> Result<Vec<Slot<'a>>, Error> {
    let wrong = |detail: String| Error::Input {
        file: file.name.clone(),
        detail,
    };
    let mut seen = HashSet::new();
    if let Some(twice) = present.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(wrong(format!(
            "the column `{twice}` occurs twice; give each column its own name in the file"
        )));
    }
    let declared = |column: &'a Column| {
        let from = column.from.as_deref().unwrap_or(&column.name);
        let index = present.iter().position(|name| name == from);
        index
            .map(|index| Slot {
                name: &column.name,
                from,
                index,
                data_type: column.data_type,
                date_format: column.format.as_deref(),
            })
            .ok_or_else(|| {
                wrong(format!(
                    "there is no column `{from}` (for the canonical column `{}`); the file has {}. \
                     Correct `from` or the file's delimiter",
                    column.name,
                    quoted(present)
                ))
            })
    };
    let mut slots = dataset
        .columns
        .iter()
        .map(declared)
        .collect::<Result<Vec<_>, _>>()?;
    let named: HashSet<usize> = slots.iter().map(|slot| slot.index).collect();
    for (index, name) in present.iter().enumerate() {
        if named.contains(&index) {
            continue;
        }
        if let Some(other) = slots.iter().find(|slot| slot.name == name) {
            return Err(wrong(format!(
                "its column `{name}` has the name that the canonical column made from `{}` has; \
                 declare `{name}` under another name, as in {{name: {name}_original, from: {name}}}",
                other.from
            )));
        }
        slots.push(Slot {
            name,
            from: name,
            index,
            data_type: None,
            date_format: None,
        });
    }
    Ok(slots)
}

/// Names for a message, in backquotes.
pub(crate) fn quoted(names: &[impl AsRef<str>]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}
