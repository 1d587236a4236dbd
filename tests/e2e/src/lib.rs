//! What the journeys share: a cluster to talk to, namespaces of their own, and waiting for events.
//!
//! A journey goes through public boundaries only: it applies manifests and reads statuses, as a
//! person would. Everything it waits for is watched; a deadline turns silence into an error that
//! says what was last seen.

pub mod fixture;

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::await_condition;
use kube::{Client, Resource, ResourceExt, discovery};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long a journey waits for one thing before it fails.
pub const PATIENCE: Duration = Duration::from_mins(4);

/// The namespace that the operator is installed in.
pub const OPERATOR_NAMESPACE: &str = "reconciliation-system";

/// A connection to the cluster of the current kube context.
#[derive(Clone)]
pub struct Cluster {
    /// The client, for what this type does not offer.
    pub client: Client,
}

impl Cluster {
    /// Connects with KUBECONFIG.
    ///
    /// # Errors
    /// Without a usable kube context.
    pub async fn connect() -> Result<Self> {
        // The second call of a process finds the provider installed, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::try_default().await.context(
            "no cluster: run `make cluster-up` and eval \"$(tests/cluster/testcluster env)\"",
        )?;
        Ok(Self { client })
    }

    /// Whether the cluster is the one of `tests/cluster`, whose pods are processes of this machine.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        std::env::var("CLUSTER").as_deref() != Ok("current")
    }

    /// Makes a namespace of a name nobody else has; `scripts/e2e` removes it before the next run.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn namespace(&self, purpose: &str) -> Result<String> {
        let suffix = &uuid::Uuid::new_v4().simple().to_string()[..6];
        let name = format!("e2e-{purpose}-{suffix}");
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"reconciliation-platform.dev/e2e": "true"}}
        }))?;
        Api::all(self.client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        Ok(name)
    }

    /// Deletes namespaces without waiting for them to be gone.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn delete_namespaces(&self, names: &[&str]) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        for name in names {
            api.delete(name, &DeleteParams::default()).await?;
        }
        Ok(())
    }

    /// The API for one object of any kind.
    ///
    /// # Errors
    /// When the cluster does not serve the kind.
    pub async fn api_of(&self, object: &DynamicObject) -> Result<Api<DynamicObject>> {
        let types = object.types.as_ref().context("the object has no kind")?;
        let kind = GroupVersionKind::try_from(types)?;
        let (resource, capabilities) = discovery::pinned_kind(&self.client, &kind).await?;
        Ok(match (capabilities.scope, object.namespace()) {
            (discovery::Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(self.client.clone(), &namespace, &resource)
            }
            (discovery::Scope::Namespaced, None) => {
                bail!("{} {} has no namespace", kind.kind, object.name_any())
            }
            _ => Api::all_with(self.client.clone(), &resource),
        })
    }

    /// Server-side applies every document of a YAML text.
    ///
    /// # Errors
    /// What the API server answers, for the first document that it refuses.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        for document in documents(yaml)? {
            self.apply_one(&document, false).await?;
        }
        Ok(())
    }

    /// Server-side applies every document without keeping it.
    ///
    /// # Errors
    /// What the API server answers, for the first document that it refuses.
    pub async fn dry_run(&self, yaml: &str) -> Result<()> {
        for document in documents(yaml)? {
            self.apply_one(&document, true).await?;
        }
        Ok(())
    }

    async fn apply_one(&self, object: &DynamicObject, dry_run: bool) -> Result<()> {
        let mut params = PatchParams::apply("e2e").force();
        params.dry_run = dry_run;
        self.api_of(object)
            .await?
            .patch(&object.name_any(), &params, &Patch::Apply(object))
            .await?;
        Ok(())
    }

    /// Waits until an object fulfils a condition and returns it.
    ///
    /// # Errors
    /// After [`PATIENCE`], with what was last seen.
    pub async fn until<K>(
        &self,
        api: Api<K>,
        name: &str,
        what: &str,
        holds: impl Fn(&K) -> bool,
    ) -> Result<K>
    where
        K: Clone + Debug + Send + DeserializeOwned + Resource + serde::Serialize + 'static,
        K::DynamicType: Default,
    {
        let condition = |object: Option<&K>| object.is_some_and(&holds);
        let seen = await_condition(api.clone(), name, condition);
        if let Ok(object) = tokio::time::timeout(PATIENCE, seen).await {
            return object?.ok_or_else(|| anyhow!("{name} is gone"));
        }
        let last = serde_json::to_value(api.get_opt(name).await?)?;
        bail!(
            "{name}: not {what} within {PATIENCE:?}; last seen: {:#}",
            last["status"]
        )
    }

    /// A path of the API server as text, such as a pod's metrics through its proxy.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn get_raw(&self, path: &str) -> Result<String> {
        Ok(self
            .client
            .request_text(http::Request::get(path).body(Vec::new())?)
            .await?)
    }
}

/// The documents of a YAML text.
fn documents(yaml: &str) -> Result<Vec<DynamicObject>> {
    yaml.split("\n---\n")
        .filter(|document| {
            document
                .lines()
                .any(|line| !line.is_empty() && !line.starts_with('#'))
        })
        .map(|document| {
            let value: Value = serde_yaml::from_str(document)?;
            serde_json::from_value(value).context("not a Kubernetes object")
        })
        .collect()
}

/// Status, reason and message of a condition.
#[must_use]
pub fn condition(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    type_: &str,
) -> Option<(String, String, String)> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .map(|condition| {
            (
                condition.status.clone(),
                condition.reason.clone(),
                condition.message.clone(),
            )
        })
}
