//! Sessions: refresh tokens are used once, and what ends a session ends it at once.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{PASSWORD, Server, assert_problem, json_of};

mod support;

const EMAIL: &str = "ann@example.com";
const NEW_PASSWORD: &str = "another horse battery staple";

async fn logged_in(db: PgPool) -> (Server, Value) {
    let server = Server::start(db).await;
    server.user_with_password(EMAIL).await;
    let login = server.login(EMAIL, PASSWORD).await;
    (server, login)
}

async fn refresh(server: &Server, token: &Value) -> reqwest::Response {
    let body = json!({"refreshToken": token});
    server
        .post("/api/v2/auth/refresh", &body)
        .send()
        .await
        .unwrap()
}

async fn refreshed(server: &Server, token: &Value) -> Value {
    let response = refresh(server, token).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    json_of(response).await
}

async fn me(server: &Server, login: &Value) -> StatusCode {
    server
        .get("/api/v2/users/me")
        .bearer_auth(login["accessToken"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .status()
}

async fn end_reasons(server: &Server) -> Vec<Option<String>> {
    sqlx::query_scalar("SELECT end_reason FROM sessions ORDER BY created_at")
        .fetch_all(&server.app.db)
        .await
        .unwrap()
}

#[sqlx::test]
async fn a_refresh_gives_two_new_tokens_that_work(db: PgPool) {
    let (server, login) = logged_in(db).await;
    assert_eq!(login["refreshExpiresIn"], 604_800);
    let next = refreshed(&server, &login["refreshToken"]).await;
    assert_ne!(next["refreshToken"], login["refreshToken"]);
    assert_eq!(next["tokenType"], "Bearer");
    for tokens in [&login, &next] {
        assert_eq!(me(&server, tokens).await, StatusCode::OK);
    }
    let after = refreshed(&server, &next["refreshToken"]).await;
    assert_eq!(me(&server, &after).await, StatusCode::OK);
    let actions: Vec<String> = server.audited().await.into_iter().map(|it| it.0).collect();
    assert_eq!(
        actions,
        ["session.open", "session.refresh", "session.refresh"]
    );
}

#[sqlx::test]
async fn a_reused_refresh_token_ends_its_family_and_no_other(db: PgPool) {
    let (server, login) = logged_in(db).await;
    let elsewhere = server.login(EMAIL, PASSWORD).await;
    let next = refreshed(&server, &login["refreshToken"]).await;
    assert_problem(
        refresh(&server, &login["refreshToken"]).await,
        401,
        "unauthenticated",
    )
    .await;
    // The newest refresh token and both access tokens went with it.
    assert_problem(
        refresh(&server, &next["refreshToken"]).await,
        401,
        "unauthenticated",
    )
    .await;
    for tokens in [&login, &next] {
        assert_eq!(me(&server, tokens).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(me(&server, &elsewhere).await, StatusCode::OK);
    refreshed(&server, &elsewhere["refreshToken"]).await;
    assert_eq!(end_reasons(&server).await, [Some("reuse".to_owned()), None]);
    // Known to whoever watches: once, though the ended family was tried again.
    let reuses = server.audited().await;
    let reuses: Vec<_> = reuses.iter().filter(|it| it.0 == "session.reuse").collect();
    assert_eq!(reuses.len(), 1);
    assert_eq!(reuses[0].1, "unknown");
    let metrics = server.app.metrics.render(&server.app).await.unwrap();
    assert!(
        metrics.contains("security_events_total{event=\"refresh_token_reused\"} 1"),
        "{metrics}"
    );
}

#[sqlx::test]
async fn of_two_uses_at_once_one_is_served_and_the_family_ends(db: PgPool) {
    let (server, login) = logged_in(db).await;
    let uses = futures::future::join_all(
        (0..8).map(|_| async { refresh(&server, &login["refreshToken"]).await.status() }),
    )
    .await;
    let served = uses.iter().filter(|it| **it == StatusCode::OK).count();
    assert_eq!(served, 1, "{uses:?}");
    assert_eq!(end_reasons(&server).await, [Some("reuse".to_owned())]);
    assert_eq!(me(&server, &login).await, StatusCode::UNAUTHORIZED);
}

#[sqlx::test]
async fn what_is_no_refresh_token_is_refused_and_ends_nothing(db: PgPool) {
    let (server, login) = logged_in(db).await;
    let good = login["refreshToken"].as_str().unwrap();
    let other = server::auth::opaque::generate(server::auth::opaque::REFRESH);
    let other = secrecy::ExposeSecret::expose_secret(&other).to_owned();
    let cut = good[..good.len() - 1].to_owned();
    let access = login["accessToken"].as_str().unwrap().to_owned();
    for token in [other, cut, access, String::new()] {
        let response = refresh(&server, &json!(token)).await;
        assert_problem(response, 401, "unauthenticated").await;
    }
    let body = json!({"refreshToken": good, "more": 1});
    let response = server.post("/api/v2/auth/refresh", &body).send().await;
    assert_problem(response.unwrap(), 400, "bad-request").await;
    refreshed(&server, &login["refreshToken"]).await;
}

#[sqlx::test]
async fn an_idle_and_an_old_session_end(db: PgPool) {
    let (server, idle) = logged_in(db).await;
    sqlx::query("UPDATE refresh_tokens SET expires_at = now()")
        .execute(&server.app.db)
        .await
        .unwrap();
    assert_problem(
        refresh(&server, &idle["refreshToken"]).await,
        401,
        "unauthenticated",
    )
    .await;
    let old = server.login(EMAIL, PASSWORD).await;
    assert_eq!(me(&server, &old).await, StatusCode::OK);
    sqlx::query("UPDATE sessions SET expires_at = now()")
        .execute(&server.app.db)
        .await
        .unwrap();
    assert_eq!(me(&server, &old).await, StatusCode::UNAUTHORIZED);
    assert_problem(
        refresh(&server, &old["refreshToken"]).await,
        401,
        "unauthenticated",
    )
    .await;
}

#[sqlx::test]
async fn a_refresh_never_outlives_its_session(db: PgPool) {
    let changes = [
        ("SESSION_SECONDS", "1000"),
        ("REFRESH_TOKEN_SECONDS", "900"),
    ];
    let server = Server::with(db, &changes).await;
    server.user_with_password(EMAIL).await;
    let login = server.login(EMAIL, PASSWORD).await;
    assert_eq!(login["refreshExpiresIn"], 900);
    sqlx::query("UPDATE sessions SET expires_at = now() + interval '100 seconds'")
        .execute(&server.app.db)
        .await
        .unwrap();
    let next = refreshed(&server, &login["refreshToken"]).await;
    let left = next["refreshExpiresIn"].as_i64().unwrap();
    assert!((1..=100).contains(&left), "{left}");
}

#[sqlx::test]
async fn logging_out_ends_the_session_at_once(db: PgPool) {
    let (server, login) = logged_in(db).await;
    let elsewhere = server.login(EMAIL, PASSWORD).await;
    for token in [login["refreshToken"].as_str().unwrap(), "no token at all"] {
        let body = json!({"refreshToken": token});
        let response = server.post("/api/v2/auth/logout", &body).send().await;
        assert_eq!(response.unwrap().status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(me(&server, &login).await, StatusCode::UNAUTHORIZED);
    assert_problem(
        refresh(&server, &login["refreshToken"]).await,
        401,
        "unauthenticated",
    )
    .await;
    assert_eq!(me(&server, &elsewhere).await, StatusCode::OK);
    assert_eq!(
        end_reasons(&server).await,
        [Some("logout".to_owned()), None]
    );
}

#[sqlx::test]
async fn a_new_password_ends_the_other_sessions(db: PgPool) {
    let (server, here) = logged_in(db).await;
    let elsewhere = server.login(EMAIL, PASSWORD).await;
    let change = async |current: &str, new: &str| {
        server
            .request("PUT", "/api/v2/users/me/password")
            .bearer_auth(here["accessToken"].as_str().unwrap())
            .json(&json!({"currentPassword": current, "newPassword": new}))
            .send()
            .await
            .unwrap()
    };
    let refused = change("wrong password", NEW_PASSWORD).await;
    assert_problem(refused, 401, "wrong-credentials").await;
    assert_problem(change(PASSWORD, "short").await, 400, "bad-request").await;
    assert_eq!(me(&server, &elsewhere).await, StatusCode::OK);

    let done = change(PASSWORD, NEW_PASSWORD).await;
    assert_eq!(done.status(), StatusCode::NO_CONTENT);
    assert_eq!(me(&server, &here).await, StatusCode::OK);
    assert_eq!(me(&server, &elsewhere).await, StatusCode::UNAUTHORIZED);
    assert_problem(
        refresh(&server, &elsewhere["refreshToken"]).await,
        401,
        "unauthenticated",
    )
    .await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let old = server.post("/api/v2/auth/login", &body).send().await;
    assert_problem(old.unwrap(), 401, "wrong-credentials").await;
    server.login(EMAIL, NEW_PASSWORD).await;
}

#[sqlx::test]
async fn no_token_and_no_password_is_stored_as_it_is(db: PgPool) {
    let (server, login) = logged_in(db).await;
    let next = refreshed(&server, &login["refreshToken"]).await;
    let stored = server.everything_stored().await;
    assert!(stored.contains(EMAIL), "the search finds what is there");
    for tokens in [&login, &next] {
        for name in ["accessToken", "refreshToken"] {
            assert!(!stored.contains(tokens[name].as_str().unwrap()), "{name}");
        }
    }
    assert!(!stored.contains(PASSWORD));
}

#[sqlx::test]
async fn tokens_stay_good_while_the_secret_is_replaced(db: PgPool) {
    let (server, login) = logged_in(db.clone()).await;
    let new = [
        ("JWT_SECRET", "9fQ2wLxT7vBn4KcR8yHd1MzJ6pGs3EaU"),
        ("JWT_SECRET_PREVIOUS", support::JWT_SECRET),
    ];
    let during = Server::with(db.clone(), &new).await;
    assert_eq!(me(&during, &login).await, StatusCode::OK);
    let next = refreshed(&during, &login["refreshToken"]).await;
    assert_eq!(
        me(&server, &next).await,
        StatusCode::UNAUTHORIZED,
        "signed with the new one"
    );
    let after = Server::with(db, &new[..1]).await;
    assert_eq!(me(&after, &next).await, StatusCode::OK);
    assert_eq!(me(&after, &login).await, StatusCode::UNAUTHORIZED);
}
