//! `/runs`

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use crds::matching::MatchingSpec;
use engine::Summary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::answer::{Created, Or, There, With};
use super::idempotency::{Answer, Begun, Create, Creation};
use super::input::ApiQuery;
use super::page::{Page, PageQuery, page, position};
use crate::app::App;
use crate::auth::{Caller, Editor, ProjectAccess, RunAccess, Viewer, check_project_permission};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::exceptions::Counts;
use crate::db::projects::ProjectRef;
use crate::db::runs::{After, NewRun, Queued, Run, State as RunState};
use crate::error::ApiError;
use crate::runs::{ERROR_TYPES, spec};
use crate::telemetry::RequestId;

/// `POST /runs`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewRun")]
#[serde(deny_unknown_fields)]
pub struct CreateRequest {
    /// The run's id, for whoever may ask twice; a new one when absent.
    id: Option<Uuid>,
    /// The project's id or slug.
    project: String,
    /// What to compare, and how. Sources are uploads of the project.
    #[schemars(with = "MatchingSpec")]
    spec: Value,
}

/// A run.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Run")]
#[serde(rename_all = "camelCase")]
pub struct RunResponse {
    /// The run's id.
    id: Uuid,
    /// The project it belongs to.
    project: RunProject,
    /// The job whose specification it has.
    job: Option<Uuid>,
    /// Where it is in its life.
    state: RunState,
    /// What the engine is doing.
    phase: Option<String>,
    /// How far it is in that.
    progress: Option<RunProgress>,
    /// Attempts that began, those aside that a stopping worker handed back.
    attempt: i32,
    /// Who works on it, or did last.
    worker: Option<String>,
    /// When it was queued.
    created_at: DateTime<Utc>,
    /// When the last attempt began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    completed_at: Option<DateTime<Utc>>,
    /// The content of `summary.json`, once it succeeded.
    #[schemars(with = "Option<Summary>")]
    summary: Option<Value>,
    /// How many exceptions there were and how many are kept, once it succeeded.
    #[schemars(with = "Option<Counts>")]
    exceptions: Option<Value>,
    /// Its reviews by state, once it succeeded.
    reviews: Option<RunReviews>,
    /// Why it failed.
    error: Option<RunError>,
    /// Where its files are listed.
    result_uri: String,
}

#[derive(Serialize, JsonSchema)]
struct RunProject {
    /// The project's id.
    id: Uuid,
    /// Its slug.
    slug: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct RunProgress {
    /// Steps that are done.
    done: i64,
    /// Steps in all.
    total: i64,
}

impl RunProgress {
    pub(super) fn of(done: Option<i64>, total: Option<i64>) -> Option<Self> {
        done.zip(total).map(|(done, total)| Self { done, total })
    }
}

#[derive(Serialize, JsonSchema)]
struct RunReviews {
    /// Reviews that nobody has decided.
    open: i32,
    /// Reviews whose records belong together.
    accepted: i32,
    /// Reviews whose records do not.
    rejected: i32,
}

#[derive(Serialize, JsonSchema)]
struct RunError {
    /// What kind of error it is.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ERROR_TYPES))]
    kind: String,
    /// What went wrong, without values of records.
    message: String,
    /// The same with the values that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<Run> for RunResponse {
    fn from(run: Run) -> Self {
        let error = run.error_type.zip(run.error_message);
        let reviews = run.summary.is_some().then_some(RunReviews {
            open: run.reviews_open,
            accepted: run.reviews_accepted,
            rejected: run.reviews_rejected,
        });
        Self {
            id: run.id,
            project: RunProject {
                id: run.project_id,
                slug: run.project_slug,
            },
            job: run.job_id,
            state: run.state,
            phase: run.phase,
            progress: RunProgress::of(run.progress_done, run.progress_total),
            attempt: run.attempt,
            worker: run.worker,
            created_at: run.created_at,
            started_at: run.started_at,
            completed_at: run.completed_at,
            summary: run.summary,
            exceptions: run.exceptions,
            reviews,
            error: error.map(|(kind, message)| RunError {
                kind,
                message,
                detail: run.error_detail,
            }),
            result_uri: location(run.id) + "/outputs",
        }
    }
}

fn location(id: Uuid) -> String {
    format!("/api/v2/runs/{id}")
}

/// A new run, or the one that was there.
pub(super) type Started = Or<Created<RunResponse, 202>, There<RunResponse>>;

/// Queues a run. The same request with the same id is answered with the same run.
///
/// # Errors
/// `Forbidden` also where the project does not exist, `InvalidSpecification` with every mistake,
/// `Conflict` where the id belongs to another run, `QueueFull`.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    request_id: RequestId,
    Create { body, idempotency }: Create<CreateRequest>,
) -> Result<Started, ApiError> {
    let request = body;
    let project = ProjectRef::parse(&request.project);
    let access: ProjectAccess<Editor> = check_project_permission(&app, &caller, &project)
        .await
        .map_err(|error| match error {
            // Whoever may not run here is told the same, whether the project exists or not.
            ApiError::NotFound => ApiError::Forbidden,
            error => error,
        })?;
    let checked = spec::check(&app.db, access.id(), request.spec).await?;
    let stale = stale_by_new(access.id());
    let creation = match idempotency
        .begin(&app.cache, access.origin(request_id), stale)
        .await?
    {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(Or::Either(response)),
    };
    let new = NewRun {
        id: request.id.unwrap_or_else(Uuid::new_v4),
        project: access.id(),
        job: None,
        spec: &checked.spec,
        spec_hash: &checked.hash,
    };
    start(&app, creation, &new).await
}

/// What a new run makes stale.
pub(super) fn stale_by_new(project: Uuid) -> Stale {
    Stale::keys([Key::Counts(project)])
}

/// Queues a run of a specification that is right.
///
/// # Errors
/// `Conflict` where the id belongs to another run, `QueueFull`.
pub(super) async fn start(
    app: &App,
    mut creation: Creation,
    new: &NewRun<'_>,
) -> Result<Started, ApiError> {
    let id = new.id;
    if let Some(run) = db::runs::find(&mut **creation, id).await? {
        creation.is_there_already(&app.cache).await;
        return existing(new, run);
    }
    let max_queued = app.config.max_queued_per_project;
    let queued = db::runs::enqueue(&mut creation, new, max_queued).await?;
    if queued == Queued::Full {
        return Err(ApiError::QueueFull(max_queued));
    }
    let run = db::runs::find(&mut **creation, id)
        .await?
        .ok_or(ApiError::NotFound)?;
    if queued == Queued::Exists {
        // Another request with the same id was faster.
        creation.is_there_already(&app.cache).await;
        return existing(new, run);
    }
    let entry = Entry::new(Action::RunCreate, Subject::Run(id))
        .of_project(new.project)
        .with("specHash", &new.spec_hash);
    let body = RunResponse::from(run);
    let answer = Answer::new(location(id), &body)?;
    Ok(Or::Either(creation.commit(entry, answer).await?))
}

fn existing(new: &NewRun<'_>, run: Run) -> Result<Started, ApiError> {
    if run.project_id == new.project && run.spec_hash == new.spec_hash {
        Ok(Or::Or(There {
            location: location(run.id),
            body: run.into(),
        }))
    } else {
        Err(ApiError::conflict(
            "the id belongs to a run of another specification or project",
        ))
    }
}

/// A run.
pub async fn show(RunAccess { run, .. }: RunAccess<Viewer>) -> Json<RunResponse> {
    Json(run.into())
}

/// Cancels a run: at once for everybody who looks, and at its next heartbeat for its worker.
///
/// # Errors
/// `Conflict` where it has ended otherwise.
pub async fn cancel(
    State(app): State<App>,
    RunAccess { run, access }: RunAccess<Editor>,
    request_id: RequestId,
) -> Result<With<202, RunResponse>, ApiError> {
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    if db::runs::cancel(&mut change, run.id).await? {
        let entry = Entry::new(Action::RunCancel, Subject::Run(run.id));
        // Only final runs are cached, and this one was none until now.
        let stale = Stale::nothing();
        change.commit(entry.of_project(access.id()), stale).await?;
    }
    let run = db::runs::find(&app.db, run.id)
        .await?
        .ok_or(ApiError::NotFound)?;
    if run.state == RunState::Cancelled {
        Ok(With(run.into()))
    } else {
        Err(ApiError::conflict("the run has ended already"))
    }
}

/// The runs of a project, newest first.
///
/// # Errors
/// `BadRequest` for a wrong cursor or limit.
pub async fn list(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<RunResponse>>, ApiError> {
    let (limit, after) = (query.limit()?, query.after()?);
    let rows = db::runs::list(&app.db, access.id(), after, limit + 1).await?;
    Ok(Json(newest_first(rows, limit)))
}

pub(super) fn newest_first(rows: Vec<Run>, limit: i64) -> Page<RunResponse> {
    let at = |row: &Run| {
        position(After {
            created_at: row.created_at,
            id: row.id,
        })
    };
    page(rows, limit, at, RunResponse::from)
}
