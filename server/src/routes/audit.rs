//! `/audit` and `/projects/{project}/audit`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::input::ApiQuery;
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{Caller, Owner, ProjectAccess};
use crate::db;
use crate::db::audit::Stored;
use crate::error::ApiError;

/// An entry of the audit log.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryResponse {
    sequence: i64,
    at: DateTime<Utc>,
    actor: Named,
    action: String,
    subject: Named,
    project: Option<Uuid>,
    request_id: Uuid,
    details: Option<Value>,
    hash: String,
}

#[derive(Serialize)]
struct Named {
    kind: String,
    id: Option<String>,
}

impl From<Stored> for EntryResponse {
    fn from(entry: Stored) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at,
            details: entry.details(),
            actor: Named {
                kind: entry.actor_kind,
                id: entry.actor,
            },
            action: entry.action,
            subject: Named {
                kind: entry.subject_kind,
                id: Some(entry.subject),
            },
            project: entry.project_id,
            request_id: entry.request_id,
            hash: hex::encode(entry.hash),
        }
    }
}

/// The entries of the whole platform, newest first.
///
/// # Errors
/// `Forbidden` for everybody but platform admins, `BadRequest` for a wrong cursor or limit.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<EntryResponse>>, ApiError> {
    caller.person()?.admin()?;
    entries(&app, None, &query).await
}

/// The entries of a project, newest first.
///
/// # Errors
/// `BadRequest` for a wrong cursor or limit.
pub async fn list_of_project(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<EntryResponse>>, ApiError> {
    entries(&app, Some(access.id()), &query).await
}

async fn entries(
    app: &App,
    project: Option<Uuid>,
    query: &PageQuery,
) -> Result<Json<Page<EntryResponse>>, ApiError> {
    let (limit, before) = (query.limit()?, query.before()?);
    let rows = db::audit::list(&app.db, project, before, limit + 1).await?;
    let at = |row: &Stored| row.sequence.to_string();
    Ok(Json(page(rows, limit, at, EntryResponse::from)))
}
