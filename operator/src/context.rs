//! What every reconciliation shares.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use tokio::sync::Mutex;

use crate::api::{ApiClient, PlatformApi};
use crate::config::{Config, SecretPolicy};
use crate::error::Error;
use crate::identity::Identity;
use crate::metrics::Metrics;

/// The field manager of everything that is applied, and the name that events are reported under.
pub const FIELD_MANAGER: &str = "reconciliation-operator";

/// How many objects of one kind are reconciled at once.
pub const CONCURRENCY: u16 = 16;

/// No reconciliation takes longer: the client would retry for minutes on its own.
pub const RECONCILE_TIMEOUT: Duration = Duration::from_mins(1);

/// What every reconciliation shares.
pub struct Context {
    /// The Kubernetes API.
    pub client: Client,
    /// The configuration.
    pub config: Config,
    /// Which stores and keys platforms may draw secrets from.
    pub secret_policy: SecretPolicy,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// The operator's identity towards the platforms' APIs.
    pub identity: Identity,
    /// Platforms whose projects were declared: what was declared, and when.
    pub declared: Mutex<HashMap<String, (String, Instant)>>,
    recorder: Recorder,
    http: ApiClient,
}

impl Context {
    /// Sets everything up; nothing is connected yet.
    pub fn new(client: Client, config: Config) -> anyhow::Result<Self> {
        let reporter = Reporter {
            controller: FIELD_MANAGER.into(),
            instance: Some(config.pod_name.clone()),
        };
        Ok(Self {
            recorder: Recorder::new(client.clone(), reporter),
            secret_policy: SecretPolicy::new(
                &config.external_secret_stores,
                &config.external_secret_key_prefixes,
            ),
            metrics: Arc::new(Metrics::new()),
            identity: Identity::new(client.clone(), &config),
            declared: Mutex::default(),
            http: ApiClient::new()?,
            client,
            config,
        })
    }

    /// The address of a platform's API inside the cluster.
    pub fn endpoint(&self, namespace: &str, name: &str) -> String {
        self.config
            .api_endpoint_template
            .replace("{name}", name)
            .replace("{namespace}", namespace)
    }

    /// The API of a platform, called as the operator.
    pub async fn platform_api(&self, namespace: &str, name: &str) -> Result<PlatformApi, Error> {
        let endpoint = if self.config.resolve_services {
            let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
            let service = services.get(&format!("{name}-api")).await?;
            let address = service
                .spec
                .and_then(|spec| spec.cluster_ip)
                .ok_or(Error::Incomplete("the API's Service has no address yet"))?;
            format!("http://{address}:8080")
        } else {
            self.endpoint(namespace, name)
        };
        let token = self.identity.token(namespace, name).await?;
        Ok(self.http.platform(endpoint, token))
    }

    /// Publishes an event. A cluster that refuses events does not stop a reconciliation.
    pub async fn publish(
        &self,
        regarding: &ObjectReference,
        type_: EventType,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.into(),
            note: Some(note.chars().take(1000).collect()),
            action: "Reconcile".into(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, regarding).await {
            tracing::warn!(%error, "an event could not be published");
        }
    }
}
