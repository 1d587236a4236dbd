//! `/runs/{id}/outputs`

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

use super::input::ApiQuery;
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{RunAccess, Viewer};
use crate::db::runs::Run;
use crate::error::ApiError;
use crate::openapi::{Gives, Operation, header as headers};

/// A file that a run wrote.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OutputFile")]
pub struct OutputResponse {
    /// The file's name.
    name: String,
    /// Bytes.
    size: u64,
}

/// The key of an output of a succeeded run.
///
/// # Errors
/// `Conflict` before the run has succeeded, `NotFound` for what cannot be an output's name.
pub(super) fn key(run: &Run, name: &str) -> Result<object_store::path::Path, ApiError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(ApiError::NotFound);
    }
    Ok(prefix(run)?.join(name))
}

fn prefix(run: &Run) -> Result<object_store::path::Path, ApiError> {
    run.output_prefix
        .as_deref()
        .map(object_store::path::Path::from)
        .ok_or_else(|| ApiError::conflict("the run has no outputs, because it has not succeeded"))
}

/// The files of a run.
///
/// # Errors
/// `Conflict` before the run has succeeded.
pub async fn list(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<OutputResponse>>, ApiError> {
    let (limit, after) = (query.limit()?, query.position()?.unwrap_or_default());
    let objects = app.storage.list(&prefix(&run)?).await?;
    let outputs = objects
        .into_iter()
        .filter_map(|object| {
            let name = object.location.filename()?.to_owned();
            Some(OutputResponse {
                name,
                size: object.size,
            })
        })
        .filter(|output| output.name > after)
        .take(usize::try_from(limit).unwrap_or_default() + 1)
        .collect();
    Ok(Json(page(
        outputs,
        limit,
        |output| output.name.clone(),
        |output| output,
    )))
}

/// A file on its way out.
pub struct Download {
    name: String,
    size: u64,
    content: BoxStream<'static, object_store::Result<Bytes>>,
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, content_type(&self.name).to_owned()),
            (header::CONTENT_LENGTH, self.size.to_string()),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{}\"", self.name),
            ),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (headers, Body::from_stream(self.content)).into_response()
    }
}

impl Gives for Download {
    fn describe(operation: &mut Operation<'_>) {
        for kind in [JSON, CSV, PARQUET, OTHER] {
            operation.answers_with(200, kind, json!({}));
        }
        operation.gives_header(200, headers::DISPOSITION);
    }
}

const JSON: &str = "application/json";
const CSV: &str = "text/csv; charset=utf-8";
const PARQUET: &str = "application/vnd.apache.parquet";
const OTHER: &str = "application/octet-stream";

/// A file of a run. It is always sent for download: a browser must not run what data made.
///
/// # Errors
/// `Conflict` before the run has succeeded, `NotFound`.
pub async fn download(
    State(app): State<App>,
    RunAccess { run, .. }: RunAccess<Viewer>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Download, ApiError> {
    let name = path.get("name").map(String::as_str).unwrap_or_default();
    let (size, content) = match app.storage.get(&key(&run, name)?).await {
        Err(object_store::Error::NotFound { .. }) => return Err(ApiError::NotFound),
        result => result?,
    };
    Ok(Download {
        name: name.to_owned(),
        size,
        content: content.boxed(),
    })
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("json") => JSON,
        Some("csv") => CSV,
        Some("parquet") => PARQUET,
        _ => OTHER,
    }
}
