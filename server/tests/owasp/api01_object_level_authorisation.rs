//! API1, broken object level authorisation. That a stranger sees nothing of a project is shown cell
//! by cell in `authorisation.rs`; here somebody with a project of their own tries to reach into
//! another through it.

use crate::support::{Server, assert_problem, json_of, spec};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::PgPool;

#[sqlx::test]
async fn objects_of_another_project_are_not_reached_through_ones_own(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (victim, theirs) = server.owner_of("treasury").await;
    let (attacker, own) = server.owner_of("risk").await;
    let upload = server.upload(&victim, theirs, "a.csv", "id\n1\n").await;
    let (machine, _) = server.machine(&victim, theirs, "viewer").await;
    let body = json!({"name": "nightly", "spec": server.small_spec(&victim, theirs).await});
    let jobs = format!("/api/v2/projects/{theirs}/jobs");
    let job = server.post(&jobs, &body).bearer_auth(&victim).send().await;
    let job = json_of(job.unwrap()).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (method, path) in [
        ("GET", format!("uploads/{upload}")),
        ("GET", format!("tokens/{machine}")),
        ("DELETE", format!("tokens/{machine}")),
        ("GET", format!("jobs/{job}")),
        ("GET", "jobs/nightly".into()),
        ("DELETE", format!("jobs/{job}")),
        ("GET", format!("jobs/{job}/runs")),
        ("POST", format!("jobs/{job}/runs")),
    ] {
        let path = format!("/api/v2/projects/{own}/{path}");
        let request = server.request(method, &path).bearer_auth(&attacker);
        let response = request
            .header("If-Match", "*")
            .json(&json!({}))
            .send()
            .await;
        assert_problem(response.unwrap(), 404, "not-found").await;
    }
    let there = format!("/api/v2/projects/{theirs}/tokens/{machine}");
    server.read(&victim, &there).await;
    server.read(&victim, &format!("{jobs}/{job}")).await;
}

#[sqlx::test]
async fn a_specification_reads_no_file_of_another_project(db: PgPool) {
    let server = Server::start(db).await;
    let (victim, theirs) = server.owner_of("treasury").await;
    let (attacker, own) = server.owner_of("risk").await;
    let secret = server
        .upload(&victim, theirs, "salaries.csv", "id,amount\n1,2\n")
        .await;
    let mine = server
        .upload(&attacker, own, "own.csv", "id,amount\n1,2\n")
        .await;
    let body = json!({"project": own, "spec": spec(secret, mine)});
    let response = server
        .post("/api/v2/runs", &body)
        .bearer_auth(&attacker)
        .send()
        .await;
    let told = assert_problem(response.unwrap(), 422, "invalid-specification").await;
    assert!(!told.to_string().contains("salaries"), "{told}");
    // A saved job is checked as well, so that it cannot wait for a day on which it may.
    let body = json!({"name": "patient", "spec": spec(mine, secret)});
    let path = format!("/api/v2/projects/{own}/jobs");
    let response = server
        .post(&path, &body)
        .bearer_auth(&attacker)
        .send()
        .await;
    assert_problem(response.unwrap(), 422, "invalid-specification").await;
}

#[sqlx::test]
async fn the_same_content_does_not_tell_that_another_project_has_it(db: PgPool) {
    let server = Server::start(db).await;
    let (victim, theirs) = server.owner_of("treasury").await;
    let (attacker, own) = server.owner_of("risk").await;
    let first = server.upload(&victim, theirs, "a.csv", "id\n1\n").await;
    let path = format!("/api/v2/projects/{own}/uploads?name=a.csv");
    let request = server.request("POST", &path).bearer_auth(&attacker);
    let response = request.body("id\n1\n").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED, "as if it were new");
    assert_ne!(json_of(response).await["id"], first.to_string());
    assert_eq!(
        server.stored().len(),
        2,
        "nothing is shared between projects"
    );
}

#[sqlx::test]
async fn a_run_and_what_it_found_is_its_projects_alone(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (victim, theirs) = server.owner_of("treasury").await;
    let run = server.exceptional_run(&victim, theirs).await;
    let reviews = format!("/api/v2/runs/{run}/reviews");
    let group = server.read(&victim, &reviews).await["items"][0]["groupId"].clone();
    let (attacker, own) = server.owner_of("risk").await;
    let (_, machine) = server.machine(&attacker, own, "editor").await;
    for token in [&attacker, &machine] {
        for rest in [
            "",
            "/pairs",
            "/differences",
            "/exceptions",
            "/events",
            "/outputs",
            "/outputs/pairs.csv",
            "/outputs/summary.json",
            "/reviews",
        ] {
            let path = format!("/api/v2/runs/{run}{rest}");
            let response = server.get(&path).bearer_auth(token).send().await.unwrap();
            assert_problem(response, 404, "not-found").await;
        }
        for step in ["accept", "reject", "comments"] {
            let group = group.as_str().map_or(group.to_string(), str::to_owned);
            let path = format!("{reviews}/{group}/{step}");
            let request = server.post(&path, &json!({"comment": "mine"}));
            let request = request.bearer_auth(token).header("If-Match", "*");
            assert_problem(request.send().await.unwrap(), 404, "not-found").await;
        }
    }
}

#[sqlx::test]
async fn a_cursor_of_one_list_opens_no_other(db: PgPool) {
    let server = Server::start(db).await;
    let (victim, theirs) = server.owner_of("treasury").await;
    for name in ["a.csv", "b.csv"] {
        server.upload(&victim, theirs, name, "id\n1\n").await;
    }
    let list = format!("/api/v2/projects/{theirs}/uploads?limit=1");
    let cursor = server.read(&victim, &list).await["nextCursor"].clone();
    let (attacker, own) = server.owner_of("risk").await;
    let mine = server.upload(&attacker, own, "m.csv", "id\n2\n").await;
    let path = format!(
        "/api/v2/projects/{own}/uploads?cursor={}",
        cursor.as_str().unwrap()
    );
    let page = server.read(&attacker, &path).await;
    for item in page["items"].as_array().unwrap() {
        assert_eq!(item["id"], mine.to_string());
    }
}
