//! The table `api_tokens`: what machines call with.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::audit::Mutation;
use super::members::Role;
use super::named::NamedQuery;
use super::runs::After;

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, project_id, name, role, created_by, created_at, expires_at, last_used_at ",
            $after
        )
    };
}
const CREATE: NamedQuery = NamedQuery::new("tokens.create", columns!(
    "INSERT INTO api_tokens (id, project_id, name, token_hash, role, created_by, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(days => $7)) \
     ON CONFLICT (project_id, name) DO NOTHING RETURNING",
    ""
)).sampled("api_tokens", "gen_random_uuid(), project_id, name, '\\x0000000000000000000000000000000000000000000000000000000000000000', role, created_by, 90");
const LIST: NamedQuery = NamedQuery::new(
    "tokens.list",
    columns!(
        "SELECT",
        "FROM api_tokens WHERE project_id = $1 AND (created_at, id) < ($2, $3) \
     ORDER BY created_at DESC, id DESC LIMIT $4"
    ),
)
.sampled("api_tokens", "project_id, created_at, id, 101");
const FIND: NamedQuery = NamedQuery::new(
    "tokens.find",
    columns!(
        "SELECT",
        "FROM api_tokens WHERE project_id = $1 AND id = $2"
    ),
)
.sampled("api_tokens", "project_id, id");
const DELETE: NamedQuery = NamedQuery::new(
    "tokens.delete",
    "DELETE FROM api_tokens WHERE project_id = $1 AND id = $2",
)
.sampled("api_tokens", "project_id, id");
const FIND_BEARER: NamedQuery = NamedQuery::new(
    "tokens.find_bearer",
    "SELECT t.id, t.project_id, t.role, \
       CASE WHEN u.platform_admin THEN 'owner' ELSE m.role END AS creator_role, \
       coalesce(t.last_used_at < now() - interval '1 minute', true) AS stale \
     FROM api_tokens t JOIN users u ON u.id = t.created_by \
     LEFT JOIN project_members m ON m.project_id = t.project_id AND m.user_id = u.id \
     WHERE t.token_hash = $1 AND t.expires_at > now() AND u.disabled_at IS NULL",
)
.with("'\\x0000000000000000000000000000000000000000000000000000000000000000'");
const TOUCH: NamedQuery = NamedQuery::new(
    "tokens.touch",
    "UPDATE api_tokens SET last_used_at = now() WHERE id = $1 \
     AND coalesce(last_used_at < now() - interval '1 minute', true)",
)
.sampled("api_tokens", "id");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[CREATE, LIST, FIND, DELETE, FIND_BEARER, TOUCH];

/// A token as it is listed.
#[derive(Clone, Debug, FromRow)]
pub struct ApiToken {
    /// The token's id.
    pub id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// What people call it.
    pub name: String,
    /// The most it may.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// The person who made it.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A token to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Its project.
    pub project: Uuid,
    /// What people call it.
    pub name: &'a str,
    /// What is stored of it.
    pub digest: &'a [u8; 32],
    /// The most it may.
    pub role: Role,
    /// The person who makes it.
    pub created_by: Uuid,
    /// How long it is good.
    pub days: i32,
}

/// A machine that calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The token's id.
    pub token: Uuid,
    /// The one project that it may enter.
    pub project: Uuid,
    /// What it may there: never more than the person who made the token. None where that person is
    /// no member any more.
    pub role: Option<Role>,
}

#[derive(FromRow)]
struct Found {
    id: Uuid,
    project_id: Uuid,
    role: String,
    creator_role: Option<String>,
    stale: bool,
}

/// Makes a token; none where the project has one of this name.
///
/// # Errors
/// Errors of the database.
pub async fn create(
    change: &mut Mutation,
    token: NewToken<'_>,
) -> Result<Option<ApiToken>, sqlx::Error> {
    sqlx::query_as(CREATE)
        .bind(Uuid::new_v4())
        .bind(token.project)
        .bind(token.name)
        .bind(&token.digest[..])
        .bind(token.role.as_str())
        .bind(token.created_by)
        .bind(token.days)
        .fetch_optional(&mut **change)
        .await
}

/// A token of a project.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: &PgPool, project: Uuid, id: Uuid) -> Result<Option<ApiToken>, sqlx::Error> {
    sqlx::query_as(FIND)
        .bind(project)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// A page of a project's tokens, newest first.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    project: Uuid,
    after: After,
    limit: i64,
) -> Result<Vec<ApiToken>, sqlx::Error> {
    sqlx::query_as(LIST)
        .bind(project)
        .bind(after.created_at)
        .bind(after.id)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// Deletes a token; false where there is none.
///
/// # Errors
/// Errors of the database.
pub async fn delete(change: &mut Mutation, project: Uuid, id: Uuid) -> Result<bool, sqlx::Error> {
    let result = sqlx::query(DELETE)
        .bind(project)
        .bind(id)
        .execute(&mut **change)
        .await?;
    Ok(result.rows_affected() == 1)
}

/// The machine of a token that is good, and notes that it was used.
///
/// # Errors
/// Errors of the database.
pub async fn find_bearer(db: &PgPool, digest: &[u8; 32]) -> Result<Option<Machine>, sqlx::Error> {
    let found: Option<Found> = sqlx::query_as(FIND_BEARER)
        .bind(&digest[..])
        .fetch_optional(db)
        .await?;
    let Some(found) = found else {
        return Ok(None);
    };
    if found.stale {
        sqlx::query(TOUCH).bind(found.id).execute(db).await?;
    }
    let own = Role::try_from(found.role)?;
    let creator = found.creator_role.map(Role::try_from).transpose()?;
    Ok(Some(Machine {
        token: found.id,
        project: found.project_id,
        role: creator.map(|creator| creator.min(own)),
    }))
}
