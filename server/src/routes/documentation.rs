//! `/api/openapi.json` and `/api/docs`: the OpenAPI document and a viewer of it, Swagger UI.

use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use std::io::{Cursor, Read};
use std::sync::LazyLock;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

use super::input::ApiPath;
use crate::error::ApiError;
use crate::openapi::{self, Gives, Operation};

/// The viewer runs its own script and asks this server, and nothing else: no other host, no inline
/// script or style. Its style sheet has pictures as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

fn headers(kind: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Another version of the server has other content under the same names.
        (header::CACHE_CONTROL, "no-cache"),
    ]
}

/// The document as text.
pub struct Document(&'static str);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        (headers("application/json"), self.0).into_response()
    }
}

impl Gives for Document {
    fn describe(operation: &mut Operation<'_>) {
        let schema = json!({"type": "object", "required": ["openapi", "info", "paths"]});
        operation.answers_with(200, "application/json", schema);
    }
}

/// The OpenAPI document.
///
/// # Errors
/// `Internal` where a route is not described, which a test would have found.
pub async fn document() -> Result<Document, ApiError> {
    let text = openapi::text().map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(Document(text))
}

/// The page of the viewer.
pub struct Page;

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        (headers(HTML), include_str!("../openapi/viewer/index.html")).into_response()
    }
}

impl Gives for Page {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers_with(200, HTML, json!({"type": "string"}));
    }
}

/// The viewer.
pub async fn page() -> Page {
    Page
}

/// A file of the viewer.
pub struct File {
    kind: &'static str,
    content: Bytes,
}

impl IntoResponse for File {
    fn into_response(self) -> Response {
        (headers(self.kind), self.content).into_response()
    }
}

impl Gives for File {
    fn describe(operation: &mut Operation<'_>) {
        for kind in [CSS, SCRIPT] {
            operation.answers_with(200, kind, json!({"type": "string"}));
        }
    }
}

/// A file of the viewer.
///
/// # Errors
/// `NotFound` for every other name, `Internal` where the viewer is not in this program.
pub async fn file(ApiPath(name): ApiPath) -> Result<File, ApiError> {
    static STYLE: LazyLock<Option<Bytes>> = LazyLock::new(|| unpacked("swagger-ui.css"));
    static BUNDLE: LazyLock<Option<Bytes>> = LazyLock::new(|| unpacked("swagger-ui-bundle.js"));
    let start = include_str!("../openapi/viewer/viewer.js");
    let (kind, content) = match name.as_str() {
        "swagger-ui.css" => (CSS, STYLE.clone()),
        "swagger-ui-bundle.js" => (SCRIPT, BUNDLE.clone()),
        "viewer.js" => (SCRIPT, Some(Bytes::from_static(start.as_bytes()))),
        _ => return Err(ApiError::NotFound),
    };
    content
        .map(|content| File { kind, content })
        .ok_or_else(|| ApiError::Internal(format!("{name} is not among the viewer's files")))
}

/// A file of Swagger UI, which is in this program as it was released: an archive with one folder.
fn unpacked(name: &str) -> Option<Bytes> {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).ok()?;
    let path = archive
        .file_names()
        .flatten()
        .find(|path| path.split('/').skip(1).eq(["dist", name]))?
        .into_owned();
    let mut content = Vec::new();
    archive
        .by_name(&path)
        .ok()?
        .read_to_end(&mut content)
        .ok()?;
    Some(content.into())
}
