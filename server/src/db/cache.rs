//! The tables `cache_state` and `cache_replicas`: which processes may answer from their caches.
//! [`crate::cache`] has the protocol.

use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::named::NamedQuery;

// A generation belongs to one process of Redis. Another one has other entries, so it begins another
// generation; the first one after none does not, for there are no entries yet.
const BIND: NamedQuery = NamedQuery::new(
    "cache.bind",
    "UPDATE cache_state SET redis = $1, \
       generation = generation + CASE WHEN redis IS NULL THEN 0 ELSE 1 END \
     WHERE redis IS DISTINCT FROM $1",
)
.with("'redis'");
// Whoever ends a generation waits for this lock, and so sees every right of the generation.
const LOCK_STATE: NamedQuery = NamedQuery::new(
    "cache.lock_state",
    "SELECT namespace, generation, redis FROM cache_state FOR SHARE",
);
const IS_ALONE: NamedQuery = NamedQuery::new(
    "cache.is_alone",
    "SELECT NOT EXISTS (SELECT FROM cache_replicas \
     WHERE id <> $1 AND seen_at > now() - interval '10 seconds')",
)
.with("gen_random_uuid()");
const RENEW: NamedQuery = NamedQuery::new(
    "cache.renew",
    "INSERT INTO cache_replicas AS r (id, holds, generation, redis) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET holds = excluded.holds, \
       generation = excluded.generation, redis = excluded.redis, renewals = r.renewals + 1, \
       seen_at = now() \
     RETURNING renewals",
)
.with("gen_random_uuid(), false, 1, 'redis'");
const FORGET_IDLE: NamedQuery = NamedQuery::new(
    "cache.forget_idle",
    "DELETE FROM cache_replicas \
     WHERE NOT holds AND seen_at < now() - interval '1 minute'",
);
const LEAVE: NamedQuery =
    NamedQuery::new("cache.leave", "DELETE FROM cache_replicas WHERE id = $1")
        .with("gen_random_uuid()");
const VIEW: NamedQuery = NamedQuery::new(
    "cache.view",
    "SELECT s.namespace, s.generation, s.redis, r.id, \
       r.generation AS held_generation, r.redis AS held_redis, r.renewals \
     FROM cache_state s LEFT JOIN cache_replicas r ON r.holds",
);
const END_GENERATION: NamedQuery = NamedQuery::new(
    "cache.end_generation",
    "UPDATE cache_state SET generation = generation + 1, redis = NULL \
     RETURNING generation",
);
const EXPEL: NamedQuery = NamedQuery::new(
    "cache.expel",
    "DELETE FROM cache_replicas WHERE id = $1 AND renewals = $2",
)
.with("gen_random_uuid(), 1");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    BIND,
    LOCK_STATE,
    IS_ALONE,
    RENEW,
    FORGET_IDLE,
    LEAVE,
    VIEW,
    END_GENERATION,
    EXPEL,
];

/// What a process may do from the moment on at which it asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Names this database's entries.
    pub namespace: Uuid,
    /// The generation whose entries may be served.
    pub generation: i64,
    /// Whether any may be served.
    pub holds: bool,
    /// The process is a new one to the others, so nobody told it anything until now.
    pub fresh: bool,
}

/// What is known of all processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Names this database's entries.
    pub namespace: Uuid,
    /// The generation.
    pub generation: i64,
    /// The process of Redis that has entries of it.
    pub redis: Option<String>,
    /// The processes that may serve from their caches.
    pub holders: Vec<Holder>,
}

/// A process that may serve from its cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub id: Uuid,
    /// The generation that it serves from.
    pub generation: i64,
    /// The process of Redis that it hears of changes from.
    pub redis: Option<String>,
    /// How often it has renewed its right.
    pub renewals: i64,
}

#[derive(FromRow)]
struct State {
    namespace: Uuid,
    generation: i64,
    redis: Option<String>,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    state: State,
    id: Option<Uuid>,
    held_generation: Option<i64>,
    held_redis: Option<String>,
    renewals: Option<i64>,
}

/// Renews a process's right to serve from its cache. It has one while it hears of changes through
/// Redis, or while there is no other process.
///
/// # Errors
/// Errors of the database.
pub async fn renew(db: &PgPool, id: Uuid, redis: Option<&str>) -> Result<Renewal, sqlx::Error> {
    if redis.is_some() {
        sqlx::query(BIND).bind(redis).execute(db).await?;
    }
    let mut tx = db.begin().await?;
    let state: State = sqlx::query_as(LOCK_STATE).fetch_one(&mut *tx).await?;
    let holds = match redis {
        // Another process may have bound it to another Redis in between.
        Some(_) => state.redis.as_deref() == redis,
        None => {
            sqlx::query_scalar(IS_ALONE)
                .bind(id)
                .fetch_one(&mut *tx)
                .await?
        }
    };
    let renewals: i64 = sqlx::query_scalar(RENEW)
        .bind(id)
        .bind(holds)
        .bind(state.generation)
        .bind(redis)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Renewal {
        namespace: state.namespace,
        generation: state.generation,
        holds,
        fresh: renewals == 1,
    })
}

/// Takes a process out, which serves nothing from its cache any more.
///
/// # Errors
/// Errors of the database.
pub async fn leave(db: &PgPool, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(LEAVE).bind(id).execute(db).await?;
    sqlx::query(FORGET_IDLE).execute(db).await.map(drop)
}

/// What is known of all processes, at one moment.
///
/// # Errors
/// Errors of the database.
pub async fn view(db: &PgPool) -> Result<View, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(VIEW).fetch_all(db).await?;
    let mut view: Option<View> = None;
    for row in rows {
        let view = view.get_or_insert_with(|| View {
            namespace: row.state.namespace,
            generation: row.state.generation,
            redis: row.state.redis,
            holders: Vec::new(),
        });
        if let (Some(id), Some(generation), Some(renewals)) =
            (row.id, row.held_generation, row.renewals)
        {
            view.holders.push(Holder {
                id,
                generation,
                redis: row.held_redis,
                renewals,
            });
        }
    }
    view.ok_or(sqlx::Error::RowNotFound)
}

/// Begins a new generation: no entry that there is now is served by whoever renews after this.
///
/// # Errors
/// Errors of the database.
pub async fn end_generation(db: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(END_GENERATION).fetch_one(db).await
}

/// Takes a process out that did not renew its right since it was seen.
///
/// # Errors
/// Errors of the database.
pub async fn expel(db: &PgPool, holder: &Holder) -> Result<(), sqlx::Error> {
    sqlx::query(EXPEL)
        .bind(holder.id)
        .bind(holder.renewals)
        .execute(db)
        .await
        .map(drop)
}
