//! Applies one object, if the live one differs.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::context::{Context, FIELD_MANAGER};
use crate::error::Error;
use crate::platform::manifest::{APPLIED, Kind, Manifest};
use crate::platform::validate::ValidatedPlatform;

/// Brings the live object in line and returns it. A steady platform causes no writes.
pub async fn apply(
    context: &Context,
    platform: &ValidatedPlatform,
    manifest: &Manifest,
) -> Result<Value, Error> {
    let resource = manifest.kind.resource();
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &platform.namespace, &resource);
    let before = match api.get_opt(&manifest.name).await? {
        Some(live) => {
            refuse_a_stranger(&live, platform, manifest)?;
            let version = live.metadata.resource_version.clone();
            let live = serde_json::to_value(live)?;
            if manifest.is_met_by(&live) {
                return Ok(live);
            }
            Some((live, version))
        }
        None => None,
    };
    let after = patch(&api, manifest, before.is_some()).await?;
    let repaired = match before {
        // The same desired state was applied before, and yet something had to be put right.
        Some((live, version)) => {
            live["metadata"]["annotations"][APPLIED]
                == manifest.body["metadata"]["annotations"][APPLIED]
                && version != after.metadata.resource_version
        }
        None => platform.established && manifest.kind != Kind::Job,
    };
    if repaired {
        tracing::info!(
            kind = manifest.kind.as_str(),
            name = manifest.name,
            namespace = platform.namespace,
            "drift repaired"
        );
        context.metrics.drift_repaired(manifest.kind);
    }
    Ok(serde_json::to_value(after)?)
}

/// Applies the manifest. Where somebody changed the key of a list's entry (a port's number), applying
/// would add a second one beside it and is refused as invalid: then the lists are replaced as a whole.
async fn patch(
    api: &Api<DynamicObject>,
    manifest: &Manifest,
    exists: bool,
) -> Result<DynamicObject, Error> {
    let (name, body) = (&manifest.name, &manifest.body);
    let params = PatchParams::apply(FIELD_MANAGER);
    let forced = params.clone().force().validation_strict();
    match api.patch(name, &forced, &Patch::Apply(body)).await {
        Err(kube::Error::Api(status)) if exists && status.is_invalid() => {
            api.patch(name, &params, &Patch::Merge(body)).await
        }
        result => result,
    }
    .map_err(|source| refused(manifest, source))
}

/// An object of the same name that is not the platform's is not taken over. One that lost its owner
/// reference is still known by its label.
fn refuse_a_stranger(
    live: &DynamicObject,
    platform: &ValidatedPlatform,
    manifest: &Manifest,
) -> Result<(), Error> {
    let controller = live
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    let ours = match controller {
        Some(owner) => owner.uid == platform.owner.uid,
        None => {
            live.labels()
                .get("app.kubernetes.io/managed-by")
                .map(String::as_str)
                == Some(FIELD_MANAGER)
        }
    };
    if ours {
        return Ok(());
    }
    Err(Error::Taken {
        kind: manifest.kind.as_str(),
        name: manifest.name.clone(),
        owner: controller.map_or_else(
            || "somebody else".into(),
            |owner| format!("{} {}", owner.kind, owner.name),
        ),
    })
}

/// Tells what the user can mend from what passes by itself.
fn refused(manifest: &Manifest, source: kube::Error) -> Error {
    match &source {
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => Error::Refused {
            kind: manifest.kind.as_str(),
            name: manifest.name.clone(),
            source,
        },
        _ => source.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::platform::manifest::Kind;
    use crate::platform::validate::tests::{development, validated};

    fn check(metadata: &Value) -> Result<(), Error> {
        let live = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        let manifest = Manifest::new(Kind::Service, json!({"name": "main-api"}), json!({}));
        refuse_a_stranger(&live, &validated(&development()), &manifest)
    }

    #[test]
    fn only_the_platforms_own_objects_are_applied_over() {
        let owner = |uid: &str| {
            json!({"ownerReferences": [{
                "apiVersion": "v1", "kind": "Other", "name": "o", "uid": uid, "controller": true,
            }]})
        };
        assert!(check(&owner("u-1")).is_ok());
        let taken = check(&owner("u-2")).unwrap_err().to_string();
        assert_eq!(
            taken,
            "Service main-api belongs to Other o and is left alone"
        );
        assert!(check(&json!({})).is_err());
        let labelled = json!({"labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER}});
        assert!(check(&labelled).is_ok());
    }
}
