//! `/audit` and `/projects/{project}/audit`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::input::ApiQuery;
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{Caller, Owner, ProjectAccess};
use crate::db;
use crate::db::audit::Stored;
use crate::error::ApiError;

/// An entry of the audit log.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
#[serde(rename_all = "camelCase")]
pub struct EntryResponse {
    /// Its place in the log, from 1.
    sequence: i64,
    /// When it was added.
    at: DateTime<Utc>,
    /// Who made the change.
    actor: Named,
    /// What was done, such as `project.create`.
    action: String,
    /// What it was done to.
    subject: Named,
    /// The project whose owners may read the entry.
    project: Option<Uuid>,
    /// The request, as its `X-Request-Id` says.
    request_id: Uuid,
    /// Settings that are part of the change.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    details: Option<Value>,
    /// The hash over the entry and the one before, in hexadecimal digits.
    hash: String,
}

#[derive(Serialize, JsonSchema)]
struct Named {
    /// What it is.
    kind: String,
    /// Which one.
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
