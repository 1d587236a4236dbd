use super::*;
use crate::platform::validate::tests::{development, production, validated};

fn facts() -> Facts {
    Facts {
        identity: json!({"issuer": "https://cluster", "audience": "a", "subject": "s", "jwks": {"keys": []}}),
        secret_version: Some("17".into()),
    }
}

/// All objects, in the order in which they are applied.
fn bodies(resources: Resources) -> Vec<Value> {
    let Resources {
        external_secret,
        service_account,
        identity,
        storage_claim,
        service,
        database,
        workload,
    } = resources;
    let (migration, deployment) = workload.map(|it| (it.migration, it.deployment)).unzip();
    let (database_service, stateful_set) = database.map(|it| (it.service, it.stateful_set)).unzip();
    [
        external_secret,
        Some(service_account),
        Some(identity),
        storage_claim,
        Some(service),
        database_service,
        stateful_set,
        migration,
        deployment,
    ]
    .into_iter()
    .flatten()
    .map(|manifest| manifest.body)
    .collect()
}

#[test]
fn a_development_platform_brings_its_database_along() {
    let resources = build(&validated(&development()), &facts());
    insta::assert_yaml_snapshot!("development", bodies(resources));
}

#[test]
fn a_production_platform_draws_its_secrets_from_a_store() {
    let resources = build(&validated(&production()), &facts());
    insta::assert_yaml_snapshot!("production", bodies(resources));
}

#[test]
fn nothing_that_needs_the_secret_is_built_without_it() {
    let facts = Facts {
        secret_version: None,
        ..facts()
    };
    assert_eq!(build(&validated(&production()), &facts).workload, None);
}

#[test]
fn another_secret_or_image_is_checked_and_migrated_anew_and_nothing_else_is() {
    let name = |spec: &Value, version: &str| migration::job(&validated(spec), version).name;
    let before = name(&production(), "17");
    let mut scaled = production();
    scaled["replicas"] = json!(5);
    assert_eq!(name(&scaled, "17"), before);
    assert_ne!(name(&production(), "18"), before);
    let mut newer = production();
    newer["image"]["tag"] = json!("2.0.1");
    assert_ne!(name(&newer, "17"), before);
}

#[test]
fn the_owning_role_of_the_database_reaches_the_migration_and_no_other_pod() {
    let resources = build(&validated(&production()), &facts());
    let workload = resources.workload.unwrap();
    let text = |manifest: &Manifest| manifest.body.to_string();
    assert!(text(&workload.migration).contains("MIGRATION_DATABASE_URL"));
    assert!(!text(&workload.deployment).contains("MIGRATION_DATABASE_URL"));
}

#[test]
fn every_pod_is_locked_down() {
    for spec in [development(), production()] {
        for body in bodies(build(&validated(&spec), &facts())) {
            let pod = &body["spec"]["template"]["spec"];
            if pod.is_null() {
                continue;
            }
            let security = &pod["securityContext"];
            assert_eq!(security["runAsNonRoot"], true);
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
            assert_eq!(pod["automountServiceAccountToken"], false);
            let init = pod["initContainers"].as_array();
            for container in pod["containers"]
                .as_array()
                .into_iter()
                .chain(init)
                .flatten()
            {
                let security = &container["securityContext"];
                assert_eq!(security["readOnlyRootFilesystem"], true);
                assert_eq!(security["allowPrivilegeEscalation"], false);
                assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
            }
        }
    }
}

#[test]
fn generated_secrets_are_long_random_and_fit_together() {
    use secrecy::ExposeSecret;
    let platform = validated(&development());
    let values = generated_values(&platform, &mut rand::rng());
    let again = generated_values(&platform, &mut rand::rng());
    let [(_, jwt), (_, password), (_, url)] = &values[..] else {
        panic!("three values");
    };
    assert_eq!(jwt.expose_secret().len(), 64);
    assert_ne!(jwt.expose_secret(), again[0].1.expose_secret());
    assert_eq!(
        url.expose_secret(),
        format!(
            "postgres://reconciliation:{}@main-postgres:5432/reconciliation",
            password.expose_secret()
        )
    );
}
