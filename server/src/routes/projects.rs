//! `/projects`

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::input::{ApiJson, ApiQuery};
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{Caller, ProjectAccess, Viewer, is_dns_label};
use crate::db;
use crate::db::members::Role;
use crate::db::projects::{ListOf, Project, ProjectRef};
use crate::error::ApiError;

/// `POST /projects`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateRequest {
    slug: String,
    name: String,
}

/// A project and the caller's role in it.
#[derive(Serialize)]
pub struct ProjectResponse {
    id: Uuid,
    slug: String,
    name: String,
    role: Role,
}

impl ProjectResponse {
    fn new(project: Project, role: Role) -> Self {
        Self {
            id: project.id,
            slug: project.slug,
            name: project.name,
            role,
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
    let of = match &caller {
        Caller::Person(person) if person.platform_admin => ListOf::Everything,
        Caller::Person(person) => ListOf::User(person.id),
        Caller::Namespace(name) => ListOf::Namespace(name),
        Caller::Operator => return Err(ApiError::Forbidden),
    };
    let limit = query.limit()?;
    let after = query.position()?.unwrap_or_default();
    let rows = db::projects::list(&app.db, of, &after, limit + 1).await?;
    Ok(Json(page(
        rows,
        limit,
        |row| row.project.slug.clone(),
        |row| ProjectResponse::new(row.project, row.role),
    )))
}

/// Makes a project that the caller owns.
///
/// # Errors
/// `Forbidden` unless the caller is a person, `BadRequest`, `Conflict` where the slug is taken.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    ApiJson(request): ApiJson<CreateRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let person = caller.person()?;
    if !is_slug(&request.slug) {
        return Err(ApiError::bad_request(
            "slug must be 1 to 63 lower-case letters, digits and inner dashes, and no UUID",
        ));
    }
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > 253 || name.chars().any(char::is_control) {
        return Err(ApiError::bad_request("name must have 1 to 253 characters"));
    }
    let project = db::projects::create(&app.db, &request.slug, name, person.id)
        .await?
        .ok_or_else(|| ApiError::conflict("the slug is taken"))?;
    let location = format!("/api/v2/projects/{}", project.id);
    let body = Json(ProjectResponse::new(project, Role::Owner));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body))
}

/// A project.
pub async fn show(access: ProjectAccess<Viewer>) -> Json<ProjectResponse> {
    Json(ProjectResponse::new(
        access.project().clone(),
        access.role(),
    ))
}
