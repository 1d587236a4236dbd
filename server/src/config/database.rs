//! Where PostgreSQL is, and as whom it is used.

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;
use std::time::Duration;

use super::{Config, ConfigError, Lookup, Reader};

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

    /// The role that it connects as.
    fn role(&self) -> Option<String> {
        let options = self.connect_options().ok()?;
        Some(options.get_username().to_owned())
    }
}

/// Where `migrate` works, and for whom.
#[derive(Clone, Debug)]
pub struct MigrationConfig {
    /// The database as the role that owns the tables.
    pub owner: DatabaseConfig,
    /// The role of the API, where it is another one.
    pub api_role: Option<String>,
}

impl Config {
    /// Reads what `migrate` needs: the database as its owning role, the API's role and the log
    /// filter.
    ///
    /// # Errors
    /// Every variable that is wrong, at once.
    pub fn migration_from_env(
        lookup: Lookup<'_>,
    ) -> Result<(MigrationConfig, String), ConfigError> {
        let mut reader = Reader {
            lookup,
            errors: Vec::new(),
        };
        let api = reader.database();
        let config = match reader.owner_url() {
            None => MigrationConfig {
                owner: api,
                api_role: None,
            },
            Some(url) => {
                let role = api.role();
                let owner = DatabaseConfig { url, ..api };
                MigrationConfig {
                    api_role: role.filter(|role| Some(role) != owner.role().as_ref()),
                    owner,
                }
            }
        };
        let value = (config, reader.log_filter());
        reader.finish(value)
    }
}

impl Reader<'_> {
    fn database_url(&mut self, name: &'static str, url: String) -> SecretString {
        let scheme = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let well_formed = scheme && PgConnectOptions::from_str(&url).is_ok();
        if !url.is_empty() && !well_formed {
            self.bad(
                name,
                "is no URL of the form postgres://user:password@host:port/database",
            );
        }
        SecretString::from(url)
    }

    pub(super) fn owner_url(&mut self) -> Option<SecretString> {
        let url = self.text("MIGRATION_DATABASE_URL")?;
        Some(self.database_url("MIGRATION_DATABASE_URL", url))
    }

    pub(super) fn database(&mut self) -> DatabaseConfig {
        let url = self.required("DATABASE_URL").unwrap_or_default();
        let url = self.database_url("DATABASE_URL", url);
        let lock_timeout = self.text("LOCK_TIMEOUT").unwrap_or_else(|| "5s".into());
        let lock_timeout = parse_duration(&lock_timeout).unwrap_or_else(|| {
            self.bad(
                "LOCK_TIMEOUT",
                "must be a duration such as 5s or 500ms, at most 1h",
            );
            Duration::default()
        });
        DatabaseConfig {
            url,
            max_connections: self.number("DATABASE_MAX_CONNECTIONS", 2, 1000, 10),
            lock_timeout,
        }
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
