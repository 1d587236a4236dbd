//! Reads what the desired state depends on besides the spec.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::build::Facts;
use super::validate::ValidatedPlatform;
use crate::context::Context;
use crate::error::Error;
use crate::identity;

/// The facts. Of the Secret only its metadata is read.
pub async fn dereference(context: &Context, platform: &ValidatedPlatform) -> Result<Facts, Error> {
    let keys = context.identity.cluster_keys().await?;
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &platform.namespace);
    let secret = secrets.get_metadata_opt(&platform.secret_name()).await?;
    Ok(Facts {
        identity: identity::document(
            &keys,
            &context.identity.subject(),
            &platform.namespace,
            &platform.name,
        ),
        secret_version: secret.and_then(|secret| secret.metadata.resource_version),
    })
}
