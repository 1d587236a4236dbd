//! A job, read and checked; a mistake comes with its path in the YAML.

use crds::decode::{SpecError, spec_from_value};
use crds::matching::MatchingSpec;
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A job that can be handed over.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedJob {
    /// Its namespace, on whose behalf the operator acts.
    pub namespace: String,
    /// The platform's name.
    pub platform_name: String,
    /// The platform's namespace.
    pub platform_namespace: String,
    /// The project's slug.
    pub project: String,
    /// What to compare.
    pub matching: MatchingSpec,
    /// The id of the run of this matching part.
    pub run_id: Uuid,
}

impl ValidatedJob {
    /// `namespace/name` of the platform.
    pub fn platform_text(&self) -> String {
        format!("{}/{}", self.platform_namespace, self.platform_name)
    }
}

/// Reads a job.
///
/// # Errors
/// Every mistake, each with a path that starts with `spec`.
pub fn validate(object: &DynamicObject) -> Result<ValidatedJob, Vec<SpecError>> {
    let spec = &object.data["spec"];
    let mut errors = Vec::new();
    let mut text = |path: &str, value: &Value| {
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            errors.push(SpecError {
                path: path.into(),
                message: "is required and must be text".into(),
            });
        }
        text.unwrap_or_default().to_owned()
    };
    let platform_name = text("spec.platformRef.name", &spec["platformRef"]["name"]);
    let project = text("spec.project", &spec["project"]);
    let mut matching_part = spec.clone();
    if let Value::Object(fields) = &mut matching_part {
        fields.remove("platformRef");
        fields.remove("project");
    }
    let matching = match spec_from_value(&matching_part) {
        Ok(matching) => {
            errors.extend(local_paths(&matching));
            Some(matching)
        }
        Err(mistakes) => {
            errors.extend(mistakes.into_iter().map(in_spec));
            None
        }
    };
    let uid = object.uid().and_then(|uid| Uuid::parse_str(&uid).ok());
    let (Some(matching), Some(uid), true) = (matching, uid, errors.is_empty()) else {
        return Err(errors);
    };
    let namespace = object.namespace().unwrap_or_default();
    Ok(ValidatedJob {
        platform_namespace: spec["platformRef"]["namespace"]
            .as_str()
            .unwrap_or(&namespace)
            .to_owned(),
        run_id: run_id(uid, &matching),
        namespace,
        platform_name,
        project,
        matching,
    })
}

/// The path of a mistake in the matching part, as a path in the job's YAML.
pub fn in_spec(error: SpecError) -> SpecError {
    let path = if error.path.is_empty() {
        "spec".into()
    } else {
        format!("spec.{}", error.path)
    };
    SpecError { path, ..error }
}

/// A platform reads no local files and queries no databases.
fn local_paths(matching: &MatchingSpec) -> Vec<SpecError> {
    let rates = matching.fx.as_ref().map(|fx| ("fx.rates", &fx.rates));
    let datasets = [("left", &matching.left), ("right", &matching.right)];
    let mut errors = Vec::new();
    for (place, dataset) in datasets.into_iter().chain(rates) {
        let source = &dataset.source;
        for (key, given, reads) in [
            ("uri", source.uri.is_some(), "reads no local files"),
            ("sql", source.sql.is_some(), "queries no databases"),
        ] {
            if given {
                errors.push(SpecError {
                    path: format!("spec.{place}.source.{key}"),
                    message: format!("a platform {reads}: use upload or configMap"),
                });
            }
        }
    }
    errors
}

/// A run is started once for each job and matching part, whatever restarts.
fn run_id(job: Uuid, matching: &MatchingSpec) -> Uuid {
    let hash = hex::encode(Sha256::digest(matching.canonical_json().as_bytes()));
    Uuid::new_v5(&job, hash.as_bytes())
}

#[cfg(test)]
pub mod tests;
