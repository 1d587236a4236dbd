//! Limits: shared by all processes, kept without Redis, and counted by who really asks.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::json;
use sqlx::PgPool;
use std::time::Instant;
use support::processes::{Redis, Replica, client};
use support::{PASSWORD, Server, assert_problem};

mod support;

const ME: &str = "/api/v2/users/me";

/// How many of some requests were let through; all the others were refused for their number.
async fn allowed(requests: impl IntoIterator<Item = RequestBuilder>) -> u64 {
    let mut allowed = 0;
    for request in requests {
        match request.send().await.unwrap().status() {
            StatusCode::TOO_MANY_REQUESTS => {}
            StatusCode::OK => allowed += 1,
            status => panic!("{status}"),
        }
    }
    allowed
}

/// A bucket of so many a minute gives all of them, and what has filled since it was first used.
fn assert_is_the_bucket(allowed: u64, bucket: u64, since: Instant) {
    let filled = since.elapsed().as_secs() * bucket / 60 + 1;
    assert!(
        (bucket..bucket + filled).contains(&allowed),
        "{allowed} of {bucket}"
    );
}

struct Pair {
    redis: Redis,
    replicas: [Replica; 2],
    token: String,
    _server: Server,
    _directory: tempfile::TempDir,
}

/// Two processes that share a Redis, and somebody with a token.
async fn pair(db: PgPool, changes: &[(&str, &str)]) -> Pair {
    let server = Server::start(db.clone()).await;
    let (_, token) = server.user("ann@example.com", false).await;
    let (redis, directory) = (Redis::start(), tempfile::tempdir().unwrap());
    let url = redis.url();
    let mut changes = changes.to_vec();
    changes.push(("REDIS_URL", &url));
    let start = || Replica::start(&db, &directory, &changes);
    let replicas = [start().await, start().await];
    for replica in &replicas {
        replica.wait_for_metric("redis_connected ").await;
    }
    Pair {
        redis,
        replicas,
        token,
        _server: server,
        _directory: directory,
    }
}

impl Pair {
    fn ask(&self, replica: usize) -> RequestBuilder {
        let url = format!("{}{ME}", self.replicas[replica].url);
        client().get(url).bearer_auth(&self.token)
    }
}

#[sqlx::test]
async fn two_processes_share_one_limit(db: PgPool) {
    let pair = pair(db, &[("REQUESTS_PER_MINUTE", "6")]).await;
    let start = Instant::now();
    let allowed = allowed((0..18).map(|number| pair.ask(number % 2))).await;
    assert_is_the_bucket(allowed, 6, start);
}

#[sqlx::test]
async fn limits_hold_while_redis_is_away_and_nothing_fails(db: PgPool) {
    let mut pair = pair(db, &[("REQUESTS_PER_MINUTE", "6")]).await;
    let start = Instant::now();
    let before = allowed((0..10).map(|_| pair.ask(0))).await;
    assert_is_the_bucket(before, 6, start);
    pair.redis.kill();
    // What a process let through it remembers by itself; the other one counts its own.
    let here = before + allowed((0..5).map(|_| pair.ask(0))).await;
    assert_is_the_bucket(here, 6, start);
    let there = allowed((0..12).map(|_| pair.ask(1))).await;
    assert_is_the_bucket(there, 6, start);
    pair.redis.restart();
    for replica in &pair.replicas {
        replica.wait_for_metric("redis_connected ").await;
    }
    // This Redis knows of nothing, and the processes still do.
    let after = allowed((0..10).map(|number| pair.ask(number % 2))).await;
    assert_is_the_bucket(here + there + after, 12, start);
}

fn header(response: &Response, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

#[sqlx::test]
async fn answers_say_how_much_is_left_and_a_refusal_when_to_go_on(db: PgPool) {
    let limits = [
        ("REQUESTS_PER_MINUTE", "2"),
        ("REQUESTS_PER_MINUTE_OF_ADDRESS", "100"),
    ];
    let server = Server::with(db, &limits).await;
    let (_, token) = server.user("ann@example.com", false).await;
    let ask = || server.get(ME).bearer_auth(&token).send();
    let first = ask().await.unwrap();
    let policy = "\"address\";q=100;w=60, \"user\";q=2;w=60";
    assert_eq!(header(&first, "ratelimit-policy"), policy);
    assert_eq!(
        header(&first, "ratelimit"),
        "\"address\";r=99;t=1, \"user\";r=1;t=30"
    );
    ask().await.unwrap();
    let refused = ask().await.unwrap();
    assert_eq!(header(&refused, "ratelimit-policy"), policy);
    assert!(header(&refused, "ratelimit").contains("\"user\";r=0;t="));
    let wait: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_problem(refused, 429, "too-many-requests").await;
    // Somebody else at the same address goes on, and nobody is let in by being refused.
    let (_, other) = server.user("bob@example.com", false).await;
    let other = server.get(ME).bearer_auth(other).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    let metrics = server.app.metrics.render(&server.app).await.unwrap();
    for (scope, decision, count) in [("user", "allowed", 3), ("user", "refused", 1)] {
        let line = format!(
            "rate_limit_decisions_total{{scope=\"{scope}\",decision=\"{decision}\"}} {count}"
        );
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

async fn try_login(server: &Server, from: &str, email: &str, password: &str) -> StatusCode {
    let body = json!({"email": email, "password": password});
    let request = server.post("/api/v2/auth/login", &body);
    let request = request.header("X-Forwarded-For", from);
    request.send().await.unwrap().status()
}

const BEHIND_A_PROXY: [(&str, &str); 2] =
    [("LOGINS_PER_MINUTE", "3"), ("TRUSTED_PROXIES", "127.0.0.1")];

#[sqlx::test]
async fn an_account_is_guessed_at_from_many_addresses_only_so_often(db: PgPool) {
    let server = Server::with(db, &BEHIND_A_PROXY).await;
    server.user_with_password("ann@example.com").await;
    for account in ["ann@example.com", "nobody@example.com"] {
        for number in 0..3 {
            let from = format!("198.51.100.{number}");
            let status = try_login(&server, &from, account, "wrong").await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        // Also with the right password, and however the name is written: what is refused tells
        // nothing.
        for name in [account.to_owned(), format!(" {} ", account.to_uppercase())] {
            let status = try_login(&server, "198.51.100.9", &name, PASSWORD).await;
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        }
    }
}

#[sqlx::test]
async fn an_address_tries_many_accounts_only_so_often(db: PgPool) {
    let server = Server::with(db, &BEHIND_A_PROXY).await;
    server.user_with_password("ann@example.com").await;
    for number in 0..3 {
        let account = format!("{number}@example.com");
        let status = try_login(&server, "198.51.100.1", &account, "wrong").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    // What the client itself wrote before the proxy's word changes nothing.
    let chain = "192.0.2.7, 198.51.100.1";
    let status = try_login(&server, chain, "ann@example.com", PASSWORD).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let status = try_login(&server, "198.51.100.2", "ann@example.com", PASSWORD).await;
    assert_eq!(status, StatusCode::OK);
}

#[sqlx::test]
async fn a_password_is_guessed_at_with_a_token_only_so_often(db: PgPool) {
    let server = Server::with(db, &[("LOGINS_PER_MINUTE", "2")]).await;
    let (_, token) = server.user("ann@example.com", false).await;
    let body = json!({"currentPassword": "x", "newPassword": "another horse battery"});
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let request = server.request("PUT", "/api/v2/users/me/password");
        let request = request.bearer_auth(&token).json(&body);
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 429]);
}

#[sqlx::test]
async fn whoever_is_no_trusted_proxy_cannot_name_another_address(db: PgPool) {
    let limits = [
        ("REQUESTS_PER_MINUTE_OF_ADDRESS", "4"),
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
    ];
    let server = Server::with(db, &limits).await;
    let start = Instant::now();
    let mut refused = 0;
    for number in 0..12 {
        let request = server.get(ME);
        let request = request.header("X-Forwarded-For", format!("198.51.100.{number}"));
        let request = request.header("Forwarded", format!("for=198.51.100.{number}"));
        match request.send().await.unwrap().status() {
            StatusCode::UNAUTHORIZED => {}
            StatusCode::TOO_MANY_REQUESTS => refused += 1,
            status => panic!("{status}"),
        }
    }
    assert_is_the_bucket(12 - refused, 4, start);
}

#[sqlx::test]
async fn health_is_told_however_often_it_is_asked_for(db: PgPool) {
    let server = Server::with(db, &[("REQUESTS_PER_MINUTE_OF_ADDRESS", "1")]).await;
    for path in ["/livez", "/readyz"] {
        for _ in 0..5 {
            let response = server.get(path).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert!(!response.headers().contains_key("ratelimit"));
        }
    }
}

#[sqlx::test]
async fn the_operator_paces_itself(db: PgPool) {
    let server = Server::with(db, &[("REQUESTS_PER_MINUTE", "1")]).await;
    for _ in 0..5 {
        let request = server
            .get("/api/v2/projects")
            .bearer_auth(server.operator());
        let request = request.header("On-Behalf-Of-Namespace", "team");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
}

#[sqlx::test]
async fn a_redis_that_does_not_answer_is_done_without(db: PgPool) {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let server = Server::with(db, &[("REDIS_URL", &url), ("REQUESTS_PER_MINUTE", "3")]).await;
    let (_, token) = server.user("ann@example.com", false).await;
    let start = Instant::now();
    let asked = (0..9).map(|_| server.get(ME).bearer_auth(&token));
    assert_is_the_bucket(allowed(asked).await, 3, start);
}
