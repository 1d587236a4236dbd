//! The embedded PostgreSQL, for Development.

use serde_json::json;

use super::{
    EmbeddedDatabase, container_security, from_secret, labels, metadata, pod_security, selector,
};
use crate::platform::manifest::{Kind, Manifest};
use crate::platform::validate::{Database, ValidatedPlatform};

/// The user of the PostgreSQL image.
const POSTGRES_USER: i64 = 999;

/// The Service and the StatefulSet, where the database is embedded.
pub fn build(platform: &ValidatedPlatform) -> Option<EmbeddedDatabase> {
    let Database::Embedded { storage, image } = &platform.database else {
        return None;
    };
    Some(EmbeddedDatabase {
        service: service(platform),
        stateful_set: stateful_set(platform, storage, image),
    })
}

fn name(platform: &ValidatedPlatform) -> String {
    format!("{}-postgres", platform.name)
}

fn service(platform: &ValidatedPlatform) -> Manifest {
    Manifest::new(
        Kind::Service,
        metadata(platform, &name(platform), "database"),
        json!({"spec": {
            "selector": selector(platform, "database"),
            "ports": [{"name": "postgres", "port": 5432, "targetPort": "postgres", "protocol": "TCP"}],
        }}),
    )
}

fn stateful_set(platform: &ValidatedPlatform, storage: &str, image: &str) -> Manifest {
    let probe = json!({
        "exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "reconciliation"]},
        "periodSeconds": 2,
        "timeoutSeconds": 3,
    });
    let mut live = probe.clone();
    live["periodSeconds"] = json!(10);
    live["failureThreshold"] = json!(30);
    let container = json!({
        "name": "postgres",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "POSTGRES_USER", "value": "reconciliation"},
            {"name": "POSTGRES_DB", "value": "reconciliation"},
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
            from_secret(&platform.secret_name(), "POSTGRES_PASSWORD", false),
        ],
        "ports": [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}],
        "readinessProbe": probe,
        "livenessProbe": live,
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    });
    Manifest::new(
        Kind::StatefulSet,
        metadata(platform, &name(platform), "database"),
        json!({"spec": {
            "serviceName": name(platform),
            "replicas": 1,
            "selector": {"matchLabels": selector(platform, "database")},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
            "template": {
                "metadata": {"labels": labels(platform, "database")},
                "spec": {
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "securityContext": pod_security(POSTGRES_USER),
                    "terminationGracePeriodSeconds": 30,
                    "nodeSelector": platform.node_selector,
                    "containers": [container],
                    "volumes": [
                        {"name": "run", "emptyDir": {"sizeLimit": "16Mi"}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
                    ],
                },
            },
            "volumeClaimTemplates": [{
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": storage}},
                },
            }],
        }}),
    )
}
