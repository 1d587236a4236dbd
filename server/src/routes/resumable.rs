//! `/projects/{project}/uploads/resumable`: tus 1.0, the core protocol and its extensions creation,
//! expiration and termination (<https://tus.io/protocols/resumable-upload>).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, NoContent, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::uploads::{ended_early, location};
use crate::app::App;
use crate::auth::{Editor, ProjectAccess};
use crate::cache::Stale;
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::upload_sessions::Session;
use crate::error::ApiError;
use crate::telemetry::RequestId;
use crate::uploads::check_name;
use crate::uploads::resumable::{self, LIFE, MAX_OPEN, Progress};
use answers::{Appended, Protocol, Standing};

mod answers;

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const PIECE: &str = "application/offset+octet-stream";

/// Speaks version 1.0.0 alone, and says so with every answer.
pub async fn protocol(request: Request, next: Next) -> Response {
    let asked = request.headers().get(TUS_RESUMABLE);
    let known = asked == Some(&VERSION)
        // Whoever only looks need not speak the protocol, and whoever asks cannot know it yet.
        || matches!(*request.method(), Method::OPTIONS | Method::GET);
    let mut response = if known {
        next.run(request).await
    } else {
        ApiError::TusVersion.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, VERSION);
    headers.insert("tus-version", VERSION);
    response
}

/// What of the protocol is spoken.
pub async fn options(State(app): State<App>) -> Protocol {
    Protocol {
        max_size: app.config.max_upload_bytes,
    }
}

/// Begins an upload of a known length. `Upload-Metadata` must have `filename`.
///
/// # Errors
/// `BadRequest` for wrong headers or a bad name, `TooLarge`, `Conflict` where the project has too
/// many unfinished ones.
pub async fn create(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    headers: HeaderMap,
) -> Result<Standing<201>, ApiError> {
    let length = number(&headers, "upload-length")?;
    let max = app.config.max_upload_bytes;
    if length.unsigned_abs() > max {
        return Err(ApiError::TooLarge(max));
    }
    let name = file_name(&headers)?;
    check_name(&name)?;
    let project = access.id();
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    let file = (name.as_str(), length);
    let session = db::upload_sessions::create(&mut change, project, file, LIFE, MAX_OPEN)
        .await?
        .ok_or_else(|| {
            ApiError::conflict(
                "the project has 100 unfinished uploads, as many as it may; finish or delete some",
            )
        })?;
    let entry = Entry::new(Action::UploadBegin, Subject::UploadSession(session.id));
    let entry = entry.of_project(project).with("length", &length);
    change.commit(entry, Stale::nothing()).await?;
    Ok(Standing(session))
}

/// Where an upload is; also for `HEAD`, as the protocol has it.
///
/// # Errors
/// `NotFound`, also once it was given up.
pub async fn show(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Standing, ApiError> {
    let session = find(&app, access.id(), &path).await?;
    Ok(Standing(session))
}

/// Takes the next bytes. With the last ones the answer names the upload in `Content-Location`.
///
/// # Errors
/// `NotFound`, `UnsupportedMediaType`, `Conflict` where `Upload-Offset` is not where the upload is,
/// and those of an upload, with which it is given up.
pub async fn append(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    Path(path): Path<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Appended, ApiError> {
    if headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) != Some(PIECE.as_bytes()) {
        return Err(ApiError::UnsupportedMediaType(
            format!("the body must be {PIECE}").into(),
        ));
    }
    let offset = number(&headers, "upload-offset")?;
    let session = find(&app, access.id(), &path).await?;
    let origin = access.origin(request_id);
    // A task of its own: when the client goes away this handler is dropped, and what arrived is
    // still kept.
    let (session, progress) = tokio::spawn(async move {
        let chunks = body.into_data_stream();
        let chunks = chunks.map(|it| it.map_err(|_| ended_early()));
        let progress = resumable::receive(&app, &session, offset, chunks, origin).await?;
        Ok::<_, ApiError>((session, progress))
    })
    .await
    .map_err(|error| ApiError::Internal(format!("upload: {error}")))??;
    Ok(match progress {
        Progress::Received(offset) => Appended {
            offset,
            place: None,
        },
        Progress::Complete(upload) => Appended {
            offset: session.length,
            place: Some(location(&upload)),
        },
    })
}

/// Gives an upload up.
///
/// # Errors
/// `NotFound`.
pub async fn remove(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<NoContent, ApiError> {
    let session = find(&app, access.id(), &path).await?;
    resumable::give_up(&app, &session, access.origin(request_id)).await?;
    Ok(NoContent)
}

async fn find(
    app: &App,
    project: Uuid,
    path: &BTreeMap<String, String>,
) -> Result<Session, ApiError> {
    let id = path
        .get("id")
        .and_then(|id| id.parse().ok())
        .ok_or(ApiError::NotFound)?;
    db::upload_sessions::find(&app.db, project, id)
        .await?
        .ok_or(ApiError::NotFound)
}

/// A header with a whole number that is not negative.
fn number(headers: &HeaderMap, name: &'static str) -> Result<i64, ApiError> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .filter(|number| *number >= 0)
        .ok_or_else(|| ApiError::bad_request(format!("{name} must be a whole number of bytes")))
}

/// `filename` of `Upload-Metadata`: pairs of a key and a value in Base64, with commas between them.
fn file_name(headers: &HeaderMap) -> Result<String, ApiError> {
    headers
        .get("upload-metadata")
        .and_then(|value| value.to_str().ok())
        .into_iter()
        .flat_map(|pairs| pairs.split(','))
        .filter_map(|pair| pair.trim().split_once(' '))
        .find(|(key, _)| *key == "filename")
        .and_then(|(_, value)| STANDARD.decode(value.trim()).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| ApiError::bad_request("upload-metadata must have filename, in Base64"))
}
