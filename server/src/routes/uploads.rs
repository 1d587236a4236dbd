//! `/projects/{project}/uploads`

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

use super::answer::{Created, Or, There};
use super::idempotency::{Answer, Begun, IdempotencyKey};
use super::input::ApiQuery;
use super::page::{Page, PageQuery, page, position};
use crate::app::App;
use crate::auth::{Editor, ProjectAccess, Viewer};
use crate::db;
use crate::db::audit::Origin;
use crate::db::runs::After;
use crate::db::uploads::Upload;
use crate::error::ApiError;
use crate::telemetry::RequestId;
use crate::uploads::{self, Staged};

/// The query of an upload.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateQuery {
    /// The file's name, without path parts, control characters and outer spaces; at most 255 bytes.
    #[schemars(length(min = 1, max = 255))]
    name: String,
}

/// An upload.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Upload")]
#[serde(rename_all = "camelCase")]
pub struct UploadResponse {
    /// The upload's id.
    id: Uuid,
    /// The file's name.
    name: String,
    /// Bytes.
    size: i64,
    /// The SHA-256 of the content, in hexadecimal digits.
    sha256: String,
    /// When it was uploaded.
    created_at: DateTime<Utc>,
}

/// A new upload, or the one that the project had of this file.
pub(super) type Kept = Or<Created<UploadResponse>, There<UploadResponse>>;

impl From<Upload> for UploadResponse {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id,
            name: upload.name,
            size: upload.size,
            sha256: hex::encode(upload.sha256),
            created_at: upload.created_at,
        }
    }
}

/// Takes a file: streamed to the object store while it is hashed, bounded and looked at.
///
/// # Errors
/// `BadRequest` for a bad name or a body that ends early, `TooLarge`, `Unpacked`,
/// `UnsupportedMediaType` for content that is not what the name says.
pub async fn create(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    ApiQuery(query): ApiQuery<CreateQuery>,
    key: IdempotencyKey,
    headers: HeaderMap,
    body: Body,
) -> Result<Kept, ApiError> {
    uploads::check_name(&query.name)?;
    let max = app.config.max_upload_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(ApiError::TooLarge(max));
    }
    let (project, origin) = (access.id(), access.origin(request_id));
    // A task of its own: when the client goes away this handler is dropped, and the task still
    // cleans up.
    tokio::spawn(async move {
        let chunks = body.into_data_stream();
        let chunks = chunks.map(|it| it.map_err(|_| ended_early()));
        let staged = uploads::stage(&app, &query.name, chunks).await?;
        keep(&app, staged, project, key, origin).await
    })
    .await
    .map_err(|error| ApiError::Internal(format!("upload: {error}")))?
}

pub(super) fn ended_early() -> ApiError {
    ApiError::bad_request("the body ended early")
}

pub(super) fn location(upload: &Upload) -> String {
    format!(
        "/api/v2/projects/{}/uploads/{}",
        upload.project_id, upload.id
    )
}

/// Gives a staged file to a project: 201 for a new upload, 200 for one that was there.
pub(super) async fn keep(
    app: &App,
    staged: Staged,
    project: Uuid,
    key: IdempotencyKey,
    origin: Origin,
) -> Result<Kept, ApiError> {
    let placed = staged.place(app, project).await?;
    let request = [project.as_bytes(), placed.name.as_bytes(), &placed.sha256];
    let idempotency = key.of_request(&request);
    let begun = idempotency.begin(&app.cache, origin, placed.stale());
    let mut creation = match begun.await? {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(Or::Either(response)),
    };
    let (upload, new) = placed.record(&mut creation).await?;
    let (location, entry) = (location(&upload), placed.entry(&upload));
    let body = UploadResponse::from(upload);
    if !new {
        creation.is_there_already(&app.cache).await;
        return Ok(Or::Or(There { location, body }));
    }
    let answer = Answer::new(location, &body)?;
    Ok(Or::Either(creation.commit(entry, answer).await?))
}

/// The uploads of a project, newest first.
///
/// # Errors
/// `BadRequest` for a wrong cursor or limit.
pub async fn list(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<UploadResponse>>, ApiError> {
    let (limit, after) = (query.limit()?, query.after()?);
    let rows = db::uploads::list(&app.db, access.id(), after, limit + 1).await?;
    let at = |row: &Upload| {
        position(After {
            created_at: row.created_at,
            id: row.id,
        })
    };
    Ok(Json(page(rows, limit, at, UploadResponse::from)))
}

/// An upload.
///
/// # Errors
/// `NotFound`.
pub async fn show(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Json<UploadResponse>, ApiError> {
    let id = path
        .get("id")
        .and_then(|id| id.parse().ok())
        .ok_or(ApiError::NotFound)?;
    let upload = db::uploads::find(&app.db, access.id(), id)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(Json(upload.into()))
}
