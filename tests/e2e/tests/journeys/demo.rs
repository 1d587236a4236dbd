//! The demo, run as a person would, and nothing secret left where others can read it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use crds::job::ReconciliationJob;
use crds::platform::ReconciliationPlatform;
use e2e::Cluster;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams, LogParams};

#[tokio::test]
async fn the_demo_ends_with_a_complete_job_and_tells_no_secret() -> Result<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/demo");
    let output = tokio::process::Command::new(script)
        .output()
        .await
        .context("scripts/demo")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the demo failed:\n{said}");
    let f1: f64 = said
        .lines()
        .find_map(|line| line.strip_prefix("F1 "))
        .context("no line F1")?
        .trim()
        .parse()?;
    assert!(f1 >= 0.99, "F1 {f1}");
    assert!(!said.contains('\u{1b}'), "colour in a pipe");

    let cluster = Cluster::connect().await?;
    let secrets = secret_values(&cluster).await?;
    assert!(secrets.len() >= 3, "JWT key, password and URL, at least");
    for (place, text) in readable(&cluster)
        .await?
        .into_iter()
        .chain([("the demo".into(), said)])
    {
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "a secret value stands in {place}"
            );
        }
    }
    Ok(())
}

/// The values that the demo made at random.
async fn secret_values(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let mut values = BTreeSet::new();
    for namespace in ["vault", "database", "recon"] {
        let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), namespace);
        for secret in secrets.list(&ListParams::default()).await? {
            if secret.type_.as_deref() == Some("Opaque") {
                values.extend(
                    secret
                        .data
                        .unwrap_or_default()
                        .into_values()
                        .map(|value| String::from_utf8_lossy(&value.0).into_owned()),
                );
            }
        }
    }
    Ok(values)
}

/// What others can read: logs, events, specs and statuses, ConfigMaps and pods.
async fn readable(cluster: &Cluster) -> Result<Vec<(String, String)>> {
    let all = ListParams::default();
    let mut texts = Vec::new();
    for namespace in ["recon", "treasury", "database", "reconciliation-system"] {
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
        for pod in pods.list(&all).await? {
            texts.push((
                format!("pod {namespace}/{}", pod.name_any()),
                serde_json::to_string(&pod)?,
            ));
            let spec = pod.spec.clone().unwrap_or_default();
            let containers = spec
                .containers
                .into_iter()
                .chain(spec.init_containers.unwrap_or_default());
            for container in containers {
                let log = LogParams {
                    container: Some(container.name.clone()),
                    ..LogParams::default()
                };
                // A container that has not started has no log to read.
                if let Ok(text) = pods.logs(&pod.name_any(), &log).await {
                    texts.push((
                        format!("the log of {}/{}", pod.name_any(), container.name),
                        text,
                    ));
                }
            }
        }
        macro_rules! objects {
            ($($kind:ty),+) => {$({
                let api: Api<$kind> = Api::namespaced(cluster.client.clone(), namespace);
                for object in api.list(&all).await? {
                    let name = object.name_any();
                    texts.push((format!("{} {namespace}/{name}", stringify!($kind)), serde_json::to_string(&object)?));
                }
            })+};
        }
        objects!(ReconciliationPlatform, ReconciliationJob, Event, ConfigMap);
    }
    assert!(
        texts
            .iter()
            .any(|(place, _)| place.starts_with("the log of")),
        "no log was read"
    );
    Ok(texts)
}
