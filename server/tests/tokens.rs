//! Tokens of machines: one project, a role that never exceeds its maker's, and an end.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use server::db::members::Role;
use sqlx::PgPool;
use support::{Server, assert_problem, json_of};

mod support;

async fn get(server: &Server, token: &str, path: &str) -> Response {
    server.get(path).bearer_auth(token).send().await.unwrap()
}

async fn upload(server: &Server, token: &str, project: &str) -> Response {
    let path = format!("/api/v2/projects/{project}/uploads?name=a.csv");
    let request = server.request("POST", &path).bearer_auth(token);
    request.body("id\n1\n").send().await.unwrap()
}

#[sqlx::test]
async fn a_machine_works_in_its_project_and_no_other_exists_for_it(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    server.owner_of("risk").await;
    let (_, machine) = server.machine(&owner, project, "editor").await;
    assert!(
        machine.starts_with("rp_") && machine.len() == 52,
        "{machine}"
    );
    assert_eq!(
        upload(&server, &machine, "treasury").await.status(),
        StatusCode::CREATED
    );
    let list = json_of(get(&server, &machine, "/api/v2/projects").await).await;
    assert_eq!(
        list["items"],
        json!([{"id": project, "slug": "treasury", "name": "treasury", "role": "editor"}])
    );
    for path in ["/api/v2/projects/risk", "/api/v2/projects/risk/uploads"] {
        assert_problem(get(&server, &machine, path).await, 404, "not-found").await;
    }
    assert_problem(upload(&server, &machine, "risk").await, 404, "not-found").await;
    // It is no person, and speaks for no namespace.
    assert_problem(
        get(&server, &machine, "/api/v2/users/me").await,
        403,
        "forbidden",
    )
    .await;
    let spoken = server
        .get("/api/v2/projects/treasury")
        .bearer_auth(&machine)
        .header("On-Behalf-Of-Namespace", "team");
    assert_problem(spoken.send().await.unwrap(), 403, "forbidden").await;
}

#[sqlx::test]
async fn a_machine_never_may_more_than_the_person_behind_it(db: PgPool) {
    let server = Server::start(db).await;
    let (_, project) = server.owner_of("treasury").await;
    let (id, bob) = server.user("bob@example.com", false).await;
    server.member(project, "bob@example.com", Role::Owner).await;
    let (_, machine) = server.machine(&bob, project, "editor").await;
    assert_eq!(
        upload(&server, &machine, "treasury").await.status(),
        StatusCode::CREATED
    );
    server
        .member(project, "bob@example.com", Role::Viewer)
        .await;
    assert_problem(
        upload(&server, &machine, "treasury").await,
        403,
        "forbidden",
    )
    .await;
    let path = "/api/v2/projects/treasury";
    let shown = json_of(get(&server, &machine, path).await).await;
    assert_eq!(shown["role"], "viewer");
    let out = "DELETE FROM project_members WHERE user_id = $1";
    sqlx::query(out)
        .bind(id)
        .execute(&server.app.db)
        .await
        .unwrap();
    assert_problem(get(&server, &machine, path).await, 404, "not-found").await;
    let list = json_of(get(&server, &machine, "/api/v2/projects").await).await;
    assert_eq!(list["items"], json!([]));
    server.member(project, "bob@example.com", Role::Owner).await;
    assert_eq!(get(&server, &machine, path).await.status(), StatusCode::OK);
    let out = "UPDATE users SET disabled_at = now() WHERE id = $1";
    sqlx::query(out)
        .bind(id)
        .execute(&server.app.db)
        .await
        .unwrap();
    assert_problem(get(&server, &machine, path).await, 401, "unauthenticated").await;
}

#[sqlx::test]
async fn a_deleted_an_expired_and_a_made_up_token_are_refused(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let (id, deleted) = server.machine(&owner, project, "viewer").await;
    let (_, expired) = server.machine(&owner, project, "viewer").await;
    let path = "/api/v2/projects/treasury";
    for token in [&deleted, &expired] {
        assert_eq!(get(&server, token, path).await.status(), StatusCode::OK);
    }
    let token = format!("{path}/tokens/{id}");
    let delete = server.request("DELETE", &token).bearer_auth(&owner);
    assert_eq!(
        delete.send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    let delete = server.request("DELETE", &token).bearer_auth(&owner);
    assert_problem(delete.send().await.unwrap(), 404, "not-found").await;
    sqlx::query("UPDATE api_tokens SET expires_at = now()")
        .execute(&server.app.db)
        .await
        .unwrap();
    let other = server::auth::opaque::generate(server::auth::opaque::MACHINE);
    let other = secrecy::ExposeSecret::expose_secret(&other).to_owned();
    for token in [deleted, expired, other, "rp_".into(), "rp_short".into()] {
        let response = get(&server, &token, path).await;
        assert_problem(response, 401, "unauthenticated").await;
    }
}

#[sqlx::test]
async fn tokens_are_for_people_who_own_the_project(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let (_, machine) = server.machine(&owner, project, "owner").await;
    let path = "/api/v2/projects/treasury/tokens";
    let body = json!({"name": "next", "role": "viewer"});
    let create = async |token: &str, body: &Value| {
        let request = server.post(path, body).bearer_auth(token);
        request.send().await.unwrap()
    };
    // An owning machine may change members, but not prolong its own life.
    let member = json!({"kind": "namespace", "name": "team", "role": "viewer"});
    let members = "/api/v2/projects/treasury/members";
    let put = server.request("PUT", members).bearer_auth(&machine);
    assert_eq!(
        put.json(&member).send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_problem(create(&machine, &body).await, 403, "forbidden").await;
    assert_problem(get(&server, &machine, path).await, 403, "forbidden").await;
    let (_, _) = server.user("bob@example.com", false).await;
    server
        .member(project, "bob@example.com", Role::Editor)
        .await;

    assert_eq!(create(&owner, &body).await.status(), StatusCode::CREATED);
    assert_problem(create(&owner, &body).await, 409, "conflict").await;
    for wrong in [
        json!({"name": " ", "role": "viewer"}),
        json!({"name": "x".repeat(101), "role": "viewer"}),
        json!({"name": "x", "role": "admin"}),
        json!({"name": "x", "role": "viewer", "expiresInDays": 0}),
        json!({"name": "x", "role": "viewer", "expiresInDays": 367}),
        json!({"name": "x", "role": "viewer", "token": "rp_mine"}),
    ] {
        assert_problem(create(&owner, &wrong).await, 400, "bad-request").await;
    }
}

#[sqlx::test]
async fn a_token_is_shown_once_and_its_last_use_always(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let (id, machine) = server.machine(&owner, project, "viewer").await;
    let path = format!("/api/v2/projects/treasury/tokens/{id}");
    let before = json_of(get(&server, &owner, &path).await).await;
    assert_eq!(before["lastUsedAt"], Value::Null);
    assert_eq!(before.get("token"), None);
    get(&server, &machine, "/api/v2/projects/treasury").await;
    let list = json_of(get(&server, &owner, "/api/v2/projects/treasury/tokens").await).await;
    let after = &list["items"][0];
    assert!(after["lastUsedAt"].is_string(), "{after}");
    assert_eq!(after["id"], json!(id));
    let stored = server.everything_stored().await;
    assert!(
        stored.contains(&id.to_string()),
        "the search finds what is there"
    );
    assert!(!stored.contains(&machine) && !list.to_string().contains(&machine));
}
