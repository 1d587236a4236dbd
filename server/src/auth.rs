//! Who calls: [`Caller`] is a handler's argument, so a route without it is visibly public.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use uuid::Uuid;

use crate::app::App;
use crate::db;
use crate::db::audit::{Actor, Origin};
use crate::db::tokens::Machine;
use crate::error::ApiError;
use crate::limits::count_caller;
use crate::openapi::{Operation, Takes};
use crate::telemetry::RequestId;

pub mod opaque;
pub mod operator;
pub mod password;
pub mod project;
pub mod token;

/// What [`is_dns_label`] lets through, but for its length.
pub const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

pub use project::{Editor, Owner, ProjectAccess, RunAccess, Viewer, check_project_permission};

/// Names the namespace on whose behalf the operator acts.
pub const ON_BEHALF_OF: &str = "on-behalf-of-namespace";

/// The identity behind a request.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A person with an access token.
    Person(Person),
    /// A machine with a token for one project.
    Machine(Machine),
    /// The operator on behalf of a namespace.
    Namespace(String),
    /// The operator as itself.
    Operator,
}

/// A person who is not disabled.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user's id.
    pub id: Uuid,
    /// The e-mail address, in lower case.
    pub email: String,
    /// May do everything in every project.
    pub platform_admin: bool,
    /// The session that the access token belongs to.
    pub session: Uuid,
}

impl Person {
    /// Lets platform admins through.
    ///
    /// # Errors
    /// `Forbidden` for everybody else.
    pub fn admin(self) -> Result<Self, ApiError> {
        if self.platform_admin {
            Ok(self)
        } else {
            Err(ApiError::Forbidden)
        }
    }
}

impl Caller {
    /// The caller as the audit log and the keys of idempotent requests name it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Person(person) => Actor::User(person.id),
            Self::Machine(machine) => Actor::Machine(machine.token),
            Self::Namespace(name) => Actor::Namespace(name.clone()),
            Self::Operator => Actor::Operator,
        }
    }

    /// The caller in a request.
    #[must_use]
    pub fn origin(&self, request: RequestId) -> Origin {
        Origin {
            actor: self.actor(),
            request: request.0,
        }
    }

    /// The person, where a route is for people only.
    ///
    /// # Errors
    /// `Forbidden` for everybody else.
    pub fn person(self) -> Result<Person, ApiError> {
        match self {
            Self::Person(person) => Ok(person),
            Self::Machine(_) | Self::Namespace(_) | Self::Operator => Err(ApiError::Forbidden),
        }
    }

    async fn identify(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let token = bearer(headers)?;
        if let Some(own) = Self::with_own_token(app, token).await? {
            // Only the operator may speak for a namespace; anybody else who tries is told so.
            if headers.contains_key(ON_BEHALF_OF) {
                return Err(ApiError::Forbidden);
            }
            return Ok(own);
        }
        let operator = app.operator.as_ref().ok_or(ApiError::Unauthenticated)?;
        operator.verify(token).await?;
        Ok(match namespace(headers)? {
            Some(namespace) => Self::Namespace(namespace),
            None => Self::Operator,
        })
    }

    /// A person or a machine; none where the token is neither's by its form.
    async fn with_own_token(app: &App, token: &str) -> Result<Option<Self>, ApiError> {
        if token.starts_with(opaque::MACHINE) {
            let digest = opaque::digest(opaque::MACHINE, token).ok_or(ApiError::Unauthenticated)?;
            let machine = db::tokens::find_bearer(&app.db, &digest).await?;
            return machine
                .map(|machine| Some(Self::Machine(machine)))
                .ok_or(ApiError::Unauthenticated);
        }
        if !token::is_person_token(token) {
            return Ok(None);
        }
        let bearer = app.tokens.verify(token)?;
        let user = app
            .cache
            .bearer(bearer)
            .await?
            .ok_or(ApiError::Unauthenticated)?;
        Ok(Some(Self::Person(Person {
            id: user.id,
            email: user.email,
            platform_admin: user.platform_admin,
            session: bearer.session,
        })))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Self::identify(app, &parts.headers).await?;
        count_caller(app, parts, &caller).await?;
        Ok(caller)
    }
}

impl Takes for Caller {
    fn describe(operation: &mut Operation<'_>) {
        operation
            .needs_bearer()
            .takes_header(
                "On-Behalf-Of-Namespace",
                "The namespace on whose behalf the operator acts; nobody else may send it",
                DNS_LABEL,
            )
            .fails(&ApiError::Unauthenticated)
            .fails(&ApiError::Forbidden)
            .fails(&not_a_namespace());
    }
}

fn not_a_namespace() -> ApiError {
    ApiError::bad_request("On-Behalf-Of-Namespace must be a namespace's name")
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ApiError::Unauthenticated);
    };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(ApiError::Unauthenticated)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(ApiError::Unauthenticated)
    }
}

fn namespace(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(ON_BEHALF_OF).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(name) if is_dns_label(name) => Ok(Some(name.to_owned())),
            _ => Err(not_a_namespace()),
        },
        (Some(_), Some(_)) => Err(ApiError::bad_request(
            "On-Behalf-Of-Namespace must be given once",
        )),
    }
}

/// Whether a text is a DNS label (RFC 1123), as names of namespaces and slugs of projects are.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
