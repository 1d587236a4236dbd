//! Which object store, and how it is reached.

use secrecy::SecretString;
use std::path::PathBuf;

use super::Reader;

/// The object store.
#[derive(Clone, Debug)]
pub enum StorageConfig {
    /// A directory, such as a mounted volume.
    Local(PathBuf),
    /// A bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// What every key starts with; may be empty.
        prefix: String,
        /// The URL of an S3-compatible service; AWS when absent.
        endpoint: Option<String>,
        /// The bucket's region.
        region: String,
        /// The key; the workload's own identity when absent.
        credentials: Option<S3Credentials>,
    },
}

/// A static key for S3.
#[derive(Clone, Debug)]
pub struct S3Credentials {
    /// The access key's id.
    pub access_key_id: SecretString,
    /// Its secret.
    pub secret_access_key: SecretString,
}

pub(super) fn read(reader: &mut Reader<'_>) -> StorageConfig {
    let url = reader.required("STORAGE_URL").unwrap_or_default();
    let endpoint = reader.text("S3_ENDPOINT");
    if endpoint
        .as_ref()
        .is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://"))
    {
        reader.bad("S3_ENDPOINT", "must start with https:// or http://");
    }
    let credentials = match (
        reader.text("S3_ACCESS_KEY_ID"),
        reader.text("S3_SECRET_ACCESS_KEY"),
    ) {
        (Some(id), Some(secret)) => Some(S3Credentials {
            access_key_id: SecretString::from(id),
            secret_access_key: SecretString::from(secret),
        }),
        (None, None) => None,
        (None, Some(_)) => {
            reader.bad("S3_ACCESS_KEY_ID", "is required with S3_SECRET_ACCESS_KEY");
            None
        }
        (Some(_), None) => {
            reader.bad("S3_SECRET_ACCESS_KEY", "is required with S3_ACCESS_KEY_ID");
            None
        }
    };
    if let Some(path) = url.strip_prefix("file://") {
        if !path.starts_with('/') {
            reader.bad(
                "STORAGE_URL",
                "must name an absolute directory, such as file:///data",
            );
        }
        return StorageConfig::Local(PathBuf::from(path));
    }
    let (bucket, prefix) = match url.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", ""),
    };
    if bucket.is_empty() && !url.is_empty() {
        reader.bad(
            "STORAGE_URL",
            "must be file:///directory or s3://bucket/prefix",
        );
    }
    StorageConfig::S3 {
        bucket: bucket.into(),
        prefix: prefix.trim_matches('/').into(),
        endpoint,
        region: reader
            .text("S3_REGION")
            .unwrap_or_else(|| "us-east-1".into()),
        credentials,
    }
}
