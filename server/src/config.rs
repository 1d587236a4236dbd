//! The configuration: environment variables, parsed once into types.
//!
//! Parsing collects every bad variable before it fails, so that one look at the message is enough
//! to mend all of them. A message names variables and never repeats their values.

use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

mod database;
mod limits;
mod redis;
mod secret;
mod storage;
mod variables;

pub use self::redis::RedisConfig;
pub use database::{DatabaseConfig, MigrationConfig};
pub use limits::{AddressHeader, RateLimitConfig};
pub use storage::{S3Credentials, StorageConfig};
pub use variables::VARIABLES;

/// The exit code of every configuration error (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

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

/// How long people stay logged in.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// The longest time without a refresh.
    pub idle: Duration,
    /// The longest time of all.
    pub life: Duration,
}

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionConfig {
    /// Connections at once.
    pub most: usize,
    /// How long a client may take to send a request's head, and to send the next one on a connection
    /// that it keeps.
    pub headers: Duration,
    /// How long a request may take. Streamed routes have limits of their own.
    pub request: Duration,
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
    /// The key before it, whose tokens are still good.
    pub jwt_secret_previous: Option<SecretString>,
    /// How long an access token lives.
    pub access_token_life: Duration,
    /// How long people stay logged in.
    pub sessions: SessionConfig,
    /// How often the head of the audit log is exported.
    pub audit_head_every: Duration,
    /// PostgreSQL.
    pub database: DatabaseConfig,
    /// Redis, where there is one.
    pub redis: Option<RedisConfig>,
    /// Memory for the cache in this process, in bytes; none switches caching off.
    pub cache_bytes: u64,
    /// How much callers may ask.
    pub rate_limits: RateLimitConfig,
    /// The object store.
    pub storage: StorageConfig,
    /// Where the API listens.
    pub bind: SocketAddr,
    /// Where `/metrics` listens.
    pub metrics_bind: SocketAddr,
    /// What clients may take.
    pub connections: ConnectionConfig,
    /// The workers.
    pub workers: WorkerConfig,
    /// Queued runs that one project may have.
    pub max_queued_per_project: i64,
    /// Requests that may watch runs at once.
    pub max_event_streams: usize,
    /// The pause between comments that keep a stream of events open.
    pub event_heartbeat: Duration,
    /// Exceptions of each outcome that a run keeps in the database.
    pub exceptions_per_outcome: usize,
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
        // Only `migrate` connects with it; a bad one is told here, before anything is rolled out.
        reader.owner_url();
        let jwt_secret = reader.jwt_secret(environment);
        let config = Self {
            environment,
            jwt_secret_previous: reader.jwt_secret_previous(environment, &jwt_secret),
            jwt_secret,
            access_token_life: reader.seconds("ACCESS_TOKEN_SECONDS", 60, 86_400, 900),
            sessions: SessionConfig {
                idle: reader.seconds("REFRESH_TOKEN_SECONDS", 300, 31_536_000, 604_800),
                life: reader.seconds("SESSION_SECONDS", 300, 31_536_000, 2_592_000),
            },
            audit_head_every: reader.seconds("AUDIT_HEAD_SECONDS", 10, 86_400, 600),
            database: reader.database(),
            redis: self::redis::read(&mut reader),
            cache_bytes: reader.number::<u64>("CACHE_MEGABYTES", 0, 4096, 16) << 20,
            rate_limits: limits::read(&mut reader),
            storage: storage::read(&mut reader),
            bind: reader.address("BIND_ADDRESS", ([0, 0, 0, 0], 8080)),
            metrics_bind: reader.address("METRICS_BIND_ADDRESS", ([0, 0, 0, 0], 9090)),
            connections: ConnectionConfig {
                most: reader.number("MAX_CONNECTIONS", 1, 100_000, 4000),
                headers: reader.seconds("HEADER_TIMEOUT_SECONDS", 1, 300, 30),
                request: reader.seconds("REQUEST_TIMEOUT_SECONDS", 1, 300, 30),
            },
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
            max_event_streams: reader.number("MAX_EVENT_STREAMS", 0, 100_000, 500),
            event_heartbeat: Duration::from_secs(reader.number(
                "EVENT_HEARTBEAT_SECONDS",
                1,
                300,
                15,
            )),
            exceptions_per_outcome: reader.number("EXCEPTIONS_PER_OUTCOME", 1, 100_000, 5000),
            max_upload_bytes: reader.number("MAX_UPLOAD_BYTES", 1, 1 << 50, 5 << 30),
            operator_identity_file: reader.text("OPERATOR_IDENTITY_FILE").map(PathBuf::from),
            log_filter: reader.log_filter(),
        };
        reader.finish(config)
    }

    /// Reads what `verify-audit` needs: the database, and the object store where it is configured.
    ///
    /// # Errors
    /// Every variable that is wrong, at once.
    pub fn audit_from_env(
        lookup: Lookup<'_>,
    ) -> Result<(DatabaseConfig, Option<StorageConfig>), ConfigError> {
        let mut reader = Reader {
            lookup,
            errors: Vec::new(),
        };
        let database = reader.database();
        let configured = reader.text("STORAGE_URL").is_some();
        let storage = configured.then(|| storage::read(&mut reader));
        reader.finish((database, storage))
    }

    /// Reads what `admin` and `audit-indexes` need: the database and the log filter.
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

    fn seconds(&mut self, name: &'static str, min: u64, max: u64, default: u64) -> Duration {
        Duration::from_secs(self.number(name, min, max, default))
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

    /// The key before this one. It is as good as the key while it is there, so it must be as strong.
    fn jwt_secret_previous(
        &mut self,
        environment: Environment,
        current: &SecretString,
    ) -> Option<SecretString> {
        let value = self.text("JWT_SECRET_PREVIOUS")?;
        if let Err(reason) = secret::check(&value, environment) {
            self.bad("JWT_SECRET_PREVIOUS", reason);
        } else if value == current.expose_secret() {
            self.bad(
                "JWT_SECRET_PREVIOUS",
                "is the same as JWT_SECRET; leave it out when nothing is being replaced",
            );
        }
        Some(SecretString::from(value))
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
