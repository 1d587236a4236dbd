//! Objects of S3-compatible stores.

use std::env;
use std::error::Error as _;
use std::io::Write;
use std::time::Duration;

use futures::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStoreExt, RetryConfig};

use super::Fetching;
use super::spool::{self, Spool};

/// How long a connection may take, and how long nothing may come over it.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_mins(1);
/// A body that breaks off is asked for again from where it broke off, within this time.
const RETRIES: usize = 3;
const RETRY_WITHIN: Duration = Duration::from_hours(12);
/// What another program may have set up as the source of credentials.
const CREDENTIALS: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Copies an object into a temporary file.
///
/// # Errors
/// A message that names what is wrong and what to do, and no secret.
pub async fn fetch(bucket: &str, key: &str, progress: &dyn Fetching) -> Result<Spool, String> {
    let store = store(bucket)?;
    let path = Path::parse(key).map_err(|error| format!("the key cannot be read ({error})"))?;
    let told = |error: &Error| explained(error, bucket, key);
    let object = store.get(&path).await.map_err(|error| told(&error))?;
    let size = object.meta.size;
    let mut stream = object.into_stream();
    let mut spool = Spool::new().map_err(|error| spool::failed(&error))?;
    let mut done = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| told(&error))?;
        let written = spool.file().write_all(&chunk);
        written.map_err(|error| spool::failed(&error))?;
        done += chunk.len() as u64;
        progress.advance(done, size);
    }
    if done != size {
        return Err(format!(
            "`{key}` broke off after {done} of {size} bytes; run again"
        ));
    }
    Ok(spool)
}

fn is_set(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !value.is_empty())
}

fn is_anonymous() -> bool {
    !CREDENTIALS.into_iter().any(is_set)
}

fn store(bucket: &str) -> Result<AmazonS3, String> {
    // Another provider of the same process would be as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        .with_timeout_disabled();
    let mut builder = AmazonS3Builder::new()
        .with_client_options(options)
        .with_retry(RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRY_WITHIN,
            ..RetryConfig::default()
        })
        .with_skip_signature(is_anonymous());
    for (name, value) in env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && name.starts_with("AWS_")
            && !value.is_empty()
            && let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>()
        {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = builder
        .get_config_value(&AmazonS3ConfigKey::S3Endpoint)
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    if let Some(endpoint) = endpoint {
        if endpoint.starts_with("http://") && !is_true("AWS_ALLOW_HTTP") {
            return Err(
                "AWS_ENDPOINT_URL is an http:// address, over which everybody can read along; use \
                 https://, or set AWS_ALLOW_HTTP=true"
                    .into(),
            );
        }
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return Err("AWS_ENDPOINT_URL is no address such as https://s3.example.com".into());
        }
    }
    builder.with_bucket_name(bucket).build().map_err(|error| {
        let cause = innermost(&error);
        format!("the AWS_ environment variables do not fit together: {cause}")
    })
}

fn is_true(name: &str) -> bool {
    env::var(name).is_ok_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1"))
}

/// What an error of the store means. Only the code is taken from an answer: its text repeats the
/// key's id and what was signed.
fn explained(error: &Error, bucket: &str, key: &str) -> String {
    let whole = chain(error);
    let code = whole
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map(|(code, _)| code.to_owned());
    let shown = code
        .as_ref()
        .map_or(String::new(), |code| format!(" ({code})"));
    match (error, code.as_deref()) {
        (Error::NotFound { .. }, Some("NoSuchBucket")) => format!(
            "there is no bucket `{bucket}`{shown}; correct its name, AWS_REGION or AWS_ENDPOINT_URL"
        ),
        (Error::NotFound { .. }, _) => {
            format!("there is no object `{key}` in the bucket `{bucket}`{shown}; correct its key")
        }
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _) if is_anonymous() => {
            format!(
                "`{key}` in the bucket `{bucket}` is not for everybody{shown}; set \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        }
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, Some("AccessDenied")) => {
            format!(
                "these credentials may not read `{key}` in the bucket `{bucket}`{shown}; allow \
                 them s3:GetObject, or use others"
            )
        }
        (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }, _) => format!(
            "the credentials are refused{shown}; correct AWS_ACCESS_KEY_ID, \
             AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        ),
        (_, Some(code)) => format!(
            "the store answers {code}; check AWS_REGION and AWS_ENDPOINT_URL, or run again later"
        ),
        (_, None) => format!(
            "`{key}` cannot be fetched from the bucket `{bucket}`: {}; check AWS_ENDPOINT_URL and \
             the network, and run again",
            innermost(error)
        ),
    }
}

/// The messages of an error and of its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push('\n');
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The number of an answer, or else the message of the first cause.
fn innermost(error: &Error) -> String {
    const STATUS: &str = "status code: ";
    let text = chain(error);
    if let Some((_, status)) = text.split_once(STATUS) {
        let number: String = status.chars().take(3).collect();
        return format!("the store answers {number}");
    }
    let last = text.lines().last().unwrap_or_default();
    last.chars().take(200).collect()
}
