//! The table `idempotency_keys`: answers of creating requests, kept for a day.

use super::named::NamedQuery;
use sqlx::{FromRow, PgConnection, PgPool};

// Held to the end of the transaction. A second request with the key waits for a moment: mostly the
// first is done by then, or its transaction, which failed, is just being rolled back.
const LOCK: NamedQuery = NamedQuery::new(
    "idempotency.lock",
    "SELECT pg_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 0))",
)
.sampled("idempotency_keys", "caller, key");
const WAIT: &str = "2s";
const WAIT_SETTING: NamedQuery = NamedQuery::new(
    "idempotency.wait_setting",
    "SELECT current_setting('lock_timeout')",
);
const SET_WAIT: NamedQuery = NamedQuery::new(
    "idempotency.set_wait",
    "SELECT set_config('lock_timeout', $1, true)",
)
.with("'2s'");
const TIMED_OUT: &str = "55P03";
const FORGET: NamedQuery = NamedQuery::new(
    "idempotency.forget",
    "DELETE FROM idempotency_keys \
     WHERE caller = $1 AND key = $2 AND created_at <= now() - interval '24 hours'",
)
.sampled("idempotency_keys", "caller, key");
const FIND: NamedQuery = NamedQuery::new(
    "idempotency.find",
    "SELECT request_hash, status, location, etag, body FROM idempotency_keys \
     WHERE caller = $1 AND key = $2",
)
.sampled("idempotency_keys", "caller, key");
const KEEP: NamedQuery = NamedQuery::new(
    "idempotency.keep",
    "INSERT INTO idempotency_keys \
     (caller, key, request_hash, status, location, etag, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
)
.sampled(
    "idempotency_keys",
    "caller, key, request_hash, status, '/', '1', '{}'",
);
const DELETE_EXPIRED: NamedQuery = NamedQuery::new(
    "idempotency.delete_expired",
    "DELETE FROM idempotency_keys WHERE created_at <= now() - interval '24 hours'",
);

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    LOCK,
    WAIT_SETTING,
    SET_WAIT,
    FORGET,
    FIND,
    KEEP,
    DELETE_EXPIRED,
];

/// A caller's key and the request that it stands for.
#[derive(Clone, Debug)]
pub struct Key {
    /// The caller; another's keys are none of its business.
    pub caller: String,
    /// The text of the header.
    pub key: String,
    /// The SHA-256 of the request.
    pub request_hash: [u8; 32],
}

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Kept {
    /// The status.
    pub status: i16,
    /// The header `Location`.
    pub location: Option<String>,
    /// The header `ETag`.
    pub etag: Option<String>,
    /// The body; none where it held a secret.
    pub body: Option<String>,
}

#[derive(FromRow)]
struct Found {
    request_hash: Vec<u8>,
    #[sqlx(flatten)]
    kept: Kept,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: the request is to be carried out.
    Nothing,
    /// The request was carried out with this answer.
    Answer(Kept),
    /// The key stands for another request.
    OtherRequest,
    /// A request with the key is under way.
    InUse,
}

/// Looks a key up, and reserves it until the transaction ends.
///
/// # Errors
/// Errors of the database.
pub async fn reserve(tx: &mut PgConnection, key: &Key) -> Result<Known, sqlx::Error> {
    let before: String = sqlx::query_scalar(WAIT_SETTING).fetch_one(&mut *tx).await?;
    set_wait(tx, WAIT).await?;
    let locked = sqlx::query(LOCK)
        .bind(&key.caller)
        .bind(&key.key)
        .execute(&mut *tx)
        .await;
    match locked {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(TIMED_OUT) => {
            return Ok(Known::InUse);
        }
        result => result.map(drop)?,
    }
    set_wait(tx, &before).await?;
    sqlx::query(FORGET)
        .bind(&key.caller)
        .bind(&key.key)
        .execute(&mut *tx)
        .await?;
    let found: Option<Found> = sqlx::query_as(FIND)
        .bind(&key.caller)
        .bind(&key.key)
        .fetch_optional(tx)
        .await?;
    Ok(match found {
        None => Known::Nothing,
        Some(found) if found.request_hash == key.request_hash => Known::Answer(found.kept),
        Some(_) => Known::OtherRequest,
    })
}

async fn set_wait(tx: &mut PgConnection, wait: &str) -> Result<(), sqlx::Error> {
    sqlx::query(SET_WAIT).bind(wait).execute(tx).await.map(drop)
}

/// Keeps an answer under its reserved key.
///
/// # Errors
/// Errors of the database.
pub async fn keep(tx: &mut PgConnection, key: &Key, kept: &Kept) -> Result<(), sqlx::Error> {
    sqlx::query(KEEP)
        .bind(&key.caller)
        .bind(&key.key)
        .bind(&key.request_hash[..])
        .bind(kept.status)
        .bind(&kept.location)
        .bind(&kept.etag)
        .bind(&kept.body)
        .execute(tx)
        .await
        .map(drop)
}

/// Forgets answers that are older than a day, and says how many.
///
/// # Errors
/// Errors of the database.
pub async fn delete_expired(db: &PgPool) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(DELETE_EXPIRED)
        .execute(db)
        .await?
        .rows_affected())
}
