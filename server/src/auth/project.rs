//! What a caller may do in a project. [`check_project_permission`] is the only way to a
//! [`ProjectAccess`], and a handler that works on a project takes one.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use std::collections::HashMap;
use std::marker::PhantomData;
use uuid::Uuid;

use super::Caller;
use crate::app::App;
use crate::db::audit::Origin;
use crate::db::members::Role;
use crate::db::projects::{Project, ProjectRef};
use crate::db::runs::Run;
use crate::error::ApiError;
use crate::openapi::{Operation, Takes};
use crate::telemetry::RequestId;

/// A role as a type, so that a handler's signature says what it needs.
pub trait RoleMarker: Send + Sync + 'static {
    /// The least role that is enough.
    const ROLE: Role;
}

/// May read.
#[derive(Debug)]
pub struct Viewer;
/// May upload and run.
#[derive(Debug)]
pub struct Editor;
/// May manage members.
#[derive(Debug)]
pub struct Owner;

impl RoleMarker for Viewer {
    const ROLE: Role = Role::Viewer;
}
impl RoleMarker for Editor {
    const ROLE: Role = Role::Editor;
}
impl RoleMarker for Owner {
    const ROLE: Role = Role::Owner;
}

/// Proof that the caller has the role `R` in a project.
#[derive(Debug)]
pub struct ProjectAccess<R> {
    caller: Caller,
    project: Project,
    role: Role,
    marker: PhantomData<R>,
}

impl<R> ProjectAccess<R> {
    /// The project.
    #[must_use]
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// The project's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.project.id
    }

    /// The caller.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The caller in a request, for what is changed in it.
    #[must_use]
    pub fn origin(&self, request: RequestId) -> Origin {
        self.caller.origin(request)
    }

    /// The role that the caller really has, at least `R`.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }
}

/// Lets a caller with the role `R` into a project.
///
/// # Errors
/// `NotFound` where there is no such project or the caller is no member: which one is private.
/// `Forbidden` for a member with too little a role, and for the operator without a namespace.
pub async fn check_project_permission<R: RoleMarker>(
    app: &App,
    caller: &Caller,
    project: &ProjectRef,
) -> Result<ProjectAccess<R>, ApiError> {
    if matches!(caller, Caller::Operator) {
        return Err(ApiError::Forbidden);
    }
    let project = app
        .cache
        .project(project)
        .await?
        .ok_or(ApiError::NotFound)?;
    let role = match caller {
        Caller::Person(person) if person.platform_admin => Some(Role::Owner),
        Caller::Person(person) => app.cache.role_of_user(project.id, person.id).await?,
        Caller::Namespace(name) => app.cache.role_of_namespace(project.id, name).await?,
        Caller::Machine(machine) if machine.project == project.id => machine.role,
        Caller::Machine(_) | Caller::Operator => None,
    };
    match role {
        Some(role) if role >= R::ROLE => Ok(ProjectAccess {
            caller: caller.clone(),
            project,
            role,
            marker: PhantomData,
        }),
        Some(_) => Err(ApiError::Forbidden),
        None => Err(ApiError::NotFound),
    }
}

async fn path_parameter(parts: &mut Parts, app: &App, name: &str) -> Result<String, ApiError> {
    let Path(mut parameters): Path<HashMap<String, String>> = Path::from_request_parts(parts, app)
        .await
        .map_err(|_| ApiError::NotFound)?;
    parameters.remove(name).ok_or(ApiError::NotFound)
}

/// For routes under `/projects/{project}`.
impl<R: RoleMarker> FromRequestParts<App> for ProjectAccess<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let project = ProjectRef::parse(&path_parameter(parts, app, "project").await?);
        check_project_permission(app, &caller, &project).await
    }
}

impl<R: RoleMarker> Takes for ProjectAccess<R> {
    fn describe(operation: &mut Operation<'_>) {
        Caller::describe(operation);
        let role = R::ROLE.as_str();
        operation
            .tells(format!(
                "For members of the project with the role `{role}` or more."
            ))
            .fails(&ApiError::NotFound);
    }
}

/// Proof that the caller has the role `R` in the project of a run.
#[derive(Debug)]
pub struct RunAccess<R> {
    /// The run.
    pub run: Run,
    /// The access to its project.
    pub access: ProjectAccess<R>,
}

/// For routes under `/runs/{id}`.
impl<R: RoleMarker> FromRequestParts<App> for RunAccess<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if matches!(caller, Caller::Operator) {
            return Err(ApiError::Forbidden);
        }
        let id = path_parameter(parts, app, "id").await?;
        let id = id.parse().map_err(|_| ApiError::NotFound)?;
        let run = app.cache.run(id).await?.ok_or(ApiError::NotFound)?;
        let project = ProjectRef::Id(run.project_id);
        let access = check_project_permission(app, &caller, &project).await?;
        Ok(Self { run, access })
    }
}

impl<R: RoleMarker> Takes for RunAccess<R> {
    fn describe(operation: &mut Operation<'_>) {
        ProjectAccess::<R>::describe(operation);
    }
}
