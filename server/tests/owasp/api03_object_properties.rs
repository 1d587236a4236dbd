//! API3, broken object property level authorisation: properties that are set though nobody may, and
//! properties that are told though nobody should know.

use crate::support::{PASSWORD, Server, assert_problem, json_of};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

#[sqlx::test]
async fn a_body_sets_nothing_that_its_route_does_not_name(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let (_, admin) = server.user("root@example.com", true).await;
    let spec = server.small_spec(&token, project).await;
    let path = |rest: &str| format!("/api/v2/projects/{project}{rest}");
    let user = json!({"email": "x@example.com", "password": PASSWORD});
    let run = json!({"project": project, "spec": spec});
    let job = json!({"name": "nightly", "spec": spec});
    let machine = json!({"name": "ci", "role": "viewer"});
    let member = json!({"kind": "namespace", "name": "risk", "role": "viewer"});
    let requests: [(&str, String, &str, Value, &[&str]); 8] = [
        (
            "POST",
            "/api/v2/users".into(),
            &admin,
            user,
            &["id", "disabled", "passwordHash"],
        ),
        (
            "POST",
            "/api/v2/projects".into(),
            &token,
            json!({"slug": "a", "name": "A"}),
            &["id", "role", "owner"],
        ),
        (
            "PATCH",
            path(""),
            &token,
            json!({"name": "A"}),
            &["slug", "id", "role"],
        ),
        (
            "POST",
            "/api/v2/runs".into(),
            &token,
            run,
            &["state", "summary", "worker", "attempt", "job"],
        ),
        (
            "POST",
            path("/jobs"),
            &token,
            job,
            &["id", "specHash", "projectId"],
        ),
        (
            "POST",
            path("/tokens"),
            &token,
            machine,
            &["token", "createdBy", "lastUsedAt", "project"],
        ),
        (
            "PUT",
            path("/members"),
            &token,
            member,
            &["declared", "platformAdmin"],
        ),
        (
            "PUT",
            "/api/v2/users/me/password".into(),
            &token,
            json!({"currentPassword": PASSWORD, "newPassword": "another good one"}),
            &["platformAdmin", "id"],
        ),
    ];
    for (method, path, token, body, names) in requests {
        for name in names {
            let mut body = body.clone();
            body[*name] = json!("true");
            let request = server.request(method, &path).bearer_auth(token);
            let response = request.header("If-Match", "*").json(&body).send().await;
            let told = assert_problem(response.unwrap(), 400, "bad-request").await;
            assert!(told["detail"].as_str().unwrap().contains(name), "{told}");
        }
    }
}

#[sqlx::test]
async fn a_person_makes_nobody_an_admin(db: PgPool) {
    let server = Server::start(db).await;
    let (ann, token) = server.user("ann@example.com", false).await;
    for path in [
        "/api/v2/users/me".to_owned(),
        format!("/api/v2/users/{ann}"),
    ] {
        let request = server.request("PATCH", &path).bearer_auth(&token);
        let request = request
            .header("If-Match", "*")
            .json(&json!({"platformAdmin": true}));
        assert!(request.send().await.unwrap().status().is_client_error());
    }
    assert_eq!(
        server.read(&token, "/api/v2/users/me").await["platformAdmin"],
        false
    );
}

#[sqlx::test]
async fn no_answer_holds_a_hash_of_a_secret_or_a_key_of_the_store(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let (_, admin) = server.user("root@example.com", true).await;
    server.user_with_password("ann@example.com").await;
    server.login("ann@example.com", PASSWORD).await;
    let (machine, secret) = server.machine(&token, project, "viewer").await;
    let run = server.exceptional_run(&token, project).await;
    let path = |rest: &str| format!("/api/v2/projects/{project}{rest}");
    let mut answers = String::new();
    for (token, path) in [
        (&admin, "/api/v2/users".to_owned()),
        (&admin, "/api/v2/audit?limit=1000".into()),
        (&token, "/api/v2/users/me".into()),
        (&token, "/api/v2/projects".into()),
        (&token, path("")),
        (&token, path("/members")),
        (&token, path("/tokens")),
        (&token, path(&format!("/tokens/{machine}"))),
        (&token, path("/uploads")),
        (&token, path("/runs")),
        (&token, format!("/api/v2/runs/{run}")),
        (&token, format!("/api/v2/runs/{run}/outputs")),
    ] {
        answers += &server.read(token, &path).await.to_string();
    }
    let stored: Vec<String> = sqlx::query_scalar(
        "SELECT password_hash FROM users UNION ALL SELECT encode(token_hash, 'hex') FROM api_tokens",
    )
    .fetch_all(&server.app.db)
    .await
    .unwrap();
    assert!(stored.len() > 2);
    let keys = server.stored();
    assert!(!keys.is_empty());
    for secret in stored.iter().chain(&keys).chain([&secret]) {
        assert!(!answers.contains(secret.as_str()), "{secret} is told");
    }
    for word in ["argon2", "password", "tokenHash", "storageKey"] {
        assert!(!answers.contains(word), "{word} is told");
    }
}

#[sqlx::test]
async fn a_viewer_does_not_learn_of_tokens_and_the_log(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let (_, viewer) = server.user("vera@example.com", false).await;
    let role = server::db::members::Role::Viewer;
    server.member(project, "vera@example.com", role).await;
    server.machine(&token, project, "viewer").await;
    for rest in ["tokens", "audit"] {
        let path = format!("/api/v2/projects/{project}/{rest}");
        let response = server.get(&path).bearer_auth(&viewer).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let told = json_of(response).await;
        assert!(told.get("items").is_none(), "{told}");
    }
}
