//! The API pods and what they need.

use serde_json::{Value, json};

use super::{
    Process, SERVER_USER, STORAGE_MOUNT, container_security, labels, metadata, pod_security,
    selector, server_env,
};
use crate::platform::manifest::{Kind, Manifest};
use crate::platform::short_hash;
use crate::platform::validate::{Storage, ValidatedPlatform};

const COMPONENT: &str = "api";
const IDENTITY_MOUNT: &str = "/etc/reconciliation";

fn name(platform: &ValidatedPlatform) -> String {
    format!("{}-api", platform.name)
}

fn identity_name(platform: &ValidatedPlatform) -> String {
    format!("{}-operator-identity", platform.name)
}

fn claim_name(platform: &ValidatedPlatform) -> Option<String> {
    match &platform.storage {
        Storage::Claim(claim) => Some(claim.clone()),
        Storage::Volume(_) => Some(format!("{}-storage", platform.name)),
        Storage::S3(_) => None,
    }
}

/// The pods call no Kubernetes API.
pub fn service_account(platform: &ValidatedPlatform) -> Manifest {
    Manifest::new(
        Kind::ServiceAccount,
        metadata(platform, &name(platform), COMPONENT),
        json!({"automountServiceAccountToken": false}),
    )
}

/// What the API knows the operator by.
pub fn identity(platform: &ValidatedPlatform, document: &Value) -> Manifest {
    Manifest::new(
        Kind::ConfigMap,
        metadata(platform, &identity_name(platform), COMPONENT),
        json!({"data": {"identity.json": document.to_string()}}),
    )
}

/// The volume of uploads and results, where the operator makes it.
pub fn storage_claim(platform: &ValidatedPlatform) -> Option<Manifest> {
    let Storage::Volume(size) = &platform.storage else {
        return None;
    };
    Some(Manifest::new(
        Kind::PersistentVolumeClaim,
        metadata(platform, &format!("{}-storage", platform.name), COMPONENT),
        json!({"spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
        }}),
    ))
}

/// The address of the API.
pub fn service(platform: &ValidatedPlatform) -> Manifest {
    Manifest::new(
        Kind::Service,
        metadata(platform, &name(platform), COMPONENT),
        json!({"spec": {
            "selector": selector(platform, COMPONENT),
            "ports": [
                {"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"},
                {"name": "metrics", "port": 9090, "targetPort": "metrics", "protocol": "TCP"},
            ],
        }}),
    )
}

/// The API pods. Another Secret, identity or image rolls them.
pub fn deployment(
    platform: &ValidatedPlatform,
    secret_version: &str,
    identity: &Value,
) -> Manifest {
    let mut volumes = vec![
        json!({"name": "scratch", "emptyDir": {"sizeLimit": "10Gi"}}),
        json!({"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}),
        json!({"name": "identity", "configMap": {"name": identity_name(platform)}}),
    ];
    let mut mounts = vec![
        json!({"name": "scratch", "mountPath": "/scratch"}),
        json!({"name": "tmp", "mountPath": "/tmp"}),
        json!({"name": "identity", "mountPath": IDENTITY_MOUNT, "readOnly": true}),
    ];
    if let Some(claim) = claim_name(platform) {
        volumes.push(json!({"name": "data", "persistentVolumeClaim": {"claimName": claim}}));
        mounts.push(json!({"name": "data", "mountPath": STORAGE_MOUNT}));
    }
    Manifest::new(
        Kind::Deployment,
        metadata(platform, &name(platform), COMPONENT),
        json!({"spec": {
            "replicas": platform.replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 300,
            "selector": {"matchLabels": selector(platform, COMPONENT)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "template": {
                "metadata": {
                    "labels": labels(platform, COMPONENT),
                    "annotations": {
                        "reconciliation-platform.dev/secret-version": secret_version,
                        "reconciliation-platform.dev/identity": short_hash(&identity.to_string()),
                    },
                },
                "spec": {
                    "serviceAccountName": name(platform),
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": pod_security(SERVER_USER),
                    "terminationGracePeriodSeconds": 45,
                    "nodeSelector": platform.node_selector,
                    "containers": [container(platform, &mounts)],
                    "volumes": volumes,
                },
            },
        }}),
    )
}

fn container(platform: &ValidatedPlatform, mounts: &[Value]) -> Value {
    let mut env = server_env(platform, Process::Api);
    env.push(json!({
        "name": "OPERATOR_IDENTITY_FILE",
        "value": format!("{IDENTITY_MOUNT}/identity.json"),
    }));
    json!({
        "name": "server",
        "image": platform.image.reference,
        "imagePullPolicy": platform.image.pull_policy,
        "args": ["serve"],
        "env": env,
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
        ],
        "readinessProbe": probe("/readyz", 2, 3),
        "livenessProbe": probe("/livez", 10, 6),
        "resources": platform.resources,
        "securityContext": container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    })
}

fn probe(path: &str, period: i32, failures: i32) -> Value {
    json!({
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    })
}
