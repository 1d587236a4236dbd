//! `/projects/{project}/members`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::input::{ApiJson, ApiQuery};
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{Owner, ProjectAccess, Viewer, is_dns_label};
use crate::db;
use crate::db::members::{Change, Kind, Member, Role};
use crate::error::ApiError;

/// `PUT /projects/{project}/members`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutRequest {
    kind: Kind,
    name: String,
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
    let next = (offset + limit).to_string();
    Ok(Json(page(rows, limit, |_| next.clone(), |member| member)))
}

/// Makes somebody a member, or changes the role.
///
/// # Errors
/// `NotFound` for an unknown user, `Conflict` where it would take the last owner.
pub async fn put(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    ApiJson(request): ApiJson<PutRequest>,
) -> Result<Json<Member>, ApiError> {
    let PutRequest { kind, name, role } = request;
    check_name(kind, &name)?;
    let name = match kind {
        Kind::User => db::users::normal_email(&name),
        Kind::Namespace => name,
    };
    match db::members::put(&app.db, access.id(), kind, &name, role).await? {
        Change::Done => {
            let kind = match kind {
                Kind::User => "user",
                Kind::Namespace => "namespace",
            };
            Ok(Json(Member {
                kind: kind.into(),
                name,
                role,
                declared: false,
            }))
        }
        change => Err(refused(change)),
    }
}

/// Removes a member.
///
/// # Errors
/// `NotFound` for somebody who is none, `Conflict` for the last owner or a declared one.
pub async fn remove(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, ApiError> {
    let kind = match path.get("kind").map(String::as_str) {
        Some("user") => Kind::User,
        Some("namespace") => Kind::Namespace,
        _ => return Err(ApiError::NotFound),
    };
    let name = path
        .get("name")
        .filter(|name| !name.contains('\0'))
        .ok_or(ApiError::NotFound)?;
    match db::members::remove(&app.db, access.id(), kind, name).await? {
        Change::Done => Ok(StatusCode::NO_CONTENT),
        change => Err(refused(change)),
    }
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
        Change::Done | Change::Unknown => ApiError::NotFound,
        Change::LastOwner => ApiError::conflict("a project keeps at least one owner"),
        Change::Declared => {
            ApiError::conflict("the member is declared by the platform's resource; remove it there")
        }
    }
}
