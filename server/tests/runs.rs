//! Runs over HTTP, from the request to the downloaded outputs.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{Server, assert_problem, json_of, spec};
use uuid::Uuid;

mod support;

#[sqlx::test]
async fn a_run_from_request_to_outputs(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let body = json!({"project": "treasury", "spec": spec});
    let response = server
        .post("/api/v2/runs", &body)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let id: Uuid = json_of(response).await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(location, format!("/api/v2/runs/{id}"));

    let run = server.wait_for(&token, id, "succeeded").await;
    assert_eq!(run["project"], json!({"id": project, "slug": "treasury"}));
    assert_eq!(run["resultUri"], format!("/api/v2/runs/{id}/outputs"));
    assert_eq!(
        (&run["attempt"], &run["worker"]),
        (&json!(1), &json!("worker-under-test"))
    );
    assert_eq!(
        (&run["error"], &run["progress"], &run["phase"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let summary = &run["summary"];
    assert_eq!(
        (&summary["pairs"], &summary["left"]["unmatched"]),
        (&json!(3), &json!(1))
    );
    let (started, completed) = (
        run["startedAt"].as_str().unwrap(),
        run["completedAt"].as_str().unwrap(),
    );
    assert!(started <= completed);

    // Pairs, page by page.
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{location}/pairs?limit=2{cursor}");
        let page = json_of(server.get(&path).bearer_auth(&token).send().await.unwrap()).await;
        for pair in page["items"].as_array().unwrap() {
            assert_eq!(
                (&pair["pass"], &pair["outcome"], &pair["score"]),
                (&json!("exact"), &json!("matched"), &json!(1.0))
            );
            assert_eq!(pair["leftKey"], pair["rightKey"]);
            assert!(pair["groupId"].is_string() && pair["reason"].is_string());
            keys.push(pair["leftKey"].as_str().unwrap().to_owned());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(keys, ["a", "b", "c"]);

    let outputs = format!("{location}/outputs");
    let list = json_of(
        server
            .get(&outputs)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    for name in [
        "pairs.csv",
        "pairs.parquet",
        "summary.json",
        "unmatched_left.parquet",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let file = server
        .get(&format!("{outputs}/pairs.csv"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        file.headers()["content-disposition"],
        "attachment; filename=\"pairs.csv\""
    );
    let size = file.content_length().unwrap();
    let text = file.text().await.unwrap();
    assert_eq!(text.len() as u64, size);
    assert_eq!(text.lines().count(), 4);
    let file = server
        .get(&format!("{outputs}/summary.json"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(&json_of(file).await, summary);
    for name in ["no.csv", "..%2Fsummary.json", "%2e%2e"] {
        let path = format!("{outputs}/{name}");
        let response = server.get(&path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{name}");
    }

    let path = format!("/api/v2/projects/{project}/runs");
    let runs = json_of(server.get(&path).bearer_auth(&token).send().await.unwrap()).await;
    assert_eq!(runs["items"], json!([run]));
    let cancel = format!("{location}/cancel");
    let response = server
        .request("POST", &cancel)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_problem(response, 409, "conflict").await;
}

#[sqlx::test]
async fn the_same_id_is_the_same_run(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = Uuid::new_v4();
    let send = async |project: &str, spec: &Value| {
        let body = json!({"id": id, "project": project, "spec": spec});
        server
            .post("/api/v2/runs", &body)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
    };
    let first = send("treasury", &spec).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let again = send("treasury", &spec).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(json_of(first).await, json_of(again).await);
    // Written in another order and with nulls it is the same specification still.
    let mut same = spec.clone();
    same["duplicates"] = Value::Null;
    assert_eq!(send("treasury", &same).await.status(), StatusCode::OK);

    let mut other = spec.clone();
    other["passes"][0]["name"] = json!("other");
    assert_problem(send("treasury", &other).await, 409, "conflict").await;
    let (stranger, foreign) = server.owner_of("risk").await;
    let foreign_spec = server.small_spec(&stranger, foreign).await;
    let body = json!({"id": id, "project": "risk", "spec": foreign_spec});
    let response = server
        .post("/api/v2/runs", &body)
        .bearer_auth(&stranger)
        .send()
        .await
        .unwrap();
    assert_problem(response, 409, "conflict").await;

    // At once and often: one run.
    let id = Uuid::new_v4();
    let body = json!({"id": id, "project": "treasury", "spec": spec});
    let requests = (0..8).map(|_| {
        server
            .post("/api/v2/runs", &body)
            .bearer_auth(&token)
            .send()
    });
    let statuses: Vec<u16> = futures::future::join_all(requests)
        .await
        .into_iter()
        .map(|response| response.unwrap().status().as_u16())
        .collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 202).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        7,
        "{statuses:?}"
    );
}

#[sqlx::test]
async fn a_wrong_spec_names_every_path(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let (stranger, foreign) = server.owner_of("risk").await;
    let foreign = server.upload(&stranger, foreign, "f.csv", "id\n1\n").await;
    let own = server
        .upload(&token, project, "own.csv", "id,amount\n1,2\n")
        .await;
    let paths = async |spec: Value| {
        let body = json!({"project": "treasury", "spec": spec});
        let response = server
            .post("/api/v2/runs", &body)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        let problem = assert_problem(response, 422, "invalid-specification").await;
        let errors = problem["errors"].as_array().unwrap().clone();
        assert!(
            errors
                .iter()
                .all(|error| !error["message"].as_str().unwrap().is_empty())
        );
        errors
            .iter()
            .map(|error| error["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    // Another project's upload, and one that is nowhere.
    assert_eq!(paths(spec(foreign, own)).await, ["left.source.upload.id"]);
    assert_eq!(
        paths(spec(Uuid::new_v4(), foreign)).await,
        ["left.source.upload.id", "right.source.upload.id"]
    );
    // Sources that are for others.
    let mut elsewhere = spec(own, own);
    elsewhere["left"]["source"] = json!({"uri": "/etc/ledger.csv"});
    elsewhere["right"]["source"] = json!({"configMap": {"name": "a", "key": "b.csv"}});
    assert_eq!(
        paths(elsewhere.clone()).await,
        ["left.source.uri", "right.source.configMap"]
    );
    elsewhere["left"]["source"] = json!({"uri": "s3://bucket/ledger.csv"});
    let secret = json!({"name": "a", "key": "url"});
    elsewhere["right"]["source"] = json!({"sql": {"secretRef": secret, "query": "SELECT 1"}});
    elsewhere["right"]["key"] = json!(["id"]);
    assert_eq!(
        paths(elsewhere).await,
        ["left.source.uri", "right.source.sql"]
    );
    // A file whose name says nothing.
    let nameless = server
        .upload(&token, project, "ledger.data", "id,amount\n1,2\n")
        .await;
    assert_eq!(paths(spec(own, nameless)).await, ["right.format"]);
    // Shape errors and a foreign upload together.
    let mut wrong = spec(own, foreign);
    wrong["passes"][0]["assign"] = json!("guess");
    wrong["colour"] = json!("red");
    let found = paths(wrong).await;
    for path in ["passes[0].assign", "colour", "right.source.upload.id"] {
        assert!(
            found.iter().any(|it| it == path),
            "{path} is missing in {found:?}"
        );
    }
    // An expression that the engine refuses.
    let mut expression = spec(own, own);
    expression["passes"][0]["block"] = json!([["no_such_function(id)"]]);
    let found = paths(expression).await;
    assert!(
        found.iter().all(|path| path.starts_with("passes[0].block")),
        "{found:?}"
    );
}

#[sqlx::test]
async fn the_queue_of_a_project_is_bounded(db: PgPool) {
    let server = Server::with(db, &[("MAX_QUEUED_PER_PROJECT", "2")]).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    server.queue(&token, project, &spec).await;
    server.queue(&token, project, &spec).await;
    let body = json!({"project": project, "spec": spec});
    let response = server
        .post("/api/v2/runs", &body)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_problem(response, 429, "queue-full").await;
}

#[sqlx::test]
async fn a_file_that_does_not_fit_fails_the_run_with_the_reason(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let left = server
        .upload(&token, project, "left.csv", "id,other\n1,2\n")
        .await;
    let right = server
        .upload(&token, project, "right.csv", "id,amount\n1,2\n")
        .await;
    let id = server.queue(&token, project, &spec(left, right)).await;
    let run = server.wait_for(&token, id, "failed").await;
    assert_eq!(run["attempt"], 1, "what cannot succeed is not tried again");
    assert!(run["error"]["type"].is_string(), "{run}");
    assert!(
        run["error"]["message"].as_str().unwrap().contains("amount"),
        "{run}"
    );
    assert_eq!(run["summary"], Value::Null);
    let pairs = format!("/api/v2/runs/{id}/pairs");
    let response = server.get(&pairs).bearer_auth(&token).send().await.unwrap();
    assert_problem(response, 409, "conflict").await;
    assert!(
        server
            .stored()
            .iter()
            .all(|path| path.starts_with("uploads/")),
        "{:?}",
        server.stored()
    );
}

#[sqlx::test]
async fn values_of_records_stand_in_the_detail_of_an_error_and_not_in_its_message(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let rows = "id,amount\n1,4711.17\n2,4711.17\n";
    let left = server.upload(&token, project, "left.csv", rows).await;
    let right = server.upload(&token, project, "right.csv", rows).await;
    let mut spec = spec(left, right);
    spec["limits"] = json!({"maxPairs": 1});
    let id = server.queue(&token, project, &spec).await;
    let error = server.wait_for(&token, id, "failed").await["error"].clone();
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    assert_eq!(text("type"), "budget");
    assert!(!text("message").contains("4711.17"), "{error}");
    assert!(text("detail").contains("4711.17"), "{error}");
}

#[sqlx::test]
async fn a_cancelled_run_is_never_worked_on(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let cancel = format!("/api/v2/runs/{id}/cancel");
    for _ in 0..2 {
        let response = server
            .request("POST", &cancel)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_eq!(json_of(response).await["state"], "cancelled");
    }
    let lease = std::time::Duration::from_secs(3);
    let claim = server::db::queue::claim(&server.app.db, "w", lease, 3)
        .await
        .unwrap();
    assert!(claim.is_none());
}

#[sqlx::test]
async fn the_process_says_whether_it_is_ready(db: PgPool) {
    let server = Server::start(db).await;
    assert_eq!(
        server.get("/livez").send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(
        server.get("/readyz").send().await.unwrap().status(),
        StatusCode::OK
    );
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version > 1")
        .execute(&server.app.db)
        .await
        .unwrap();
    let response = server.get("/readyz").send().await.unwrap();
    let problem = assert_problem(response, 503, "unavailable").await;
    assert!(problem["detail"].as_str().unwrap().contains("version 1"));
}

#[sqlx::test]
async fn hostile_traffic_makes_no_new_series(db: PgPool) {
    let server = Server::start(db).await;
    for number in 0..50 {
        server
            .get(&format!("/api/v2/projects/p{number}/uploads/{number}"))
            .send()
            .await
            .unwrap();
        server.get(&format!("/{number}")).send().await.unwrap();
        server
            .request(&format!("M{number}"), "/livez")
            .send()
            .await
            .unwrap();
    }
    let text = server.app.metrics.render(&server.app).await.unwrap();
    let series = text
        .lines()
        .filter(|line| line.starts_with("http_request_duration_seconds_count"))
        .count();
    assert_eq!(series, 3, "{text}");
    assert!(!text.contains("p49"));
    for name in ["db_pool_connections{state=\"idle\"}", "run_queue_depth 0"] {
        assert!(text.contains(name), "{text}");
    }
}
