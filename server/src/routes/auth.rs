//! `/auth`

use axum::Json;
use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::input::ApiJson;
use crate::app::App;
use crate::auth::password;
use crate::db;
use crate::error::ApiError;

/// `POST /auth/login`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    email: String,
    password: SecretString,
}

/// An access token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
}

/// Exchanges an e-mail address and a password for an access token. Whatever is wrong, the answer
/// is the same and takes as long.
///
/// # Errors
/// `WrongCredentials`.
pub async fn login(
    State(app): State<App>,
    ApiJson(request): ApiJson<LoginRequest>,
) -> Result<Json<LoginResponse>, ApiError> {
    let plausible = request.password.expose_secret().len() <= password::MAX_BYTES
        && request.email.len() <= 254
        && !request.email.contains('\0');
    if !plausible {
        return Err(ApiError::WrongCredentials);
    }
    let user = db::users::find_login(&app.db, &request.email).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let fits = app.passwords.verify(request.password, hash).await?;
    match user {
        Some(user) if fits && user.enabled => Ok(Json(LoginResponse {
            access_token: app.tokens.issue(user.id)?,
            token_type: "Bearer",
            expires_in: app.tokens.life().as_secs(),
        })),
        _ => {
            tracing::warn!("login refused");
            Err(ApiError::WrongCredentials)
        }
    }
}
