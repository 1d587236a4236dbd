//! Everything that can go wrong in a request, and the one place that makes it a response.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use crds::decode::SpecError;
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::time::Duration;

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no valid identity. The reason is never told.
    #[error("a valid access token is required")]
    Unauthenticated,
    /// Wrong e-mail address, wrong password or disabled: which one is never told.
    #[error("the e-mail address or the password is wrong")]
    WrongCredentials,
    /// The caller is known and may not do this.
    #[error("you have no permission to do this")]
    Forbidden,
    /// It does not exist, or not for this caller.
    #[error("there is nothing here, or nothing that you may see")]
    NotFound,
    /// The path exists, the method does not.
    #[error("this path does not answer that method")]
    MethodNotAllowed,
    /// The request itself is malformed.
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// The body is of another type than the route takes, or than it says it is.
    #[error("{0}")]
    UnsupportedMediaType(Cow<'static, str>),
    /// The body is larger than the route takes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// A compressed file holds too much for its size.
    #[error(
        "the file unpacks to more than {0} bytes, which is over 250 times what was sent; send it \
         uncompressed if it is meant to"
    )]
    Unpacked(u64),
    /// It contradicts what exists.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// An update without `If-Match`.
    #[error("send If-Match with the ETag that the change is based on, or * for any")]
    PreconditionRequired,
    /// It was changed since the version in `If-Match`.
    #[error("it was changed since; read it again and repeat the change on what is there now")]
    PreconditionFailed,
    /// The same `Idempotency-Key` with another request.
    #[error("the Idempotency-Key was used for another request; take a new key for a new request")]
    IdempotencyKeyReused,
    /// Another request with the same `Idempotency-Key` is under way.
    #[error("a request with this Idempotency-Key is being worked on; repeat it later")]
    IdempotencyKeyInUse,
    /// A resumable upload in another version of the protocol.
    #[error("Tus-Resumable: 1.0.0 is required")]
    TusVersion,
    /// A specification is wrong, in every place listed.
    #[error("the specification is wrong in {}", places(.0.len()))]
    InvalidSpecification(Vec<SpecError>),
    /// The project has as many queued runs as it may.
    #[error("the project has {0} queued runs, as many as it may; wait for some to finish")]
    QueueFull(i64),
    /// The caller asks more than it may; there is enough again after this time.
    #[error(
        "too many requests; RateLimit-Policy says how many are allowed, Retry-After when to go on"
    )]
    TooManyRequests(Duration),
    /// The request took too long.
    #[error("the request took too long")]
    Timeout,
    /// Something this server needs is away; the reason is safe to show.
    #[error("{0}")]
    Unavailable(Cow<'static, str>),
    /// The database failed. Details go to the log only.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The object store failed. Details go to the log only.
    #[error("object store: {0}")]
    Storage(#[from] object_store::Error),
    /// A defect or a broken invariant. Details go to the log only.
    #[error("{0}")]
    Internal(String),
}

/// The most places of a specification that one answer names: whoever has more sees them when these
/// are mended, and nobody makes the server write a book.
const MAX_PLACES: usize = 100;

fn places(count: usize) -> String {
    match count {
        1 => "1 place".into(),
        2..=MAX_PLACES => format!("{count} places"),
        _ => format!("{count} places, of which the first {MAX_PLACES} are listed"),
    }
}

/// An RFC 9457 problem document.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct Problem<'a> {
    /// A stable URI, `urn:reconciliation-platform:problem:` and the problem's name.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this request, and what to do about it.
    detail: Cow<'a, str>,
    /// Every mistake of a specification.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [SpecError],
}

impl Problem<'_> {
    /// The URI of the problem of a name.
    pub(crate) fn type_of(name: &str) -> String {
        format!("urn:reconciliation-platform:problem:{name}")
    }
}

impl ApiError {
    /// A malformed request.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::BadRequest(detail.into())
    }

    /// A contradiction to what exists.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Conflict(detail.into())
    }

    /// Whether the request itself is wrong, so that the same again can do no better.
    #[must_use]
    pub fn is_of_the_request(&self) -> bool {
        self.problem().0.is_client_error()
    }

    /// Status, the last part of the problem's type, and its title.
    pub(crate) fn problem(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "Not authenticated",
            ),
            Self::WrongCredentials => (
                StatusCode::UNAUTHORIZED,
                "wrong-credentials",
                "Wrong credentials",
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request", "Bad request"),
            Self::UnsupportedMediaType(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type",
            ),
            Self::TooLarge(_) | Self::Unpacked(_) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large")
            }
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Self::PreconditionRequired => (
                StatusCode::PRECONDITION_REQUIRED,
                "precondition-required",
                "Precondition required",
            ),
            Self::PreconditionFailed => (
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                "Precondition failed",
            ),
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The Idempotency-Key belongs to another request",
            ),
            Self::IdempotencyKeyInUse => (
                StatusCode::CONFLICT,
                "idempotency-key-in-use",
                "The Idempotency-Key is in use",
            ),
            Self::TusVersion => (
                StatusCode::PRECONDITION_FAILED,
                "tus-version",
                "Unknown version of tus",
            ),
            Self::InvalidSpecification(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-specification",
                "The specification is wrong",
            ),
            Self::QueueFull(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "queue-full",
                "The queue is full",
            ),
            Self::TooManyRequests(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-requests",
                "Too many requests",
            ),
            Self::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout", "Timeout"),
            Self::Unavailable(_)
            | Self::Database(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Unavailable",
            ),
            Self::Database(_) | Self::Storage(_) | Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal error",
            ),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, name, title) = self.problem();
        let (detail, errors) = match &self {
            Self::Database(_) | Self::Storage(_) | Self::Internal(_) => {
                tracing::error!(error = %self, "request failed");
                (
                    Cow::Borrowed("the server could not do this; the log has the details"),
                    &[][..],
                )
            }
            Self::InvalidSpecification(errors) => {
                let told = &errors[..errors.len().min(MAX_PLACES)];
                (self.to_string().into(), told)
            }
            _ => (self.to_string().into(), &[][..]),
        };
        let problem = Problem {
            kind: Problem::type_of(name),
            title,
            status: status.as_u16(),
            detail,
            errors,
        };
        let mut response = (status, Json(&problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                header::HeaderValue::from_static("Bearer"),
            );
        }
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            let wait = match &self {
                Self::TooManyRequests(wait) => wait.as_millis().div_ceil(1000).max(1),
                _ => 5,
            };
            // Less than a minute, in any case.
            let wait = header::HeaderValue::from(u64::try_from(wait).unwrap_or(60));
            headers.insert(header::RETRY_AFTER, wait);
        }
        response
    }
}
