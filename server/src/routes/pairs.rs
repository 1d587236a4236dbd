//! `/runs/{id}/pairs` and `/runs/{id}/differences`
//!
//! Both are rows of a Parquet file in its order. The cursor is a row number, so any page is read
//! from its own row groups alone.

use axum::Json;
use axum::extract::State;

use super::input::ApiQuery;
use super::outputs;
use super::page::{Page, PageQuery, cursor};
use crate::app::App;
use crate::auth::{RunAccess, Viewer};
use crate::error::ApiError;
use crate::runs::differences::{self, Difference};
use crate::runs::pairs::{self, Pair};

/// The pairs of a run.
///
/// # Errors
/// `Conflict` before the run has succeeded.
pub async fn list(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<Pair>>, ApiError> {
    let (offset, limit) = rows(&query)?;
    let key = outputs::key(&run, "pairs.parquet")?;
    let (items, total) = pairs::read(app.storage.clone(), key, offset, limit).await?;
    Ok(Json(page(items, offset, total)))
}

/// What differs between the records of a run's pairs.
///
/// # Errors
/// `Conflict` before the run has succeeded.
pub async fn differences(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<Difference>>, ApiError> {
    let (offset, limit) = rows(&query)?;
    let key = outputs::key(&run, "differences.parquet")?;
    let (items, total) = differences::read(app.storage.clone(), key, offset, limit).await?;
    Ok(Json(page(items, offset, total)))
}

fn rows(query: &PageQuery) -> Result<(usize, usize), ApiError> {
    let count = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok((count(query.offset()?), count(query.limit()?)))
}

fn page<T>(items: Vec<T>, offset: usize, total: usize) -> Page<T> {
    let next = offset.saturating_add(items.len());
    Page {
        next_cursor: (next < total).then(|| cursor(&next.to_string())),
        items,
    }
}
