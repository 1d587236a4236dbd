//! Journeys of the operator: repair and failover.

use anyhow::{Context, Result};
use e2e::fixture::{ready, shared_platform};
use e2e::{Cluster, OPERATOR_NAMESPACE};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use tokio::sync::Mutex;

/// Both journeys here delete the same Deployment, so they take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Deletes the API's Deployment and waits until another one serves.
async fn delete_deployment_and_wait(cluster: &Cluster) -> Result<()> {
    let platform = shared_platform();
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), &platform.namespace);
    let before = deployments.get("main-api").await?.uid();
    deployments
        .delete("main-api", &DeleteParams::default())
        .await?;
    cluster
        .until(
            deployments,
            "main-api",
            "back and available",
            |deployment| {
                let status = deployment.status.clone().unwrap_or_default();
                deployment.uid() != before && status.available_replicas.unwrap_or_default() > 0
            },
        )
        .await?;
    ready(cluster, &platform.namespace).await?;
    Ok(())
}

#[tokio::test]
async fn a_deployment_that_was_deleted_is_back() -> Result<()> {
    let _turn = TURN.lock().await;
    delete_deployment_and_wait(&Cluster::connect().await?).await
}

#[tokio::test]
async fn a_second_operator_replica_does_nothing_until_the_first_dies_and_then_takes_over()
-> Result<()> {
    let _turn = TURN.lock().await;
    let cluster = Cluster::connect().await?;
    shared_platform();
    let leader = leader(&cluster, |_| true).await?;
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/name=reconciliation-platform");
    let standbys: Vec<String> = pods
        .list(&selector)
        .await?
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .map(|pod| pod.name_any())
        .filter(|name| *name != leader)
        .collect();
    assert_eq!(standbys.len(), 1, "scripts/e2e installs two replicas");

    assert!(
        reconciles(&cluster, &leader).await? > 0,
        "the leader reconciles"
    );
    assert_eq!(
        reconciles(&cluster, &standbys[0]).await?,
        0,
        "the standby does nothing"
    );

    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    pods.delete(&leader, &now).await?;
    let successor = self::leader(&cluster, |holder| holder != leader).await?;
    delete_deployment_and_wait(&cluster).await?;
    assert!(
        reconciles(&cluster, &successor).await? > 0,
        "the successor reconciles"
    );
    Ok(())
}

/// The pod that holds the operator's Lease, once it is one that is wanted.
async fn leader(cluster: &Cluster, wanted: impl Fn(&str) -> bool) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let holder = |lease: &Lease| {
        lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.clone())
            .filter(|name| !name.is_empty())
    };
    let lease = cluster
        .until(
            leases,
            "reconciliation-operator",
            "held by another",
            |lease| holder(lease).is_some_and(|holder| wanted(&holder)),
        )
        .await?;
    holder(&lease).context("the lease has no holder")
}

/// How many times a replica has reconciled anything, from its metrics.
async fn reconciles(cluster: &Cluster, pod: &str) -> Result<u64> {
    let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:9090/proxy/metrics");
    let metrics = cluster.get_raw(&path).await?;
    Ok(metrics
        .lines()
        .filter(|line| line.starts_with("reconcile_duration_seconds_count"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum())
}
