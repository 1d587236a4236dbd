//! Answers as types: what a handler's signature promises is what is sent, and what the OpenAPI
//! document says.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::marker::PhantomData;

use super::etag::etag;
use crate::openapi::header as headers;
use crate::openapi::{Gives, Operation};

/// A body with a status other than 200.
#[derive(Debug)]
pub struct With<const STATUS: u16, T>(pub T);

fn status(code: u16) -> StatusCode {
    // The codes are constants of the routes.
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl<const STATUS: u16, T: Serialize> IntoResponse for With<STATUS, T> {
    fn into_response(self) -> Response {
        (status(STATUS), Json(self.0)).into_response()
    }
}

impl<const STATUS: u16, T: JsonSchema> Gives for With<STATUS, T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers::<T>(STATUS);
    }
}

/// A body with its version in `ETag`.
#[derive(Debug)]
pub struct Tagged<T, const STATUS: u16 = 200> {
    /// The version.
    pub version: i64,
    /// The body.
    pub body: T,
}

impl<T: Serialize, const STATUS: u16> IntoResponse for Tagged<T, STATUS> {
    fn into_response(self) -> Response {
        let tag = [(header::ETAG, etag(self.version))];
        (status(STATUS), tag, Json(self.body)).into_response()
    }
}

impl<T: JsonSchema, const STATUS: u16> Gives for Tagged<T, STATUS> {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .answers::<T>(STATUS)
            .gives_header(STATUS, headers::ETAG);
    }
}

/// The answer to a request that created a `T`, or did so before.
#[derive(Debug)]
pub struct Created<T, const STATUS: u16 = 201>(Response, PhantomData<T>);

impl<T, const STATUS: u16> Created<T, STATUS> {
    /// What [`super::idempotency`] has written of a `T`.
    pub(super) fn new(response: Response) -> Self {
        Self(response, PhantomData)
    }
}

impl<T, const STATUS: u16> IntoResponse for Created<T, STATUS> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: JsonSchema, const STATUS: u16> Gives for Created<T, STATUS> {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .answers::<T>(STATUS)
            .gives_header(STATUS, headers::LOCATION)
            .gives_header(STATUS, headers::REPLAYED);
    }
}

/// Something that was there before it was asked for.
#[derive(Debug)]
pub struct There<T> {
    /// Where it is.
    pub location: String,
    /// The body.
    pub body: T,
}

impl<T: Serialize> IntoResponse for There<T> {
    fn into_response(self) -> Response {
        ([(header::LOCATION, self.location)], Json(self.body)).into_response()
    }
}

impl<T: JsonSchema> Gives for There<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .answers::<T>(200)
            .gives_header(200, headers::LOCATION);
    }
}

/// One of two answers.
#[derive(Debug)]
pub enum Or<A, B> {
    /// The first.
    Either(A),
    /// The second.
    Or(B),
}

impl<A: IntoResponse, B: IntoResponse> IntoResponse for Or<A, B> {
    fn into_response(self) -> Response {
        match self {
            Self::Either(answer) => answer.into_response(),
            Self::Or(answer) => answer.into_response(),
        }
    }
}

impl<A: Gives, B: Gives> Gives for Or<A, B> {
    fn describe(operation: &mut Operation<'_>) {
        A::describe(operation);
        B::describe(operation);
    }
}
