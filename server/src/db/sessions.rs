//! The tables `sessions` and `refresh_tokens`: a session is the family of its refresh tokens.

use secrecy::SecretString;
use sqlx::{FromRow, PgConnection, PgPool};
use std::time::Duration;
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;
use super::users::User;
use crate::auth::opaque::{self, REFRESH};
use crate::auth::token::Bearer;
use crate::config::SessionConfig;

const FIND_BEARER: NamedQuery = NamedQuery::new(
    "sessions.find_bearer",
    "SELECT u.id, u.email, u.platform_admin \
     FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.id = $1 AND u.id = $2 AND s.ended_at IS NULL AND s.expires_at > now() \
       AND u.disabled_at IS NULL",
)
.sampled("sessions", "id, user_id");
const FIND_LIVE: NamedQuery = NamedQuery::new(
    "sessions.find_live",
    "SELECT user_id, extract(epoch FROM expires_at - now())::float8 AS seconds \
     FROM sessions WHERE id = $1 AND ended_at IS NULL AND expires_at > now()",
)
.sampled("sessions", "id");
const FIND_OF_TOKEN: NamedQuery = NamedQuery::new(
    "sessions.find_of_token",
    "SELECT session_id FROM refresh_tokens WHERE token_hash = $1",
)
.sampled(
    "refresh_tokens",
    "'\\x0000000000000000000000000000000000000000000000000000000000000000'",
);
// Whoever disables the user or changes the password waits for this, and then ends the session too.
const LOCK_LOGIN: NamedQuery = NamedQuery::new(
    "sessions.lock_login",
    "SELECT id FROM users \
     WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL FOR SHARE",
)
.sampled("users", "id, 'hash'");
const OPEN: NamedQuery = NamedQuery::new(
    "sessions.open",
    "INSERT INTO sessions (id, user_id, expires_at) \
     VALUES ($1, $2, now() + make_interval(secs => $3))",
)
.sampled("users", "gen_random_uuid(), id, 3600");
const ISSUE: NamedQuery = NamedQuery::new(
    "sessions.issue",
    "INSERT INTO refresh_tokens (token_hash, session_id, expires_at) \
     SELECT $1, id, least(expires_at, now() + make_interval(secs => $3)) \
     FROM sessions WHERE id = $2 \
     RETURNING greatest(0, extract(epoch FROM expires_at - now()))::bigint",
)
.sampled(
    "sessions",
    "'\\x0000000000000000000000000000000000000000000000000000000000000000', id, 3600",
);
const USE: NamedQuery = NamedQuery::new(
    "sessions.use",
    "UPDATE refresh_tokens SET used_at = now() \
     WHERE token_hash = $1 AND used_at IS NULL \
     RETURNING session_id, expires_at > now() AS fresh",
)
.sampled(
    "refresh_tokens",
    "'\\x0000000000000000000000000000000000000000000000000000000000000000'",
);
const LOCK_SESSION: NamedQuery = NamedQuery::new(
    "sessions.lock_session",
    "SELECT s.user_id, \
       s.ended_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL AS live \
     FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 FOR UPDATE OF s",
)
.sampled("sessions", "id");
const END_OF_TOKEN: NamedQuery = NamedQuery::new(
    "sessions.end_of_token",
    "UPDATE sessions s SET ended_at = now(), end_reason = $2 \
     FROM refresh_tokens t \
     WHERE t.token_hash = $1 AND s.id = t.session_id AND s.ended_at IS NULL \
     RETURNING s.id AS session, s.user_id AS \"user\"",
)
.sampled(
    "refresh_tokens",
    "'\\x0000000000000000000000000000000000000000000000000000000000000000', 'logout'",
);
const END_OF_USER: NamedQuery = NamedQuery::new(
    "sessions.end_of_user",
    "UPDATE sessions SET ended_at = now(), end_reason = $2 \
     WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3 RETURNING id",
)
.sampled("sessions", "user_id, 'disabled', id");
const DELETE_EXPIRED: NamedQuery = NamedQuery::new(
    "sessions.delete_expired",
    "DELETE FROM sessions WHERE expires_at < now() - interval '7 days'",
);

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    FIND_BEARER,
    FIND_LIVE,
    FIND_OF_TOKEN,
    LOCK_LOGIN,
    OPEN,
    ISSUE,
    USE,
    LOCK_SESSION,
    END_OF_TOKEN,
    END_OF_USER,
    DELETE_EXPIRED,
];

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its user logged out.
    Logout,
    /// One of its refresh tokens was used again.
    Reuse,
    /// Its user was disabled.
    Disabled,
    /// Its user has a new password.
    Password,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Disabled => "disabled",
            Self::Password => "password",
        }
    }
}

/// A refresh token as it is handed out, once.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// Seconds until it runs out.
    pub expires_in: i64,
}

/// What came of a refresh token.
#[derive(Debug)]
pub enum Exchange {
    /// It was good; this is the next one.
    Done(Bearer, Issued),
    /// It was used before. Its session has ended now.
    Reused(Bearer),
    /// It is unknown, ran out, or its session has ended.
    Refused,
}

/// The user of a session that has not ended, unless disabled.
///
/// # Errors
/// Errors of the database.
pub async fn find_bearer(db: &PgPool, bearer: Bearer) -> Result<Option<User>, sqlx::Error> {
    sqlx::query_as(FIND_BEARER)
        .bind(bearer.session)
        .bind(bearer.user)
        .fetch_optional(db)
        .await
}

/// A session that has not ended.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Live {
    /// Whose it is.
    pub user_id: Uuid,
    seconds: f64,
}

impl Live {
    /// How long it may go on.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        Duration::try_from_secs_f64(self.seconds).unwrap_or_default()
    }
}

/// A session that has not ended; whether its user may call is not looked at.
///
/// # Errors
/// Errors of the database.
pub async fn find_live(db: &PgPool, session: Uuid) -> Result<Option<Live>, sqlx::Error> {
    sqlx::query_as(FIND_LIVE)
        .bind(session)
        .fetch_optional(db)
        .await
}

/// The session of a refresh token, ended or not.
///
/// # Errors
/// Errors of the database.
pub async fn find_of_token(db: &PgPool, digest: &[u8; 32]) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar(FIND_OF_TOKEN)
        .bind(&digest[..])
        .fetch_optional(db)
        .await
}

/// Opens a session, unless the user was disabled or has another password by now.
///
/// # Errors
/// Errors of the database.
pub async fn open(
    change: &mut Mutation,
    user: Uuid,
    password_hash: &str,
    lives: &SessionConfig,
) -> Result<Option<(Bearer, Issued)>, sqlx::Error> {
    let locked = sqlx::query(LOCK_LOGIN)
        .bind(user)
        .bind(password_hash)
        .fetch_optional(&mut **change)
        .await?;
    if locked.is_none() {
        return Ok(None);
    }
    let session = Uuid::new_v4();
    sqlx::query(OPEN)
        .bind(session)
        .bind(user)
        .bind(lives.life.as_secs_f64())
        .execute(&mut **change)
        .await?;
    let issued = issue(change, session, lives).await?;
    Ok(Some((Bearer { user, session }, issued)))
}

async fn issue(
    tx: &mut PgConnection,
    session: Uuid,
    lives: &SessionConfig,
) -> Result<Issued, sqlx::Error> {
    let token = opaque::generate(REFRESH);
    let expires_in = sqlx::query_scalar(ISSUE)
        .bind(&opaque::digest_of(&token)[..])
        .bind(session)
        .bind(lives.idle.as_secs_f64())
        .fetch_one(tx)
        .await?;
    Ok(Issued { token, expires_in })
}

#[derive(FromRow)]
struct Used {
    session_id: Uuid,
    fresh: bool,
}

#[derive(FromRow)]
struct Locked {
    user_id: Uuid,
    live: bool,
}

#[derive(FromRow)]
struct Ended {
    session: Uuid,
    user: Uuid,
}

impl From<Ended> for Bearer {
    fn from(Ended { session, user }: Ended) -> Self {
        Self { user, session }
    }
}

/// Exchanges a refresh token for the next one. Of two requests with the same token the first is
/// served and the second ends the session: there is no time within which both would be, since a
/// thief's would be as well.
///
/// # Errors
/// Errors of the database.
pub async fn exchange(
    change: &mut Mutation,
    digest: &[u8; 32],
    lives: &SessionConfig,
) -> Result<Exchange, sqlx::Error> {
    let used: Option<Used> = sqlx::query_as(USE)
        .bind(&digest[..])
        .fetch_optional(&mut **change)
        .await?;
    let Some(used) = used else {
        let ended = end_of_token(change, digest, End::Reuse).await?;
        return Ok(ended.map_or(Exchange::Refused, Exchange::Reused));
    };
    let session: Option<Locked> = sqlx::query_as(LOCK_SESSION)
        .bind(used.session_id)
        .fetch_optional(&mut **change)
        .await?;
    match session {
        Some(Locked {
            user_id,
            live: true,
        }) if used.fresh => {
            let issued = issue(change, used.session_id, lives).await?;
            let bearer = Bearer {
                user: user_id,
                session: used.session_id,
            };
            Ok(Exchange::Done(bearer, issued))
        }
        _ => Ok(Exchange::Refused),
    }
}

/// Ends the session of a refresh token, used or not; none where it has ended or never was.
///
/// # Errors
/// Errors of the database.
pub async fn end_of_token(
    change: &mut Mutation,
    digest: &[u8; 32],
    end: End,
) -> Result<Option<Bearer>, sqlx::Error> {
    let ended: Option<Ended> = sqlx::query_as(END_OF_TOKEN)
        .bind(&digest[..])
        .bind(end.as_str())
        .fetch_optional(&mut **change)
        .await?;
    Ok(ended.map(Bearer::from))
}

/// Ends the sessions of a user but one, and says which. The user's row is changed before, so
/// that no login in between is overlooked.
///
/// # Errors
/// Errors of the database.
pub async fn end_of_user(
    change: &mut Mutation,
    user: Uuid,
    end: End,
    but: Option<Uuid>,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(END_OF_USER)
        .bind(user)
        .bind(end.as_str())
        .bind(but)
        .fetch_all(&mut **change)
        .await
}

/// Forgets sessions that ran out a week ago, and says how many.
///
/// # Errors
/// Errors of the database.
pub async fn delete_expired(db: &PgPool) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(DELETE_EXPIRED)
        .execute(db)
        .await?
        .rows_affected())
}
