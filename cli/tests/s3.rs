//! Sources in buckets: a real S3 server in the process, and servers that misbehave.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rstest::rstest;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;

const ACCESS_KEY: &str = "AKIA-UNDER-TEST";
const SECRET_KEY: &str = "s3-5c0f1e7d9b";

/// An S3 server on a free port, whose bucket `recon` is a folder, and a folder for a job.
struct Store {
    endpoint: String,
    buckets: TempDir,
    folder: TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Store {
    fn new() -> Self {
        let buckets = tempfile::tempdir().unwrap();
        fs::create_dir(buckets.path().join("recon")).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(buckets.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
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
        Self {
            endpoint,
            buckets,
            folder: tempfile::tempdir().unwrap(),
            _runtime: runtime,
        }
    }

    /// Puts an object into the bucket.
    fn put(&self, key: &str, content: &[u8]) {
        let path = self.buckets.path().join("recon").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A command in the folder of a job over these two sources, with the server's credentials.
    fn reconcile(&self, left: &str, right: &str, arguments: &[&str]) -> Command {
        job(self.folder.path(), left, right);
        let mut command = reconcile(self.folder.path(), arguments);
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", "us-east-1");
        command
    }
}

fn job(folder: &Path, left: &str, right: &str) {
    let yaml = format!(
        "left: {{source: {{uri: '{left}'}}, key: [id]}}\n\
         right: {{source: {{uri: '{right}'}}, key: [id]}}\n\
         passes: [{{name: exact, compare: [{{column: amount, exact: {{}}}}]}}]\n"
    );
    fs::write(folder.join("job.yaml"), yaml).unwrap();
}

/// The program without what the environment of the tests says about S3.
fn reconcile(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("reconcile").unwrap();
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments);
    command
}

fn summary(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The message of a run that fails with exit code 1, tells no secret and leaves no output.
fn failure(folder: &Path, mut command: Command) -> String {
    let output = command.output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for secret in [SECRET_KEY, ACCESS_KEY, "Signature=", "StringToSign"] {
        assert!(!message.contains(secret), "{message}");
    }
    assert!(!folder.join("job-out").exists());
    message
}

const LEFT: &str = "id,amount\na,1\nb,2\n";
const RIGHT: &str = "id,amount\nx,1\ny,3\n";
const RUN: [&str; 3] = ["run", "job.yaml", "--json"];

#[test]
fn objects_are_read_like_files_by_their_extensions() {
    let store = Store::new();
    store.put("in/left.csv", LEFT.as_bytes());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(RIGHT.as_bytes()).unwrap();
    store.put("in/right.csv.gz", &gzip.finish().unwrap());
    let output = store
        .reconcile("s3://recon/in/left.csv", "s3://recon/in/right.csv.gz", &RUN)
        .output()
        .unwrap();
    let read = summary(&output);
    assert_eq!(
        (&read["left"]["rows"], &read["right"]["rows"]),
        (&2.into(), &2.into())
    );
    assert_eq!(read["pairs"], 1);

    // What one run wrote is read by the next one: Parquet, which is read from its end.
    let written = fs::read(store.folder.path().join("job-out/unmatched_left.parquet")).unwrap();
    store.put("in/left.parquet", &written);
    let output = store
        .reconcile(
            "s3://recon/in/left.parquet",
            "s3://recon/in/right.csv.gz",
            &RUN,
        )
        .output()
        .unwrap();
    assert_eq!(summary(&output)["left"]["rows"], 1);
}

#[test]
fn a_key_is_taken_as_it_is() {
    let store = Store::new();
    store.put("a b/ü%20+~.csv", LEFT.as_bytes());
    let uri = "s3://recon/a b/ü%20+~.csv";
    let output = store.reconcile(uri, uri, &RUN).output().unwrap();
    assert_eq!(summary(&output)["pairs"], 2);
}

#[test]
fn every_command_that_reads_data_reads_objects_and_validate_reads_none() {
    let store = Store::new();
    store.put("left.csv", LEFT.as_bytes());
    store.put("right.csv", RIGHT.as_bytes());
    let (left, right) = ("s3://recon/left.csv", "s3://recon/right.csv");
    let explained = store
        .reconcile(
            left,
            right,
            &["explain", "job.yaml", "--left", "a", "--right", "x"],
        )
        .output()
        .unwrap();
    assert!(explained.status.success(), "{}", text(&explained.stderr));
    let planned = store
        .reconcile(left, right, &["validate", "job.yaml", "--plan"])
        .output()
        .unwrap();
    assert!(planned.status.success(), "{}", text(&planned.stderr));
    // Nothing is behind this one.
    job(
        store.folder.path(),
        "s3://recon/no-such",
        "s3://recon/nor-such.csv",
    );
    let mut unread = reconcile(store.folder.path(), &["validate", "job.yaml"]);
    let message = text(&unread.output().unwrap().stderr);
    // The first has no extension, which shows without its content.
    assert!(message.starts_with("left.format: is required"), "{message}");
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn a_model_is_trained_on_objects() {
    let store = Store::new();
    for side in ["left", "right"] {
        let person = |n: usize| format!("{side}{n},name{},town{}\n", n % 9, n % 7);
        let rows: String = (0..40).map(person).collect();
        store.put(
            &format!("{side}.csv"),
            format!("id,name,town\n{rows}").as_bytes(),
        );
    }
    let (left, right) = ("s3://recon/left.csv", "s3://recon/right.csv");
    let mut command = store.reconcile(left, right, &["train", "job.yaml"]);
    let file = store.folder.path().join("job.yaml");
    let yaml = fs::read_to_string(&file).unwrap();
    let (sides, _) = yaml.split_once("passes").unwrap();
    let pass = "passes: [{name: people, score: fellegiSunter, block: [[town]], accept: 0.9, review: 0.5, \
                compare: [{column: name, exact: {}}, {column: town, exact: {}}]}]\n";
    fs::write(file, format!("{sides}{pass}")).unwrap();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(store.folder.path().join("model.json").exists());
}

#[test]
fn an_object_that_is_not_there_is_named() {
    let store = Store::new();
    let uri = "s3://recon/no-such.csv";
    let message = failure(store.folder.path(), store.reconcile(uri, uri, &RUN));
    let expected = "left.source.uri: there is no object `no-such.csv` in the bucket `recon`";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn credentials_that_are_refused_are_told_without_them() {
    let store = Store::new();
    store.put("left.csv", LEFT.as_bytes());
    let uri = "s3://recon/left.csv";
    let mut wrong = store.reconcile(uri, uri, &RUN);
    wrong.env("AWS_SECRET_ACCESS_KEY", "not the secret");
    let message = failure(store.folder.path(), wrong);
    assert!(message.contains("the credentials are refused"), "{message}");
    assert!(!message.contains("not the secret"), "{message}");

    let mut nobody = store.reconcile(uri, uri, &RUN);
    nobody
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env_remove("AWS_ACCESS_KEY_ID");
    let message = failure(store.folder.path(), nobody);
    assert!(message.contains("is not for everybody"), "{message}");
    assert!(message.contains("AWS_ACCESS_KEY_ID"), "{message}");

    let mut half = store.reconcile(uri, uri, &RUN);
    half.env_remove("AWS_SECRET_ACCESS_KEY");
    let message = failure(store.folder.path(), half);
    assert!(message.contains("do not fit together"), "{message}");
}

#[test]
fn an_address_without_tls_has_to_be_allowed() {
    let store = Store::new();
    let uri = "s3://recon/left.csv";
    let mut command = store.reconcile(uri, uri, &RUN);
    command.env_remove("AWS_ALLOW_HTTP");
    let message = failure(store.folder.path(), command);
    assert!(message.contains("set AWS_ALLOW_HTTP=true"), "{message}");
    let mut command = store.reconcile(uri, uri, &RUN);
    command.env("AWS_ENDPOINT_URL", "127.0.0.1:9000");
    let message = failure(store.folder.path(), command);
    assert!(
        message.contains("AWS_ENDPOINT_URL is no address"),
        "{message}"
    );
}

/// A server that answers every request with these bytes and hangs up.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) > 0 {
                request.push(byte[0]);
            }
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    endpoint
}

#[rstest]
#[case(
    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"1\"\r\nLast-Modified: Wed, 25 Nov 2026 00:00:00 GMT\r\n\r\nid,amount\na,1\n",
    "cannot be fetched"
)]
#[case(
    "HTTP/1.1 404 Not Found\r\nContent-Length: 40\r\n\r\n<Error><Code>NoSuchBucket</Code></Error>",
    "there is no bucket `recon`"
)]
#[case(
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 40\r\n\r\n<Error><Code>AccessDenied</Code></Error>",
    "is not for everybody (AccessDenied)"
)]
#[case(
    "HTTP/1.1 503 Slow\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "503"
)]
#[case("hello\r\n\r\n", "cannot be fetched")]
fn a_server_that_misbehaves_fails_the_run(#[case] answer: &'static str, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let uri = "s3://recon/left.csv";
    job(folder.path(), uri, uri);
    let mut command = reconcile(folder.path(), &RUN);
    command
        .env("AWS_ENDPOINT_URL", answering(answer))
        .env("AWS_ALLOW_HTTP", "true");
    let message = failure(folder.path(), command);
    assert!(message.contains(expected), "{message}");
    assert!(message.contains("left.source.uri"), "{message}");
}

#[test]
fn a_server_that_is_not_there_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let uri = "s3://recon/left.csv";
    job(folder.path(), uri, uri);
    // Bound and closed again: nothing listens there.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut command = reconcile(folder.path(), &RUN);
    command
        .env("AWS_ENDPOINT_URL", format!("http://{free}"))
        .env("AWS_ALLOW_HTTP", "true");
    let message = failure(folder.path(), command);
    assert!(message.contains("check AWS_ENDPOINT_URL"), "{message}");
}

#[test]
fn files_of_the_command_line_stand_in_for_objects() {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), "s3://recon/left.csv", "s3://recon/right.csv");
    fs::write(folder.path().join("l.csv"), LEFT).unwrap();
    fs::write(folder.path().join("r.csv"), RIGHT).unwrap();
    let files = ["--left", "l.csv", "--right", "r.csv"];
    let output = reconcile(folder.path(), &[&RUN[..], &files].concat())
        .output()
        .unwrap();
    assert_eq!(summary(&output)["pairs"], 1);
}
