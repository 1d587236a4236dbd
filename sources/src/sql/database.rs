//! The URL of a database: what it may hold, and how much the server's certificate has to prove.

use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// What may stand behind the `?` of a URL.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// A database to connect to. It cannot be printed, for it holds a password.
pub struct Database {
    /// How to connect.
    pub options: PgConnectOptions,
    /// The environment variable that holds the URL.
    pub variable: String,
    /// Whether the certificate is checked although nobody asked for it.
    pub verified_by_default: bool,
}

impl Database {
    /// Reads a URL, which stands in an environment variable of this name. `pgsslmode` is what the
    /// variable `PGSSLMODE` says for URLs that say nothing about TLS.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with the variable. It repeats nothing of
    /// the URL, any part of which may be the password where a character is not encoded.
    pub fn of(
        url: &SecretString,
        variable: String,
        pgsslmode: Option<String>,
    ) -> Result<Self, String> {
        let text = url.expose_secret();
        let parsed = parse(text)?;
        let mode = mode(&parsed, pgsslmode)?;
        let options = PgConnectOptions::from_str(text)
            .map_err(|_| format!("holds a URL that cannot be read; {SHAPE}"))?
            .disable_statement_logging();
        let local = options.get_socket().is_some() || is_local(options.get_host());
        let verified_by_default = mode.is_none() && !local;
        let mode = mode.unwrap_or(if local {
            PgSslMode::Prefer
        } else {
            PgSslMode::VerifyFull
        });
        if has(&parsed, "sslrootcert") && !matches!(mode, PgSslMode::VerifyFull) {
            return Err(
                "names an sslrootcert, which has an effect with sslmode=verify-full only".into(),
            );
        }
        Ok(Self {
            options: options.ssl_mode(mode),
            variable,
            verified_by_default,
        })
    }

    /// The server, for messages.
    pub fn server(&self) -> String {
        match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.options.get_host(), self.options.get_port()),
        }
    }
}

const SHAPE: &str = "write postgres://user:password@host:5432/database, and a character such as @ : \
                     / ? # % in the user or the password as %40 %3A %2F %3F %23 %25";

fn parse(text: &str) -> Result<Url, String> {
    let cannot = || format!("holds no URL of a PostgreSQL database; {SHAPE}");
    let url = Url::parse(text).map_err(|_| cannot())?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(cannot());
    }
    // A password with one of these characters would otherwise be taken for something else.
    let path = url.path().trim_start_matches('/');
    if url.fragment().is_some() || path.contains(['/', '@']) {
        return Err(format!("holds a URL that cannot be read; {SHAPE}"));
    }
    for (name, _) in url.query_pairs() {
        if !PARAMETERS.contains(&name.as_ref()) {
            let harmless = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let shown = if harmless {
                format!("`{name}`")
            } else {
                "something".into()
            };
            return Err(format!(
                "has {shown} behind the ? of the URL, which is none of {}",
                PARAMETERS.join(", ")
            ));
        }
    }
    Ok(url)
}

fn has(url: &Url, parameter: &str) -> bool {
    url.query_pairs().any(|(name, _)| name == parameter)
}

/// What the URL, or else `PGSSLMODE`, says about TLS.
fn mode(url: &Url, pgsslmode: Option<String>) -> Result<Option<PgSslMode>, String> {
    let said = url.query_pairs().filter(|(name, _)| name == "sslmode");
    let said = said.last().map(|(_, value)| value.into_owned());
    let Some(said) = said.or(pgsslmode).filter(|mode| !mode.is_empty()) else {
        return Ok(None);
    };
    match said.as_str() {
        "disable" => Ok(Some(PgSslMode::Disable)),
        "prefer" => Ok(Some(PgSslMode::Prefer)),
        "require" => Ok(Some(PgSslMode::Require)),
        "verify-full" => Ok(Some(PgSslMode::VerifyFull)),
        // Half a promise: with it, whoever has a certificate of any name may answer.
        "verify-ca" => Err(
            "asks for sslmode=verify-ca, which does not look at the host's name; \
                            write verify-full"
                .into(),
        ),
        _ => Err(
            "asks for an sslmode that is none of disable, prefer, require and verify-full".into(),
        ),
    }
}

/// Whether a host is this machine.
fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || IpAddr::from_str(address).is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
