//! `/livez` and `/readyz`

use axum::extract::State;
use std::time::Duration;

use crate::app::App;
use crate::db;
use crate::error::ApiError;

const PATIENCE: Duration = Duration::from_secs(3);

/// The process answers.
pub async fn live() -> &'static str {
    "ok"
}

/// The database answers and its schema is new enough. A newer one is fine: migrations only add.
///
/// # Errors
/// `Unavailable` with the reason.
pub async fn ready(State(app): State<App>) -> Result<&'static str, ApiError> {
    let version = match tokio::time::timeout(PATIENCE, db::schema_version(&app.db)).await {
        Ok(Ok(version)) => version,
        Ok(Err(sqlx::Error::Database(_))) => 0,
        Ok(Err(_)) | Err(_) => {
            return Err(ApiError::Unavailable(
                "the database cannot be reached".into(),
            ));
        }
    };
    let needed = db::needed_schema();
    if version < needed {
        let reason =
            format!("the schema is at version {version} and must be at {needed}; run migrate");
        return Err(ApiError::Unavailable(reason.into()));
    }
    Ok("ok")
}
