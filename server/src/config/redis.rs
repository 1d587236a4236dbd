//! Where Redis is, if anywhere.

use redis::{ConnectionInfo, IntoConnectionInfo, RedisError};
use secrecy::{ExposeSecret, SecretString};

use super::Reader;

/// Where Redis is. The URL may hold a password and stays a secret.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    url: SecretString,
}

impl RedisConfig {
    /// What to connect with.
    ///
    /// # Errors
    /// Never for a value that [`super::Config::from_env`] made: the URL was parsed there.
    pub fn connection_info(&self) -> Result<ConnectionInfo, RedisError> {
        self.url.expose_secret().into_connection_info()
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<RedisConfig> {
    let url = reader.text("REDIS_URL")?;
    let scheme = url.starts_with("redis://") || url.starts_with("rediss://");
    let config = RedisConfig {
        url: SecretString::from(url),
    };
    if !scheme || config.connection_info().is_err() {
        reader.bad(
            "REDIS_URL",
            "is no URL of the form redis://user:password@host:port/number, or rediss:// for TLS",
        );
    }
    Some(config)
}
