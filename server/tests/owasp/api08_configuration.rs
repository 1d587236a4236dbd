//! API8, security misconfiguration. Weak and missing secrets are in `config.rs`, TLS to the database
//! in `program.rs`.

use crate::support::{Server, assert_problem};
use serde_json::json;
use sqlx::PgPool;

#[sqlx::test]
async fn every_answer_keeps_browsers_and_caches_from_making_more_of_it(db: PgPool) {
    let server = Server::start(db).await;
    let (token, _) = server.owner_of("treasury").await;
    for (path, token) in [
        ("/livez", None),
        ("/api/v2/projects", Some(&token)),
        ("/api/v2/projects", None),
        ("/api/v2/nothing", Some(&token)),
    ] {
        let mut request = server.get(path);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let told = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(told("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(told("cache-control"), "no-store", "{path}");
        let policy = told("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!response.headers().contains_key("server"), "{path}");
        assert!(!response.headers().contains_key("x-powered-by"), "{path}");
    }
}

#[sqlx::test]
async fn no_other_site_may_read_answers(db: PgPool) {
    let server = Server::start(db).await;
    let (token, _) = server.owner_of("treasury").await;
    let request = server.get("/api/v2/projects").bearer_auth(&token);
    let response = request
        .header("Origin", "https://evil.example")
        .send()
        .await
        .unwrap();
    let preflight = server
        .request("OPTIONS", "/api/v2/projects")
        .header("Origin", "https://evil.example")
        .header("Access-Control-Request-Method", "POST");
    for response in [response, preflight.send().await.unwrap()] {
        for name in response.headers().keys() {
            assert!(!name.as_str().starts_with("access-control-"), "{name}");
        }
    }
}

#[sqlx::test]
async fn methods_that_nobody_asked_for_are_not_answered(db: PgPool) {
    let server = Server::start(db).await;
    for method in ["TRACE", "CONNECT", "PROPFIND", "TRACK"] {
        let response = server.request(method, "/api/v2/projects").send().await;
        assert!(
            response.is_err() || response.is_ok_and(|it| it.status().is_client_error()),
            "{method}"
        );
    }
}

#[sqlx::test]
async fn what_fails_inside_is_told_to_the_log_alone(db: PgPool) {
    let server = Server::start(db).await;
    let (token, _) = server.owner_of("treasury").await;
    sqlx::query("ALTER TABLE projects RENAME COLUMN name TO other_name")
        .execute(&server.app.db)
        .await
        .unwrap();
    let list = server
        .get("/api/v2/projects")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    let create = server.post("/api/v2/projects", &json!({"slug": "a", "name": "A"}));
    let create = create.bearer_auth(&token).send().await.unwrap();
    for response in [list, create] {
        let told = assert_problem(response, 500, "internal").await.to_string();
        for word in ["column", "projects", "SELECT", "sqlx", "postgres", ".rs"] {
            assert!(!told.contains(word), "{word} in {told}");
        }
    }
}
