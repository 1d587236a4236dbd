//! The desired state of a platform. Pure, and it cannot fail: what can be wrong was found before.

mod api;
mod database;
mod migration;
mod secrets;

use crds::platform::RateLimit;
use serde_json::{Map, Value, json};

use crate::platform::manifest::Manifest;
use crate::platform::validate::{Storage, ValidatedPlatform};

pub use migration::{ATTEMPT, CHECK_CONTAINER, MIGRATE_CONTAINER, job_name_prefix};
pub use secrets::generated_values;

/// What the desired state depends on besides the spec.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The content of the operator identity file.
    pub identity: Value,
    /// The resourceVersion of the Secret that the pods read, once it exists.
    pub secret_version: Option<String>,
}

/// Everything that a platform consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// Draws the secrets from a store.
    pub external_secret: Option<Manifest>,
    /// Of the API pods.
    pub service_account: Manifest,
    /// What the API knows the operator by.
    pub identity: Manifest,
    /// The volume of uploads and results.
    pub storage_claim: Option<Manifest>,
    /// The address of the API.
    pub service: Manifest,
    /// The embedded PostgreSQL.
    pub database: Option<EmbeddedDatabase>,
    /// What needs the Secret's values.
    pub workload: Option<Workload>,
}

/// The embedded PostgreSQL.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedDatabase {
    /// Its address.
    pub service: Manifest,
    /// Its pod.
    pub stateful_set: Manifest,
}

/// What needs the Secret's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Checks the values and migrates the database.
    pub migration: Manifest,
    /// The API pods.
    pub deployment: Manifest,
}

/// The desired state.
pub fn build(platform: &ValidatedPlatform, facts: &Facts) -> Resources {
    Resources {
        external_secret: secrets::external_secret(platform),
        service_account: api::service_account(platform),
        identity: api::identity(platform, &facts.identity),
        storage_claim: api::storage_claim(platform),
        service: api::service(platform),
        database: database::build(platform),
        workload: facts.secret_version.as_deref().map(|version| Workload {
            migration: migration::job(platform, version),
            deployment: api::deployment(platform, version, &facts.identity),
        }),
    }
}

/// The recommended labels.
pub fn labels(platform: &ValidatedPlatform, component: &str) -> Map<String, Value> {
    let mut labels = selector(platform, component);
    labels.insert(
        "app.kubernetes.io/managed-by".into(),
        json!("reconciliation-operator"),
    );
    labels.insert(
        "app.kubernetes.io/part-of".into(),
        json!("reconciliation-platform"),
    );
    labels
}

/// The labels that select a component's pods.
pub fn selector(platform: &ValidatedPlatform, component: &str) -> Map<String, Value> {
    let mut labels = Map::new();
    labels.insert(
        "app.kubernetes.io/name".into(),
        json!("reconciliation-server"),
    );
    labels.insert("app.kubernetes.io/instance".into(), json!(platform.name));
    labels.insert("app.kubernetes.io/component".into(), json!(component));
    labels
}

/// The metadata of an owned object.
fn metadata(platform: &ValidatedPlatform, name: &str, component: &str) -> Value {
    json!({
        "name": name,
        "namespace": platform.namespace,
        "labels": labels(platform, component),
        "annotations": {},
        "ownerReferences": [platform.owner],
    })
}

/// The security context of a pod: nothing runs as root.
fn pod_security(user: i64) -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// The security context of a container.
fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// The user of the server's image.
const SERVER_USER: i64 = 65532;

/// Where the server keeps uploads and results.
const STORAGE_MOUNT: &str = "/data";

/// One variable from the platform's Secret.
fn from_secret(secret: &str, key: &str, optional: bool) -> Value {
    json!({
        "name": key,
        "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": optional}},
    })
}

/// Who gets an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    /// The pods of the API.
    Api,
    /// The migration Job. In it every key is optional, so that `check-config` can name the one that is
    /// missing; a pod without it would hang without a word. It alone gets the owning role's URL.
    Migration,
}

/// The server's environment.
fn server_env(platform: &ValidatedPlatform, process: Process) -> Vec<Value> {
    let secret = platform.secret_name();
    let required = process == Process::Api;
    let environment = match platform.environment {
        crds::platform::Environment::Production => "production",
        crds::platform::Environment::Development => "development",
    };
    let plain = |name: &str, value: &str| json!({"name": name, "value": value});
    let mut env = vec![
        plain("ENVIRONMENT", environment),
        from_secret(&secret, "JWT_SECRET", !required),
        from_secret(&secret, "JWT_SECRET_PREVIOUS", true),
        from_secret(&secret, "DATABASE_URL", !required),
        from_secret(&secret, "REDIS_URL", true),
    ];
    let RateLimit {
        requests_per_minute,
        login_per_minute,
        trusted_proxies,
    } = &platform.rate_limit;
    for (name, value) in [
        ("REQUESTS_PER_MINUTE", requests_per_minute),
        ("LOGINS_PER_MINUTE", login_per_minute),
    ] {
        if let Some(value) = value {
            env.push(plain(name, &value.to_string()));
        }
    }
    if !trusted_proxies.is_empty() {
        env.push(plain("TRUSTED_PROXIES", &trusted_proxies.join(",")));
    }
    if process == Process::Migration {
        env.push(from_secret(&secret, "MIGRATION_DATABASE_URL", true));
    }
    match &platform.storage {
        Storage::Claim(_) | Storage::Volume(_) => {
            env.push(plain("STORAGE_URL", &format!("file://{STORAGE_MOUNT}")));
        }
        Storage::S3(s3) => {
            env.push(plain("STORAGE_URL", &format!("s3://{}", s3.bucket)));
            if let Some(endpoint) = &s3.endpoint {
                env.push(plain("S3_ENDPOINT", endpoint));
            }
            env.push(plain(
                "S3_REGION",
                s3.region.as_deref().unwrap_or("us-east-1"),
            ));
            env.push(from_secret(&secret, "S3_ACCESS_KEY_ID", true));
            env.push(from_secret(&secret, "S3_SECRET_ACCESS_KEY", true));
        }
    }
    env.push(plain("SCRATCH_DIR", "/scratch"));
    env.push(plain("LOCK_TIMEOUT", &platform.lock_timeout));
    env
}

#[cfg(test)]
mod tests;
