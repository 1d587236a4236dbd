//! Finds what a job refers to: its platform, and the ConfigMaps that hold its data.

use crds::condition::{PlatformCondition, Status};
use crds::matching::ConfigMapSource;
use crds::platform::ReconciliationPlatform;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::validate::ValidatedJob;
use crate::context::Context;
use crate::error::Error;

/// The platform of a job.
pub enum Platform {
    /// It exists.
    Found(Box<ReconciliationPlatform>),
    /// It does not.
    Missing,
}

/// Finds the platform.
pub async fn platform(context: &Context, job: &ValidatedJob) -> Result<Platform, Error> {
    let platforms: Api<ReconciliationPlatform> =
        Api::namespaced(context.client.clone(), &job.platform_namespace);
    Ok(match platforms.get_opt(&job.platform_name).await? {
        Some(platform) => Platform::Found(Box::new(platform)),
        None => Platform::Missing,
    })
}

/// Whether the job may refer to the platform at all: across namespaces only where the platform lists
/// the job's namespace in the project. Membership itself is for the API to decide.
pub fn may_use(platform: &ReconciliationPlatform, job: &ValidatedJob) -> bool {
    job.platform_namespace == job.namespace
        || platform.spec.projects.iter().any(|project| {
            project.slug == job.project && project.namespaces.contains(&job.namespace)
        })
}

/// Whether the platform's API can be called.
pub fn serves(platform: &ReconciliationPlatform) -> bool {
    platform
        .status
        .iter()
        .flat_map(|status| &status.conditions)
        .any(|condition| {
            condition.type_ == PlatformCondition::Available.as_str()
                && condition.status == Status::True.as_str()
        })
}

/// The content of one key of a ConfigMap in the job's namespace, if it exists.
pub async fn config_map(
    context: &Context,
    namespace: &str,
    source: &ConfigMapSource,
) -> Result<Option<Vec<u8>>, Error> {
    let config_maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let Some(mut config_map) = config_maps.get_opt(&source.name).await? else {
        return Ok(None);
    };
    let text = config_map
        .data
        .as_mut()
        .and_then(|data| data.remove(&source.key));
    let binary = config_map
        .binary_data
        .as_mut()
        .and_then(|data| data.remove(&source.key));
    Ok(text.map(String::into_bytes).or(binary.map(|bytes| bytes.0)))
}
