//! How much a caller may ask: one policy, kept in Redis for all processes together, and in this
//! process alone while Redis is away.
//!
//! Each limit is a bucket that holds a minute's requests and fills evenly ([`bucket`], the generic
//! cell rate algorithm). A request first takes from the bucket of this process, which is never
//! fuller than the common one would be by this process's own requests: what it refuses, the common
//! one would refuse as well, so a flood does not reach Redis. Then one script takes from the common
//! buckets, all or none, by Redis' own clock ([`shared`]). While Redis is away the answer of this
//! process stands, and it has counted all along.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::config::RateLimitConfig;
use crate::error::ApiError;
use crate::openapi::{Operation, Takes};
use crate::redis::Link;
use crate::telemetry::Metrics;
use address::TrustedProxies;
use bucket::{Quota, Standing};
use local::Buckets;
use tally::Tally;

pub mod address;
pub mod bucket;
mod local;
mod shared;
mod tally;

pub use tally::{guard, is_limited};

/// What a limit counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A client's address.
    Address,
    /// A person or an API token.
    User,
    /// Logins from an address.
    LoginAddress,
    /// Logins for an account.
    LoginAccount,
}

impl Scope {
    pub(crate) const ALL: [Self; 4] = [
        Self::Address,
        Self::User,
        Self::LoginAddress,
        Self::LoginAccount,
    ];

    /// Its name in headers, metrics and keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::User => "user",
            Self::LoginAddress => "login_address",
            Self::LoginAccount => "login_account",
        }
    }
}

/// Whose bucket: 128 bits that tell nothing of an account's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject(u128);

impl Subject {
    /// A user or a token.
    #[must_use]
    pub fn id(id: Uuid) -> Self {
        Self(id.as_u128())
    }

    /// An address. Of IPv6 the network of 64 bits counts, because whoever has one has all of it.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() >> 64 << 64),
        }
    }

    /// An account, which need not exist.
    #[must_use]
    pub fn account(email: &str) -> Self {
        let hash = Sha256::digest(crate::db::users::normal_email(email));
        let first = hash.iter().take(16);
        Self(first.fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    }
}

/// One of the buckets that a request takes from.
#[derive(Clone, Copy, Debug)]
struct Ask {
    scope: Scope,
    subject: Subject,
    quota: Quota,
}

/// What came of asking.
#[derive(Clone, Debug)]
struct Decision {
    allowed: bool,
    standings: Vec<(Scope, Standing)>,
}

/// All limits of this process.
#[derive(Debug)]
pub struct RateLimits {
    user: Quota,
    address: Quota,
    login: Quota,
    local: Buckets,
    redis: Arc<Link>,
    proxies: TrustedProxies,
}

impl RateLimits {
    /// Limits that are kept in Redis while it is there.
    #[must_use]
    pub fn new(config: &RateLimitConfig, redis: Arc<Link>) -> Self {
        Self {
            user: Quota::per_minute(config.user),
            address: Quota::per_minute(config.address),
            login: Quota::per_minute(config.login),
            local: Buckets::default(),
            redis,
            proxies: TrustedProxies::new(config),
        }
    }

    async fn of_address(&self, address: IpAddr) -> Decision {
        self.take(&[Ask {
            scope: Scope::Address,
            subject: Subject::address(address),
            quota: self.address,
        }])
        .await
    }

    /// Takes from all buckets or from none.
    async fn take(&self, asks: &[Ask]) -> Decision {
        let local = self.local.take(asks);
        let Some(session) = self.redis.session().filter(|_| local.allowed) else {
            return local;
        };
        match shared::take(&session, asks).await {
            Ok(shared) => {
                if !shared.allowed {
                    self.local.give_back(asks);
                }
                shared
            }
            // The session is over, and its end is in the log.
            Err(_) => local,
        }
    }
}

/// The address that a request comes from, as trusted hops tell it.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// The right to try a password; a route that does so takes one.
#[derive(Debug)]
pub struct LoginLimit {
    address: IpAddr,
    tally: Tally,
}

impl FromRequestParts<App> for LoginLimit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let address = parts.extensions.get::<ClientAddress>();
        let tally = parts.extensions.get::<Tally>();
        match (address, tally) {
            (Some(ClientAddress(address)), Some(tally)) => Ok(Self {
                address: *address,
                tally: tally.clone(),
            }),
            _ => Err(ApiError::Internal("a route is outside the limits".into())),
        }
    }
}

impl Takes for LoginLimit {
    fn describe(_: &mut Operation<'_>) {
        // Every counted operation may be refused; this one only sooner.
    }
}

impl LoginLimit {
    /// Counts an attempt at an account, whether the account exists or not.
    ///
    /// # Errors
    /// `TooManyRequests`.
    pub async fn attempt(&self, app: &App, email: &str) -> Result<(), ApiError> {
        let ask = |scope, subject| Ask {
            scope,
            subject,
            quota: app.limits.login,
        };
        let asks = [
            ask(Scope::LoginAddress, Subject::address(self.address)),
            ask(Scope::LoginAccount, Subject::account(email)),
        ];
        self.tally.enter(&app.metrics, app.limits.take(&asks).await)
    }
}

/// Counts a request of a caller, once however often it is looked at. The operator is not limited:
/// it serves many and paces itself.
///
/// # Errors
/// `TooManyRequests`.
pub async fn count_caller(app: &App, parts: &Parts, caller: &Caller) -> Result<(), ApiError> {
    let id = match caller {
        Caller::Person(person) => person.id,
        Caller::Machine(machine) => machine.token,
        Caller::Namespace(_) | Caller::Operator => return Ok(()),
    };
    let Some(tally) = parts.extensions.get::<Tally>() else {
        return Err(ApiError::Internal("a route is outside the limits".into()));
    };
    if !tally.first_look() {
        return Ok(());
    }
    let ask = Ask {
        scope: Scope::User,
        subject: Subject::id(id),
        quota: app.limits.user,
    };
    tally.enter(&app.metrics, app.limits.take(&[ask]).await)
}

fn note(metrics: &Metrics, decision: &Decision) {
    for (scope, standing) in &decision.standings {
        // Of several buckets one may refuse; the others let the request through.
        metrics.rate_limit_decision(*scope, standing.allowed());
    }
}
