//! The table `users`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;
use super::version::Expected;

const FIND_LOGIN: NamedQuery = NamedQuery::new(
    "users.find_login",
    "SELECT id, password_hash, disabled_at IS NULL AS enabled FROM users WHERE email = $1",
)
.sampled("users", "email");
const FIND_PASSWORD: NamedQuery = NamedQuery::new(
    "users.find_password",
    "SELECT password_hash FROM users WHERE id = $1 AND disabled_at IS NULL",
)
.sampled("users", "id");
const FIND_ENABLED: NamedQuery = NamedQuery::new(
    "users.find_enabled",
    "SELECT id, email, platform_admin FROM users WHERE id = $1 AND disabled_at IS NULL",
)
.sampled("users", "id");
const FIND: NamedQuery = NamedQuery::new(
    "users.find",
    "SELECT id, email, platform_admin, disabled_at, created_at, version \
     FROM users WHERE id = $1",
)
.sampled("users", "id");
const LOCK: NamedQuery = NamedQuery::new(
    "users.lock",
    "SELECT id, email, platform_admin, disabled_at, created_at, version \
     FROM users WHERE id = $1 FOR NO KEY UPDATE",
)
.sampled("users", "id");
const LIST: NamedQuery = NamedQuery::new(
    "users.list",
    "SELECT id, email, platform_admin, disabled_at, created_at, version \
     FROM users WHERE email > $1 ORDER BY email LIMIT $2",
)
.sampled("users", "email, 101");
const CREATE: NamedQuery = NamedQuery::new(
    "users.create",
    "INSERT INTO users (id, email, password_hash, platform_admin) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (email) DO NOTHING \
     RETURNING id, email, platform_admin, disabled_at, created_at, version",
)
.sampled("users", "gen_random_uuid(), email, '$argon2id$', false");
const LOCK_ADMINS: NamedQuery = NamedQuery::new(
    "users.lock_admins",
    "SELECT pg_advisory_xact_lock(hashtext('users.admins'))",
);
const UPDATE: NamedQuery = NamedQuery::new(
    "users.update",
    "UPDATE users SET platform_admin = coalesce($3, platform_admin), \
       disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) \
                          WHEN NOT $2 THEN NULL ELSE disabled_at END \
     WHERE id = $1 RETURNING id, email, platform_admin, disabled_at, created_at, version",
)
.sampled("users", "id, true, false");
const ADMINS: NamedQuery = NamedQuery::new(
    "users.admins",
    "SELECT count(*) FROM users WHERE platform_admin AND disabled_at IS NULL",
);
const SET_PASSWORD: NamedQuery = NamedQuery::new(
    "users.set_password",
    "UPDATE users SET password_hash = $3 \
     WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL",
)
.sampled("users", "id, 'hash', '$argon2id$'");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    FIND_LOGIN,
    FIND_PASSWORD,
    FIND_ENABLED,
    FIND,
    LOCK,
    LIST,
    CREATE,
    LOCK_ADMINS,
    UPDATE,
    ADMINS,
    SET_PASSWORD,
];

/// A user who calls.
#[derive(Clone, Debug, FromRow, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub id: Uuid,
    /// The e-mail address, in lower case.
    pub email: String,
    /// May do everything in every project.
    pub platform_admin: bool,
}

/// A user as platform admins see it.
#[derive(Clone, Debug, FromRow)]
pub struct Account {
    /// The user's id.
    pub id: Uuid,
    /// The e-mail address, in lower case.
    pub email: String,
    /// May do everything in every project.
    pub platform_admin: bool,
    /// Since when the user may do nothing.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The version, for `If-Match`.
    pub version: i64,
}

/// What a login is checked against.
#[derive(FromRow)]
pub struct Login {
    /// The user's id.
    pub id: Uuid,
    /// The argon2id hash.
    pub password_hash: String,
    /// Whether the user may log in.
    pub enabled: bool,
}

/// The form in which addresses are stored and looked up.
#[must_use]
pub fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Whether a text in its normal form can be an address. Who reads its mail is not known here, so
/// only what could never be one is refused.
#[must_use]
pub fn is_email(email: &str) -> bool {
    let parts = email.split_once('@');
    parts.is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty())
        && email.len() <= 254
        && !email.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// The user of an address, for a login.
///
/// # Errors
/// Errors of the database.
pub async fn find_login(db: &PgPool, email: &str) -> Result<Option<Login>, sqlx::Error> {
    sqlx::query_as(FIND_LOGIN)
        .bind(normal_email(email))
        .fetch_optional(db)
        .await
}

/// The hash of a user's password.
///
/// # Errors
/// Errors of the database.
pub async fn find_password(db: &PgPool, id: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(FIND_PASSWORD)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// A user who may call.
///
/// # Errors
/// Errors of the database.
pub async fn find_enabled(db: &PgPool, id: Uuid) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(FIND_ENABLED)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// A user, enabled or not.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: &PgPool, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as(FIND).bind(id).fetch_optional(db).await
}

/// A page of users after an address.
///
/// # Errors
/// Errors of the database.
pub async fn list(db: &PgPool, after: &str, limit: i64) -> Result<Vec<Account>, sqlx::Error> {
    sqlx::query_as(LIST)
        .bind(after)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// Makes a user; none where the address is taken.
///
/// # Errors
/// Errors of the database.
pub async fn create(
    change: &mut Mutation,
    email: &str,
    password_hash: &str,
    platform_admin: bool,
) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as(CREATE)
        .bind(Uuid::new_v4())
        .bind(normal_email(email))
        .bind(password_hash)
        .bind(platform_admin)
        .fetch_optional(&mut **change)
        .await
}

/// What is to be changed about a user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Update {
    /// Disable or enable.
    pub disabled: Option<bool>,
    /// Make a platform admin, or none.
    pub platform_admin: Option<bool>,
}

/// What came of an update.
#[derive(Clone, Debug)]
pub enum Updated {
    /// It was made.
    Done(Account),
    /// There is no such user.
    Unknown,
    /// The user has another version by now.
    Stale,
    /// It would leave the platform without an enabled admin.
    LastAdmin,
}

/// Changes a user of an expected version.
///
/// # Errors
/// Errors of the database.
pub async fn update(
    change: &mut Mutation,
    id: Uuid,
    update: Update,
    expected: &Expected,
) -> Result<Updated, sqlx::Error> {
    // Two admins must not take each other's rights at once.
    sqlx::query(LOCK_ADMINS).execute(&mut **change).await?;
    let account: Option<Account> = sqlx::query_as(LOCK)
        .bind(id)
        .fetch_optional(&mut **change)
        .await?;
    match account {
        None => return Ok(Updated::Unknown),
        Some(account) if !expected.allows(account.version) => return Ok(Updated::Stale),
        Some(_) => {}
    }
    let account = sqlx::query_as(UPDATE)
        .bind(id)
        .bind(update.disabled)
        .bind(update.platform_admin)
        .fetch_one(&mut **change)
        .await?;
    let admins: i64 = sqlx::query_scalar(ADMINS).fetch_one(&mut **change).await?;
    Ok(if admins == 0 {
        Updated::LastAdmin
    } else {
        Updated::Done(account)
    })
}

/// Sets a password in place of the one that was checked; false where that one is replaced already.
///
/// # Errors
/// Errors of the database.
pub async fn set_password(
    change: &mut Mutation,
    id: Uuid,
    checked_hash: &str,
    new_hash: &str,
) -> Result<bool, sqlx::Error> {
    let result = sqlx::query(SET_PASSWORD)
        .bind(id)
        .bind(checked_hash)
        .bind(new_hash)
        .execute(&mut **change)
        .await?;
    Ok(result.rows_affected() == 1)
}
