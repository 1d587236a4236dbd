//! Uploads piece by piece, over connections that break.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use server::uploads::resumable;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use std::time::Duration;
use support::{Server, assert_problem};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

mod support;

struct Uploads {
    server: Server,
    token: String,
    project: Uuid,
}

impl Uploads {
    async fn start(db: PgPool) -> Self {
        let changes = [("MAX_UPLOAD_BYTES", "50000000")];
        let server = Server::with(db, &changes).await;
        let (token, project) = server.owner_of("treasury").await;
        Self {
            server,
            token,
            project,
        }
    }

    fn path(&self) -> String {
        format!("/api/v2/projects/{}/uploads/resumable", self.project)
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut request = self.server.request(method, path).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.to_vec()).send().await.unwrap()
    }

    async fn create(&self, name: &str, length: usize) -> Response {
        let metadata = format!("kind dGV4dA==,filename {}", STANDARD.encode(name));
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-length", &length.to_string()),
            ("upload-metadata", &metadata),
        ];
        self.send("POST", &self.path(), &headers, b"").await
    }

    /// A new upload's place.
    async fn begin(&self, name: &str, length: usize) -> String {
        let response = self.create(name, length).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn append(&self, place: &str, offset: usize, bytes: &[u8]) -> Response {
        let offset = offset.to_string();
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-offset", offset.as_str()),
            ("content-type", "application/offset+octet-stream"),
        ];
        self.send("PATCH", place, &headers, bytes).await
    }

    /// Where an upload is.
    async fn offset(&self, place: &str) -> usize {
        let headers = [("tus-resumable", "1.0.0")];
        let response = self.send("HEAD", place, &headers, b"").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["cache-control"], "no-store");
        header(&response, "upload-offset").parse().unwrap()
    }

    async fn rows(&self) -> (i64, i64, i64) {
        sqlx::query_as(
            "SELECT (SELECT count(*) FROM uploads), (SELECT count(*) FROM upload_sessions), \
             (SELECT count(*) FROM upload_pieces)",
        )
        .fetch_one(&self.server.app.db)
        .await
        .unwrap()
    }
}

fn header(response: &Response, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

fn content() -> Vec<u8> {
    (0..9000)
        .flat_map(|row| format!("{row},{}\n", row * 7).into_bytes())
        .collect()
}

#[sqlx::test]
async fn pieces_become_one_upload(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let content = content();
    let options = uploads.send("OPTIONS", &uploads.path(), &[], b"").await;
    assert_eq!(options.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&options, "tus-version"), "1.0.0");
    assert_eq!(
        header(&options, "tus-extension"),
        "creation,expiration,termination"
    );
    assert_eq!(header(&options, "tus-max-size"), "50000000");

    let place = uploads.begin("ledger.csv", content.len()).await;
    assert_eq!(uploads.offset(&place).await, 0);
    let (mut offset, mut last) = (0, None);
    for piece in content.chunks(content.len() / 3) {
        let response = uploads.append(&place, offset, piece).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        offset += piece.len();
        assert_eq!(header(&response, "upload-offset"), offset.to_string());
        assert_eq!(header(&response, "tus-resumable"), "1.0.0");
        assert_eq!(uploads.offset(&place).await, offset);
        last = Some(response);
    }
    let location = header(&last.unwrap(), "content-location");
    let upload = uploads.server.read(&uploads.token, &location).await;
    assert_eq!(
        (&upload["name"], &upload["size"], &upload["sha256"]),
        (
            &json!("ledger.csv"),
            &json!(content.len()),
            &json!(hex::encode(Sha256::digest(&content)))
        )
    );
    let session = uploads.server.read(&uploads.token, &place).await;
    assert_eq!(session["upload"], upload["id"]);
    assert_eq!(uploads.server.stored().len(), 1, "the pieces are gone");
    assert_eq!(uploads.rows().await, (1, 1, 0));
    let more = uploads.append(&place, offset, b"more").await;
    assert_problem(more, 409, "conflict").await;
}

#[sqlx::test]
async fn what_arrived_before_the_connection_broke_is_not_sent_again(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let content = vec![b'x'; 3_000_000];
    let place = uploads.begin("ledger.csv", content.len()).await;
    let address = uploads.server.url.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PATCH {place} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n\
         Content-Type: application/offset+octet-stream\r\nContent-Length: 3000000\r\n\r\n",
        uploads.token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&content[..2_000_000]).await.unwrap();
    drop(socket);
    let mut offset = 0;
    for _ in 0..600 {
        offset = uploads.offset(&place).await;
        if offset > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(offset > 0 && offset <= 2_000_000, "{offset}");
    let response = uploads.append(&place, offset, &content[offset..]).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let location = header(&response, "content-location");
    let upload = uploads.server.read(&uploads.token, &location).await;
    assert_eq!(upload["sha256"], hex::encode(Sha256::digest(&content)));
}

#[sqlx::test]
async fn bytes_are_taken_where_the_upload_is_and_nowhere_else(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let place = uploads.begin("ledger.csv", 100).await;
    let ahead = uploads.append(&place, 10, b"x").await;
    assert_problem(ahead, 409, "conflict").await;
    let much = uploads.append(&place, 0, &[b'x'; 101]).await;
    assert_problem(much, 413, "too-large").await;
    assert_eq!(uploads.offset(&place).await, 0);
    assert_eq!(uploads.server.stored(), Vec::<String>::new());

    // At once: one of them is taken.
    let requests = (0..4).map(|_| uploads.append(&place, 0, &[b'x'; 40]));
    let mut statuses: Vec<u16> = futures::future::join_all(requests)
        .await
        .iter()
        .map(|response| response.status().as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409, 409, 409]);
    assert_eq!(uploads.offset(&place).await, 40);
    assert_eq!(uploads.server.stored().len(), 1);
    let requests = (0..4).map(|_| uploads.append(&place, 40, &[b'x'; 60]));
    let answers = futures::future::join_all(requests).await;
    let good = |response: &&Response| response.status() == StatusCode::NO_CONTENT;
    assert_eq!(answers.iter().filter(good).count(), 1);
    assert_eq!(uploads.server.stored().len(), 1);
    assert_eq!(uploads.rows().await, (1, 1, 0));
}

#[sqlx::test]
async fn a_whole_that_is_refused_leaves_nothing(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let place = uploads.begin("ledger.parquet", 12).await;
    let first = uploads.append(&place, 0, b"id,amo").await;
    assert_eq!(first.status(), StatusCode::NO_CONTENT);
    let second = uploads.append(&place, 6, b"unt\n1,").await;
    assert_problem(second, 415, "unsupported-media-type").await;
    assert_eq!(uploads.server.stored(), Vec::<String>::new());
    assert_eq!(uploads.rows().await, (0, 0, 0));
    let gone = uploads.append(&place, 12, b"").await;
    assert_problem(gone, 404, "not-found").await;
}

#[sqlx::test]
async fn what_nobody_continues_is_given_up(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let given_up = uploads.begin("a.csv", 100).await;
    uploads.append(&given_up, 0, b"x").await;
    let headers = [("tus-resumable", "1.0.0")];
    let deleted = uploads.send("DELETE", &given_up, &headers, b"").await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(uploads.server.stored(), Vec::<String>::new());

    let expired = uploads.begin("b.csv", 100).await;
    uploads.append(&expired, 0, b"x").await;
    sqlx::query("UPDATE upload_sessions SET expires_at = now() - interval '1 second'")
        .execute(&uploads.server.app.db)
        .await
        .unwrap();
    let open = uploads.begin("c.csv", 100).await;
    uploads.append(&open, 0, b"x").await;
    let late = uploads.append(&expired, 1, b"x").await;
    assert_problem(late, 404, "not-found").await;
    let app = &uploads.server.app;
    let sweep = async |age| resumable::sweep_once(app, age).await.unwrap();
    assert_eq!(sweep(Duration::from_mins(1)).await, 0, "it may be new");
    assert_eq!(sweep(Duration::ZERO).await, 1);
    assert_eq!(uploads.rows().await, (0, 1, 1));
    let rest = uploads.append(&open, 1, &[b'y'; 99]).await;
    assert_eq!(rest.status(), StatusCode::NO_CONTENT, "it is still whole");

    let unfinished = "INSERT INTO upload_sessions (id, project_id, name, length, expires_at) \
         SELECT gen_random_uuid(), id, 'd.csv', 1, now() + interval '1 hour' \
         FROM projects, generate_series(1, 100)";
    sqlx::query(unfinished)
        .execute(&uploads.server.app.db)
        .await
        .unwrap();
    let full = uploads.create("e.csv", 1).await;
    assert_problem(full, 409, "conflict").await;
}

#[sqlx::test]
async fn requests_that_are_not_of_the_protocol_are_refused(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let name = format!("filename {}", STANDARD.encode("a.csv"));
    let create =
        async |headers: &[(&str, &str)]| uploads.send("POST", &uploads.path(), headers, b"").await;
    let version = ("tus-resumable", "1.0.0");
    for headers in [
        &[("upload-length", "1"), ("upload-metadata", &name)][..],
        &[
            ("tus-resumable", "0.2.0"),
            ("upload-length", "1"),
            ("upload-metadata", &name),
        ],
    ] {
        let response = create(headers).await;
        assert_eq!(header(&response, "tus-version"), "1.0.0");
        assert_problem(response, 412, "tus-version").await;
    }
    let path = format!("filename {}", STANDARD.encode("../a.csv"));
    for headers in [
        [("upload-length", "1"), ("upload-metadata", "filename")],
        [("upload-length", "1"), ("upload-metadata", "filename ***")],
        [("upload-length", "1"), ("upload-metadata", path.as_str())],
        [("upload-length", "1"), ("upload-metadata", "name YQ==")],
        [("upload-length", "-1"), ("upload-metadata", name.as_str())],
        [("upload-length", "x"), ("upload-metadata", name.as_str())],
        [
            ("upload-defer-length", "1"),
            ("upload-metadata", name.as_str()),
        ],
    ] {
        let response = create(&[&[version][..], &headers].concat()).await;
        assert_problem(response, 400, "bad-request").await;
    }
    let big = create(&[
        version,
        ("upload-length", "50000001"),
        ("upload-metadata", &name),
    ])
    .await;
    assert_problem(big, 413, "too-large").await;

    let place = uploads.begin("a.csv", 10).await;
    let no_type = uploads
        .send("PATCH", &place, &[version, ("upload-offset", "0")], b"x")
        .await;
    assert_problem(no_type, 415, "unsupported-media-type").await;
    let piece = ("content-type", "application/offset+octet-stream");
    let no_offset = uploads.send("PATCH", &place, &[version, piece], b"x").await;
    assert_problem(no_offset, 400, "bad-request").await;
    let (stranger, foreign) = uploads.server.owner_of("risk").await;
    let elsewhere = place.replace(&uploads.project.to_string(), &foreign.to_string());
    for (token, place) in [(&stranger, &place), (&stranger, &elsewhere)] {
        let request = uploads.server.request("HEAD", place).bearer_auth(token);
        let response = request
            .header("tus-resumable", "1.0.0")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    let read: Value = uploads.server.read(&uploads.token, &place).await;
    assert_eq!((&read["offset"], &read["length"]), (&json!(0), &json!(10)));
}
