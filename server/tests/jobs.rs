//! Jobs: saved specifications, and runs of them.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use support::{Server, assert_problem, json_of, spec};
use uuid::Uuid;

mod support;

struct Jobs {
    server: Server,
    token: String,
    project: Uuid,
    spec: Value,
}

impl Jobs {
    async fn start(db: PgPool) -> Self {
        let server = Server::start(db).await;
        let (token, project) = server.owner_of("treasury").await;
        let spec = server.small_spec(&token, project).await;
        Self {
            server,
            token,
            project,
            spec,
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v2/projects/{}/jobs{rest}", self.project)
    }

    async fn send(&self, method: &str, rest: &str, tag: Option<&str>, body: &Value) -> Response {
        let mut request = self
            .server
            .request(method, &self.path(rest))
            .bearer_auth(&self.token);
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    async fn create(&self, name: &str) -> Response {
        let body = json!({"name": name, "spec": self.spec});
        self.send("POST", "", None, &body).await
    }
}

fn tag_of(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[sqlx::test]
async fn a_job_from_its_making_to_its_end(db: PgPool) {
    let jobs = Jobs::start(db).await;
    let created = jobs.create("month-end").await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let tag = tag_of(&created);
    let job = json_of(created).await;
    assert_eq!(job["etag"], tag);
    assert_eq!(job["spec"]["passes"][0]["name"], "exact");
    assert_eq!(jobs.server.read(&jobs.token, &location).await, job);
    assert_eq!(
        jobs.server
            .read(&jobs.token, &jobs.path("/month-end"))
            .await,
        job
    );
    assert_problem(jobs.create("month-end").await, 409, "conflict").await;

    let mut other = jobs.spec.clone();
    other["passes"][0]["name"] = json!("by-id");
    let body = json!({"name": "quarter-end", "spec": other});
    let missing = jobs.send("PUT", "/month-end", None, &body).await;
    assert_problem(missing, 428, "precondition-required").await;
    let wrong = jobs.send("PUT", "/month-end", Some("\"x\""), &body).await;
    assert_problem(wrong, 412, "precondition-failed").await;
    let replaced = jobs.send("PUT", "/month-end", Some(&tag), &body).await;
    assert_eq!(replaced.status(), StatusCode::OK);
    let new_tag = tag_of(&replaced);
    let replaced = json_of(replaced).await;
    assert_eq!(
        (&replaced["id"], &replaced["name"]),
        (&job["id"], &json!("quarter-end"))
    );
    assert_ne!(replaced["specHash"], job["specHash"]);
    let late = jobs.send("PUT", "/quarter-end", Some(&tag), &body).await;
    assert_problem(late, 412, "precondition-failed").await;

    jobs.create("a").await;
    let taken = json!({"name": "a", "spec": jobs.spec});
    let taken = jobs
        .send("PUT", "/quarter-end", Some(&new_tag), &taken)
        .await;
    assert_problem(taken, 409, "conflict").await;
    let list = jobs.server.all(&jobs.token, &jobs.path(""), 1).await;
    let names: Vec<&str> = list
        .iter()
        .map(|job| job["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "quarter-end"]);

    let late = jobs.send("DELETE", "/quarter-end", Some(&tag), &Value::Null);
    assert_problem(late.await, 412, "precondition-failed").await;
    let deleted = jobs.send("DELETE", "/quarter-end", Some(&new_tag), &Value::Null);
    assert_eq!(deleted.await.status(), StatusCode::NO_CONTENT);
    let gone = jobs.send("DELETE", "/quarter-end", Some(&new_tag), &Value::Null);
    assert_problem(gone.await, 404, "not-found").await;
    // Made again it is another one: what was seen of the first does not count.
    jobs.create("quarter-end").await;
    let old = jobs.send("DELETE", "/quarter-end", Some(&tag), &Value::Null);
    assert_problem(old.await, 412, "precondition-failed").await;
}

#[sqlx::test]
async fn a_run_of_a_job_is_of_the_specification_at_its_start(db: PgPool) {
    let jobs = Jobs::start(db).await;
    let created = jobs.create("month-end").await;
    let tag = tag_of(&created);
    let job = json_of(created).await;
    let id = Uuid::new_v4();
    let start = async |body: &Value| jobs.send("POST", "/month-end/runs", None, body).await;
    let first = start(&json!({"id": id})).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    assert_eq!(
        first.headers()["location"],
        format!("/api/v2/runs/{id}").as_str()
    );
    let first = json_of(first).await;
    assert_eq!(
        (&first["job"], &first["state"]),
        (&job["id"], &json!("queued"))
    );
    let again = start(&json!({"id": id})).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(start(&json!({})).await.status(), StatusCode::ACCEPTED);

    // Changed since, it cannot be the same run.
    let mut other = jobs.spec.clone();
    other["passes"][0]["name"] = json!("by-id");
    let body = json!({"name": "month-end", "spec": other});
    let replaced = jobs.send("PUT", "/month-end", Some(&tag), &body).await;
    let tag = tag_of(&replaced);
    assert_problem(start(&json!({"id": id})).await, 409, "conflict").await;

    let path = jobs.path("/month-end/runs");
    let runs = jobs.server.all(&jobs.token, &path, 1).await;
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[1]["id"], id.to_string(), "newest first");

    // A run of the project that is of no job.
    jobs.server
        .queue(&jobs.token, jobs.project, &jobs.spec)
        .await;
    assert_eq!(jobs.server.all(&jobs.token, &path, 10).await.len(), 2);

    // Its runs outlive it.
    let deleted = jobs.send("DELETE", "/month-end", Some(&tag), &Value::Null);
    assert_eq!(deleted.await.status(), StatusCode::NO_CONTENT);
    let run = jobs.server.run(&jobs.token, id).await;
    assert_eq!(
        (&run["job"], &run["state"]),
        (&Value::Null, &json!("queued"))
    );
}

#[sqlx::test]
async fn a_wrong_job_is_refused_with_every_path(db: PgPool) {
    let jobs = Jobs::start(db).await;
    for name in [
        "",
        "Month",
        "-a",
        "a/b",
        "0b7c7f3e-0000-4000-8000-000000000000",
    ] {
        assert_problem(jobs.create(name).await, 400, "bad-request").await;
    }
    let mut wrong = spec(Uuid::new_v4(), Uuid::new_v4());
    wrong["passes"][0]["assign"] = json!("guess");
    let created = jobs.create("good").await;
    let tag = tag_of(&created);
    for (method, rest, tag) in [("POST", "", None), ("PUT", "/good", Some(tag.as_str()))] {
        let body = json!({"name": "wrong", "spec": wrong});
        let response = jobs.send(method, rest, tag, &body).await;
        let problem = assert_problem(response, 422, "invalid-specification").await;
        let paths: Vec<&str> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["path"].as_str().unwrap())
            .collect();
        for path in [
            "passes[0].assign",
            "left.source.upload.id",
            "right.source.upload.id",
        ] {
            assert!(paths.contains(&path), "{path} is missing in {paths:?}");
        }
    }
    let (stranger, _) = jobs.server.owner_of("risk").await;
    for path in [jobs.path(""), jobs.path("/good"), jobs.path("/good/runs")] {
        let response = jobs.server.get(&path).bearer_auth(&stranger);
        assert_problem(response.send().await.unwrap(), 404, "not-found").await;
    }
}
