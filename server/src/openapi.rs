//! The OpenAPI 3.1 document of the API.
//!
//! A route's handler says by its types what it takes ([`Takes`]) and gives ([`Gives`]); schemas come
//! from the types that are read and written (schemars), the specification of a job from `crds`. What
//! types cannot say, `operations` says in words.

use serde_json::{Map, Value, json};
use std::sync::LazyLock;

mod components;
pub mod header;
mod operation;
mod operations;
mod parameters;
mod rendered;
mod shared;
mod takes_gives;

pub use operation::Operation;
pub use takes_gives::{Described, Gives, Takes};

use crate::router::route::Route;
use components::Components;

/// A route that cannot be described, which is a defect; a test builds the document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is said of a route.
    #[error("server/src/openapi/operations has nothing on {0}")]
    Unknown(String),
    /// Two types have one name.
    #[error("two schemas are called {0}: rename one of the types with #[schemars(rename)]")]
    Ambiguous(String),
}

const ABOUT: &str = "Two datasets and rules go in, and every record of both comes out with one \
    explained outcome. `docs/api.md` of the project has the conventions: errors are problem documents \
    (RFC 9457), lists page by cursor, updates need `If-Match`, and a `POST` that creates may carry \
    `Idempotency-Key`.";

const TAGS: &[(&str, &str)] = &[
    ("audit", "The log of every change"),
    ("auth", "Sessions of people"),
    ("documentation", "This document and its viewer"),
    ("events", "Runs as they go on"),
    ("exceptions", "What of a run somebody should look at"),
    ("health", "Probes"),
    ("jobs", "Saved specifications"),
    ("members", "Who may do what in a project"),
    ("outputs", "Files of runs"),
    ("pairs", "Pairs and differences of runs"),
    ("platform", "What only the operator does"),
    ("projects", "Projects"),
    (
        "resumable",
        "Uploads piece by piece, by the protocol tus 1.0",
    ),
    ("reviews", "Groups of pairs that a person decides"),
    ("runs", "Comparisons, queued and done"),
    ("tokens", "What machines call with"),
    ("uploads", "Files of a project"),
    ("uploads_v1", "Uploads of version 1"),
    ("users", "People"),
];

/// The document of some routes.
///
/// # Errors
/// What is not said of them, or said twice.
pub fn document_of(routes: &[Route]) -> Result<Value, Error> {
    let mut components = Components::default();
    let mut paths = Map::new();
    for route in routes {
        let name = format!("{} {}", route.method, route.path);
        let mut operation = Operation::new(&mut components, route);
        (route.describe)(&mut operation);
        if !operations::describe(&name, &mut operation) {
            return Err(Error::Unknown(name));
        }
        let rendered = operation.render();
        paths
            .entry(route.path)
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .and_then(|path| path.insert(route.method.to_lowercase(), rendered));
    }
    let responses = shared::responses(&mut paths);
    let tags = TAGS.iter();
    let tags: Vec<Value> = tags
        .map(|(name, description)| json!({"name": name, "description": description}))
        .collect();
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Reconciliation Platform",
            "version": "2",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components.render(&responses)?,
    }))
}

/// The document of the whole API as text, as `docs/openapi.json` has it.
///
/// # Errors
/// As [`document_of`].
pub fn text() -> Result<&'static str, &'static Error> {
    static TEXT: LazyLock<Result<String, Error>> = LazyLock::new(|| {
        let document = document_of(&crate::router::routes())?;
        Ok(format!("{document:#}\n"))
    });
    TEXT.as_deref()
}
