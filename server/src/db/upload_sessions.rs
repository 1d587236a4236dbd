//! The tables `upload_sessions` and `upload_pieces`: uploads that arrive piece by piece.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use std::time::Duration;
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, name, length, received, upload_id, expires_at \
             FROM upload_sessions ",
            $rest
        )
    };
}

const FIND: NamedQuery = NamedQuery::new(
    "upload_sessions.find",
    select!("WHERE project_id = $1 AND id = $2 AND expires_at > now()"),
)
.sampled("upload_sessions", "project_id, id");
const LOCK_PROJECT: NamedQuery = NamedQuery::new(
    "upload_sessions.lock_project",
    "SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE",
)
.sampled("projects", "id");
const COUNT_OPEN: NamedQuery = NamedQuery::new(
    "upload_sessions.count_open",
    "SELECT count(*) FROM upload_sessions \
     WHERE project_id = $1 AND upload_id IS NULL AND expires_at > now()",
)
.sampled("upload_sessions", "project_id");
const CREATE: NamedQuery = NamedQuery::new(
    "upload_sessions.create",
    "INSERT INTO upload_sessions (id, project_id, name, length, expires_at) \
     VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5)) \
     RETURNING id, project_id, name, length, received, upload_id, expires_at",
)
.sampled("projects", "gen_random_uuid(), id, 'a.csv', 1, 3600");
const PIECES: NamedQuery = NamedQuery::new(
    "upload_sessions.pieces",
    "SELECT key FROM upload_pieces WHERE session_id = $1 ORDER BY start",
)
.sampled("upload_pieces", "session_id");
const ADVANCE: NamedQuery = NamedQuery::new(
    "upload_sessions.advance",
    "UPDATE upload_sessions SET received = received + $3, \
       expires_at = now() + make_interval(secs => $4) \
     WHERE id = $1 AND received = $2 AND upload_id IS NULL AND received + $3 <= length",
)
.sampled("upload_sessions", "id, received, 1, 3600");
const ADD: NamedQuery = NamedQuery::new(
    "upload_sessions.add",
    "INSERT INTO upload_pieces (session_id, start, size, key) VALUES ($1, $2, $3, $4)",
)
.sampled("upload_sessions", "id, 0, 1, 'key'");
const COMPLETE: NamedQuery = NamedQuery::new(
    "upload_sessions.complete",
    "UPDATE upload_sessions SET received = length, upload_id = $3 \
     WHERE id = $1 AND received = $2 AND upload_id IS NULL",
)
.sampled("upload_sessions", "id, received, gen_random_uuid()");
const DROP_PIECES: NamedQuery = NamedQuery::new(
    "upload_sessions.drop_pieces",
    "DELETE FROM upload_pieces WHERE session_id = $1",
)
.sampled("upload_pieces", "session_id");
const DELETE: NamedQuery = NamedQuery::new(
    "upload_sessions.delete",
    "DELETE FROM upload_sessions WHERE id = $1",
)
.sampled("upload_sessions", "id");
const DELETE_EXPIRED: NamedQuery = NamedQuery::new(
    "upload_sessions.delete_expired",
    "DELETE FROM upload_sessions WHERE expires_at <= now()",
);
const EXISTING: NamedQuery = NamedQuery::new(
    "upload_sessions.existing",
    "SELECT id FROM upload_sessions WHERE id = ANY($1)",
)
.with("(SELECT array_agg(id) FROM (SELECT id FROM upload_sessions LIMIT 100) AS page)");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    FIND,
    LOCK_PROJECT,
    COUNT_OPEN,
    CREATE,
    PIECES,
    ADVANCE,
    ADD,
    COMPLETE,
    DROP_PIECES,
    DELETE,
    DELETE_EXPIRED,
    EXISTING,
];

/// An upload that arrives piece by piece.
#[derive(Clone, Debug, FromRow)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// The project that it is for.
    pub project_id: Uuid,
    /// The file name.
    pub name: String,
    /// Bytes in all.
    pub length: i64,
    /// Bytes so far.
    pub received: i64,
    /// What became of it, once it is complete.
    pub upload_id: Option<Uuid>,
    /// When it is given up, unless more comes.
    pub expires_at: DateTime<Utc>,
}

/// A piece in the object store.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Where in the file it begins.
    pub start: i64,
    /// Bytes of it.
    pub size: i64,
    /// Its key in the object store.
    pub key: &'a str,
}

/// A session of a project that is not given up.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: &PgPool, project: Uuid, id: Uuid) -> Result<Option<Session>, sqlx::Error> {
    sqlx::query_as(FIND)
        .bind(project)
        .bind(id)
        .fetch_optional(db)
        .await
}

/// Begins a session; none where the project has `max` unfinished ones.
///
/// # Errors
/// Errors of the database.
pub async fn create(
    change: &mut Mutation,
    project: Uuid,
    (name, length): (&str, i64),
    life: Duration,
    max: i64,
) -> Result<Option<Session>, sqlx::Error> {
    // Requests for one project wait for each other, so that the bound is exact.
    sqlx::query(LOCK_PROJECT)
        .bind(project)
        .execute(&mut **change)
        .await?;
    let open: i64 = sqlx::query_scalar(COUNT_OPEN)
        .bind(project)
        .fetch_one(&mut **change)
        .await?;
    if open >= max {
        return Ok(None);
    }
    sqlx::query_as(CREATE)
        .bind(Uuid::new_v4())
        .bind(project)
        .bind(name)
        .bind(length)
        .bind(life.as_secs_f64())
        .fetch_one(&mut **change)
        .await
        .map(Some)
}

/// The keys of a session's pieces, in the order of the file.
///
/// # Errors
/// Errors of the database.
pub async fn pieces(db: &PgPool, session: Uuid) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(PIECES).bind(session).fetch_all(db).await
}

/// Adds a piece where the session is still where the piece begins; false where it is not.
///
/// # Errors
/// Errors of the database.
pub async fn add(
    db: &PgPool,
    session: Uuid,
    piece: Piece<'_>,
    life: Duration,
) -> Result<bool, sqlx::Error> {
    let mut tx = db.begin().await?;
    let advanced = sqlx::query(ADVANCE)
        .bind(session)
        .bind(piece.start)
        .bind(piece.size)
        .bind(life.as_secs_f64())
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if advanced != 1 {
        return Ok(false);
    }
    sqlx::query(ADD)
        .bind(session)
        .bind(piece.start)
        .bind(piece.size)
        .bind(piece.key)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// Says what became of a session that was at `received` before its last piece; false where another
/// request was faster.
///
/// # Errors
/// Errors of the database.
pub async fn complete(
    change: &mut Mutation,
    session: Uuid,
    received: i64,
    upload: Uuid,
) -> Result<bool, sqlx::Error> {
    let completed = sqlx::query(COMPLETE)
        .bind(session)
        .bind(received)
        .bind(upload)
        .execute(&mut **change)
        .await?
        .rows_affected();
    if completed != 1 {
        return Ok(false);
    }
    sqlx::query(DROP_PIECES)
        .bind(session)
        .execute(&mut **change)
        .await?;
    Ok(true)
}

/// Gives a session up.
///
/// # Errors
/// Errors of the database.
pub async fn delete(change: &mut Mutation, session: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(DELETE)
        .bind(session)
        .execute(&mut **change)
        .await
        .map(drop)
}

/// Gives up the sessions that nobody continued.
///
/// # Errors
/// Errors of the database.
pub async fn delete_expired(db: &PgPool) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(DELETE_EXPIRED)
        .execute(db)
        .await?
        .rows_affected())
}

/// Those of some sessions that exist.
///
/// # Errors
/// Errors of the database.
pub async fn existing(db: &PgPool, sessions: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(EXISTING)
        .bind(sessions)
        .fetch_all(db)
        .await
}
