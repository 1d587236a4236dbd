//! API4, unrestricted resource consumption. Bombs and oversized uploads are in `upload_content.rs`
//! and `uploads.rs`, the queue's bound in `runs.rs`; here are documents and clients that are hostile
//! in their shape.

use crate::support::{Server, assert_problem};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_mins(1);

#[sqlx::test]
async fn a_deep_document_is_refused_and_the_process_lives(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    for deep in ["[".repeat(500_000), "{\"a\":".repeat(100_000)] {
        for path in ["/api/v2/runs", "/api/v2/projects", "/api/v2/auth/login"] {
            let request = server.request("POST", path).bearer_auth(&token);
            let request = request.header("Content-Type", "application/json");
            let response = request.body(deep.clone()).send().await.unwrap();
            assert_problem(response, 400, "bad-request").await;
        }
    }
    // As deep as the parser goes, in the one place that takes any document.
    let mut spec = json!(1);
    for _ in 0..120 {
        spec = json!({"passes": [spec]});
    }
    let body = json!({"project": project, "spec": spec}).to_string();
    let request = server.request("POST", "/api/v2/runs").bearer_auth(&token);
    let request = request.header("Content-Type", "application/json");
    let status = request.body(body).send().await.unwrap().status();
    assert!(status.is_client_error(), "{status}");
    assert_eq!(
        server.get("/livez").send().await.unwrap().status(),
        StatusCode::OK
    );
}

#[sqlx::test]
async fn a_specification_of_very_many_parts_is_refused(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let small = server.small_spec(&token, project).await;
    let refused = async |what: &str, change: &dyn Fn(&mut Value)| {
        let mut spec = small.clone();
        change(&mut spec);
        let body = json!({"project": project, "spec": spec});
        let request = server.post("/api/v2/runs", &body).bearer_auth(&token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 422, "{what}");
        let told = assert_problem(response, 422, "invalid-specification").await;
        assert!(
            told.to_string().len() < 200_000,
            "{what}: the answer is small"
        );
    };
    refused("unknown fields", &|spec| {
        for index in 0..20_000 {
            spec[format!("field{index}")] = json!(index);
        }
    })
    .await;
    refused("passes", &|spec| {
        let pass = spec["passes"][0].clone();
        spec["passes"] = (0..2000)
            .map(|index| {
                let mut pass = pass.clone();
                pass["name"] = json!(format!("pass{index}"));
                pass
            })
            .collect();
    })
    .await;
    refused("an expression that nests", &|spec| {
        let deep = format!("{}id{}", "upper(".repeat(20_000), ")".repeat(20_000));
        spec["passes"][0]["block"] = json!([[deep]]);
    })
    .await;
    refused("an expression of very many terms", &|spec| {
        spec["left"]["where"] = json!(vec!["id = 'x'"; 40_000].join(" or "));
    })
    .await;
}

#[sqlx::test]
async fn a_client_that_never_ends_its_header_is_let_go(db: PgPool) {
    let changes = [("HEADER_TIMEOUT_SECONDS", "1"), ("MAX_CONNECTIONS", "2")];
    let server = Server::with(db, &changes).await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
        stream.write_all(head).await.unwrap();
        slow.push(stream);
    }
    // All places are taken. The next client waits, and is answered when the slow ones are gone.
    let answer = tokio::time::timeout(PATIENCE, server.get("/livez").send()).await;
    assert_eq!(answer.unwrap().unwrap().status(), StatusCode::OK);
    for mut stream in slow {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        end.expect("the connection is closed").ok();
        let rest = String::from_utf8_lossy(&rest);
        assert!(rest.is_empty() || rest.contains(" 408 "), "{rest}");
    }
}

#[sqlx::test]
async fn a_body_that_trickles_does_not_hold_a_request_for_ever(db: PgPool) {
    let server = Server::with(db, &[("REQUEST_TIMEOUT_SECONDS", "1")]).await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = "POST /api/v2/auth/login HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    end.expect("the request is given up").unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("503"), "{answer}");
    assert!(answer.contains("problem:timeout"), "{answer}");
}

#[sqlx::test]
async fn too_much_of_a_head_is_refused(db: PgPool) {
    let server = Server::start(db).await;
    let long = format!("/livez?{}", "x".repeat(1 << 20));
    // A refusal, or the connection closed over it while more is sent.
    let refused = |answer: Result<reqwest::Response, reqwest::Error>| {
        answer.map_or(true, |response| response.status().is_client_error())
    };
    assert!(refused(server.get(&long).send().await));
    let mut many = server.get("/livez");
    for index in 0..2000 {
        many = many.header(format!("X-Header-{index}"), "x");
    }
    assert!(refused(many.send().await));
    assert_eq!(
        server.get("/livez").send().await.unwrap().status(),
        StatusCode::OK
    );
}
