//! Runs as streams of events.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use server::db::queue::{self, Status};
use sqlx::PgPool;
use std::time::Duration;
use support::{Server, assert_problem};
use uuid::Uuid;

mod support;

/// A stream of events that is read as it comes.
struct Events {
    response: Response,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: String,
    data: Value,
}

impl Events {
    async fn open(server: &Server, token: &str, run: Uuid, last: Option<&str>) -> Response {
        let mut request = server
            .get(&format!("/api/v2/runs/{run}/events"))
            .bearer_auth(token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send().await.unwrap()
    }

    fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = String::new();
        Self { response, text }
    }

    /// The next block of lines; none at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(block);
            }
            let chunk = tokio::time::timeout(Duration::from_mins(1), self.response.chunk());
            let chunk = chunk.await.expect("something comes in time").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(|value| value.trim().to_owned())
            };
            if let (Some(id), Some(data)) = (field("id:"), field("data:")) {
                assert_eq!(field("event:").as_deref(), Some("run"));
                let data = serde_json::from_str(&data).unwrap();
                return Some(Event { id, data });
            }
        }
    }
}

#[sqlx::test]
async fn a_run_is_told_from_its_queue_to_its_end(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let mut events = Events::of(Events::open(&server, &token, id, None).await);
    let queued = events.next().await.unwrap();
    assert_eq!(
        (&queued.data["state"], &queued.data["id"]),
        (&json!("queued"), &json!(id))
    );

    let lease = Duration::from_mins(5);
    let claim = queue::claim(&server.app.db, "w", lease, 3).await.unwrap();
    let claim = claim.unwrap();
    let running = events.next().await.unwrap();
    assert_eq!(
        (&running.data["state"], &running.data["phase"]),
        (&json!("running"), &json!("starting"))
    );
    let status = Status {
        phase: Some("score".into()),
        progress: Some((3, 10)),
    };
    assert!(
        claim
            .heartbeat(&server.app.db, lease, &status)
            .await
            .unwrap()
    );
    let scoring = events.next().await.unwrap();
    assert_eq!(
        (&scoring.data["phase"], &scoring.data["progress"]),
        (&json!("score"), &json!({"done": 3, "total": 10}))
    );

    // Somebody who comes back knows that already, and is told what is new only.
    let mut back = Events::of(Events::open(&server, &token, id, Some(&scoring.id)).await);
    // Who comes back with something older is told at once.
    let mut late = Events::of(Events::open(&server, &token, id, Some(&queued.id)).await);
    assert_eq!(late.next().await.unwrap().id, scoring.id);

    server
        .request("POST", &format!("/api/v2/runs/{id}/cancel"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    let mut last = String::new();
    for stream in [&mut events, &mut back, &mut late] {
        let end = stream.next().await.unwrap();
        assert_eq!(end.data["state"], "cancelled");
        assert!(end.data["completedAt"].is_string());
        assert!(stream.next().await.is_none(), "the end is the last event");
        last = end.id;
    }
    // Whoever knows the end is told to stay away, and whoever does not is told the end alone.
    let response = Events::open(&server, &token, id, Some(&last)).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let mut after = Events::of(Events::open(&server, &token, id, None).await);
    assert_eq!(after.next().await.unwrap().id, last);
    assert!(after.next().await.is_none());
}

#[sqlx::test]
async fn a_quiet_stream_has_heartbeats_and_no_deadline(db: PgPool) {
    let server = Server::with(db, &[("EVENT_HEARTBEAT_SECONDS", "1")]).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let mut events = Events::of(Events::open(&server, &token, id, None).await);
    assert!(events.next().await.is_some());
    for _ in 0..2 {
        assert_eq!(events.block().await.unwrap(), ": heartbeat");
    }
    // A process that stops ends its streams, so that it need not wait for the runs.
    server.app.watchers.close();
    while let Some(block) = events.block().await {
        assert_eq!(block, ": heartbeat");
    }
}

#[sqlx::test]
async fn streams_are_bounded_and_given_back(db: PgPool) {
    let changes = [("MAX_EVENT_STREAMS", "1"), ("EVENT_HEARTBEAT_SECONDS", "1")];
    let server = Server::with(db, &changes).await;
    let (token, project) = server.owner_of("treasury").await;
    let (stranger, _) = server.owner_of("risk").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let first = Events::open(&server, &token, id, None).await;
    assert_eq!(first.status(), StatusCode::OK);
    let second = Events::open(&server, &token, id, None).await;
    assert!(second.headers().contains_key("retry-after"));
    assert_problem(second, 503, "unavailable").await;
    let response = Events::open(&server, &stranger, id, None).await;
    assert_problem(response, 404, "not-found").await;

    // A client that goes away gives its place back at the next heartbeat.
    drop(first);
    for _ in 0..600 {
        let next = Events::open(&server, &token, id, None).await;
        if next.status() == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place was never given back");
}
