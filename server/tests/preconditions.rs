//! `ETag` and `If-Match` on projects and members: nobody overwrites what they have not seen.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{Server, assert_problem, json_of};

mod support;

const PROJECT: &str = "/api/v2/projects/treasury";

async fn send(
    server: &Server,
    token: &str,
    (method, path): (&str, &str),
    if_match: Option<&str>,
    body: Option<&Value>,
) -> Response {
    let mut request = server.request(method, path).bearer_auth(token);
    if let Some(tag) = if_match {
        request = request.header("If-Match", tag);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    request.send().await.unwrap()
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[sqlx::test]
async fn a_project_is_renamed_by_whoever_saw_its_name(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, _) = server.owner_of("treasury").await;
    let rename = async |tag: Option<&str>, name: &str| {
        let body = json!({"name": name});
        send(&server, &owner, ("PATCH", PROJECT), tag, Some(&body)).await
    };
    let first = etag(&send(&server, &owner, ("GET", PROJECT), None, None).await);
    assert_problem(rename(None, "x").await, 428, "precondition-required").await;
    let done = rename(Some(&first), "  Group Treasury ").await;
    assert_eq!(done.status(), StatusCode::OK);
    let second = etag(&done);
    let shown = send(&server, &owner, ("GET", PROJECT), None, None).await;
    assert_eq!(etag(&shown), second);
    assert_eq!(json_of(shown).await["name"], "Group Treasury");
    assert_problem(rename(Some(&first), "x").await, 412, "precondition-failed").await;
    assert_problem(rename(Some(&second), " ").await, 400, "bad-request").await;
    let slug = json!({"name": "x", "slug": "other"});
    let slug = send(&server, &owner, ("PATCH", PROJECT), Some("*"), Some(&slug)).await;
    assert_problem(slug, 400, "bad-request").await;
}

#[sqlx::test]
async fn of_two_renames_of_one_version_one_is_made(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, _) = server.owner_of("treasury").await;
    let first = etag(&send(&server, &owner, ("GET", PROJECT), None, None).await);
    let renames = futures::future::join_all((0..8).map(|number| {
        let (server, owner, first) = (&server, &owner, &first);
        async move {
            let body = json!({"name": number.to_string()});
            let sent = send(server, owner, ("PATCH", PROJECT), Some(first), Some(&body));
            sent.await.status().as_u16()
        }
    }))
    .await;
    let made = renames.iter().filter(|it| **it == 200).count();
    let refused = renames.iter().filter(|it| **it == 412).count();
    assert_eq!((made, refused), (1, 7), "{renames:?}");
}

#[sqlx::test]
async fn a_member_is_changed_as_it_was_where_a_version_is_named(db: PgPool) {
    let server = Server::start(db).await;
    let (owner, _) = server.owner_of("treasury").await;
    server.user("bob@example.com", false).await;
    let members = format!("{PROJECT}/members");
    for (kind, name) in [("user", "bob@example.com"), ("namespace", "team")] {
        let one = format!("{members}/{kind}/{name}");
        let put = async |tag: Option<&str>, role: &str| {
            let body = json!({"kind": kind, "name": name, "role": role});
            send(&server, &owner, ("PUT", &members), tag, Some(&body)).await
        };
        let missing = send(&server, &owner, ("GET", &one), None, None).await;
        assert_problem(missing, 404, "not-found").await;
        // Nobody is changed who is no member yet.
        assert_problem(put(Some("*"), "viewer").await, 412, "precondition-failed").await;
        let first = put(None, "viewer").await;
        assert_eq!(first.status(), StatusCode::OK);
        let first = etag(&first);
        let second = etag(&put(Some(&first), "editor").await);
        assert_ne!(first, second);
        let stale = put(Some(&first), "owner").await;
        assert_problem(stale, 412, "precondition-failed").await;
        let shown = send(&server, &owner, ("GET", &one), None, None).await;
        assert_eq!(etag(&shown), second);
        assert_eq!(
            json_of(shown).await,
            json!({"kind": kind, "name": name, "role": "editor", "declared": false})
        );
        let stale = send(&server, &owner, ("DELETE", &one), Some(&first), None).await;
        assert_problem(stale, 412, "precondition-failed").await;
        let gone = send(&server, &owner, ("DELETE", &one), Some(&second), None).await;
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    }
}
