//! API10, unsafe consumption of APIs: what the object store, the cluster's keys and the database
//! give is looked at as hard as what clients send. The database's certificate is in `program.rs`,
//! a replaced key of the cluster in `auth.rs`.

use crate::support::{Server, assert_problem};
use sqlx::PgPool;
use std::time::Duration;

#[sqlx::test]
async fn a_file_that_was_changed_in_the_store_is_not_reconciled(db: PgPool) {
    let server = Server::with(db, &[("WORKERS", "1"), ("MAX_ATTEMPTS", "1")]).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    for key in server.stored() {
        let path = server.directory.path().join("store").join(key);
        let content = std::fs::read_to_string(&path).unwrap();
        // As many bytes, and a good CSV file: only its hash tells.
        std::fs::write(&path, content.replace("1.00", "7.00")).unwrap();
    }
    let run = server.queue(&token, project, &spec).await;
    let run = server.wait_for(&token, run, "failed").await;
    assert_eq!(run["error"]["type"], "storage", "{run}");
    let message = run["error"]["message"].as_str().unwrap();
    assert!(message.contains("changed"), "{message}");
    assert!(run["summary"].is_null());
}

#[sqlx::test]
async fn a_file_that_is_gone_from_the_store_is_named(db: PgPool) {
    let server = Server::with(db, &[("WORKERS", "1"), ("MAX_ATTEMPTS", "1")]).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    for key in server.stored() {
        std::fs::remove_file(server.directory.path().join("store").join(key)).unwrap();
    }
    let run = server.queue(&token, project, &spec).await;
    let run = server.wait_for(&token, run, "failed").await;
    assert_eq!(run["error"]["type"], "storage", "{run}");
}

#[sqlx::test]
async fn broken_keys_of_the_cluster_let_nobody_in(db: PgPool) {
    for content in [
        "",
        "null",
        "[]",
        "{\"keys\": []}",
        "{\"issuer\": \"x\", \"audience\": \"x\", \"subject\": \"x\", \"jwks\": {\"keys\": [{}]}}",
        "\u{0}\u{1}",
    ] {
        let server = Server::start(db.clone()).await;
        let token = server.operator();
        std::fs::write(server.directory.path().join("identity.json"), content).unwrap();
        let request = server.get("/api/v2/projects").bearer_auth(&token);
        let request = request.header("On-Behalf-Of-Namespace", "treasury");
        assert_problem(request.send().await.unwrap(), 401, "unauthenticated").await;
        let alive = server
            .get("/livez")
            .timeout(Duration::from_secs(30))
            .send()
            .await;
        assert!(alive.unwrap().status().is_success());
    }
}
