//! Answers that are kept with what they answer for.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::marker::PhantomData;

use crate::db::idempotency::Kept;
use crate::error::ApiError;
use crate::routes::answer::Created;

const REPLAYED: &str = "idempotency-replayed";

/// The answer to a request that created a `T`.
#[derive(Debug)]
pub struct Answer<T> {
    location: String,
    etag: Option<String>,
    pub(super) body: String,
    /// The body holds something that is shown once and stored nowhere.
    pub(super) secret: bool,
    of: PhantomData<T>,
}

impl<T: Serialize> Answer<T> {
    /// An answer with a body.
    ///
    /// # Errors
    /// When the body cannot be written, which is a defect.
    pub fn new(location: String, body: &T) -> Result<Self, ApiError> {
        let body = serde_json::to_string(body)
            .map_err(|error| ApiError::Internal(format!("writing an answer: {error}")))?;
        Ok(Self {
            location,
            etag: None,
            body,
            secret: false,
            of: PhantomData,
        })
    }

    /// The version of what was created.
    #[must_use]
    pub fn with_etag(mut self, etag: String) -> Self {
        self.etag = Some(etag);
        self
    }

    /// The body holds a secret and is not kept.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(super) fn kept(&self, status: u16) -> Kept {
        Kept {
            // A status has three digits.
            status: i16::try_from(status).unwrap_or_default(),
            location: Some(self.location.clone()),
            etag: self.etag.clone(),
            body: (!self.secret).then(|| self.body.clone()),
        }
    }
}

/// The answer that was given before.
pub(super) fn replay<T, const STATUS: u16>(kept: &Kept) -> Result<Created<T, STATUS>, ApiError> {
    let Some(body) = &kept.body else {
        return Err(ApiError::conflict(format!(
            "the request with this Idempotency-Key created {}; its secret was shown then and is \
             stored nowhere, so delete it and create another",
            kept.location.as_deref().unwrap_or("something")
        )));
    };
    let mut response = respond(kept, body.clone());
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(Created::new(response))
}

pub(super) fn respond(kept: &Kept, body: String) -> Response {
    let status = u16::try_from(kept.status).ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = (status.unwrap_or(StatusCode::OK), body).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    for (name, value) in [
        (header::LOCATION, &kept.location),
        (header::ETAG, &kept.etag),
    ] {
        if let Some(value) = value.as_ref().and_then(|it| HeaderValue::from_str(it).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
