//! What the protocol answers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::db::upload_sessions::Session;
use crate::openapi::{Gives, Operation, header as described};
use crate::routes::answer::With;

const EXTENSIONS: &str = "creation,expiration,termination";

/// An upload under way.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UploadSession")]
#[serde(rename_all = "camelCase")]
pub struct SessionResponse {
    /// The session's id.
    id: Uuid,
    /// The file's name.
    name: String,
    /// Bytes in all.
    length: i64,
    /// Bytes that are there.
    offset: i64,
    /// When it is given up, unless a request comes before.
    expires_at: DateTime<Utc>,
    /// The upload, once all bytes are there.
    upload: Option<Uuid>,
}

/// What of the protocol is spoken.
pub struct Protocol {
    pub(super) max_size: u64,
}

impl IntoResponse for Protocol {
    fn into_response(self) -> Response {
        let headers = [
            ("tus-extension", EXTENSIONS.to_owned()),
            ("tus-max-size", self.max_size.to_string()),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    }
}

impl Gives for Protocol {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .answers_nothing(204)
            .gives_header(204, described::TUS_EXTENSION)
            .gives_header(204, described::TUS_MAX_SIZE);
    }
}

/// Where an upload is.
pub struct Standing<const STATUS: u16 = 200>(pub(super) Session);

impl<const STATUS: u16> IntoResponse for Standing<STATUS> {
    fn into_response(self) -> Response {
        let Self(session) = self;
        let (project, id) = (session.project_id, session.id);
        let expires = session.expires_at.format("%a, %d %b %Y %H:%M:%S GMT");
        let mut headers = vec![
            ("upload-length", session.length.to_string()),
            ("upload-offset", session.received.to_string()),
            ("upload-expires", expires.to_string()),
            ("cache-control", "no-store".to_owned()),
        ];
        if STATUS == 201 {
            let place = format!("/api/v2/projects/{project}/uploads/resumable/{id}");
            headers.push(("location", place));
        }
        if let Some(upload) = session.upload_id {
            let place = format!("/api/v2/projects/{project}/uploads/{upload}");
            headers.push(("content-location", place));
        }
        let body = SessionResponse {
            id,
            name: session.name,
            length: session.length,
            offset: session.received,
            expires_at: session.expires_at,
            upload: session.upload_id,
        };
        let mut response = With::<STATUS, _>(body).into_response();
        for (name, value) in headers {
            // Numbers, dates and ids: their characters are all good in a header.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl<const STATUS: u16> Gives for Standing<STATUS> {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .answers::<SessionResponse>(STATUS)
            .gives_header(STATUS, described::UPLOAD_LENGTH)
            .gives_header(STATUS, described::UPLOAD_OFFSET)
            .gives_header(STATUS, described::UPLOAD_EXPIRES)
            .gives_header(STATUS, described::CACHE_CONTROL);
        if STATUS == 201 {
            operation.gives_header(STATUS, described::LOCATION);
        } else {
            operation.gives_header(STATUS, described::CONTENT_LOCATION);
        }
    }
}

/// What is there after a request with bytes.
pub struct Appended {
    pub(super) offset: i64,
    pub(super) place: Option<String>,
}

impl IntoResponse for Appended {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert("upload-offset", self.offset.into());
        if let Some(place) = self.place.and_then(|it| HeaderValue::from_str(&it).ok()) {
            headers.insert(header::CONTENT_LOCATION, place);
        }
        response
    }
}

impl Gives for Appended {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .answers_nothing(204)
            .gives_header(204, described::UPLOAD_OFFSET)
            .gives_header(204, described::CONTENT_LOCATION);
    }
}
