//! The table `runs`, as workers see it: a queue with leases and fences.
//!
//! A claim gives a worker a lease and a new fence. Every later write of the worker names the fence
//! and counts only while the run is still running under it, so a worker that lost its lease, or
//! whose run was cancelled, can change nothing. All times are the database's.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgPool};
use std::time::Duration;
use uuid::Uuid;

use super::exceptions::{self, Exceptions};
use super::named::NamedQuery;
use super::reviews;

/// The channel on which a queued run is announced.
pub const CHANNEL: &str = "reconciliation_runs_queued";

const EXHAUST: NamedQuery = NamedQuery::new("queue.exhaust", "UPDATE runs SET state = 'failed', completed_at = now(), \
       lease_expires_at = NULL, phase = NULL, error_type = 'attemptsExhausted', \
       error_message = format('gave up after %s attempts: the last worker, %s, stopped without a result', \
                              attempt, coalesce(worker, 'unknown')) \
     WHERE attempt >= $1 \
       AND (state = 'queued' OR (state = 'running' AND lease_expires_at < now()))").with("3");

// Projects take turns: first the one with the fewest runs at work, then the one whose last claim
// is the longest ago. So a thousand queued runs of one project delay another by one run only. The
// queue is counted once: inlined, both counts would be made for each run that waits.
const CLAIM: NamedQuery = NamedQuery::new("queue.claim", "WITH waiting AS MATERIALIZED ( \
       SELECT project_id, count(*) FILTER (WHERE state = 'running' AND lease_expires_at >= now()) AS busy \
       FROM runs WHERE state IN ('queued', 'running') GROUP BY project_id \
     ), turn AS MATERIALIZED ( \
       SELECT w.project_id, w.busy, \
         (SELECT max(l.claimed_at) FROM runs l WHERE l.project_id = w.project_id) AS last_claim \
       FROM waiting w \
     ), next AS ( \
       SELECT r.id FROM runs r JOIN turn t ON t.project_id = r.project_id \
       WHERE r.attempt < $3 \
         AND ((r.state = 'queued' AND r.not_before <= now()) \
           OR (r.state = 'running' AND r.lease_expires_at < now())) \
       ORDER BY t.busy, t.last_claim NULLS FIRST, r.created_at, r.id \
       LIMIT 1 FOR UPDATE OF r SKIP LOCKED \
     ) \
     UPDATE runs r SET state = 'running', attempt = r.attempt + 1, fence = r.fence + 1, worker = $1, \
       lease_expires_at = now() + make_interval(secs => $2), claimed_at = now(), \
       started_at = coalesce(r.started_at, now()), \
       phase = 'starting', progress_done = NULL, progress_total = NULL \
     FROM next WHERE r.id = next.id \
     RETURNING r.id, r.project_id, r.spec, r.attempt, r.fence, r.created_at").with("'worker', 15, 3");

const HEARTBEAT: NamedQuery = NamedQuery::new(
    "queue.heartbeat",
    "UPDATE runs SET lease_expires_at = now() + make_interval(secs => $3), \
       phase = $4, progress_done = $5, progress_total = $6 \
     WHERE id = $1 AND fence = $2 AND state = 'running'",
)
.sampled("runs", "id, fence, 15, 'matching', 1, 2");
const PUBLISH: NamedQuery = NamedQuery::new(
    "queue.publish",
    "UPDATE runs SET state = 'succeeded', completed_at = now(), \
       lease_expires_at = NULL, phase = NULL, progress_done = NULL, progress_total = NULL, \
       summary = $3, output_prefix = $4, exceptions = $5, reviews_open = $6 \
     WHERE id = $1 AND fence = $2 AND state = 'running'",
)
.sampled("runs", "id, fence, '{}', 'runs', '{}', 0");
const FAIL: NamedQuery = NamedQuery::new(
    "queue.fail",
    "UPDATE runs SET state = 'failed', completed_at = now(), lease_expires_at = NULL, \
       phase = NULL, error_type = $3, error_message = $4, error_detail = $5 \
     WHERE id = $1 AND fence = $2 AND state = 'running'",
)
.sampled("runs", "id, fence, 'io', 'why', 'why'");
const RETRY: NamedQuery = NamedQuery::new(
    "queue.retry",
    "UPDATE runs SET state = 'queued', lease_expires_at = NULL, phase = NULL, \
       progress_done = NULL, progress_total = NULL, not_before = now() + make_interval(secs => $3) \
     WHERE id = $1 AND fence = $2 AND state = 'running'",
)
.sampled("runs", "id, fence, 1");
const HAND_BACK: NamedQuery = NamedQuery::new(
    "queue.hand_back",
    "WITH handed AS ( \
       UPDATE runs SET state = 'queued', lease_expires_at = NULL, phase = NULL, \
         progress_done = NULL, progress_total = NULL, attempt = attempt - 1 \
       WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING id \
     ) SELECT pg_notify($3, '') FROM handed",
)
.sampled("runs", "id, fence, 'reconciliation_runs_queued'");

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] =
    &[EXHAUST, CLAIM, HEARTBEAT, PUBLISH, FAIL, RETRY, HAND_BACK];

/// A claimed run: the work and the right to write its result.
#[derive(Clone, Debug, FromRow)]
pub struct Claim {
    /// The run's id.
    pub id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// The decoded specification.
    pub spec: Value,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// The right to write; every claim has a higher one.
    pub fence: i64,
    /// When the run was queued.
    pub created_at: DateTime<Utc>,
}

/// What a worker is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The phase.
    pub phase: Option<String>,
    /// Units done and units in all.
    pub progress: Option<(i64, i64)>,
}

/// What a finished attempt publishes.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The content of `summary.json`.
    pub summary: &'a Value,
    /// Where the outputs are.
    pub prefix: &'a str,
    /// What somebody should look at.
    pub exceptions: &'a Exceptions,
}

/// Fails the runs that used up their attempts without a result.
///
/// # Errors
/// Errors of the database.
pub async fn exhaust(db: &PgPool, max_attempts: i32) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(EXHAUST)
        .bind(max_attempts)
        .execute(db)
        .await?
        .rows_affected())
}

/// Claims the next run, if there is one.
///
/// # Errors
/// Errors of the database.
pub async fn claim(
    db: &PgPool,
    worker: &str,
    lease: Duration,
    max_attempts: i32,
) -> Result<Option<Claim>, sqlx::Error> {
    sqlx::query_as(CLAIM)
        .bind(worker)
        .bind(lease.as_secs_f64())
        .bind(max_attempts)
        .fetch_optional(db)
        .await
}

/// The worker's writes. Each is true where it counted, and false where the claim is lost.
impl Claim {
    /// Renews the lease and says what is being done.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn heartbeat(
        &self,
        db: &PgPool,
        lease: Duration,
        status: &Status,
    ) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(HEARTBEAT)
            .bind(self.id)
            .bind(self.fence)
            .bind(lease.as_secs_f64())
            .bind(&status.phase)
            .bind(status.progress.map(|(done, _)| done))
            .bind(status.progress.map(|(_, total)| total));
        Ok(query.execute(db).await?.rows_affected() == 1)
    }

    /// Publishes the attempt, its summary and its exceptions, all or nothing.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn publish(
        &self,
        db: &PgPool,
        publication: &Publication<'_>,
    ) -> Result<bool, sqlx::Error> {
        let Publication {
            summary,
            prefix,
            exceptions,
        } = publication;
        let mut tx = db.begin().await?;
        // The fence first: it locks the run, and whoever lost the claim writes nothing at all.
        let published = sqlx::query(PUBLISH)
            .bind(self.id)
            .bind(self.fence)
            .bind(summary)
            .bind(prefix)
            .bind(Json(exceptions.counts))
            .bind(exceptions.reviews)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        if published != 1 {
            return Ok(false);
        }
        exceptions::insert(&mut tx, self.id, &exceptions.rows).await?;
        if exceptions.reviews > 0 {
            reviews::open(&mut tx, self.id, self.project_id).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Ends the run with an error.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn fail(
        &self,
        db: &PgPool,
        kind: &str,
        message: &str,
        detail: Option<&str>,
    ) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(FAIL)
            .bind(self.id)
            .bind(self.fence)
            .bind(kind)
            .bind(message)
            .bind(detail);
        Ok(query.execute(db).await?.rows_affected() == 1)
    }

    /// Queues the run for another attempt after a pause.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn retry(&self, db: &PgPool, pause: Duration) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(RETRY)
            .bind(self.id)
            .bind(self.fence)
            .bind(pause.as_secs_f64());
        Ok(query.execute(db).await?.rows_affected() == 1)
    }

    /// Queues the run again without counting this attempt, because the worker stops.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn hand_back(&self, db: &PgPool) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(HAND_BACK)
            .bind(self.id)
            .bind(self.fence)
            .bind(CHANNEL);
        Ok(query.fetch_optional(db).await?.is_some())
    }
}
