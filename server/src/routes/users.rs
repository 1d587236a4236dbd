//! `/users`

use axum::Json;
use serde::Serialize;
use uuid::Uuid;

use crate::auth::Caller;
use crate::error::ApiError;

/// The caller as a person.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MeResponse {
    id: Uuid,
    email: String,
    platform_admin: bool,
}

/// Who the caller is.
///
/// # Errors
/// `Forbidden` for the operator.
pub async fn me(caller: Caller) -> Result<Json<MeResponse>, ApiError> {
    let person = caller.person()?;
    Ok(Json(MeResponse {
        id: person.id,
        email: person.email,
        platform_admin: person.platform_admin,
    }))
}
