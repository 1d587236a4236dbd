//! `/projects`

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::{Created, Tagged};
use super::etag::{IfMatch, etag};
use super::idempotency::{Answer, Begun, Create};
use super::input::{ApiJson, ApiQuery};
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{Caller, DNS_LABEL, Owner, ProjectAccess, Viewer, is_dns_label};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::members::Role;
use crate::db::projects::{Counts, ListOf, Project, ProjectRef};
use crate::error::ApiError;
use crate::telemetry::RequestId;

/// `POST /projects`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewProject")]
#[serde(deny_unknown_fields)]
pub struct CreateRequest {
    /// What specifications name the project by; it must not look like a UUID.
    #[schemars(length(min = 1, max = 63), regex(pattern = DNS_LABEL))]
    slug: String,
    /// What people call it.
    #[schemars(length(min = 1, max = 253))]
    name: String,
}

/// `PATCH /projects/{project}`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ProjectUpdate")]
#[serde(deny_unknown_fields)]
pub struct UpdateRequest {
    /// What people call it.
    #[schemars(length(min = 1, max = 253))]
    name: String,
}

/// A project and the caller's role in it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Project")]
pub struct ProjectResponse {
    /// The project's id.
    id: Uuid,
    /// What specifications name it by.
    slug: String,
    /// What people call it.
    name: String,
    /// What the caller may do in it.
    role: Role,
    /// How much there is in it.
    counts: Counts,
}

impl ProjectResponse {
    fn new(project: Project, role: Role, counts: Counts) -> Self {
        Self {
            id: project.id,
            slug: project.slug,
            name: project.name,
            role,
            counts,
        }
    }
}

/// Whether a text can be a slug: a DNS label that does not look like an id.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    is_dns_label(text) && matches!(ProjectRef::parse(text), ProjectRef::Slug(_))
}

/// The caller's projects.
///
/// # Errors
/// `Forbidden` for the operator without a namespace.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<ProjectResponse>>, ApiError> {
    let limit = query.limit()?;
    let after = query.position()?.unwrap_or_default();
    let of = match &caller {
        Caller::Machine(machine) => ListOf::One(machine.project, machine.role),
        Caller::Person(person) if person.platform_admin => ListOf::Everything,
        Caller::Person(person) => ListOf::User(person.id),
        Caller::Namespace(name) => ListOf::Namespace(name),
        Caller::Operator => return Err(ApiError::Forbidden),
    };
    let rows = db::projects::list(&app.db, of, &after, limit + 1).await?;
    let listed = usize::try_from(limit).unwrap_or_default();
    let ids: Vec<Uuid> = rows.iter().take(listed).map(|row| row.project.id).collect();
    let mut connection = app.db.acquire().await?;
    let counts = db::projects::counts(&mut connection, &ids).await?;
    Ok(Json(page(
        rows,
        limit,
        |row| row.project.slug.clone(),
        |row| {
            let counts = counts.of(row.project.id);
            ProjectResponse::new(row.project, row.role, counts)
        },
    )))
}

/// Makes a project that the caller owns.
///
/// # Errors
/// `Forbidden` unless the caller is a person, `BadRequest`, `Conflict` where the slug is taken.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    request_id: RequestId,
    Create { body, idempotency }: Create<CreateRequest>,
) -> Result<Created<ProjectResponse>, ApiError> {
    let origin = caller.origin(request_id);
    let person = caller.person()?;
    if !is_slug(&body.slug) {
        return Err(ApiError::bad_request(
            "slug must be 1 to 63 lower-case letters, digits and inner dashes, and no UUID",
        ));
    }
    let name = checked_name(&body.name)?;
    let begun = idempotency.begin(&app.cache, origin, Stale::nothing());
    let mut creation = match begun.await? {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(response),
    };
    let project = db::projects::create(&mut creation, &body.slug, name, person.id)
        .await?
        .ok_or_else(|| ApiError::conflict("the slug is taken"))?;
    let (id, tag) = (project.id, etag(project.version));
    let entry = Entry::new(Action::ProjectCreate, Subject::Project(id))
        .of_project(id)
        .with("slug", &project.slug);
    let counts = db::projects::counts(&mut creation, &[id]).await?;
    let body = ProjectResponse::new(project, Role::Owner, counts.of(id));
    let answer = Answer::new(format!("/api/v2/projects/{id}"), &body)?;
    creation.commit(entry, answer.with_etag(tag)).await
}

fn checked_name(name: &str) -> Result<&str, ApiError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 253 || name.chars().any(char::is_control) {
        return Err(ApiError::bad_request("name must have 1 to 253 characters"));
    }
    Ok(name)
}

async fn answer(
    app: &App,
    project: Project,
    role: Role,
) -> Result<Tagged<ProjectResponse>, ApiError> {
    let version = project.version;
    let counts = app.cache.counts(project.id).await?;
    let body = ProjectResponse::new(project, role, counts);
    Ok(Tagged { version, body })
}

/// A project.
///
/// # Errors
/// Errors of the database.
pub async fn show(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
) -> Result<Tagged<ProjectResponse>, ApiError> {
    answer(&app, access.project().clone(), access.role()).await
}

/// Gives a project another name. Its slug stays: specifications name it.
///
/// # Errors
/// `BadRequest`, `PreconditionRequired`, `PreconditionFailed`.
pub async fn update(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    request_id: RequestId,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateRequest>,
) -> Result<Tagged<ProjectResponse>, ApiError> {
    let expected = if_match.required()?;
    let name = checked_name(&request.name)?;
    let id = access.id();
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    let project = db::projects::rename(&mut change, id, name, &expected)
        .await?
        .ok_or(ApiError::PreconditionFailed)?;
    let entry = Entry::new(Action::ProjectUpdate, Subject::Project(id)).of_project(id);
    let stale = Stale::keys([Key::Project(id)]);
    change.commit(entry, stale).await?;
    answer(&app, project, access.role()).await
}
