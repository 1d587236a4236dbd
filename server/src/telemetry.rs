//! Logs and metrics. Neither ever holds a secret or a record's content.

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::{Duration, Instant};
use tracing::Instrument as _;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::app::App;
use crate::db;
use crate::error::ApiError;
use crate::limits::Scope;
use labels::{CacheLabels, DecisionLabels};

mod labels;

pub use labels::{CacheLevel, CacheOutcome};

/// JSON lines on standard error, and panics among them.
pub fn init_logs(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // A second initialisation, as in tests, changes nothing.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        // The payload may quote data, so only the place is told.
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panic");
    }));
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HttpLabels {
    // The route's template, never the path of a request.
    route: String,
    method: &'static str,
    status_class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// How a claim of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Published.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Queued for another attempt.
    Retried,
    /// Cancelled, or taken over after its lease ran out.
    Lost,
    /// Queued again because the worker stops.
    HandedBack,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::Lost => "lost",
            Self::HandedBack => "handed_back",
        }
    }
}

/// Something that whoever watches over security wants to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityEvent {
    /// A login with a wrong address or password, or of a disabled user.
    LoginRefused,
    /// A wrong current password at a change of it.
    PasswordRefused,
    /// A refresh token was used twice: one of the two users is not its owner.
    RefreshTokenReused,
}

impl SecurityEvent {
    fn label(self) -> &'static str {
        match self {
            Self::LoginRefused => "login_refused",
            Self::PasswordRefused => "password_refused",
            Self::RefreshTokenReused => "refresh_token_reused",
        }
    }
}

/// The id of a request: of its log lines, its `X-Request-Id` and its entries in the audit log.
#[derive(Clone, Copy, Debug)]
pub struct RequestId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let id = parts.extensions.get::<Self>().copied();
        Ok(id.unwrap_or_else(|| Self(Uuid::now_v7())))
    }
}

fn request_durations() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
    ])
}

/// The metrics of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http: Family<HttpLabels, Histogram>,
    runs: Family<OutcomeLabels, Counter>,
    security: Family<EventLabels, Counter>,
    limits: Family<DecisionLabels, Counter>,
    caches: Family<CacheLabels, Counter>,
    redis: Gauge,
    queue_depth: Gauge,
    pool: Family<StateLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let http = Family::new_with_constructor(request_durations as fn() -> Histogram);
        let runs = Family::default();
        let security = Family::default();
        let limits = Family::default();
        let caches = Family::default();
        let redis = Gauge::default();
        let queue_depth = Gauge::default();
        let pool = Family::default();
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its response's head",
            Unit::Seconds,
            http.clone(),
        );
        registry.register("runs", "Ends of claimed runs", runs.clone());
        registry.register(
            "security_events",
            "Events that whoever watches over security wants to know of",
            security.clone(),
        );
        registry.register(
            "rate_limit_decisions",
            "Requests that a limit let through or refused",
            limits.clone(),
        );
        registry.register(
            "cache_requests",
            "Where answers were looked for, and what came of it",
            caches.clone(),
        );
        registry.register(
            "redis_connected",
            "Whether Redis can be asked",
            redis.clone(),
        );
        registry.register(
            "run_queue_depth",
            "Runs that wait for a worker",
            queue_depth.clone(),
        );
        registry.register(
            "db_pool_connections",
            "Connections of the pool",
            pool.clone(),
        );
        Self {
            registry,
            http,
            runs,
            security,
            limits,
            caches,
            redis,
            queue_depth,
            pool,
        }
    }
}

impl Metrics {
    /// Counts the end of a claim.
    pub fn run_ended(&self, outcome: Outcome) {
        self.runs
            .get_or_create(&OutcomeLabels {
                outcome: outcome.label(),
            })
            .inc();
    }

    /// Counts what a limit decided.
    pub fn rate_limit_decision(&self, scope: Scope, allowed: bool) {
        let labels = DecisionLabels {
            scope: scope.as_str(),
            decision: if allowed { "allowed" } else { "refused" },
        };
        self.limits.get_or_create(&labels).inc();
    }

    /// Counts where an answer was looked for; the kind is one of [`crate::cache::Key`].
    pub fn cache_request(&self, cache: &'static str, level: CacheLevel, outcome: CacheOutcome) {
        let labels = CacheLabels {
            cache,
            level: level.label(),
            outcome: outcome.label(),
        };
        self.caches.get_or_create(&labels).inc();
    }

    /// Counts and logs a security event.
    pub fn security_event(&self, event: SecurityEvent) {
        let event = event.label();
        tracing::warn!(event, "security event");
        self.security.get_or_create(&EventLabels { event }).inc();
    }

    /// The metrics in the text format.
    ///
    /// # Errors
    /// When they cannot be written, which is a defect.
    pub async fn render(&self, app: &App) -> Result<String, ApiError> {
        let depth =
            tokio::time::timeout(Duration::from_secs(2), db::runs::queue_depth(&app.db)).await;
        // While the database is away the last depth stays.
        if let Ok(Ok(depth)) = depth {
            self.queue_depth.set(depth);
        }
        self.redis.set(i64::from(app.redis.session().is_some()));
        let idle = i64::try_from(app.db.num_idle()).unwrap_or(i64::MAX);
        let used = (i64::from(app.db.size()) - idle).max(0);
        self.pool
            .get_or_create(&StateLabels { state: "idle" })
            .set(idle);
        self.pool
            .get_or_create(&StateLabels { state: "used" })
            .set(used);
        let mut out = String::new();
        text::encode(&mut out, &self.registry)
            .map_err(|error| ApiError::Internal(format!("metrics: {error}")))?;
        Ok(out)
    }
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn class_label(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// Gives a request its id, times it and logs one line about it.
pub async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = Uuid::now_v7();
    request.extensions_mut().insert(RequestId(id));
    let id = id.to_string();
    let method = method_label(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", id, method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status(), start.elapsed());
    span.in_scope(|| {
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = status.as_u16(), milliseconds, "answered");
    });
    app.metrics
        .http
        .get_or_create(&HttpLabels {
            route,
            method,
            status_class: class_label(status),
        })
        .observe(elapsed.as_secs_f64());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}
