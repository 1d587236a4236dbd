use serde_json::json;

use super::*;
use crate::api::ApiError;
use crate::platform::validate::tests::{development, validated};

fn deployment(available: i32, updated: i32, total: i32, observed: i64) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"generation": 2},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {
            "observedGeneration": observed, "replicas": total, "updatedReplicas": updated,
            "availableReplicas": available, "readyReplicas": available,
        },
    }))
    .unwrap()
}

fn serving() -> Applied {
    Applied {
        secrets: Secrets::Exist,
        database: DatabaseState::Ready,
        migration: Some(Migration::Succeeded),
        deployment: Some(deployment(1, 1, 1, 2)),
        deployment_is_current: true,
    }
}

/// The conditions as `Type=Status/Reason`.
fn told(applied: &Applied, not_declared: Option<&Error>) -> Vec<String> {
    of_applied(&validated(&development()), applied, not_declared)
        .iter()
        .map(|it| {
            format!(
                "{}={}/{}",
                it.type_.as_str(),
                it.status.as_str(),
                it.reason.as_str()
            )
        })
        .collect()
}

#[test]
fn a_serving_platform_is_ready() {
    assert_eq!(
        told(&serving(), None),
        [
            "SecretsReady=True/AsExpected",
            "DatabaseReady=True/AsExpected",
            "Migrated=True/AsExpected",
            "Available=True/AsExpected",
            "Ready=True/AsExpected",
        ]
    );
}

#[test]
fn a_secret_that_is_not_synced_leaves_the_running_version_alone() {
    let applied = Applied {
        secrets: Secrets::NotSynced("the ExternalSecret main-secrets: no such key".into()),
        migration: None,
        deployment_is_current: false,
        ..serving()
    };
    assert_eq!(
        told(&applied, None),
        [
            "SecretsReady=False/SecretNotSynced",
            "DatabaseReady=True/AsExpected",
            "Migrated=False/Waiting",
            "Available=True/AsExpected",
            "Ready=False/SecretNotSynced",
        ]
    );
}

#[test]
fn a_bad_value_is_told_as_the_check_said_it() {
    let applied = Applied {
        migration: Some(Migration::BadConfiguration(
            "JWT_SECRET is too short".into(),
        )),
        ..serving()
    };
    let findings = of_applied(&validated(&development()), &applied, None);
    assert_eq!(findings[0].reason, PlatformReason::InvalidConfiguration);
    assert!(findings[0].message.starts_with("JWT_SECRET is too short"));
    assert_eq!(findings[4].reason, PlatformReason::InvalidConfiguration);
}

#[test]
fn a_failed_migration_says_so_and_the_secrets_are_good() {
    let applied = Applied {
        migration: Some(Migration::Failed("0003: syntax error".into())),
        ..serving()
    };
    let told = told(&applied, None);
    assert_eq!(told[0], "SecretsReady=True/AsExpected");
    assert_eq!(told[2], "Migrated=False/MigrationFailed");
    assert_eq!(told[4], "Ready=False/MigrationFailed");
}

#[test]
fn a_rollout_is_available_but_not_ready_until_the_old_pods_are_gone() {
    for unfinished in [deployment(1, 0, 1, 1), deployment(2, 1, 2, 2)] {
        let applied = Applied {
            deployment: Some(unfinished),
            ..serving()
        };
        let told = told(&applied, None);
        assert_eq!(told[3], "Available=True/AsExpected");
        assert_eq!(told[4], "Ready=False/RollingOut");
    }
}

#[test]
fn a_stuck_rollout_is_told() {
    let mut stuck = serde_json::to_value(deployment(0, 1, 1, 2)).unwrap();
    stuck["status"]["conditions"] = json!([
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
    ]);
    let applied = Applied {
        deployment: Some(serde_json::from_value(stuck).unwrap()),
        ..serving()
    };
    assert_eq!(told(&applied, None)[4], "Ready=False/RolloutStuck");
}

#[test]
fn undeclared_projects_keep_a_platform_from_being_ready() {
    let error = Error::Api(ApiError::Unreachable("connection refused".into()));
    let told = told(&serving(), Some(&error));
    assert_eq!(told[3], "Available=True/AsExpected");
    assert_eq!(told[4], "Ready=False/ProjectsNotDeclared");
}
