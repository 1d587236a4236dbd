//! A platform's spec, checked. Later steps take these types and cannot fail on input.

use std::collections::BTreeMap;

use crds::platform::{
    Environment, PullPolicy, RateLimit, ReconciliationPlatform, RemoteKey, S3, StoreKind,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use serde_json::Value;

use crate::config::{Config, SecretPolicy};

/// The longest name of a platform: the names of its objects derive from it and have at most 63
/// characters.
const LONGEST_NAME: usize = 40;

/// A platform that can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedPlatform {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its generation.
    pub generation: i64,
    /// Whether it has served before: then an object that is missing was deleted by somebody.
    pub established: bool,
    /// The reference to it that everything it owns carries.
    pub owner: OwnerReference,
    /// What it is for.
    pub environment: Environment,
    /// The server's image.
    pub image: ServerImage,
    /// API pods.
    pub replicas: i32,
    /// Where the secrets come from.
    pub secrets: SecretsSource,
    /// The PostgreSQL database.
    pub database: Database,
    /// Where uploads and results are kept.
    pub storage: Storage,
    /// The longest wait of a migration for a lock.
    pub lock_timeout: String,
    /// How many requests a caller may send.
    pub rate_limit: RateLimit,
    /// How often a failing migration is tried again.
    pub backoff_limit: i32,
    /// Declared projects and their namespaces, in a stable order.
    pub projects: BTreeMap<String, Vec<String>>,
    /// Compute resources of each API pod, as the user wrote them.
    pub resources: Value,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
}

/// An image.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerImage {
    /// `repository:tag`.
    pub reference: String,
    /// The tag alone, which is the version that the status shows.
    pub tag: String,
    /// When it is pulled.
    pub pull_policy: &'static str,
}

/// Where the secrets come from.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretsSource {
    /// An ExternalSecret.
    External {
        /// The store's kind.
        store_kind: &'static str,
        /// The store's name.
        store_name: String,
        /// How often the store is read.
        refresh_interval: String,
        /// Keys of the Secret, with the entries of the store that they come from.
        entries: Vec<(&'static str, RemoteKey)>,
    },
    /// A Secret of somebody else's making.
    Existing {
        /// Its name.
        name: String,
    },
    /// Random ones.
    Generated,
}

/// The PostgreSQL database.
#[derive(Clone, Debug, PartialEq)]
pub enum Database {
    /// It exists.
    External,
    /// One pod of the operator's making.
    Embedded {
        /// The size of its volume.
        storage: String,
        /// Its image.
        image: String,
    },
}

/// Where uploads and results are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// A claim that exists.
    Claim(String),
    /// A claim of the operator's making, of this size.
    Volume(String),
    /// A bucket.
    S3(S3),
}

impl ValidatedPlatform {
    /// The Secret that the pods read.
    pub fn secret_name(&self) -> String {
        match &self.secrets {
            SecretsSource::Existing { name } => name.clone(),
            SecretsSource::External { .. } | SecretsSource::Generated => {
                format!("{}-secrets", self.name)
            }
        }
    }
}

/// What is wrong with a platform's spec, for its owner to read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Checks a platform. The CRD's own rules refuse most of this at the door; they are checked again
/// here because a CRD can be older than the operator.
pub fn validate(
    platform: &ReconciliationPlatform,
    config: &Config,
    policy: &SecretPolicy,
) -> Result<ValidatedPlatform, Invalid> {
    let name = platform.name_any();
    check_name(&name)?;
    let spec = &platform.spec;
    let database = database(platform, config)?;
    let secrets = secrets(platform, policy)?;
    if matches!(database, Database::Embedded { .. }) != (secrets == SecretsSource::Generated) {
        return Err(Invalid(
            "spec.secrets.generated and spec.database.embedded need each other".into(),
        ));
    }
    let migrations = spec.migrations.clone().unwrap_or_default();
    let resources = match &spec.resources {
        Some(resources) => serde_json::to_value(resources)
            .map_err(|error| Invalid(format!("spec.resources: {error}")))?,
        None => serde_json::json!({}),
    };
    Ok(ValidatedPlatform {
        namespace: platform.namespace().unwrap_or_default(),
        generation: platform.metadata.generation.unwrap_or_default(),
        established: platform
            .status
            .as_ref()
            .is_some_and(|status| status.version.is_some()),
        owner: platform
            .controller_owner_ref(&())
            .ok_or_else(|| Invalid("the platform has no uid".into()))?,
        environment: spec.environment,
        image: image(platform, config),
        replicas: spec.replicas.unwrap_or(1),
        storage: storage(platform)?,
        rate_limit: spec.rate_limit.clone().unwrap_or_default(),
        lock_timeout: migrations.lock_timeout.unwrap_or_else(|| "5s".into()),
        backoff_limit: migrations.backoff_limit.unwrap_or(3),
        projects: spec
            .projects
            .iter()
            .map(|project| {
                let mut namespaces = project.namespaces.clone();
                namespaces.sort();
                (project.slug.clone(), namespaces)
            })
            .collect(),
        resources,
        node_selector: spec.node_selector.clone(),
        name,
        secrets,
        database,
    })
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let starts_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    if name.len() > LONGEST_NAME || !starts_well || name.contains('.') {
        return Err(Invalid(format!(
            "metadata.name: must start with a letter, hold no dot and have at most {LONGEST_NAME} \
             characters, because Services are named after it; create the platform under another name"
        )));
    }
    Ok(())
}

fn image(platform: &ReconciliationPlatform, config: &Config) -> ServerImage {
    match &platform.spec.image {
        Some(image) => ServerImage {
            reference: format!("{}:{}", image.repository, image.tag),
            tag: image.tag.clone(),
            pull_policy: match image.pull_policy {
                Some(PullPolicy::Always) => "Always",
                Some(PullPolicy::Never) => "Never",
                Some(PullPolicy::IfNotPresent) | None => "IfNotPresent",
            },
        },
        None => ServerImage {
            reference: config.server_image.clone(),
            tag: tag_of(&config.server_image).to_owned(),
            pull_policy: "IfNotPresent",
        },
    }
}

/// The tag of `registry:5000/repository:tag`.
fn tag_of(reference: &str) -> &str {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    last.split_once(':').map_or("latest", |(_, tag)| tag)
}

fn secrets(
    platform: &ReconciliationPlatform,
    policy: &SecretPolicy,
) -> Result<SecretsSource, Invalid> {
    let secrets = &platform.spec.secrets;
    let production = platform.spec.environment == Environment::Production;
    match (
        &secrets.external_secrets,
        &secrets.existing_secret,
        secrets.generated,
    ) {
        (Some(external), None, None) => {
            let store_kind = match external.store_ref.kind {
                StoreKind::SecretStore => "SecretStore",
                StoreKind::ClusterSecretStore => "ClusterSecretStore",
            };
            let store_name = external.store_ref.name.clone();
            if !policy.allows_store(store_kind, &store_name) {
                return Err(Invalid(format!(
                    "spec.secrets.externalSecrets.storeRef: the operator may not use \
                     {store_kind}/{store_name}; its administrator can allow it with \
                     externalSecrets.allowedStores"
                )));
            }
            let mut entries = vec![
                ("JWT_SECRET", external.jwt_secret.clone()),
                ("DATABASE_URL", external.database_url.clone()),
            ];
            let optional = [
                ("JWT_SECRET_PREVIOUS", &external.jwt_secret_previous),
                ("MIGRATION_DATABASE_URL", &external.migration_database_url),
                ("REDIS_URL", &external.redis_url),
            ];
            entries.extend(
                optional
                    .into_iter()
                    .filter_map(|(name, remote)| Some((name, remote.clone()?))),
            );
            if let Some(s3) = &external.s3_credentials {
                let property = |property: &str| RemoteKey {
                    key: s3.key.clone(),
                    property: Some(property.into()),
                };
                entries.push(("S3_ACCESS_KEY_ID", property("access-key-id")));
                entries.push(("S3_SECRET_ACCESS_KEY", property("secret-access-key")));
            }
            if let Some((_, refused)) = entries.iter().find(|(_, it)| !policy.allows_key(&it.key)) {
                return Err(Invalid(format!(
                    "spec.secrets.externalSecrets: the operator may not read the key `{}` of a \
                     store; its administrator can allow it with externalSecrets.allowedKeyPrefixes",
                    refused.key
                )));
            }
            Ok(SecretsSource::External {
                store_kind,
                store_name,
                refresh_interval: external
                    .refresh_interval
                    .clone()
                    .unwrap_or_else(|| "1h".into()),
                entries,
            })
        }
        (None, Some(existing), None) => Ok(SecretsSource::Existing {
            name: existing.name.clone(),
        }),
        (None, None, Some(_)) if production => Err(Invalid(
            "spec.secrets.generated: is for Development; use externalSecrets or existingSecret"
                .into(),
        )),
        (None, None, Some(_)) => Ok(SecretsSource::Generated),
        _ => Err(Invalid(
            "spec.secrets: exactly one of externalSecrets, existingSecret and generated must be set"
                .into(),
        )),
    }
}

fn database(platform: &ReconciliationPlatform, config: &Config) -> Result<Database, Invalid> {
    let database = &platform.spec.database;
    match (database.external, &database.embedded) {
        (Some(_), None) => Ok(Database::External),
        (None, Some(_)) if platform.spec.environment == Environment::Production => Err(Invalid(
            "spec.database.embedded: is for Development; use external".into(),
        )),
        (None, Some(embedded)) => Ok(Database::Embedded {
            storage: embedded.storage.clone().unwrap_or_else(|| "1Gi".into()),
            image: config.embedded_postgres_image.clone(),
        }),
        _ => Err(Invalid(
            "spec.database: exactly one of external and embedded must be set".into(),
        )),
    }
}

fn storage(platform: &ReconciliationPlatform) -> Result<Storage, Invalid> {
    let storage = &platform.spec.storage;
    match (&storage.volume, &storage.s3) {
        (None, Some(s3)) => Ok(Storage::S3(s3.clone())),
        (Some(volume), None) => match (&volume.claim_name, &volume.size) {
            (Some(claim), None) => Ok(Storage::Claim(claim.clone())),
            (None, Some(size)) => Ok(Storage::Volume(size.clone())),
            _ => Err(Invalid(
                "spec.storage.volume: exactly one of claimName and size must be set".into(),
            )),
        },
        _ => Err(Invalid(
            "spec.storage: exactly one of volume and s3 must be set".into(),
        )),
    }
}

#[cfg(test)]
pub mod tests;
