//! Writing a status: only when it differs, by server-side apply, with an event for each transition.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::events::EventType;
use serde_json::{Value, json};

use crate::context::{Context, FIELD_MANAGER};
use crate::error::Error;

/// Writes `status` of the object that `reference` names.
pub async fn write(
    context: &Context,
    resource: &ApiResource,
    reference: &ObjectReference,
    status: &Value,
) -> Result<(), Error> {
    let (Some(namespace), Some(name)) = (&reference.namespace, &reference.name) else {
        return Err(Error::Incomplete("the object has no name"));
    };
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, resource);
    let patch = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        // Deleted meanwhile: there is nothing left to tell.
        Err(kube::Error::Api(error)) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The conditions of `new` whose status or reason is not that of `old`; waiting for an earlier step
/// is no news.
pub fn transitions<'a>(old: &[Condition], new: &'a [Condition]) -> Vec<&'a Condition> {
    new.iter()
        .filter(|condition| condition.reason != "Waiting")
        .filter(|condition| {
            !old.iter().any(|before| {
                before.type_ == condition.type_
                    && before.status == condition.status
                    && before.reason == condition.reason
            })
        })
        .collect()
}

/// Publishes one event for each transition.
pub async fn publish_transitions(
    context: &Context,
    reference: &ObjectReference,
    transitions: &[&Condition],
    is_problem: fn(&Condition) -> bool,
) {
    for condition in transitions {
        let type_ = if is_problem(condition) {
            EventType::Warning
        } else {
            EventType::Normal
        };
        let note = format!(
            "{}={}: {}",
            condition.type_, condition.status, condition.message
        );
        context
            .publish(reference, type_, &condition.reason, &note)
            .await;
    }
}
