//! `/runs`

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::idempotency::{Answer, Begun, Create, Creation};
use super::input::ApiQuery;
use super::page::{Page, PageQuery, page, position};
use crate::app::App;
use crate::auth::{Caller, Editor, ProjectAccess, RunAccess, Viewer, check_project_permission};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::projects::ProjectRef;
use crate::db::runs::{After, NewRun, Queued, Run, State as RunState};
use crate::error::ApiError;
use crate::runs::spec;
use crate::telemetry::RequestId;

/// `POST /runs`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateRequest {
    id: Option<Uuid>,
    project: String,
    spec: Value,
}

/// A run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResponse {
    id: Uuid,
    project: RunProject,
    job: Option<Uuid>,
    state: RunState,
    phase: Option<String>,
    progress: Option<RunProgress>,
    attempt: i32,
    worker: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    summary: Option<Value>,
    exceptions: Option<Value>,
    reviews: Option<RunReviews>,
    error: Option<RunError>,
    result_uri: String,
}

#[derive(Serialize)]
struct RunProject {
    id: Uuid,
    slug: String,
}

#[derive(Serialize)]
pub(super) struct RunProgress {
    done: i64,
    total: i64,
}

impl RunProgress {
    pub(super) fn of(done: Option<i64>, total: Option<i64>) -> Option<Self> {
        done.zip(total).map(|(done, total)| Self { done, total })
    }
}

#[derive(Serialize)]
struct RunReviews {
    open: i32,
    accepted: i32,
    rejected: i32,
}

#[derive(Serialize)]
struct RunError {
    #[serde(rename = "type")]
    kind: String,
    message: String,
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

fn answer(status: StatusCode, run: Run) -> Response {
    (
        status,
        [(header::LOCATION, location(run.id))],
        Json(RunResponse::from(run)),
    )
        .into_response()
}

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
) -> Result<Response, ApiError> {
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
        Begun::Before(response) => return Ok(response),
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
) -> Result<Response, ApiError> {
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
    let answer = Answer::new(StatusCode::ACCEPTED, location(id), &body)?;
    creation.commit(entry, answer).await
}

fn existing(new: &NewRun<'_>, run: Run) -> Result<Response, ApiError> {
    if run.project_id == new.project && run.spec_hash == new.spec_hash {
        Ok(answer(StatusCode::OK, run))
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
) -> Result<impl IntoResponse, ApiError> {
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
        Ok((StatusCode::ACCEPTED, Json(RunResponse::from(run))))
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
