//! `/runs/{id}/pairs`

use axum::Json;
use axum::extract::State;

use super::input::ApiQuery;
use super::outputs;
use super::page::{Page, PageQuery, cursor};
use crate::app::App;
use crate::auth::{RunAccess, Viewer};
use crate::error::ApiError;
use crate::runs::pairs::{Pair, read};

/// The pairs of a run, in the order of `pairs.parquet`. The cursor is a row number, so any page is
/// read from its own row groups alone.
///
/// # Errors
/// `Conflict` before the run has succeeded.
pub async fn list(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<Pair>>, ApiError> {
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let (limit, offset) = (count(query.limit()?), count(query.offset()?));
    let key = outputs::key(&run, "pairs.parquet")?;
    let (items, rows) = read(app.storage.clone(), key, offset, limit).await?;
    let next = offset.saturating_add(items.len());
    let next_cursor = (next < rows).then(|| cursor(&next.to_string()));
    Ok(Json(Page { items, next_cursor }))
}
