//! What a handler takes and gives, read off its signature.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::handler::Handler;
use axum::http::HeaderMap;
use axum::response::NoContent;
use schemars::JsonSchema;

use super::Operation;
use crate::app::App;
use crate::error::ApiError;
use crate::telemetry::RequestId;

/// An argument of a handler: what it needs of a request, and how it refuses one.
pub trait Takes {
    /// Adds that to the operation.
    fn describe(operation: &mut Operation<'_>);
}

/// The answer of a handler.
pub trait Gives {
    /// Adds it to the operation.
    fn describe(operation: &mut Operation<'_>);
}

/// A handler whose arguments and answer are known by their types.
pub trait Described<T>: Handler<T, App> {
    /// Adds them to the operation.
    fn describe(operation: &mut Operation<'_>);
}

macro_rules! handlers {
    ($([$($argument:ident),*])*) => {
        $(
            impl<F, Fut, Given, Kind, $($argument,)*> Described<(Kind, $($argument,)*)> for F
            where
                F: Handler<(Kind, $($argument,)*), App> + FnOnce($($argument,)*) -> Fut,
                Fut: Future<Output = Given>,
                Given: Gives,
                $($argument: Takes,)*
            {
                fn describe(operation: &mut Operation<'_>) {
                    $($argument::describe(operation);)*
                    Given::describe(operation);
                }
            }
        )*
    };
}

handlers!([][A][A, B][A, B, C][A, B, C, D][A, B, C, D, E][A, B, C, D, E, G][A, B, C, D, E, G, H]
    [A, B, C, D, E, G, H, I]);

macro_rules! silent {
    ($($argument:ty),*) => {
        $(
            impl Takes for $argument {
                fn describe(_: &mut Operation<'_>) {}
            }
        )*
    };
}

// What is read by hand of these is in `operations`; parameters of the path are known by the path.
silent!(State<App>, RequestId, HeaderMap, Body, Request);

impl<T> Takes for Path<T> {
    fn describe(_: &mut Operation<'_>) {}
}

impl<T: JsonSchema> Gives for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers::<T>(200);
    }
}

impl Gives for NoContent {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers_nothing(204);
    }
}

impl Gives for &'static str {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers_with(
            200,
            "text/plain",
            schemars::json_schema!({"type": "string"}).into(),
        );
    }
}

impl<T: Gives> Gives for Result<T, ApiError> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
        operation.fails(&ApiError::Unavailable(
            "the database cannot be reached".into(),
        ));
    }
}
