//! The table `runs`, as the API sees it. What workers do to it is in [`super::queue`].

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::audit::Mutation;
use super::named::NamedQuery;
use super::queue::CHANNEL;

// sqlx takes literal statements only, so the columns are repeated by a macro.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.project_id, p.slug AS project_slug, r.job_id, r.spec_hash, r.state, r.phase, \
             r.progress_done, r.progress_total, r.attempt, r.worker, r.created_at, r.started_at, \
             r.completed_at, r.summary, r.output_prefix, r.error_type, r.error_message, r.error_detail, \
             r.exceptions, r.reviews_open, r.reviews_accepted, r.reviews_rejected \
             FROM runs r JOIN projects p ON p.id = r.project_id ",
            $rest
        )
    };
}

const FIND: NamedQuery =
    NamedQuery::new("runs.find", select!("WHERE r.id = $1")).sampled("runs", "id");
const LIST: NamedQuery = NamedQuery::new(
    "runs.list",
    select!(
        "WHERE r.project_id = $1 AND (r.created_at, r.id) < ($2, $3) \
     ORDER BY r.created_at DESC, r.id DESC LIMIT $4"
    ),
)
.sampled("runs", "project_id, created_at, id, 101");
const LIST_OF_JOB: NamedQuery = NamedQuery::new(
    "runs.list_of_job",
    select!(
        "WHERE r.job_id = $1 AND (r.created_at, r.id) < ($2, $3) \
     ORDER BY r.created_at DESC, r.id DESC LIMIT $4"
    ),
)
.sampled("runs", "job_id, created_at, id, 101");
const LOCK_QUEUE_OF_PROJECT: NamedQuery = NamedQuery::new(
    "runs.lock_queue_of_project",
    "SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE",
)
.sampled("projects", "id");
const COUNT_QUEUED: NamedQuery = NamedQuery::new(
    "runs.count_queued",
    "SELECT count(*) FROM (SELECT FROM runs \
     WHERE project_id = $1 AND state = 'queued' LIMIT $2) AS queued",
)
.sampled("runs", "project_id, 1000");
const INSERT: NamedQuery = NamedQuery::new(
    "runs.insert",
    "INSERT INTO runs (id, project_id, spec, spec_hash, job_id) \
     VALUES ($1, $2, $3, $4, (SELECT id FROM jobs WHERE id = $5)) \
     ON CONFLICT (id) DO NOTHING",
)
.sampled(
    "runs",
    "gen_random_uuid(), project_id, spec, spec_hash, coalesce(job_id, id)",
);
const NOTIFY: NamedQuery =
    NamedQuery::new("runs.notify", "SELECT pg_notify($1, '')").with("'reconciliation_runs_queued'");
const CANCEL: NamedQuery = NamedQuery::new(
    "runs.cancel",
    "UPDATE runs SET state = 'cancelled', completed_at = now(), \
     lease_expires_at = NULL, phase = NULL \
     WHERE id = $1 AND state IN ('queued', 'running')",
)
.sampled("runs", "id");
const STANDINGS: NamedQuery = NamedQuery::new(
    "runs.standings",
    "SELECT id, state, phase, progress_done, progress_total, attempt, completed_at \
     FROM runs WHERE id = ANY($1)",
)
.with("(SELECT array_agg(id) FROM (SELECT id FROM runs LIMIT 100) AS page)");
const QUEUE_DEPTH: NamedQuery = NamedQuery::new(
    "runs.queue_depth",
    "SELECT count(*) FROM runs WHERE state = 'queued'",
);

/// What this module asks the database.
pub(super) const QUERIES: &[NamedQuery] = &[
    FIND,
    LIST,
    LIST_OF_JOB,
    LOCK_QUEUE_OF_PROJECT,
    COUNT_QUEUED,
    INSERT,
    NOTIFY,
    CANCEL,
    STANDINGS,
    QUEUE_DEPTH,
];

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RunState")]
pub enum State {
    /// Waits for a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Its result is published.
    Succeeded,
    /// It has an error and no result.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// Whether the run can still change.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl TryFrom<String> for State {
    type Error = sqlx::Error;

    fn try_from(text: String) -> Result<Self, sqlx::Error> {
        match text.as_str() {
            "queued" => Ok(Self::Queued),
            "running" => Ok(Self::Running),
            "succeeded" => Ok(Self::Succeeded),
            "failed" => Ok(Self::Failed),
            "cancelled" => Ok(Self::Cancelled),
            _ => Err(sqlx::Error::Decode("unknown run state".into())),
        }
    }
}

/// A run.
#[derive(Clone, Debug, FromRow, Serialize, Deserialize)]
pub struct Run {
    /// The run's id.
    pub id: Uuid,
    /// Its project.
    pub project_id: Uuid,
    /// The project's slug.
    pub project_slug: String,
    /// The job that it was started from, while that exists.
    pub job_id: Option<Uuid>,
    /// The hash of its specification.
    pub spec_hash: String,
    /// Where it is in its life.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// What the worker is doing.
    pub phase: Option<String>,
    /// Units done of the phase.
    pub progress_done: Option<i64>,
    /// Units of the phase.
    pub progress_total: Option<i64>,
    /// How often a worker began, handed-back leases aside.
    pub attempt: i32,
    /// The worker that has or had it last.
    pub worker: Option<String>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When a worker first began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it became final.
    pub completed_at: Option<DateTime<Utc>>,
    /// The content of `summary.json`.
    pub summary: Option<Value>,
    /// Where the published outputs are.
    pub output_prefix: Option<String>,
    /// The kind of the error.
    pub error_type: Option<String>,
    /// The error, without any value of a record.
    pub error_message: Option<String>,
    /// The error with the values of records that it is about, where it has any.
    pub error_detail: Option<String>,
    /// How many exceptions of each outcome were found and kept.
    pub exceptions: Option<Value>,
    /// Reviews that nobody has decided.
    pub reviews_open: i32,
    /// Reviews that were accepted.
    pub reviews_accepted: i32,
    /// Reviews that were rejected.
    pub reviews_rejected: i32,
}

/// Where a run stands: what changes of it while it goes on.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Standing {
    /// The run's id.
    pub id: Uuid,
    /// Where it is in its life.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// What the worker is doing.
    pub phase: Option<String>,
    /// Units done of the phase.
    pub progress_done: Option<i64>,
    /// Units of the phase.
    pub progress_total: Option<i64>,
    /// How often a worker began.
    pub attempt: i32,
    /// When it became final.
    pub completed_at: Option<DateTime<Utc>>,
}

impl From<&Run> for Standing {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id,
            state: run.state,
            phase: run.phase.clone(),
            progress_done: run.progress_done,
            progress_total: run.progress_total,
            attempt: run.attempt,
            completed_at: run.completed_at,
        }
    }
}

/// A position in a list that is newest first: what comes after it is older.
#[derive(Clone, Copy, Debug)]
pub struct After {
    /// The last item's time.
    pub created_at: DateTime<Utc>,
    /// The last item's id.
    pub id: Uuid,
}

impl After {
    /// Before the newest.
    pub const START: Self = Self {
        created_at: DateTime::<Utc>::MAX_UTC,
        id: Uuid::max(),
    };
}

/// A run to be queued.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// Its id.
    pub id: Uuid,
    /// Its project.
    pub project: Uuid,
    /// The job that it is started from.
    pub job: Option<Uuid>,
    /// The decoded specification.
    pub spec: &'a Value,
    /// Its hash.
    pub spec_hash: &'a str,
}

/// What came of queueing a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It is queued.
    New,
    /// A run with this id exists.
    Exists,
    /// The project has as many queued runs as it may.
    Full,
}

/// A run.
///
/// # Errors
/// Errors of the database.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> Result<Option<Run>, sqlx::Error> {
    sqlx::query_as(FIND).bind(id).fetch_optional(db).await
}

/// A page of runs, newest first.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    project: Uuid,
    after: After,
    limit: i64,
) -> Result<Vec<Run>, sqlx::Error> {
    sqlx::query_as(LIST)
        .bind(project)
        .bind(after.created_at)
        .bind(after.id)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// A page of a job's runs, newest first.
///
/// # Errors
/// Errors of the database.
pub async fn list_of_job(
    db: &PgPool,
    job: Uuid,
    after: After,
    limit: i64,
) -> Result<Vec<Run>, sqlx::Error> {
    sqlx::query_as(LIST_OF_JOB)
        .bind(job)
        .bind(after.created_at)
        .bind(after.id)
        .bind(limit)
        .fetch_all(db)
        .await
}

/// Queues a run unless one with its id exists or the project's queue is full.
///
/// # Errors
/// Errors of the database.
pub async fn enqueue(
    change: &mut Mutation,
    run: &NewRun<'_>,
    max_queued: i64,
) -> Result<Queued, sqlx::Error> {
    // Requests for one project wait for each other, so that the bound is exact.
    sqlx::query(LOCK_QUEUE_OF_PROJECT)
        .bind(run.project)
        .execute(&mut **change)
        .await?;
    let queued: i64 = sqlx::query_scalar(COUNT_QUEUED)
        .bind(run.project)
        .bind(max_queued)
        .fetch_one(&mut **change)
        .await?;
    if queued >= max_queued {
        return Ok(Queued::Full);
    }
    let inserted = sqlx::query(INSERT)
        .bind(run.id)
        .bind(run.project)
        .bind(run.spec)
        .bind(run.spec_hash)
        .bind(run.job)
        .execute(&mut **change)
        .await?
        .rows_affected();
    if inserted == 0 {
        return Ok(Queued::Exists);
    }
    sqlx::query(NOTIFY)
        .bind(CHANNEL)
        .execute(&mut **change)
        .await?;
    Ok(Queued::New)
}

/// Cancels a run that is not final; false where it is. A worker that has it notices at its next
/// heartbeat and can publish nothing from now on.
///
/// # Errors
/// Errors of the database.
pub async fn cancel(change: &mut Mutation, id: Uuid) -> Result<bool, sqlx::Error> {
    Ok(sqlx::query(CANCEL)
        .bind(id)
        .execute(&mut **change)
        .await?
        .rows_affected()
        == 1)
}

/// Where some runs stand; those that are gone are left out.
///
/// # Errors
/// Errors of the database.
pub async fn standings(db: &PgPool, runs: &[Uuid]) -> Result<Vec<Standing>, sqlx::Error> {
    sqlx::query_as(STANDINGS).bind(runs).fetch_all(db).await
}

/// Runs that wait for a worker.
///
/// # Errors
/// Errors of the database.
pub async fn queue_depth(db: &PgPool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(QUEUE_DEPTH).fetch_one(db).await
}
