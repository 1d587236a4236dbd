//! `/runs/{id}/exceptions`

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::input::ApiQuery;
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{RunAccess, Viewer};
use crate::db;
use crate::db::exceptions::{Exception, Outcome};
use crate::error::ApiError;

/// The query of the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    /// Where the page begins: `nextCursor` of the page before.
    cursor: Option<String>,
    /// Items a page; 100 when absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<i64>,
    /// One outcome; all when absent.
    outcome: Option<Outcome>,
}

/// What of a run somebody should look at: review pairs, differing pairs, duplicates, rejected rows
/// and unmatched records.
///
/// # Errors
/// `Conflict` before the run has succeeded.
pub async fn list(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<Exception>>, ApiError> {
    let outcome = query.outcome;
    let query = PageQuery::new(query.cursor, query.limit);
    let (limit, after) = (query.limit()?, query.number()?);
    if run.summary.is_none() {
        return Err(ApiError::conflict(
            "the run has no exceptions, because it has not succeeded",
        ));
    }
    let rows = db::exceptions::list(&app.db, run.id, outcome, after, limit + 1).await?;
    Ok(Json(page(
        rows,
        limit,
        |row| row.number.to_string(),
        |row| row,
    )))
}
