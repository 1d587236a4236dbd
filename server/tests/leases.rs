//! The queue's promises: one worker a run, fences, takeovers, and hand-back.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use serde_json::{Value, json};
use server::app::App;
use server::db::exceptions::{Exception, Exceptions, Outcome};
use server::db::queue::{self, Claim, Publication, Status};
use server::runs;
use sqlx::PgPool;
use std::collections::HashSet;
use std::time::Duration;
use support::{Server, json_of};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

mod support;

const LEASE: Duration = Duration::from_mins(1);

async fn claim(db: &PgPool, worker: &str) -> Option<Claim> {
    queue::claim(db, worker, LEASE, 3).await.unwrap()
}

async fn expire(db: &PgPool, id: Uuid) {
    sqlx::query("UPDATE runs SET lease_expires_at = now() - interval '1 second' WHERE id = $1")
        .bind(id)
        .execute(db)
        .await
        .unwrap();
}

fn one_review() -> Exceptions {
    let text = |text: &str| Some(text.to_owned());
    Exceptions {
        rows: vec![Exception {
            number: 1,
            outcome: Outcome::Review,
            side: None,
            left_key: text("a"),
            right_key: text("b"),
            group_id: text("g"),
            pass: text("exact"),
            score: Some(0.5),
            line: None,
            source_column: None,
            reason: "close".into(),
        }],
        reviews: 1,
        ..Exceptions::default()
    }
}

#[sqlx::test]
async fn two_workers_never_claim_the_same_run(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    for _ in 0..20 {
        server.queue(&token, project, &spec).await;
    }
    let claims = (0..30).map(|worker| {
        let db = server.app.db.clone();
        tokio::spawn(async move { claim(&db, &format!("w{worker}")).await })
    });
    let mut ids = Vec::new();
    for claim in futures::future::join_all(claims).await {
        ids.extend(claim.unwrap().map(|claim| claim.id));
    }
    // A claim that raced may come back empty-handed; the next look finds the rest.
    while let Some(claim) = claim(&server.app.db, "last").await {
        ids.push(claim.id);
    }
    assert_eq!(ids.len(), 20);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 20);
}

#[sqlx::test]
async fn a_worker_that_lost_its_lease_changes_nothing(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let db = &server.app.db;
    let old = claim(db, "old").await.unwrap();
    assert!(claim(db, "new").await.is_none(), "the lease holds");
    expire(db, id).await;
    let new = claim(db, "new").await.unwrap();
    assert_eq!((new.id, new.attempt, new.fence), (id, 2, old.fence + 1));

    let summary = json!({"pairs": 0});
    assert!(!old.heartbeat(db, LEASE, &Status::default()).await.unwrap());
    let exceptions = one_review();
    let publication = |prefix| Publication {
        summary: &summary,
        prefix,
        exceptions: &exceptions,
    };
    assert!(!old.publish(db, &publication("runs/old")).await.unwrap());
    let rows = async || {
        let rows: (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM run_exceptions), (SELECT count(*) FROM reviews)",
        )
        .fetch_one(db)
        .await
        .unwrap();
        rows
    };
    assert_eq!(rows().await, (0, 0));
    assert!(!old.fail(db, "internal", "late", None).await.unwrap());
    assert!(!old.retry(db, LEASE).await.unwrap());
    assert!(!old.hand_back(db).await.unwrap());
    let run = server.run(&token, id).await;
    assert_eq!(
        (&run["state"], &run["worker"]),
        (&json!("running"), &json!("new"))
    );
    assert!(new.publish(db, &publication("runs/new")).await.unwrap());
    assert_eq!(rows().await, (1, 1));
    assert!(
        !new.publish(db, &publication("runs/again")).await.unwrap(),
        "once only"
    );
    assert_eq!(rows().await, (1, 1));
    assert_eq!(server.run(&token, id).await["state"], "succeeded");
}

#[sqlx::test]
async fn a_cancelled_run_cannot_be_published(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let claim = claim(&server.app.db, "w").await.unwrap();
    let cancel = format!("/api/v2/runs/{id}/cancel");
    let run = json_of(
        server
            .request("POST", &cancel)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(run["state"], "cancelled");
    assert!(
        !claim
            .heartbeat(&server.app.db, LEASE, &Status::default())
            .await
            .unwrap()
    );
    assert!(
        !claim
            .publish(
                &server.app.db,
                &Publication {
                    summary: &json!({}),
                    prefix: "runs/x",
                    exceptions: &one_review(),
                }
            )
            .await
            .unwrap()
    );
    assert_eq!(server.run(&token, id).await["summary"], Value::Null);
}

#[sqlx::test]
async fn an_expired_lease_is_taken_over_with_the_same_result(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let undisturbed = server.queue(&token, project, &spec).await;
    let disturbed = server.queue(&token, project, &spec).await;
    // A worker takes the second one, leaves outputs and dies.
    sqlx::query("UPDATE runs SET not_before = now() + interval '1 hour' WHERE id = $1")
        .bind(undisturbed)
        .execute(&server.app.db)
        .await
        .unwrap();
    let dead = claim(&server.app.db, "dead").await.unwrap();
    assert_eq!(dead.id, disturbed);
    let left_behind = server
        .directory
        .path()
        .join(format!("store/runs/{disturbed}/attempt-1"));
    std::fs::create_dir_all(&left_behind).unwrap();
    std::fs::write(left_behind.join("pairs.parquet"), "half").unwrap();
    expire(&server.app.db, disturbed).await;
    sqlx::query("UPDATE runs SET not_before = now() WHERE id = $1")
        .bind(undisturbed)
        .execute(&server.app.db)
        .await
        .unwrap();

    let (stop, worker) = start_worker(&server.app, 1);
    let second = server.wait_for(&token, disturbed, "succeeded").await;
    let first = server.wait_for(&token, undisturbed, "succeeded").await;
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(
        (&first["attempt"], &second["attempt"]),
        (&json!(1), &json!(2))
    );
    for side in ["left", "right", "pairs", "specHash", "matchRate"] {
        assert_eq!(first["summary"][side], second["summary"][side]);
    }
    let pairs = async |id: Uuid| {
        let path = format!("/api/v2/runs/{id}/pairs");
        json_of(server.get(&path).bearer_auth(&token).send().await.unwrap()).await
    };
    assert_eq!(pairs(undisturbed).await, pairs(disturbed).await);
    let attempts: HashSet<String> = server
        .stored()
        .into_iter()
        .filter(|path| path.contains(&disturbed.to_string()))
        .filter_map(|path| path.split('/').nth(2).map(str::to_owned))
        .collect();
    assert_eq!(
        attempts,
        HashSet::from(["attempt-2".to_owned()]),
        "the dead worker's outputs are gone"
    );
}

/// Another process, as far as the database can tell.
fn start_worker(app: &App, count: usize) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let mut config = app.config.clone();
    config.workers.count = count;
    config.workers.name = "second-process".into();
    let app = App::new(config, app.db.clone()).unwrap();
    let stop = CancellationToken::new();
    let worker = tokio::spawn(runs::work(app, stop.clone()));
    (stop, worker)
}

#[sqlx::test]
async fn many_workers_end_many_runs_once_each(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(server.queue(&token, project, &spec).await);
    }
    let (stop_a, a) = start_worker(&server.app, 2);
    let (stop_b, b) = start_worker(&server.app, 2);
    for id in ids {
        let run = server.wait_for(&token, id, "succeeded").await;
        assert_eq!(run["attempt"], 1);
    }
    stop_a.cancel();
    stop_b.cancel();
    a.await.unwrap();
    b.await.unwrap();
    let fences: i64 = sqlx::query_scalar("SELECT sum(fence)::bigint FROM runs")
        .fetch_one(&server.app.db)
        .await
        .unwrap();
    assert_eq!(fences, 8, "every run was claimed once");
}

#[sqlx::test]
async fn attempts_are_counted_and_end(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let db = &server.app.db;
    // Handing back is not an attempt.
    let first = claim(db, "w").await.unwrap();
    assert!(first.hand_back(db).await.unwrap());
    assert_eq!(server.run(&token, id).await["attempt"], 0);
    for attempt in 1..=3 {
        let claim = claim(db, "crashing").await.unwrap();
        assert_eq!(
            (claim.attempt, claim.fence),
            (attempt, i64::from(attempt) + 1)
        );
        assert_eq!(queue::exhaust(db, 3).await.unwrap(), 0, "its lease holds");
        expire(db, id).await;
    }
    assert!(claim(db, "w").await.is_none());
    assert_eq!(queue::exhaust(db, 3).await.unwrap(), 1);
    let run = server.run(&token, id).await;
    assert_eq!(
        (&run["state"], &run["error"]["type"]),
        (&json!("failed"), &json!("attemptsExhausted"))
    );
    assert!(
        run["error"]["message"]
            .as_str()
            .unwrap()
            .contains("crashing")
    );
}

/// A run that takes long enough to be interrupted, and is running.
async fn slow_run(server: &Server, token: &str, project: Uuid) -> Uuid {
    let rows: String = (0..15_000).fold("id,amount\n".into(), |text, n| {
        text + &format!("k{n},{}\n", n % 7)
    });
    let file = server.upload(token, project, "left.csv", &rows).await;
    let mut spec = support::spec(file, file);
    // Every row against every seventh.
    spec["passes"][0] = json!({"name": "slow", "block": [["amount"]], "assign": "greedy",
        "compare": [{"column": "id", "text": {"method": "levenshtein", "atLeast": 0.5}}]});
    let id = server.queue(token, project, &spec).await;
    for _ in 0..500 {
        if server.run(token, id).await["state"] == "running" {
            return id;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the run {id} never began");
}

#[sqlx::test]
async fn a_stopping_worker_hands_its_run_back(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let (stop, worker) = start_worker(&server.app, 1);
    let id = slow_run(&server, &token, project).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), worker)
        .await
        .unwrap()
        .unwrap();
    let run = server.run(&token, id).await;
    assert_eq!(
        (&run["state"], &run["attempt"]),
        (&json!("queued"), &json!(0))
    );
    assert!(
        server
            .stored()
            .iter()
            .all(|path| path.starts_with("uploads/"))
    );
}

#[sqlx::test]
async fn cancelling_a_running_run_frees_its_worker(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let id = slow_run(&server, &token, project).await;
    let cancel = format!("/api/v2/runs/{id}/cancel");
    let run = server
        .request("POST", &cancel)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(json_of(run).await["state"], "cancelled");
    // The one worker goes on to the next run.
    let spec = server.small_spec(&token, project).await;
    let next = server.queue(&token, project, &spec).await;
    server.wait_for(&token, next, "succeeded").await;
    let run = server.run(&token, id).await;
    assert_eq!(
        (&run["state"], &run["summary"]),
        (&json!("cancelled"), &Value::Null)
    );
    assert!(
        server
            .stored()
            .iter()
            .all(|path| !path.contains(&id.to_string()))
    );
}

#[sqlx::test]
async fn a_worker_notices_that_its_lease_is_gone(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let id = slow_run(&server, &token, project).await;
    // Another worker has it now, as after a long pause of the first one's machine.
    sqlx::query(
        "UPDATE runs SET fence = fence + 1, worker = 'other', attempt = 2, \
                 lease_expires_at = now() + interval '1 hour' WHERE id = $1",
    )
    .bind(id)
    .execute(&server.app.db)
    .await
    .unwrap();
    let spec = server.small_spec(&token, project).await;
    let next = server.queue(&token, project, &spec).await;
    server.wait_for(&token, next, "succeeded").await;
    let run = server.run(&token, id).await;
    assert_eq!(
        (&run["state"], &run["worker"]),
        (&json!("running"), &json!("other"))
    );
    assert!(
        server
            .stored()
            .iter()
            .all(|path| !path.contains(&id.to_string()))
    );
}

#[sqlx::test]
async fn projects_take_turns(db: PgPool) {
    let server = Server::start(db).await;
    let (greedy, first) = server.owner_of("greedy").await;
    let (modest, second) = server.owner_of("modest").await;
    let spec = server.small_spec(&greedy, first).await;
    for _ in 0..5 {
        server.queue(&greedy, first, &spec).await;
    }
    let spec = server.small_spec(&modest, second).await;
    server.queue(&modest, second, &spec).await;
    // One worker, one run after the other.
    let mut order = Vec::new();
    while let Some(claim) = claim(&server.app.db, "w").await {
        order.push(claim.project_id);
        assert!(
            claim
                .fail(&server.app.db, "internal", "done", None)
                .await
                .unwrap()
        );
    }
    assert_eq!(order[..3], [first, second, first]);
}

#[sqlx::test]
async fn illegal_states_are_impossible(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    for change in [
        "state = 'succeeded', completed_at = now()",
        "state = 'running'",
        "state = 'failed', completed_at = now()",
        "lease_expires_at = now()",
        "summary = '{}'",
        "progress_done = 1",
        "state = 'paused'",
    ] {
        let statement = sqlx::AssertSqlSafe(format!("UPDATE runs SET {change} WHERE id = $1"));
        let result = sqlx::query(statement)
            .bind(id)
            .execute(&server.app.db)
            .await;
        assert!(result.is_err(), "{change}");
    }
}
