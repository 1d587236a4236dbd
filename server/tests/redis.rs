//! Redis with a password and TLS: used, and its password told to nobody.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use sqlx::PgPool;
use support::processes::Replica;

mod support;

const NEEDED: &str = "run through scripts/with-redis";

/// A server that uses a Redis, and what it logs.
async fn start(db: &PgPool, redis: &str) -> (Replica, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let authority = std::env::var("REDIS_CA").expect(NEEDED);
    let log = directory.path().join("log");
    let changes = [
        ("REDIS_URL", redis),
        // The authorities that the system trusts.
        ("SSL_CERT_FILE", &authority),
        ("RUST_LOG", "trace,sqlx=info"),
    ];
    let replica = Replica::start_with_log(db, &directory, &changes, &log).await;
    (replica, directory)
}

fn log(directory: &tempfile::TempDir) -> String {
    std::fs::read_to_string(directory.path().join("log")).unwrap()
}

fn password(url: &str) -> &str {
    url.split_once("//default:")
        .unwrap()
        .1
        .split_once('@')
        .unwrap()
        .0
}

#[sqlx::test]
async fn redis_is_used_with_a_password_and_over_tls(db: PgPool) {
    for name in ["REDIS_URL", "REDIS_TLS_URL"] {
        let url = std::env::var(name).expect(NEEDED);
        let (replica, directory) = start(&db, &url).await;
        replica.wait_for_metric("redis_connected ").await;
        assert!(!log(&directory).contains(password(&url)), "{name}");
    }
}

#[sqlx::test]
async fn a_redis_that_cannot_be_trusted_or_refuses_is_done_without(db: PgPool) {
    let plain = std::env::var("REDIS_URL").expect(NEEDED);
    let secure = std::env::var("REDIS_TLS_URL").expect(NEEDED);
    let wrong = "a-wrong-password-4711";
    for url in [
        plain.replace(password(&plain), wrong),
        // The certificate is another host's.
        secure.replace("@localhost", "@127.0.0.1"),
    ] {
        let (replica, directory) = start(&db, &url).await;
        replica
            .wait_for_log(&directory.path().join("log"), "no connection to Redis")
            .await;
        assert!(replica.metric("redis_connected ").await < 1.0);
        let log = log(&directory);
        assert!(!log.contains(password(&url)));
    }
}
