//! Real processes: servers and Redis, each ended when it is dropped.

use reqwest::Client;
use sqlx::PgPool;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A free port of 127.0.0.1, which nobody else of this process is given.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Ends a process, by its id.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Redis without a memory of its own: what it knew is gone when it is killed.
pub struct Redis {
    port: u16,
    process: Option<Ended>,
    directory: TempDir,
}

impl Redis {
    pub fn start() -> Self {
        let mut redis = Self {
            port: free_port(),
            process: None,
            directory: TempDir::new().unwrap(),
        };
        redis.restart();
        redis
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address())
    }

    /// Kills it, without any time to say so.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was, and returns once it answers.
    pub fn restart(&mut self) {
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &self.port.to_string()])
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server runs; scripts/setup installs it");
        self.process = Some(Ended(process));
        for _ in 0..500 {
            if self.answers() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not answer");
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else {
            return false;
        };
        let mut answer = [0; 7];
        let asked = stream.write_all(b"PING\r\n");
        asked.is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"+PONG\r\n"
    }
}

/// A process of the server.
pub struct Replica {
    process: Ended,
    pub url: String,
    pub metrics: String,
}

impl Replica {
    /// Starts one and returns once it is ready. Its log goes nowhere, unless `SERVER_LOG` names a file.
    pub async fn start(db: &PgPool, directory: &TempDir, changes: &[(&str, &str)]) -> Self {
        let log = std::env::var("SERVER_LOG").unwrap_or_else(|_| "/dev/null".into());
        Self::start_with_log(db, directory, changes, log.as_ref()).await
    }

    /// Starts one with a log and returns once it is ready.
    pub async fn start_with_log(
        db: &PgPool,
        directory: &TempDir,
        changes: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let (port, metrics) = (free_port(), free_port());
        let process = Command::new(assert_cmd::cargo::cargo_bin("reconciliation-server"))
            .arg("serve")
            .env_clear()
            .envs(super::variables(directory))
            .env("DATABASE_URL", super::database_url(db))
            .env("BIND_ADDRESS", format!("127.0.0.1:{port}"))
            .env("METRICS_BIND_ADDRESS", format!("127.0.0.1:{metrics}"))
            .env("RUST_LOG", "warn")
            .envs(changes.iter().copied())
            .stderr(log)
            .spawn()
            .unwrap();
        let replica = Self {
            process: Ended(process),
            url: format!("http://127.0.0.1:{port}"),
            metrics: format!("http://127.0.0.1:{metrics}/metrics"),
        };
        let client = client();
        for _ in 0..600 {
            let ready = client.get(format!("{}/readyz", replica.url)).send().await;
            if ready.is_ok_and(|response| response.status().is_success()) {
                return replica;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the server does not become ready");
    }

    /// Waits until a metric has a sample above zero.
    pub async fn wait_for_metric(&self, sample: &str) {
        for _ in 0..600 {
            if self.metric(sample).await > 0.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{sample} stays zero");
    }

    /// Waits until a log has a text.
    pub async fn wait_for_log(&self, log: &Path, text: &str) {
        for _ in 0..600 {
            if std::fs::read_to_string(log).unwrap().contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{text} is not logged");
    }

    /// The sum of the samples whose line begins so.
    pub async fn metric(&self, sample: &str) -> f64 {
        let text = client().get(&self.metrics).send().await.unwrap();
        let text = text.text().await.unwrap();
        let values = text.lines().filter(|line| line.starts_with(sample));
        values
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }

    /// Sends the process a signal.
    pub fn signal(&self, name: &str) {
        let id = self.process.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }
}

pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}
