//! Requests that change a review.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use std::collections::BTreeMap;

use super::group;
use crate::app::App;
use crate::auth::{Editor, Person, RunAccess};
use crate::db::audit::{Action, Entry, Origin, Subject};
use crate::error::ApiError;
use crate::openapi::{Operation, Takes};
use crate::telemetry::RequestId;

/// What a request that changes a review comes with.
#[derive(Debug)]
pub struct Changing {
    pub(super) access: RunAccess<Editor>,
    pub(super) origin: Origin,
    pub(super) person: Person,
    pub(super) group: String,
}

impl FromRequestParts<App> for Changing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let access = RunAccess::from_request_parts(parts, app).await?;
        let Ok(request_id) = RequestId::from_request_parts(parts, app).await;
        let person = access.access.caller().clone().person()?;
        let Path(path): Path<BTreeMap<String, String>> = Path::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::NotFound)?;
        Ok(Self {
            origin: access.access.origin(request_id),
            person,
            group: group(&path)?.to_owned(),
            access,
        })
    }
}

impl Takes for Changing {
    fn describe(operation: &mut Operation<'_>) {
        RunAccess::<Editor>::describe(operation);
        operation.tells("For people only.");
    }
}

impl Changing {
    pub(super) fn entry(&self, action: Action) -> Entry {
        Entry::new(action, Subject::Review(self.access.run.id))
            .of_project(self.access.access.id())
            .with("group", &self.group)
    }
}
