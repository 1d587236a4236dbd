//! Reviews: what people decide about pairs, and who did.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::collections::BTreeMap;
use support::{Server, assert_problem, json_of};
use uuid::Uuid;

mod support;

async fn act(server: &Server, token: &str, path: &str, tag: Option<&str>) -> Response {
    let mut request = server.request("POST", path).bearer_auth(token);
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    request.send().await.unwrap()
}

async fn outputs(server: &Server, token: &str, run: Uuid) -> BTreeMap<String, Vec<u8>> {
    let path = format!("/api/v2/runs/{run}/outputs");
    let mut files = BTreeMap::new();
    for file in server.all(token, &path, 100).await {
        let name = file["name"].as_str().unwrap();
        let response = server.get(&format!("{path}/{name}"));
        let response = response.bearer_auth(token).send().await.unwrap();
        files.insert(name.to_owned(), response.bytes().await.unwrap().to_vec());
    }
    files
}

#[sqlx::test]
async fn a_decision_says_who_and_when_and_changes_no_output(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let run = server.exceptional_run(&token, project).await;
    let before = outputs(&server, &token, run).await;
    assert!(before.len() > 4);
    let summary = server.run(&token, run).await["summary"].clone();

    let open = format!("/api/v2/projects/{project}/reviews");
    let items = server.all(&token, &open, 1).await;
    assert_eq!(items.len(), 2);
    assert_eq!(
        items[0]["pairs"][0]["leftKey"],
        json!("b"),
        "in the order of the exceptions"
    );
    assert_eq!(
        server
            .all(&token, &format!("/api/v2/runs/{run}/reviews"), 1)
            .await,
        items
    );
    assert_eq!(
        server.run(&token, run).await["reviews"],
        json!({"open": 2, "accepted": 0, "rejected": 0})
    );

    let review = |item: &Value| {
        format!(
            "/api/v2/runs/{run}/reviews/{}",
            item["groupId"].as_str().unwrap()
        )
    };
    let (first, second) = (review(&items[0]), review(&items[1]));
    let tag = items[0]["etag"].as_str().unwrap();
    let response = act(&server, &token, &format!("{first}/accept"), Some(tag)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let new_tag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(new_tag, tag);
    let accepted = json_of(response).await;
    assert_eq!(accepted["state"], "accepted");
    assert_eq!(accepted["decidedBy"], "owner@treasury.example");
    assert!(accepted["decidedAt"].is_string());
    assert_eq!(server.read(&token, &first).await, accepted);

    let tag = items[1]["etag"].as_str();
    let response = act(&server, &token, &format!("{second}/reject"), tag).await;
    assert_eq!(json_of(response).await["state"], "rejected");
    assert_eq!(
        server.run(&token, run).await["reviews"],
        json!({"open": 0, "accepted": 1, "rejected": 1})
    );
    assert_eq!(server.all(&token, &open, 10).await, Vec::<Value>::new());
    let decided = server
        .all(&token, &format!("{open}?state=accepted"), 10)
        .await;
    assert_eq!(decided, [accepted]);

    assert_eq!(outputs(&server, &token, run).await, before);
    assert_eq!(server.run(&token, run).await["summary"], summary);
}

#[sqlx::test]
async fn only_what_was_seen_is_decided_and_only_once(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let run = server.exceptional_run(&token, project).await;
    let items = server
        .all(&token, &format!("/api/v2/runs/{run}/reviews"), 10)
        .await;
    let group = items[0]["groupId"].as_str().unwrap();
    let review = format!("/api/v2/runs/{run}/reviews/{group}");
    let tag = items[0]["etag"].as_str().unwrap();
    let step = async |name: &str, tag: Option<&str>| {
        act(&server, &token, &format!("{review}/{name}"), tag).await
    };
    assert_problem(step("accept", None).await, 428, "precondition-required").await;
    let other = step("accept", Some("\"99\"")).await;
    assert_problem(other, 412, "precondition-failed").await;
    assert_problem(step("reopen", Some(tag)).await, 409, "conflict").await;

    // A comment is something that happened: what was seen before it is out of date.
    let comment = server
        .post(
            &format!("{review}/comments"),
            &json!({"comment": " asked the bank "}),
        )
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(comment.status(), StatusCode::CREATED);
    let commented = comment.headers()["etag"].to_str().unwrap().to_owned();
    let late = step("accept", Some(tag)).await;
    assert_problem(late, 412, "precondition-failed").await;

    // At once and often: one decision.
    let accept = format!("{review}/accept");
    let requests = (0..6).map(|_| act(&server, &token, &accept, Some(&commented)));
    let mut statuses: Vec<u16> = futures::future::join_all(requests)
        .await
        .iter()
        .map(|response| response.status().as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);

    let tag = async || {
        let tag = server.read(&token, &review).await["etag"].clone();
        tag.as_str().unwrap().to_owned()
    };
    assert_problem(step("accept", Some(&tag().await)).await, 409, "conflict").await;
    assert_problem(step("reject", Some(&tag().await)).await, 409, "conflict").await;
    let reopened = json_of(step("reopen", Some(&tag().await)).await).await;
    assert_eq!(
        (&reopened["state"], &reopened["decidedBy"]),
        (&json!("open"), &Value::Null)
    );
    assert_eq!(
        json_of(step("reject", Some(&tag().await)).await).await["state"],
        "rejected"
    );

    let history = server.all(&token, &format!("{review}/history"), 2).await;
    let steps: Vec<(i64, &str, &str)> = history
        .iter()
        .map(|event| {
            (
                event["version"].as_i64().unwrap(),
                event["action"].as_str().unwrap(),
                event["comment"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            (2, "commented", "asked the bank"),
            (3, "accepted", ""),
            (4, "reopened", ""),
            (5, "rejected", "")
        ]
    );
    assert!(
        history
            .iter()
            .all(|event| event["by"] == "owner@treasury.example")
    );
    assert_eq!(
        server.run(&token, run).await["reviews"],
        json!({"open": 1, "accepted": 0, "rejected": 1})
    );
}

#[sqlx::test]
async fn who_may_decide(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let run = server.exceptional_run(&token, project).await;
    let (_, viewer) = server.user("viewer@example.com", false).await;
    let (_, stranger) = server.user("stranger@example.com", false).await;
    let members = format!("/api/v2/projects/{project}/members");
    for (kind, name, role) in [
        ("user", "viewer@example.com", "viewer"),
        ("namespace", "finance", "editor"),
    ] {
        let response = server
            .request("PUT", &members)
            .bearer_auth(&token)
            .json(&json!({"kind": kind, "name": name, "role": role}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let list = format!("/api/v2/runs/{run}/reviews");
    let items = server.all(&viewer, &list, 10).await;
    let group = items[0]["groupId"].as_str().unwrap();
    let tag = items[0]["etag"].as_str();
    let accept = format!("{list}/{group}/accept");
    assert_problem(act(&server, &viewer, &accept, tag).await, 403, "forbidden").await;
    assert_problem(
        act(&server, &stranger, &accept, tag).await,
        404,
        "not-found",
    )
    .await;
    let namespace = server
        .request("POST", &accept)
        .bearer_auth(server.operator())
        .header("on-behalf-of-namespace", "finance")
        .header("if-match", tag.unwrap());
    let response = namespace.send().await.unwrap();
    assert_problem(response, 403, "forbidden").await;

    for missing in ["nothing", "%00", "..%2F.."] {
        let path = format!("{list}/{missing}");
        let response = server.get(&path).bearer_auth(&token).send().await.unwrap();
        assert_problem(response, 404, "not-found").await;
        let response = act(&server, &token, &format!("{path}/accept"), tag).await;
        assert_problem(response, 404, "not-found").await;
    }
    for comment in ["", "  ", &"x".repeat(4001), "a\u{0}b"] {
        let response = server
            .post(
                &format!("{list}/{group}/comments"),
                &json!({"comment": comment}),
            )
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_problem(response, 400, "bad-request").await;
    }
}
