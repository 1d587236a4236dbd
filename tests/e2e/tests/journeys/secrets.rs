//! Journeys of the secrets.

use anyhow::Result;
use crds::platform::ReconciliationPlatform;
use e2e::fixture::ready;
use e2e::{Cluster, condition};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The demo's manifests in namespaces of this journey's own.
struct Vault {
    store: String,
    database: String,
    platform: String,
    password: String,
}

impl Vault {
    /// A store without a JWT key, a database, and a platform that draws on both.
    async fn without_jwt_key(cluster: &Cluster) -> Result<Self> {
        let vault = Self {
            store: cluster.namespace("vault").await?,
            database: cluster.namespace("database").await?,
            platform: cluster.namespace("healing").await?,
            password: uuid::Uuid::new_v4().simple().to_string(),
        };
        let (store, database, platform) = (&vault.store, &vault.database, &vault.platform);
        let kubernetes: Api<Service> = Api::namespaced(cluster.client.clone(), "default");
        let address = kubernetes
            .get("kubernetes")
            .await?
            .spec
            .and_then(|spec| spec.cluster_ip);
        let entries = format!(
            "password: \"{0}\", roles.sql: \"CREATE ROLE reconciliation_api LOGIN PASSWORD '{0}';\"",
            vault.password
        );
        cluster
            .apply(&secret(database, "postgres", &entries))
            .await?;
        vault.put(cluster, None).await?;
        // Names are replaced where they are values, so that kinds of the same words stay.
        let manifests = [
            (
                "store.yaml",
                vec![
                    (
                        "SERVER_URL",
                        format!("https://{}", address.unwrap_or_default()),
                    ),
                    ("namespace: vault", format!("namespace: {store}")),
                    (
                        "remoteNamespace: vault",
                        format!("remoteNamespace: {store}"),
                    ),
                    (
                        "metadata: {name: vault}",
                        format!("metadata: {{name: {store}}}"),
                    ),
                ],
            ),
            (
                "postgres.yaml",
                vec![
                    ("POSTGRES_IMAGE", std::env::var("POSTGRES_IMAGE")?),
                    ("namespace: database", format!("namespace: {database}")),
                ],
            ),
            (
                "platform.yaml",
                vec![
                    ("namespace: recon", format!("namespace: {platform}")),
                    ("name: vault}", format!("name: {store}}}")),
                    ("namespaces: [treasury]", "namespaces: []".into()),
                ],
            ),
        ];
        for (name, replacements) in manifests {
            let text = std::fs::read_to_string(format!("{REPOSITORY}/examples/demo/{name}"))?;
            let own = replacements
                .iter()
                .fold(text, |text, (from, to)| text.replace(from, to));
            cluster.apply(&own).await?;
        }
        Ok(vault)
    }

    /// Writes the store's entry, with a JWT key or without.
    async fn put(&self, cluster: &Cluster, jwt: Option<&str>) -> Result<()> {
        let url = |role: &str| {
            format!(
                "\"postgres://{role}:{}@postgres.{}.svc:5432/reconciliation\"",
                self.password, self.database
            )
        };
        let urls = format!(
            "database-url: {}, owner-url: {}",
            url("reconciliation_api"),
            url("reconciliation")
        );
        let jwt = jwt
            .map(|key| format!(", jwt: \"{key}\""))
            .unwrap_or_default();
        cluster
            .apply(&secret(&self.store, "recon", &format!("{urls}{jwt}")))
            .await
    }
}

fn secret(namespace: &str, name: &str, entries: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         stringData: {{{entries}}}\n"
    )
}

/// Status, reason and message of a platform's `SecretsReady`.
fn secrets_ready(platform: &ReconciliationPlatform) -> Option<(String, String, String)> {
    condition(
        &platform.status.clone().unwrap_or_default().conditions,
        "SecretsReady",
    )
}

#[tokio::test]
async fn a_jwt_key_missing_in_the_store_stops_the_rollout_and_heals_when_it_appears() -> Result<()>
{
    let cluster = Cluster::connect().await?;
    let vault = Vault::without_jwt_key(&cluster).await?;
    let platforms: Api<ReconciliationPlatform> =
        Api::namespaced(cluster.client.clone(), &vault.platform);
    cluster
        .until(
            platforms.clone(),
            "main",
            "SecretsReady=False over the missing key",
            |platform| {
                secrets_ready(platform).is_some_and(|(status, reason, message)| {
                    // Before the store has answered, the condition only says that it waits for it.
                    status == "False" && reason == "SecretNotSynced" && message.contains("jwt")
                })
            },
        )
        .await?;
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), &vault.platform);
    assert!(
        deployments.get_opt("main-api").await?.is_none(),
        "no rollout without secrets"
    );

    let key = uuid::Uuid::new_v4().simple().to_string().repeat(2);
    vault.put(&cluster, Some(&key)).await?;
    let platform = ready(&cluster, &vault.platform).await?;
    let text = serde_json::to_string(&platform)?;
    for value in [&key, &vault.password] {
        assert!(
            !text.contains(value.as_str()),
            "a secret stands in the status"
        );
    }

    // Too short a key is found by the server's own check, before anything is rolled out.
    vault.put(&cluster, Some("short")).await?;
    let platform = cluster
        .until(
            platforms,
            "main",
            "SecretsReady=False over the short key",
            |platform| {
                secrets_ready(platform)
                    .is_some_and(|(_, reason, _)| reason == "InvalidConfiguration")
            },
        )
        .await?;
    let (_, _, message) = secrets_ready(&platform).expect("just seen");
    assert!(
        message.contains("JWT_SECRET"),
        "the message names the key: {message}"
    );
    let serving = deployments.get("main-api").await?.status;
    let serving = serving.and_then(|status| status.available_replicas);
    assert_eq!(serving, Some(1), "the old pods go on serving");
    cluster
        .delete_namespaces(&[&vault.platform, &vault.database, &vault.store])
        .await
}
