//! The migration Job: made when its gates are open, watched, made anew when its inputs change.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{DeleteParams, ListParams, PropagationPolicy};
use kube::{Api, ResourceExt};

use super::object;
use crate::context::Context;
use crate::error::Error;
use crate::platform::build::{ATTEMPT, CHECK_CONTAINER, MIGRATE_CONTAINER, job_name_prefix};
use crate::platform::manifest::Manifest;
use crate::platform::validate::ValidatedPlatform;

/// How much of what a container said is quoted.
const LONGEST_MESSAGE: usize = 1000;

/// Where the check of the configuration and the migration stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Migration {
    /// The values are being checked; an earlier attempt may have said something.
    Checking(Option<String>),
    /// The values are good and the migration runs; an earlier attempt may have said something.
    Migrating(Option<String>),
    /// The values are bad.
    BadConfiguration(String),
    /// The migration failed for good.
    Failed(String),
    /// The database has the schema.
    Succeeded,
}

/// Makes the Job if its gates are open, and says where it stands. A Job that failed is made anew for
/// a new generation of the platform; other inputs give it another name.
pub async fn advance(
    context: &Context,
    platform: &ValidatedPlatform,
    manifest: &Manifest,
    gates_open: bool,
) -> Result<Option<Migration>, Error> {
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &platform.namespace);
    let job = match jobs.get_opt(&manifest.name).await? {
        Some(job) => job,
        None if gates_open => {
            object::apply(context, platform, manifest).await?;
            return Ok(Some(Migration::Checking(None)));
        }
        None => return Ok(None),
    };
    if has(&job, "Complete") {
        return Ok(Some(Migration::Succeeded));
    }
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &platform.namespace);
    let of_job =
        ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", manifest.name));
    let state = state(&job, &pods.list(&of_job).await?.items);
    let failed = matches!(state, Migration::Failed(_) | Migration::BadConfiguration(_));
    if failed && gates_open && is_of_another_generation(&job, platform) {
        delete(&jobs, &manifest.name).await?;
        return Ok(Some(Migration::Checking(None)));
    }
    Ok(Some(state))
}

fn is_of_another_generation(job: &Job, platform: &ValidatedPlatform) -> bool {
    job.annotations().get(ATTEMPT) != Some(&platform.generation.to_string())
}

fn has(job: &Job, condition: &str) -> bool {
    job.status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .any(|it| it.type_ == condition && it.status == "True")
}

/// Deletes the platform's other migration Jobs: a newer one has succeeded.
pub async fn remove_older(
    context: &Context,
    platform: &ValidatedPlatform,
    current: &str,
) -> Result<(), Error> {
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &platform.namespace);
    let ours = ListParams::default().labels(&format!(
        "app.kubernetes.io/instance={},app.kubernetes.io/component=migration",
        platform.name
    ));
    let prefix = job_name_prefix(&platform.name);
    for job in jobs.list_metadata(&ours).await? {
        let name = job.name_any();
        let owned = job
            .owner_references()
            .iter()
            .any(|owner| owner.uid == platform.owner.uid);
        if name != current && owned && name.starts_with(&prefix) {
            delete(&jobs, &name).await?;
        }
    }
    Ok(())
}

async fn delete(jobs: &Api<Job>, name: &str) -> Result<(), Error> {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match jobs.delete(name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Where an unfinished or failed Job stands.
fn state(job: &Job, pods: &[Pod]) -> Migration {
    let mut pods: Vec<&Pod> = pods.iter().collect();
    pods.sort_by_key(|pod| pod.creation_timestamp());
    let check_failure = last_failure(&pods, CHECK_CONTAINER);
    let migrate_failure = last_failure(&pods, MIGRATE_CONTAINER);
    // The newest pod tells which of the two is under way or failed last.
    let checked = pods.last().is_some_and(|pod| {
        container(pod, CHECK_CONTAINER)
            .and_then(|status| status.state.as_ref()?.terminated.as_ref())
            .is_some_and(|terminated| terminated.exit_code == 0)
    });
    if has(job, "Failed") || has(job, "FailureTarget") {
        let said = |failure: Option<String>| {
            failure.unwrap_or_else(|| format!("the Job {} failed", job.name_any()))
        };
        return if checked || check_failure.is_none() {
            Migration::Failed(said(migrate_failure))
        } else {
            Migration::BadConfiguration(said(check_failure))
        };
    }
    let held_up = pods.last().and_then(|pod| held_up(pod));
    if checked {
        Migration::Migrating(held_up.or(migrate_failure))
    } else {
        Migration::Checking(held_up.or(check_failure).or(migrate_failure))
    }
}

/// Why a container of the pod cannot start, such as an image that cannot be pulled.
fn held_up(pod: &Pod) -> Option<String> {
    const USUAL: [&str; 2] = ["PodInitializing", "ContainerCreating"];
    [CHECK_CONTAINER, MIGRATE_CONTAINER]
        .iter()
        .find_map(|name| {
            let waiting = container(pod, name)?.state.as_ref()?.waiting.as_ref()?;
            let reason = waiting.reason.as_deref()?;
            if USUAL.contains(&reason) {
                return None;
            }
            let message = waiting.message.as_deref().unwrap_or_default();
            Some(format!(
                "{} cannot start: {reason}: {message}",
                pod.name_any()
            ))
        })
}

/// What the container of this name said when it failed last.
fn last_failure(pods: &[&Pod], name: &str) -> Option<String> {
    pods.iter().rev().find_map(|pod| {
        let state = container(pod, name)?.state.as_ref()?;
        let terminated = state.terminated.as_ref()?;
        if terminated.exit_code == 0 {
            return None;
        }
        let said = terminated.message.as_deref().unwrap_or_default().trim();
        let said: String = said.chars().take(LONGEST_MESSAGE).collect();
        Some(if said.is_empty() {
            format!("{name} ended with exit code {}", terminated.exit_code)
        } else {
            said
        })
    })
}

fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten()
        .find(|status| status.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(condition: Option<&str>) -> Job {
        let conditions: Vec<Value> = condition
            .iter()
            .map(|type_| json!({"type": type_, "status": "True"}))
            .collect();
        serde_json::from_value(json!({
            "metadata": {"name": "main-migrate-1"},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn pod(check: &Value, migrate: &Value) -> Pod {
        let status = |name: &str, state: &Value| {
            json!([{
                "name": name, "state": state, "image": "i", "imageID": "", "ready": false,
                "restartCount": 0,
            }])
        };
        serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "status": {
                "initContainerStatuses": status(CHECK_CONTAINER, check),
                "containerStatuses": status(MIGRATE_CONTAINER, migrate),
            },
        }))
        .unwrap()
    }

    fn ended(code: i32, message: &str) -> Value {
        json!({"terminated": {"exitCode": code, "message": message}})
    }

    #[test]
    fn a_failed_check_quotes_what_it_said() {
        let pod = pod(
            &ended(
                78,
                "configuration error\n  JWT_SECRET has 5 bytes; at least 32 are needed\n",
            ),
            &json!({"waiting": {"reason": "PodInitializing"}}),
        );
        assert_eq!(
            state(&job(Some("Failed")), &[pod]),
            Migration::BadConfiguration(
                "configuration error\n  JWT_SECRET has 5 bytes; at least 32 are needed".into()
            )
        );
    }

    #[test]
    fn a_failed_migration_quotes_what_it_said() {
        let pod = pod(&ended(0, ""), &ended(1, "0003_runs.sql: syntax error"));
        assert_eq!(
            state(&job(Some("Failed")), std::slice::from_ref(&pod)),
            Migration::Failed("0003_runs.sql: syntax error".into())
        );
        assert_eq!(
            state(&job(None), &[pod]),
            Migration::Migrating(Some("0003_runs.sql: syntax error".into()))
        );
    }

    #[test]
    fn a_pod_that_cannot_start_says_why() {
        let pod = pod(
            &json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}),
            &json!({"waiting": {"reason": "PodInitializing"}}),
        );
        assert_eq!(
            state(&job(None), &[pod]),
            Migration::Checking(Some(
                "p cannot start: ImagePullBackOff: no such image".into()
            ))
        );
    }

    #[test]
    fn a_job_without_pods_is_checking_or_failed() {
        assert_eq!(state(&job(None), &[]), Migration::Checking(None));
        assert_eq!(
            state(&job(Some("Failed")), &[]),
            Migration::Failed("the Job main-migrate-1 failed".into())
        );
    }
}
