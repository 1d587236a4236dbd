//! Bodies and queries, read strictly: what is unknown is refused and never ignored.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use futures::StreamExt;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::ApiError;
use crate::openapi::{Operation, Takes};

/// The largest JSON body.
pub const MAX_JSON_BYTES: usize = 1 << 20;

/// A JSON body.
#[derive(Debug)]
pub struct ApiJson<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(not_json());
        }
        let bytes = read(request.into_body()).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| ApiError::BadRequest(format!("the body is wrong: {error}").into()))
    }
}

impl<T: JsonSchema> Takes for ApiJson<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .takes_body::<T>()
            .is_malformed("the body is no JSON, or not as its schema says")
            .fails(&ApiError::TooLarge(MAX_JSON_BYTES as u64))
            .fails(&not_json());
    }
}

fn not_json() -> ApiError {
    ApiError::UnsupportedMediaType("the body must be application/json".into())
}

pub(super) async fn read(body: Body) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::bad_request("the body ended early"))?;
        if bytes.len() + chunk.len() > MAX_JSON_BYTES {
            return Err(ApiError::TooLarge(MAX_JSON_BYTES as u64));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

/// The query of a URL.
#[derive(Debug)]
pub struct ApiQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(value)| Self(value))
            .map_err(|error| {
                ApiError::BadRequest(format!("the query is wrong: {}", error.body_text()).into())
            })
    }
}

impl<T: JsonSchema> Takes for ApiQuery<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .takes_query::<T>()
            .is_malformed("the query is not as its parameters say");
    }
}

/// The one parameter of a path. A path that is no text leads nowhere.
#[derive(Debug)]
pub struct ApiPath(pub String);

impl FromRequestParts<App> for ApiPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, app).await;
        path.map(|Path(text)| Self(text))
            .map_err(|_| ApiError::NotFound)
    }
}

impl Takes for ApiPath {
    fn describe(operation: &mut Operation<'_>) {
        operation.fails(&ApiError::NotFound);
    }
}
