//! `/projects/{project}/jobs`
//!
//! A job is a saved specification. It is checked when it is saved and again when a run is started,
//! for an upload that it names may be gone by then.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::NoContent;
use chrono::{DateTime, Utc};
use crds::matching::MatchingSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::answer::{Created, Or, Tagged};
use super::etag::{IfMatch, etag};
use super::idempotency::{Answer, Begun, Create};
use super::input::{ApiJson, ApiQuery};
use super::page::{Page, PageQuery, page};
use super::projects::is_slug;
use super::runs::{self, RunResponse, Started};
use crate::app::App;
use crate::auth::{DNS_LABEL, Editor, ProjectAccess, Viewer};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::jobs::{Change, Content, Job};
use crate::db::runs::NewRun;
use crate::error::ApiError;
use crate::runs::spec::{self, Checked};
use crate::telemetry::RequestId;

/// `POST /projects/{project}/jobs` and `PUT /projects/{project}/jobs/{job}`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewJob")]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// What the job is called by; it must not look like a UUID.
    #[schemars(length(min = 1, max = 63), regex(pattern = DNS_LABEL))]
    name: String,
    /// What to compare, and how. Sources are uploads of the project.
    #[schemars(with = "MatchingSpec")]
    spec: Value,
}

/// `POST /projects/{project}/jobs/{job}/runs`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewRunOfJob")]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The run's id, for whoever may ask twice; a new one when absent.
    id: Option<Uuid>,
}

/// A job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
#[serde(rename_all = "camelCase")]
pub struct JobResponse {
    /// The job's id.
    id: Uuid,
    /// What it is called by.
    name: String,
    /// What to compare, and how, with defaults left out.
    #[schemars(schema_with = "specification")]
    spec: Value,
    /// `sha256:` and the hash of the specification's canonical JSON.
    spec_hash: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was changed last.
    updated_at: DateTime<Utc>,
    /// The version, for `If-Match`.
    etag: String,
}

/// What is answered was read before, so its schema is that of requests.
fn specification(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"$ref": format!("#/components/schemas/{}", MatchingSpec::schema_name())})
}

impl From<Job> for JobResponse {
    fn from(job: Job) -> Self {
        Self {
            etag: etag(job.version),
            id: job.id,
            name: job.name,
            spec: job.spec,
            spec_hash: job.spec_hash,
            created_at: job.created_at,
            updated_at: job.updated_at,
        }
    }
}

fn location(job: &Job) -> String {
    format!("/api/v2/projects/{}/jobs/{}", job.project_id, job.id)
}

fn answer(job: Job) -> Tagged<JobResponse> {
    Tagged {
        version: job.version,
        body: job.into(),
    }
}

fn entry(action: Action, job: &Job) -> Entry {
    Entry::new(action, Subject::Job(job.id))
        .of_project(job.project_id)
        .with("name", &job.name)
        .with("specHash", &job.spec_hash)
}

/// The jobs of a project, by name.
///
/// # Errors
/// `BadRequest` for a wrong cursor or limit.
pub async fn list(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<JobResponse>>, ApiError> {
    let (limit, after) = (query.limit()?, query.position()?.unwrap_or_default());
    let rows = db::jobs::list(&app.db, access.id(), &after, limit + 1).await?;
    let position = |row: &Job| row.name.clone();
    Ok(Json(page(rows, limit, position, JobResponse::from)))
}

/// Saves a specification.
///
/// # Errors
/// `BadRequest` for a wrong name, `InvalidSpecification` with every mistake, `Conflict` where the
/// name is taken.
pub async fn create(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    Create { body, idempotency }: Create<JobRequest>,
) -> Result<Created<JobResponse>, ApiError> {
    check_name(&body.name)?;
    let checked = spec::check(&app.db, access.id(), body.spec).await?;
    let origin = access.origin(request_id);
    let begun = idempotency.begin(&app.cache, origin, Stale::nothing());
    let mut creation = match begun.await? {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(response),
    };
    let content = content(&body.name, &checked);
    let job = db::jobs::create(&mut creation, access.id(), content)
        .await?
        .ok_or_else(name_taken)?;
    let (entry, tag) = (entry(Action::JobCreate, &job), etag(job.version));
    let location = location(&job);
    let answer = Answer::new(location, &JobResponse::from(job))?;
    creation.commit(entry, answer.with_etag(tag)).await
}

/// A job, with its `ETag`.
///
/// # Errors
/// `NotFound`.
pub async fn show(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Tagged<JobResponse>, ApiError> {
    find(&app, access.id(), &path).await.map(answer)
}

/// Makes a job something else. Runs that were started before go on as they are.
///
/// # Errors
/// `NotFound`, `PreconditionRequired` without `If-Match`, `PreconditionFailed` where it changed
/// since, and those of [`create`].
pub async fn replace(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    Path(path): Path<BTreeMap<String, String>>,
    seen: IfMatch,
    ApiJson(request): ApiJson<JobRequest>,
) -> Result<Tagged<JobResponse>, ApiError> {
    let job = find(&app, access.id(), &path).await?;
    let expected = seen.required()?;
    check_name(&request.name)?;
    let checked = spec::check(&app.db, access.id(), request.spec).await?;
    let content = content(&request.name, &checked);
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    match db::jobs::replace(&mut change, job.id, &expected, content).await? {
        Change::Done(job) => {
            let entry = entry(Action::JobUpdate, &job);
            change.commit(entry, Stale::nothing()).await?;
            Ok(answer(*job))
        }
        Change::Changed => Err(ApiError::PreconditionFailed),
        Change::NameTaken => Err(name_taken()),
    }
}

/// Deletes a job. Its runs and their outputs stay.
///
/// # Errors
/// `NotFound`, `PreconditionRequired` without `If-Match`, `PreconditionFailed` where it changed
/// since.
pub async fn remove(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    Path(path): Path<BTreeMap<String, String>>,
    seen: IfMatch,
) -> Result<NoContent, ApiError> {
    let job = find(&app, access.id(), &path).await?;
    let expected = seen.required()?;
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    if !db::jobs::delete(&mut change, job.id, &expected).await? {
        return Err(ApiError::PreconditionFailed);
    }
    let stale = Stale::keys([Key::Job(job.id)]);
    change.commit(entry(Action::JobDelete, &job), stale).await?;
    Ok(NoContent)
}

/// Starts a run of a job as it is now. The same request with the same id is answered with the same
/// run.
///
/// # Errors
/// `NotFound`, `InvalidSpecification` where it can be run no more, `Conflict` where the id belongs
/// to another run, `QueueFull`.
pub async fn run(
    State(app): State<App>,
    access: ProjectAccess<Editor>,
    request_id: RequestId,
    Path(path): Path<BTreeMap<String, String>>,
    Create { body, idempotency }: Create<RunRequest>,
) -> Result<Started, ApiError> {
    let job = find(&app, access.id(), &path).await?;
    let checked = spec::check(&app.db, access.id(), job.spec).await?;
    let origin = access.origin(request_id);
    let begun = idempotency.begin(&app.cache, origin, runs::stale_by_new(access.id()));
    let creation = match begun.await? {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(Or::Either(response)),
    };
    let new = NewRun {
        id: body.id.unwrap_or_else(Uuid::new_v4),
        project: access.id(),
        job: Some(job.id),
        spec: &checked.spec,
        spec_hash: &checked.hash,
    };
    runs::start(&app, creation, &new).await
}

/// The runs of a job, newest first.
///
/// # Errors
/// `NotFound`, `BadRequest` for a wrong cursor or limit.
pub async fn list_runs(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    Path(path): Path<BTreeMap<String, String>>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<RunResponse>>, ApiError> {
    let (limit, after) = (query.limit()?, query.after()?);
    let job = find(&app, access.id(), &path).await?;
    let rows = db::runs::list_of_job(&app.db, job.id, after, limit + 1).await?;
    Ok(Json(runs::newest_first(rows, limit)))
}

async fn find(app: &App, project: Uuid, path: &BTreeMap<String, String>) -> Result<Job, ApiError> {
    let job = path.get("job").ok_or(ApiError::NotFound)?;
    db::jobs::find(&app.db, project, job)
        .await?
        .ok_or(ApiError::NotFound)
}

fn content<'a>(name: &'a str, checked: &'a Checked) -> Content<'a> {
    Content {
        name,
        spec: &checked.spec,
        spec_hash: &checked.hash,
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if is_slug(name) {
        Ok(())
    } else {
        Err(ApiError::bad_request(
            "name must be 1 to 63 lower-case letters, digits and inner dashes, and no UUID",
        ))
    }
}

fn name_taken() -> ApiError {
    ApiError::conflict("the project has a job of this name")
}
