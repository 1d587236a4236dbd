//! The program as a process: migrating, making an admin, serving, and stopping when told to.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use predicates::prelude::*;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::PgPool;
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{JWT_SECRET, PASSWORD, database_url, json_of, program};

mod support;

/// Ends the process when a test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[sqlx::test(migrations = false)]
async fn from_an_empty_database_to_a_graceful_end(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    program(&db, &directory).arg("migrate").assert().success();
    program(&db, &directory).arg("migrate").assert().success();
    let admin = ["admin", "create", "--email", "Root@Example.com"];
    program(&db, &directory)
        .args(admin)
        .write_stdin("short\n")
        .assert()
        .code(1);
    program(&db, &directory)
        .args(admin)
        .write_stdin(format!("{PASSWORD}\n"))
        .assert()
        .success()
        .stdout(predicate::str::is_empty());
    program(&db, &directory)
        .args(admin)
        .arg("--generate")
        .assert()
        .code(1)
        .stdout(predicate::str::is_empty());
    let other = [
        "admin",
        "create",
        "--email",
        "other@example.com",
        "--generate",
    ];
    program(&db, &directory)
        .args(other)
        .assert()
        .success()
        .stdout(predicate::function(|text: &str| text.trim().len() == 32));

    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let log = directory.path().join("log");
    let mut process = Process(
        std::process::Command::new(assert_cmd::cargo::cargo_bin("reconciliation-server"))
            .arg("serve")
            .env_clear()
            .envs(support::variables(&directory))
            .env("DATABASE_URL", database_url(&db))
            .env("BIND_ADDRESS", format!("127.0.0.1:{port}"))
            .env("METRICS_BIND_ADDRESS", "127.0.0.1:0")
            .env("WORKERS", "1")
            .env("RUST_LOG", "debug")
            .stderr(Stdio::from(std::fs::File::create(&log).unwrap()))
            .spawn()
            .unwrap(),
    );
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let url = format!("http://127.0.0.1:{port}");
    for _ in 0..200 {
        if client.get(format!("{url}/readyz")).send().await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let login = client
        .post(format!("{url}/api/v2/auth/login"))
        .json(&json!({"email": "root@example.com", "password": PASSWORD}))
        .send()
        .await
        .unwrap();
    assert_eq!(login.status(), StatusCode::OK);
    let token = json_of(login).await["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let created = client
        .post(format!("{url}/api/v2/projects"))
        .bearer_auth(&token)
        .json(&json!({"slug": "treasury", "name": "Treasury"}))
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let content = "id,amount\nrecord-content-4711,1\n";
    let upload = client
        .post(format!("{url}/api/v2/projects/treasury/uploads?name=a.csv"))
        .bearer_auth(&token)
        .body(content)
        .send()
        .await
        .unwrap();
    let id = json_of(upload).await["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let run = client
        .post(format!("{url}/api/v2/runs"))
        .bearer_auth(&token)
        .json(&json!({"project": "treasury", "spec": support::spec(id, id)}))
        .send()
        .await
        .unwrap();
    assert_eq!(run.status(), StatusCode::ACCEPTED);
    for _ in 0..200 {
        let state: String = sqlx::query_scalar("SELECT state FROM runs")
            .fetch_one(&db)
            .await
            .unwrap();
        if state == "succeeded" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // SIGTERM by the process's id.
    let status = std::process::Command::new("kill")
        .arg(process.0.id().to_string())
        .status()
        .unwrap();
    assert!(status.success());
    let mut end = None;
    for _ in 0..200 {
        end = process.0.try_wait().unwrap();
        if end.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(end.and_then(|end| end.code()), Some(0));

    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("\"listening\""));
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "no JSON: {line}"
        );
    }
    for secret in [
        PASSWORD,
        JWT_SECRET,
        token.as_str(),
        "record-content-4711",
        "argon2id$",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[sqlx::test(migrations = false)]
async fn a_failed_migration_says_which_statement(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    sqlx::query("CREATE TABLE projects (mine int)")
        .execute(&db)
        .await
        .unwrap();
    let log = directory.path().join("termination-log");
    std::fs::write(&log, "").unwrap();
    program(&db, &directory)
        .arg("migrate")
        .env("TERMINATION_MESSAGE_PATH", &log)
        .assert()
        .code(1)
        .stderr(predicate::str::contains(
            "migration 1 (users and projects) failed",
        ))
        .stderr(predicate::str::contains("statement: CREATE TABLE projects"));
    let message = std::fs::read_to_string(log).unwrap();
    assert!(
        message.contains("statement: CREATE TABLE projects"),
        "{message}"
    );
    // Nothing of the migration stays.
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE tablename = 'users'")
            .fetch_one(&db)
            .await
            .unwrap();
    assert_eq!(tables, 0);
}

#[sqlx::test]
async fn a_migration_waits_for_a_lock_only_so_long(db: PgPool) {
    let directory = tempfile::tempdir().unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations")
        .execute(&db)
        .await
        .unwrap();
    let mut holder = db.begin().await.unwrap();
    sqlx::query("LOCK TABLE _sqlx_migrations IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *holder)
        .await
        .unwrap();
    program(&db, &directory)
        .arg("migrate")
        .env("LOCK_TIMEOUT", "200ms")
        .assert()
        .code(1)
        .stderr(predicate::str::contains("lock timeout"));
}
