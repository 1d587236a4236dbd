//! Differences of a run's pairs, read from `differences.parquet`.

use object_store::path::Path;
use schemars::JsonSchema;
use serde::Serialize;

use super::rows;
use crate::error::ApiError;
use crate::storage::Storage;

/// A column of a pair that says something else on either side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "PairDifference")]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The left record's key.
    left_key: Option<String>,
    /// The right record's key.
    right_key: Option<String>,
    /// The column.
    column: Option<String>,
    /// The left record's value.
    left_value: Option<String>,
    /// The right record's value.
    right_value: Option<String>,
    /// How far they are apart, where that can be said.
    delta: Option<String>,
}

/// Reads up to `limit` differences from the row `offset` on; also says how many rows there are.
///
/// # Errors
/// `Internal` where the file is none that the engine writes, and errors of the store.
pub async fn read(
    storage: Storage,
    key: Path,
    offset: usize,
    limit: usize,
) -> Result<(Vec<Difference>, usize), ApiError> {
    let rows = rows::read(storage, key, offset, limit).await?;
    let mut differences = Vec::with_capacity(rows.len());
    for batch in &rows.batches {
        let texts = |name: &str| rows.texts(batch, name);
        let (mut left, mut right) = (texts("left_key")?, texts("right_key")?);
        let (mut column, mut delta) = (texts("column")?, texts("delta")?);
        let (mut before, mut after) = (texts("left_value")?, texts("right_value")?);
        differences.extend((0..batch.num_rows()).map(|_| Difference {
            left_key: left.next().flatten(),
            right_key: right.next().flatten(),
            column: column.next().flatten(),
            left_value: before.next().flatten(),
            right_value: after.next().flatten(),
            delta: delta.next().flatten(),
        }));
    }
    Ok((differences, rows.total))
}
