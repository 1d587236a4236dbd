use clap::Parser;
use serde_json::json;

use super::*;

/// A configuration that allows the store `vault` and keys under `prod/`.
pub fn config() -> Config {
    Config::parse_from([
        "reconciliation-operator",
        "--namespace=ops",
        "--pod-name=operator-0",
        "--server-image=example.org:5000/server:1.2.3",
        "--embedded-postgres-image=example.org/postgres:15",
        "--external-secret-stores=ClusterSecretStore/vault",
        "--external-secret-key-prefixes=prod/",
    ])
}

/// A platform `main` in `recon` of this spec.
pub fn platform(spec: &Value) -> ReconciliationPlatform {
    serde_json::from_value(json!({
        "apiVersion": "reconciliation-platform.dev/v1alpha1",
        "kind": "ReconciliationPlatform",
        "metadata": {"name": "main", "namespace": "recon", "uid": "u-1", "generation": 3},
        "spec": spec,
    }))
    .unwrap()
}

/// The spec of a Development platform that needs nothing.
pub fn development() -> Value {
    json!({
        "environment": "Development",
        "secrets": {"generated": {}},
        "database": {"embedded": {}},
        "storage": {"volume": {"size": "2Gi"}},
        "projects": [{"slug": "treasury", "namespaces": ["z", "a"]}],
    })
}

/// The spec of a Production platform that draws its secrets from a store.
pub fn production() -> Value {
    json!({
        "environment": "Production",
        "image": {"repository": "example.org/server", "tag": "2.0.0", "pullPolicy": "Always"},
        "replicas": 3,
        "secrets": {"externalSecrets": {
            "storeRef": {"kind": "ClusterSecretStore", "name": "vault"},
            "jwtSecret": {"key": "prod/recon", "property": "jwt"},
            "jwtSecretPrevious": {"key": "prod/recon", "property": "jwt-before"},
            "databaseUrl": {"key": "prod/recon-url"},
            "migrationDatabaseUrl": {"key": "prod/recon-owner-url"},
            "redisUrl": {"key": "prod/recon-redis"},
            "s3Credentials": {"key": "prod/recon-s3"},
        }},
        "database": {"external": {}},
        "storage": {"s3": {"bucket": "results", "endpoint": "https://s3.example.org"}},
        "migrations": {"lockTimeout": "2s", "backoffLimit": 1},
        "rateLimit": {"requestsPerMinute": 1200, "loginPerMinute": 5,
                      "trustedProxies": ["10.0.0.0/8", "fd00::/8"]},
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
        "nodeSelector": {"pool": "batch"},
    })
}

fn check(spec: &Value) -> Result<ValidatedPlatform, Invalid> {
    let config = config();
    let policy = SecretPolicy::new(
        &config.external_secret_stores,
        &config.external_secret_key_prefixes,
    );
    validate(&platform(spec), &config, &policy)
}

/// A platform of this spec, which is valid.
pub fn validated(spec: &Value) -> ValidatedPlatform {
    check(spec).unwrap()
}

#[test]
fn defaults_are_filled_in() {
    let platform = validated(&development());
    assert_eq!(platform.replicas, 1);
    assert_eq!(platform.image.reference, "example.org:5000/server:1.2.3");
    assert_eq!(platform.image.tag, "1.2.3");
    assert_eq!(platform.projects["treasury"], ["a", "z"]);
    assert_eq!(platform.secret_name(), "main-secrets");
}

#[test]
fn a_store_or_key_that_is_not_allowed_is_named() {
    let mut spec = production();
    spec["secrets"]["externalSecrets"]["storeRef"]["name"] = json!("other");
    let message = check(&spec).unwrap_err().0;
    assert!(message.contains("ClusterSecretStore/other"), "{message}");
    assert!(message.contains("allowedStores"), "{message}");

    let mut spec = production();
    spec["secrets"]["externalSecrets"]["s3Credentials"]["key"] = json!("kube/admin");
    let message = check(&spec).unwrap_err().0;
    assert!(message.contains("`kube/admin`"), "{message}");
}

#[test]
fn production_takes_no_shortcuts() {
    let mut spec = development();
    spec["environment"] = json!("Production");
    assert!(check(&spec).unwrap_err().0.contains("Development"));
}

#[test]
fn a_name_that_services_cannot_have_is_refused() {
    for name in ["1main", "main.eu", &"m".repeat(41)] {
        assert!(check_name(name).is_err(), "{name}");
    }
    assert!(check_name("main-2").is_ok());
}

#[test]
fn an_existing_secret_keeps_its_name() {
    let mut spec = production();
    spec["secrets"] = json!({"existingSecret": {"name": "sealed"}});
    assert_eq!(validated(&spec).secret_name(), "sealed");
}
