//! The table `uploads`.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;
use super::runs::After;

const INSERT: NamedQuery = NamedQuery::new(
    "uploads.insert",
    "INSERT INTO uploads (id, project_id, name, sha256, size) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project_id, sha256, name) DO NOTHING \
     RETURNING id, project_id, name, sha256, size, created_at",
)
.sampled(
    "uploads",
    "gen_random_uuid(), project_id, name, sha256, size",
);
const FIND_SAME: NamedQuery = NamedQuery::new(
    "uploads.find_same",
    "SELECT id, project_id, name, sha256, size, created_at FROM uploads \
     WHERE project_id = $1 AND sha256 = $2 AND name = $3",
)
.sampled("uploads", "project_id, sha256, name");
const FIND: NamedQuery = NamedQuery::new(
    "uploads.find",
    "SELECT id, project_id, name, sha256, size, created_at FROM uploads \
     WHERE project_id = $1 AND id = $2",
)
.sampled("uploads", "project_id, id");
const LIST: NamedQuery = NamedQuery::new(
    "uploads.list",
    "SELECT id, project_id, name, sha256, size, created_at FROM uploads \
     WHERE project_id = $1 AND (created_at, id) < ($2, $3) \
     ORDER BY created_at DESC, id DESC LIMIT $4",
)
.sampled("uploads", "project_id, created_at, id, 101");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[INSERT, FIND_SAME, FIND, LIST];

/// A file of a project.
#[derive(Clone, Debug, FromRow)]
pub struct Upload {
    /// The upload's id.
    pub id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// The file name.
    pub name: String,
    /// The SHA-256 of the content.
    pub sha256: Vec<u8>,
    /// Bytes.
    pub size: i64,
    /// When it was first uploaded.
    pub created_at: DateTime<Utc>,
}

/// Records an upload; where the project has this content under this name, that one and false.
///
/// # Errors
/// Errors of the database.
pub async fn insert(
    change: &mut Mutation,
    project: Uuid,
    name: &str,
    sha256: &[u8],
    size: i64,
) -> Result<(Upload, bool), sqlx::Error> {
    let inserted = sqlx::query_as(INSERT)
        .bind(Uuid::new_v4())
        .bind(project)
        .bind(name)
        .bind(sha256)
        .bind(size)
        .fetch_optional(&mut **change)
        .await?;
    match inserted {
        Some(upload) => Ok((upload, true)),
        None => sqlx::query_as(FIND_SAME)
            .bind(project)
            .bind(sha256)
            .bind(name)
            .fetch_one(&mut **change)
            .await
            .map(|upload| (upload, false)),
    }
}

/// An upload of a project.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: &PgPool, project: Uuid, id: Uuid) -> Result<Option<Upload>, sqlx::Error> {
    sqlx::query_as(FIND)
        .bind(project)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// A page of uploads, newest first.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    project: Uuid,
    after: After,
    limit: i64,
) -> Result<Vec<Upload>, sqlx::Error> {
    sqlx::query_as(LIST)
        .bind(project)
        .bind(after.created_at)
        .bind(after.id)
        .bind(limit)
        .fetch_all(db)
        .await
}
