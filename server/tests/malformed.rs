//! Requests that no client of good will sends: each is told what is wrong, in a problem document.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::PgPool;
use support::{Server, assert_problem};
use uuid::Uuid;

mod support;

#[sqlx::test]
async fn a_path_that_is_no_text_leads_nowhere(db: PgPool) {
    let server = Server::start(db).await;
    let (_, admin) = server.user("admin@example.com", true).await;
    for path in [
        "/api/docs/%ff",
        "/api/v2/users/%ff",
        "/api/v2/projects/%ff",
        "/api/v2/projects/%ff/jobs/%ff",
        "/api/v2/runs/%ff",
        "/api/v2/runs/%ff/outputs/%ff",
    ] {
        let response = server.get(path).bearer_auth(&admin).send().await.unwrap();
        assert_problem(response, 404, "not-found").await;
    }
}

#[sqlx::test]
async fn a_cursor_that_was_made_up_is_refused_or_leads_past_the_end(db: PgPool) {
    let server = Server::start(db).await;
    let (admin_id, admin) = server.user("admin@example.com", true).await;
    let project = server.project("treasury", admin_id).await;
    let id = Uuid::nil();
    let positions = [
        String::new(),
        "\0".into(),
        "-1".into(),
        "0".into(),
        i32::MAX.to_string(),
        i64::MAX.to_string(),
        i64::MIN.to_string(),
        format!("0:{id}"),
        // Years that PostgreSQL has no time for.
        format!("-8000000000000000000:{id}"),
        format!("-210866803200000001:{id}"),
        format!("8200000000000000000:{id}"),
        format!("-8000000000000000000:{id}:1"),
        format!("8200000000000000000:{id}:{}", i64::MAX),
    ];
    let lists = [
        "users",
        "projects",
        "audit",
        "projects/P/members",
        "projects/P/tokens",
        "projects/P/audit",
        "projects/P/uploads",
        "projects/P/jobs",
        "projects/P/runs",
        "projects/P/reviews",
    ];
    let mut wrong = Vec::new();
    for list in lists {
        for position in &positions {
            let cursor = URL_SAFE_NO_PAD.encode(position);
            let path = list.replace('P', &project.to_string());
            let path = format!("/api/v2/{path}?limit=1000&cursor={cursor}");
            let response = server.get(&path).bearer_auth(&admin).send().await.unwrap();
            if !matches!(response.status().as_u16(), 200 | 400) {
                wrong.push(format!("{list} at {position:?}: {}", response.status()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
