//! What wakes the platform controller. Nothing but metadata is watched: the reconciliation reads
//! what it needs, and values of Secrets never enter the operator's memory.

use std::time::Duration;

use futures::{Stream, StreamExt, future, stream};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, controller, watcher};
use kube::{Api, Client, Resource, ResourceExt};

use super::manifest::Kind;
use super::{Guarded, reference};
use crate::context::CONCURRENCY;

/// How often a cluster without External Secrets is asked whether it has it now.
const LOOK_FOR_CRD: Duration = Duration::from_secs(15);

/// The controller with all its watches. Owned kinds are watched without predicates: a change of
/// nothing but the status opens a gate, and a deletion is repaired.
pub fn controller(client: &Client) -> Controller<Guarded> {
    let owned =
        watcher::Config::default().labels("app.kubernetes.io/managed-by=reconciliation-operator");
    let platforms = Controller::new(
        Api::<Guarded>::all(client.clone()),
        watcher::Config::default(),
    );
    let store = platforms.store();
    platforms
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .owns(all::<Deployment>(client), owned.clone())
        .owns(all::<StatefulSet>(client), owned.clone())
        .owns(all::<Job>(client), owned.clone())
        .owns(all::<Service>(client), owned.clone())
        .owns(all::<ConfigMap>(client), owned.clone())
        .owns(all::<PersistentVolumeClaim>(client), owned.clone())
        .owns(all::<ServiceAccount>(client), owned)
        .watches(
            all::<Secret>(client),
            watcher::Config::default(),
            move |secret| using_secret(&store, &secret),
        )
        .reconcile_on(external_secrets(client.clone()))
}

fn all<K: Resource<DynamicType = ()>>(client: &Client) -> Api<PartialObjectMeta<K>> {
    Api::all(client.clone())
}

/// The platforms of the Secret's namespace that read it.
fn using_secret(
    store: &Store<Guarded>,
    secret: &PartialObjectMeta<Secret>,
) -> Vec<ObjectRef<Guarded>> {
    let (namespace, name) = (secret.namespace(), secret.name_any());
    store
        .state_filter(|platform| {
            let uses = match &platform.0 {
                Ok(platform) => match &platform.spec.secrets.existing_secret {
                    Some(existing) => existing.name == name,
                    None => name == format!("{}-secrets", platform.name_any()),
                },
                Err(_) => false,
            };
            uses && platform.meta().namespace == namespace
        })
        .iter()
        .map(|platform| ObjectRef::from_obj(platform.as_ref()))
        .collect()
}

/// The owners of ExternalSecrets that change. The watch begins when External Secrets is there.
fn external_secrets(client: Client) -> impl Stream<Item = ObjectRef<Guarded>> + Send {
    let installed = {
        let client = client.clone();
        stream::once(async move {
            while !external_secrets_installed(&client).await.unwrap_or(false) {
                tokio::time::sleep(LOOK_FOR_CRD).await;
            }
        })
    };
    installed
        .flat_map(move |()| {
            let resource = Kind::ExternalSecret.resource();
            let api = Api::<PartialObjectMeta<DynamicObject>>::all_with(client.clone(), &resource);
            let ours = watcher::Config::default()
                .labels("app.kubernetes.io/managed-by=reconciliation-operator");
            watcher(api, ours).default_backoff().touched_objects()
        })
        .filter_map(|event| {
            future::ready(match event {
                Ok(object) => owner(&object),
                Err(error) => {
                    tracing::debug!(%error, "the watch of ExternalSecrets");
                    None
                }
            })
        })
}

fn owner(object: &PartialObjectMeta<DynamicObject>) -> Option<ObjectRef<Guarded>> {
    let namespace = object.namespace()?;
    object
        .owner_references()
        .iter()
        .find(|owner| owner.kind == Guarded::kind(&()))
        .map(|owner| reference(&namespace, &owner.name))
}

/// Whether the cluster has the CRD.
pub async fn external_secrets_installed(client: &Client) -> kube::Result<bool> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let found = definitions
        .get_metadata_opt("externalsecrets.external-secrets.io")
        .await?;
    Ok(found.is_some())
}
