//! Uploads: streamed, hashed and bounded, and nothing left behind when they fail.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use futures::stream;
use reqwest::{Body, StatusCode};
use sqlx::PgPool;
use std::time::Duration;
use support::{Server, assert_problem, json_of};
use tokio::io::AsyncWriteExt;

mod support;

#[sqlx::test]
async fn the_same_content_under_the_same_name_is_one_upload(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let path = format!("/api/v2/projects/{project}/uploads?name=ledger.csv");
    let send = async |path: &str| {
        server
            .request("POST", path)
            .bearer_auth(&token)
            .body("a,b\n1,2\n")
            .send()
            .await
            .unwrap()
    };
    let first = send(&path).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let location = first.headers()["location"].to_str().unwrap().to_owned();
    let first = json_of(first).await;
    assert_eq!(first["size"], 8);
    assert_eq!(first["sha256"], sha256_hex(b"a,b\n1,2\n"));
    let second = send(&path).await;
    assert_eq!(second.status(), StatusCode::OK);
    assert_eq!(json_of(second).await, first);
    assert_eq!(
        json_of(
            server
                .get(&location)
                .bearer_auth(&token)
                .send()
                .await
                .unwrap()
        )
        .await,
        first
    );

    // Under another name it is another upload of the same object.
    let other = send(&path.replace("ledger", "other")).await;
    assert_eq!(other.status(), StatusCode::CREATED);
    assert_ne!(json_of(other).await["id"], first["id"]);
    assert_eq!(server.stored().len(), 1);

    let list = format!("/api/v2/projects/{project}/uploads?limit=1");
    let page = json_of(server.get(&list).bearer_auth(&token).send().await.unwrap()).await;
    assert_eq!(page["items"][0]["name"], "other.csv");
    let next = format!("{list}&cursor={}", page["nextCursor"].as_str().unwrap());
    let page = json_of(server.get(&next).bearer_auth(&token).send().await.unwrap()).await;
    assert_eq!(
        (&page["items"][0], page["nextCursor"].is_null()),
        (&first, true)
    );
}

fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}

#[sqlx::test]
async fn a_too_large_upload_leaves_nothing(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let path = format!("/api/v2/projects/{project}/uploads?name=big.csv");
    let announced = server
        .request("POST", &path)
        .bearer_auth(&token)
        .body(vec![b'x'; 1_000_001]);
    assert_problem(announced.send().await.unwrap(), 413, "too-large").await;
    // Without a length only the stream itself shows it.
    let chunks = stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 100_000])));
    let streamed = server
        .request("POST", &path)
        .bearer_auth(&token)
        .body(Body::wrap_stream(chunks));
    assert_problem(streamed.send().await.unwrap(), 413, "too-large").await;
    assert_eq!(server.stored(), Vec::<String>::new());
    let exact = server
        .request("POST", &path)
        .bearer_auth(&token)
        .body(vec![b'x'; 1_000_000]);
    assert_eq!(exact.send().await.unwrap().status(), StatusCode::CREATED);
}

#[sqlx::test]
async fn an_aborted_upload_leaves_nothing(db: PgPool) {
    let server = Server::with(db, &[("MAX_UPLOAD_BYTES", "100000000")]).await;
    let (token, project) = server.owner_of("treasury").await;
    let address = server.url.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v2/projects/{project}/uploads?name=a.csv HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 50000000\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    // More than one part, so that the store has begun to write.
    socket.write_all(&vec![b'x'; 20_000_000]).await.unwrap();
    drop(socket);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if server.stored().is_empty() {
            break;
        }
    }
    assert_eq!(server.stored(), Vec::<String>::new());
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM uploads")
        .fetch_one(&server.app.db)
        .await
        .unwrap();
    assert_eq!(count, 0);
}

#[sqlx::test]
async fn a_bad_name_is_refused(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let long = "x".repeat(256);
    for name in ["", ".", "..", "..%2Fetc", "a%5Cb", "a%00b", "a%0Ab", &long] {
        let path = format!("/api/v2/projects/{project}/uploads?name={name}");
        let response = server
            .request("POST", &path)
            .bearer_auth(&token)
            .body("x")
            .send()
            .await
            .unwrap();
        assert_problem(response, 400, "bad-request").await;
    }
    let path = format!("/api/v2/projects/{project}/uploads");
    let response = server
        .request("POST", &path)
        .bearer_auth(&token)
        .body("x")
        .send()
        .await
        .unwrap();
    assert_problem(response, 400, "bad-request").await;
    assert_eq!(server.stored(), Vec::<String>::new());
}

#[sqlx::test]
async fn requests_are_read_strictly(db: PgPool) {
    let server = Server::start(db).await;
    let (_, token) = server.user("ann@example.com", false).await;
    let projects = "/api/v2/projects";
    let unknown = serde_json::json!({"slug": "a", "name": "A", "colour": "red"});
    let response = server
        .post(projects, &unknown)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_problem(response, 400, "bad-request").await;
    let big = serde_json::json!({"slug": "a", "name": "x".repeat(2 << 20)});
    let response = server
        .post(projects, &big)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_problem(response, 413, "too-large").await;
    let response = server
        .request("POST", projects)
        .bearer_auth(&token)
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_problem(response, 415, "unsupported-media-type").await;
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?page=2",
        "?cursor=%2F",
    ] {
        let response = server
            .get(&format!("{projects}{query}"))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_problem(response, 400, "bad-request").await;
    }
    assert_problem(
        server.get("/api/v2/nothing").send().await.unwrap(),
        404,
        "not-found",
    )
    .await;
    let response = server.request("DELETE", "/livez").send().await.unwrap();
    assert_problem(response, 405, "method-not-allowed").await;
    for slug in ["UPPER", "-a", "", "0b7c7f3e-0000-4000-8000-000000000000"] {
        let body = serde_json::json!({"slug": slug, "name": "A"});
        let response = server
            .post(projects, &body)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_problem(response, 400, "bad-request").await;
    }
}

#[sqlx::test]
async fn what_a_dead_process_left_behind_is_swept(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    server.upload(&token, project, "a.csv", "a\n").await;
    let temporary = server.directory.path().join("store/tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    std::fs::write(temporary.join("left-behind"), "half").unwrap();
    let storage = &server.app.storage;
    assert_eq!(
        storage
            .delete_abandoned(Duration::from_mins(1))
            .await
            .unwrap(),
        0
    );
    assert_eq!(storage.delete_abandoned(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(server.stored().len(), 1, "the upload stays");
}
