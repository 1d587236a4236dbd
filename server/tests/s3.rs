//! The whole way on S3 as the object store: uploads, a run, its pages and its files.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use sqlx::PgPool;
use std::path::Path;
use support::{Server, json_of};
use tempfile::TempDir;
use tokio::net::TcpListener;

mod support;

const ACCESS_KEY: &str = "AKIA-UNDER-TEST";
const SECRET_KEY: &str = "s3-5c0f1e7d9b";

/// An S3 server over HTTP on a free port; its buckets are the folders in `root`.
async fn s3(root: &Path) -> String {
    let mut builder = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                // A client that hangs up is no failure of the test.
                let _ = Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    url
}

fn settings<'a>(endpoint: &'a str, secret: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("WORKERS", "1"),
        ("STORAGE_URL", "s3://recon/platform"),
        ("S3_ENDPOINT", endpoint),
        ("S3_ACCESS_KEY_ID", ACCESS_KEY),
        ("S3_SECRET_ACCESS_KEY", secret),
    ]
}

/// Names of the objects under a folder of the bucket.
fn objects(root: &Path, folder: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![root.join("recon/platform").join(folder)]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[sqlx::test]
async fn uploads_and_runs_live_in_the_bucket(db: PgPool) {
    let root = TempDir::new().unwrap();
    std::fs::create_dir(root.path().join("recon")).unwrap();
    let endpoint = s3(root.path()).await;
    let server = Server::with(db, &settings(&endpoint, SECRET_KEY)).await;
    let (token, project) = server.owner_of("treasury").await;

    // The same content twice is one object and one upload.
    let first = server.upload(&token, project, "a.csv", "id\n1\n").await;
    let second = server.upload(&token, project, "a.csv", "id\n1\n").await;
    assert_eq!(first, second);
    assert_eq!(objects(root.path(), "uploads").len(), 1);

    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    let run = server.wait_for(&token, id, "succeeded").await;
    assert_eq!(run["summary"]["pairs"], 3);

    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v2/runs/{id}/pairs?limit=1{cursor}");
        let page = json_of(server.get(&path).bearer_auth(&token).send().await.unwrap()).await;
        let pairs = page["items"].as_array().unwrap();
        keys.extend(pairs.iter().map(|pair| pair["leftKey"].clone()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(keys, ["a", "b", "c"]);

    let path = format!("/api/v2/runs/{id}/outputs/pairs.csv");
    let file = server.get(&path).bearer_auth(&token).send().await.unwrap();
    let text = file.text().await.unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(objects(root.path(), "runs").contains(&"pairs.parquet".to_owned()));
    assert!(objects(root.path(), "tmp").is_empty());
}

#[sqlx::test]
async fn a_refused_key_fails_the_upload_and_leaves_nothing(db: PgPool) {
    let root = TempDir::new().unwrap();
    std::fs::create_dir(root.path().join("recon")).unwrap();
    let endpoint = s3(root.path()).await;
    let server = Server::with(db, &settings(&endpoint, "not the secret")).await;
    let (token, project) = server.owner_of("treasury").await;
    let path = format!("/api/v2/projects/{project}/uploads?name=a.csv");
    let request = server.request("POST", &path).bearer_auth(&token);
    let response = request.body("id\n1\n").send().await.unwrap();
    assert!(response.status().is_server_error(), "{}", response.status());
    let problem = response.text().await.unwrap();
    assert!(!problem.contains("not the secret") && !problem.contains(ACCESS_KEY));
    let uploads: i64 = sqlx::query_scalar("SELECT count(*) FROM uploads")
        .fetch_one(&server.app.db)
        .await
        .unwrap();
    assert_eq!(uploads, 0);
    assert!(objects(root.path(), "").is_empty());
}
