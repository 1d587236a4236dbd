//! What a request was counted by, and how its answer tells it.

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::bucket::{Standing, WINDOW_SECONDS};
use super::{ClientAddress, Decision, Scope, note};
use crate::app::App;
use crate::error::ApiError;
use crate::telemetry::Metrics;

/// Whoever looks after the process must be answered whatever else is going on.
const UNLIMITED: [&str; 2] = ["/livez", "/readyz"];

/// Whether requests of a route are counted.
#[must_use]
pub fn is_limited(path: &str) -> bool {
    !UNLIMITED.contains(&path)
}

/// The limits that a request met so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    standings: Mutex<Vec<(Scope, Standing)>>,
    caller_counted: AtomicBool,
}

impl Tally {
    /// True for the first time that the caller is counted.
    pub(super) fn first_look(&self) -> bool {
        !self.0.caller_counted.swap(true, Ordering::Relaxed)
    }

    /// Enters a decision, which refuses the request or not.
    pub(super) fn enter(&self, metrics: &Metrics, decision: Decision) -> Result<(), ApiError> {
        note(metrics, &decision);
        let wait = decision.standings.iter().map(|(_, it)| it.until_allowed());
        let wait = wait.max().unwrap_or_default();
        let mut standings = self
            .0
            .standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        standings.extend(decision.standings);
        if decision.allowed {
            Ok(())
        } else {
            Err(ApiError::TooManyRequests(wait))
        }
    }

    /// `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-10 has them.
    fn write(&self, headers: &mut HeaderMap) {
        let standings = self
            .0
            .standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (mut policy, mut state) = (Vec::new(), Vec::new());
        for (scope, standing) in standings.iter() {
            let name = scope.as_str();
            let (quota, left) = (standing.quota().requests(), standing.remaining());
            let full = standing.until_full().as_micros().div_ceil(1_000_000);
            policy.push(format!("\"{name}\";q={quota};w={WINDOW_SECONDS}"));
            state.push(format!("\"{name}\";r={left};t={full}"));
        }
        for (name, items) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::from_str(&items.join(", "))
                && !items.is_empty()
            {
                headers.insert(name, value);
            }
        }
    }
}

/// Counts a request by its address before anything else is done for it, and tells in its answer
/// what it was counted by.
pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    if path.is_some_and(|path| !is_limited(path.as_str())) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(it)| it.ip());
    let address = app.limits.proxies.client(peer, request.headers());
    let tally = Tally::default();
    request.extensions_mut().insert(ClientAddress(address));
    request.extensions_mut().insert(tally.clone());
    let decision = app.limits.of_address(address).await;
    let mut response = match tally.enter(&app.metrics, decision) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    tally.write(response.headers_mut());
    response
}
