//! Rows of an output of a run, read from its Parquet file in the object store: only the asked ones.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use object_store::path::Path;
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use std::ops::Range;
use std::sync::Arc;

use crate::error::ApiError;
use crate::storage::Storage;

/// Some rows of a file.
#[derive(Debug)]
pub(super) struct Rows {
    /// The rows, in the order of the file.
    pub(super) batches: Vec<RecordBatch>,
    /// How many rows the whole file has.
    pub(super) total: usize,
    key: Path,
}

/// Reads up to `limit` rows from the row `offset` on.
///
/// # Errors
/// `Internal` where the file is none that the engine writes, and errors of the store.
pub(super) async fn read(
    storage: Storage,
    key: Path,
    offset: usize,
    limit: usize,
) -> Result<Rows, ApiError> {
    let internal = |error: ParquetError| internal(&key, error);
    let size = storage.head(&key).await?.size;
    let mut file = ObjectFile {
        storage,
        key: key.clone(),
        size,
    };
    // With the page index, pages before the offset are skipped without being fetched.
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let metadata = ArrowReaderMetadata::load_async(&mut file, options)
        .await
        .map_err(internal)?;
    let counts: Vec<usize> = metadata
        .metadata()
        .row_groups()
        .iter()
        .map(|group| usize::try_from(group.num_rows()).unwrap_or_default())
        .collect();
    let total = counts.iter().sum();
    if offset >= total {
        let batches = Vec::new();
        return Ok(Rows {
            batches,
            total,
            key,
        });
    }
    let (groups, skipped) = groups_of(&counts, offset, limit);
    let batches = ParquetRecordBatchStreamBuilder::new_with_metadata(file, metadata)
        .with_row_groups(groups)
        .with_offset(skipped)
        .with_limit(limit)
        .with_batch_size(limit.min(1024))
        .build()
        .map_err(internal)?
        .try_collect()
        .await
        .map_err(internal)?;
    Ok(Rows {
        batches,
        total,
        key,
    })
}

/// The row groups that hold the rows, and how many rows of the first are before them.
fn groups_of(counts: &[usize], offset: usize, limit: usize) -> (Vec<usize>, usize) {
    let end = offset.saturating_add(limit);
    let (mut groups, mut skipped, mut start) = (Vec::new(), 0, 0);
    for (index, count) in counts.iter().enumerate() {
        let next = start + count;
        if next > offset && start < end {
            if groups.is_empty() {
                skipped = offset - start;
            }
            groups.push(index);
        }
        start = next;
    }
    (groups, skipped)
}

fn internal(key: &Path, error: impl std::fmt::Display) -> ApiError {
    let name = key.filename().unwrap_or_default();
    ApiError::Internal(format!("{name}: {error}"))
}

impl Rows {
    /// How many rows there are in `batches`.
    pub(super) fn len(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// A column as texts, of one of the batches.
    ///
    /// # Errors
    /// `Internal` where the column is not there.
    pub(super) fn texts(
        &self,
        batch: &RecordBatch,
        name: &str,
    ) -> Result<std::vec::IntoIter<Option<String>>, ApiError> {
        let array = self.column(batch, name, &DataType::Utf8)?;
        let texts = array.as_string::<i32>().iter();
        let texts: Vec<_> = texts.map(|text| text.map(str::to_owned)).collect();
        Ok(texts.into_iter())
    }

    /// A column as numbers, of one of the batches.
    ///
    /// # Errors
    /// `Internal` where the column is not there.
    pub(super) fn numbers(
        &self,
        batch: &RecordBatch,
        name: &str,
    ) -> Result<std::vec::IntoIter<Option<f64>>, ApiError> {
        let array = self.column(batch, name, &DataType::Float64)?;
        let numbers: Vec<_> = array.as_primitive::<Float64Type>().iter().collect();
        Ok(numbers.into_iter())
    }

    fn column(
        &self,
        batch: &RecordBatch,
        name: &str,
        kind: &DataType,
    ) -> Result<ArrayRef, ApiError> {
        let column = batch
            .column_by_name(name)
            .ok_or_else(|| internal(&self.key, format!("no column {name}")))?;
        cast(column, kind).map_err(|error| internal(&self.key, error))
    }
}

/// A Parquet file in the object store.
struct ObjectFile {
    storage: Storage,
    key: Path,
    size: u64,
}

impl AsyncFileReader for ObjectFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let bytes = self.storage.get_range(&self.key, range).await;
            bytes.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.size;
            let reader = ParquetMetaDataReader::new()
                .with_arrow_reader_options(options)
                .with_prefetch_hint(Some(64 << 10));
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::groups_of;
    use rstest::rstest;

    #[rstest]
    #[case(0, 5, vec![0], 0)]
    #[case(9, 2, vec![0, 1], 9)]
    #[case(10, 10, vec![1], 0)]
    #[case(24, 100, vec![2], 4)]
    #[case(0, 100, vec![0, 1, 2], 0)]
    fn only_the_needed_row_groups(
        #[case] offset: usize,
        #[case] limit: usize,
        #[case] groups: Vec<usize>,
        #[case] skipped: usize,
    ) {
        assert_eq!(groups_of(&[10, 10, 5], offset, limit), (groups, skipped));
    }
}
