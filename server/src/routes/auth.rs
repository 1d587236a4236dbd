//! `/auth`

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, NoContent, Response};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::input::ApiJson;
use crate::app::App;
use crate::auth::opaque;
use crate::auth::password;
use crate::auth::token::Bearer;
use crate::cache::{Key, Stale};
use crate::db;
use crate::db::audit::{Action, Actor, Entry, Mutation, Origin, Subject};
use crate::db::sessions::{End, Exchange, Issued};
use crate::error::ApiError;
use crate::limits::LoginLimit;
use crate::openapi::{Gives, Operation, header as headers};
use crate::telemetry::{RequestId, SecurityEvent};

/// `POST /auth/login`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Login")]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The e-mail address; upper and lower case are alike.
    email: String,
    /// The password.
    #[schemars(with = "String", extend("format" = "password"))]
    password: SecretString,
}

/// `POST /auth/refresh` and `POST /auth/logout`
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RefreshToken")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RefreshRequest {
    /// The refresh token of a session, `rpr_…`.
    #[schemars(with = "String", extend("format" = "password"))]
    refresh_token: SecretString,
}

impl RefreshRequest {
    /// What is stored of the token, where it can be one.
    fn digest(&self) -> Option<[u8; 32]> {
        opaque::digest(opaque::REFRESH, self.refresh_token.expose_secret())
    }
}

/// An access token, and what the next one is got with.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Session")]
#[serde(rename_all = "camelCase")]
struct LoginResponse {
    /// What requests carry as `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds that the access token lives.
    expires_in: u64,
    /// What the next pair of tokens is got with, once.
    refresh_token: String,
    /// Seconds that the refresh token lives.
    refresh_expires_in: i64,
}

/// The answer to a login or a refresh: nobody keeps it on its way.
pub struct LoggedIn(LoginResponse);

impl IntoResponse for LoggedIn {
    fn into_response(self) -> Response {
        ([(header::CACHE_CONTROL, "no-store")], Json(self.0)).into_response()
    }
}

impl Gives for LoggedIn {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .answers::<LoginResponse>(200)
            .gives_header(200, headers::CACHE_CONTROL);
    }
}

fn logged_in(app: &App, bearer: Bearer, issued: &Issued) -> Result<LoggedIn, ApiError> {
    Ok(LoggedIn(LoginResponse {
        access_token: app.tokens.issue(bearer)?,
        token_type: "Bearer",
        expires_in: app.tokens.life().as_secs(),
        refresh_token: issued.token.expose_secret().to_owned(),
        refresh_expires_in: issued.expires_in,
    }))
}

/// Exchanges an e-mail address and a password for an access token. Whatever is wrong, the answer
/// is the same and takes as long.
///
/// # Errors
/// `WrongCredentials`; `TooManyRequests` from the address or for the account, whether it exists or
/// not.
pub async fn login(
    State(app): State<App>,
    request_id: RequestId,
    limit: LoginLimit,
    ApiJson(request): ApiJson<LoginRequest>,
) -> Result<LoggedIn, ApiError> {
    limit.attempt(&app, &request.email).await?;
    let refused = || {
        app.metrics.security_event(SecurityEvent::LoginRefused);
        ApiError::WrongCredentials
    };
    let plausible = request.password.expose_secret().len() <= password::MAX_BYTES
        && request.email.len() <= 254
        && !request.email.contains('\0');
    if !plausible {
        return Err(refused());
    }
    let user = db::users::find_login(&app.db, &request.email).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let fits = app.passwords.verify(request.password, hash).await?;
    let user = user
        .filter(|user| fits && user.enabled)
        .ok_or_else(refused)?;
    let origin = Origin {
        actor: Actor::User(user.id),
        request: request_id.0,
    };
    let mut change = Mutation::begin(&app.cache, origin).await?;
    let lives = &app.config.sessions;
    let (bearer, issued) = db::sessions::open(&mut change, user.id, &user.password_hash, lives)
        .await?
        .ok_or_else(refused)?;
    let entry = Entry::new(Action::SessionOpen, Subject::Session(bearer.session));
    change.commit(entry, Stale::nothing()).await?;
    logged_in(&app, bearer, &issued)
}

/// Exchanges a refresh token for a new one and a new access token. A token that was used before
/// ends its session: two have it, and which of them is its owner cannot be told.
///
/// # Errors
/// `Unauthenticated`.
pub async fn refresh(
    State(app): State<App>,
    request_id: RequestId,
    ApiJson(request): ApiJson<RefreshRequest>,
) -> Result<LoggedIn, ApiError> {
    let digest = request.digest().ok_or(ApiError::Unauthenticated)?;
    let mut change = Mutation::begin(&app.cache, bearer_of_token(request_id)).await?;
    match db::sessions::exchange(&mut change, &digest, &app.config.sessions).await? {
        Exchange::Done(bearer, issued) => {
            change.act_as(Actor::User(bearer.user));
            let subject = Subject::Session(bearer.session);
            let entry = Entry::new(Action::SessionRefresh, subject);
            change.commit(entry, Stale::nothing()).await?;
            logged_in(&app, bearer, &issued)
        }
        Exchange::Reused(bearer) => {
            let subject = Subject::Session(bearer.session);
            let entry = Entry::new(Action::SessionReuse, subject).with("user", &bearer.user);
            change.commit(entry, stale_by_end(bearer.session)).await?;
            app.metrics
                .security_event(SecurityEvent::RefreshTokenReused);
            Err(ApiError::Unauthenticated)
        }
        Exchange::Refused => Err(ApiError::Unauthenticated),
    }
}

/// Ends the session of a refresh token, used or not. A token that is none is answered alike: there
/// is nothing to be ended, which is what was asked for.
///
/// # Errors
/// Errors of the database.
pub async fn logout(
    State(app): State<App>,
    request_id: RequestId,
    ApiJson(request): ApiJson<RefreshRequest>,
) -> Result<NoContent, ApiError> {
    let Some(digest) = request.digest() else {
        return Ok(NoContent);
    };
    let mut change = Mutation::begin(&app.cache, bearer_of_token(request_id)).await?;
    if let Some(bearer) = db::sessions::end_of_token(&mut change, &digest, End::Logout).await? {
        change.act_as(Actor::User(bearer.user));
        let subject = Subject::Session(bearer.session);
        let entry = Entry::new(Action::SessionClose, subject);
        change.commit(entry, stale_by_end(bearer.session)).await?;
    } else {
        drop(change);
        // Another request may have ended it and still be about to tell other processes.
        if let Some(session) = db::sessions::find_of_token(&app.db, &digest).await? {
            app.cache.settle(&stale_by_end(session)).await;
        }
    }
    Ok(NoContent)
}

/// What the end of a session makes stale.
fn stale_by_end(session: Uuid) -> Stale {
    Stale::keys([Key::Session(session)])
}

/// Whoever has a refresh token, until it is known whose it is.
fn bearer_of_token(request_id: RequestId) -> Origin {
    Origin {
        actor: Actor::Unknown,
        request: request_id.0,
    }
}
