//! The whole surface on one page; its contract is `docs/api.md`.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::error::ApiError;
use crate::routes::{
    auth, health, members, outputs, pairs, platform, projects, runs, uploads, users,
};
use crate::telemetry;

/// How long a request may take. Uploads have limits of their own.
const DEADLINE: Duration = Duration::from_secs(30);

/// The API.
pub fn api(app: App) -> Router {
    let bounded = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/api/v2/auth/login", post(auth::login))
        .route("/api/v2/users/me", get(users::me))
        .route(
            "/api/v2/projects",
            get(projects::list).post(projects::create),
        )
        .route("/api/v2/projects/{project}", get(projects::show))
        .route(
            "/api/v2/projects/{project}/members",
            get(members::list).put(members::put),
        )
        .route(
            "/api/v2/projects/{project}/members/{kind}/{name}",
            delete(members::remove),
        )
        .route("/api/v2/projects/{project}/uploads", get(uploads::list))
        .route(
            "/api/v2/projects/{project}/uploads/{id}",
            get(uploads::show),
        )
        .route("/api/v2/projects/{project}/runs", get(runs::list))
        .route("/api/v2/runs", post(runs::create))
        .route("/api/v2/runs/{id}", get(runs::show))
        .route("/api/v2/runs/{id}/cancel", post(runs::cancel))
        .route("/api/v2/runs/{id}/pairs", get(pairs::list))
        .route("/api/v2/runs/{id}/outputs", get(outputs::list))
        .route("/api/v2/runs/{id}/outputs/{name}", get(outputs::download))
        .route("/api/v2/platform/projects", put(platform::declare_projects))
        .layer(from_fn(deadline));
    let streamed = Router::new().route("/api/v2/projects/{project}/uploads", post(uploads::create));
    bounded
        .merge(streamed)
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::Internal("a handler panicked".into()).into_response()
        }))
        .layer(from_fn_with_state(app.clone(), telemetry::observe))
        .with_state(app)
}

/// The metrics, on a port of their own.
pub fn metrics(app: App) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(async |State(app): State<App>| {
                let text = app.metrics.render(&app).await?;
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Ok::<_, ApiError>(([(axum::http::header::CONTENT_TYPE, kind)], text))
            }),
        )
        .layer(from_fn(deadline))
        .with_state(app)
}

async fn deadline(request: Request, next: Next) -> Response {
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Timeout.into_response(),
    }
}
