//! Journeys of a job.

use anyhow::{Result, bail, ensure};
use crds::job::{ReconciliationJob, RunStatus, SideCounts};
use e2e::fixture::{self, Platform, shared_platform};
use e2e::{Cluster, condition};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, LogParams};
use std::process::Command;

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
    let (platform, undisturbed) = slow_platform(&cluster).await?;
    let before = running(&cluster, &platform, "disturbed").await?;
    let killed = kill_api_pods(&cluster, &platform).await?;
    let after = fixture::complete(&cluster, &platform.jobs, "disturbed").await?;

    let (undisturbed, before, after) =
        (last_run(&undisturbed), last_run(&before), last_run(&after));
    assert_eq!(before.id, after.id, "the same run, not another");
    let taken_over = claimants(&cluster, &platform, &after.id).await?;
    assert!(
        taken_over.iter().any(|pod| !killed.contains(pod)),
        "no pod that was not killed claimed the run: it ended before, and nothing was disturbed"
    );
    assert_eq!(undisturbed.left, after.left);
    assert_eq!(undisturbed.right, after.right);
    assert_eq!(after.left.expect("counts").matched, 8000);
    cluster
        .delete_namespaces(&[&platform.jobs, &platform.namespace])
        .await
}

/// A process that dies without a word hands nothing back: its lease has to run out.
#[tokio::test]
async fn a_run_whose_process_crashes_completes_once_with_the_same_counts() -> Result<()> {
    let cluster = Cluster::connect().await?;
    if !cluster.is_on_this_machine() {
        eprintln!("skipped: a process of another machine's pod cannot be killed from here");
        return Ok(());
    }
    let (platform, undisturbed) = slow_platform(&cluster).await?;
    let before = running(&cluster, &platform, "disturbed").await?;
    let id = last_run(&before).id;
    let first = claimants(&cluster, &platform, &id).await?;
    let [crashed] = first.as_slice() else {
        panic!("one pod claims a run, not {first:?}");
    };
    crash(crashed)?;
    let after = fixture::complete(&cluster, &platform.jobs, "disturbed").await?;

    let (undisturbed, after) = (last_run(&undisturbed), last_run(&after));
    assert_eq!(id, after.id, "the same run, not another");
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &platform.namespace);
    let crashed_pod = cluster
        .until(pods, crashed, "restarted", |pod| restarts(pod) > 0)
        .await?;
    assert_eq!(
        last_exit_code(&crashed_pod),
        Some(137),
        "killed, not stopped"
    );
    // The log of a restarted container begins anew: what it claimed before is no longer in it.
    let second = claimants(&cluster, &platform, &id).await?;
    assert!(!second.is_empty(), "nobody claimed the run a second time");
    assert_eq!(undisturbed.left, after.left);
    assert_eq!(undisturbed.right, after.right);
    assert_eq!(after.left.expect("counts").matched, 8000);
    cluster
        .delete_namespaces(&[&platform.jobs, &platform.namespace])
        .await
}

/// A platform with two API pods, and a job of some seconds that ran there undisturbed.
async fn slow_platform(cluster: &Cluster) -> Result<(Platform, ReconciliationJob)> {
    let platform = fixture::development_platform(cluster, 2).await?;
    cluster
        .apply(&fixture::slow_data(&platform.jobs, 8000))
        .await?;
    cluster
        .apply(&fixture::slow_job(&platform, "undisturbed"))
        .await?;
    let undisturbed = fixture::complete(cluster, &platform.jobs, "undisturbed").await?;
    Ok((platform, undisturbed))
}

/// Applies the slow job under a name and waits until it is running.
async fn running(cluster: &Cluster, platform: &Platform, name: &str) -> Result<ReconciliationJob> {
    cluster.apply(&fixture::slow_job(platform, name)).await?;
    let running = |job: &ReconciliationJob| {
        let state = job.status.as_ref().and_then(|status| status.state.clone());
        state.as_deref() == Some("Running")
    };
    let api = jobs(cluster, &platform.jobs);
    cluster.until(api, name, "Running", running).await
}

fn last_run(job: &ReconciliationJob) -> RunStatus {
    let status = job.status.clone().expect("a status");
    status.last_run.expect("a run")
}

/// Kills the API process of a pod with SIGKILL, which no process can answer.
fn crash(pod: &str) -> Result<()> {
    let of_pod = format!("HOSTNAME={pod}");
    for entry in std::fs::read_dir("/proc")? {
        let folder = entry?.path();
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap_or_default();
        let (name, environment) = (read("comm"), read("environ"));
        let in_pod = environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == of_pod.as_bytes());
        if in_pod && name.starts_with(b"reconciliation-") {
            let process = folder.file_name().expect("a name of /proc");
            let status = Command::new("kill").arg("-KILL").arg(process).status()?;
            ensure!(status.success(), "kill answered {status}");
            return Ok(());
        }
    }
    bail!("no API process of the pod {pod} on this machine")
}

fn container_status(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

fn restarts(pod: &Pod) -> i32 {
    container_status(pod).map_or(0, |status| status.restart_count)
}

fn last_exit_code(pod: &Pod) -> Option<i32> {
    let last = container_status(pod)?.last_state.as_ref()?;
    Some(last.terminated.as_ref()?.exit_code)
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

/// The API pods that say in their logs that they claimed the run.
async fn claimants(cluster: &Cluster, platform: &Platform, run: &str) -> Result<Vec<String>> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &platform.namespace);
    let selector = ListParams::default().labels("app.kubernetes.io/component=api");
    let mut claimants = Vec::new();
    for pod in pods.list(&selector).await? {
        let name = pod.name_any();
        // A pod that is being killed may be gone by now.
        let Ok(log) = pods.logs(&name, &LogParams::default()).await else {
            continue;
        };
        let claims = |line: &str| line.contains("\"claimed\"") && line.contains(run);
        if log.lines().any(claims) {
            claimants.push(name);
        }
    }
    Ok(claimants)
}
