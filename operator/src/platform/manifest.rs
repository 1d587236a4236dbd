//! An object that the operator applies, and the comparison of a live object with it.

use kube::api::ApiResource;
use prometheus_client::encoding::EncodeLabelValue;
use serde_json::{Value, json};

/// The kinds that the operator applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Kind {
    /// `v1`.
    ConfigMap,
    /// `v1`.
    Service,
    /// `v1`.
    ServiceAccount,
    /// `v1`.
    PersistentVolumeClaim,
    /// `apps/v1`.
    Deployment,
    /// `apps/v1`.
    StatefulSet,
    /// `batch/v1`.
    Job,
    /// `external-secrets.io/v1`.
    ExternalSecret,
}

impl Kind {
    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::ServiceAccount => "ServiceAccount",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::Job => "Job",
            Self::ExternalSecret => "ExternalSecret",
        }
    }

    /// Where the kind is in the API.
    pub fn resource(self) -> ApiResource {
        let (group, version, plural) = match self {
            Self::ConfigMap => ("", "v1", "configmaps"),
            Self::Service => ("", "v1", "services"),
            Self::ServiceAccount => ("", "v1", "serviceaccounts"),
            Self::PersistentVolumeClaim => ("", "v1", "persistentvolumeclaims"),
            Self::Deployment => ("apps", "v1", "deployments"),
            Self::StatefulSet => ("apps", "v1", "statefulsets"),
            Self::Job => ("batch", "v1", "jobs"),
            Self::ExternalSecret => ("external-secrets.io", "v1", "externalsecrets"),
        };
        ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: if group.is_empty() {
                version.into()
            } else {
                format!("{group}/{version}")
            },
            kind: self.as_str().into(),
            plural: plural.into(),
        }
    }
}

/// The annotation that says which desired state was applied last, so that a field that is no longer
/// desired is removed too.
pub const APPLIED: &str = "reconciliation-platform.dev/applied";

/// A desired object.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// The whole object, with `apiVersion`, `kind` and `metadata`.
    pub body: Value,
}

impl Manifest {
    /// An object of `content` (`spec`, `data`, …) with this metadata.
    pub fn new(kind: Kind, metadata: Value, content: Value) -> Self {
        let mut body = content;
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        body["apiVersion"] = json!(kind.resource().api_version);
        body["kind"] = json!(kind.as_str());
        body["metadata"] = metadata;
        let digest = crate::platform::short_hash(&body.to_string());
        body["metadata"]["annotations"][APPLIED] = json!(digest);
        Self { kind, name, body }
    }

    /// Whether the live object has every desired field.
    pub fn is_met_by(&self, live: &Value) -> bool {
        is_subset(&self.body, live)
    }
}

/// Whether every field of `desired` is in `live`. Lists must be as long; what is empty may be absent,
/// because the API server drops it.
fn is_subset(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            desired.iter().all(|(key, value)| match live.get(key) {
                Some(other) => is_subset(value, other),
                None => is_empty(value),
            })
        }
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len()
                && desired
                    .iter()
                    .zip(live)
                    .all(|(desired, live)| is_subset(desired, live))
        }
        (desired, live) => desired == live,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(ports: &Value) -> Manifest {
        Manifest::new(
            Kind::Service,
            json!({"name": "main-api", "labels": {"a": "b"}}),
            json!({"spec": {"ports": ports, "selector": {}}}),
        )
    }

    #[test]
    fn fields_that_the_api_server_adds_are_no_drift() {
        let desired = service(&json!([{"port": 8080}]));
        let mut live = desired.body.clone();
        live["spec"]["clusterIP"] = json!("10.96.0.7");
        live["spec"]["ports"][0]["protocol"] = json!("TCP");
        live["metadata"]["uid"] = json!("u");
        live["spec"].as_object_mut().unwrap().remove("selector");
        assert!(desired.is_met_by(&live));
    }

    #[test]
    fn a_changed_removed_or_added_entry_is_drift() {
        let desired = service(&json!([{"port": 8080}]));
        let mut changed = desired.body.clone();
        changed["spec"]["ports"][0]["port"] = json!(81);
        assert!(!desired.is_met_by(&changed));
        let mut added = desired.body.clone();
        added["spec"]["ports"] = json!([{"port": 8080}, {"port": 81}]);
        assert!(!desired.is_met_by(&added));
        let mut removed = desired.body.clone();
        removed["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("labels");
        assert!(!desired.is_met_by(&removed));
    }

    #[test]
    fn a_field_that_is_no_longer_desired_changes_the_applied_annotation() {
        let before = service(&json!([{"port": 8080, "name": "http"}]));
        let after = service(&json!([{"port": 8080}]));
        assert!(!after.is_met_by(&before.body));
    }
}
