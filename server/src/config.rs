//! The configuration: environment variables, parsed once into types.
//!
//! Parsing collects every bad variable before it fails, so that one look at the message is enough
//! to mend all of them. A message names variables and never repeats their values.

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

mod secret;
mod storage;

pub use storage::{S3Credentials, StorageConfig};

/// The exit code of every configuration error (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// Every variable that is read, with what it means: the source of `--help`.
pub const VARIABLES: &[(&str, &str)] = &[
    ("ENVIRONMENT", "production or development; required"),
    (
        "JWT_SECRET",
        "key of access tokens, at least 32 bytes; required; in production no known default",
    ),
    (
        "DATABASE_URL",
        "postgres://user:password@host:port/database; required",
    ),
    (
        "DATABASE_MAX_CONNECTIONS",
        "connections of this process, 2 to 1000 [10]",
    ),
    (
        "STORAGE_URL",
        "file:///directory or s3://bucket/prefix; required",
    ),
    (
        "S3_ENDPOINT",
        "URL of an S3-compatible service; absent: AWS",
    ),
    ("S3_REGION", "region of the bucket [us-east-1]"),
    (
        "S3_ACCESS_KEY_ID",
        "access key; absent: the workload's own identity (AWS_* of the pod)",
    ),
    ("S3_SECRET_ACCESS_KEY", "secret of the access key"),
    ("BIND_ADDRESS", "address of the API [0.0.0.0:8080]"),
    ("METRICS_BIND_ADDRESS", "address of /metrics [0.0.0.0:9090]"),
    (
        "SCRATCH_DIR",
        "directory for the files of running runs [/tmp/scratch]",
    ),
    (
        "WORKERS",
        "runs at once in this process, 0 to 64 [1]; 0: API only",
    ),
    (
        "RUN_LEASE_SECONDS",
        "a run whose worker is silent this long is taken over, 3 to 3600 [15]",
    ),
    (
        "MAX_ATTEMPTS",
        "attempts of a run before it fails, 1 to 100 [3]",
    ),
    (
        "MAX_QUEUED_PER_PROJECT",
        "queued runs a project may have, 1 to 1000000 [1000]",
    ),
    (
        "MAX_UPLOAD_BYTES",
        "size of the largest upload [5368709120]",
    ),
    (
        "ACCESS_TOKEN_SECONDS",
        "life of an access token, 60 to 86400 [900]",
    ),
    (
        "OPERATOR_IDENTITY_FILE",
        "JSON {issuer, audience, subject, jwks}; absent: no operator access",
    ),
    ("WORKER_NAME", "name of this worker in a run [HOSTNAME]"),
    (
        "LOCK_TIMEOUT",
        "longest wait of migrate for a lock, such as 5s or 500ms [5s]",
    ),
    (
        "RUST_LOG",
        "log filter, such as info or server=debug [info]",
    ),
    (
        "TERMINATION_MESSAGE_PATH",
        "where check-config and migrate say why they failed [/dev/termination-log]",
    ),
];

/// Whether shortcuts are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Real data: known default secrets are refused.
    Production,
    /// A laptop or a test cluster.
    Development,
}

/// The variables that are wrong, each with the reason; it never holds a value.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(Vec<(&'static str, String)>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configuration error")?;
        for (name, reason) in &self.0 {
            write!(f, "\n  {name} {reason}")?;
        }
        Ok(())
    }
}

/// Where PostgreSQL is. The URL holds a password and stays a secret.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    url: SecretString,
    /// The most connections of this process.
    pub max_connections: u32,
    /// The longest wait of `migrate` for a lock.
    pub lock_timeout: Duration,
}

impl DatabaseConfig {
    /// What to connect with.
    ///
    /// # Errors
    /// Never for a value that [`Config::from_env`] made: the URL was parsed there.
    pub fn connect_options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        Ok(PgConnectOptions::from_str(self.url.expose_secret())?
            .application_name("reconciliation-server"))
    }
}

/// How runs are worked on.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Runs at once; none makes this process an API only.
    pub count: usize,
    /// This worker's name in a run.
    pub name: String,
    /// How long a claim lasts without a heartbeat.
    pub lease: Duration,
    /// Attempts before a run fails.
    pub max_attempts: i32,
    /// Where inputs and outputs of running runs are kept.
    pub scratch: PathBuf,
}

/// The whole configuration of `serve`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Production or development.
    pub environment: Environment,
    /// The key of access tokens.
    pub jwt_secret: SecretString,
    /// How long an access token lives.
    pub access_token_life: Duration,
    /// PostgreSQL.
    pub database: DatabaseConfig,
    /// The object store.
    pub storage: StorageConfig,
    /// Where the API listens.
    pub bind: SocketAddr,
    /// Where `/metrics` listens.
    pub metrics_bind: SocketAddr,
    /// The workers.
    pub workers: WorkerConfig,
    /// Queued runs that one project may have.
    pub max_queued_per_project: i64,
    /// The largest upload.
    pub max_upload_bytes: u64,
    /// The file that says who the operator is.
    pub operator_identity_file: Option<PathBuf>,
    /// The log filter.
    pub log_filter: String,
}

/// Looks a variable up; a function, so that tests need no process environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process environment. A value that is not Unicode counts as absent.
#[must_use]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Config {
    /// Reads the configuration of `serve`.
    ///
    /// # Errors
    /// Every variable that is wrong, at once.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            errors: Vec::new(),
        };
        let environment = reader.environment();
        let config = Self {
            environment,
            jwt_secret: reader.jwt_secret(environment),
            access_token_life: Duration::from_secs(reader.number(
                "ACCESS_TOKEN_SECONDS",
                60,
                86_400,
                900,
            )),
            database: reader.database(),
            storage: storage::read(&mut reader),
            bind: reader.address("BIND_ADDRESS", ([0, 0, 0, 0], 8080)),
            metrics_bind: reader.address("METRICS_BIND_ADDRESS", ([0, 0, 0, 0], 9090)),
            workers: WorkerConfig {
                count: reader.number("WORKERS", 0, 64, 1),
                name: reader.worker_name(),
                lease: Duration::from_secs(reader.number("RUN_LEASE_SECONDS", 3, 3600, 15)),
                max_attempts: reader.number("MAX_ATTEMPTS", 1, 100, 3),
                scratch: reader
                    .text("SCRATCH_DIR")
                    .unwrap_or_else(|| "/tmp/scratch".into())
                    .into(),
            },
            max_queued_per_project: reader.number("MAX_QUEUED_PER_PROJECT", 1, 1_000_000, 1000),
            max_upload_bytes: reader.number("MAX_UPLOAD_BYTES", 1, 1 << 50, 5 << 30),
            operator_identity_file: reader.text("OPERATOR_IDENTITY_FILE").map(PathBuf::from),
            log_filter: reader.log_filter(),
        };
        reader.finish(config)
    }

    /// Reads what `migrate` and `admin` need: the database and the log filter.
    ///
    /// # Errors
    /// Every variable that is wrong, at once.
    pub fn database_from_env(lookup: Lookup<'_>) -> Result<(DatabaseConfig, String), ConfigError> {
        let mut reader = Reader {
            lookup,
            errors: Vec::new(),
        };
        let value = (reader.database(), reader.log_filter());
        reader.finish(value)
    }
}

struct Reader<'a> {
    lookup: Lookup<'a>,
    errors: Vec<(&'static str, String)>,
}

impl Reader<'_> {
    /// A variable's text; an empty one counts as absent, as in a Kubernetes manifest.
    fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn bad(&mut self, name: &'static str, reason: impl Into<String>) {
        self.errors.push((name, reason.into()));
    }

    fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(ConfigError(self.errors))
        }
    }

    fn required(&mut self, name: &'static str) -> Option<String> {
        let value = self.text(name);
        if value.is_none() {
            self.bad(name, "is required and is missing or empty");
        }
        value
    }

    fn number<T>(&mut self, name: &'static str, min: T, max: T, default: T) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let Some(text) = self.text(name) else {
            return default;
        };
        match text.parse::<T>() {
            Ok(value) if value >= min && value <= max => value,
            _ => {
                self.bad(name, format!("must be a whole number from {min} to {max}"));
                default
            }
        }
    }

    fn address(&mut self, name: &'static str, default: ([u8; 4], u16)) -> SocketAddr {
        let Some(text) = self.text(name) else {
            return default.into();
        };
        text.parse().unwrap_or_else(|_| {
            self.bad(
                name,
                "must be an IP address and a port, such as 0.0.0.0:8080",
            );
            default.into()
        })
    }

    fn environment(&mut self) -> Environment {
        match self.text("ENVIRONMENT").as_deref() {
            Some("production") => Environment::Production,
            Some("development") => Environment::Development,
            _ => {
                self.bad(
                    "ENVIRONMENT",
                    "is required and must be production or development",
                );
                // The stricter one, so that the other variables are judged by it.
                Environment::Production
            }
        }
    }

    fn jwt_secret(&mut self, environment: Environment) -> SecretString {
        let value = (self.lookup)("JWT_SECRET").unwrap_or_default();
        if let Err(reason) = secret::check(&value, environment) {
            self.bad("JWT_SECRET", reason);
        }
        SecretString::from(value)
    }

    fn database(&mut self) -> DatabaseConfig {
        let url = self.required("DATABASE_URL").unwrap_or_default();
        let scheme = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let well_formed = scheme && PgConnectOptions::from_str(&url).is_ok();
        if !url.is_empty() && !well_formed {
            self.bad(
                "DATABASE_URL",
                "is no URL of the form postgres://user:password@host:port/database",
            );
        }
        let lock_timeout = self.text("LOCK_TIMEOUT").unwrap_or_else(|| "5s".into());
        let lock_timeout = parse_duration(&lock_timeout).unwrap_or_else(|| {
            self.bad(
                "LOCK_TIMEOUT",
                "must be a duration such as 5s or 500ms, at most 1h",
            );
            Duration::default()
        });
        DatabaseConfig {
            url: SecretString::from(url),
            max_connections: self.number("DATABASE_MAX_CONNECTIONS", 2, 1000, 10),
            lock_timeout,
        }
    }

    fn worker_name(&mut self) -> String {
        let name = self
            .text("WORKER_NAME")
            .or_else(|| self.text("HOSTNAME"))
            .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
            .unwrap_or_else(|| "worker".into());
        name.trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(253)
            .collect()
    }

    fn log_filter(&mut self) -> String {
        let filter = self.text("RUST_LOG").unwrap_or_else(|| "info".into());
        if tracing_subscriber::EnvFilter::try_new(&filter).is_err() {
            self.bad("RUST_LOG", "is no log filter, such as info or server=debug");
        }
        filter
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" | "" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (!duration.is_zero() && duration <= Duration::from_hours(1)).then_some(duration)
}
