//! The status of a platform: derived from what the API server returned, written when it differs.

use crds::condition::{self, PlatformCondition, PlatformReason, Status};
use crds::platform::{ReconciliationPlatform, ReconciliationPlatformStatus};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::ApiResource;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::controller::Action;

use super::apply::{Applied, DatabaseState, Migration, Secrets};
use super::validate::{Database, Invalid, ValidatedPlatform};
use super::{RESYNC, UNWATCHED};
use crate::context::Context;
use crate::error::Error;
use crate::status::{publish_transitions, transitions, write};

/// A condition before it has a time and a generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    type_: PlatformCondition,
    status: Status,
    reason: PlatformReason,
    message: String,
}

fn holds(type_: PlatformCondition, message: impl Into<String>) -> Finding {
    Finding {
        type_,
        status: Status::True,
        reason: PlatformReason::AsExpected,
        message: message.into(),
    }
}

fn fails(type_: PlatformCondition, reason: PlatformReason, message: impl Into<String>) -> Finding {
    Finding {
        type_,
        status: Status::False,
        reason,
        message: message.into(),
    }
}

/// The findings where the spec is refused: nothing is applied, and what runs goes on.
pub fn of_invalid(invalid: &Invalid) -> Vec<Finding> {
    [PlatformCondition::SecretsReady, PlatformCondition::Ready]
        .into_iter()
        .map(|type_| {
            fails(
                type_,
                PlatformReason::InvalidConfiguration,
                invalid.to_string(),
            )
        })
        .collect()
}

/// The findings where the API server refused one of the platform's objects.
pub fn of_refused(error: &Error) -> Vec<Finding> {
    vec![fails(
        PlatformCondition::Ready,
        PlatformReason::InvalidConfiguration,
        error.to_string(),
    )]
}

/// All findings, in the order of the gates.
pub fn of_applied(
    platform: &ValidatedPlatform,
    applied: &Applied,
    not_declared: Option<&Error>,
) -> Vec<Finding> {
    let mut findings = vec![
        secrets(applied),
        database(platform, applied),
        migrated(platform, applied),
        available(applied),
    ];
    let ready = ready(platform, applied, &findings, not_declared);
    findings.push(ready);
    findings
}

fn secrets(applied: &Applied) -> Finding {
    let type_ = PlatformCondition::SecretsReady;
    match (&applied.secrets, &applied.migration) {
        (Secrets::ExternalSecretsMissing, _) => fails(
            type_,
            PlatformReason::ExternalSecretsMissing,
            "External Secrets is not installed in this cluster: install it, or use \
             spec.secrets.existingSecret; the operator goes on by itself",
        ),
        (Secrets::Pending(what), _) => fails(type_, PlatformReason::Waiting, what),
        (Secrets::NotSynced(why), _) => fails(type_, PlatformReason::SecretNotSynced, why),
        (Secrets::Exist, Some(Migration::BadConfiguration(said))) => fails(
            type_,
            PlatformReason::InvalidConfiguration,
            format!("{said} (the running version goes on; a corrected Secret is checked anew)"),
        ),
        (
            Secrets::Exist,
            Some(Migration::Migrating(_) | Migration::Failed(_) | Migration::Succeeded),
        ) => holds(type_, "the values are good"),
        (Secrets::Exist, Some(Migration::Checking(said))) => fails(
            type_,
            PlatformReason::CheckingConfiguration,
            said.as_deref().unwrap_or("the values are being checked"),
        ),
        (Secrets::Exist, None) => fails(
            type_,
            PlatformReason::CheckingConfiguration,
            "the values are checked once the database has started",
        ),
    }
}

fn database(platform: &ValidatedPlatform, applied: &Applied) -> Finding {
    let type_ = PlatformCondition::DatabaseReady;
    match applied.database {
        DatabaseState::External => holds(type_, "an external database"),
        DatabaseState::Ready => holds(type_, "the embedded database takes connections"),
        DatabaseState::Starting => {
            debug_assert!(matches!(platform.database, Database::Embedded { .. }));
            fails(
                type_,
                PlatformReason::DatabaseStarting,
                format!("{}-postgres-0 is not ready yet", platform.name),
            )
        }
    }
}

fn migrated(platform: &ValidatedPlatform, applied: &Applied) -> Finding {
    let type_ = PlatformCondition::Migrated;
    match &applied.migration {
        Some(Migration::Succeeded) => holds(
            type_,
            format!("the schema is that of {}", platform.image.tag),
        ),
        Some(Migration::Migrating(None)) => fails(
            type_,
            PlatformReason::Migrating,
            format!("migrating to {}", platform.image.tag),
        ),
        Some(Migration::Migrating(Some(said))) => {
            fails(type_, PlatformReason::Migrating, format!("not yet: {said}"))
        }
        Some(Migration::Failed(said)) => fails(
            type_,
            PlatformReason::MigrationFailed,
            format!(
                "{said} (the running version goes on; change the spec or the Secret to try again)"
            ),
        ),
        Some(Migration::Checking(_) | Migration::BadConfiguration(_)) | None => fails(
            type_,
            PlatformReason::Waiting,
            "waits for the secrets and the database",
        ),
    }
}

fn available(applied: &Applied) -> Finding {
    let type_ = PlatformCondition::Available;
    match &applied.deployment {
        None => fails(type_, PlatformReason::Waiting, "waits for the migration"),
        Some(deployment) if is_available(deployment) => holds(type_, progress(deployment)),
        Some(deployment) if is_stuck(deployment) => {
            fails(type_, PlatformReason::RolloutStuck, progress(deployment))
        }
        Some(deployment) => fails(type_, PlatformReason::RollingOut, progress(deployment)),
    }
}

fn ready(
    platform: &ValidatedPlatform,
    applied: &Applied,
    findings: &[Finding],
    not_declared: Option<&Error>,
) -> Finding {
    let type_ = PlatformCondition::Ready;
    let first_failure = findings.iter().find(|it| it.status != Status::True);
    if let Some(failure) = first_failure {
        return fails(type_, failure.reason, failure.message.clone());
    }
    if let Some(deployment) = &applied.deployment
        && !is_rolled_out(deployment)
    {
        let reason = if is_stuck(deployment) {
            PlatformReason::RolloutStuck
        } else {
            PlatformReason::RollingOut
        };
        return fails(type_, reason, progress(deployment));
    }
    match not_declared {
        Some(error) => fails(
            type_,
            PlatformReason::ProjectsNotDeclared,
            error.to_string(),
        ),
        None => holds(type_, format!("version {} serves", platform.image.tag)),
    }
}

fn deployment_condition<'d>(
    deployment: &'d Deployment,
    type_: &str,
) -> Option<&'d k8s_openapi::api::apps::v1::DeploymentCondition> {
    deployment
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten())
        .find(|it| it.type_ == type_)
}

/// Whether enough pods serve, of whatever version.
pub fn is_available(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let available = deployment
        .status
        .as_ref()
        .and_then(|status| status.available_replicas)
        .unwrap_or_default();
    available >= wanted.unwrap_or(1)
}

/// Whether all pods are of the newest version and nothing else is left.
fn is_rolled_out(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else {
        return false;
    };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let updated = status.updated_replicas.unwrap_or_default();
    status.observed_generation == deployment.metadata.generation
        && updated >= wanted.unwrap_or(1)
        && status.replicas.unwrap_or_default() == updated
        && is_available(deployment)
}

fn is_stuck(deployment: &Deployment) -> bool {
    deployment_condition(deployment, "Progressing").is_some_and(|it| {
        it.status == "False" && it.reason.as_deref() == Some("ProgressDeadlineExceeded")
    })
}

fn progress(deployment: &Deployment) -> String {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    format!(
        "{} of {} pods serve, {} of the newest version",
        status.available_replicas.unwrap_or_default(),
        wanted.unwrap_or(1),
        status.updated_replicas.unwrap_or_default()
    )
}

/// What no watch reports: an installation, and why a pod of the migration cannot start.
const UNWATCHED_REASONS: [PlatformReason; 3] = [
    PlatformReason::ExternalSecretsMissing,
    PlatformReason::CheckingConfiguration,
    PlatformReason::Migrating,
];

/// Writes the findings, if they differ from what the platform's status says, and says when to look
/// again.
pub async fn update(
    context: &Context,
    platform: &ReconciliationPlatform,
    findings: &[Finding],
    applied: Option<(&ValidatedPlatform, &Applied)>,
) -> Result<Action, Error> {
    let old = platform.status.clone().unwrap_or_default();
    let mut new = old.clone();
    let generation = platform.metadata.generation;
    new.observed_generation = generation;
    for finding in findings {
        condition::set(
            &mut new.conditions,
            finding.type_.as_str(),
            finding.status,
            finding.reason.as_str(),
            finding.message.clone(),
            generation,
            Timestamp::now(),
        );
    }
    if let Some((validated, applied)) = applied {
        describe(context, &mut new, validated, applied);
    }
    let reference = platform.object_ref(&());
    if new != old {
        let resource = ApiResource::erase::<ReconciliationPlatform>(&());
        write(context, &resource, &reference, &serde_json::to_value(&new)?).await?;
        let changed = transitions(&old.conditions, &new.conditions);
        publish_transitions(context, &reference, &changed, is_problem).await;
    }
    let unwatched = findings
        .iter()
        .any(|it| UNWATCHED_REASONS.contains(&it.reason));
    Ok(Action::requeue(if unwatched { UNWATCHED } else { RESYNC }))
}

fn describe(
    context: &Context,
    status: &mut ReconciliationPlatformStatus,
    platform: &ValidatedPlatform,
    applied: &Applied,
) {
    let tag = &platform.image.tag;
    status.endpoint = Some(context.endpoint(&platform.namespace, &platform.name));
    if applied.migration == Some(Migration::Succeeded) {
        status.migrated_version = Some(tag.clone());
    }
    if let Some(deployment) = &applied.deployment {
        let live = deployment.status.as_ref();
        status.replicas = Some(live.and_then(|it| it.ready_replicas).unwrap_or_default());
        if applied.deployment_is_current && is_rolled_out(deployment) {
            status.version = Some(tag.clone());
        }
    } else {
        status.replicas = Some(0);
    }
}

fn is_problem(condition: &Condition) -> bool {
    const PROBLEMS: [PlatformReason; 6] = [
        PlatformReason::SecretNotSynced,
        PlatformReason::ExternalSecretsMissing,
        PlatformReason::InvalidConfiguration,
        PlatformReason::MigrationFailed,
        PlatformReason::RolloutStuck,
        PlatformReason::ProjectsNotDeclared,
    ];
    PROBLEMS.iter().any(|it| it.as_str() == condition.reason)
}

/// Reports a platform that does not fit its type, which an older CRD may let through.
pub async fn unreadable(context: &Context, invalid: &InvalidObject) -> Result<Action, Error> {
    let resource = ApiResource::erase::<ReconciliationPlatform>(&());
    let reference = k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some(resource.api_version.clone()),
        kind: Some(resource.kind.clone()),
        name: invalid.metadata.name.clone(),
        namespace: invalid.metadata.namespace.clone(),
        uid: invalid.metadata.uid.clone(),
        ..Default::default()
    };
    let mut conditions = Vec::new();
    condition::set(
        &mut conditions,
        PlatformCondition::Ready.as_str(),
        Status::False,
        PlatformReason::InvalidConfiguration.as_str(),
        format!("the object does not fit its type: {}", invalid.error),
        invalid.metadata.generation,
        // The object's own status cannot be read, so its time would move with every write.
        invalid
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or_else(Timestamp::now, |time| time.0),
    );
    let status = ReconciliationPlatformStatus {
        observed_generation: invalid.metadata.generation,
        conditions,
        ..ReconciliationPlatformStatus::default()
    };
    write(
        context,
        &resource,
        &reference,
        &serde_json::to_value(&status)?,
    )
    .await?;
    Ok(Action::await_change())
}

#[cfg(test)]
mod tests;
