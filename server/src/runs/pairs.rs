//! Pairs of a run, read from `pairs.parquet`.

use object_store::path::Path;
use schemars::JsonSchema;
use serde::Serialize;

use super::rows;
use crate::error::ApiError;
use crate::storage::Storage;

/// A pair of records and why it is one.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// The left record's key.
    left_key: Option<String>,
    /// The right record's key.
    right_key: Option<String>,
    /// The group that the pair belongs to.
    group_id: Option<String>,
    /// The pass that made it.
    pass: Option<String>,
    /// `matched`, `differing` or `review`.
    outcome: Option<String>,
    /// Its score.
    score: Option<f64>,
    /// Why it is one.
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
    let rows = rows::read(storage, key, offset, limit).await?;
    let mut pairs = Vec::with_capacity(rows.len());
    for batch in &rows.batches {
        let texts = |name: &str| rows.texts(batch, name);
        let (mut left, mut right) = (texts("left_key")?, texts("right_key")?);
        let (mut group, mut pass) = (texts("group_id")?, texts("pass")?);
        let (mut outcome, mut reason) = (texts("outcome")?, texts("reason")?);
        let mut score = rows.numbers(batch, "score")?;
        pairs.extend((0..batch.num_rows()).map(|_| Pair {
            left_key: left.next().flatten(),
            right_key: right.next().flatten(),
            group_id: group.next().flatten(),
            pass: pass.next().flatten(),
            outcome: outcome.next().flatten(),
            score: score.next().flatten(),
            reason: reason.next().flatten(),
        }));
    }
    Ok((pairs, rows.total))
}
