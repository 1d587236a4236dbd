//! API6, unrestricted access to sensitive business flows: steps that do harm when they are repeated
//! by a program or taken in another order. Repeated requests are in `idempotency.rs`, changes on top
//! of changes in `preconditions.rs`, the queue's bound in `runs.rs`.

use crate::support::{Server, assert_problem};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::PgPool;

#[sqlx::test]
async fn a_decision_is_taken_once_whoever_comes_second_is_told(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let run = server.exceptional_run(&token, project).await;
    let list = format!("/api/v2/runs/{run}/reviews");
    let review = server.read(&token, &list).await["items"][0].clone();
    let group = review["groupId"]
        .as_str()
        .map_or(review["groupId"].to_string(), str::to_owned);
    let tag = review["etag"].as_str().unwrap();
    let decide = async |step: &str| {
        let path = format!("{list}/{group}/{step}");
        let request = server.post(&path, &json!({})).bearer_auth(&token);
        request.header("If-Match", tag).send().await.unwrap()
    };
    // Both have read the same version; only one of them decides on it.
    let (accepted, rejected) = tokio::join!(decide("accept"), decide("reject"));
    let mut statuses = [accepted.status(), rejected.status()];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::PRECONDITION_FAILED]);
    let history = format!("{list}/{group}/history");
    assert_eq!(server.all(&token, &history, 10).await.len(), 1);
}

#[sqlx::test]
async fn many_at_once_do_not_pass_the_bound_of_the_queue(db: PgPool) {
    let server = Server::with(db, &[("MAX_QUEUED_PER_PROJECT", "3")]).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let body = json!({"project": project, "spec": spec});
    let answers = futures::future::join_all((0..12).map(|_| async {
        let request = server.post("/api/v2/runs", &body).bearer_auth(&token);
        request.send().await.unwrap()
    }))
    .await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| answer.status() == StatusCode::ACCEPTED);
    assert_eq!(taken.len(), 3);
    for answer in refused {
        assert!(answer.headers().contains_key("retry-after"));
        assert_problem(answer, 429, "queue-full").await;
    }
}

#[sqlx::test]
async fn two_owners_do_not_remove_each_other_at_once(db: PgPool) {
    let server = Server::start(db).await;
    let (ann, project) = server.owner_of("treasury").await;
    let (_, bob) = server.user("bob@example.com", false).await;
    let role = server::db::members::Role::Owner;
    server.member(project, "bob@example.com", role).await;
    let remove = async |token: &str, whom: &str| {
        let path = format!("/api/v2/projects/{project}/members/user/{whom}");
        server
            .request("DELETE", &path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
    };
    let (first, second) = tokio::join!(
        remove(&ann, "bob@example.com"),
        remove(&bob, "owner@treasury.example")
    );
    let removed = [first, second]
        .iter()
        .filter(|status| status.is_success())
        .count();
    assert_eq!(removed, 1, "{first} {second}");
}
