//! `/projects/{project}/members`

use axum::Json;
use axum::extract::{Path, State};
use axum::response::NoContent;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

use super::answer::Tagged;
use super::etag::IfMatch;
use super::input::{ApiJson, ApiQuery};
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{Owner, ProjectAccess, Viewer, is_dns_label};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::members::{Change, Kind, Member, Role};
use crate::error::ApiError;
use crate::telemetry::RequestId;

/// `PUT /projects/{project}/members`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewMember")]
#[serde(deny_unknown_fields)]
pub struct PutRequest {
    /// Whether it is a person or a namespace.
    kind: Kind,
    /// The e-mail address of a user, or the namespace.
    name: String,
    /// What it may do.
    role: Role,
}

/// The members of a project.
///
/// # Errors
/// `BadRequest` for a wrong cursor or limit.
pub async fn list(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<Member>>, ApiError> {
    let (limit, offset) = (query.limit()?, query.offset()?);
    let rows = db::members::list(&app.db, access.id(), offset, limit + 1).await?;
    let next = offset.saturating_add(limit).to_string();
    Ok(Json(page(rows, limit, |_| next.clone(), |member| member)))
}

/// A member.
///
/// # Errors
/// `NotFound` for somebody who is none.
pub async fn show(
    State(app): State<App>,
    access: ProjectAccess<Viewer>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Tagged<Member>, ApiError> {
    let (kind, name) = named(&path)?;
    let member = db::members::find(&app.db, access.id(), kind, name)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(answer(member))
}

fn answer(member: Member) -> Tagged<Member> {
    Tagged {
        version: member.version,
        body: member,
    }
}

/// Makes somebody a member, or changes the role. The request states all of the member, so it
/// overwrites nothing that it does not name; with `If-Match` it only changes a member as it was.
///
/// # Errors
/// `NotFound` for an unknown user, `PreconditionFailed`, `Conflict` where it would take the last
/// owner.
pub async fn put(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    request_id: RequestId,
    if_match: IfMatch,
    ApiJson(request): ApiJson<PutRequest>,
) -> Result<Tagged<Member>, ApiError> {
    let PutRequest { kind, name, role } = request;
    check_name(kind, &name)?;
    let name = match kind {
        Kind::User => db::users::normal_email(&name),
        Kind::Namespace => name,
    };
    let (project, expected) = (access.id(), if_match.optional());
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    let put =
        db::members::put(&mut change, project, (kind, &name), role, expected.as_ref()).await?;
    let Change::Done(user, version) = put else {
        return Err(refused(put));
    };
    let entry = Entry::new(Action::MemberPut, subject(user, &name)).of_project(project);
    let stale = stale(project, user, &name);
    change
        .commit(entry.with("role", &role.as_str()), stale)
        .await?;
    let kind = match kind {
        Kind::User => "user",
        Kind::Namespace => "namespace",
    };
    Ok(answer(Member {
        kind: kind.into(),
        name,
        role,
        declared: false,
        version,
    }))
}

/// Removes a member.
///
/// # Errors
/// `NotFound` for somebody who is none, `PreconditionFailed`, `Conflict` for the last owner or a
/// declared one.
pub async fn remove(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    request_id: RequestId,
    if_match: IfMatch,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<NoContent, ApiError> {
    let (kind, name) = named(&path)?;
    let (project, expected) = (access.id(), if_match.optional());
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    let removed =
        db::members::remove(&mut change, project, (kind, name), expected.as_ref()).await?;
    let Change::Done(user, _) = removed else {
        return Err(refused(removed));
    };
    let entry = Entry::new(Action::MemberRemove, subject(user, name)).of_project(project);
    change.commit(entry, stale(project, user, name)).await?;
    Ok(NoContent)
}

/// Who a path names.
fn named(path: &BTreeMap<String, String>) -> Result<(Kind, &str), ApiError> {
    let kind = match path.get("kind").map(String::as_str) {
        Some("user") => Kind::User,
        Some("namespace") => Kind::Namespace,
        _ => return Err(ApiError::NotFound),
    };
    let name = path.get("name").filter(|name| !name.contains('\0'));
    Ok((kind, name.ok_or(ApiError::NotFound)?))
}

/// What a change to a member makes stale.
fn stale(project: Uuid, user: Option<Uuid>, namespace: &str) -> Stale {
    let role = match user {
        Some(user) => Key::UserRole(project, user),
        None => Key::NamespaceRole(project, namespace.to_owned()),
    };
    Stale::keys([role, Key::Counts(project)])
}

fn subject(user: Option<Uuid>, namespace: &str) -> Subject {
    user.map_or_else(|| Subject::Namespace(namespace.to_owned()), Subject::User)
}

fn check_name(kind: Kind, name: &str) -> Result<(), ApiError> {
    match kind {
        Kind::Namespace if !is_dns_label(name) => {
            Err(ApiError::bad_request("name must be a namespace's name"))
        }
        Kind::User if name.contains('\0') => {
            Err(ApiError::bad_request("name must be an e-mail address"))
        }
        Kind::Namespace | Kind::User => Ok(()),
    }
}

fn refused(change: Change) -> ApiError {
    match change {
        Change::Done(..) | Change::Unknown => ApiError::NotFound,
        Change::Stale => ApiError::PreconditionFailed,
        Change::LastOwner => ApiError::conflict("a project keeps at least one owner"),
        Change::Declared => {
            ApiError::conflict("the member is declared by the platform's resource; remove it there")
        }
    }
}
