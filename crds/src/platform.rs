//! `ReconciliationPlatform`: the service that runs jobs.
#![expect(
    clippy::duplicated_attributes,
    reason = "the lint takes the columns of one derive attribute for repeats"
)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A deployment of the API and its workers, with their secrets, database and storage.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "reconciliation-platform.dev",
    version = "v1alpha1",
    kind = "ReconciliationPlatform",
    namespaced,
    shortname = "rplat",
    category = "reconciliation",
    status = "ReconciliationPlatformStatus",
    derive = "PartialEq",
    doc = "The service that runs ReconciliationJobs: the API with its workers, secrets, database and storage.",
    printcolumn(
        name = "Environment",
        type_ = "string",
        json_path = ".spec.environment"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(
        name = "Endpoint",
        type_ = "string",
        json_path = ".status.endpoint",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.environment != 'Production' || !has(self.secrets.generated)",
        "message": "generated secrets are for Development; use externalSecrets or existingSecret in Production"
    },
    {
        "rule": "self.environment != 'Production' || !has(self.database.embedded)",
        "message": "the embedded database is for Development; use database.external in Production"
    },
    {
        "rule": "!has(self.secrets.generated) || has(self.database.embedded)",
        "message": "generated secrets need database.embedded: the operator cannot invent an external database's URL"
    },
    {
        "rule": "!has(self.database.embedded) || has(self.secrets.generated)",
        "message": "database.embedded needs secrets.generated, which makes its password and URL"
    },
    {
        "rule": "!has(self.storage.s3) || !has(self.secrets.generated)",
        "message": "storage.s3 needs credentials: use externalSecrets or existingSecret"
    }
]))]
pub struct ReconciliationPlatformSpec {
    /// `Production` refuses every shortcut that is meant for trying things out.
    pub environment: Environment,
    /// The server's image; the one that the operator was released with when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// API pods; 1 when absent. Each also runs jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub replicas: Option<i32>,
    /// Where the secrets come from: exactly one source.
    pub secrets: Secrets,
    /// The PostgreSQL database.
    pub database: Database,
    /// Where uploads and results are kept.
    pub storage: Storage,
    /// How the database's schema is brought up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrations: Option<Migrations>,
    /// How many requests a caller may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Projects that this platform declares, with the namespaces whose jobs may run in them. Other
    /// projects are made through the API.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["slug"])
    )]
    pub projects: Vec<Project>,
    /// Compute resources of each API pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Labels that a node must have for the API pods to run on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
}

/// What a platform is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Environment {
    /// Real data: no generated secrets, no embedded database.
    Production,
    /// Trying things out.
    Development,
}

/// A container image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The repository, without a tag.
    #[schemars(length(min = 1, max = 512))]
    pub repository: String,
    /// The tag.
    #[schemars(length(min = 1, max = 128))]
    pub tag: String,
    /// When the image is pulled; `IfNotPresent` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// At every start of a container.
    Always,
    /// When the node lacks it.
    IfNotPresent,
    /// Never; the node must have it.
    Never,
}

/// Where the secrets come from. Exactly one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.externalSecrets), has(self.existingSecret), has(self.generated)].filter(x, x).size() == 1",
    "message": "exactly one of externalSecrets, existingSecret and generated must be set"
}]))]
pub struct Secrets {
    /// An ExternalSecret draws them from a store of the External Secrets Operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_secrets: Option<ExternalSecrets>,
    /// A Secret made by Sealed Secrets or by hand, with the keys `JWT_SECRET` and `DATABASE_URL`,
    /// and `S3_ACCESS_KEY_ID` and `S3_SECRET_ACCESS_KEY` where the storage is S3. It may have
    /// `MIGRATION_DATABASE_URL`, `REDIS_URL` and, while the key is being replaced,
    /// `JWT_SECRET_PREVIOUS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing_secret: Option<ExistingSecret>,
    /// The operator makes random ones, once. Development only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
}

/// Secrets out of a store of the External Secrets Operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecrets {
    /// The store.
    pub store_ref: StoreRef,
    /// How often the store is read again, such as `1h`, which it is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9]+(s|m|h))+$"), length(max = 32))]
    pub refresh_interval: Option<String>,
    /// The key that signs access tokens, at least 32 bytes.
    pub jwt_secret: RemoteKey,
    /// The key before it, while it is being replaced: access tokens that it signed stay good. Leave
    /// it out again when they have run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_secret_previous: Option<RemoteKey>,
    /// The database's URL with user and password, `postgres://user:password@host:5432/name`.
    pub database_url: RemoteKey,
    /// The same database's URL with the role that owns its tables. Migrations run as that role, and
    /// the API's role can then neither alter tables nor touch the audit log's past. Without it both
    /// are one role, and the audit log is protected by a trigger alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration_database_url: Option<RemoteKey>,
    /// The URL of a Redis, `rediss://user:password@host:6379`, that the API pods share for their caches
    /// and rate limits. Without it each pod counts for itself, and several pods read from the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis_url: Option<RemoteKey>,
    /// The S3 access key, with the properties `access-key-id` and `secret-access-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_credentials: Option<S3Credentials>,
}

/// A SecretStore in the platform's namespace, or a ClusterSecretStore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoreRef {
    /// `SecretStore` or `ClusterSecretStore`.
    pub kind: StoreKind,
    /// The store's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The kinds of stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StoreKind {
    /// In the platform's namespace.
    SecretStore,
    /// Of the whole cluster.
    ClusterSecretStore,
}

/// One value in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteKey {
    /// The entry's name in the store, such as `prod/recon`.
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
    /// The property of the entry, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub property: Option<String>,
}

/// One entry of a store that holds an S3 access key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Credentials {
    /// The entry's name in the store.
    #[schemars(length(min = 1, max = 512))]
    pub key: String,
}

/// A Secret in the platform's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExistingSecret {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Random secrets. It has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generated {}

/// The PostgreSQL database. Exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.external) != has(self.embedded)",
    "message": "exactly one of external and embedded must be set"
}]))]
pub struct Database {
    /// A database that exists; its URL is among the secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalDatabase>,
    /// One PostgreSQL pod of the operator's making. Development only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedDatabase>,
}

/// A database that exists. It has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExternalDatabase {}

/// One PostgreSQL pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddedDatabase {
    /// The size of its volume, a Kubernetes quantity such as `1Gi`, which it is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+(Mi|Gi|Ti)$"), length(max = 16))]
    pub storage: Option<String>,
}

/// Where uploads and results are kept. Exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.volume) != has(self.s3)",
    "message": "exactly one of volume and s3 must be set"
}]))]
pub struct Storage {
    /// A volume that every API pod mounts. With several replicas it must be ReadWriteMany, or all
    /// of them on one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
    /// A bucket of an S3-compatible store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
}

/// A volume: an existing claim, or a size for a claim that the operator makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "has(self.claimName) != has(self.size)",
    "message": "exactly one of claimName and size must be set"
}]))]
pub struct Volume {
    /// An existing PersistentVolumeClaim in the platform's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: Option<String>,
    /// The size of a claim of the default StorageClass, such as `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+(Mi|Gi|Ti)$"), length(max = 16))]
    pub size: Option<String>,
}

/// A bucket of an S3-compatible store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// The bucket's name.
    #[schemars(length(min = 3, max = 63))]
    pub bucket: String,
    /// The store's URL; that of AWS when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?://"), length(max = 512))]
    pub endpoint: Option<String>,
    /// The region; `us-east-1` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,
}

/// How many requests a caller may send before the answer is 429.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests in a minute of one person or API token; 600 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: Option<i32>,
    /// Logins in a minute from one address, and for one account; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub login_per_minute: Option<i32>,
    /// Networks of the proxies in front of the API, such as the pods of an ingress: `10.0.0.0/8`. Where
    /// a request comes from is then read from their `X-Forwarded-For`. Without them everybody behind
    /// one proxy has one address, and shares its limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(regex(pattern = "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"), length(max = 43))
    )]
    pub trusted_proxies: Vec<String>,
}

/// How the database's schema is brought up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Migrations {
    /// How long a migration waits for a lock before it gives up, such as `5s`, which it is when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+(ms|s|m)$"), length(max = 16))]
    pub lock_timeout: Option<String>,
    /// How often a failing migration is tried again; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20))]
    pub backoff_limit: Option<i32>,
}

/// A project that the platform declares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// The project's name in URLs: lower-case letters, digits and dashes.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub slug: String,
    /// Namespaces whose jobs may run in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub namespaces: Vec<String>,
}

/// What the operator last saw of a platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationPlatformStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The image tag that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The image tag whose migrations the database has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrated_version: Option<String>,
    /// API pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// The API's address inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// `SecretsReady`, `DatabaseReady`, `Migrated`, `Available` and `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
