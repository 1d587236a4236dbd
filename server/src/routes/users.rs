//! `/users`

use axum::Json;
use axum::extract::State;
use axum::response::NoContent;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::{Created, Tagged};
use super::etag::{IfMatch, etag};
use super::idempotency::{Answer, Begun, Create};
use super::input::{ApiJson, ApiPath, ApiQuery};
use super::page::{Page, PageQuery, page};
use crate::app::App;
use crate::auth::{Caller, Person, password};
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Entry, Mutation, Subject};
use crate::db::sessions::End;
use crate::db::users::{Account, Update, Updated};
use crate::error::ApiError;
use crate::limits::LoginLimit;
use crate::telemetry::{RequestId, SecurityEvent};

/// The caller as a person.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Me")]
#[serde(rename_all = "camelCase")]
pub struct MeResponse {
    /// The user's id.
    id: Uuid,
    /// The e-mail address, in lower case.
    email: String,
    /// Whether the user may do everything in every project.
    platform_admin: bool,
}

/// A user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
#[serde(rename_all = "camelCase")]
pub struct UserResponse {
    /// The user's id.
    id: Uuid,
    /// The e-mail address, in lower case.
    email: String,
    /// Whether the user may do everything in every project.
    platform_admin: bool,
    /// Whether the user may do nothing any more.
    disabled: bool,
    /// When the user was made.
    created_at: DateTime<Utc>,
}

impl From<Account> for UserResponse {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            email: account.email,
            platform_admin: account.platform_admin,
            disabled: account.disabled_at.is_some(),
            created_at: account.created_at,
        }
    }
}

fn answer(account: Account) -> Tagged<UserResponse> {
    Tagged {
        version: account.version,
        body: account.into(),
    }
}

/// `POST /users`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewUser")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CreateRequest {
    /// The e-mail address to log in with.
    #[schemars(length(max = 254), regex(pattern = r"^[^@\s]+@\S+$"))]
    email: String,
    /// The password: at most 1024 bytes.
    #[schemars(
        with = "String",
        length(min = password::MIN_CHARACTERS, max = password::MAX_BYTES),
        extend("format" = "password")
    )]
    password: SecretString,
    /// Whether the user may do everything in every project.
    #[serde(default)]
    platform_admin: bool,
}

/// `PATCH /users/{id}`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "UserUpdate")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UpdateRequest {
    /// Whether the user may do nothing any more; as it is when absent.
    disabled: Option<bool>,
    /// Whether the user may do everything in every project; as it is when absent.
    platform_admin: Option<bool>,
}

/// `PUT /users/me/password`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewPassword")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PasswordRequest {
    /// The password as it is.
    #[schemars(with = "String", extend("format" = "password"))]
    current_password: SecretString,
    /// The password to be: at most 1024 bytes.
    #[schemars(
        with = "String",
        length(min = password::MIN_CHARACTERS, max = password::MAX_BYTES),
        extend("format" = "password")
    )]
    new_password: SecretString,
}

/// Who the caller is.
///
/// # Errors
/// `Forbidden` for everybody but people.
pub async fn me(caller: Caller) -> Result<Json<MeResponse>, ApiError> {
    let person = caller.person()?;
    Ok(Json(MeResponse {
        id: person.id,
        email: person.email,
        platform_admin: person.platform_admin,
    }))
}

/// The users, by e-mail address.
///
/// # Errors
/// `Forbidden` for everybody but platform admins.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    ApiQuery(query): ApiQuery<PageQuery>,
) -> Result<Json<Page<UserResponse>>, ApiError> {
    caller.person()?.admin()?;
    let (limit, after) = (query.limit()?, query.position()?.unwrap_or_default());
    let rows = db::users::list(&app.db, &after, limit + 1).await?;
    let at = |row: &Account| row.email.clone();
    Ok(Json(page(rows, limit, at, UserResponse::from)))
}

/// Makes a user who can log in.
///
/// # Errors
/// `Forbidden` for everybody but platform admins, `BadRequest` for what can be no address or no
/// password, `Conflict` where the address is taken.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    request_id: RequestId,
    Create { body, idempotency }: Create<CreateRequest>,
) -> Result<Created<UserResponse>, ApiError> {
    let origin = caller.origin(request_id);
    caller.person()?.admin()?;
    let email = db::users::normal_email(&body.email);
    if !db::users::is_email(&email) {
        return Err(ApiError::bad_request("email must be an e-mail address"));
    }
    password::check_new(&body.password).map_err(ApiError::bad_request)?;
    let hash = app.passwords.hash(body.password).await?;
    let begun = idempotency.begin(&app.cache, origin, Stale::nothing());
    let mut creation = match begun.await? {
        Begun::New(creation) => creation,
        Begun::Before(response) => return Ok(response),
    };
    let account = db::users::create(&mut creation, &email, &hash, body.platform_admin)
        .await?
        .ok_or_else(|| ApiError::conflict("there is a user with this e-mail address"))?;
    let entry = Entry::new(Action::UserCreate, Subject::User(account.id))
        .with("platformAdmin", &body.platform_admin);
    let (location, tag) = (location(account.id), etag(account.version));
    let answer = Answer::new(location, &UserResponse::from(account))?;
    creation.commit(entry, answer.with_etag(tag)).await
}

fn location(id: Uuid) -> String {
    format!("/api/v2/users/{id}")
}

/// Lets platform admins at a user. For everybody else no user exists but the one that they are,
/// which is at `/users/me`.
fn subject(caller: Caller, id: &str) -> Result<(Person, Uuid), ApiError> {
    let person = caller.person()?;
    if !person.platform_admin {
        return Err(ApiError::NotFound);
    }
    let id = id.parse().map_err(|_| ApiError::NotFound)?;
    Ok((person, id))
}

/// A user.
///
/// # Errors
/// `NotFound`, also for everybody but platform admins.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath,
) -> Result<Tagged<UserResponse>, ApiError> {
    let (_, id) = subject(caller, &id)?;
    let account = db::users::find(&app.db, id)
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(answer(account))
}

/// Disables or enables a user, or makes one a platform admin or none. Disabling ends the user's
/// sessions and what machines do with tokens that the user made.
///
/// # Errors
/// `NotFound`, also for everybody but platform admins; `PreconditionRequired`,
/// `PreconditionFailed`; `Conflict` where no enabled platform admin would be left.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    request_id: RequestId,
    ApiPath(id): ApiPath,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateRequest>,
) -> Result<Tagged<UserResponse>, ApiError> {
    let origin = caller.origin(request_id);
    let (_, id) = subject(caller, &id)?;
    let expected = if_match.required()?;
    let update = Update {
        disabled: request.disabled,
        platform_admin: request.platform_admin,
    };
    let mut entry = Entry::new(Action::UserUpdate, Subject::User(id));
    if let Some(disabled) = update.disabled {
        entry = entry.with("disabled", &disabled);
    }
    if let Some(admin) = update.platform_admin {
        entry = entry.with("platformAdmin", &admin);
    }
    if update.disabled.or(update.platform_admin).is_none() {
        return Err(ApiError::bad_request(
            "give disabled, platformAdmin or both",
        ));
    }
    let mut change = Mutation::begin(&app.cache, origin).await?;
    let account = match db::users::update(&mut change, id, update, &expected).await? {
        Updated::Done(account) => account,
        Updated::Unknown => return Err(ApiError::NotFound),
        Updated::Stale => return Err(ApiError::PreconditionFailed),
        Updated::LastAdmin => {
            return Err(ApiError::conflict(
                "the platform keeps at least one enabled platform admin",
            ));
        }
    };
    let mut ended = Vec::new();
    if update.disabled == Some(true) {
        ended = db::sessions::end_of_user(&mut change, id, End::Disabled, None).await?;
    }
    let sessions = ended.into_iter().map(Key::Session);
    let stale = Stale::keys(sessions.chain([Key::User(id)]));
    change.commit(entry, stale).await?;
    Ok(answer(account))
}

/// Gives the caller a new password and ends the caller's other sessions.
///
/// # Errors
/// `Forbidden` for everybody but people, `WrongCredentials` for a wrong current password,
/// `BadRequest` for what can be no password, `TooManyRequests` as for logins.
pub async fn set_password(
    State(app): State<App>,
    caller: Caller,
    request_id: RequestId,
    limit: LoginLimit,
    ApiJson(request): ApiJson<PasswordRequest>,
) -> Result<NoContent, ApiError> {
    let origin = caller.origin(request_id);
    let person = caller.person()?;
    limit.attempt(&app, &person.email).await?;
    password::check_new(&request.new_password).map_err(ApiError::bad_request)?;
    let current = db::users::find_password(&app.db, person.id)
        .await?
        .ok_or(ApiError::Unauthenticated)?;
    let short = request.current_password.expose_secret().len() <= password::MAX_BYTES;
    let fits = short
        && app
            .passwords
            .verify(request.current_password, Some(current.clone()))
            .await?;
    if !fits {
        app.metrics.security_event(SecurityEvent::PasswordRefused);
        return Err(ApiError::WrongCredentials);
    }
    let hash = app.passwords.hash(request.new_password).await?;
    let mut change = Mutation::begin(&app.cache, origin).await?;
    if !db::users::set_password(&mut change, person.id, &current, &hash).await? {
        return Err(ApiError::conflict("the password was changed just now"));
    }
    let keep = Some(person.session);
    let ended = db::sessions::end_of_user(&mut change, person.id, End::Password, keep).await?;
    let entry = Entry::new(Action::UserPassword, Subject::User(person.id));
    let entry = entry.with("endedSessions", &ended.len());
    let stale = Stale::keys(ended.into_iter().map(Key::Session));
    change.commit(entry, stale).await?;
    Ok(NoContent)
}
