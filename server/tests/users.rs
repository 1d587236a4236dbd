//! Users, as platform admins manage them.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{PASSWORD, Server, assert_problem, json_of};
use uuid::Uuid;

mod support;

async fn create(server: &Server, admin: &str, body: &Value) -> Response {
    let request = server.post("/api/v2/users", body).bearer_auth(admin);
    request.send().await.unwrap()
}

async fn update(server: &Server, by: &str, id: Uuid, etag: Option<&str>, body: &Value) -> Response {
    let mut request = server
        .request("PATCH", &format!("/api/v2/users/{id}"))
        .bearer_auth(by)
        .json(body);
    if let Some(etag) = etag {
        request = request.header("If-Match", etag);
    }
    request.send().await.unwrap()
}

async fn show(server: &Server, by: &str, id: Uuid) -> Response {
    let request = server.get(&format!("/api/v2/users/{id}")).bearer_auth(by);
    request.send().await.unwrap()
}

#[sqlx::test]
async fn an_admin_makes_a_user_who_can_log_in(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    let body = json!({"email": " Bob@Example.com", "password": PASSWORD});
    let response = create(&server, &admin, &body).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let etag = response.headers()["etag"].clone();
    let user = json_of(response).await;
    assert_eq!(
        (&user["email"], &user["platformAdmin"], &user["disabled"]),
        (&json!("bob@example.com"), &json!(false), &json!(false))
    );
    let shown = server.get(&location).bearer_auth(&admin).send().await;
    let shown = shown.unwrap();
    assert_eq!(shown.headers()["etag"], etag);
    assert_eq!(json_of(shown).await, user);
    server.login("bob@example.com", PASSWORD).await;

    assert_problem(create(&server, &admin, &body).await, 409, "conflict").await;
    for wrong in [
        json!({"email": "bob", "password": PASSWORD}),
        json!({"email": "a b@example.com", "password": PASSWORD}),
        json!({"email": "carl@example.com", "password": "short"}),
        json!({"email": "carl@example.com", "password": "x".repeat(1025)}),
        json!({"email": "carl@example.com", "password": PASSWORD, "id": Uuid::nil()}),
    ] {
        assert_problem(create(&server, &admin, &wrong).await, 400, "bad-request").await;
    }
}

#[sqlx::test]
async fn a_list_of_users_comes_in_pages(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    for name in ["dora", "bob", "carl"] {
        server.user(&format!("{name}@example.com"), false).await;
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v2/users?limit=3{cursor}");
        let page = server.get(&path).bearer_auth(&admin).send().await.unwrap();
        let page = json_of(page).await;
        let items = page["items"].as_array().unwrap();
        found.extend(
            items
                .iter()
                .map(|it| it["email"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["nextCursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    let expected = ["admin", "bob", "carl", "dora"].map(|name| format!("{name}@example.com"));
    assert_eq!(found, expected);
}

#[sqlx::test]
async fn a_disabled_user_is_out_at_once_and_an_enabled_one_can_log_in_again(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    let id = server.user_with_password("bob@example.com").await;
    let login = server.login("bob@example.com", PASSWORD).await;
    let token = login["accessToken"].as_str().unwrap();
    let disabled = update(&server, &admin, id, Some("*"), &json!({"disabled": true})).await;
    assert_eq!(disabled.status(), StatusCode::OK);
    assert_eq!(json_of(disabled).await["disabled"], true);
    let me = server.get("/api/v2/users/me").bearer_auth(token);
    assert_problem(me.send().await.unwrap(), 401, "unauthenticated").await;
    let refresh = json!({"refreshToken": login["refreshToken"]});
    let refresh = server.post("/api/v2/auth/refresh", &refresh).send().await;
    assert_problem(refresh.unwrap(), 401, "unauthenticated").await;

    let enabled = update(&server, &admin, id, Some("*"), &json!({"disabled": false})).await;
    assert_eq!(enabled.status(), StatusCode::OK);
    // What was ended stays ended.
    let me = server.get("/api/v2/users/me").bearer_auth(token);
    assert_problem(me.send().await.unwrap(), 401, "unauthenticated").await;
    server.login("bob@example.com", PASSWORD).await;
}

#[sqlx::test]
async fn an_update_is_based_on_the_version_that_is_there(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    let (id, _) = server.user("bob@example.com", false).await;
    let first = show(&server, &admin, id).await.headers()["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    let promote = json!({"platformAdmin": true});
    let demote = json!({"platformAdmin": false});
    let blind = update(&server, &admin, id, None, &promote).await;
    assert_problem(blind, 428, "precondition-required").await;
    let done = update(&server, &admin, id, Some(&first), &promote).await;
    assert_eq!(done.status(), StatusCode::OK);
    let second = done.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(first, second);
    let stale = update(&server, &admin, id, Some(&first), &demote).await;
    assert_problem(stale, 412, "precondition-failed").await;
    let weak = format!("W/{second}");
    let weak = update(&server, &admin, id, Some(&weak), &demote).await;
    assert_problem(weak, 412, "precondition-failed").await;
    let bare = update(&server, &admin, id, Some("2"), &demote).await;
    assert_problem(bare, 400, "bad-request").await;
    let nothing = update(&server, &admin, id, Some(&second), &json!({})).await;
    assert_problem(nothing, 400, "bad-request").await;
    let several = format!("{first}, {second}");
    let done = update(&server, &admin, id, Some(&several), &demote).await;
    assert_eq!(done.status(), StatusCode::OK);
}

#[sqlx::test]
async fn the_last_enabled_admin_stays_one(db: PgPool) {
    let server = Server::start(db).await;
    let (id, admin) = server.user("admin@example.com", true).await;
    let (other, _) = server.user("other@example.com", true).await;
    let out = update(
        &server,
        &admin,
        other,
        Some("*"),
        &json!({"disabled": true}),
    )
    .await;
    assert_eq!(out.status(), StatusCode::OK);
    for body in [
        json!({"disabled": true}),
        json!({"platformAdmin": false}),
        json!({"disabled": true, "platformAdmin": true}),
    ] {
        let last = update(&server, &admin, id, Some("*"), &body).await;
        assert_problem(last, 409, "conflict").await;
    }
    assert_eq!(show(&server, &admin, id).await.status(), StatusCode::OK);
}

#[sqlx::test]
async fn two_admins_cannot_remove_each_other_at_once(db: PgPool) {
    let server = Server::start(db).await;
    let (one, by_one) = server.user("one@example.com", true).await;
    let (two, by_two) = server.user("two@example.com", true).await;
    let demote = json!({"platformAdmin": false});
    let (first, second) = futures::join!(
        update(&server, &by_one, two, Some("*"), &demote),
        update(&server, &by_two, one, Some("*"), &demote),
    );
    let statuses = [first.status().as_u16(), second.status().as_u16()];
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(!statuses.iter().all(|it| *it == 200), "{statuses:?}");
    let admins: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE platform_admin")
        .fetch_one(&server.app.db)
        .await
        .unwrap();
    assert_eq!(admins, 1);
}

#[sqlx::test]
async fn other_users_do_not_exist_for_whoever_is_no_admin(db: PgPool) {
    let server = Server::start(db).await;
    let (admin, _) = server.user("admin@example.com", true).await;
    let (own, stranger) = server.user("stranger@example.com", false).await;
    let mut answers = Vec::new();
    for id in [admin, own, Uuid::new_v4()] {
        answers.push(assert_problem(show(&server, &stranger, id).await, 404, "not-found").await);
        let up = json!({"platformAdmin": true});
        let up = update(&server, &stranger, id, Some("*"), &up).await;
        assert_problem(up, 404, "not-found").await;
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}
