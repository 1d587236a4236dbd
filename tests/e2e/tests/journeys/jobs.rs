//! Journeys of a job.

use anyhow::Result;
use crds::job::{ReconciliationJob, SideCounts};
use e2e::fixture::{self, Platform, shared_platform};
use e2e::{Cluster, condition};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, LogParams};

fn jobs(cluster: &Cluster, namespace: &str) -> Api<ReconciliationJob> {
    Api::namespaced(cluster.client.clone(), namespace)
}

/// Waits for `Accepted=False` and returns its reason and message.
async fn not_accepted(cluster: &Cluster, namespace: &str, name: &str) -> Result<(String, String)> {
    let accepted = |job: &ReconciliationJob| {
        let status = job.status.clone().unwrap_or_default();
        condition(&status.conditions, "Accepted")
            .filter(|(status, reason, _)| status == "False" && reason != "PlatformNotReady")
    };
    let job = cluster
        .until(jobs(cluster, namespace), name, "Accepted=False", |job| {
            accepted(job).is_some()
        })
        .await?;
    let (_, reason, message) = accepted(&job).expect("just seen");
    Ok((reason, message))
}

#[tokio::test]
async fn a_small_job_completes_and_its_status_counts_every_record() -> Result<()> {
    let platform = shared_platform();
    let cluster = Cluster::connect().await?;
    cluster.apply(&fixture::small_data(&platform.jobs)).await?;
    cluster
        .apply(&fixture::small_job(&platform, &platform.jobs, "small"))
        .await?;
    let job = fixture::complete(&cluster, &platform.jobs, "small").await?;
    let run = job.status.expect("a status").last_run.expect("a run");
    let counts = SideCounts {
        rows: 4,
        matched: 3,
        unmatched: 1,
        ..SideCounts::default()
    };
    assert_eq!((run.left, run.right), (Some(counts), Some(counts)));
    assert_eq!(run.match_rate.as_deref(), Some("0.7500"));
    Ok(())
}

#[tokio::test]
async fn a_job_from_a_namespace_that_is_no_member_is_forbidden() -> Result<()> {
    let platform = shared_platform();
    let cluster = Cluster::connect().await?;
    let stranger = cluster.namespace("stranger").await?;
    cluster.apply(&fixture::small_data(&stranger)).await?;
    cluster
        .apply(&fixture::small_job(&platform, &stranger, "small"))
        .await?;
    let (reason, message) = not_accepted(&cluster, &stranger, "small").await?;
    assert_eq!(reason, "Forbidden", "{message}");
    assert!(
        message.contains(&stranger),
        "the message names the namespace: {message}"
    );
    cluster.delete_namespaces(&[&stranger]).await
}

#[tokio::test]
async fn a_broken_specification_is_not_accepted_and_the_message_has_the_yaml_path() -> Result<()> {
    let platform = shared_platform();
    let cluster = Cluster::connect().await?;
    cluster.apply(&fixture::small_data(&platform.jobs)).await?;
    // Both are beyond what a schema can say: an SQL expression, and a block that has to be there.
    let job = fixture::small_job(&platform, &platform.jobs, "broken").replace(
        "      assign: greedy",
        "      assign: greedy\n      block: [[\"substr(memo, 1\"]]",
    );
    cluster.apply(&job).await?;
    let (reason, message) = not_accepted(&cluster, &platform.jobs, "broken").await?;
    assert_eq!(reason, "InvalidSpec", "{message}");
    assert!(message.contains("spec.passes[0].block[0][0]"), "{message}");

    // The correction is taken up by itself.
    cluster
        .apply(&fixture::small_job(&platform, &platform.jobs, "broken"))
        .await?;
    fixture::complete(&cluster, &platform.jobs, "broken").await?;
    Ok(())
}

#[tokio::test]
async fn a_job_over_a_config_map_that_is_missing_says_so_and_runs_once_it_is_there() -> Result<()> {
    let shared = shared_platform();
    let cluster = Cluster::connect().await?;
    let job =
        fixture::small_job(&shared, &shared.jobs, "early").replace("name: data", "name: late");
    cluster.apply(&job).await?;
    let (reason, message) = not_accepted(&cluster, &shared.jobs, "early").await?;
    assert_eq!(reason, "SourceNotFound", "{message}");
    assert!(
        message.contains("late"),
        "the message names the ConfigMap: {message}"
    );
    cluster
        .apply(&fixture::small_data(&shared.jobs).replace("name: data", "name: late"))
        .await?;
    fixture::complete(&cluster, &shared.jobs, "early").await?;
    Ok(())
}

#[tokio::test]
async fn a_run_whose_api_pods_are_killed_completes_once_with_the_same_counts() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let platform = fixture::development_platform(&cluster, 2).await?;
    cluster
        .apply(&fixture::slow_data(&platform.jobs, 8000))
        .await?;

    cluster
        .apply(&fixture::slow_job(&platform, "undisturbed"))
        .await?;
    let undisturbed = fixture::complete(&cluster, &platform.jobs, "undisturbed").await?;

    cluster
        .apply(&fixture::slow_job(&platform, "disturbed"))
        .await?;
    let running = |job: &ReconciliationJob| {
        let state = job.status.as_ref().and_then(|status| status.state.clone());
        state.as_deref() == Some("Running")
    };
    let before = cluster
        .until(
            jobs(&cluster, &platform.jobs),
            "disturbed",
            "Running",
            running,
        )
        .await?;
    let killed = kill_api_pods(&cluster, &platform).await?;
    let after = fixture::complete(&cluster, &platform.jobs, "disturbed").await?;

    let run = |job: &ReconciliationJob| job.status.clone().and_then(|status| status.last_run);
    let (undisturbed, before, after) = (
        run(&undisturbed).expect("a run"),
        run(&before).expect("a run"),
        run(&after).expect("a run"),
    );
    assert_eq!(before.id, after.id, "the same run, not another");
    assert!(
        taken_over(&cluster, &platform, &killed, &after.id).await?,
        "no pod that was not killed claimed the run: it ended before, and nothing was disturbed"
    );
    assert_eq!(undisturbed.left, after.left);
    assert_eq!(undisturbed.right, after.right);
    assert_eq!(after.left.expect("counts").matched, 8000);
    cluster
        .delete_namespaces(&[&platform.jobs, &platform.namespace])
        .await
}

/// Kills every API pod at once, so that the one that runs the job is among them.
async fn kill_api_pods(cluster: &Cluster, platform: &Platform) -> Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &platform.namespace);
    let selector = ListParams::default().labels("app.kubernetes.io/component=api");
    let killed = pods.list(&selector).await?;
    assert!(!killed.items.is_empty(), "no API pod found");
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    let names: Vec<String> = killed.iter().map(ResourceExt::name_any).collect();
    for name in &names {
        pods.delete(name, &now).await?;
    }
    Ok(names)
}

/// Whether a pod other than those killed says in its log that it claimed the run.
async fn taken_over(
    cluster: &Cluster,
    platform: &Platform,
    killed: &[String],
    run: &str,
) -> Result<bool> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &platform.namespace);
    let selector = ListParams::default().labels("app.kubernetes.io/component=api");
    for pod in pods.list(&selector).await? {
        let name = pod.name_any();
        if killed.contains(&name) {
            continue;
        }
        let log = pods.logs(&name, &LogParams::default()).await?;
        let claims = |line: &str| line.contains("\"claimed\"") && line.contains(run);
        if log.lines().any(claims) {
            return Ok(true);
        }
    }
    Ok(false)
}
