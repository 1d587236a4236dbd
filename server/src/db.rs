//! The database: one module a table, and nothing else knows SQL.

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgPool, PgPoolOptions};
use std::time::Duration;

use crate::config::DatabaseConfig;
use named::NamedQuery;

pub mod audit;
pub mod cache;
pub mod exceptions;
pub mod idempotency;
pub mod index_audit;
pub mod jobs;
pub mod members;
pub mod migration;
pub mod named;
pub mod projects;
pub mod queue;
pub mod reviews;
pub mod runs;
pub mod sessions;
pub mod tokens;
pub mod upload_sessions;
pub mod uploads;
pub mod users;
pub mod version;

/// The migrations of this version.
pub static MIGRATOR: Migrator = sqlx::migrate!();

const SCHEMA_VERSION: NamedQuery = NamedQuery::new(
    "schema.version",
    "SELECT max(version) FROM _sqlx_migrations WHERE success",
);

/// Every query that the program asks of its own tables.
pub fn queries() -> impl Iterator<Item = NamedQuery> {
    [
        &[SCHEMA_VERSION],
        audit::QUERIES,
        audit::CHAIN_QUERIES,
        cache::QUERIES,
        exceptions::QUERIES,
        idempotency::QUERIES,
        jobs::QUERIES,
        members::QUERIES,
        projects::QUERIES,
        queue::QUERIES,
        reviews::QUERIES,
        runs::QUERIES,
        sessions::QUERIES,
        tokens::QUERIES,
        upload_sessions::QUERIES,
        uploads::QUERIES,
        users::QUERIES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The pool of `serve`. It connects when it is first used, so that a database that is away makes
/// the process not ready instead of crash.
///
/// # Errors
/// Never for a configuration that was parsed.
pub fn pool(config: &DatabaseConfig) -> Result<PgPool, sqlx::Error> {
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_secs(5))
        .max_lifetime(Duration::from_mins(30))
        .connect_lazy_with(config.connect_options()?))
}

/// The schema that this version needs: its newest migration.
#[must_use]
pub fn needed_schema() -> i64 {
    MIGRATOR
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

/// The newest migration that the database has.
///
/// # Errors
/// Errors of the database, also where it has no schema at all.
pub async fn schema_version(db: &PgPool) -> Result<i64, sqlx::Error> {
    let version: Option<i64> = sqlx::query_scalar(SCHEMA_VERSION).fetch_one(db).await?;
    Ok(version.unwrap_or_default())
}
