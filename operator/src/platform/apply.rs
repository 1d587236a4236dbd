//! Applies the desired state, gate by gate: secrets → database → migration → rollout. A gate that is
//! closed leaves everything behind it as it is, so the running version goes on serving.

mod migration;
mod object;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::Api;
use kube::api::{ListParams, ObjectMeta, PostParams};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::build::{self, EmbeddedDatabase, Resources, Workload};
use super::manifest::Manifest;
use super::validate::{SecretsSource, ValidatedPlatform};
use super::watch::external_secrets_installed;
use crate::context::Context;
use crate::error::Error;

pub use migration::Migration;

/// What the API server returned: the only source of the status.
#[derive(Debug)]
pub struct Applied {
    /// The Secret.
    pub secrets: Secrets,
    /// Whether the database takes connections, as far as Kubernetes can tell.
    pub database: DatabaseState,
    /// The check of the configuration and the migration; none before the gates to it opened.
    pub migration: Option<Migration>,
    /// The API pods; none before the first rollout.
    pub deployment: Option<Deployment>,
    /// Whether the deployment is that of the newest spec and Secret.
    pub deployment_is_current: bool,
}

/// Where the secrets stand.
#[derive(Clone, Debug, PartialEq)]
pub enum Secrets {
    /// External Secrets is not installed.
    ExternalSecretsMissing,
    /// On their way; the message says what is waited for.
    Pending(String),
    /// Not there; the message says why.
    NotSynced(String),
    /// The Secret exists; its values are for the migration Job to check.
    Exist,
}

/// Where the database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// Not of the operator's making.
    External,
    /// The embedded one is starting.
    Starting,
    /// The embedded one takes connections.
    Ready,
}

/// Applies everything whose gate is open.
pub async fn apply(
    context: &Context,
    platform: &ValidatedPlatform,
    resources: Resources,
) -> Result<Applied, Error> {
    let Resources {
        external_secret,
        service_account,
        identity,
        storage_claim,
        service,
        database,
        workload,
    } = resources;
    for manifest in [
        Some(service_account),
        Some(identity),
        storage_claim,
        Some(service),
    ]
    .iter()
    .flatten()
    {
        object::apply(context, platform, manifest).await?;
    }
    if platform.secrets == SecretsSource::Generated {
        generate_secret(context, platform).await?;
    }
    let secrets = secrets(context, platform, external_secret, workload.is_some()).await?;
    let database = apply_database(context, platform, database).await?;

    let mut applied = Applied {
        secrets,
        database,
        migration: None,
        deployment: None,
        deployment_is_current: false,
    };
    if let Some(Workload {
        migration,
        deployment,
    }) = workload
    {
        let open = applied.secrets == Secrets::Exist && applied.database != DatabaseState::Starting;
        applied.migration = migration::advance(context, platform, &migration, open).await?;
        if matches!(applied.migration, Some(Migration::Succeeded)) {
            let live = object::apply(context, platform, &deployment).await?;
            applied.deployment = Some(typed(live)?);
            applied.deployment_is_current = true;
            migration::remove_older(context, platform, &migration.name).await?;
        }
    }
    if applied.deployment.is_none() {
        let deployments: Api<Deployment> =
            Api::namespaced(context.client.clone(), &platform.namespace);
        applied.deployment = deployments
            .get_opt(&format!("{}-api", platform.name))
            .await?;
    }
    Ok(applied)
}

fn typed<T: DeserializeOwned>(live: Value) -> Result<T, Error> {
    Ok(serde_json::from_value(live)?)
}

async fn secrets(
    context: &Context,
    platform: &ValidatedPlatform,
    external_secret: Option<Manifest>,
    exists: bool,
) -> Result<Secrets, Error> {
    if let Some(manifest) = external_secret {
        if !external_secrets_installed(&context.client).await? {
            return Ok(Secrets::ExternalSecretsMissing);
        }
        let live = object::apply(context, platform, &manifest).await?;
        match not_synced(&live) {
            Some(Secrets::NotSynced(why)) => {
                let details = warning(context, platform, &manifest.name).await?;
                let colon = if details.is_some() { ": " } else { "" };
                let details = details.unwrap_or_default();
                return Ok(Secrets::NotSynced(format!("{why}{colon}{details}")));
            }
            Some(state) => return Ok(state),
            None => {}
        }
    }
    if exists {
        Ok(Secrets::Exist)
    } else if platform.secrets == SecretsSource::Generated {
        Ok(Secrets::Pending("the secrets are being generated".into()))
    } else {
        Ok(Secrets::NotSynced(format!(
            "waiting for the Secret {}, which does not exist yet",
            platform.secret_name()
        )))
    }
}

/// What External Secrets last warned of an ExternalSecret. Its condition says only that something is
/// wrong; which key of the store it is stands in the event.
async fn warning(
    context: &Context,
    platform: &ValidatedPlatform,
    name: &str,
) -> Result<Option<String>, Error> {
    let events: Api<Event> = Api::namespaced(context.client.clone(), &platform.namespace);
    let of_this = ListParams::default().limit(100).fields(&format!(
        "involvedObject.kind=ExternalSecret,involvedObject.name={name},type=Warning"
    ));
    let latest = events
        .list(&of_this)
        .await?
        .into_iter()
        .max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
    Ok(latest.and_then(|event| event.message))
}

/// Where an ExternalSecret stands that is not synced in its newest generation.
fn not_synced(live: &Value) -> Option<Secrets> {
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    let ready = live["status"]["conditions"]
        .as_array()
        .and_then(|conditions| conditions.iter().find(|it| it["type"] == "Ready"));
    match ready {
        None => Some(Secrets::Pending(format!(
            "waiting for the ExternalSecret {name} to be synced"
        ))),
        Some(condition) if condition["status"] != "True" => Some(Secrets::NotSynced(format!(
            "the ExternalSecret {name}: {}",
            condition["message"].as_str().unwrap_or("not ready")
        ))),
        Some(_) => {
            // `generation-hash`, of what the values were last drawn by.
            let synced = live["status"]["syncedResourceVersion"].as_str()?;
            let generation = live["metadata"]["generation"].as_i64()?;
            let current = synced.starts_with(&format!("{generation}-"));
            (!current).then(|| {
                Secrets::Pending(format!(
                    "waiting for the ExternalSecret {name} to be synced since it changed"
                ))
            })
        }
    }
}

/// Makes the random secrets, once: an existing Secret is neither read nor written.
async fn generate_secret(context: &Context, platform: &ValidatedPlatform) -> Result<(), Error> {
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &platform.namespace);
    let name = platform.secret_name();
    if secrets.get_metadata_opt(&name).await?.is_some() {
        return Ok(());
    }
    let values = build::generated_values(platform, &mut rand::rng());
    let labels: BTreeMap<String, String> = build::labels(platform, "secrets")
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
        .collect();
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name),
            labels: Some(labels),
            owner_references: Some(vec![platform.owner.clone()]),
            ..ObjectMeta::default()
        },
        string_data: Some(
            values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.expose_secret().to_owned()))
                .collect(),
        ),
        ..Secret::default()
    };
    match secrets.create(&PostParams::default(), &secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn apply_database(
    context: &Context,
    platform: &ValidatedPlatform,
    database: Option<EmbeddedDatabase>,
) -> Result<DatabaseState, Error> {
    let Some(EmbeddedDatabase {
        service,
        stateful_set,
    }) = database
    else {
        return Ok(DatabaseState::External);
    };
    object::apply(context, platform, &service).await?;
    let live: StatefulSet = typed(object::apply(context, platform, &stateful_set).await?)?;
    let ready = live.status.and_then(|status| status.ready_replicas);
    Ok(if ready.unwrap_or_default() >= 1 {
        DatabaseState::Ready
    } else {
        DatabaseState::Starting
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn external_secret(status: &Value) -> Value {
        json!({"metadata": {"name": "main-secrets", "generation": 2}, "status": status})
    }

    #[test]
    fn an_external_secret_is_synced_only_in_its_newest_generation() {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let of = |synced: &str| {
            external_secret(&json!({"conditions": ready, "syncedResourceVersion": synced}))
        };
        assert_eq!(not_synced(&of("2-abc")), None);
        assert!(matches!(
            not_synced(&of("1-abc")),
            Some(Secrets::Pending(_))
        ));
        let unseen = not_synced(&external_secret(&Value::Null));
        assert!(matches!(unseen, Some(Secrets::Pending(_))));
    }

    #[test]
    fn the_message_of_the_external_secret_is_passed_on() {
        let failed = json!({"conditions": [
            {"type": "Ready", "status": "False", "message": "could not get secret data from provider"},
        ]});
        assert_eq!(
            not_synced(&external_secret(&failed)),
            Some(Secrets::NotSynced(
                "the ExternalSecret main-secrets: could not get secret data from provider".into()
            ))
        );
    }
}
