//! API5, broken function level authorisation. Every route by every role is in `authorisation.rs`;
//! here are ways around a route's name and method.

use crate::support::{Server, assert_problem};
use serde_json::json;
use sqlx::PgPool;

#[sqlx::test]
async fn a_method_or_address_in_a_header_changes_nothing(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let path = format!("/api/v2/projects/{project}");
    let before = server.read(&token, &path).await;
    for (name, value) in [
        ("X-HTTP-Method-Override", "PATCH"),
        ("X-HTTP-Method", "DELETE"),
        ("X-Method-Override", "PUT"),
        ("X-Original-URL", "/api/v2/users"),
        ("X-Rewrite-URL", "/api/v2/users"),
        ("X-Forwarded-Prefix", "/api/v2/users"),
        ("X-Forwarded-User", "root@example.com"),
        ("X-Remote-User", "root@example.com"),
    ] {
        let request = server.get(&path).bearer_auth(&token).header(name, value);
        let response = request
            .json(&json!({"name": "changed"}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 200, "{name}");
        let told: serde_json::Value = response.json().await.unwrap();
        assert_eq!(told, before, "{name}");
    }
}

#[sqlx::test]
async fn another_spelling_of_an_address_is_another_address(db: PgPool) {
    let server = Server::start(db).await;
    let (_, token) = server.user("ann@example.com", false).await;
    for path in [
        "/api/v2/users/",
        "/API/V2/USERS",
        "//api/v2/users",
        "/api//v2/users",
        "/api/v2/%75sers/",
        "/api/v2/users;a=b",
        "/api/v2/users%00",
        "/api/v2/projects/..%2fusers",
        "/api/v2/users.json",
        "/api/v2/admin/users",
        "/api/v1/users",
        "/api/users",
        "/metrics",
    ] {
        let response = server.get(path).bearer_auth(&token).send().await.unwrap();
        assert!(response.status().is_client_error(), "{path}");
        let told = response.text().await.unwrap();
        assert!(!told.contains("ann@example.com"), "{path}: {told}");
    }
}

#[sqlx::test]
async fn nobody_speaks_for_a_namespace_but_the_operator(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, project) = server.owner_of("treasury").await;
    let (_, admin) = server.user("root@example.com", true).await;
    let (_, machine) = server.machine(&owner, project, "owner").await;
    for token in [&owner, &admin, &machine] {
        let request = server.get("/api/v2/projects").bearer_auth(token);
        let request = request.header("On-Behalf-Of-Namespace", "treasury");
        assert_problem(request.send().await.unwrap(), 403, "forbidden").await;
    }
    // And the operator speaks for one at a time.
    let request = server
        .get("/api/v2/projects")
        .bearer_auth(server.operator());
    let request = request
        .header("On-Behalf-Of-Namespace", "treasury")
        .header("On-Behalf-Of-Namespace", "risk");
    assert!(request.send().await.unwrap().status().is_client_error());
}
