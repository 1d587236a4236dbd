//! The Job that checks the configuration and migrates the database, before any pod is rolled out.

use serde_json::{Value, json};

use super::{Process, SERVER_USER, container_security, labels, metadata, pod_security, server_env};
use crate::platform::manifest::{Kind, Manifest};
use crate::platform::short_hash;
use crate::platform::validate::ValidatedPlatform;

/// The container that checks the secrets' values.
pub const CHECK_CONTAINER: &str = "check-config";
/// The container that migrates.
pub const MIGRATE_CONTAINER: &str = "migrate";
/// The annotation that says for which generation of the platform the Job was made: a failed one is
/// made anew for another generation.
pub const ATTEMPT: &str = "reconciliation-platform.dev/generation";
/// The exit code of a configuration error, which trying again does not mend.
const EXIT_CONFIG: i32 = 78;

/// How the names of a platform's migration Jobs begin.
pub fn job_name_prefix(platform: &str) -> String {
    format!("{platform}-migrate-")
}

/// The Job. Its name derives from what it depends on, so that another image, another environment or
/// other secrets are checked and migrated anew.
pub fn job(platform: &ValidatedPlatform, secret_version: &str) -> Manifest {
    let env = server_env(platform, Process::Migration);
    let inputs = json!([
        platform.image.reference,
        platform.secret_name(),
        secret_version,
        env
    ]);
    let name = format!(
        "{}{}",
        job_name_prefix(&platform.name),
        short_hash(&inputs.to_string())
    );
    let failure_rules = [CHECK_CONTAINER, MIGRATE_CONTAINER].map(|container| {
        json!({
            "action": "FailJob",
            "onExitCodes": {"containerName": container, "operator": "In", "values": [EXIT_CONFIG]},
        })
    });
    let mut metadata = metadata(platform, &name, "migration");
    metadata["annotations"][ATTEMPT] = json!(platform.generation.to_string());
    Manifest::new(
        Kind::Job,
        metadata,
        json!({"spec": {
            "backoffLimit": platform.backoff_limit,
            "podFailurePolicy": {"rules": failure_rules},
            "template": {
                "metadata": {"labels": labels(platform, "migration")},
                "spec": {
                    "restartPolicy": "Never",
                    "serviceAccountName": format!("{}-api", platform.name),
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": pod_security(SERVER_USER),
                    "nodeSelector": platform.node_selector,
                    "initContainers": [container(platform, CHECK_CONTAINER, &env)],
                    "containers": [container(platform, MIGRATE_CONTAINER, &env)],
                    "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}}],
                },
            },
        }}),
    )
}

fn container(platform: &ValidatedPlatform, command: &str, env: &[Value]) -> Value {
    json!({
        "name": command,
        "image": platform.image.reference,
        "imagePullPolicy": platform.image.pull_policy,
        "args": [command],
        "env": env,
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    })
}
