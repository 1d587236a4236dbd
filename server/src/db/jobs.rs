//! The table `jobs`: saved specifications.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;
use super::version::Expected;

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, project_id, name, spec, spec_hash, version, created_at, updated_at ",
            $after
        )
    };
}

const FIND_BY_ID: NamedQuery = NamedQuery::new(
    "jobs.find_by_id",
    columns!("SELECT", "FROM jobs WHERE project_id = $1 AND id = $2"),
)
.sampled("jobs", "project_id, id");
const FIND_BY_NAME: NamedQuery = NamedQuery::new(
    "jobs.find_by_name",
    columns!("SELECT", "FROM jobs WHERE project_id = $1 AND name = $2"),
)
.sampled("jobs", "project_id, name");
const EXISTS: NamedQuery = NamedQuery::new(
    "jobs.exists",
    "SELECT EXISTS (SELECT FROM jobs WHERE id = $1)",
)
.sampled("jobs", "id");
const LIST: NamedQuery = NamedQuery::new(
    "jobs.list",
    columns!(
        "SELECT",
        "FROM jobs WHERE project_id = $1 AND name > $2 ORDER BY name LIMIT $3"
    ),
)
.sampled("jobs", "project_id, name, 101");
const CREATE: NamedQuery = NamedQuery::new(
    "jobs.create",
    columns!(
        "INSERT INTO jobs (id, project_id, name, spec, spec_hash) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (project_id, name) DO NOTHING RETURNING",
        ""
    ),
)
.sampled(
    "jobs",
    "gen_random_uuid(), project_id, name, spec, spec_hash",
);
const REPLACE: NamedQuery = NamedQuery::new(
    "jobs.replace",
    columns!(
        "UPDATE jobs SET name = $2, spec = $3, spec_hash = $4, version = version + 1, \
     updated_at = now() WHERE id = $1 RETURNING",
        ""
    ),
)
.sampled("jobs", "id, name, spec, spec_hash");
const LOCK: NamedQuery = NamedQuery::new(
    "jobs.lock",
    "SELECT version FROM jobs WHERE id = $1 FOR UPDATE",
)
.sampled("jobs", "id");
const DELETE: NamedQuery =
    NamedQuery::new("jobs.delete", "DELETE FROM jobs WHERE id = $1").sampled("jobs", "id");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    FIND_BY_ID,
    FIND_BY_NAME,
    EXISTS,
    LIST,
    CREATE,
    REPLACE,
    LOCK,
    DELETE,
];

/// A saved specification.
#[derive(Clone, Debug, FromRow)]
pub struct Job {
    /// The job's id.
    pub id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// Its name in the project.
    pub name: String,
    /// The decoded specification.
    pub spec: Value,
    /// Its hash.
    pub spec_hash: String,
    /// Grows with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a job is to be.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// Its name in the project.
    pub name: &'a str,
    /// The decoded specification.
    pub spec: &'a Value,
    /// Its hash.
    pub spec_hash: &'a str,
}

/// What came of a change to a job.
#[derive(Clone, Debug)]
pub enum Change {
    /// It was made.
    Done(Box<Job>),
    /// It has another version by now, or is gone.
    Changed,
    /// Another job of the project has the name.
    NameTaken,
}

/// Whether a job exists.
///
/// # Errors
/// Errors of the database.
pub async fn exists(db: &PgPool, id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(EXISTS).bind(id).fetch_one(db).await
}

/// A job of a project, by id or by name.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: &PgPool, project: Uuid, job: &str) -> Result<Option<Job>, sqlx::Error> {
    match Uuid::try_parse(job) {
        Ok(id) if job.len() == 36 => sqlx::query_as(FIND_BY_ID).bind(project).bind(id),
        _ if job.contains('\0') => return Ok(None),
        _ => sqlx::query_as(FIND_BY_NAME).bind(project).bind(job),
    }
    .fetch_optional(db)
    .await
}

/// A page of a project's jobs after a name.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    project: Uuid,
    after: &str,
    limit: i64,
) -> Result<Vec<Job>, sqlx::Error> {
    sqlx::query_as(LIST)
        .bind(project)
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// Makes a job; none where the name is taken.
///
/// # Errors
/// Errors of the database.
pub async fn create(
    change: &mut Mutation,
    project: Uuid,
    content: Content<'_>,
) -> Result<Option<Job>, sqlx::Error> {
    sqlx::query_as(CREATE)
        .bind(Uuid::new_v4())
        .bind(project)
        .bind(content.name)
        .bind(content.spec)
        .bind(content.spec_hash)
        .fetch_optional(&mut **change)
        .await
}

/// Makes a job something else where it has the expected version.
///
/// # Errors
/// Errors of the database.
pub async fn replace(
    change: &mut Mutation,
    id: Uuid,
    expected: &Expected,
    content: Content<'_>,
) -> Result<Change, sqlx::Error> {
    if !is_expected(change, id, expected).await? {
        return Ok(Change::Changed);
    }
    let replaced = sqlx::query_as(REPLACE)
        .bind(id)
        .bind(content.name)
        .bind(content.spec)
        .bind(content.spec_hash)
        .fetch_one(&mut **change)
        .await;
    match replaced {
        Ok(job) => Ok(Change::Done(Box::new(job))),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Change::NameTaken),
        Err(error) => Err(error),
    }
}

/// Deletes a job where it has the expected version; false where it has not. Its runs stay.
///
/// # Errors
/// Errors of the database.
pub async fn delete(
    change: &mut Mutation,
    id: Uuid,
    expected: &Expected,
) -> Result<bool, sqlx::Error> {
    if !is_expected(change, id, expected).await? {
        return Ok(false);
    }
    let query = sqlx::query(DELETE).bind(id);
    Ok(query.execute(&mut **change).await?.rows_affected() == 1)
}

/// Locks a job, and says whether it has the expected version.
async fn is_expected(
    change: &mut Mutation,
    id: Uuid,
    expected: &Expected,
) -> Result<bool, sqlx::Error> {
    let version: Option<i64> = sqlx::query_scalar(LOCK)
        .bind(id)
        .fetch_optional(&mut **change)
        .await?;
    Ok(version.is_some_and(|version| expected.allows(version)))
}
