//! Pairs of a run, read from `pairs.parquet` in the object store: only the asked rows.

use arrow::array::{Array, AsArray, RecordBatch};
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
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

use crate::error::ApiError;
use crate::storage::Storage;

/// A pair of records and why it is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    left_key: Option<String>,
    right_key: Option<String>,
    group_id: Option<String>,
    pass: Option<String>,
    outcome: Option<String>,
    score: Option<f64>,
    reason: Option<String>,
}

/// Reads up to `limit` pairs from the row `offset` on; also says how many rows there are.
///
/// # Errors
/// `Internal` where the file is none that the engine writes, and errors of the store.
pub async fn read(
    storage: Storage,
    key: Path,
    offset: usize,
    limit: usize,
) -> Result<(Vec<Pair>, usize), ApiError> {
    let size = storage.head(&key).await?.size;
    let mut file = ObjectFile { storage, key, size };
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
    let rows = counts.iter().sum();
    if offset >= rows {
        return Ok((Vec::new(), rows));
    }
    let (groups, skipped) = groups_of(&counts, offset, limit);
    let batches: Vec<RecordBatch> =
        ParquetRecordBatchStreamBuilder::new_with_metadata(file, metadata)
            .with_row_groups(groups)
            .with_offset(skipped)
            .with_limit(limit)
            .with_batch_size(limit.min(1024))
            .build()
            .map_err(internal)?
            .try_collect()
            .await
            .map_err(internal)?;
    let mut pairs = Vec::with_capacity(limit);
    for batch in &batches {
        pairs.extend(pairs_of(batch)?);
    }
    Ok((pairs, rows))
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

fn internal(error: impl std::fmt::Display) -> ApiError {
    ApiError::Internal(format!("pairs.parquet: {error}"))
}

fn pairs_of(batch: &RecordBatch) -> Result<Vec<Pair>, ApiError> {
    let column = |name: &str, kind: &DataType| {
        let column = batch
            .column_by_name(name)
            .ok_or_else(|| internal(format!("no column {name}")))?;
        cast(column, kind).map_err(internal)
    };
    let texts = |name: &str| {
        let array = column(name, &DataType::Utf8)?;
        let values: Vec<Option<String>> = array
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(str::to_owned))
            .collect();
        Ok::<_, ApiError>(values.into_iter())
    };
    let (mut left, mut right) = (texts("left_key")?, texts("right_key")?);
    let (mut group, mut pass) = (texts("group_id")?, texts("pass")?);
    let (mut outcome, mut reason) = (texts("outcome")?, texts("reason")?);
    let scores = column("score", &DataType::Float64)?;
    let scores = scores.as_primitive::<Float64Type>();
    let pairs = (0..batch.num_rows()).map(|row| Pair {
        left_key: left.next().flatten(),
        right_key: right.next().flatten(),
        group_id: group.next().flatten(),
        pass: pass.next().flatten(),
        outcome: outcome.next().flatten(),
        score: scores.is_valid(row).then(|| scores.value(row)),
        reason: reason.next().flatten(),
    });
    Ok(pairs.collect())
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
