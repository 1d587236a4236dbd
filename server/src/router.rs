//! The whole surface on one page; its contract is `docs/api.md`, and who may use it
//! `docs/authorisation.md`.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::error::ApiError;
use crate::routes::{
    audit, auth, documentation, events, exceptions, health, jobs, members, outputs, pairs,
    platform, projects, resumable, reviews, runs, tokens, uploads, uploads_v1, users,
};
use crate::{limits, telemetry};
use route::{Route, delete, get, options, patch, post, put};

pub mod route;

/// Uploads by the protocol tus.
const RESUMABLE: &str = "/api/v2/projects/{project}/uploads/resumable";
const RESUMABLE_ONE: &str = "/api/v2/projects/{project}/uploads/resumable/{id}";

/// Every route, once. The router is built from this list and the tests walk it.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        get("/livez", health::live),
        get("/readyz", health::ready),
        get("/api/openapi.json", documentation::document),
        get("/api/docs", documentation::page),
        get("/api/docs/{file}", documentation::file),
        post("/api/v2/auth/login", auth::login),
        post("/api/v2/auth/refresh", auth::refresh),
        post("/api/v2/auth/logout", auth::logout),
        get("/api/v2/users", users::list),
        post("/api/v2/users", users::create),
        get("/api/v2/users/me", users::me),
        put("/api/v2/users/me/password", users::set_password),
        get("/api/v2/users/{id}", users::show),
        patch("/api/v2/users/{id}", users::update),
        get("/api/v2/projects", projects::list),
        post("/api/v2/projects", projects::create),
        get("/api/v2/projects/{project}", projects::show),
        patch("/api/v2/projects/{project}", projects::update),
        get("/api/v2/projects/{project}/members", members::list),
        put("/api/v2/projects/{project}/members", members::put),
        get(
            "/api/v2/projects/{project}/members/{kind}/{name}",
            members::show,
        ),
        delete(
            "/api/v2/projects/{project}/members/{kind}/{name}",
            members::remove,
        ),
        get("/api/v2/projects/{project}/tokens", tokens::list),
        post("/api/v2/projects/{project}/tokens", tokens::create),
        get("/api/v2/projects/{project}/tokens/{id}", tokens::show),
        delete("/api/v2/projects/{project}/tokens/{id}", tokens::delete),
        get("/api/v2/projects/{project}/uploads", uploads::list),
        post("/api/v2/projects/{project}/uploads", uploads::create).streamed(),
        get("/api/v2/projects/{project}/uploads/{id}", uploads::show),
        post("/api/v1/files/upload", uploads_v1::create)
            .streamed()
            .wrapped(from_fn(uploads_v1::deprecated)),
        options(RESUMABLE, resumable::options).wrapped(from_fn(resumable::protocol)),
        post(RESUMABLE, resumable::create).wrapped(from_fn(resumable::protocol)),
        get(RESUMABLE_ONE, resumable::show).wrapped(from_fn(resumable::protocol)),
        patch(RESUMABLE_ONE, resumable::append)
            .streamed()
            .wrapped(from_fn(resumable::protocol)),
        delete(RESUMABLE_ONE, resumable::remove).wrapped(from_fn(resumable::protocol)),
        get("/api/v2/projects/{project}/jobs", jobs::list),
        post("/api/v2/projects/{project}/jobs", jobs::create),
        get("/api/v2/projects/{project}/jobs/{job}", jobs::show),
        put("/api/v2/projects/{project}/jobs/{job}", jobs::replace),
        delete("/api/v2/projects/{project}/jobs/{job}", jobs::remove),
        get(
            "/api/v2/projects/{project}/jobs/{job}/runs",
            jobs::list_runs,
        ),
        post("/api/v2/projects/{project}/jobs/{job}/runs", jobs::run),
        get(
            "/api/v2/projects/{project}/reviews",
            reviews::list_of_project,
        ),
        get("/api/v2/projects/{project}/runs", runs::list),
        get("/api/v2/projects/{project}/audit", audit::list_of_project),
        post("/api/v2/runs", runs::create),
        get("/api/v2/runs/{id}", runs::show),
        post("/api/v2/runs/{id}/cancel", runs::cancel),
        get("/api/v2/runs/{id}/events", events::stream).streamed(),
        get("/api/v2/runs/{id}/pairs", pairs::list),
        get("/api/v2/runs/{id}/differences", pairs::differences),
        get("/api/v2/runs/{id}/exceptions", exceptions::list),
        get("/api/v2/runs/{id}/reviews", reviews::list_of_run),
        get("/api/v2/runs/{id}/reviews/{group}", reviews::show),
        get(
            "/api/v2/runs/{id}/reviews/{group}/history",
            reviews::history,
        ),
        post("/api/v2/runs/{id}/reviews/{group}/accept", reviews::accept),
        post("/api/v2/runs/{id}/reviews/{group}/reject", reviews::reject),
        post("/api/v2/runs/{id}/reviews/{group}/reopen", reviews::reopen),
        post(
            "/api/v2/runs/{id}/reviews/{group}/comments",
            reviews::comment,
        ),
        get("/api/v2/runs/{id}/outputs", outputs::list),
        get("/api/v2/runs/{id}/outputs/{name}", outputs::download),
        get("/api/v2/audit", audit::list),
        put("/api/v2/platform/projects", platform::declare_projects),
    ]
}

/// The API.
pub fn api(app: App) -> Router {
    let (streamed, bounded): (Vec<_>, Vec<_>) =
        routes().into_iter().partition(|route| route.streamed);
    let add = |router: Router<App>, route: Route| router.route(route.path, route.handler);
    bounded
        .into_iter()
        .fold(Router::new(), add)
        .layer(from_fn_with_state(app.clone(), deadline))
        .merge(streamed.into_iter().fold(Router::new(), add))
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::Internal("a handler panicked".into()).into_response()
        }))
        .layer(guarded(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(guarded(header::CACHE_CONTROL, "no-store"))
        .layer(guarded(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(from_fn_with_state(app.clone(), limits::guard))
        .layer(from_fn_with_state(app.clone(), telemetry::observe))
        .with_state(app)
}

/// A header of every answer that does not have one of its own: nothing here is a page, and what one
/// caller may see is for no cache.
fn guarded(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// The metrics, on a port of their own.
pub fn metrics(app: App) -> Router {
    Router::new()
        .route(
            "/metrics",
            axum::routing::get(async |State(app): State<App>| {
                let text = app.metrics.render(&app).await?;
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Ok::<_, ApiError>(([(axum::http::header::CONTENT_TYPE, kind)], text))
            }),
        )
        .layer(from_fn_with_state(app.clone(), deadline))
        .with_state(app)
}

async fn deadline(State(app): State<App>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(app.config.connections.request, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Timeout.into_response(),
    }
}
