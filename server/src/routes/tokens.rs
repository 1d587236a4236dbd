//! `/projects/{project}/tokens`: what machines call with.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::NoContent;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

use super::answer::Created;
use super::idempotency::{Answer, Begun, Create};
use super::input::ApiQuery;
use super::page::{Page, PageQuery, page, position};
use crate::app::App;
use crate::auth::{Owner, Person, ProjectAccess, opaque};
use crate::cache::Stale;
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::members::Role;
use crate::db::runs::After;
use crate::db::tokens::{ApiToken, NewToken};
use crate::error::ApiError;
use crate::telemetry::RequestId;

const DEFAULT_DAYS: i32 = 90;
const MAX_DAYS: i32 = 366;

/// `POST /projects/{project}/tokens`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewToken")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateRequest {
    /// What people call it.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// What it may do: at most what its maker may.
    role: Role,
    /// Days until it expires; 90 when absent.
    #[schemars(range(min = 1, max = MAX_DAYS))]
    expires_in_days: Option<i32>,
}

/// A token as it is listed: without its secret, which is nowhere.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
#[serde(rename_all = "camelCase")]
pub struct TokenResponse {
    /// The token's id.
    id: Uuid,
    /// What people call it.
    name: String,
    /// What it may do, and never more than its maker may at that moment.
    role: Role,
    /// The user who made it.
    created_by: Uuid,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it expires.
    expires_at: DateTime<Utc>,
    /// When it was used last, exact to the minute.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<ApiToken> for TokenResponse {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            name: token.name,
            role: token.role,
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// A token as it is made: the one time that its secret is shown.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TokenWithSecret")]
pub struct CreatedResponse {
    #[serde(flatten)]
    token: TokenResponse,
    /// What requests carry as `Authorization: Bearer …`.
    #[serde(rename = "token")]
    secret: String,
}

/// Tokens are made and deleted by people: a machine could otherwise outlive its own token.
fn person(access: &ProjectAccess<Owner>) -> Result<Person, ApiError> {
    access.caller().clone().person()
}

/// Makes a token. Its role is at most the maker's, now and whenever it is used.
///
/// # Errors
/// `Forbidden` for machines and namespaces and for a higher role, `BadRequest`, `Conflict` where
/// the name is taken.
pub async fn create(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    request_id: RequestId,
    Create { body, idempotency }: Create<CreateRequest>,
) -> Result<Created<CreatedResponse>, ApiError> {
    let person = person(&access)?;
    if body.role > access.role() {
        return Err(ApiError::Forbidden);
    }
    let name = body.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(ApiError::bad_request("name must have 1 to 100 characters"));
    }
    let days = body.expires_in_days.unwrap_or(DEFAULT_DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::bad_request("expiresInDays must be from 1 to 366"));
    }
    let mut creation = match idempotency
        .begin(&app.cache, access.origin(request_id), Stale::nothing())
        .await?
    {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(response),
    };
    let secret = opaque::generate(opaque::MACHINE);
    let new = NewToken {
        project: access.id(),
        name,
        digest: &opaque::digest_of(&secret),
        role: body.role,
        created_by: person.id,
        days,
    };
    let token = db::tokens::create(&mut creation, new)
        .await?
        .ok_or_else(|| ApiError::conflict("the project has a token of this name"))?;
    let location = format!("/api/v2/projects/{}/tokens/{}", access.id(), token.id);
    let entry = Entry::new(Action::TokenCreate, Subject::Token(token.id))
        .of_project(access.id())
        .with("role", &token.role.as_str())
        .with("expiresAt", &token.expires_at.to_rfc3339());
    let created = CreatedResponse {
        token: token.into(),
        secret: secret.expose_secret().to_owned(),
    };
    let answer = Answer::new(location, &created)?;
    creation.commit(entry, answer.secret()).await
}

/// The tokens of a project, newest first.
///
/// # Errors
/// `Forbidden` for machines and namespaces, `BadRequest` for a wrong cursor or limit.
pub async fn list(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<TokenResponse>>, ApiError> {
    person(&access)?;
    let (limit, after) = (query.limit()?, query.after()?);
    let rows = db::tokens::list(&app.db, access.id(), after, limit + 1).await?;
    let at = |row: &ApiToken| {
        position(After {
            created_at: row.created_at,
            id: row.id,
        })
    };
    Ok(Json(page(rows, limit, at, TokenResponse::from)))
}

fn id(path: &BTreeMap<String, String>) -> Result<Uuid, ApiError> {
    path.get("id")
        .and_then(|id| id.parse().ok())
        .ok_or(ApiError::NotFound)
}

/// A token.
///
/// # Errors
/// `Forbidden` for machines and namespaces, `NotFound`.
pub async fn show(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Json<TokenResponse>, ApiError> {
    person(&access)?;
    let token = db::tokens::find(&app.db, access.id(), id(&path)?)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(Json(token.into()))
}

/// Deletes a token, which is refused from then on.
///
/// # Errors
/// `Forbidden` for machines and namespaces, `NotFound`.
pub async fn delete(
    State(app): State<App>,
    access: ProjectAccess<Owner>,
    request_id: RequestId,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<NoContent, ApiError> {
    person(&access)?;
    let id = id(&path)?;
    let mut change = Mutation::begin(&app.cache, access.origin(request_id)).await?;
    if !db::tokens::delete(&mut change, access.id(), id).await? {
        return Err(ApiError::NotFound);
    }
    let entry = Entry::new(Action::TokenDelete, Subject::Token(id)).of_project(access.id());
    // Tokens are looked up with every request, and not cached.
    change.commit(entry, Stale::nothing()).await?;
    Ok(NoContent)
}
