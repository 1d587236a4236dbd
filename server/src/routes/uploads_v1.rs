//! `/api/v1/files/upload`, kept for clients that were written for it. `docs/upload-migration.md`
//! says what to do instead.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use multer::{Constraints, Field, Multipart, SizeLimit};
use std::error::Error as _;

use super::idempotency::IdempotencyKey;
use super::uploads::{self as uploads_v2, Kept, ended_early};
use crate::app::App;
use crate::auth::{Caller, Editor, check_project_permission};
use crate::db::audit::Origin;
use crate::db::projects::ProjectRef;
use crate::error::ApiError;
use crate::openapi::{Gives, Operation};
use crate::telemetry::RequestId;
use crate::uploads::{self, Staged};

/// Since when it should not be used any more, as RFC 9745 writes it: 2026-11-25.
const DEPRECATED: HeaderValue = HeaderValue::from_static("@1795564800");
/// When it may be gone, as RFC 8594 writes it.
const SUNSET: HeaderValue = HeaderValue::from_static("Tue, 30 Nov 2027 00:00:00 GMT");
/// What to read and what to use, where the project is not known.
const LINKS: HeaderValue =
    HeaderValue::from_static("</api/v2/projects>; rel=\"successor-version\"");
/// A project's id or slug.
const MAX_PROJECT: u64 = 64;
/// Boundaries and headers of the parts.
const FRAME: u64 = 16 << 10;

/// Says with every answer that there is something better.
pub async fn deprecated(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("deprecation"), DEPRECATED);
    headers.insert(HeaderName::from_static("sunset"), SUNSET);
    headers.entry(header::LINK).or_insert(LINKS);
    response
}

/// An upload, and what to use for the next one.
pub struct WithSuccessor {
    successor: String,
    kept: Kept,
}

impl IntoResponse for WithSuccessor {
    fn into_response(self) -> Response {
        ([(header::LINK, self.successor)], self.kept).into_response()
    }
}

impl Gives for WithSuccessor {
    fn describe(operation: &mut Operation<'_>) {
        Kept::describe(operation);
    }
}

/// Takes a file as `multipart/form-data` with the fields `project_id` and `file`, in any order.
///
/// # Errors
/// Those of an upload of version 2, and `BadRequest` for a form that is not as said above.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    request_id: RequestId,
    key: IdempotencyKey,
    request: Request,
) -> Result<WithSuccessor, ApiError> {
    let boundary = boundary(request.headers())?;
    // A task of its own, as in version 2.
    tokio::spawn(async move {
        let max = app.config.max_upload_bytes;
        let limits = SizeLimit::new()
            .whole_stream(max.saturating_add(FRAME))
            .for_field("project_id", MAX_PROJECT);
        let constraints = Constraints::new()
            .allowed_fields(vec!["project_id", "file"])
            .size_limit(limits);
        let body = request.into_body().into_data_stream();
        let mut form = Form {
            parts: Multipart::with_constraints(body, boundary, constraints),
            project: None,
            staged: None,
        };
        let result = form.read(&app).await;
        match (result, form.staged, form.project) {
            (Ok(()), Some(staged), Some(project)) => {
                let origin = caller.origin(request_id);
                keep(&app, &caller, staged, &project, (key, origin)).await
            }
            (result, staged, _) => {
                if let Some(staged) = staged {
                    staged.discard(&app).await;
                }
                result?;
                Err(ApiError::bad_request(
                    "the form must have the fields project_id and file",
                ))
            }
        }
    })
    .await
    .map_err(|error| ApiError::Internal(format!("upload: {error}")))?
}

struct Form {
    parts: Multipart<'static>,
    project: Option<String>,
    staged: Option<Staged>,
}

impl Form {
    async fn read(&mut self, app: &App) -> Result<(), ApiError> {
        let max = app.config.max_upload_bytes;
        while let Some(field) = self
            .parts
            .next_field()
            .await
            .map_err(|it| wrong(&it, max))?
        {
            match field.name() {
                Some("project_id") if self.project.is_none() => {
                    let text = field.text().await.map_err(|it| wrong(&it, max))?;
                    self.project = Some(text.trim().to_owned());
                }
                Some("file") if self.staged.is_none() => {
                    self.staged = Some(stage(app, field).await?);
                }
                _ => return Err(ApiError::bad_request("the form has a field twice")),
            }
        }
        Ok(())
    }
}

async fn stage(app: &App, field: Field<'static>) -> Result<Staged, ApiError> {
    let max = app.config.max_upload_bytes;
    let name = field
        .file_name()
        .ok_or_else(|| ApiError::bad_request("the field file must have a file name"))?
        .to_owned();
    let chunks = field.map(|chunk| chunk.map_err(|error| wrong(&error, max)));
    uploads::stage(app, &name, chunks).await
}

/// Gives the file to the project where the caller may upload to it.
async fn keep(
    app: &App,
    caller: &Caller,
    staged: Staged,
    project: &str,
    (key, origin): (IdempotencyKey, Origin),
) -> Result<WithSuccessor, ApiError> {
    let project = ProjectRef::parse(project);
    let access = match check_project_permission::<Editor>(app, caller, &project).await {
        Ok(access) => access,
        Err(error) => {
            staged.discard(app).await;
            return Err(error);
        }
    };
    let kept = uploads_v2::keep(app, staged, access.id(), key, origin).await?;
    let successor = format!(
        "</api/v2/projects/{}/uploads>; rel=\"successor-version\"",
        access.id()
    );
    Ok(WithSuccessor { successor, kept })
}

fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| {
            ApiError::UnsupportedMediaType("the body must be multipart/form-data".into())
        })
}

/// What is wrong with a form.
fn wrong(error: &multer::Error, max: u64) -> ApiError {
    match error {
        multer::Error::FieldSizeExceeded { .. } => {
            ApiError::bad_request("project_id must be a project's id or slug")
        }
        multer::Error::StreamSizeExceeded { .. } => ApiError::TooLarge(max),
        multer::Error::UnknownField { .. } => {
            ApiError::bad_request("the form has a field other than project_id and file")
        }
        multer::Error::StreamReadFailed(_)
        | multer::Error::IncompleteStream
        | multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders => ended_early(),
        error => {
            tracing::debug!(%error, source = ?error.source(), "a form cannot be read");
            ApiError::bad_request("the body is no well-formed multipart/form-data")
        }
    }
}
