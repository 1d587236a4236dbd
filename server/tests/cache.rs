//! What is cached, by which processes, and that a change at one is seen at the other.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::StatusCode;
use serde_json::{Value, json};
use server::db::members::Role;
use sqlx::PgPool;
use std::time::Duration;
use support::processes::Redis;
use support::{PASSWORD, Server, json_of};
use uuid::Uuid;

mod support;

const PROJECT: &str = "/api/v2/projects/treasury";

/// Two servers that cache, with one database, store and Redis.
struct Two {
    a: Server,
    b: Server,
    _redis: Redis,
}

impl Two {
    async fn start(db: PgPool) -> Self {
        Self::with(db, "0").await
    }

    async fn with(db: PgPool, workers: &str) -> Self {
        let redis = Redis::start();
        let url = redis.url();
        let a = Server::with(db.clone(), &[("REDIS_URL", &url), ("WORKERS", workers)]).await;
        let store = format!("file://{}", a.directory.path().join("store").display());
        let b = Server::with(db, &[("REDIS_URL", &url), ("STORAGE_URL", &store)]).await;
        connected(&a).await;
        connected(&b).await;
        a.cache().await;
        b.cache().await;
        Self {
            a,
            b,
            _redis: redis,
        }
    }

    async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Response {
        let request = self.a.request(method, path).bearer_auth(token);
        let request = request.header("If-Match", "*");
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        response
    }
}

async fn connected(server: &Server) {
    while server.app.redis.session().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn status(server: &Server, token: &str, path: &str) -> StatusCode {
    let response = server.get(path).bearer_auth(token).send().await;
    response.unwrap().status()
}

/// How often an answer was found at a level.
async fn found(server: &Server, cache: &str, level: &str, outcome: &str) -> u64 {
    let text = server.app.metrics.render(&server.app).await.unwrap();
    let line = format!(
        "cache_requests_total{{cache=\"{cache}\",level=\"{level}\",outcome=\"{outcome}\"}} "
    );
    let value = text.lines().find_map(|it| it.strip_prefix(&line));
    value.map_or(0, |value| value.parse().unwrap())
}

#[sqlx::test]
async fn an_answer_comes_from_the_database_once_then_from_redis_then_from_memory(db: PgPool) {
    let two = Two::start(db).await;
    let (token, _) = two.a.owner_of("treasury").await;
    for (server, level, outcome) in [
        (&two.a, "database", "read"),
        (&two.a, "memory", "hit"),
        (&two.b, "redis", "hit"),
        (&two.b, "memory", "hit"),
    ] {
        // Mostly at once; a right to cache may lapse for a moment on a busy machine.
        while found(server, "project", level, outcome).await == 0 {
            server.read(&token, PROJECT).await;
        }
    }
}

#[sqlx::test]
async fn a_change_at_one_process_is_seen_at_the_other(db: PgPool) {
    let two = Two::start(db).await;
    let (token, project) = two.a.owner_of("treasury").await;
    let (_, viewer) = two.a.user("vic@example.com", false).await;
    two.a.member(project, "vic@example.com", Role::Viewer).await;
    let seen = async |token: &str| two.b.read(token, PROJECT).await;
    // The second time from memory.
    for _ in 0..2 {
        let project = seen(&viewer).await;
        assert_eq!(project["role"], "viewer");
        assert_eq!(project["counts"]["uploads"], 0);
    }
    let member = json!({"kind": "user", "name": "vic@example.com", "role": "editor"});
    let members = format!("{PROJECT}/members");
    two.send(&token, "PUT", &members, Some(member)).await;
    assert_eq!(seen(&viewer).await["role"], "editor");
    two.send(&token, "PATCH", PROJECT, Some(json!({"name": "New"})))
        .await;
    assert_eq!(seen(&viewer).await["name"], "New");
    two.a.upload(&token, project, "a.csv", "a\n").await;
    assert_eq!(seen(&viewer).await["counts"]["uploads"], 1);
    let member = format!("{members}/user/vic@example.com");
    two.send(&token, "DELETE", &member, None).await;
    assert_eq!(
        status(&two.b, &viewer, PROJECT).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(seen(&token).await["counts"]["members"], 1);
}

#[sqlx::test]
async fn what_ends_a_session_ends_it_at_every_process(db: PgPool) {
    let two = Two::start(db).await;
    let me = "/api/v2/users/me";
    let (_, admin) = two.a.user("root@example.com", true).await;
    let user = two.a.user_with_password("ann@example.com").await;
    let login = async || two.a.login("ann@example.com", PASSWORD).await;
    let logged_in = [login().await, login().await, login().await];
    let tokens: Vec<&str> = logged_in
        .iter()
        .map(|login| login["accessToken"].as_str().unwrap())
        .collect();
    let statuses = async || {
        let mut statuses = Vec::new();
        for token in &tokens {
            statuses.push(status(&two.b, token, me).await.as_u16());
        }
        statuses
    };
    for _ in 0..2 {
        assert_eq!(statuses().await, [200, 200, 200]);
    }
    let refresh = json!({"refreshToken": logged_in[0]["refreshToken"]});
    two.send("", "POST", "/api/v2/auth/logout", Some(refresh))
        .await;
    assert_eq!(statuses().await, [401, 200, 200]);
    let password = json!({"currentPassword": PASSWORD, "newPassword": "another horse battery"});
    two.send(tokens[1], "PUT", &format!("{me}/password"), Some(password))
        .await;
    assert_eq!(statuses().await, [401, 200, 401]);
    let path = format!("/api/v2/users/{user}");
    two.send(&admin, "PATCH", &path, Some(json!({"disabled": true})))
        .await;
    assert_eq!(statuses().await, [401, 401, 401]);
    // A role of the platform is as much a permission as one in a project.
    let other = two.a.user("bob@example.com", true).await;
    assert_eq!(
        status(&two.b, &other.1, "/api/v2/users").await,
        StatusCode::OK
    );
    let path = format!("/api/v2/users/{}", other.0);
    two.send(
        &admin,
        "PATCH",
        &path,
        Some(json!({"platformAdmin": false})),
    )
    .await;
    assert_eq!(
        status(&two.b, &other.1, "/api/v2/users").await,
        StatusCode::FORBIDDEN
    );
}

#[sqlx::test]
async fn a_final_run_is_cached_to_the_last_digit_and_follows_its_reviews_and_its_job(db: PgPool) {
    let two = Two::with(db, "1").await;
    let (token, project) = two.a.owner_of("treasury").await;
    let spec = two.a.exceptional_spec(&token, project).await;
    let jobs = format!("{PROJECT}/jobs");
    let job = json!({"name": "monthly", "spec": spec});
    two.send(&token, "POST", &jobs, Some(job)).await;
    let path = format!("{jobs}/monthly/runs");
    let run = json_of(two.send(&token, "POST", &path, Some(json!({}))).await).await;
    let id: Uuid = run["id"].as_str().unwrap().parse().unwrap();
    let finished = two.a.wait_for(&token, id, "succeeded").await;
    let path = format!("/api/v2/runs/{id}");
    let from_database = json_of(
        Server::start(two.a.app.db.clone())
            .await
            .get(&path)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap(),
    )
    .await;
    while found(&two.b, "run", "memory", "hit").await == 0 {
        assert_eq!(two.b.read(&token, &path).await, from_database);
    }
    assert_eq!(finished["job"], from_database["job"]);

    let reviews = two.a.read(&token, &format!("{path}/reviews")).await;
    let group = reviews["items"][0]["groupId"].as_str().unwrap();
    let accept = format!("{path}/reviews/{group}/accept");
    two.send(&token, "POST", &accept, None).await;
    assert_eq!(two.b.read(&token, &path).await["reviews"]["accepted"], 1);
    two.send(&token, "DELETE", &format!("{jobs}/monthly"), None)
        .await;
    assert_eq!(two.b.read(&token, &path).await["job"], Value::Null);
}

#[sqlx::test]
async fn one_process_without_redis_caches_and_two_do_not(db: PgPool) {
    let a = Server::start(db.clone()).await;
    let (token, _) = a.owner_of("treasury").await;
    a.cache().await;
    while found(&a, "project", "memory", "hit").await == 0 {
        a.read(&token, PROJECT).await;
    }
    let b = Server::start(db).await;
    tokio::spawn(b.app.clone().keep_cache(b.stop.clone()));
    // It changes something at once, while the first one may still serve from its memory.
    let request = b.request("PATCH", PROJECT).bearer_auth(&token);
    let request = request
        .header("If-Match", "*")
        .json(&json!({"name": "New"}));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(a.read(&token, PROJECT).await["name"], "New");
    while a.app.cache.serves() || b.app.cache.serves() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = found(&a, "project", "memory", "hit").await;
    a.read(&token, PROJECT).await;
    assert_eq!(found(&a, "project", "memory", "hit").await, before);
    // Once the other one has gone, the first one caches again.
    b.stop.cancel();
    while !a.app.cache.serves() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[sqlx::test]
async fn a_process_told_to_cache_nothing_still_tells_others_of_its_changes(db: PgPool) {
    let redis = Redis::start();
    let url = redis.url();
    let a = Server::with(db.clone(), &[("REDIS_URL", &url)]).await;
    let off = [("REDIS_URL", url.as_str()), ("CACHE_MEGABYTES", "0")];
    let b = Server::with(db, &off).await;
    connected(&a).await;
    connected(&b).await;
    a.cache().await;
    tokio::spawn(b.app.clone().keep_cache(b.stop.clone()));
    let (token, _) = a.owner_of("treasury").await;
    while found(&a, "project", "memory", "hit").await == 0 {
        a.read(&token, PROJECT).await;
    }
    let request = b.request("PATCH", PROJECT).bearer_auth(&token);
    let request = request
        .header("If-Match", "*")
        .json(&json!({"name": "New"}));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(a.read(&token, PROJECT).await["name"], "New");
    assert!(!b.app.cache.serves());
}
