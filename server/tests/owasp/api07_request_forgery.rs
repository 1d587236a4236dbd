//! API7, server side request forgery, and what it would be used for: credentials that are borrowed
//! and files of others. A platform reads uploads of the same project and nothing else, so every
//! address and every Secret is refused before anything is resolved.

use crate::support::{Server, assert_problem};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;

/// The places of a specification that an address can stand in.
const PLACES: [&str; 3] = ["left", "right", "fx"];

fn with_source(spec: &Value, place: &str, source: &Value) -> Value {
    let mut spec = spec.clone();
    if place == "fx" {
        spec["fx"] = json!({"to": "EUR", "rates": {
            "source": source, "key": ["currency", "date"],
            "columns": [{"name": "rate", "type": "decimal(18,6)"}]}});
    } else {
        spec[place]["source"] = source.clone();
    }
    spec
}

#[sqlx::test]
async fn no_address_and_no_secret_is_followed(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let small = server.small_spec(&token, project).await;
    // Somebody who listens would hear of it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    let store = server.directory.path().join("store");
    let secret = json!({"name": "platform-secrets", "key": "DATABASE_URL"});
    let sources = [
        json!({"uri": format!("http://{here}/data.csv")}),
        json!({"uri": format!("https://{here}/data.csv")}),
        json!({"uri": "http://169.254.169.254/latest/meta-data/"}),
        json!({"uri": "http://[::1]:8080/api/v2/users"}),
        json!({"uri": "http://0x7f000001/data.csv"}),
        json!({"uri": "https://kubernetes.default.svc/api/v1/secrets"}),
        json!({"uri": "file:///etc/passwd"}),
        json!({"uri": "/etc/passwd"}),
        json!({"uri": "../../etc/passwd"}),
        json!({"uri": store.display().to_string()}),
        json!({"uri": "s3://the-platforms-own-bucket/uploads/other.csv"}),
        json!({"uri": "s3://bucket/data.csv", "secretRef": secret}),
        json!({"uri": "gs://bucket/data.csv"}),
        json!({"uri": "data:text/csv,id%0A1"}),
        json!({"sql": {"secretRef": secret, "query": "SELECT * FROM users"}}),
        json!({"sql": {"secretRef": secret, "query": "COPY users TO PROGRAM 'sh'"}}),
        json!({"configMap": {"name": "kube-root-ca.crt", "key": "ca.crt"}}),
    ];
    for source in &sources {
        for place in PLACES {
            let spec = with_source(&small, place, source);
            for (path, body) in [
                (
                    "/api/v2/runs".to_owned(),
                    json!({"project": project, "spec": spec}),
                ),
                (
                    format!("/api/v2/projects/{project}/jobs"),
                    json!({"name": "a", "spec": spec}),
                ),
            ] {
                let response = server.post(&path, &body).bearer_auth(&token).send().await;
                let told = assert_problem(response.unwrap(), 422, "invalid-specification").await;
                let places = told["errors"].as_array().unwrap();
                let expected = if place == "fx" {
                    "fx.rates.source"
                } else {
                    place
                };
                assert!(
                    places
                        .iter()
                        .any(|it| it["path"].as_str().unwrap().starts_with(expected)),
                    "{place} {source}: {told}"
                );
            }
        }
    }
    // Nothing was queued, and nobody came.
    let runs = format!("/api/v2/projects/{project}/runs");
    assert_eq!(server.all(&token, &runs, 10).await.len(), 0);
    let visitor = std::future::poll_fn(|context| match listener.poll_accept(context) {
        std::task::Poll::Ready(_) => std::task::Poll::Ready(true),
        std::task::Poll::Pending => std::task::Poll::Ready(false),
    });
    assert!(!visitor.await, "somebody followed the address");
}

#[sqlx::test]
async fn results_are_sent_nowhere(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let mut spec = server.small_spec(&token, project).await;
    for uri in [
        "s3://elsewhere/results",
        "/var/lib/results",
        "http://127.0.0.1:1/",
    ] {
        spec["output"]["uri"] = json!(uri);
        let body = json!({"project": project, "spec": spec});
        let response = server
            .post("/api/v2/runs", &body)
            .bearer_auth(&token)
            .send()
            .await;
        let told = assert_problem(response.unwrap(), 422, "invalid-specification").await;
        assert!(told.to_string().contains("output"), "{told}");
    }
}

#[sqlx::test]
async fn expressions_see_their_columns_and_pure_functions_only(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let small = server.small_spec(&token, project).await;
    for expression in [
        "id = (SELECT password_hash FROM users LIMIT 1)",
        "EXISTS (SELECT 1 FROM information_schema.tables)",
        "id IN (SELECT id FROM right)",
        "pg_read_file('/etc/passwd') = id",
        "read_csv('/etc/passwd') = id",
        "getenv('JWT_SECRET') = id",
        "current_user() = id",
        "version() = id",
        "now() > '2020-01-01'",
        "random() > 0.5",
        "uuid() = id",
        "right.amount > 1",
        "id = 'x'; DROP TABLE users",
        "id = $1",
        "id = ?",
        "CAST(id AS no_such_type) = 1",
    ] {
        for place in ["where", "block"] {
            let mut spec = small.clone();
            if place == "where" {
                spec["left"]["where"] = json!(expression);
            } else {
                spec["passes"][0]["block"] = json!([[expression]]);
            }
            let body = json!({"project": project, "spec": spec});
            let response = server
                .post("/api/v2/runs", &body)
                .bearer_auth(&token)
                .send()
                .await;
            let response = response.unwrap();
            assert_eq!(response.status().as_u16(), 422, "{place}: {expression}");
            let told = assert_problem(response, 422, "invalid-specification").await;
            assert!(
                told["errors"][0]["path"].as_str().unwrap().contains(place),
                "{expression}: {told}"
            );
        }
    }
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&server.app.db)
        .await
        .unwrap();
    assert_eq!(users, 1, "the table is still there");
}
