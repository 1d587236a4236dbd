//! `Idempotency-Key`: a repeated request creates nothing and is answered as the first one was.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{PASSWORD, Server, assert_problem, json_of};

mod support;

async fn post(server: &Server, token: &str, path: &str, key: &str, body: &Value) -> Response {
    server
        .post(path, body)
        .bearer_auth(token)
        .header("Idempotency-Key", key)
        .send()
        .await
        .unwrap()
}

async fn count(server: &Server, table: &'static str) -> i64 {
    let query = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(query)
        .fetch_one(&server.app.db)
        .await
        .unwrap()
}

#[sqlx::test]
async fn a_repeated_request_gets_the_first_answer(db: PgPool) {
    let server = Server::start(db).await;
    let (_, token) = server.user("ann@example.com", false).await;
    let body = json!({"slug": "treasury", "name": "Treasury"});
    let first = post(&server, &token, "/api/v2/projects", "\"k-1\"", &body).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    assert!(!first.headers().contains_key("idempotency-replayed"));
    // The key is the same quoted and bare, and the order of fields is no other request.
    let reordered = r#"{"name": "Treasury", "slug": "treasury"}"#;
    let second = server
        .request("POST", "/api/v2/projects")
        .bearer_auth(&token)
        .header("Idempotency-Key", "k-1")
        .header("Content-Type", "application/json")
        .body(reordered);
    let second = second.send().await.unwrap();
    assert_eq!(second.status(), StatusCode::CREATED);
    assert_eq!(second.headers()["idempotency-replayed"], "true");
    for name in ["location", "etag", "content-type"] {
        assert_eq!(first.headers()[name], second.headers()[name]);
    }
    assert_eq!(first.text().await.unwrap(), second.text().await.unwrap());
    assert_eq!(count(&server, "projects").await, 1);
    assert_eq!(count(&server, "audit_log").await, 1);
}

#[sqlx::test]
async fn a_key_stands_for_one_request_of_one_caller(db: PgPool) {
    let server = Server::start(db).await;
    let (_, ann) = server.user("ann@example.com", false).await;
    let (_, bob) = server.user("bob@example.com", true).await;
    let path = "/api/v2/projects";
    let body = |slug: &str| json!({"slug": slug, "name": "x"});
    let made = post(&server, &bob, path, "k", &body("one")).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let other = post(&server, &bob, path, "k", &body("two")).await;
    assert_problem(other, 422, "idempotency-key-reused").await;
    let user = json!({"email": "carl@example.com", "password": PASSWORD});
    let elsewhere = post(&server, &bob, "/api/v2/users", "k", &user).await;
    assert_problem(elsewhere, 422, "idempotency-key-reused").await;
    // Another caller's key is another key: neither the answer nor its existence shows.
    let anns = post(&server, &ann, path, "k", &body("two")).await;
    assert_eq!(anns.status(), StatusCode::CREATED);
    for wrong in ["", "a b", "\"open", &"x".repeat(256)] {
        let wrong = post(&server, &ann, path, wrong, &body("three")).await;
        assert_problem(wrong, 400, "bad-request").await;
    }
}

#[sqlx::test]
async fn of_requests_at_once_one_creates(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&owner, project).await;
    let body = json!({"project": project, "spec": spec});
    let statuses = futures::future::join_all((0..6).map(|_| async {
        let response = post(&server, &owner, "/api/v2/runs", "k", &body).await;
        response.status().as_u16()
    }))
    .await;
    assert!(statuses.contains(&202), "{statuses:?}");
    assert!(
        statuses.iter().all(|it| matches!(it, 202 | 409)),
        "{statuses:?}"
    );
    assert_eq!(count(&server, "runs").await, 1);
    let after = post(&server, &owner, "/api/v2/runs", "k", &body).await;
    assert_eq!(after.headers()["idempotency-replayed"], "true");
}

#[sqlx::test]
async fn a_key_in_use_is_told_so(db: PgPool) {
    let server = Server::start(db).await;
    let (id, token) = server.user("ann@example.com", false).await;
    let mut other = server.app.db.begin().await.unwrap();
    let key = server::db::idempotency::Key {
        caller: format!("user:{id}"),
        key: "k".into(),
        request_hash: [0; 32],
    };
    server::db::idempotency::reserve(&mut other, &key)
        .await
        .unwrap();
    let body = json!({"slug": "treasury", "name": "x"});
    let waiting = post(&server, &token, "/api/v2/projects", "k", &body).await;
    assert_problem(waiting, 409, "idempotency-key-in-use").await;
    other.rollback().await.unwrap();
    let free = post(&server, &token, "/api/v2/projects", "k", &body).await;
    assert_eq!(free.status(), StatusCode::CREATED);
}

#[sqlx::test]
async fn what_failed_may_be_tried_again_with_the_same_key(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, _) = server.owner_of("treasury").await;
    let path = "/api/v2/projects";
    let body = json!({"slug": "treasury", "name": "x"});
    assert_problem(
        post(&server, &owner, path, "k", &body).await,
        409,
        "conflict",
    )
    .await;
    let body = json!({"slug": "risk", "name": "x"});
    let second = post(&server, &owner, path, "k", &body).await;
    assert_eq!(second.status(), StatusCode::CREATED);
}

#[sqlx::test]
async fn a_key_is_forgotten_after_a_day(db: PgPool) {
    let server = Server::start(db).await;
    let (_, token) = server.user("ann@example.com", false).await;
    let path = "/api/v2/projects";
    let body = |slug: &str| json!({"slug": slug, "name": "x"});
    post(&server, &token, path, "k", &body("one")).await;
    let age = "UPDATE idempotency_keys SET created_at = created_at - interval '24 hours'";
    sqlx::query(age).execute(&server.app.db).await.unwrap();
    let made = post(&server, &token, path, "k", &body("two")).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    sqlx::query(age).execute(&server.app.db).await.unwrap();
    let forgotten = server::db::idempotency::delete_expired(&server.app.db).await;
    assert_eq!(forgotten.unwrap(), 1);
}

#[sqlx::test]
async fn an_upload_has_its_content_as_part_of_the_request(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let send = async |body: &'static str| {
        let path = format!("/api/v2/projects/{project}/uploads?name=a.csv");
        let request = server.request("POST", &path).bearer_auth(&owner);
        let request = request.header("Idempotency-Key", "k").body(body);
        request.send().await.unwrap()
    };
    let first = send("id\n1\n").await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let again = send("id\n1\n").await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert_eq!(json_of(first).await, json_of(again).await);
    assert_problem(send("id\n2\n").await, 422, "idempotency-key-reused").await;
}

#[sqlx::test]
async fn an_answer_with_a_secret_is_not_kept(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let path = format!("/api/v2/projects/{project}/tokens");
    let body = json!({"name": "ci", "role": "viewer"});
    let first = post(&server, &owner, &path, "k", &body).await;
    assert_eq!(first.headers()["cache-control"], "no-store");
    let first = json_of(first).await;
    let again = post(&server, &owner, &path, "k", &body).await;
    let problem = assert_problem(again, 409, "conflict").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(first["id"].as_str().unwrap()), "{detail}");
    assert_eq!(count(&server, "api_tokens").await, 1);
    let stored = server.everything_stored().await;
    assert!(!stored.contains(first["token"].as_str().unwrap()));
}

#[sqlx::test]
async fn a_stored_request_helps_nobody_to_guess_a_password(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    let hashes = async |key: &'static str, email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        let response = post(&server, &admin, "/api/v2/users", key, &body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
    };
    hashes("k", "bob@example.com", PASSWORD).await;
    // The password is no part of what is compared, so its hash is nowhere.
    hashes("k", "bob@example.com", "another horse battery staple").await;
    server.login("bob@example.com", PASSWORD).await;
}
