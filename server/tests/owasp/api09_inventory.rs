//! API9, improper inventory management. That every route stands in `docs/authorisation.md` is tested
//! in `authorisation.rs`; here are versions, and what should not be there at all.

use crate::support::{Server, assert_problem};
use reqwest::StatusCode;
use sqlx::PgPool;

#[test]
fn every_route_is_under_a_version_or_a_probe() {
    for route in server::router::routes() {
        let versioned = route.path.starts_with("/api/v1/") || route.path.starts_with("/api/v2/");
        let common = ["/livez", "/readyz", "/api/openapi.json", "/api/docs"];
        assert!(
            versioned || common.iter().any(|path| route.path.starts_with(path)),
            "{}",
            route.path
        );
    }
}

#[test]
fn of_the_first_version_only_the_upload_is_left() {
    let old: Vec<_> = server::router::routes()
        .into_iter()
        .filter(|route| route.path.starts_with("/api/v1/"))
        .map(|route| (route.method, route.path))
        .collect();
    assert_eq!(old, [("POST", "/api/v1/files/upload")]);
}

#[sqlx::test]
async fn the_old_version_says_when_it_ends_also_to_those_it_refuses(db: PgPool) {
    let server = Server::start(db).await;
    let response = server
        .request("POST", "/api/v1/files/upload")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    for name in ["deprecation", "sunset", "link"] {
        assert!(response.headers().contains_key(name), "{name}");
    }
}

#[sqlx::test]
async fn nothing_for_developers_or_of_the_inside_is_served(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("root@example.com", true).await;
    for path in [
        "/metrics",
        "/debug/pprof/",
        "/debug/vars",
        "/actuator",
        "/actuator/env",
        "/env",
        "/config",
        "/.env",
        "/.git/config",
        "/swagger.json",
        "/graphql",
        "/api",
        "/api/v2",
        "/api/v3/projects",
        "/api/v2/debug",
        "/api/v2/internal",
        "/server-status",
        "/console",
        "/",
    ] {
        let response = server.get(path).bearer_auth(&admin).send().await.unwrap();
        assert_problem(response, 404, "not-found").await;
    }
}
