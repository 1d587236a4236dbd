//! What is uploaded is what its name says, and what is refused leaves nothing behind.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use reqwest::{Body, Response, StatusCode};
use sqlx::PgPool;
use std::io::{Cursor, Write as _};
use support::{Server, assert_problem, json_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

mod support;

/// The form of the first version: its fields in the given order.
const BOUNDARY: &str = "----boundary-4711";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn workbook(extra: &[(&str, &[u8])]) -> Vec<u8> {
    let parts: [(&str, &[u8]); 2] = [
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook/>"),
    ];
    archive(&[&parts, extra].concat())
}

fn part(name: &str, file: Option<&str>, content: &[u8]) -> Vec<u8> {
    let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
    let mut part =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n")
            .into_bytes();
    part.extend_from_slice(content);
    part.extend_from_slice(b"\r\n");
    part
}

fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut form = parts.concat();
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}

struct Uploads {
    server: Server,
    token: String,
    project: Uuid,
}

impl Uploads {
    async fn start(db: PgPool) -> Self {
        let server = Server::start(db).await;
        let (token, project) = server.owner_of("treasury").await;
        Self {
            server,
            token,
            project,
        }
    }

    async fn send(&self, name: &str, body: impl Into<Body>) -> Response {
        let path = format!("/api/v2/projects/{}/uploads?name={name}", self.project);
        let request = self.server.request("POST", &path).bearer_auth(&self.token);
        request.body(body).send().await.unwrap()
    }

    async fn send_form(&self, token: &str, body: impl Into<Body>) -> Response {
        self.server
            .request("POST", "/api/v1/files/upload")
            .bearer_auth(token)
            .header(
                "content-type",
                format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .body(body)
            .send()
            .await
            .unwrap()
    }

    async fn assert_nothing_left(&self, what: &str) {
        for _ in 0..200 {
            if self.server.stored().is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(self.server.stored(), Vec::<String>::new(), "{what}");
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM uploads")
            .fetch_one(&self.server.app.db)
            .await
            .unwrap();
        assert_eq!(rows, 0, "{what}");
    }
}

#[sqlx::test]
async fn every_format_is_taken_under_its_own_name(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let rows = b"id,amount\n1,2\n".to_vec();
    let files: [(&str, Vec<u8>); 9] = [
        ("a.csv", rows.clone()),
        ("a.tsv", b"id\tamount\n".to_vec()),
        ("a.ndjson", b"{\"id\": 1}\n".to_vec()),
        ("a.json", b"[{\"id\": 1}]".to_vec()),
        ("a.parquet", b"PAR1........PAR1".to_vec()),
        (
            "a.xlsx",
            workbook(&[("xl/worksheets/sheet1.xml", b"<worksheet/>")]),
        ),
        ("a.csv.gz", gzip(&rows)),
        ("a.csv.zst", zstd::encode_all(rows.as_slice(), 3).unwrap()),
        ("rows.data", rows.clone()),
    ];
    for (name, content) in files {
        let response = uploads.send(name, content.clone()).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{name}");
        assert_eq!(json_of(response).await["size"], content.len(), "{name}");
    }
}

#[sqlx::test]
async fn content_that_is_not_what_the_name_says_leaves_nothing(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let rows: &[u8] = b"id,amount\n1,2\n";
    let files: [(&str, Vec<u8>); 11] = [
        ("a.csv", gzip(rows)),
        ("a.csv", workbook(&[])),
        ("a.csv", b"\x7fELF\x02\x01\x01\0".to_vec()),
        ("a.json", rows.to_vec()),
        ("a.ndjson", b"[1]".to_vec()),
        ("a.parquet", rows.to_vec()),
        ("a.arrow", rows.to_vec()),
        ("a.xlsx", rows.to_vec()),
        ("a.xlsx", archive(&[("readme.txt", b"no workbook")])),
        ("a.parquet.gz", gzip(rows)),
        ("rows.data", b"%PDF-1.7".to_vec()),
    ];
    for (name, content) in files {
        let response = uploads.send(name, content).await;
        let problem = assert_problem(response, 415, "unsupported-media-type").await;
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("the content is")
        );
        uploads.assert_nothing_left(name).await;
    }
}

#[sqlx::test]
async fn damaged_and_cut_off_files_leave_nothing(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let book = workbook(&[("xl/worksheets/sheet1.xml", &[b'x'; 5000])]);
    let packed = gzip(b"id,amount\n1,2\n");
    let mut wrong_sum = packed.clone();
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 1;
    let files: [(&str, Vec<u8>); 7] = [
        ("a.csv.gz", packed[..packed.len() - 3].to_vec()),
        ("a.csv.gz", wrong_sum),
        ("a.csv.gz", b"id,amount\n1,2\n".to_vec()),
        (
            "a.csv.zst",
            zstd::encode_all(&[7; 999][..], 3).unwrap()[..9].to_vec(),
        ),
        ("a.parquet", b"PAR1............".to_vec()),
        ("a.xlsx", book[..book.len() - 30].to_vec()),
        ("a.xlsx", workbook(&[("../../etc/passwd", b"x")])),
    ];
    for (name, content) in files {
        let response = uploads.send(name, content).await;
        assert_problem(response, 400, "bad-request").await;
        uploads.assert_nothing_left(name).await;
    }
}

#[sqlx::test]
async fn what_unpacks_to_too_much_leaves_nothing(db: PgPool) {
    let uploads = Uploads::start(db).await;
    // A megabyte is the largest upload here, and so what may always be unpacked.
    let spaces = vec![b' '; 3_000_000];
    let files = [
        ("a.csv.gz", gzip(&spaces)),
        ("a.csv.zst", zstd::encode_all(spaces.as_slice(), 3).unwrap()),
        ("a.xlsx", workbook(&[("xl/worksheets/sheet1.xml", &spaces)])),
        (
            "a.xlsx",
            workbook(&[
                ("xl/worksheets/sheet1.xml", &spaces[..600_000]),
                ("xl/worksheets/sheet2.xml", &spaces[..600_000]),
            ]),
        ),
    ];
    for (name, content) in files {
        assert!(content.len() < 10_000, "{name} is small itself");
        let response = uploads.send(name, content).await;
        let problem = assert_problem(response, 413, "too-large").await;
        assert!(problem["detail"].as_str().unwrap().contains("unpacks"));
        uploads.assert_nothing_left(name).await;
    }
}

#[sqlx::test]
async fn a_workbook_that_lies_about_its_size_is_measured(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let spaces = vec![b' '; 3_000_000];
    let mut book = workbook(&[("xl/worksheets/sheet1.xml", &spaces)]);
    // The size stands in the file's own header and in the table of contents.
    let size = 3_000_000_u32.to_le_bytes();
    let places: Vec<usize> = (0..book.len() - 4)
        .filter(|at| book[*at..].starts_with(&size))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        book[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    let response = uploads.send("a.xlsx", book).await;
    assert!(
        matches!(response.status().as_u16(), 400 | 413),
        "{}",
        response.status()
    );
    uploads.assert_nothing_left("a lying workbook").await;
}

#[sqlx::test]
async fn a_body_that_ends_early_leaves_nothing(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let failing = || {
        let chunks = [
            Ok("id,amount\n"),
            Err(std::io::Error::other("the client broke off")),
        ];
        Body::wrap_stream(stream::iter(chunks))
    };
    let path = format!("/api/v2/projects/{}/uploads?name=a.csv", uploads.project);
    let request = uploads.server.request("POST", &path);
    let result = request
        .bearer_auth(&uploads.token)
        .body(failing())
        .send()
        .await;
    assert!(result.map_or(true, |it| it.status() == StatusCode::BAD_REQUEST));
    uploads.assert_nothing_left("version 2").await;

    // A form whose end is missing, with a length that says that this is all.
    for cut in [30, 120, 150] {
        let whole = form(&[
            part("project_id", None, b"treasury"),
            part("file", Some("a.csv"), b"id,amount\n1,2\n"),
        ]);
        let response = uploads
            .send_form(&uploads.token, whole[..whole.len() - cut].to_vec())
            .await;
        assert_problem(response, 400, "bad-request").await;
        uploads.assert_nothing_left("version 1").await;
    }

    // The connection breaks while the form is sent.
    let address = uploads.server.url.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/files/upload HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 900000\r\n\r\n",
        uploads.token
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let begun = part("file", Some("a.csv"), &vec![b'x'; 100_000]);
    socket.write_all(&begun).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    uploads.assert_nothing_left("a broken connection").await;
}

#[sqlx::test]
async fn the_first_version_answers_as_the_second_and_points_to_it(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let project = uploads.project.to_string();
    let (id, file) = (
        part("project_id", None, project.as_bytes()),
        part("file", Some("ledger.csv"), b"id,amount\n1,2\n"),
    );
    let mut seen = Vec::new();
    for (parts, status) in [
        ([id.clone(), file.clone()], StatusCode::CREATED),
        ([file.clone(), id.clone()], StatusCode::OK),
    ] {
        let response = uploads.send_form(&uploads.token, form(&parts)).await;
        assert_eq!(response.status(), status);
        let headers = response.headers().clone();
        let header = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(header("deprecation"), "@1795564800");
        assert_eq!(header("sunset"), "Tue, 30 Nov 2027 00:00:00 GMT");
        let successor = format!("/api/v2/projects/{project}/uploads");
        assert_eq!(
            header("link"),
            format!("<{successor}>; rel=\"successor-version\"")
        );
        let upload = json_of(response).await;
        let location = header("location").to_owned();
        assert_eq!(uploads.server.read(&uploads.token, &location).await, upload);
        assert_eq!(upload["name"], "ledger.csv");
        seen.push(upload);
    }
    assert_eq!(seen[0], seen[1]);
    let by_slug = form(&[part("project_id", None, b"treasury"), file]);
    let response = uploads.send_form(&uploads.token, by_slug).await;
    assert_eq!(json_of(response).await, seen[0]);
    assert_eq!(uploads.server.stored().len(), 1);
}

#[sqlx::test]
async fn the_first_version_refuses_what_the_second_does(db: PgPool) {
    let uploads = Uploads::start(db).await;
    let (stranger, _) = uploads.server.owner_of("risk").await;
    let id = || part("project_id", None, b"treasury");
    let file = |name: &str, content: &[u8]| part("file", Some(name), content);
    let rows: &[u8] = b"id\n1\n";
    let cases: [(&str, Vec<Vec<u8>>, u16, &str); 10] = [
        ("no file", vec![id()], 400, "bad-request"),
        ("no project", vec![file("a.csv", rows)], 400, "bad-request"),
        ("nothing", vec![], 400, "bad-request"),
        (
            "two files",
            vec![id(), file("a.csv", rows), file("b.csv", rows)],
            400,
            "bad-request",
        ),
        (
            "another field",
            vec![id(), part("colour", None, b"red"), file("a.csv", rows)],
            400,
            "bad-request",
        ),
        (
            "a path",
            vec![id(), file("../a.csv", rows)],
            400,
            "bad-request",
        ),
        (
            "no file name",
            vec![id(), part("file", None, rows)],
            400,
            "bad-request",
        ),
        (
            "too much",
            vec![id(), file("a.csv", &vec![b'x'; 1_000_001])],
            413,
            "too-large",
        ),
        (
            "another type",
            vec![id(), file("a.parquet", rows)],
            415,
            "unsupported-media-type",
        ),
        (
            "no such project",
            vec![file("a.csv", rows), part("project_id", None, b"nowhere")],
            404,
            "not-found",
        ),
    ];
    for (what, parts, status, name) in cases {
        let response = uploads.send_form(&uploads.token, form(&parts)).await;
        assert!(response.headers().contains_key("deprecation"), "{what}");
        assert_problem(response, status, name).await;
        uploads.assert_nothing_left(what).await;
    }
    let good = form(&[file("a.csv", rows), id()]);
    let response = uploads.send_form(&stranger, good.clone()).await;
    assert_problem(response, 404, "not-found").await;
    uploads.assert_nothing_left("a stranger").await;
    let anonymous = uploads.server.request("POST", "/api/v1/files/upload");
    let response = anonymous.body(good).send().await.unwrap();
    assert!(response.headers().contains_key("sunset"));
    assert_problem(response, 401, "unauthenticated").await;
    let no_form = uploads
        .server
        .request("POST", "/api/v1/files/upload")
        .bearer_auth(&uploads.token);
    let response = no_form.body("{}").send().await.unwrap();
    assert_problem(response, 415, "unsupported-media-type").await;
}
