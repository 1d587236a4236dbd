//! Parquet into typed columns.

use super::Table;
use super::convert::Converter;
use super::open::open_seekable;
use super::slots::slots;
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use crds::matching::Dataset;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use std::sync::Arc;

/// Rows that a byte of a file may stand for at most: long runs of one value take up almost nothing.
const ROWS_PER_BYTE: u64 = 1000;
/// Rows that a file of any size may have.
const ALWAYS: u64 = 1 << 20;
/// Rows that are decoded at a time, and the bytes that they should not exceed.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: u64 = 8 << 20;

pub(super) fn read(
    dataset: &Dataset,
    file: &InputFile,
    holding: &Arc<Holding>,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::input(
            file,
            format!("this cannot be read as Parquet ({error}); check the file, or set `format`"),
        )
    };
    let opened = open_seekable(file)?;
    let size = opened.metadata().map_err(Error::io(&file.path))?.len();
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| unreadable(&error))?;
    let total = rows_of(builder.metadata(), size).map_err(|error| unreadable(&error))?;
    let fields = builder.schema().fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let mut table = Converter::new(file, slots(dataset, file, &names)?).within(holding);
    let groups = builder.metadata().row_groups().iter();
    let bytes: i64 = groups.map(RowGroupMetaData::total_byte_size).sum();
    let each = (u64::try_from(bytes).unwrap_or(0) / total.max(1)).max(1);
    let rows = usize::try_from(BATCH_BYTES / each).unwrap_or(BATCH_ROWS);
    let reader = builder
        .with_batch_size(rows.clamp(1, BATCH_ROWS))
        .build()
        .map_err(|error| unreadable(&error))?;
    for batch in reader {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let batch = batch.map_err(|error| unreadable(&error))?;
        table.push(&batch, Vec::new())?;
        let read = u128::from(size) * u128::from(table.rows()) / u128::from(total.max(1));
        progress.advance(u64::try_from(read).unwrap_or(size), size);
    }
    if table.rows() != total {
        return Err(unreadable(&fewer(table.rows(), total)));
    }
    table.finish()
}

/// How many rows a file of some size has by its footer.
///
/// # Errors
/// When the footer cannot be right.
pub(crate) fn rows_of(footer: &ParquetMetaData, size: u64) -> Result<u64, String> {
    let total = footer.file_metadata().num_rows();
    let groups = footer.row_groups().iter().map(RowGroupMetaData::num_rows);
    let sum = groups.map(i128::from).sum::<i128>();
    let (Ok(rows), true) = (u64::try_from(total), sum == i128::from(total)) else {
        return Err(format!(
            "it says to have {total} rows, and {sum} in its row groups"
        ));
    };
    if rows > size.saturating_mul(ROWS_PER_BYTE).max(ALWAYS) {
        return Err("it says to have more rows than a file of its size holds".into());
    }
    Ok(rows)
}

/// What is wrong with a file, or a part of one, that ends too soon.
pub(crate) fn fewer(rows: u64, said: u64) -> String {
    format!("there are {rows} rows where it says {said}")
}
