//! `/projects/{project}/uploads`

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use object_store::buffered::BufWriter;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::idempotency::{Answer, Begun, IdempotencyKey};
use super::input::ApiQuery;
use super::page::{Page, PageQuery, page, position};
use crate::app::App;
use crate::auth::{Editor, ProjectAccess, Viewer};
use crate::db;
use crate::db::audit::{Action, Entry, Origin, Subject};
use crate::db::runs::After;
use crate::db::uploads::Upload;
use crate::error::ApiError;
use crate::storage::{temporary_key, upload_key};
use crate::telemetry::RequestId;

/// A client that sends nothing for this long is given up.
const IDLE: Duration = Duration::from_secs(30);
/// An upload takes at most this long.
const DEADLINE: Duration = Duration::from_hours(2);

/// The query of an upload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateQuery {
    name: String,
}

/// An upload.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadResponse {
    id: Uuid,
    name: String,
    size: i64,
    sha256: String,
    created_at: DateTime<Utc>,
}

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

/// Takes a file: streamed to the object store while it is hashed and bounded.
///
/// # Errors
/// `BadRequest` for a bad name or a body that ends early, `TooLarge`.
pub async fn create(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    ApiQuery(query): ApiQuery<CreateQuery>,
    key: IdempotencyKey,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    check_name(&query.name)?;
    let max = app.config.max_upload_bytes;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(ApiError::TooLarge(max));
    }
    let upload = NewUpload {
        project: access.id(),
        name: query.name,
        key,
        origin: access.origin(request_id),
    };
    // A task of its own: when the client goes away this handler is dropped, and the task still
    // cleans up.
    tokio::spawn(store(app, upload, body))
        .await
        .map_err(|error| ApiError::Internal(format!("upload: {error}")))?
}

/// An upload to be made.
struct NewUpload {
    project: Uuid,
    name: String,
    key: IdempotencyKey,
    origin: Origin,
}

async fn store(app: App, new: NewUpload, body: Body) -> Result<Response, ApiError> {
    let temporary = temporary_key();
    let mut writer = app.storage.writer(&temporary);
    let copied = tokio::time::timeout(
        DEADLINE,
        copy(body, &mut writer, app.config.max_upload_bytes),
    );
    let (sha256, size) = match copied.await.unwrap_or(Err(ApiError::Timeout)) {
        Ok(copied) => copied,
        Err(error) => {
            if let Err(error) = writer.abort().await {
                tracing::debug!(%error, "nothing to abort");
            }
            return Err(error);
        }
    };
    let key = upload_key(new.project, &sha256);
    if let Err(error) = app.storage.promote(&temporary, &key).await {
        if let Err(error) = app.storage.delete(&temporary).await {
            tracing::warn!(%error, key = %temporary, "a temporary object is left behind");
        }
        return Err(error.into());
    }
    let size = i64::try_from(size).map_err(|error| ApiError::Internal(error.to_string()))?;
    record(&app, new, &sha256, size).await
}

/// Records an upload whose content is stored.
async fn record(app: &App, new: NewUpload, sha256: &[u8], size: i64) -> Result<Response, ApiError> {
    let project = new.project;
    let request = [project.as_bytes(), new.name.as_bytes(), sha256];
    let idempotency = new.key.of_request(&request);
    let mut creation = match idempotency.begin(&app.db, new.origin).await? {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(response),
    };
    let (upload, is_new) =
        db::uploads::insert(&mut creation, project, &new.name, sha256, size).await?;
    let id = upload.id;
    let location = format!("/api/v2/projects/{project}/uploads/{id}");
    let body = UploadResponse::from(upload);
    if !is_new {
        return Ok((StatusCode::OK, [(header::LOCATION, location)], Json(body)).into_response());
    }
    let entry = Entry::new(Action::UploadCreate, Subject::Upload(id))
        .of_project(project)
        .with("sha256", &hex::encode(sha256))
        .with("size", &size);
    let answer = Answer::new(StatusCode::CREATED, location, &body)?;
    creation.commit(entry, answer).await
}

/// Copies the body, and only completes the object when all of it was good.
async fn copy(body: Body, writer: &mut BufWriter, max: u64) -> Result<(Vec<u8>, u64), ApiError> {
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    let mut stream = body.into_data_stream();
    while let Some(chunk) = tokio::time::timeout(IDLE, stream.next())
        .await
        .map_err(|_| ApiError::Timeout)?
    {
        let chunk = chunk.map_err(|_| ApiError::bad_request("the body ended early"))?;
        size += chunk.len() as u64;
        if size > max {
            return Err(ApiError::TooLarge(max));
        }
        hash.update(&chunk);
        writer.put(chunk).await?;
    }
    writer
        .shutdown()
        .await
        .map_err(|error| ApiError::Internal(format!("completing an upload: {error}")))?;
    Ok((hash.finalize().to_vec(), size))
}

/// A name is one path component without control characters.
fn check_name(name: &str) -> Result<(), ApiError> {
    let bad = name.is_empty()
        || name.len() > 255
        || name == "."
        || name == ".."
        || name
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\'));
    if bad {
        return Err(ApiError::bad_request(
            "name must be a file name of 1 to 255 bytes without path parts and control characters",
        ));
    }
    Ok(())
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
