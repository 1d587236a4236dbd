//! The table `users`.

use sqlx::{FromRow, PgPool};
use uuid::Uuid;

const FIND_ENABLED: &str =
    "SELECT id, email, platform_admin FROM users WHERE id = $1 AND disabled_at IS NULL";
const FIND_LOGIN: &str =
    "SELECT id, password_hash, disabled_at IS NULL AS enabled FROM users WHERE email = $1";
const CREATE_ADMIN: &str = "INSERT INTO users (id, email, password_hash, platform_admin) \
     VALUES ($1, $2, $3, true) ON CONFLICT (email) DO NOTHING";

/// A user.
#[derive(Clone, Debug, FromRow)]
pub struct User {
    /// The user's id.
    pub id: Uuid,
    /// The e-mail address, in lower case.
    pub email: String,
    /// May do everything in every project.
    pub platform_admin: bool,
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

/// A user who exists and is not disabled.
///
/// # Errors
/// Errors of the database.
pub async fn find_enabled(db: &PgPool, id: Uuid) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(FIND_ENABLED)
        .bind(id)
        .fetch_optional(db)
        .await
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

/// Makes a platform admin; false where the address is taken.
///
/// # Errors
/// Errors of the database.
pub async fn create_admin(
    db: &PgPool,
    email: &str,
    password_hash: &str,
) -> Result<bool, sqlx::Error> {
    let result = sqlx::query(CREATE_ADMIN)
        .bind(Uuid::new_v4())
        .bind(normal_email(email))
        .bind(password_hash)
        .execute(db)
        .await?;
    Ok(result.rows_affected() == 1)
}
